//! What every backend must do, written once over the trait.

use super::{MAX_KEY_BYTES, MAX_VALUE_BYTES, MAX_WRITES, Store, StoreError, Table, Value, Write, sealed};

/// Runs every test; `make` gives a new empty store each time.
pub(super) fn conformance<S: Store>(make: impl Fn() -> S) {
    puts_gets_deletes(make());
    lists_in_order_of_keys(make());
    keeps_tables_apart(make());
    applies_in_order(make());
    applies_all_or_nothing(make());
    creates_once(make());
    takes_once(make());
    keeps_any_bytes(make());
    keeps_limits(make());
}

/// What was applied is there when the same place is opened again. `open` opens it; nothing else holds it.
pub(super) fn durability<S: Store>(open: impl Fn() -> S) {
    let mut store = open();
    store.apply(&[Write::put(Table::Keys, b"a", b"1"), Write::put(Table::Keys, b"b", b"2")]).unwrap();
    store.apply(&[Write::put(Table::Primes, b"p", b"3"), Write::delete(Table::Keys, b"b")]).unwrap();
    drop(store);
    let mut store = open();
    assert_eq!(store.list(Table::Keys).unwrap(), [(b"a".to_vec(), Value::from(b"1"))]);
    assert_eq!(store.take(Table::Primes, b"p").unwrap(), Some(Value::from(b"3")));
    assert!(matches!(store.apply(&[Write::create(Table::Keys, b"a", b"9")]), Err(StoreError::Exists { .. })));
    drop(store);
    let store = open();
    assert_eq!(store.get(Table::Primes, b"p").unwrap(), None);
    assert_eq!(store.get(Table::Keys, b"a").unwrap(), Some(Value::from(b"1")));
}

fn puts_gets_deletes(mut store: impl Store) {
    assert_eq!(store.get(Table::Keys, b"k").unwrap(), None);
    store.apply(&[Write::put(Table::Keys, b"k", b"one")]).unwrap();
    assert_eq!(store.get(Table::Keys, b"k").unwrap(), Some(Value::from(b"one")));
    store.apply(&[Write::put(Table::Keys, b"k", b"two")]).unwrap();
    assert_eq!(store.get(Table::Keys, b"k").unwrap(), Some(Value::from(b"two")));
    store.apply(&[Write::delete(Table::Keys, b"k"), Write::delete(Table::Keys, b"never was")]).unwrap();
    assert_eq!(store.get(Table::Keys, b"k").unwrap(), None);
    store.apply(&[]).unwrap();
}

fn lists_in_order_of_keys(mut store: impl Store) {
    assert_eq!(store.list(Table::Roster).unwrap(), []);
    let keys: [&[u8]; 6] = [b"b", b"a", b"ab", b"\xff", b"\0", b"a\0"];
    let writes: Vec<_> = keys.iter().map(|k| Write::put(Table::Roster, *k, *k)).collect();
    store.apply(&writes).unwrap();
    let mut expected: Vec<_> = keys.iter().map(|k| (k.to_vec(), Value::from(*k))).collect();
    expected.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(store.list(Table::Roster).unwrap(), expected);
}

fn keeps_tables_apart(mut store: impl Store) {
    let tables: Vec<_> = Table::ALL.into_iter().filter(|t| t.is_sealed()).collect();
    for table in &tables {
        store.apply(&[Write::put(*table, b"same", table.name().as_bytes())]).unwrap();
    }
    for table in &tables {
        let expected = Value::from(table.name().as_bytes());
        assert_eq!(store.get(*table, b"same").unwrap(), Some(expected.clone()));
        assert_eq!(store.list(*table).unwrap(), [(b"same".to_vec(), expected)]);
    }
}

fn applies_in_order(mut store: impl Store) {
    let both = [Write::put(Table::Aux, b"k", b"1"), Write::delete(Table::Aux, b"k")];
    store.apply(&both).unwrap();
    assert_eq!(store.get(Table::Aux, b"k").unwrap(), None);
    let [put, delete] = both;
    store.apply(&[delete, put, Write::put(Table::Aux, b"k", b"2")]).unwrap();
    assert_eq!(store.get(Table::Aux, b"k").unwrap(), Some(Value::from(b"2")));
    store.apply(&[Write::delete(Table::Aux, b"k"), Write::create(Table::Aux, b"k", b"3")]).unwrap();
    assert_eq!(store.get(Table::Aux, b"k").unwrap(), Some(Value::from(b"3")));
}

