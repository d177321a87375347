//! The backend for a party that outgrew a file: a Redis server of its own, one hash per [`Table`].
//!
//! Every transaction is one Lua script ([`scripts`]), and is durable when the server answers, because it must run with
//! `appendfsync always` ([`checks`]). One process holds the store at a time, by a lease ([`lease`]) with a token that every
//! write shows; another one may stand by. A counter, incremented by every transaction and compared with the last one seen,
//! shows a server that went back ([`counter`]). There is no second connection and no second try: whatever goes wrong ends the
//! process, as a failed sync of a file does.

mod checks;
mod counter;
mod lease;
mod scripts;
#[cfg(test)]
mod server;
#[cfg(test)]
mod tests;

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::Duration;

use ::redis::{Client, Connection, ConnectionInfo, RedisError, Value as Answer, cmd};

use self::counter::Remembered;
use self::lease::RENEWAL;
pub(super) use self::lease::Turn;
use super::place::RedisUrl;
use super::sealed::Sealed;
use super::tenure::{Moment, Tenure};
use super::unlock::{Cost, random};
use super::{
    NodeStore, Record, Store, StoreError, Table, Unlock, Value, Write, apply_in_parts, check_key,
    check_limits,
};

/// How long a connection may take to be there.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// How long an answer may take: the disk of the server may be busy, but not for ever. The node is silent by then.
const ANSWER_TIME: Duration = Duration::from_secs(10);

/// How long the replicas may take to have written what the server has, in milliseconds.
const REPLICAS_MS: u64 = 5_000;

/// The stores of one server begin with this; the braces keep all keys of a store in one slot of a cluster.
const PREFIX: &str = "consign:";

/// A store on a Redis server, held by this process, or only looked at.
pub(super) struct Redis {
    connection: RefCell<Connection>,
    /// For messages.
    place: String,
    names: Names,
    scripts: Scripts,
    /// How many replicas have to have what is durable.
    replicas: u32,
    /// Shown with every change. Empty: this process holds nothing, and changes nothing.
    token: String,
    /// How often the lease was renewed.
    beat: Cell<u64>,
    /// When it was asked for last.
    renewed: Cell<Moment>,
    tenure: Tenure,
    counter: u64,
    remembered: Remembered,
}

/// The keys of a store.
struct Names {
    state: String,
    lease: String,
    /// What the names of tables begin with; a store in the making has another one.
    tables: String,
    published: String,
}

/// The hashes by which the server knows the scripts.
struct Scripts {
    renew: String,
    release: String,
    transact: String,
}

/// What a script answered: a word, and perhaps more.
type Said = (String, Option<Vec<u8>>);

/// Makes a new store on a server. It gets its name in one step when it is complete; what an interrupted attempt left is
/// removed by the next one.
pub(super) fn create(
    url: &RedisUrl,
    remembered: &Path,
    asserted: bool,
    unlock: &Unlock,
    cost: Cost,
    first: &[Write],
) -> Result<NodeStore, StoreError> {
    let mut backend = Redis::connect(url, remembered, asserted)?;
    backend.acquire(Turn::Now)?;
    if backend.exists()? {
        return Err(StoreError::NameTaken { place: backend.place.clone() });
    }
    backend.begin_draft()?;
    let mut store = Sealed::create(backend, unlock, cost, &[])?;
    apply_in_parts(&mut store, first)?;
    store.inner_mut().publish()?;
    // The file is how the folder shows that it is complete.
    let backend = store.inner_mut();
    backend.remembered.set(backend.counter)?;
    backend.remembered.sync()?;
    Ok(store.boxed())
}

/// Opens the store on a server. None: another process holds it, and whoever waited for it gave up.
pub(super) fn open(
    url: &RedisUrl,
    remembered: &Path,
    asserted: bool,
    unlock: &Unlock,
    turn: Turn<'_>,
) -> Result<Option<NodeStore>, StoreError> {
    let mut backend = Redis::connect(url, remembered, asserted)?;
    if !backend.exists()? {
        return Err(backend.not_found());
    }
    if !backend.acquire(turn)? {
        return Ok(None);
    }
    // It may have been a long wait.
    checks::check(&mut backend.connection.borrow_mut(), &backend.place, asserted, backend.replicas)?;
    backend.warn_if_new();
    backend.compare_counter()?;
    backend.remembered.sync()?;
    Ok(Some(Sealed::open(backend, unlock)?.boxed()))
}

