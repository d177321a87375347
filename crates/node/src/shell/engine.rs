//! The core thread: takes what happened, asks the node what is to be done, and has it done in order.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use consign_api as api;
use tokio::sync::{mpsc, oneshot};

use super::clock::Clock;
use super::compute::Compute;
use super::events::Events;
use super::fatal::Fatal;
use super::inbox::{Answer, Inbox};
use super::meters::Meters;
use super::spans::Spans;
use super::steps::Step;
use super::{p2p, storage};
use crate::core::{CallId, Input, Level, Node, Output, TICK_MS};
use crate::store::Tenure;

/// Time between two looks whether the node may speak again.
const SILENCE: Duration = Duration::from_millis(20);

/// What the core thread works with.
pub(crate) struct Engine {
    pub node: Node,
    pub clock: Clock,
    pub storage: Sender<storage::Order>,
    pub compute: Compute,
    pub p2p: mpsc::UnboundedSender<p2p::Command>,
    pub events: Arc<Events>,
    pub meters: Arc<Meters>,
    pub spans: Spans,
    pub fatal: Fatal,
    pub calls: Calls,
    /// Until when this process speaks for its party, where another one may take over.
    pub tenure: Option<Tenure>,
}

/// The calls that wait for their answer.
#[derive(Default)]
pub(crate) struct Calls {
    next: u64,
    waiting: BTreeMap<CallId, oneshot::Sender<Answer>>,
}

impl Calls {
    fn add(&mut self, answer: oneshot::Sender<Answer>) -> CallId {
        self.next += 1;
        let id = CallId(self.next);
        self.waiting.insert(id, answer);
        id
    }

    /// Forgets calls whose client went away.
    fn sweep(&mut self) {
        self.waiting.retain(|_, answer| !answer.is_closed());
    }
}

impl Engine {
    /// Runs until `Stop`, or until the node has to end. `first` is to be done before anything else.
    pub(crate) fn run(mut self, inbox: &Receiver<Inbox>, first: Vec<Output>) {
        self.carry_out(first);
        let mut ticked = self.clock.now().monotonic;
        while !self.fatal.is_raised() {
            let due = (ticked + TICK_MS).saturating_sub(self.clock.now().monotonic);
            match inbox.recv_timeout(Duration::from_millis(due)) {
                Ok(Inbox::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                Ok(happened) => self.take(happened),
                Err(RecvTimeoutError::Timeout) => {}
            }
            // Also when there is always something else to do.
            if self.clock.now().monotonic >= ticked + TICK_MS {
                ticked = self.clock.now().monotonic;
                self.calls.sweep();
                self.handle(Input::Tick);
            }
        }
    }

    fn take(&mut self, happened: Inbox) {
        match happened {
            Inbox::Input(input) => self.handle(input),
            Inbox::Said { from, messages, stranger, taken } => {
                for bytes in messages {
                    self.handle(Input::Peer { from, bytes, stranger });
                }
                // The connection may be gone.
                let _ = taken.send(());
            }
            Inbox::Call(call) => {
                let id = self.calls.add(call.answer);
                self.handle(Input::Api(id, call.request));
            }
            Inbox::Stop => {}
        }
    }

    fn handle(&mut self, input: Input) {
        let step = match &input {
            Input::Peer { .. } => Step::Peer,
            // Looking takes no time, and who looks at the times shall not change them.
            Input::Api(_, api::Request::Count | api::Request::Health) | Input::Tick => Step::GoOn,
            Input::Api(..) => Step::Call,
            Input::PeerUp(_)
            | Input::PeerDown(_)
            | Input::Latency(..)
            | Input::Twice(_)
            | Input::Stored(_)
            | Input::Taken(..)
            | Input::Computed(..)
            | Input::Progress(..)
            | Input::Policy(_)
            | Input::DiskFull(_) => Step::GoOn,
        };
        let (node, now) = (&mut self.node, self.clock.now());
        let outputs = self.meters.steps.of(step, || node.handle(now, input));
        self.carry_out(outputs);
    }

    /// Whether this process may do anything. While it may not, because another one may speak for its party, this waits:
    /// perhaps the store answers after all. No: the node ends.
    fn may_act(&self) -> bool {
        let is_over = || self.tenure.as_ref().is_some_and(Tenure::is_over);
        if !is_over() {
            return !self.fatal.is_raised();
        }
        tracing::warn!(
            "the store has not answered for too long: this process is silent, another one may take over"
        );
        while is_over() {
            if self.fatal.is_raised() {
                return false;
            }
            std::thread::sleep(SILENCE);
        }
        tracing::info!("the store answers again, and nobody has taken over: this process goes on");
        !self.fatal.is_raised()
    }

    /// Has outputs done, in order; none after a failure of the store, nor when another process may have it. The receiving
    /// ends are there until the node stops, and then nobody needs them.
    fn carry_out(&mut self, outputs: Vec<Output>) {
        for output in outputs {
            if !self.may_act() {
                return;
            }
            match output {
                Output::Reply(call, reply) => {
                    if let Some(answer) = self.calls.waiting.remove(&call) {
                        let _ = answer.send(Answer { reply, sequence: self.events.last() });
                    }
                }
                Output::Send { to, bytes } => {
                    let _ = self.p2p.send(p2p::Command::Send(to, bytes));
                }
                Output::Peers(peers) => {
                    let _ = self.p2p.send(p2p::Command::Peers(peers));
                }
                Output::Store(id, writes) => {
                    let _ = self.storage.send(storage::Order::Store(id, writes));
                }
                Output::Take(id, table, key) => {
                    let _ = self.storage.send(storage::Order::Take(id, table, key));
                }
                Output::Compute(id, job) => self.compute.run(id, job),
                Output::Event(event) => {
                    self.meters.changed(&event.ceremony);
                    self.spans.changed(&event.ceremony);
                    self.events.publish(*event);
                }
                Output::Log(Level::Warn, line) => tracing::warn!("{line}"),
                Output::Log(Level::Info, line) => tracing::info!("{line}"),
                Output::Log(Level::Debug, line) => tracing::debug!("{line}"),
            }
        }
    }
}
