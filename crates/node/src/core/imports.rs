//! Import of a private key that exists already (`docs/spec/keygen.md`, 4.6). Its dealer, the node that a client gives it
//! to, makes a key of it that it holds alone, and reshares that to a committee at once (`changes.rs`). Whoever is asked
//! for the resharing is shown the first epoch as any other key is shown: it follows from a proposal that nobody but the
//! dealer takes part in, which names the public key, and from the dealer's accept of it.

use std::sync::Arc;

use consign_api as api;
use consign_cggmp24::curve::{Point, Scalar};
use consign_cggmp24::import;
use zeroize::Zeroizing;

use super::curves::{Info, NodeCurve, curve_of, on_curve};
use super::hash::Hash;
use super::keys::Key;
use super::node::{Node, Then};
use super::proposal::{Accept, Drawn, Kind, PROTOCOL_VERSION, Participant, Proposal, session_nonce};
use super::requests::{RawRequest, Wanted, level_number, level_of};
use super::views::api_key;
use super::{CallId, Level, Output};
use crate::identity::{ClusterId, NodeId};
use crate::store::{Table, Write};

/// The index of the dealer in the first epoch.
const DEALER: u16 = 1;

/// The proposal by which a dealer names a key. No session follows, so there is nothing to choose but the salt.
fn draft(
    cluster: ClusterId,
    request: &[u8],
    imported: &api::ImportedKey,
    dealer: NodeId,
    salt: [u8; 16],
) -> Proposal {
    Proposal {
        cluster,
        kind: Kind::Import,
        version: PROTOCOL_VERSION,
        level: level_number(imported.level),
        curve: imported.curve.word().to_owned(),
        threshold: 1,
        participants: vec![Participant { index: DEALER, id: dealer }],
        key: None,
        base: None,
        epoch: 0,
        aux: None,
        signers: Vec::new(),
        path: Vec::new(),
        digest: None,
        batch: 0,
        request: request.to_vec(),
        deadline_ms: 0,
        proposer: dealer,
        salt,
    }
}

/// The first epoch of the key that a dealer has named, if the proposal is what its request makes of it and the dealer has
/// accepted it.
pub(super) fn first_epoch(cluster: ClusterId, proposal: &Proposal, accepts: &[Accept]) -> Option<Info> {
    let (_, imported) = RawRequest::parse_import(&proposal.request)?;
    let expected = draft(cluster, &proposal.request, &imported, proposal.proposer, proposal.salt);
    if expected != *proposal {
        return None;
    }
    let nonce = session_nonce(proposal, accepts).ok()?;
    on_curve!(C: curve_of(proposal).ok()? => {
        let public_key = Point::<C>::from_bytes(&hex::decode(&imported.public_key).ok()?)?;
        let (level, dealer) = (level_of(proposal.level)?, *proposal.proposer.as_bytes());
        Some(C::any(import::first_epoch(level, dealer, public_key, imported.chain_code.0, &nonce.0)))
    })
}

impl Node {
    /// A client brings a private key: once it is durable here, it is shared out.
    pub(super) fn import(&mut self, call: CallId, import: &api::ImportKey) {
        match self.imported(import) {
            Ok((key, wanted)) => {
                let (id, write) = (key.id(), key.write());
                let label = key.label().clone();
                self.keys.insert(id, key);
                let line = format!(
                    "a client imports the private key of {label} as the key {id}: this node, and whoever had it \
                     before, know all of it"
                );
                self.log(Level::Warn, &line);
                self.store(vec![write], Then::ShareOut(call, Box::new(wanted)));
            }
            Err(problem) => self.out.push(Output::Reply(call, api::Reply::Problem(problem))),
        }
    }

    /// The key as this node alone holds it, and the resharing that follows.
    fn imported(&mut self, import: &api::ImportKey) -> Result<(Key, Wanted), api::Problem> {
        if !self.is_member(self.me) {
            return Err(self.not_joined());
        }
        let malformed = |text: String| api::Problem::new(api::ProblemKind::Malformed, text);
        let (epoch, threshold, committee) = (0, import.threshold, import.committee.clone());
        let terms = api::ReshareTerms { epoch, threshold, committee }.checked().map_err(malformed)?;
        self.committee_is_here(&terms.committee)?;
        let key = on_curve!(C: import.curve => self.first_share::<C>(import)).map_err(malformed)?;
        let is_same = |other: &&Key| other.info().public_key() == key.info().public_key();
        // Anybody can name a public key and have it shown here; only what this node takes part in stands in the way.
        let is_own = |other: &&Key| other.only_shown_by(self.me).is_none();
        if let Some(other) = self.keys.values().filter(is_same).find(is_own) {
            let text = format!(
                "This node has the key already, as {}; share it out with `consign key reshare`, or discard it first.",
                other.label()
            );
            return Err(api::Problem::new(api::ProblemKind::KeyBusy, text));
        }
        if let Some(other) = self.keys.values().find(is_same) {
            let line = format!(
                "somebody else has named the key that is imported already, as {} {}: if a committee holds it, it is \
                 two keys with one private key from now on",
                other.label(),
                other.id()
            );
            self.log(Level::Warn, &line);
        }
        let key_id = api_key(key.id());
        Ok((key, Wanted::Reshare(api::Reshare { key: key_id, terms })))
    }

