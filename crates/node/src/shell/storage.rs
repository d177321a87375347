//! The thread that owns the store and does what the core orders, one after the other.

use std::sync::{Arc, Weak, mpsc};
use std::thread::{Builder, JoinHandle};

use tokio::sync::oneshot;

use super::RunError;
use super::failpoint::Failpoint;
use super::fatal::Fatal;
use super::inbox::{Inbox, InboxSender};
use super::steps::{Step, Steps};
use crate::core::{Input, WriteId};
use crate::store::{Store, StoreError, Table, Tenure, Write};

/// Most writes that orders which wait behind one another make in one transaction: far more than those of all ceremonies
/// that may run at a time, and few enough that nobody waits long.
const MAX_TOGETHER: usize = 512;

/// An order to the store.
pub(crate) enum Order {
    /// Make these durable, then say `Stored`.
    Store(WriteId, Vec<Write>),
    /// Take a record out, then say `Taken`.
    Take(WriteId, Table, Vec<u8>),
    /// Write something that means nothing, and tell it when it is durable: the core does not ask for this.
    Probe(oneshot::Sender<()>),
}

/// Key of what a probe writes, in the meta table. Nothing reads it.
const PROBE: &[u8] = b"probe";

/// Asks whether the store takes writes; does not keep its thread alive.
#[derive(Clone)]
pub(crate) struct Probe {
    orders: Weak<mpsc::Sender<Order>>,
    tenure: Option<Tenure>,
}

impl Probe {
    /// Orders a write. The answer comes when it is durable; none ever comes if the store has failed.
    pub(crate) fn begin(&self) -> oneshot::Receiver<()> {
        let (answer, waiting) = oneshot::channel();
        if let Some(orders) = self.orders.upgrade() {
            let _ = orders.send(Order::Probe(answer));
        }
        waiting
    }

    /// The same of a process whose time is over.
    #[cfg(test)]
    pub(crate) fn silenced(self) -> Self {
        Self { tenure: Some(Tenure::default()), ..self }
    }

    /// Whether another process may have the store by now, so that this one says nothing.
    pub(crate) fn is_silent(&self) -> bool {
        self.tenure.as_ref().is_some_and(Tenure::is_over)
    }
}

/// The running thread.
pub(crate) struct Storage {
    orders: Arc<mpsc::Sender<Order>>,
    thread: JoinHandle<()>,
    tenure: Option<Tenure>,
}

impl Storage {
    /// Starts the thread on `store`. A failure is reported to `fatal`, and ends the thread: nothing after it is done
    /// or confirmed.
    pub(crate) fn start(
        store: impl Store + 'static,
        inbox: InboxSender,
        fatal: Fatal,
        steps: Steps,
    ) -> Result<Storage, RunError> {
        let (orders, queue) = mpsc::channel();
        let tenure = store.tenure();
        let thread = Builder::new()
            .name("consign-store".to_owned())
            .spawn(move || {
                if let Some(Err(error)) = fatal.guard(|| work(store, &queue, &inbox, &steps)) {
                    fatal.report(RunError::StoreFailed(error));
                }
            })
            .map_err(RunError::Thread)?;
        Ok(Storage { orders: Arc::new(orders), thread, tenure })
    }

    /// Where orders go.
    pub(crate) fn orders(&self) -> mpsc::Sender<Order> {
        mpsc::Sender::clone(&self.orders)
    }

    /// By which one finds out whether the store takes writes.
    pub(crate) fn probe(&self) -> Probe {
        Probe { orders: Arc::downgrade(&self.orders), tenure: self.tenure.clone() }
    }

    /// Waits until all orders are done. All other senders of orders must be gone.
    pub(crate) fn finish(self) {
        drop(self.orders);
        // It panicked only if the store did; the node ends in any case.
        let _ = self.thread.join();
    }
}

