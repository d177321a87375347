//! Nodes that come back from a backup: they are who they were, hold what they held, and do nothing twice.

use std::collections::BTreeSet;

use consign_api as api;
use consign_node::age::{self, Identity, Key, Lock};
use consign_node::core::Now;
use consign_node::core::backup::{Backup, BackupError, Made};
use consign_node::core::exports::{Export, ShareFile, holdings};
use consign_node::core::proposal::{Kind, Proposal};
use consign_node::core::requests::{MAX_SKEW_S, RawRequest};
use consign_node::core::wire::PeerMessage;
use consign_node::store::memory::Memory;
use consign_node::store::{Store, Table, Write};

use crate::epochs::{KEEP, with_key};
use crate::examined::{answer, record};
use crate::hostile::equivocation;
use crate::sim::Sim;

const CONFIG: &str = "name = \"anna\"\n";

impl Sim {
    fn backup(&mut self, which: usize) -> Vec<u8> {
        let made = self.try_backup(which).unwrap();
        // The node may run here, which it does not where the command is used: its log is not touched.
        let exports = made.leaving.iter().filter(|write| write.table() == Table::Exports);
        let exports: Vec<_> = exports.cloned().collect();
        assert_eq!(made.leaving.len(), exports.len() + 2, "an entry, and the end of the log");
        self.machines[which].store.apply(&exports).unwrap();
        made.bytes.to_vec()
    }

    fn try_backup(&self, which: usize) -> Result<Made, BackupError> {
        let now = Now { monotonic: 0, unix: self.unix() };
        Backup::take(&self.machines[which].store, CONFIG.to_owned(), "passphrase", now, [6; 32])
    }

    /// The node's disk is lost; another one is made of the backup.
    fn restore(&mut self, which: usize, backup: &[u8]) {
        if self.is_running(which) {
            self.crash(which);
        }
        self.machines[which].store = restored(backup, self.unix());
        self.boot(which);
        // The others show it what it has missed; then its operator lets it sign.
        self.pass(5_000);
        self.crash(which);
        assert!(self.accept_rollback(which).is_some(), "it waits for its operator");
        self.boot(which);
        // What is asked so soon after the start counts as asked before it: clocks differ.
        self.pass((MAX_SKEW_S + 1) * 1_000);
        let all = 0..self.machines.len();
        self.until("all are connected", |sim| {
            all.clone().filter(|i| sim.is_running(*i)).collect::<Vec<_>>().iter().all(|i| sim.sees(which, *i))
        });
    }
}

/// A store with what the backup holds.
fn restored(backup: &[u8], unix: u64) -> Memory {
    let backup = Backup::decode(backup).unwrap();
    let restored = backup.restore(Now { monotonic: 0, unix }, [7; 32]).unwrap();
    let (checked, mut store) = (restored.store.clone(), Memory::new());
    store.apply(&restored.into_writes()).unwrap();
    for table in Table::ALL {
        assert_eq!(store.list(table).unwrap(), checked.list(table).unwrap());
    }
    store
}

fn error(bytes: &[u8], unix: u64) -> BackupError {
    let backup = Backup::decode(bytes);
    backup.and_then(|backup| backup.restore(Now { monotonic: 0, unix }, [7; 32])).map(|_| ()).unwrap_err()
}