    fn first_share<C: NodeCurve>(&mut self, import: &api::ImportKey) -> Result<Key, String> {
        let secret = Scalar::<C>::from_bytes(import.private_key.expose()).map(Zeroizing::new);
        let secret = secret.filter(|secret| !secret.is_zero());
        let secret = secret.ok_or("The private key is zero, or not below the order of the curve.")?;
        let imported = api::ImportedKey {
            label: import.label.clone(),
            scheme: import.scheme,
            curve: import.curve,
            level: import.level,
            public_key: hex::encode(Point::<C>::mul_generator(&secret).to_bytes()),
            chain_code: import.chain_code.unwrap_or_else(|| api::ChainCode(self.random())),
        };
        let request = RawRequest::of_import(&imported, self.now.unix, self.random()).encode();
        let proposal = draft(self.cluster(), &request, &imported, self.me, self.random());
        let now = self.now.monotonic;
        let (_, accept) = Drawn::accept(&self.identity, &proposal, DEALER, now, &mut self.rng);
        let accepts = vec![accept];
        let info = first_epoch(self.cluster(), &proposal, &accepts).and_then(C::take);
        let info = info.expect("invariant: it was drafted here");
        let share = import::share(info, *secret).map_err(|e| format!("The private key is unusable: {e}."))?;
        let key = Key::imported(Arc::new(C::any(share)), Arc::new(proposal), accepts);
        Ok(key.expect("invariant: it was drafted here"))
    }

    /// The key is durable: it is shared out. If that cannot even begin, nothing of it is kept, unless somebody has asked
    /// for the same meanwhile, or a client must ask for it first.
    pub(super) fn share_out(&mut self, call: CallId, wanted: Wanted) {
        let id = wanted.key().map(|id| Hash(id.0));
        match self.bring(wanted) {
            Ok(view) => self.out.push(Output::Reply(call, api::Reply::Started(view))),
            // Nobody signs while a private key is brought in, and this node does nothing that no client has signed.
            Err(problem) if problem.kind == api::ProblemKind::Unauthorized => {
                let text = "The key is imported, and is in one place, at this node, until a client has signed that it is \
                            shared out: `consign key reshare --client FILE`.";
                self.refuse(call, problem.kind, text);
            }
            Err(problem) => {
                let unused = id.filter(|id| self.undiscardable(*id, false).is_none());
                let writes = unused.map(|id| self.forget(id)).unwrap_or_default();
                self.store(writes, Then::Reply(call, Box::new(api::Reply::Problem(problem))));
            }
        }
    }

    /// A client gives up an imported key that is still in one place here.
    pub(super) fn discard(&mut self, call: CallId, discard: &api::Discard) {
        let hash = Hash(discard.key.0);
        let dealt = self.keys.get(&hash).map_or(0, Key::highest);
        let reply = match (self.undiscardable(hash, discard.force), self.key_view(&hash)) {
            (None, Some(view)) => api::Reply::Key(view),
            (Some(problem), _) => return self.out.push(Output::Reply(call, api::Reply::Problem(problem))),
            (None, None) => {
                return self.refuse(call, api::ProblemKind::UnknownKey, "This node holds no such key.");
            }
        };
        let known = match dealt {
            0 => "no shares of it were dealt".to_owned(),
            epoch => format!("although shares of epoch {epoch} were dealt, which may be in force elsewhere"),
        };
        self.log(Level::Warn, &format!("a client discards the imported key {hash}: {known}"));
        let writes = self.forget(hash);
        self.store(writes, Then::Reply(call, Box::new(reply)));
    }

    /// Why a key must stay. Shares that were dealt to others may have become a complete epoch that this node has not heard
    /// of; whether they have, `force` says that the client knows.
    fn undiscardable(&self, id: Hash, force: bool) -> Option<api::Problem> {
        let key = self.keys.get(&id)?;
        let problem = |kind, text: &str| Some(api::Problem::new(kind, text));
        if !(key.is_whole() && key.share().is_some()) {
            let text = "Only an imported key that is still in one place, at this node, can be discarded.";
            return problem(api::ProblemKind::Forbidden, text);
        }
        if key.has_pendings() || self.change_under_way(id).is_some() {
            let text = "The key is being shared out, or this node has confirmed a share of it that may yet count; \
                        go on with `consign key reshare`.";
            return problem(api::ProblemKind::KeyBusy, text);
        }
        let dealt = key.highest();
        if dealt > 0 && !force {
            let text = format!(
                "Shares of epoch {dealt} were dealt; it may be in force elsewhere, and this node erases the private key \
                 when it hears so. Go on with `consign key reshare`, or discard with --force (`?force=true`)."
            );
            return problem(api::ProblemKind::KeyBusy, &text);
        }
        None
    }

    fn forget(&mut self, id: Hash) -> Vec<Write> {
        self.keys.remove(&id).map(|_| Write::delete(Table::Keys, id.0)).into_iter().collect()
    }
}