/// Looks at the store on a server, which another process may hold: whatever is written is refused. From now on the folder
/// remembers how far the store is.
pub(super) fn look(
    url: &RedisUrl,
    remembered: &Path,
    asserted: bool,
    unlock: &Unlock,
) -> Result<NodeStore, StoreError> {
    let backend = Redis::connect(url, remembered, asserted)?;
    if !backend.exists()? {
        return Err(backend.not_found());
    }
    let mut store = Sealed::look(backend, unlock)?;
    let backend = store.inner_mut();
    backend.read_counter()?;
    backend.compare_counter()?;
    backend.remembered.sync()?;
    Ok(store.boxed())
}

impl Redis {
    /// Connects and checks the server.
    fn connect(url: &RedisUrl, remembered: &Path, asserted: bool) -> Result<Redis, StoreError> {
        let place = url.to_string();
        let unreachable = |error: RedisError| failed(&place, "answer", &error);
        // rustls takes what the process has; AWS-LC is linked anyway. It is there already if a store was opened before.
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let settings = url.connection.redis_settings().clone().set_skip_set_lib_name();
        let info = ConnectionInfo::clone(&url.connection);
        let client = Client::open(info.set_redis_settings(settings)).map_err(unreachable)?;
        let mut connection = client.get_connection_with_timeout(CONNECT_TIME).map_err(unreachable)?;
        connection.set_read_timeout(Some(ANSWER_TIME)).map_err(unreachable)?;
        connection.set_write_timeout(Some(ANSWER_TIME)).map_err(unreachable)?;
        checks::check(&mut connection, &place, asserted, url.replicas)?;
        let load = |connection: &mut Connection, script: &str| -> Result<String, StoreError> {
            cmd("SCRIPT").arg("LOAD").arg(script).query(connection).map_err(unreachable)
        };
        let scripts = Scripts {
            renew: load(&mut connection, scripts::RENEW)?,
            release: load(&mut connection, scripts::RELEASE)?,
            transact: load(&mut connection, scripts::TRANSACT)?,
        };
        let names = Names::new(&url.name);
        let remembered = Remembered::open(remembered)?;
        Ok(Redis {
            connection: RefCell::new(connection),
            place,
            names,
            scripts,
            replicas: url.replicas,
            token: String::new(),
            beat: Cell::new(0),
            renewed: Cell::new(Moment::now()),
            tenure: Tenure::default(),
            counter: 0,
            remembered,
        })
    }

    fn not_found(&self) -> StoreError {
        StoreError::NotFound { path: self.place.clone().into() }
    }

    /// Whether there is a store of this name.
    fn exists(&self) -> Result<bool, StoreError> {
        let name = self.names.table(Table::Header);
        cmd("EXISTS")
            .arg(name)
            .query(&mut *self.connection.borrow_mut())
            .map_err(|e| failed(&self.place, "look for the store", &e))
    }

    /// Reads the counter, for who holds nothing.
    fn read_counter(&mut self) -> Result<(), StoreError> {
        let counter: Option<u64> = cmd("HGET")
            .arg(&self.names.state)
            .arg("counter")
            .query(&mut *self.connection.borrow_mut())
            .map_err(|e| failed(&self.place, "tell its counter", &e))?;
        self.counter = counter.unwrap_or(0);
        Ok(())
    }

    fn warn_if_new(&self) {
        if self.remembered.counter().is_none() {
            tracing::warn!(
                place = %self.place,
                "this folder has not seen this store before: it cannot tell whether the server went back to an older state"
            );
        }
    }

    /// Compares the counter with what this machine remembers, and remembers it.
    fn compare_counter(&mut self) -> Result<(), StoreError> {
        match self.remembered.counter() {
            Some(seen) if seen > self.counter => Err(StoreError::WentBack {
                place: self.place.clone(),
                found: self.counter,
                seen,
                file: self.remembered.path().to_owned(),
            }),
            Some(seen) if seen == self.counter => Ok(()),
            Some(_) | None => self.remembered.set(self.counter),
        }
    }