/// Identity, cluster, shares, moduli: all of it. Primes, tokens, records of requests: none. Presignatures are not even in
/// the store. And nothing of it can be read without what opens the file.
#[test]
fn a_backup_holds_what_may_be_twice_and_nothing_else() {
    let (mut sim, key) = with_key(301, 3);
    sim.presign(0, &key, 4, &[0, 1]).unwrap();
    assert!(sim.level(0, &key) > 0);
    sim.invite(0);
    let holding = holdings(&sim.machines[0].store).unwrap().remove(0);
    let export = Export { unix: 5, epoch: 0, to: "passphrase".to_owned() };
    sim.machines[0].store.apply(&[holding.record(&export, [1; 8])]).unwrap();

    let made = sim.unix();
    let backup = sim.backup(0);
    let (from, to) = (sim.machines[0].store.clone(), restored(&backup, sim.unix()));
    for table in Table::ALL {
        let expected = match table {
            Table::Primes | Table::Requests | Table::Ceremonies | Table::Audit => {
                assert!(!from.list(table).unwrap().is_empty(), "{table:?}: nothing to be left out");
                Vec::new()
            }
            Table::Meta => {
                let names: Vec<_> = from.list(table).unwrap().into_iter().map(|(name, _)| name).collect();
                assert!(names.iter().any(|name| name.starts_with(b"token/")));
                let kept = |name: &[u8]| {
                    [b"restored".as_slice(), b"held", b"audit-base", b"audit-head"].contains(&name)
                };
                to.list(table).unwrap().into_iter().filter(|(name, _)| kept(name)).collect()
            }
            _ => from.list(table).unwrap(),
        };
        assert_eq!(to.list(table).unwrap(), expected, "{table:?}");
    }
    assert!(!to.list(Table::Aux).unwrap().is_empty() && to.list(Table::Meta).unwrap().len() == 4);

    // Sealed, no secret of it is to be seen: identity, shares, factors are in these records.
    let identity = Identity::read(include_bytes!("../../src/age/fixtures/one.identity")).unwrap();
    let sealed = age::seal(&backup, &Lock::Recipients(vec![identity[0].recipient()])).unwrap();
    let sees = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).any(|w| w == part);
    let share = holding.share_file().unwrap();
    let mut parts = vec![share[share.len() - 32..].to_vec()];
    for table in [Table::Identity, Table::Keys, Table::Aux] {
        for (_, value) in from.list(table).unwrap() {
            parts.extend(value.chunks(32).step_by(16).map(<[u8]>::to_vec));
        }
    }
    for part in &parts {
        assert!(sees(&backup, part), "the test looks for what is there");
        assert!(!sees(&sealed, part) || part.len() < 16);
    }
    assert_eq!(age::open(&sealed, &Key::Identities(identity)).unwrap().as_slice(), backup);

    // The node is back, has no presignature, and knows of the export.
    sim.restore(0, &backup);
    assert_eq!(sim.level(0, &key), 0);
    let exports = sim.key_at(0, key.id).unwrap().exports;
    let backup = api::ExportView { epoch: 0, exported: made, to: "passphrase, in a backup".to_owned() };
    assert_eq!(exports, [api::ExportView { epoch: 0, exported: 5, to: "passphrase".to_owned() }, backup]);
    assert!(sim.machines[0].log.iter().any(|line| line.contains("WARN") && line.contains("was exported")));
    sim.agree(&[0, 1, 2], &key);
    sim.sign_with(&[0, 1], &key);
}

/// The record of a request is not in the backup; whoever brings the request again is refused all the same.
#[test]
fn a_restored_node_refuses_what_was_asked_before() {
    let (mut sim, key) = with_key(302, 3);
    let backup = sim.backup(0);
    sim.crash(2);
    let tape = record(&mut sim);
    sim.sign(1, key.id, b"once").unwrap();
    let asked = |(from, _, message): &(usize, usize, PeerMessage)| match message {
        PeerMessage::Propose(proposal) if *from == 1 && proposal.kind == Kind::Sign => {
            Some(Proposal::clone(proposal))
        }
        _ => None,
    };
    let proposal = tape.borrow().iter().find_map(asked).unwrap();
    sim.restore(0, &backup);
    let again = Proposal { salt: [9; 16], ..proposal };
    let reason = answer(&mut sim, &again).expect("a refusal");
    assert!(reason.contains("not fresh"), "{reason}");

    // Without the mark it would have been taken for a new one.
    sim.crash(0);
    sim.machines[0].store.apply(&[Write::delete(Table::Meta, b"forgotten")]).unwrap();
    sim.boot(0);
    sim.until("it is connected", |sim| sim.sees(1, 0) && sim.sees(0, 1));
    let again = Proposal { salt: [10; 16], ..again };
    assert_eq!(answer(&mut sim, &again), None);
}