fn applies_all_or_nothing(mut store: impl Store) {
    store.apply(&[Write::put(Table::Keys, b"old", b"old"), Write::put(Table::Requests, b"r", b"r")]).unwrap();
    let failing = [
        Write::put(Table::Keys, b"new", b"new"),
        Write::put(Table::Keys, b"old", b"changed"),
        Write::delete(Table::Keys, b"old"),
        Write::put(Table::Evidence, b"e", b"e"),
        Write::create(Table::Requests, b"r", b"again"),
        Write::put(Table::Keys, b"after", b"after"),
    ];
    let error = store.apply(&failing).unwrap_err();
    assert!(matches!(error, StoreError::Exists { table: Table::Requests, .. }), "{error}");
    assert!(!error.is_fatal());
    assert_eq!(store.list(Table::Keys).unwrap(), [(b"old".to_vec(), Value::from(b"old"))]);
    assert_eq!(store.list(Table::Evidence).unwrap(), []);
    assert_eq!(store.get(Table::Requests, b"r").unwrap(), Some(Value::from(b"r")));
    store.apply(&[Write::put(Table::Keys, b"new", b"new")]).unwrap();
    assert_eq!(store.list(Table::Keys).unwrap().len(), 2);
}

fn creates_once(mut store: impl Store) {
    store.apply(&[Write::create(Table::Requests, b"r", b"first")]).unwrap();
    let again = store.apply(&[Write::create(Table::Requests, b"r", b"second")]).unwrap_err();
    assert!(matches!(again, StoreError::Exists { .. }), "{again}");
    assert_eq!(store.get(Table::Requests, b"r").unwrap(), Some(Value::from(b"first")));
    let twice = [Write::create(Table::Requests, b"s", b"1"), Write::create(Table::Requests, b"s", b"2")];
    assert!(matches!(store.apply(&twice).unwrap_err(), StoreError::Exists { .. }));
    assert_eq!(store.get(Table::Requests, b"s").unwrap(), None);
}

fn takes_once(mut store: impl Store) {
    store.apply(&[Write::put(Table::Primes, b"p", b"prime"), Write::put(Table::Keys, b"p", b"k")]).unwrap();
    assert_eq!(store.take(Table::Primes, b"p").unwrap(), Some(Value::from(b"prime")));
    assert_eq!(store.take(Table::Primes, b"p").unwrap(), None);
    assert_eq!(store.get(Table::Primes, b"p").unwrap(), None);
    assert_eq!(store.get(Table::Keys, b"p").unwrap(), Some(Value::from(b"k")));
}

fn keeps_any_bytes(mut store: impl Store) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let writes = [
        Write::put(Table::Meta, every_byte.clone(), every_byte.clone()),
        Write::put(Table::Meta, b"empty", b""),
        Write::put(Table::Meta, vec![7; MAX_KEY_BYTES], vec![9; 1 << 20]),
    ];
    store.apply(&writes).unwrap();
    assert_eq!(store.get(Table::Meta, &every_byte).unwrap(), Some(Value::from(every_byte)));
    assert_eq!(store.get(Table::Meta, b"empty").unwrap(), Some(Value::from(b"")));
    assert_eq!(store.get(Table::Meta, &[7; MAX_KEY_BYTES]).unwrap(), Some(Value::from(vec![9; 1 << 20])));
}

fn keeps_limits(mut store: impl Store) {
    let refused = |result: Result<(), StoreError>| {
        let error = result.unwrap_err();
        assert!(matches!(error, StoreError::TooLarge { .. }), "{error}");
        assert!(!error.is_fatal());
    };
    let good = Write::put(Table::Meta, b"good", b"");
    let long_key = vec![0; MAX_KEY_BYTES + 1];
    let large = vec![0; MAX_VALUE_BYTES + sealed::OVERHEAD_BYTES + 1];
    refused(store.apply(&[good.clone(), Write::put(Table::Meta, long_key.clone(), b"")]));
    refused(store.apply(&[good.clone(), Write::put(Table::Meta, b"", b"")]));
    refused(store.apply(&[good.clone(), Write::put(Table::Meta, b"k", large.clone())]));
    refused(store.apply(&[good.clone(), Write::create(Table::Meta, b"k", large)]));
    refused(store.apply(&vec![good; MAX_WRITES + 1]));
    refused(store.get(Table::Meta, &long_key).map(drop));
    refused(store.take(Table::Meta, b"").map(drop));
    assert_eq!(store.list(Table::Meta).unwrap(), []);
    store.apply(&[Write::put(Table::Meta, b"k", vec![1; MAX_VALUE_BYTES])]).unwrap();
    assert_eq!(store.get(Table::Meta, b"k").unwrap().unwrap().len(), MAX_VALUE_BYTES);
}
