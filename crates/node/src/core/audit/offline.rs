//! What commands do to the log of a stopped node.

use super::super::hash::Items;
use super::super::records::{AUDIT_BASE, AUDIT_HEAD, HELD, decode, encode};
use super::{AuditError, Chain, Entry, Head, Held, Kind, Placed, entry_of};
use crate::store::{Store, Table, Write};

/// What belongs to these writes in the log: to be applied with them, in one transaction.
///
/// # Errors
/// If the log does not hold.
pub fn entries_of(store: &dyn Store, writes: &[Write], unix: u64) -> Result<Vec<Write>, AuditError> {
    let mut head = Chain::read(store)?.head;
    let entries = writes.iter().filter_map(|write| entry_of(write, unix));
    Ok(entries.flat_map(|entry| head.extend(head.length + 1, &entry)).collect())
}

/// One entry for a backup that holds shares, whose records these writes are.
///
/// # Errors
/// If the log does not hold.
pub fn entry_of_backup(
    store: &dyn Store,
    writes: &[Write],
    to: &str,
    unix: u64,
) -> Result<Vec<Write>, AuditError> {
    let mut head = Chain::read(store)?.head;
    let items = Items::new("audited backup").count("shares", writes.len());
    let items = writes.iter().fold(items, |items, write| items.bytes("record", write.key()));
    let mut summary = format!("a backup with {} shares leaves the node, sealed for {to}", writes.len());
    let end = (0..=super::MAX_SUMMARY_BYTES.min(summary.len())).rev().find(|i| summary.is_char_boundary(*i));
    summary.truncate(end.unwrap_or(0));
    let entry = Entry { unix, kind: Kind::Export, content: items.hash(), summary };
    Ok(head.extend(head.length + 1, &entry).into())
}

/// The operator takes note that the store went back: the log goes on behind what others have seen of it. `None`: there is
/// nothing to take note of.
///
/// # Errors
/// If the log does not hold.
pub fn accept_rollback(store: &dyn Store, unix: u64) -> Result<Option<(Held, Vec<Write>)>, AuditError> {
    let mut head = Chain::read(store)?.head;
    let Some(value) = store.get(Table::Meta, HELD)? else { return Ok(None) };
    let what = "the note that the store went back cannot be read";
    let held: Held = decode(&value).map_err(|_| AuditError::Broken { number: 0, what })?;
    let (seen, summary) = match held {
        Held::Restored => (head, "restored from a backup".to_owned()),
        Held::Behind(seen) => (seen, format!("the store went back from {} to {}", seen.length, head.length)),
    };
    let entry = Entry { unix, kind: Kind::Accepted, content: seen.hash, summary };
    let number = seen.length.max(head.length).saturating_add(1);
    let mut writes = Vec::from(head.extend(number, &entry));
    writes.push(Write::delete(Table::Meta, HELD));
    Ok(Some((held, writes)))
}

/// The writes that take these entries, the oldest of the log, out of the store, after they are in a file.
#[must_use]
pub fn archived(entries: &[Placed]) -> Vec<Write> {
    let Some(last) = entries.last() else { return Vec::new() };
    let base = Head { length: last.number, hash: last.hash };
    let gone = entries.iter().map(|placed| Write::delete(Table::Audit, placed.number.to_be_bytes()));
    gone.chain([Write::put(Table::Meta, AUDIT_BASE, encode(&base))]).collect()
}

/// What a backup leaves out is before the log of the restored node, which waits for its operator.
pub(in super::super) fn restored(head: Option<Head>) -> Vec<(&'static [u8], crate::store::Value)> {
    let base = head.map(|head| (AUDIT_BASE, encode(&head)));
    base.into_iter().chain([(HELD, encode(&Held::Restored))]).collect()
}

/// The end of the log in a store.
pub(in super::super) fn end(store: &dyn Store) -> Result<Option<Head>, AuditError> {
    let value = store.get(Table::Meta, AUDIT_HEAD)?;
    let read = value.map(|value| decode(&value)).transpose();
    read.map_err(|_| AuditError::Broken { number: 0, what: "where it ends cannot be read" })
}