/// Restored ahead, while the old node works on, for clients whose clocks may be ahead as well: whatever it may have done is
/// refused by the new one when that is started, also after the power went at once.
#[test]
fn the_mark_is_set_by_the_first_start() {
    let (mut sim, key) = with_key(307, 3);
    let backup = sim.backup(0);
    let ahead = restored(&backup, sim.unix());
    sim.pass(60_000);
    sim.crash(2);
    let tape = record(&mut sim);
    sim.sign(1, key.id, b"meanwhile").unwrap();
    let asked = |(from, _, message): &(usize, usize, PeerMessage)| match message {
        PeerMessage::Propose(proposal) if *from == 1 && proposal.kind == Kind::Sign => {
            Some(Proposal::clone(proposal))
        }
        _ => None,
    };
    let proposal = tape.borrow().iter().find_map(asked).unwrap();
    let (raw, _) = RawRequest::parse(&proposal.request).unwrap();

    sim.crash(0);
    sim.machines[0].store = ahead;
    sim.boot(0);
    sim.crash(0);
    let started = sim.unix();
    sim.boot(0);
    sim.until("it is connected", |sim| sim.sees(1, 0) && sim.sees(0, 1));
    let names = sim.machines[0].store.list(Table::Meta).unwrap();
    assert!(names.iter().all(|(name, _)| name != b"restored"));
    let ask = |sim: &mut Sim, created, salt| {
        let request = RawRequest { created, ..raw.clone() }.encode();
        answer(sim, &Proposal { request, salt: [salt; 16], ..proposal.clone() })
    };
    for (salt, created) in (1..).zip([raw.created, started, started + MAX_SKEW_S]) {
        let reason = ask(&mut sim, created, salt).expect("a refusal");
        assert!(reason.contains("no records of its time"), "{reason}");
    }
    sim.pass(2_000);
    let reason = ask(&mut sim, started + MAX_SKEW_S + 1, 4).expect("a refusal");
    assert!(reason.contains("restored from a backup") && reason.contains("accept-rollback"), "{reason}");
    sim.crash(0);
    sim.accept_rollback(0).unwrap();
    sim.boot(0);
    sim.until("it is connected", |sim| sim.sees(1, 0) && sim.sees(0, 1));
    assert_eq!(ask(&mut sim, started + MAX_SKEW_S + 1, 5), None);
}

/// Whom the node has convicted it still convicts.
#[test]
fn a_conviction_survives() {
    let (mut sim, _) = with_key(308, 3);
    let cluster = sim.machines[0].node.as_ref().unwrap().cluster();
    let [culprit, other] = [1, 2].map(|i| std::sync::Arc::clone(&sim.machines[i].identity));
    let file = equivocation(cluster, [&culprit, &other], &culprit, 1);
    sim.transmit(2, 0, PeerMessage::Evidence(Box::new(file)).encode());
    sim.until("it is judged", |sim| sim.records(0, Table::Evidence) == 1);
    let backup = sim.backup(0);
    // The others could not tell it again.
    sim.tamper = Some(Box::new(|_, _, message| match &message {
        PeerMessage::Evidence(_) => Vec::new(),
        _ => vec![message.encode()],
    }));
    sim.restore(0, &backup);
    let request = sim.create_key(2, &[0, 1, 2]);
    let problem = sim.start(0, request).and_then(|id| sim.finish(0, id)).unwrap_err();
    assert!(problem.detail.contains("broke the protocol"), "{problem:?}");
}

/// No file is better than one that nobody can use.
#[test]
fn no_backup_is_made_of_what_could_not_be_restored() {
    let (mut sim, _) = with_key(309, 3);
    let good = sim.machines[0].store.clone();
    let name = [3; 32];
    for table in [Table::Identity, Table::Roster, Table::Keys, Table::Aux, Table::Exports, Table::Evidence] {
        let mut writes = vec![Write::put(table, name, b"nonsense")];
        writes.extend(
            good.list(table).unwrap().iter().map(|(name, _)| Write::put(table, &**name, b"nonsense")),
        );
        sim.machines[0].store.apply(&writes).unwrap();
        assert!(sim.try_backup(0).is_err(), "{table:?}");
        sim.machines[0].store = good.clone();
    }
    sim.machines[0].store.apply(&[Write::put(Table::Aux, name, b"nonsense")]).unwrap();
    let error = sim.try_backup(0).map(|_| ()).unwrap_err();
    assert!(matches!(error, BackupError::NotRestorable { .. }), "{error}");
    assert!(error.to_string().contains("auxiliary information"), "{error}");
}

/// The node is told that its share is of the epoch before, and is without one until it gets one.
#[test]
fn a_backup_of_the_epoch_before_catches_up() {
    let (mut sim, key) = with_key(303, 3);
    let old = sim.backup(2);
    let request = sim.refresh(&key, KEEP);
    let new = sim.change(0, &key, request);
    sim.agree(&[0, 1, 2], &new);
    sim.restore(2, &old);
    sim.until("it knows the epoch", |sim| sim.key_at(2, key.id).is_some_and(|k| k.epoch == new.epoch));
    assert!(!sim.key_at(2, key.id).unwrap().share);
    assert!(sim.machines[2].log.iter().any(|line| line.contains("without a share")));
    sim.sign_with(&[0, 2], &new);
    let request = sim.reshare(&new, 2, &[0, 1, 2]);
    let next = sim.change(1, &new, request);
    sim.agree(&[0, 1, 2], &next);
    sim.crash(0);
    sim.sign_with(&[2], &next);
}