fn work(
    mut store: impl Store,
    queue: &mpsc::Receiver<Order>,
    inbox: &InboxSender,
    steps: &Steps,
) -> Result<(), StoreError> {
    let mut failpoint = Failpoint::from_environment();
    let mut left = None;
    loop {
        let order = match left.take() {
            Some(order) => Some(order),
            None => next(&mut store, queue)?,
        };
        let Some(order) = order else { return Ok(()) };
        failpoint.before();
        let mut done = Vec::new();
        let result = match order {
            Order::Store(id, writes) => {
                let mut group = vec![(id, writes)];
                if !failpoint.counts() {
                    left = gather(&mut group, queue);
                }
                steps.of(Step::Store, || apply(&mut store, group, &mut done))
            }
            Order::Take(id, table, key) => {
                store.take(table, &key).map(|value| done.push(Input::Taken(id, value)))
            }
            Order::Probe(answer) => store.apply(&[Write::put(Table::Meta, PROBE, b"")]).map(|()| {
                // Whoever asked may have gone.
                let _ = answer.send(());
            }),
        };
        if result.is_ok() {
            failpoint.after();
        }
        for input in done {
            // Without a core nobody waits for it; what was ordered is still done.
            let _ = inbox.send(Inbox::Input(input));
        }
        result?;
    }
}

/// Adds the orders that wait behind one another to the first: one sync serves them all. What does not fit, or is another
/// kind of order, is left.
fn gather(group: &mut Vec<(WriteId, Vec<Write>)>, queue: &mpsc::Receiver<Order>) -> Option<Order> {
    let mut room = MAX_TOGETHER.saturating_sub(group.iter().map(|(_, writes)| writes.len()).sum());
    while room > 0 {
        match queue.try_recv().ok()? {
            Order::Store(id, writes) if writes.len() <= room => {
                room -= writes.len().max(1);
                group.push((id, writes));
            }
            other @ (Order::Store(..) | Order::Take(..) | Order::Probe(_)) => return Some(other),
        }
    }
    None
}

/// Applies orders, all together if that can be done; says which are durable.
fn apply(
    store: &mut impl Store,
    group: Vec<(WriteId, Vec<Write>)>,
    done: &mut Vec<Input>,
) -> Result<(), StoreError> {
    let (ids, writes): (Vec<_>, Vec<_>) = group.into_iter().unzip();
    let counts: Vec<_> = writes.iter().map(Vec::len).collect();
    let writes: Vec<_> = writes.into_iter().flatten().collect();
    let together = store.apply(&writes);
    if ids.len() > 1 && matches!(together, Err(StoreError::Exists { .. })) {
        // Nothing is done. One after the other: what was ordered before the wrong one holds.
        let mut rest = writes.as_slice();
        for (id, count) in ids.into_iter().zip(counts) {
            let (own, later) = rest.split_at(count);
            store.apply(own)?;
            done.push(Input::Stored(id));
            rest = later;
        }
        return Ok(());
    }
    together?;
    done.extend(ids.into_iter().map(Input::Stored));
    Ok(())
}

