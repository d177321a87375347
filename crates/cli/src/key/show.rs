//! `consign key list` and `consign key show`.

use consign_api::{ExportView, KeyView, Member};

use super::find;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::output::{Output, facts, table};

/// All keys of the node.
pub(super) fn list(node: &Connection, out: &Output) -> Result<(), Failure> {
    let keys = node.keys()?;
    out.show(&keys, || {
        let row = |key: &KeyView| {
            let quorum = format!("{} of {}", key.threshold, key.committee.len());
            let (curve, level, epoch) = (key.curve.to_string(), key.level.to_string(), key.epoch.to_string());
            [key.label.to_string(), key.id.to_string(), quorum, curve, level, epoch, key.state.to_string()]
        };
        table(
            ["LABEL", "ID", "SIGNERS", "CURVE", "LEVEL", "EPOCH", "STATE"],
            &keys.iter().map(row).collect::<Vec<_>>(),
        )
    })
}

/// One key.
pub(super) fn one(node: &Connection, text: &str, out: &Output) -> Result<(), Failure> {
    let key = find::at(node, text)?;
    out.show(&key, || describe(&key))
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
