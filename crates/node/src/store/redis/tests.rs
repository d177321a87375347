//! Everything here runs on a real server.

use tempfile::TempDir;

use super::server::Server;
use super::*;
use crate::store::Passphrase;
use crate::store::conformance::{conformance, durability};

fn unlock() -> Unlock {
    Unlock::Passphrase(Passphrase::new("correct horse".to_owned()))
}

/// A server, and the folder for its files and those of nodes.
struct Bench {
    folder: TempDir,
    server: Server,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(&[])
    }

    fn with(more: &[&str]) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(folder.path(), more);
        Bench { folder, server }
    }

    fn url(&self, name: &str) -> RedisUrl {
        RedisUrl::parse(&self.server.url(name)).unwrap()
    }

    fn remembered(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(format!("counter-{name}"))
    }

    fn create(&self, name: &str) -> Result<NodeStore, StoreError> {
        self.create_with(name, &[])
    }

    fn create_with(&self, name: &str, first: &[Write]) -> Result<NodeStore, StoreError> {
        create(&self.url(name), &self.remembered(name), false, &unlock(), Cost::LEAST, first)
    }

    fn open(&self, name: &str) -> Result<NodeStore, StoreError> {
        open_now(&self.url(name), &self.remembered(name), false, &unlock())
    }

    /// A connection that obeys no rules.
    fn raw(&self) -> Connection {
        Client::open(*self.url("raw").connection).unwrap().get_connection().unwrap()
    }

    fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = cmd("KEYS").arg("*").query(&mut self.raw()).unwrap();
        keys.sort();
        keys
    }
}

/// Opens a store that nobody else holds.
fn open_now(url: &RedisUrl, file: &Path, asserted: bool, unlock: &Unlock) -> Result<NodeStore, StoreError> {
    Ok(open(url, file, asserted, unlock, Turn::Now)?.expect("nobody gave up"))
}

/// A backend that holds the lease.
fn hold(bench: &Bench, name: &str) -> Redis {
    let mut backend = Redis::connect(&bench.url(name), &bench.remembered(name), false).unwrap();
    assert!(backend.acquire(Turn::Now).unwrap());
    backend
}

fn put(key: &[u8], value: &[u8]) -> Write {
    Write::put(Table::Keys, key, value)
}

#[test]
fn redis_conforms() {
    let bench = Bench::new();
    let count = std::cell::Cell::new(0);
    conformance(|| {
        count.set(count.get() + 1);
        bench.create(&format!("store{}", count.get())).unwrap()
    });
}

#[test]
fn redis_is_durable() {
    let bench = Bench::new();
    drop(bench.create("a").unwrap());
    durability(|| bench.open("a").unwrap());
}

/// What was answered is there after the server was killed, at once.
#[test]
fn a_killed_server_keeps_what_it_answered() {
    let mut bench = Bench::new();
    let mut store = bench.create("a").unwrap();
    for i in 0..50_u8 {
        store.apply(&[put(&[i + 1], &[i])]).unwrap();
    }
    bench.server.kill();
    let error = store.apply(&[put(b"x", b"y")]).unwrap_err();
    assert!(matches!(error, StoreError::Server { .. }) && error.is_fatal(), "{error}");
    assert!(store.renew().is_err());
    // Nothing comes back by itself: the node must end.
    bench.server = Server::start(bench.folder.path(), &[]);
    assert!(store.apply(&[put(b"x", b"y")]).is_err());
    drop(store);
    let store = bench.open("a").unwrap();
    assert_eq!(store.list(Table::Keys).unwrap().len(), 50);
}

#[test]
fn stores_of_one_server_are_apart() {
    let bench = Bench::new();
    let (mut a, mut b) = (bench.create("a").unwrap(), bench.create("b").unwrap());
    a.apply(&[put(b"k", b"of a")]).unwrap();
    b.apply(&[put(b"k", b"of b")]).unwrap();
    assert_eq!(a.get(Table::Keys, b"k").unwrap(), Some(Value::from(b"of a")));
    assert_eq!(b.get(Table::Keys, b"k").unwrap(), Some(Value::from(b"of b")));
    assert!(
        bench.keys().iter().all(|key| key.starts_with("consign:{a}:") || key.starts_with("consign:{b}:"))
    );
}