/// A pending share is in the backup: its epoch was completed meanwhile, and the restored node has its share of it.
#[test]
fn a_pending_share_comes_back() {
    let (mut sim, key) = with_key(314, 3);
    let request = sim.refresh(&key, KEEP);
    // Its fourth transaction would have put the new share in the place of the old one.
    sim.machines[1].crash_in = Some((3, false));
    let id = sim.start(0, request).unwrap();
    sim.until("it has died", |sim| !sim.is_running(1));
    let backup = sim.backup(1);
    assert_eq!(holdings(&restored(&backup, sim.unix())).unwrap()[0].pendings(), 1);
    let Ok(api::Outcome::Key(new)) = sim.finish(0, id) else { panic!("the refresh is complete") };
    sim.restore(1, &backup);
    sim.agree(&[0, 1, 2], &new);
    sim.crash(0);
    sim.sign_with(&[1], &new);
}

#[test]
fn what_is_no_backup_is_told() {
    let (mut sim, _) = with_key(305, 3);
    let (good, unix) = (sim.backup(0), sim.unix());
    let with = |at: usize, bytes: &[u8]| {
        let mut altered = good.clone();
        altered[at..at + bytes.len()].copy_from_slice(bytes);
        altered
    };
    let share = holdings(&sim.machines[0].store).unwrap()[0].share_file().unwrap();
    assert!(matches!(error(&share, unix), BackupError::AShare));
    assert_eq!(ShareFile::decode(&share).unwrap().curve, "secp256k1");
    assert!(ShareFile::decode(&good).is_err());
    assert!(matches!(error(b"something else", unix), BackupError::NotABackup));
    for (at, what) in [(14, "format version 2"), (18, "store schema version 2")] {
        let text = error(&with(at, &[0, 0, 0, 2]), unix).to_string();
        assert!(text.contains(what) && text.contains("newer version of consign"), "{text}");
        let text = error(&with(at, &[0, 0, 0, 0]), unix).to_string();
        assert!(text.contains("version 0 never existed"), "{text}");
    }
    // The clock may be behind a little.
    assert!(matches!(error(&good, unix - 31), BackupError::Clock));
    Backup::decode(&good).unwrap().restore(Now { monotonic: 0, unix: unix - 30 }, [7; 32]).unwrap();
    // Another identity than the records have.
    let other = *sim.id(1).as_bytes();
    assert!(matches!(error(&with(30, &other), unix), BackupError::Damaged { .. }));
    // Cut anywhere, and with more behind: the head byte by byte, the rest here and there.
    for length in (14..200).chain((200..good.len()).step_by(97)) {
        assert!(matches!(error(&good[..length], unix), BackupError::Damaged { .. }), "{length}");
    }
    assert!(matches!(error(&[&good[..], &[0]].concat(), unix), BackupError::Damaged { .. }));
    // Tables that no backup holds.
    let place = good.windows(8).position(|w| w == b"identity").unwrap();
    let text = error(&with(place, b"requests"), unix).to_string();
    assert!(text.contains("what no backup holds"), "{text}");
    assert!(matches!(error(&with(place - 4, &[0xff; 4]), unix), BackupError::Damaged { .. }));
}

/// Records that do not hold are found before anything is written.
#[test]
fn records_are_checked_before_they_are_written() {
    let (mut sim, _) = with_key(306, 3);
    let (good, unix) = (sim.backup(0), sim.unix());
    let store = restored(&good, unix);
    let mut tried = BTreeSet::new();
    for table in [Table::Identity, Table::Roster, Table::Keys, Table::Aux] {
        for (_, value) in store.list(table).unwrap() {
            let place = good.windows(value.len()).position(|w| w == value.as_bytes()).unwrap();
            let mut altered = good.clone();
            // The version of the record.
            altered[place] ^= 0x40;
            assert!(matches!(error(&altered, unix), BackupError::Damaged { .. }), "{table:?}");
            tried.insert(table.name());
        }
    }
    // A share that does not fit the key.
    let (_, value) = store.list(Table::Keys).unwrap().remove(0);
    let place = good.windows(value.len()).position(|w| w == value.as_bytes()).unwrap();
    let share = holdings(&store).unwrap()[0].share_file().unwrap();
    let secret = &share[share.len() - 32..];
    let inside = value.windows(32).position(|w| w == secret).unwrap();
    let mut altered = good.clone();
    altered[place + inside + 31] ^= 1;
    let text = error(&altered, unix).to_string();
    assert!(text.contains("a key share"), "{text}");
    assert_eq!(tried.len(), 4);
}
