//! The thread that owns the store and does what the core orders, one after the other.

use std::sync::{Arc, Weak, mpsc};
use std::thread::{Builder, JoinHandle};

use tokio::sync::oneshot;

use super::RunError;
use super::failpoint::Failpoint;
use super::fatal::Fatal;
use super::inbox::{Inbox, InboxSender};
use crate::core::{Input, WriteId};
use crate::store::{Store, StoreError, Table, Write};

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
pub(crate) struct Probe(Weak<mpsc::Sender<Order>>);

impl Probe {
    /// Orders a write. The answer comes when it is durable; none ever comes if the store has failed.
    pub(crate) fn begin(&self) -> oneshot::Receiver<()> {
        let (answer, waiting) = oneshot::channel();
        if let Some(orders) = self.0.upgrade() {
            let _ = orders.send(Order::Probe(answer));
        }
        waiting
    }
}

/// The running thread.
pub(crate) struct Storage {
    orders: Arc<mpsc::Sender<Order>>,
    thread: JoinHandle<()>,
}

impl Storage {
    /// Starts the thread on `store`. A failure is reported to `fatal`, and ends the thread: nothing after it is done
    /// or confirmed.
    pub(crate) fn start(
        store: impl Store + 'static,
        inbox: InboxSender,
        fatal: Fatal,
    ) -> Result<Storage, RunError> {
        let (orders, queue) = mpsc::channel();
        let thread = Builder::new()
            .name("consign-store".to_owned())
            .spawn(move || {
                if let Some(Err(error)) = fatal.guard(|| work(store, &queue, &inbox)) {
                    fatal.report(RunError::StoreFailed(error));
                }
            })
            .map_err(RunError::Thread)?;
        Ok(Storage { orders: Arc::new(orders), thread })
    }

    /// Where orders go.
    pub(crate) fn orders(&self) -> mpsc::Sender<Order> {
        mpsc::Sender::clone(&self.orders)
    }

    /// By which one finds out whether the store takes writes.
    pub(crate) fn probe(&self) -> Probe {
        Probe(Arc::downgrade(&self.orders))
    }

    /// Waits until all orders are done. All other senders of orders must be gone.
    pub(crate) fn finish(self) {
        drop(self.orders);
        // It panicked only if the store did; the node ends in any case.
        let _ = self.thread.join();
    }
}

fn work(mut store: impl Store, queue: &mpsc::Receiver<Order>, inbox: &InboxSender) -> Result<(), StoreError> {
    let mut failpoint = Failpoint::from_environment();
    while let Some(order) = next(&mut store, queue)? {
        failpoint.before();
        let input = match order {
            Order::Store(id, writes) => {
                store.apply(&writes)?;
                Input::Stored(id)
            }
            Order::Take(id, table, key) => Input::Taken(id, store.take(table, &key)?),
            Order::Probe(answer) => {
                store.apply(&[Write::put(Table::Meta, PROBE, b"")])?;
                // Whoever asked may have gone.
                let _ = answer.send(());
                continue;
            }
        };
        failpoint.after();
        // Without a core nobody waits for it; what was ordered is still done.
        let _ = inbox.send(Inbox::Input(input));
    }
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

    /// Confirmations come in the order of the orders, and each only once the record is in the file.
    #[test]
    fn what_is_confirmed_is_durable_and_in_order() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("store.redb");
        let unlock = Unlock::Passphrase(Passphrase::new("correct horse".to_owned()));
        let store = store::create(&path, &unlock, &[]).unwrap();
        let (inbox, happened) = mpsc::channel();
        let (fatal, _reports) = Fatal::new();
        let storage = Storage::start(store, inbox, fatal).unwrap();
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
        let storage = Storage::start(store::memory::Memory::new(), inbox, fatal).unwrap();
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