    /// From here on tables are drafts, empty ones.
    fn begin_draft(&mut self) -> Result<(), StoreError> {
        self.names.tables = format!("{}draft:", self.names.published);
        let mut call = cmd("EVAL");
        call.arg(scripts::CLEAR).arg(2 + Table::ALL.len()).arg(&self.names.state).arg(&self.names.lease);
        for table in Table::ALL {
            call.arg(self.names.table(table));
        }
        call.arg(&self.token);
        match self.ask(&call, "remove what an interrupted attempt left")?.0.as_str() {
            "done" => Ok(()),
            word => Err(self.refused(word)),
        }
    }

    /// The drafts are the store.
    fn publish(&mut self) -> Result<(), StoreError> {
        let mut call = cmd("EVAL");
        call.arg(scripts::PUBLISH)
            .arg(2 + 2 * Table::ALL.len())
            .arg(&self.names.state)
            .arg(&self.names.lease);
        let drafts = Table::ALL.map(|table| self.names.table(table));
        self.names.tables.clone_from(&self.names.published);
        for name in drafts.into_iter().chain(Table::ALL.map(|table| self.names.table(table))) {
            call.arg(name);
        }
        call.arg(&self.token);
        match self.ask(&call, "make the store")?.0.as_str() {
            "done" => Ok(()),
            "exists" => Err(StoreError::NameTaken { place: self.place.clone() }),
            word => Err(self.refused(word)),
        }
    }

    /// Runs a script.
    fn ask(&self, call: &::redis::Cmd, act: &'static str) -> Result<Said, StoreError> {
        said(self.ask_raw(call, act)?).ok_or_else(|| self.no_sense())
    }

    /// Runs a script. It has an answer when all replicas that count have written what it changed, too.
    fn ask_raw(&self, call: &::redis::Cmd, act: &'static str) -> Result<Answer, StoreError> {
        let mut connection = self.connection.borrow_mut();
        let lost = |e: RedisError| {
            self.tenure.end();
            failed(&self.place, act, &e)
        };
        if self.replicas == 0 {
            return call.query(&mut *connection).map_err(lost);
        }
        let mut pipe = ::redis::pipe();
        pipe.add_command(call.clone()).cmd("WAITAOF").arg(1).arg(self.replicas).arg(REPLICAS_MS);
        let (answer, (here, there)): (Answer, (u32, u32)) = pipe.query(&mut *connection).map_err(lost)?;
        if here == 0 || there < self.replicas {
            self.tenure.end();
            return Err(checks::lacking(&self.place, there, self.replicas));
        }
        Ok(answer)
    }

    fn no_sense(&self) -> StoreError {
        self.tenure.end();
        StoreError::damaged(format!("{} gave no sense of an answer", self.place))
    }

    /// Why a script did nothing.
    fn refused(&self, word: &str) -> StoreError {
        self.tenure.end();
        let place = self.place.clone();
        match word {
            "fenced" => StoreError::TakenOver { place },
            "counter" => StoreError::Meddled { place },
            other => StoreError::damaged(format!("{place} answered `{other}`")),
        }
    }

    /// Runs a transaction of operations: word, table, key, value.
    fn transact<'a>(
        &mut self,
        operations: impl IntoIterator<Item = (&'static str, Table, &'a [u8], &'a [u8])>,
    ) -> Result<Said, StoreError> {
        let next =
            self.counter.checked_add(1).ok_or_else(|| StoreError::damaged("the counter is at its end"))?;
        let mut call = cmd("EVALSHA");
        call.arg(&self.scripts.transact)
            .arg(2 + Table::ALL.len())
            .arg(&self.names.state)
            .arg(&self.names.lease);
        for table in Table::ALL {
            call.arg(self.names.table(table));
        }
        call.arg(&self.token).arg(self.counter.to_string()).arg(next.to_string()).arg(self.next_beat());
        for (word, table, key, value) in operations {
            // The scripts count from 1, and the tables come third.
            let at = 3 + Table::ALL.iter().position(|t| *t == table).unwrap_or(0);
            call.arg(word).arg(at).arg(key).arg(value);
        }
        let asked = Moment::now();
        let said = self.ask(&call, "store what the node must remember")?;
        match said.0.as_str() {
            "done" => {
                self.counter = next;
                self.extend(asked);
                if !self.names.is_draft() {
                    self.remembered.set(next)?;
                }
                Ok(said)
            }
            "exists" => Ok(said),
            word => Err(self.refused(word)),
        }
    }
}

