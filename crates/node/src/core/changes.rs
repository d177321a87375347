//! Refresh and resharing as proposals: what follows from a client's request, and what the protocols need to know. Read
//! `requests.rs` first; `epochs.rs` says what comes of it.

use consign_api as api;
use consign_cggmp24::aux_info::AuxPublic;
use consign_cggmp24::key::KeyInfo;
use consign_cggmp24::parties::Parties;
use consign_cggmp24::{refresh, reshare};

use super::asked::Asked;
use super::curves::NodeCurve;
use super::hash::Hash;
use super::keys::Key;
use super::proposal::{Kind, MAX_PARTIES, Participant, Proposal};
use super::requests::{Free, Unfit, Wanted, committee, level_number, quorum};
use super::roll::Roll;
use crate::identity::NodeId;

/// The record of the key that a request is about, in the epoch that it names.
fn at_epoch<'a>(key: Option<&'a Key>, id: &api::KeyId, epoch: u64) -> Result<&'a Key, Unfit> {
    let key = key.filter(|key| key.id().0 == id.0).ok_or(Unfit::Key)?;
    if key.info().epoch() == epoch { Ok(key) } else { Err(Unfit::Epoch(key.info().epoch())) }
}

/// Fills a blank proposal for a refresh.
pub(super) fn draft_refresh(
    wanted: &api::Refresh,
    key: Option<&Key>,
    free: &Free,
    blank: Proposal,
) -> Result<Proposal, Unfit> {
    if free.kind != Kind::Refresh {
        return Err(Unfit::Kind);
    }
    let key = at_epoch(key, &wanted.key, wanted.terms.epoch)?;
    let aux = match wanted.terms.moduli {
        api::Moduli::Renew => None,
        api::Moduli::Keep => key.aux(),
    };
    Ok(Proposal {
        level: level_number(key.level()),
        curve: key.curve().word().to_owned(),
        threshold: key.info().threshold(),
        participants: key.holders().to_vec(),
        key: Some(key.id()),
        base: Some(Hash(key.info().session().0)),
        epoch: free.epoch,
        aux,
        ..blank
    })
}

/// Fills a blank proposal for a resharing, or for the moduli that it needs before.
pub(super) fn draft_reshare(
    wanted: &api::Reshare,
    key: Option<&Key>,
    free: Free,
    blank: Proposal,
) -> Result<Proposal, Unfit> {
    let key = at_epoch(key, &wanted.key, wanted.terms.epoch)?;
    let members = committee(&wanted.terms.committee)?;
    let level = level_number(key.level());
    let (curve, threshold) = (key.curve().word().to_owned(), wanted.terms.threshold);
    let blank = Proposal { level, curve, threshold, ..blank };
    match free.kind {
        Kind::Aux => Ok(Proposal { participants: members, ..blank }),
        Kind::Reshare => Ok(Proposal {
            participants: parties_of(&quorum(key, &free.signers)?, &members)?,
            key: Some(key.id()),
            base: Some(Hash(key.info().session().0)),
            epoch: free.epoch,
            aux: free.aux,
            signers: free.signers,
            ..blank
        }),
        Kind::Keygen | Kind::Sign | Kind::Refresh | Kind::Presign | Kind::Online | Kind::Import => {
            Err(Unfit::Kind)
        }
    }
}

/// Dealers and receivers, everybody once, numbered by identity key from 1.
fn parties_of(dealers: &[Participant], receivers: &[Participant]) -> Result<Vec<Participant>, Unfit> {
    let mut ids: Vec<NodeId> = dealers.iter().chain(receivers).map(|p| p.id).collect();
    ids.sort_unstable_by(|a, b| a.as_bytes().cmp(b.as_bytes()));
    ids.dedup();
    if ids.len() > MAX_PARTIES {
        return Err(Unfit::TooMany);
    }
    Ok(ids.into_iter().zip(1..).map(|(id, index)| Participant { index, id }).collect())
}

/// The new committee of a resharing.
pub(super) fn receivers(proposal: &Proposal) -> Option<Vec<Participant>> {
    let (_, wanted) = Asked::parse(&proposal.request)?;
    let Wanted::Reshare(wanted) = wanted else { return None };
    committee(&wanted.terms.committee).ok()
}

/// What the holders of a key agreed on for its refresh.
pub(super) fn refresh_input<C: NodeCurve>(
    proposal: &Proposal,
    base: &KeyInfo<C>,
    aux: Option<&AuxPublic>,
) -> Result<refresh::Public<C>, String> {
    let base = base.clone();
    let public = match (proposal.aux, aux) {
        (None, _) => refresh::Public::new(base, proposal.epoch),
        (Some(kept), Some(aux)) if kept.0 == aux.aux_id => {
            refresh::Public::keeping_moduli(base, proposal.epoch, aux)
        }
        (Some(_), _) => return Err("the auxiliary information is not here".to_owned()),
    };
    public.map_err(|e| e.to_string())
}

/// What dealers and receivers agreed on for a resharing. Only receivers have the moduli.
pub(super) fn reshare_input<C: NodeCurve>(
    proposal: &Proposal,
    base: &KeyInfo<C>,
    aux: Option<&AuxPublic>,
) -> Result<reshare::Public<C>, String> {
    let aux_id = proposal.aux.ok_or("a resharing names the moduli")?;
    let members = receivers(proposal).ok_or("the request does not ask for a resharing")?;
    let list = members.iter().map(|p| (p.index, p.id));
    let holders = Roll::new(proposal.cluster, list).parties().map_err(|e| e.to_string())?;
    let dealers = base.parties.iter().filter(|(index, _)| proposal.signers.contains(&index.get()));
    let dealers = match base.is_whole() {
        true => Ok(base.parties.clone()),
        false => Parties::new(dealers.map(|(index, id)| (index, *id)).collect()),
    };
    let dealers = dealers.map_err(|e| e.to_string())?;
    let (base, threshold, epoch) = (base.clone(), proposal.threshold, proposal.epoch);
    let public = match aux {
        Some(aux) if aux.aux_id == aux_id.0 => {
            reshare::Public::new(base, dealers, holders, threshold, epoch, aux)
        }
        _ => reshare::Public::without_moduli(base, dealers, holders, threshold, epoch, aux_id.0),
    };
    public.map_err(|e| e.to_string())
}