#[test]
fn a_new_store_is_there_whole_or_not_at_all() {
    let bench = Bench::new();
    let many: Vec<_> =
        (0..=crate::store::MAX_WRITES).map(|i| Write::create(Table::Meta, i.to_string(), b"1")).collect();
    // Nothing was published: what is left does not count, and is not mixed with what comes.
    let mut draft = hold(&bench, "a");
    draft.begin_draft().unwrap();
    draft.apply(&[put(b"left over", b"1")]).unwrap();
    drop(draft);
    assert!(!bench.remembered("a").exists());
    assert!(matches!(bench.open("a"), Err(StoreError::NotFound { .. })));
    let store = bench.create_with("a", &many).unwrap();
    assert_eq!(store.list(Table::Meta).unwrap().len(), many.len());
    assert_eq!(store.list(Table::Keys).unwrap(), []);
    assert!(bench.remembered("a").exists());
    drop(store);
    assert!(!bench.keys().iter().any(|key| key.contains("draft")));
    let error = bench.create("a").err().unwrap();
    assert!(matches!(error, StoreError::NameTaken { .. }), "{error}");
    assert_eq!(bench.open("a").unwrap().list(Table::Meta).unwrap().len(), many.len());
}

#[test]
fn values_are_sealed_on_the_server() {
    let bench = Bench::new();
    let mut store = bench.create("a").unwrap();
    store.apply(&[put(b"share", b"a share nobody may read")]).unwrap();
    let raw: Vec<u8> =
        cmd("HGET").arg("consign:{a}:table:keys").arg("share").query(&mut bench.raw()).unwrap();
    assert_eq!(raw.len(), b"a share nobody may read".len() + crate::store::sealed::OVERHEAD_BYTES);
    assert!(!raw.windows(5).any(|w| w == b"share"));
}

#[test]
fn a_second_process_is_refused_while_the_first_lives() {
    let bench = Bench::new();
    let mut first = bench.create("a").unwrap();
    assert_eq!(first.renewal(), Some(RENEWAL));
    std::thread::scope(|scope| {
        let second = scope.spawn(|| bench.open("a"));
        while !second.is_finished() {
            first.renew().unwrap();
            std::thread::yield_now();
        }
        let error = second.join().unwrap().err().unwrap();
        assert!(matches!(error, StoreError::InUse { .. }), "{error}");
        assert!(error.to_string().contains("stop that process"), "{error}");
    });
    first.apply(&[put(b"k", b"v")]).unwrap();
    drop(first);
    // Given back: nobody waits.
    assert_eq!(bench.keys().iter().filter(|key| key.contains("lease")).count(), 0);
    bench.open("a").unwrap();
}

/// A process that was paused so long that another one took over writes nothing when it goes on.
#[test]
fn a_revived_holder_is_fenced() {
    let bench = Bench::new();
    let mut old = bench.create("a").unwrap();
    old.apply(&[put(b"k", b"old"), Write::put(Table::Primes, b"p", b"prime")]).unwrap();
    let lapse = || cmd("DEL").arg("consign:{a}:lease").query::<i64>(&mut bench.raw()).unwrap();
    // The lease ran out, and nobody came: that harms nobody.
    assert_eq!(lapse(), 1);
    old.apply(&[put(b"k", b"still old")]).unwrap();
    old.renew().unwrap();
    // It ran out, and somebody came.
    assert_eq!(lapse(), 1);
    let mut new = bench.open("a").unwrap();
    new.apply(&[put(b"k", b"new")]).unwrap();
    let refused = |result: Result<(), StoreError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::TakenOver { .. }) && error.is_fatal(), "{error}");
    };
    refused(old.apply(&[put(b"k", b"again old")]));
    refused(old.apply(&[Write::create(Table::Requests, b"r", b"1")]));
    refused(old.apply(&[Write::delete(Table::Keys, b"k")]));
    refused(old.take(Table::Primes, b"p").map(drop));
    refused(old.renew());
    refused(old.apply(&[]));
    // Also when the new one is gone again; and it does not take the lease of others along.
    drop(new);
    refused(old.apply(&[put(b"k", b"again old")]));
    let new = bench.open("a").unwrap();
    drop(old);
    assert_eq!(bench.keys().iter().filter(|key| key.contains("lease")).count(), 1);
    assert_eq!(new.list(Table::Keys).unwrap(), [(b"k".to_vec(), Value::from(b"new"))]);
    assert_eq!(new.list(Table::Requests).unwrap(), []);
    assert_eq!(new.get(Table::Primes, b"p").unwrap(), Some(Value::from(b"prime")));
}