impl Store for Redis {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        check_key(key)?;
        self.keep()?;
        let found: Option<Vec<u8>> = cmd("HGET")
            .arg(self.names.table(table))
            .arg(key)
            .query(&mut *self.connection.borrow_mut())
            .map_err(|e| failed(&self.place, "read a record", &e))?;
        Ok(found.map(Value::from))
    }

    fn list(&self, table: Table) -> Result<Vec<Record>, StoreError> {
        self.keep()?;
        let found: Vec<(Vec<u8>, Vec<u8>)> = cmd("HGETALL")
            .arg(self.names.table(table))
            .query(&mut *self.connection.borrow_mut())
            .map_err(|e| failed(&self.place, "list records", &e))?;
        let mut records: Vec<_> = found.into_iter().map(|(key, value)| (key, Value::from(value))).collect();
        records.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        Ok(records)
    }

    fn apply(&mut self, writes: &[Write]) -> Result<(), StoreError> {
        check_limits(writes)?;
        let operations = writes.iter().map(|write| match write {
            Write::Put { table, key, value } => ("put", *table, key.as_slice(), value.as_bytes()),
            Write::Create { table, key, value } => ("create", *table, key.as_slice(), value.as_bytes()),
            Write::Delete { table, key } => ("delete", *table, key.as_slice(), [].as_slice()),
        });
        let (word, more) = self.transact(operations)?;
        if word != "exists" {
            return Ok(());
        }
        let at = more.and_then(|at| String::from_utf8(at).ok()?.parse::<usize>().ok());
        let write = at
            .and_then(|at| writes.get(at))
            .ok_or_else(|| self.refused("exists where nothing was created"))?;
        Err(StoreError::Exists { table: write.table(), key: hex::encode(write.key()) })
    }

    fn take(&mut self, table: Table, key: &[u8]) -> Result<Option<Value>, StoreError> {
        check_key(key)?;
        let (_, taken) = self.transact([("take", table, key, [].as_slice())])?;
        Ok(taken.map(Value::from))
    }

    fn renewal(&self) -> Option<Duration> {
        Some(RENEWAL)
    }

    fn renew(&mut self) -> Result<(), StoreError> {
        let checked =
            checks::check_replication(&mut self.connection.borrow_mut(), &self.place, self.replicas);
        checked.inspect_err(|_| self.tenure.end())?;
        self.renew_lease()
    }

    fn tenure(&self) -> Option<Tenure> {
        Some(self.tenure.clone())
    }
}

impl Drop for Redis {
    /// Gives the lease back, so that the next one need not wait. Where something went wrong it is left to be taken.
    fn drop(&mut self) {
        let orderly = !self.tenure.has_ended();
        // Nothing may be said any more before another one may say something.
        self.tenure.end();
        if self.token.is_empty() {
            return;
        }
        if orderly {
            let mut call = cmd("EVALSHA");
            call.arg(&self.scripts.release).arg(2).arg(&self.names.state).arg(&self.names.lease);
            let _ = self.ask(call.arg(&self.token), "end the lease");
        }
        let _ = self.remembered.sync();
    }
}

impl Names {
    fn new(name: &str) -> Names {
        let published = format!("{PREFIX}{{{name}}}:");
        Names {
            state: format!("{published}state"),
            lease: format!("{published}lease"),
            tables: format!("{published}table:"),
            published: format!("{published}table:"),
        }
    }

    fn is_draft(&self) -> bool {
        self.tables != self.published
    }

    fn table(&self, table: Table) -> String {
        format!("{}{}", self.tables, table.name())
    }
}

/// What a script answered.
fn said(answer: Answer) -> Option<Said> {
    let Answer::Array(parts) = answer else { return None };
    let mut parts = parts.into_iter();
    let Some(Answer::BulkString(word)) = parts.next() else { return None };
    let more = match parts.next() {
        Some(Answer::BulkString(more)) => Some(more),
        _ => None,
    };
    Some((String::from_utf8(word).ok()?, more))
}

/// A string that a script answered.
fn text(answer: Answer) -> Option<String> {
    let Answer::BulkString(bytes) = answer else { return None };
    String::from_utf8(bytes).ok()
}

/// Any failure of the server or the connection to it.
fn failed(place: &str, act: &'static str, error: &RedisError) -> StoreError {
    StoreError::Server { place: place.to_owned(), act, reason: error.to_string() }
}

/// A duration in milliseconds.
fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
