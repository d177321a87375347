//! Requests of the operating system to end.

use std::io;

/// Signals that end a command in order.
pub(crate) struct Signals {
    #[cfg(unix)]
    kinds: Vec<tokio::signal::unix::Signal>,
}

impl Signals {
    /// From now on Ctrl-C and a polite `kill` no longer end the process at once; with `hangup` neither does the end of
    /// the terminal. Must be called inside a runtime.
    #[cfg(unix)]
    pub(crate) fn listen(hangup: bool) -> io::Result<Signals> {
        use tokio::signal::unix::{SignalKind, signal};
        let mut kinds = vec![signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
        if hangup {
            kinds.push(signal(SignalKind::hangup())?);
        }
        Ok(Signals { kinds })
    }

    /// The same where there is nothing but Ctrl-C.
    #[cfg(not(unix))]
    pub(crate) fn listen(_hangup: bool) -> io::Result<Signals> {
        Ok(Signals {})
    }

    /// Waits for the first one.
    #[cfg(unix)]
    pub(crate) async fn first(&mut self) {
        std::future::poll_fn(|context| {
            let come = self.kinds.iter_mut().any(|kind| kind.poll_recv(context).is_ready());
            if come { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
        })
        .await;
    }

    /// The same where there is nothing but Ctrl-C.
    #[cfg(not(unix))]
    pub(crate) async fn first(&mut self) {
        // An error means that Ctrl-C cannot be heard; then it ends the process by itself.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
