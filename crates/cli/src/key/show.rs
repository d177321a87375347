//! `consign key list` and `consign key show`.

use consign_api::{ExportView, KeyView, Member};
use serde::Serialize;

use super::certificate::standing;
use super::find;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Output, facts, table};

/// A key in a list, as this command prints it for a client.
#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    key: &'a KeyView,
    /// Whether the client has seen it before: if not, the node alone says what it is.
    pinned: bool,
}

/// All keys of the node.
pub(super) fn list(node: &Connection, out: &Output) -> Result<(), Failure> {
    let keys = node.keys()?;
    let row = |key: &KeyView| {
        let quorum = format!("{} of {}", key.threshold, key.committee.len());
        let (curve, level, epoch) = (key.curve.to_string(), key.level.to_string(), key.epoch.to_string());
        [key.label.to_string(), key.id.to_string(), quorum, curve, level, epoch, key.state.to_string()]
    };
    let head = ["LABEL", "ID", "SIGNERS", "CURVE", "LEVEL", "EPOCH", "STATE"];
    let Some(trust) = node.trust() else {
        return out.show(&keys, || table(head, &keys.iter().map(row).collect::<Vec<_>>()));
    };
    let seen = |key| Ok(Listed { key, pinned: trust.knows(key)? });
    let listed = keys.iter().map(seen).collect::<Result<Vec<_>, Failure>>()?;
    out.show(&listed, || {
        let [label, id, signers, curve, level, epoch, state] = head;
        let row = |listed: &Listed<'_>| {
            let [label, id, signers, curve, level, epoch, state] = row(listed.key);
            let pinned = if listed.pinned { "yes" } else { "no" }.to_owned();
            [label, id, signers, curve, level, epoch, state, pinned]
        };
        let rows = listed.iter().map(row).collect::<Vec<_>>();
        table([label, id, signers, curve, level, epoch, state, "PINNED"], &rows)
    })
}

/// A key as `consign key show` prints it.
#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    key: &'a KeyView,
    /// Whether its certificate holds.
    certificate: String,
}

/// One key.
pub(super) fn one(node: &Connection, text: &str, out: &Output) -> Result<(), Failure> {
    let key = find::at(node, text)?;
    let shown = Shown { key: &key, certificate: standing(node, &key) };
    out.show(&shown, || {
        format!("{}\n{}", describe(&key), facts(&[("certificate", shown.certificate.clone())]))
    })
}

/// A key for people.
pub(super) fn describe(key: &KeyView) -> String {
    let mut rows = vec![
        ("key", key.id.to_string()),
        ("label", key.label.to_string()),
        ("kind", format!("{} on {}, level {}", key.scheme, key.curve, key.level)),
        ("signers", format!("any {} of {}", key.threshold, members(&key.committee))),
        ("origin", origin(key)),
        ("state", format!("{}, epoch {}", key.state, key.epoch)),
        ("this node", if key.share { "holds a share" } else { "holds no share" }.to_owned()),
        ("presignatures", key.presignatures.to_string()),
        ("public key", key.public_key.clone()),
        ("chain code", given(&key.chain_code)),
        ("xpub", given(&key.xpub)),
        ("ethereum", given(&key.ethereum_address)),
        ("bitcoin", given(&key.bitcoin_address)),
    ];
    rows.extend(key.exports.iter().map(|export| ("exported", exported(export))));
    facts(&rows)
}

/// A share that left the node: whoever has enough of them needs no node.
fn exported(export: &ExportView) -> String {
    let ExportView { epoch, exported, to } = export;
    format!("the share of epoch {epoch}, at {exported} (Unix time), for {to}")
}

/// Whether any machine ever had the whole private key.
fn origin(key: &KeyView) -> String {
    match &key.imported {
        None => "made in shares: no machine ever had the private key".to_owned(),
        Some(dealer) => {
            let name = dealer.name.as_ref().map_or_else(|| dealer.validator.short(), ToString::to_string);
            format!("imported by {name}: the private key was in one place")
        }
    }
}

/// What not every key has.
pub(crate) fn given(what: &Option<impl ToString>) -> String {
    what.as_ref().map_or_else(|| "none".to_owned(), ToString::to_string)
}

/// Members by name and index.
pub(super) fn members(members: &[Member]) -> String {
    let name = |member: &Member| {
        let name = member.name.as_ref().map_or_else(|| member.validator.short(), ToString::to_string);
        format!("{name} ({})", member.index)
    };
    members.iter().map(name).collect::<Vec<_>>().join(", ")
}
