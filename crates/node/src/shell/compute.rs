//! Threads for arithmetic, so that it never holds up the core or the network.

use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::Builder;

use consign_api as api;

use super::RunError;
use super::fatal::Fatal;
use super::inbox::{Inbox, InboxSender};
use super::steps::{Step, Steps};
use crate::core::{Input, Job, JobId};

/// Threads beyond the number of cores: a search for primes takes minutes, and must not keep a signature waiting.
const EXTRA_THREADS: usize = 2;

/// Running threads. They end when this is dropped and their jobs are done; nobody waits for that.
pub(crate) struct Compute {
    jobs: mpsc::Sender<(JobId, Box<Job>)>,
}

impl Compute {
    /// Starts the threads. A job that panics shows a bug: it is reported to `fatal`.
    pub(crate) fn start(inbox: &InboxSender, fatal: &Fatal, steps: &Steps) -> Result<Compute, RunError> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let (jobs, queue) = mpsc::channel::<(JobId, Box<Job>)>();
        let queue = Arc::new(Mutex::new(queue));
        for number in 0..cores + EXTRA_THREADS {
            let (queue, inbox, fatal, steps) = (queue.clone(), inbox.clone(), fatal.clone(), steps.clone());
            Builder::new()
                .name(format!("consign-compute-{number}"))
                .spawn(move || work(&queue, &inbox, &fatal, &steps))
                .map_err(RunError::Thread)?;
        }
        Ok(Compute { jobs })
    }

    /// Has a job done.
    pub(crate) fn run(&self, id: JobId, job: Box<Job>) {
        // The threads are there as long as this is.
        let _ = self.jobs.send((id, job));
    }
}

fn work(queue: &Mutex<mpsc::Receiver<(JobId, Box<Job>)>>, inbox: &InboxSender, fatal: &Fatal, steps: &Steps) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((id, job)) = next else { return };
        let sender = Mutex::new(inbox.clone());
        let progress = |progress: api::Progress| {
            let sender = sender.lock().unwrap_or_else(PoisonError::into_inner);
            let _ = sender.send(Inbox::Input(Input::Progress(id, progress)));
        };
        let Some(done) = fatal.guard(|| steps.of(Step::Compute, || job.run(&progress))) else { return };
        let _ = inbox.send(Inbox::Input(Input::Computed(id, Box::new(done))));
    }
}
