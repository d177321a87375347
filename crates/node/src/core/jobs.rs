//! Work for the compute threads: everything that may take longer than a millisecond.

use consign_api as api;

/// A piece of work. [`Job::run`] needs nothing but processor time.
pub struct Job {
    _private: (),
}

/// What a [`Job`] has led to; goes back to the node as [`Input::Computed`](super::Input::Computed).
pub struct Done {
    _private: (),
}

impl Job {
    /// Does the work. `progress` is told how far it is, now and then, from any thread.
    #[must_use]
    pub fn run(self, progress: &(dyn Fn(api::Progress) + Sync)) -> Done {
        let _ = progress;
        Done { _private: () }
    }
}
