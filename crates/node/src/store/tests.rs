use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use tempfile::TempDir;

use super::conformance::{conformance, durability};
use super::memory::Memory;
use super::sealed::{SCHEMA_VERSION, Sealed};
use super::unlock::Cost;
use super::*;

const PASSPHRASE: &str = "correct horse";

fn phrase(text: &str) -> Unlock {
    Unlock::Passphrase(Passphrase::new(text.to_owned()))
}

fn make(path: &Path) -> NodeStore {
    create_at_cost(path, &phrase(PASSPHRASE), Cost::LEAST, &[]).unwrap()
}

fn sealed_memory() -> Sealed<Memory> {
    Sealed::create(Memory::new(), &phrase(PASSPHRASE), Cost::LEAST, &[]).unwrap()
}

/// A folder, and the path of a store in it.
fn place() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    (folder, path)
}

#[test]
fn memory_conforms() {
    conformance(Memory::new);
}

#[test]
fn sealed_memory_conforms() {
    conformance(sealed_memory);
}

#[test]
fn redb_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let count = std::cell::Cell::new(0);
    conformance(|| {
        count.set(count.get() + 1);
        make(&folder.path().join(count.get().to_string()))
    });
}

#[test]
fn a_new_store_takes_more_records_than_a_transaction() {
    let (_folder, path) = place();
    let first: Vec<_> = (0..=MAX_WRITES).map(|i| Write::create(Table::Meta, i.to_string(), b"1")).collect();
    let store = create_at_cost(&path, &phrase(PASSPHRASE), Cost::LEAST, &first).unwrap();
    assert_eq!(store.list(Table::Meta).unwrap().len(), MAX_WRITES + 1);
}

#[test]
fn redb_is_durable() {
    let (_folder, path) = place();
    drop(make(&path));
    durability(|| open(&path, &phrase(PASSPHRASE)).unwrap());
}

#[test]
fn the_store_file_is_private_and_the_first_records_are_in_it() {
    let (folder, path) = place();
    let first = [Write::put(Table::Identity, b"seed", b"secret")];
    drop(create_at_cost(&path, &phrase(PASSPHRASE), Cost::LEAST, &first).unwrap());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let store = open(&path, &phrase(PASSPHRASE)).unwrap();
    assert_eq!(store.get(Table::Identity, b"seed").unwrap(), Some(Value::from(b"secret")));
}

#[test]
fn an_interrupted_creation_is_started_over() {
    let (_folder, path) = place();
    fs::write(draft_path(&path), "half a store").unwrap();
    drop(make(&path));
    assert!(!draft_path(&path).exists());
    open(&path, &phrase(PASSPHRASE)).unwrap();
}

#[test]
fn a_store_is_never_overwritten() {
    let (_folder, path) = place();
    make(&path).apply(&[Write::put(Table::Keys, b"share", b"x")]).unwrap();
    let again = create_at_cost(&path, &phrase(PASSPHRASE), Cost::LEAST, &[]);
    assert!(matches!(again, Err(StoreError::AlreadyExists { .. })));
    let store = open(&path, &phrase(PASSPHRASE)).unwrap();
    assert_eq!(store.get(Table::Keys, b"share").unwrap(), Some(Value::from(b"x")));
}