/// Waits for the next order, and keeps the store meanwhile. None: there will be none.
fn next(store: &mut impl Store, queue: &mpsc::Receiver<Order>) -> Result<Option<Order>, StoreError> {
    let Some(time) = store.renewal() else { return Ok(queue.recv().ok()) };
    loop {
        match queue.recv_timeout(time) {
            Ok(order) => return Ok(Some(order)),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(None),
            Err(mpsc::RecvTimeoutError::Timeout) => store.renew()?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{self, Passphrase, Unlock, Value};

    fn steps() -> Steps {
        crate::shell::meters::Meters::new().steps
    }

    /// One transaction serves all that wait, and what does not fit or is of another kind is left for the next.
    #[test]
    fn orders_that_wait_are_stored_together() {
        let order = |id: u64, count: usize| {
            let write = |i: usize| Write::put(Table::Meta, format!("{id}-{i}"), &[7]);
            Order::Store(WriteId(id), (0..count).map(write).collect())
        };
        let (orders, queue) = mpsc::channel();
        for id in 2..=4 {
            orders.send(order(id, 3)).unwrap();
        }
        orders.send(Order::Take(WriteId(5), Table::Meta, b"2-0".to_vec())).unwrap();
        orders.send(order(6, MAX_TOGETHER)).unwrap();
        let mut group = vec![(WriteId(1), Vec::new())];
        assert!(matches!(gather(&mut group, &queue), Some(Order::Take(WriteId(5), ..))));
        assert_eq!(group.iter().map(|(id, _)| id.0).collect::<Vec<_>>(), [1, 2, 3, 4]);
        let mut large = vec![(WriteId(5), vec![Write::put(Table::Meta, b"x", &[1])])];
        assert!(matches!(gather(&mut large, &queue), Some(Order::Store(WriteId(6), _))));

        let (mut store, mut done) = (store::memory::Memory::new(), Vec::new());
        apply(&mut store, group, &mut done).unwrap();
        assert_eq!((done.len(), store.list(Table::Meta).unwrap().len()), (4, 9));
        // A wrong one takes nothing with it that was ordered before.
        let create = |id| (WriteId(id), vec![Write::create(Table::Requests, b"r", &[1])]);
        let before = (WriteId(7), vec![Write::put(Table::Meta, b"y", &[1])]);
        let mut done = Vec::new();
        let error = apply(&mut store, vec![before, create(8), create(9)], &mut done).unwrap_err();
        assert!(matches!(error, StoreError::Exists { .. }), "{error}");
        assert!(matches!(done.as_slice(), [Input::Stored(WriteId(7)), Input::Stored(WriteId(8))]));
        assert!(store.get(Table::Meta, b"y").unwrap().is_some());
    }

    /// Confirmations come in the order of the orders, and each only once the record is in the file.
    #[test]
    fn what_is_confirmed_is_durable_and_in_order() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("store.redb");
        let unlock = Unlock::Passphrase(Passphrase::new("correct horse".to_owned()));
        let store = store::create(&path, &unlock, &[]).unwrap();
        let (inbox, happened) = mpsc::channel();
        let (fatal, _reports) = Fatal::new();
        let storage = Storage::start(store, inbox, fatal, steps()).unwrap();
        let orders = storage.orders();
        for i in 0..20_u8 {
            orders
                .send(Order::Store(WriteId(i.into()), vec![Write::put(Table::Meta, [i + 1], &[i])]))
                .unwrap();
            orders.send(Order::Take(WriteId(100 + u64::from(i)), Table::Meta, vec![i])).unwrap();
        }
        drop(orders);
        for i in 0..20_u8 {
            let Inbox::Input(Input::Stored(id)) = happened.recv().unwrap() else { panic!("not stored") };
            assert_eq!(id, WriteId(i.into()));
            let Inbox::Input(Input::Taken(id, value)) = happened.recv().unwrap() else { panic!("not taken") };
            assert_eq!(
                (id, value),
                (WriteId(100 + u64::from(i)), i.checked_sub(1).map(|v| Value::from(&[v])))
            );
        }
        storage.finish();
        let store = store::open(&path, &unlock).unwrap();
        assert_eq!(store.list(Table::Meta).unwrap(), [(vec![20], Value::from(&[19]))]);
    }

    #[test]
    fn a_failed_write_ends_the_node_and_confirms_nothing() {
        let (inbox, happened) = mpsc::channel();
        let (fatal, mut reports) = Fatal::new();
        let storage = Storage::start(store::memory::Memory::new(), inbox, fatal, steps()).unwrap();
        let orders = storage.orders();
        let write = |id| Order::Store(WriteId(id), vec![Write::create(Table::Requests, b"r", b"1")]);
        orders.send(write(1)).unwrap();
        orders.send(write(2)).unwrap();
        // The thread may be gone already.
        let _ = orders.send(Order::Take(WriteId(3), Table::Requests, b"r".to_vec()));
        drop(orders);
        storage.finish();
        assert!(matches!(happened.recv(), Ok(Inbox::Input(Input::Stored(WriteId(1))))));
        assert!(happened.recv().is_err());
        let report = reports.blocking_recv().unwrap();
        assert!(matches!(report, RunError::StoreFailed(StoreError::Exists { .. })), "{report}");
    }
}