/// Who holds the store may speak; who was succeeded, has lost the server or has given the store back may not.
#[test]
fn tenure_ends_with_the_lease() {
    let mut bench = Bench::new();
    let mut first = bench.create("a").unwrap();
    let tenure = first.tenure().unwrap();
    first.apply(&[put(b"k", b"v")]).unwrap();
    assert!(!tenure.is_over());
    cmd("DEL").arg("consign:{a}:lease").query::<()>(&mut bench.raw()).unwrap();
    let second = bench.open("a").unwrap();
    assert!(first.renew().is_err());
    assert!(tenure.is_over());
    let tenure = second.tenure().unwrap();
    assert!(!tenure.is_over());
    drop(second);
    assert!(tenure.is_over());
    let mut third = bench.open("a").unwrap();
    let tenure = third.tenure().unwrap();
    bench.server.kill();
    assert!(third.renew().is_err());
    assert!(tenure.is_over());
}

/// Of several that stand by one gets the store, when its holder gives it back; the others wait on, until they are told not to.
#[test]
fn one_of_two_standbys_takes_over() {
    let bench = Bench::new();
    let mut first = bench.create("a").unwrap();
    let looks = std::sync::atomic::AtomicUsize::new(0);
    let winners = std::sync::atomic::AtomicUsize::new(0);
    let count = |of: &std::sync::atomic::AtomicUsize| of.load(std::sync::atomic::Ordering::SeqCst);
    let add = |to: &std::sync::atomic::AtomicUsize| to.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
    std::thread::scope(|scope| {
        let stand_by = |file: &str| {
            let file = bench.remembered(file);
            let (add, count, looks, winners, bench) = (&add, &count, &looks, &winners, &bench);
            scope.spawn(move || {
                let mut goes_on = || {
                    add(looks);
                    count(winners) == 0
                };
                let opened =
                    open(&bench.url("a"), &file, false, &unlock(), Turn::Wait(&mut goes_on)).unwrap();
                if opened.is_some() {
                    add(winners);
                }
                opened
            })
        };
        let waiting = [stand_by("b"), stand_by("c")];
        until("both to look", || {
            first.renew().unwrap();
            count(&looks) >= 6
        });
        first.apply(&[put(b"k", b"v")]).unwrap();
        drop(first);
        let stores: Vec<_> = waiting.into_iter().filter_map(|thread| thread.join().unwrap()).collect();
        assert_eq!(stores.len(), 1);
        assert_eq!(stores[0].get(Table::Keys, b"k").unwrap(), Some(Value::from(b"v")));
    });
}

/// A holder that was not heard of for long is succeeded, though no clock of the server says so; whoever waits notices a server
/// that goes back meanwhile.
#[test]
fn a_silent_holder_is_succeeded_and_a_server_that_goes_back_noticed() {
    let bench = Bench::new();
    let mut silent = bench.create("a").unwrap();
    silent.apply(&[put(b"k", b"v")]).unwrap();
    let tenure = silent.tenure().unwrap();
    drop(look(&bench.url("a"), &bench.remembered("b"), false, &unlock()).unwrap());
    let mut looks = 0;
    let mut goes_on = || {
        looks += 1;
        if looks == 3 {
            cmd("HSET")
                .arg("consign:{a}:state")
                .arg("counter")
                .arg("0")
                .query::<()>(&mut bench.raw())
                .unwrap();
        }
        true
    };
    let (url, file) = (bench.url("a"), bench.remembered("b"));
    let error = open(&url, &file, false, &unlock(), Turn::Wait(&mut goes_on)).err().unwrap();
    assert!(matches!(error, StoreError::WentBack { .. }), "{error}");
    let counter = std::fs::read_to_string(&file).unwrap();
    cmd("HSET")
        .arg("consign:{a}:state")
        .arg("counter")
        .arg(counter.trim().trim_start_matches('0'))
        .query::<()>(&mut bench.raw())
        .unwrap();
    // It holds the lease still, and never renews it.
    let new = open_now(&url, &file, false, &unlock()).unwrap();
    assert!(tenure.is_over(), "it fell silent before another one could speak");
    assert!(!new.tenure().unwrap().is_over());
    assert!(matches!(silent.apply(&[put(b"k", b"w")]), Err(StoreError::TakenOver { .. })));
}