#[test]
fn a_missing_store_says_what_to_do() {
    let (_folder, path) = place();
    let error = open(&path, &phrase(PASSPHRASE)).err().unwrap();
    assert!(error.to_string().contains("consign init"), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_store_in_use_is_refused() {
    let (_folder, path) = place();
    let _held = make(&path);
    let error = open(&path, &phrase(PASSPHRASE)).err().unwrap();
    assert!(matches!(error, StoreError::InUse { .. }), "{error}");
    assert!(error.to_string().contains("stop that process"), "{error}");
}

#[test]
fn no_value_is_in_the_file_in_the_clear() {
    let (folder, path) = place();
    let secret = b"a share nobody may read".repeat(8);
    let mut store = make(&path);
    for table in Table::ALL.into_iter().filter(|t| t.is_sealed()) {
        store.apply(&[Write::put(table, b"record key in the clear", secret.clone())]).unwrap();
    }
    drop(store);
    let mut keys = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let bytes = fs::read(entry.unwrap().path()).unwrap();
        let holds = |part: &[u8]| bytes.windows(part.len()).filter(|w| *w == part).count();
        assert_eq!(holds(&secret[..16]), 0);
        assert_eq!(holds(PASSPHRASE.as_bytes()), 0);
        keys += holds(b"record key in the clear");
    }
    assert!(keys > 0, "the search above would have found it: record keys are in the clear");
}

#[test]
fn equal_values_are_sealed_differently() {
    let (_folder, path) = place();
    let mut store = make(&path);
    store.apply(&[Write::put(Table::Keys, b"a", b"same"), Write::put(Table::Keys, b"b", b"same")]).unwrap();
    drop(store);
    let raw = redb::Redb::open(&path).unwrap().list(Table::Keys).unwrap();
    assert_ne!(raw[0].1, raw[1].1);
}

/// Seals a record, lets `tamper` change the raw store, and says whether `Keys/share` still opens.
fn opens_after(tamper: impl FnOnce(&mut redb::Redb, Value)) -> bool {
    let (_folder, path) = place();
    make(&path).apply(&[Write::put(Table::Keys, b"share", b"secret")]).unwrap();
    let mut raw = redb::Redb::open(&path).unwrap();
    let sealed = raw.get(Table::Keys, b"share").unwrap().unwrap();
    tamper(&mut raw, sealed);
    drop(raw);
    let mut store = open(&path, &phrase(PASSPHRASE)).unwrap();
    for table in [Table::Keys, Table::Aux] {
        for (key, _) in [b"share".as_slice(), b"other"].map(|k| (k, ())) {
            match store.get(table, key) {
                Ok(None) => {}
                Ok(Some(value)) => {
                    assert_eq!(value, Value::from(b"secret"));
                    return true;
                }
                Err(error) => {
                    assert!(matches!(error, StoreError::BrokenSeal { .. }), "{error}");
                    assert!(error.to_string().contains("restore a backup"), "{error}");
                    assert!(store.list(table).is_err());
                    assert!(store.take(table, key).is_err());
                    return false;
                }
            }
        }
    }
    panic!("the record is gone");
}

#[test]
fn a_record_opens_only_where_it_was_sealed() {
    let remove = || Write::delete(Table::Keys, b"share");
    assert!(opens_after(|raw, sealed| raw.apply(&[Write::put(Table::Keys, b"share", sealed)]).unwrap()));
    assert!(!opens_after(|raw, sealed| {
        raw.apply(&[remove(), Write::put(Table::Keys, b"other", sealed)]).unwrap();
    }));
    assert!(!opens_after(|raw, sealed| {
        raw.apply(&[remove(), Write::put(Table::Aux, b"share", sealed)]).unwrap();
    }));
}

#[test]
fn an_altered_record_does_not_open() {
    let length = b"secret".len() + sealed::OVERHEAD_BYTES;
    for at in 0..length {
        assert!(!opens_after(|raw, sealed| {
            let mut bytes = sealed.to_vec();
            bytes[at] ^= 1;
            raw.apply(&[Write::put(Table::Keys, b"share", bytes)]).unwrap();
        }));
    }
    for short in [0, 1, sealed::OVERHEAD_BYTES - 1, length - 1] {
        assert!(!opens_after(|raw, sealed| {
            raw.apply(&[Write::put(Table::Keys, b"share", &sealed[..short])]).unwrap();
        }));
    }
}

#[test]
fn a_record_of_another_store_does_not_open() {
    let (_other, path) = place();
    make(&path).apply(&[Write::put(Table::Keys, b"share", b"secret")]).unwrap();
    let foreign = redb::Redb::open(&path).unwrap().get(Table::Keys, b"share").unwrap().unwrap();
    assert!(!opens_after(|raw, _| raw.apply(&[Write::put(Table::Keys, b"share", foreign)]).unwrap()));
}

#[test]
fn a_wrong_passphrase_is_told_clearly() {
    let (_folder, path) = place();
    drop(make(&path));
    let error = open(&path, &phrase("incorrect horse")).err().unwrap();
    assert!(matches!(error, StoreError::WrongSecret { kind: "passphrase" }), "{error}");
    assert!(error.to_string().contains("passphrase does not open this store"), "{error}");
    let error = open(&path, &Unlock::Environment("CONSIGN_TEST_UNSET_VARIABLE".to_owned())).err().unwrap();
    assert!(error.to_string().contains("CONSIGN_TEST_UNSET_VARIABLE is not set"), "{error}");
}

#[test]
fn a_weak_passphrase_is_refused() {
    let (_folder, path) = place();
    let create = |text: &str| create_at_cost(&path, &phrase(text), Cost::LEAST, &[]).err();
    assert!(matches!(create("1234567"), Some(StoreError::WeakPassphrase)));
    let long = "x".repeat(unlock::MAX_PASSPHRASE_BYTES + 1);
    assert!(matches!(create(&long), Some(StoreError::SecretTooLong { .. })));
    assert!(!path.exists());
    assert!(create("12345678").is_none());
}

#[test]
fn the_standard_cost_opens_too() {
    let (_folder, path) = place();
    drop(create(&path, &phrase(PASSPHRASE), &[]).unwrap());
    open(&path, &phrase(PASSPHRASE)).unwrap();
}

/// Writes a key file with the given mode.
fn key_file(folder: &TempDir, name: &str, content: &str, mode: u32) -> Unlock {
    let path = folder.path().join(name);
    fs::write(&path, content).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    Unlock::KeyFile(path)
}

#[test]
fn a_key_file_opens_the_store() {
    let (folder, path) = place();
    let good = key_file(&folder, "good", &format!("{}\n", "0f".repeat(32)), 0o600);
    drop(create_at_cost(&path, &good, Cost::LEAST, &[Write::put(Table::Keys, b"k", b"v")]).unwrap());
    assert_eq!(open(&path, &good).unwrap().get(Table::Keys, b"k").unwrap(), Some(Value::from(b"v")));

    let refused = |unlock: &Unlock| open(&path, unlock).err().unwrap();
    let other = key_file(&folder, "other", &"0e".repeat(32), 0o600);
    assert!(matches!(refused(&other), StoreError::WrongSecret { kind: "key file" }));
    let open_to_all = key_file(&folder, "open", &"0f".repeat(32), 0o644);
    assert!(refused(&open_to_all).to_string().contains("chmod 600"));
    for content in [String::new(), "0f".repeat(31), "0f".repeat(33), "xy".repeat(32)] {
        assert!(matches!(refused(&key_file(&folder, "bad", &content, 0o600)), StoreError::BadKeyFile { .. }));
    }
    let long = key_file(&folder, "long", &" ".repeat(1000), 0o600);
    assert!(matches!(refused(&long), StoreError::SecretTooLong { .. }));
    let missing = Unlock::KeyFile(folder.path().join("missing"));
    assert!(matches!(refused(&missing), StoreError::Io { .. }));
    let error = refused(&phrase(PASSPHRASE));
    assert!(matches!(error, StoreError::OtherSecretKind { .. }), "{error}");
    assert!(error.to_string().contains("give the key file"), "{error}");
}

#[test]
fn rewrapping_changes_the_passphrase_and_nothing_else() {
    let (folder, path) = place();
    let mut store = make(&path);
    store.apply(&[Write::put(Table::Keys, b"share", b"secret")]).unwrap();
    store.rewrap_at_cost(&phrase("another horse"), Cost::LEAST).unwrap();
    drop(store);
    assert!(matches!(open(&path, &phrase(PASSPHRASE)), Err(StoreError::WrongSecret { .. })));
    let mut store = open(&path, &phrase("another horse")).unwrap();
    assert_eq!(store.get(Table::Keys, b"share").unwrap(), Some(Value::from(b"secret")));
    assert!(matches!(store.rewrap(&phrase("short")), Err(StoreError::WeakPassphrase)));
    let file = key_file(&folder, "key", &"0f".repeat(32), 0o600);
    store.rewrap(&file).unwrap();
    drop(store);
    let store = open(&path, &file).unwrap();
    assert_eq!(store.get(Table::Keys, b"share").unwrap(), Some(Value::from(b"secret")));
}

/// Changes a header record of a new store, and says how opening it fails.
fn open_with_header(key: &[u8], change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> StoreError {
    let (_folder, path) = place();
    drop(make(&path));
    let mut raw = redb::Redb::open(&path).unwrap();
    let value = raw.get(Table::Header, key).unwrap().unwrap().to_vec();
    raw.apply(&[Write::put(Table::Header, key, change(value))]).unwrap();
    drop(raw);
    open(&path, &phrase(PASSPHRASE)).err().unwrap()
}

#[test]
fn a_future_schema_is_refused() {
    let error = open_with_header(b"schema", |_| (SCHEMA_VERSION + 1).to_be_bytes().to_vec());
    assert!(matches!(error, StoreError::FutureSchema { found: 2, known: 1 }), "{error}");
    assert!(error.to_string().contains("newer version of consign"), "{error}");
    assert!(matches!(open_with_header(b"schema", |_| vec![0; 4]), StoreError::Damaged { .. }));
    assert!(matches!(open_with_header(b"schema", |_| vec![0; 3]), StoreError::Damaged { .. }));
}

#[test]
fn an_altered_data_key_does_not_open() {
    for at in 0..102 {
        let error = open_with_header(b"data-key", |mut bytes| {
            assert_eq!(bytes.len(), 102);
            bytes[at] ^= 0x80;
            bytes
        });
        let expected = matches!(
            error,
            StoreError::WrongSecret { .. } | StoreError::Damaged { .. } | StoreError::OtherSecretKind { .. }
        );
        assert!(expected, "byte {at}: {error}");
    }
    assert!(matches!(open_with_header(b"data-key", |b| b[1..].to_vec()), StoreError::Damaged { .. }));
}

#[test]
fn the_header_belongs_to_the_store() {
    let mut store = sealed_memory();
    assert!(matches!(store.get(Table::Header, b"data-key"), Err(StoreError::Reserved)));
    assert!(matches!(store.list(Table::Header), Err(StoreError::Reserved)));
    assert!(matches!(store.take(Table::Header, b"data-key"), Err(StoreError::Reserved)));
    assert!(matches!(store.apply(&[Write::delete(Table::Header, b"schema")]), Err(StoreError::Reserved)));
}

#[test]
fn a_truncated_or_overwritten_file_is_refused() {
    let (_folder, path) = place();
    let mut store = make(&path);
    store.apply(&[Write::put(Table::Keys, b"share", vec![3; 100_000])]).unwrap();
    drop(store);
    let whole = fs::read(&path).unwrap();
    let refused = |bytes: &[u8]| {
        fs::write(&path, bytes).unwrap();
        open(&path, &phrase(PASSPHRASE)).err()
    };
    for part in [0, 1, 100, 4096, whole.len() / 4, whole.len() / 2] {
        let error = refused(&whole[..part]);
        let error = error.unwrap_or_else(|| panic!("{part} of {} bytes opened", whole.len()));
        assert!(error.to_string().contains("restore a backup"), "{part}: {error}");
    }
    let error = refused(b"this is a letter to my aunt, and not a database at all").unwrap();
    assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    assert!(refused(&whole).is_none(), "the whole file opens");
}

#[test]
fn values_are_not_shown() {
    let write = Write::put(Table::Keys, b"k", b"secret");
    let shown = format!("{write:?}");
    assert!(!shown.contains("secret") && !shown.contains("115"), "{shown}");
    assert!(shown.contains("6 bytes"), "{shown}");
}

/// A store of the first schema, which every later program must open: a line has table, key and value. It was not made by
/// this program but from `docs/storage.md`.
#[test]
fn a_store_of_the_first_schema_is_frozen() {
    let records = include_str!("fixtures/schema1.records").lines().map(|line| {
        let mut words = line.split(' ');
        let table = words.next().unwrap();
        let table = Table::ALL.into_iter().find(|t| t.name() == table).unwrap();
        let mut bytes = || hex::decode(words.next().unwrap()).unwrap();
        (table, bytes(), Value::from(bytes()))
    });
    let folder = tempfile::tempdir().unwrap();
    let unlock = key_file(&folder, "key", &"0f".repeat(32), 0o600);
    let raw = Memory::of_records(records).unwrap();
    let mut store = Sealed::open(raw, &unlock).unwrap();
    for (table, key, value) in [
        (Table::Identity, b"seed".to_vec(), b"a seed".to_vec()),
        (Table::Keys, (0..32).collect(), b"a share".to_vec()),
        (Table::Meta, b"forgotten".to_vec(), Vec::new()),
        (Table::Evidence, vec![0xff], (0..200).collect()),
    ] {
        assert_eq!(store.get(table, &key).unwrap(), Some(Value::from(value)), "{table:?}");
    }
    let schema = store.inner_mut().get(Table::Header, b"schema").unwrap().unwrap();
    assert_eq!(schema.as_bytes(), SCHEMA_VERSION.to_be_bytes());
}

/// Each step and its number are one transaction; a step that fails leaves the store at the one before.
#[test]
fn steps_to_newer_schemas_are_taken_in_order_and_once() {
    fn double(store: &dyn Store) -> Result<Vec<Write>, StoreError> {
        let before = store.get(Table::Meta, b"n")?.unwrap().to_vec();
        Ok(vec![Write::put(Table::Meta, b"n", [before.clone(), before].concat())])
    }
    fn add(store: &dyn Store) -> Result<Vec<Write>, StoreError> {
        let before = store.get(Table::Meta, b"n")?.unwrap().to_vec();
        Ok(vec![Write::put(Table::Meta, b"n", [before.as_slice(), b"!"].concat())])
    }
    fn collide(_: &dyn Store) -> Result<Vec<Write>, StoreError> {
        Ok(vec![Write::put(Table::Meta, b"n", b"lost"), Write::create(Table::Meta, b"there", b"")])
    }
    fn state(store: &mut Sealed<Memory>) -> (Vec<u8>, u32) {
        let schema = store.inner_mut().get(Table::Header, b"schema").unwrap().unwrap();
        let schema = u32::from_be_bytes(schema.as_bytes().try_into().unwrap());
        (store.get(Table::Meta, b"n").unwrap().unwrap().to_vec(), schema)
    }
    let new = || {
        let mut store = sealed_memory();
        store.apply(&[Write::put(Table::Meta, b"n", b"a"), Write::put(Table::Meta, b"there", b"")]).unwrap();
        store
    };
    let mut store = new();
    store.migrate(1, &[double, add]).unwrap();
    assert_eq!(state(&mut store), (b"aa!".to_vec(), 3));
    store.migrate(2, &[double, add]).unwrap();
    assert_eq!(state(&mut store), (b"aa!!".to_vec(), 3));
    store.migrate(3, &[double, add]).unwrap();
    assert_eq!(state(&mut store), (b"aa!!".to_vec(), 3));
    let mut store = new();
    assert!(matches!(store.migrate(1, &[add, collide, double]), Err(StoreError::Exists { .. })));
    assert_eq!(state(&mut store), (b"a!".to_vec(), 2));
}
