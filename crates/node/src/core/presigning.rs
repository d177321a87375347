//! What proposals say of presignatures: to make a batch, and to sign in one round with one of it. Read `pool.rs` first.

use consign_api as api;
use consign_cggmp24::ecdsa::{Digest, HashAlgorithm, HashedMessage};
use consign_cggmp24::sign::{PresignaturePublic, online};

use super::curves::{self, NodeCurve, curve_of};
use super::hash::Hash;
use super::keys::Key;
use super::node::Node;
use super::proposal::{Kind, Proposal};
use super::requests::{Free, Unfit, Wanted, level_number, quorum};
use super::roll::Roll;
use super::sessions::PublicInput;
use super::stories::wanted_of;
use crate::identity::NodeId;

/// Most batches that a node makes at once when others ask: each keeps a core busy for long, and signatures must not
/// wait.
pub const MAX_PRESIGNING: usize = 3;
/// Most batches at once that one node may have proposed, this one included.
pub const MAX_PRESIGNING_OF_ONE: usize = 1;

/// Everything about the key, its epoch and the signers.
pub(super) fn of_key(key: &Key, free: &Free, blank: Proposal) -> Result<Proposal, Unfit> {
    Ok(Proposal {
        level: level_number(key.level()),
        curve: key.curve().word().to_owned(),
        threshold: key.info().threshold(),
        participants: quorum(key, &free.signers)?,
        key: Some(key.id()),
        epoch: key.info().epoch(),
        signers: free.signers.clone(),
        ..blank
    })
}

/// Fills a blank proposal for a batch of presignatures.
pub(super) fn draft_presign(
    wanted: &api::Presign,
    key: Option<&Key>,
    free: &Free,
    blank: Proposal,
) -> Result<Proposal, Unfit> {
    if free.kind != Kind::Presign {
        return Err(Unfit::Kind);
    }
    let key = key.filter(|key| key.id().0 == wanted.key.0).ok_or(Unfit::Key)?;
    let drafted = of_key(key, free, blank)?;
    let named = |id: NodeId| wanted.terms.signers.iter().any(|named| named.0 == *id.as_bytes());
    let count = wanted.terms.signers.len();
    let as_named = count == drafted.participants.len() && drafted.participants.iter().all(|p| named(p.id));
    if count > 0 && !as_named {
        return Err(Unfit::Signers);
    }
    Ok(Proposal { aux: key.aux(), batch: wanted.terms.count, ..drafted })
}

/// Fills a blank proposal for a signature from a presignature. That signs for the key itself, and only what its signers
/// have hashed themselves (6.7).
pub(super) fn draft_online(
    wanted: &api::Sign,
    key: Option<&Key>,
    free: &Free,
    blank: Proposal,
) -> Result<Proposal, Unfit> {
    let key = key.filter(|key| key.id().0 == wanted.key.0).ok_or(Unfit::Key)?;
    if !may_be_presigned(wanted) {
        return Err(Unfit::Presignature);
    }
    let digest = Some(wanted.target.digest());
    let base = Some(free.presignature.ok_or(Unfit::Presignature)?);
    Ok(Proposal { base, digest, batch: 1, ..of_key(key, free, blank)? })
}

/// Whether a presignature can sign it.
pub(super) fn may_be_presigned(wanted: &api::Sign) -> bool {
    wanted.path == api::PathText::root() && matches!(wanted.target, api::SignTarget::Message { .. })
}

/// The message of a signature from a presignature, hashed here.
pub(super) fn hashed(proposal: &Proposal) -> Option<HashedMessage> {
    let Wanted::Signature(sign) = wanted_of(proposal) else { return None };
    let api::SignTarget::Message { bytes, hash } = &sign.target else { return None };
    let algorithm = match hash {
        api::HashName::Sha256 => HashAlgorithm::Sha256,
        api::HashName::Keccak256 => HashAlgorithm::Keccak256,
    };
    curves::hashed(curve_of(proposal).ok()?, algorithm, bytes).ok()
}

/// What all signers agreed on, from the presignature that the proposal names. For signers and judges.
pub(super) fn online_input<C: NodeCurve>(
    proposal: &Proposal,
    presignature: PresignaturePublic<C>,
) -> Result<PublicInput<C>, String> {
    if !is_named(proposal, &presignature) {
        return Err("the presignature is not what the proposal names".to_owned());
    }
    let digest = Digest::raw::<C>(proposal.digest.ok_or("no digest")?).map_err(|e| e.to_string())?;
    Ok(PublicInput::Online(Box::new(online::Public::new(presignature, digest))))
}

/// Whether a proposal is about this presignature: its id, key, epoch and signers, and no child of the key.
pub(super) fn is_named<C: NodeCurve>(proposal: &Proposal, presignature: &PresignaturePublic<C>) -> bool {
    proposal.kind == Kind::Online
        && curve_of(proposal) == Ok(C::WORD)
        && proposal.base == Some(Hash(presignature.id()))
        && proposal.key == Some(Hash(presignature.key_id))
        && proposal.epoch == presignature.epoch
        && proposal.path.is_empty()
        && presignature.shift.path().is_root()
        && Roll::of(proposal).parties().is_ok_and(|parties| parties == presignature.signers)
}

/// Most presignatures of a key that can be made in one ceremony.
pub(super) fn longest_batch(key: &Key) -> u32 {
    let info = key.info();
    curves::longest_batch(info.curve(), info.level(), info.threshold())
}

impl Node {
    /// Whether one more batch may be made; `besides`: the ceremony that asks does not count.
    pub(super) fn may_presign(
        &self,
        key: &Key,
        maker: NodeId,
        count: u32,
        besides: Option<Hash>,
    ) -> Result<(), String> {
        let signers = key.info().threshold();
        let most = longest_batch(key);
        if count > most {
            return Err(format!("at most {most} presignatures can be made at a time with {signers} signers"));
        }
        let under_way: Vec<_> = self
            .ceremonies
            .iter()
            .filter(|(hash, c)| !c.is_over() && c.proposal.kind == Kind::Presign && Some(**hash) != besides)
            .filter_map(|(_, c)| Some((c.proposal.key?, c.proposal.proposer, c.proposal.batch as usize)))
            .collect();
        let theirs = under_way.iter().filter(|(_, by, _)| *by == maker).count();
        let full = maker != self.me && under_way.len() >= MAX_PRESIGNING;
        if full || theirs >= MAX_PRESIGNING_OF_ONE {
            return Err("as many presignatures are being made as may be at a time".to_owned());
        }
        if !self.presignatures.has_room(key.id(), maker, self.me, count as usize, &under_way) {
            return Err("there are as many presignatures as may be kept".to_owned());
        }
        Ok(())
    }
}