/// Whoever only looks changes nothing, not even the holder.
#[test]
fn a_look_changes_nothing() {
    let bench = Bench::new();
    let mut holder = bench.create_with("a", &[put(b"k", b"v")]).unwrap();
    let file = bench.remembered("b");
    let mut seen = look(&bench.url("a"), &file, false, &unlock()).unwrap();
    assert_eq!(seen.get(Table::Keys, b"k").unwrap(), Some(Value::from(b"v")));
    assert!(matches!(seen.apply(&[put(b"k", b"w")]), Err(StoreError::TakenOver { .. })));
    drop(seen);
    holder.apply(&[put(b"k", b"x")]).unwrap();
    assert!(file.exists());
    let wrong = Unlock::Passphrase(Passphrase::new("incorrect horse".to_owned()));
    assert!(matches!(look(&bench.url("a"), &file, false, &wrong), Err(StoreError::WrongSecret { .. })));
}

/// What a server says of itself.
fn told(connection: &mut Connection, name: &str) -> String {
    let info: String = cmd("INFO").query(connection).unwrap();
    let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_else(|| panic!("{name}: {info}")).trim().to_owned()
}

/// The first two numbers of a version.
fn numbers(version: &str) -> [u32; 2] {
    let mut parts = version.split('.').map(|part| part.parse().unwrap());
    [(); 2].map(|()| parts.next().unwrap())
}

/// How long anything may take in which a test waits for a server or a thread.
const DEADLINE: std::time::Duration = std::time::Duration::from_secs(60);

/// Waits until it is so.
#[track_caller]
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !is_so() {
        assert!(begun.elapsed() < DEADLINE, "waited in vain for {what}");
        std::thread::yield_now();
    }
}

#[test]
fn versions_are_compared_as_numbers() {
    assert!(numbers("7.0.15") < [7, 2] && numbers("10.0.1") > [7, 2] && numbers("7.2.4") == [7, 2]);
}

/// Where each write waits for replicas, a server that cannot, or has none, is refused. One that has (Redis 7.2 and newer):
/// what was answered is on the replica, and when that does not write any more, nothing is answered. Promoted, it has all.
#[test]
fn every_write_waits_for_its_replicas() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let mut bench = Bench::with(&["--port", &port, "--bind", "127.0.0.1"]);
    let url = |server: &Server| RedisUrl::parse(&format!("{}&replicas=1", server.url("a"))).unwrap();
    let file = bench.remembered("a");
    let make = |url: &RedisUrl| create(url, &file, false, &unlock(), Cost::LEAST, &[]);
    let refused = make(&url(&bench.server)).err().unwrap().to_string();
    if refused.contains("cannot wait") {
        let version = told(&mut bench.raw(), "redis_version");
        assert!(numbers(&version) < [7, 2], "{version}");
        println!("replicas not tried: Redis {version} cannot wait for them");
        return;
    }
    assert!(refused.contains("0 of its 1 replicas"), "{refused}");

    let other = tempfile::tempdir().unwrap();
    let replica = Server::start(other.path(), &["--replicaof", "127.0.0.1", &port]);
    let promoted = RedisUrl::parse(&replica.url("a")).unwrap();
    let mut there = Client::open(*promoted.connection).unwrap().get_connection().unwrap();
    until("the replica to be there", || {
        told(&mut there, "master_link_status") == "up"
            && told(&mut bench.raw(), "connected_slaves") == "1"
            // Until then it has not written what it was given at first.
            && told(&mut there, "aof_rewrite_in_progress") == "0"
    });
    let uncounted = make(&bench.url("a")).err().unwrap().to_string();
    assert!(uncounted.contains("replicas are connected"), "{uncounted}");
    let mut store = make(&url(&bench.server)).unwrap();
    store.apply(&[put(b"k", b"v")]).unwrap();
    store.renew().unwrap();
    let name = "consign:{a}:table:keys";
    assert!(cmd("HEXISTS").arg(name).arg("k").query::<bool>(&mut there).unwrap());

    let process = told(&mut there, "process_id");
    let signal = |name: &str| {
        assert!(std::process::Command::new("kill").args(["-s", name, &process]).status().unwrap().success());
    };
    signal("STOP");
    let tenure = store.tenure().unwrap();
    let error = store.apply(&[put(b"l", b"w")]).unwrap_err();
    assert!(error.is_fatal() && error.to_string().contains("0 of its 1 replicas"), "{error}");
    assert!(tenure.is_over());
    drop(store);
    bench.server.kill();
    signal("CONT");
    cmd("REPLICAOF").arg("NO").arg("ONE").query::<()>(&mut there).unwrap();
    let url = RedisUrl::parse(&replica.url("a")).unwrap();
    let store = open_now(&url, &file, false, &unlock()).unwrap();
    assert_eq!(store.get(Table::Keys, b"k").unwrap(), Some(Value::from(b"v")));
}

