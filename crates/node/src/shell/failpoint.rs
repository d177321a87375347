//! Dies at a chosen transaction, of SIGKILL, for tests of what that leaves behind. Release builds have none
//! of it.

#[cfg(debug_assertions)]
pub(crate) use armed::Failpoint;

/// The environment variable that names a file. Once that file is there, holding `before N` or `after N`, the process
/// dies before or after the `N`-th transaction from then on, counted from 0.
#[cfg(debug_assertions)]
const VARIABLE: &str = "CONSIGN_TEST_FAILPOINT";

#[cfg(debug_assertions)]
mod armed {
    use std::path::PathBuf;

    use rustix::process::{Signal, getpid, kill_process};

    /// Where to die.
    pub(crate) struct Failpoint {
        file: Option<PathBuf>,
        point: Option<(bool, u64)>,
    }

    impl Failpoint {
        /// As the environment says; nowhere, as a rule.
        pub(crate) fn from_environment() -> Self {
            Self { file: std::env::var_os(super::VARIABLE).map(PathBuf::from), point: None }
        }

        /// Whether transactions are counted: then each order has one of its own.
        pub(crate) fn counts(&self) -> bool {
            self.file.is_some()
        }

        /// A transaction is about to begin.
        pub(crate) fn before(&mut self) {
            if self.point.is_none() {
                self.point = self.file.as_ref().and_then(|file| parse(&std::fs::read_to_string(file).ok()?));
            }
            if self.point == Some((false, 0)) {
                die();
            }
        }

        /// A transaction is durable, and nobody knows it yet.
        pub(crate) fn after(&mut self) {
            match &mut self.point {
                Some((true, 0)) => die(),
                Some((_, left)) => *left = left.saturating_sub(1),
                None => {}
            }
        }
    }

    /// No destructor runs, nothing is flushed.
    fn die() -> ! {
        let _ = kill_process(getpid(), Signal::KILL);
        std::process::abort()
    }

    pub(super) fn parse(text: &str) -> Option<(bool, u64)> {
        let (word, number) = text.trim().split_once(' ')?;
        let after = match word {
            "before" => false,
            "after" => true,
            _ => return None,
        };
        Some((after, number.parse().ok()?))
    }
}

/// Nowhere to die.
#[cfg(not(debug_assertions))]
pub(crate) struct Failpoint;

#[cfg(not(debug_assertions))]
impl Failpoint {
    /// Nothing.
    pub(crate) fn from_environment() -> Self {
        Self
    }

    /// Nothing is counted.
    #[expect(clippy::unused_self, reason = "as the armed one")]
    pub(crate) fn counts(&self) -> bool {
        false
    }

    /// Nothing.
    pub(crate) fn before(&mut self) {}

    /// Nothing.
    pub(crate) fn after(&mut self) {}
}

#[cfg(all(test, debug_assertions))]
mod tests {
    #[test]
    fn points_are_read_strictly() {
        let parse = super::armed::parse;
        assert_eq!(parse("before 0"), Some((false, 0)));
        assert_eq!(parse("after 12\n"), Some((true, 12)));
        for wrong in ["", "after", "at 3", "after -1", "after x"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
