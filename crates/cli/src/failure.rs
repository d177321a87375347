//! What ends a command early, and with which exit code.

use std::io;

use consign_api::{Problem, ProblemKind};

use crate::bench::BenchError;

/// Everything that can go wrong, for a person and for a script.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// The command did not work; says why and what to do.
    #[error("{0}")]
    Failed(String),
    /// The arguments make no sense together, or do not name what they should.
    #[error("{0}")]
    Usage(String),
    /// There is no node to talk to.
    #[error("{0}")]
    NotRunning(String),
    /// The node, or the cluster, said no.
    #[error("{0}")]
    Refused(Box<Problem>),
    /// Evidence convicts nobody, or a certificate shows nothing.
    #[error("{0}")]
    NotProven(String),
    /// The node shows what a client does not believe.
    #[error("{0}")]
    Mistrusted(String),
    /// Ctrl-C, or a request to end.
    #[error("interrupted")]
    Interrupted,
    /// Whoever read the output has gone, as `head` does: nothing to complain about.
    #[error("the reader of the output is gone")]
    ReaderGone,
}

/// What the exit codes mean, for `consign --help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  failed
  2  wrong arguments
  3  no running node to talk to
  4  refused: unknown key, wrong token, not allowed, ...
  5  not possible now: too few signers, deadline passed, node busy, ...
  6  the evidence, or the certificate, proves nothing
  7  the node shows what cannot be believed: do not use it before you know why
  130  interrupted";

/// The exit code of an interrupted command: 128 and the number of the signal, as shells have it.
pub(crate) const INTERRUPTED: u8 = 130;

impl Failure {
    /// Any error that explains itself.
    pub(crate) fn from_error(error: impl std::error::Error) -> Self {
        Self::Failed(error.to_string())
    }

    /// The exit code, as [`EXIT_CODES`] tells.
    pub(crate) fn exit_code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::Usage(_) => 2,
            Self::NotRunning(_) => 3,
            Self::Refused(problem) if problem.status < 500 => 4,
            Self::Refused(_) => 5,
            Self::NotProven(_) => 6,
            Self::Mistrusted(_) => 7,
            Self::Interrupted => INTERRUPTED,
            Self::ReaderGone => 0,
        }
    }

    /// The problem document, where the node sent one.
    pub(crate) fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Refused(problem) => Some(problem),
            Self::Failed(_)
            | Self::Usage(_)
            | Self::NotRunning(_)
            | Self::NotProven(_)
            | Self::Mistrusted(_)
            | Self::Interrupted
            | Self::ReaderGone => None,
        }
    }

    /// A key that the node does not have.
    pub(crate) fn unknown_key(detail: impl Into<String>) -> Self {
        Self::from(Problem::new(ProblemKind::UnknownKey, detail))
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Refused(Box::new(problem))
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe { Self::ReaderGone } else { Self::from_error(error) }
    }
}

impl From<BenchError> for Failure {
    fn from(error: BenchError) -> Self {
        match error {
            BenchError::Output(error) => error.into(),
            BenchError::Threshold { .. } => Self::Usage(error.to_string()),
            BenchError::Presign(_) | BenchError::Failed(_) | BenchError::Entropy | BenchError::Thread(_) => {
                Self::from_error(error)
            }
        }
    }
}

macro_rules! explains_itself {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::from_error(error)
            }
        })+
    };
}

explains_itself!(
    consign_node::age::AgeError,
    consign_node::config::ConfigError,
    consign_node::config::FolderError,
    consign_node::config::PolicyFileError,
    consign_node::core::OpenError,
    consign_node::core::audit::AuditError,
    consign_node::core::backup::BackupError,
    consign_node::shell::lock::LockError,
    consign_node::shell::token::TokenError,
    consign_node::store::StoreError,
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_tell_apart_what_scripts_must_tell_apart() {
        let refused = |kind| Failure::from(Problem::new(kind, "Because.")).exit_code();
        assert_eq!(refused(ProblemKind::UnknownKey), 4);
        assert_eq!(refused(ProblemKind::Unauthorized), 4);
        assert_eq!(refused(ProblemKind::TooFewSigners), 5);
        assert_eq!(Failure::NotRunning(String::new()).exit_code(), 3);
        assert_eq!(Failure::NotProven(String::new()).exit_code(), 6);
        assert_eq!(Failure::Mistrusted(String::new()).exit_code(), 7);
        assert_eq!(Failure::Interrupted.exit_code(), 130);
    }

    #[test]
    fn a_closed_pipe_is_no_failure() {
        let gone = Failure::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert_eq!(gone.exit_code(), 0);
        assert_eq!(Failure::from(io::Error::other("disk")).exit_code(), 1);
    }
}