/// A draft is fenced as a store is.
#[test]
fn a_revived_maker_publishes_nothing() {
    let bench = Bench::new();
    let mut old = hold(&bench, "a");
    old.begin_draft().unwrap();
    old.apply(&[put(b"k", b"old")]).unwrap();
    cmd("DEL").arg("consign:{a}:lease").query::<()>(&mut bench.raw()).unwrap();
    let new = hold(&bench, "a");
    assert!(matches!(old.begin_draft(), Err(StoreError::TakenOver { .. })));
    assert!(matches!(old.publish(), Err(StoreError::TakenOver { .. })));
    assert!(!new.exists().unwrap());
}

#[test]
fn a_server_that_went_back_is_refused() {
    let bench = Bench::new();
    let mut store = bench.create("a").unwrap();
    let counter = |to: &str| {
        cmd("HSET").arg("consign:{a}:state").arg("counter").arg(to).query::<()>(&mut bench.raw()).unwrap();
    };
    let now: u64 = cmd("HGET").arg("consign:{a}:state").arg("counter").query(&mut bench.raw()).unwrap();
    store.apply(&[put(b"k", b"v")]).unwrap();
    // Under a running node.
    counter(&now.to_string());
    let error = store.apply(&[put(b"k", b"w")]).unwrap_err();
    assert!(matches!(error, StoreError::Meddled { .. }) && error.is_fatal(), "{error}");
    assert!(matches!(store.renew(), Err(StoreError::Meddled { .. })));
    assert_eq!(store.get(Table::Keys, b"k").unwrap(), Some(Value::from(b"v")));
    drop(store);
    // At a start.
    let error = bench.open("a").err().unwrap();
    let StoreError::WentBack { found, seen, .. } = &error else { panic!("{error}") };
    assert_eq!((*found, *seen), (now, now + 1));
    assert!(error.to_string().contains("consign restore"), "{error}");
    // Further on is a standby's work, which this machine has not seen.
    counter(&(now + 5).to_string());
    drop(bench.open("a").unwrap());
    counter(&(now + 4).to_string());
    assert!(matches!(bench.open("a"), Err(StoreError::WentBack { .. })));
    // The operator knows better.
    std::fs::remove_file(bench.remembered("a")).unwrap();
    bench.open("a").unwrap();
}

#[test]
fn a_server_that_may_forget_is_refused() {
    let bench = Bench::new();
    drop(bench.create("a").unwrap());
    let set = |name: &str, value: &str| {
        cmd("CONFIG").arg("SET").arg(name).arg(value).query::<()>(&mut bench.raw()).unwrap();
    };
    for (name, wrong, right) in [
        ("appendfsync", "everysec", "always"),
        ("no-appendfsync-on-rewrite", "yes", "no"),
        ("maxmemory-policy", "allkeys-lru", "noeviction"),
        ("appendonly", "no", "yes"),
    ] {
        set(name, wrong);
        let error = bench.open("a").err().unwrap();
        assert!(matches!(error, StoreError::UnfitServer { .. }), "{error}");
        assert!(error.to_string().contains(&format!("`{name} {right}`")), "{error}");
        set(name, right);
    }
    // It was never held by those who were refused.
    bench.open("a").unwrap();
}

#[test]
fn settings_that_are_hidden_must_be_vouched_for() {
    let bench = Bench::with(&["--rename-command", "CONFIG", ""]);
    let error = bench.create("a").err().unwrap();
    assert!(error.to_string().contains("--assert-redis-settings"), "{error}");
    let (url, file) = (bench.url("a"), bench.remembered("a"));
    drop(create(&url, &file, true, &unlock(), Cost::LEAST, &[]).unwrap());
    open_now(&url, &file, true, &unlock()).unwrap();
    // What the server shows is not taken on somebody's word.
    let other = tempfile::tempdir().unwrap();
    let server = Server::start(other.path(), &["--rename-command", "CONFIG", "", "--appendonly", "no"]);
    let error = open_now(&RedisUrl::parse(&server.url("a")).unwrap(), &file, true, &unlock()).err().unwrap();
    assert!(error.to_string().contains("append-only file"), "{error}");
}

#[test]
fn a_server_with_a_replica_is_refused_also_while_the_node_runs() {
    let bench = Bench::new();
    let mut store = bench.create("a").unwrap();
    store.renew().unwrap();
    // A replica that only says so, over the bare protocol.
    use std::io::{Read as _, Write as _};
    let mut replica =
        std::os::unix::net::UnixStream::connect(bench.folder.path().join("redis.sock")).unwrap();
    replica.write_all(b"PSYNC ? -1\r\n").unwrap();
    let mut byte = [0];
    replica.read_exact(&mut byte).unwrap();
    let error = loop {
        match store.renew() {
            Ok(()) => std::thread::yield_now(),
            Err(error) => break error,
        }
    };
    assert!(error.to_string().contains("replicas are connected"), "{error}");
    drop(store);
    let error = bench.open("a").err().unwrap();
    assert!(error.to_string().contains("replicas are connected"), "{error}");
    drop(replica);
}

#[test]
fn a_full_server_refuses_whole_transactions() {
    let bench = Bench::new();
    let mut store = bench.create("a").unwrap();
    store.apply(&[put(b"k", b"v")]).unwrap();
    cmd("CONFIG").arg("SET").arg("maxmemory").arg("1").query::<()>(&mut bench.raw()).unwrap();
    let error = store.apply(&[Write::delete(Table::Keys, b"k"), put(b"l", b"w")]).unwrap_err();
    assert!(matches!(error, StoreError::Server { .. }) && error.is_fatal(), "{error}");
    assert_eq!(store.list(Table::Keys).unwrap(), [(b"k".to_vec(), Value::from(b"v"))]);
}

/// A table that is no table must not leave a transaction half done.
#[test]
fn what_others_put_in_the_way_stops_a_transaction_before_it_begins() {
    let bench = Bench::new();
    let mut store = bench.create("a").unwrap();
    cmd("SET").arg("consign:{a}:table:aux").arg("x").query::<()>(&mut bench.raw()).unwrap();
    let error = store.apply(&[put(b"k", b"v"), Write::put(Table::Aux, b"k", b"v")]).unwrap_err();
    assert!(error.is_fatal(), "{error}");
    assert_eq!(store.list(Table::Keys).unwrap(), []);
}

#[test]
fn nobody_listens() {
    let place = tempfile::tempdir().unwrap();
    let path = place.path().join("none.sock");
    let url = RedisUrl::parse(&format!("redis+unix://{}?pass=secret", path.display())).unwrap();
    let error = open_now(&url, &place.path().join("counter"), false, &unlock()).err().unwrap().to_string();
    assert!(error.contains("did not answer") && error.contains("see that it runs"), "{error}");
    assert!(!error.contains("secret"), "{error}");
}

/// The password is asked for and given; a wrong secret of the store gives the lease back.
#[test]
fn a_password_is_used() {
    let bench = Bench::with(&["--requirepass", "open sesame"]);
    let error = bench.create("a").err().unwrap();
    assert!(matches!(error, StoreError::Server { .. } | StoreError::UnfitServer { .. }), "{error}");
    let url = RedisUrl::parse(&format!("{}&pass=open%20sesame", bench.server.url("a"))).unwrap();
    let file = bench.remembered("a");
    drop(create(&url, &file, false, &unlock(), Cost::LEAST, &[]).unwrap());
    let wrong = Unlock::Passphrase(Passphrase::new("incorrect horse".to_owned()));
    assert!(matches!(open_now(&url, &file, false, &wrong), Err(StoreError::WrongSecret { .. })));
    open_now(&url, &file, false, &unlock()).unwrap();
}

/// The forms in the server's memory; a store of this version must be read by every later one.
#[test]
fn names_are_frozen() {
    let bench = Bench::new();
    let mut store = bench.create("a").unwrap();
    store.apply(&[put(b"k", b"v")]).unwrap();
    let names = ["lease", "state", "table:header", "table:keys"].map(|name| format!("consign:{{a}}:{name}"));
    assert_eq!(bench.keys(), names);
    let mut fields: Vec<String> = cmd("HKEYS").arg(&names[1]).query(&mut bench.raw()).unwrap();
    fields.sort();
    assert_eq!(fields, ["counter", "fence", "holder"]);
}
