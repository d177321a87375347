//! What shows a key to others, and what is believed of it: everything about it follows from signatures.

use std::sync::Arc;

use consign_cggmp24::activation::Ledger;
use consign_rounds::SessionId;

use super::super::asked::Asked;
use super::super::certificate::NotCertified;
use super::super::chain::{self, AnyStep};
use super::super::curves::{Info, NodeCurve, curve_of, on_curve};
use super::super::hash::Hash;
use super::super::imports::first_epoch;
use super::super::jobs::{public_input, session_id};
use super::super::proposal::{Accept, Kind, Participant, Proposal, session_nonce};
use super::super::requests::{Free, draft, level_of};
use super::super::roll::Roll;
use super::super::wire::Certificate;
use super::{Key, Origin};
use crate::identity::ClusterId;

/// What is known of a key already, so that a certificate of it takes no longer than what it tells anew.
pub(in super::super) struct Prefix {
    info: Info,
    chain: Vec<AnyStep>,
}

impl Key {
    /// What shows to others what this key is; nothing before everybody has confirmed it.
    pub(in super::super) fn certificate(&self) -> Option<Certificate> {
        let (proposal, accepts) = ((*self.origin.proposal).clone(), self.origin.accepts.clone());
        let (info, set) = (self.origin.info.as_ref().encode(), self.origin.set.clone()?);
        let steps = self.chain.iter().map(AnyStep::encode).collect();
        Some(Certificate { proposal, accepts, info, set, steps })
    }

    /// A key that somebody shows, if everything about it holds together: see [`judged`](Self::judged).
    pub(in super::super) fn certified(
        certificate: Certificate,
        cluster: ClusterId,
        known: Option<&Prefix>,
    ) -> Option<Self> {
        Self::judged(certificate, cluster, known).ok()
    }

    /// Judges a certificate: the request that its proposal carries, the session that the accepts make of it, the
    /// confirmation of every first holder, and every change since. What is `known` of it is not verified again.
    pub(in super::super) fn judged(
        certificate: Certificate,
        cluster: ClusterId,
        known: Option<&Prefix>,
    ) -> Result<Self, NotCertified> {
        let Certificate { proposal, accepts, info, set, steps } = certificate;
        // Before anything that takes longer for longer lists.
        if !proposal.is_well_formed() {
            return Err(NotCertified::Proposal);
        }
        let curve = curve_of(&proposal).map_err(|_| NotCertified::Proposal)?;
        let info = Info::decode(curve, &info).ok_or(NotCertified::NotACertificate)?;
        let chain: Vec<_> = steps
            .iter()
            .map(|step| AnyStep::decode(curve, step).ok_or(NotCertified::NotACertificate))
            .collect::<Result<_, _>>()?;
        let is_import = proposal.kind == Kind::Import;
        if !is_import {
            follows_from_keygen(cluster, &proposal, &accepts, &info)?;
        } else if !set.is_empty() || first_epoch(cluster, &proposal, &accepts).as_ref() != Some(&info) {
            return Err(NotCertified::Epoch);
        }
        let origin = Origin::new(info, Arc::new(proposal), accepts).ok_or(NotCertified::Proposal)?;
        let mut key = Self::new(origin, Vec::new(), None, Ledger::default());
        let known = known.filter(|known| known.info == key.origin.info);
        // Signatures come before the curve, and the first epoch before what continues it.
        if is_import {
            key.begin();
        } else if !key.activate_from(&set) {
            return Err(NotCertified::Confirmations);
        }
        if known.is_none() && key.origin.info.as_ref().validate().is_err() {
            return Err(NotCertified::Epoch);
        }
        let same = known.map_or(0, |known| {
            known.chain.iter().zip(&chain).take_while(|(known, shown)| known == shown).count()
        });
        let (old, new) = chain.split_at(same);
        let base = old.last().map_or(key.origin.info.as_ref(), AnyStep::info);
        if let Some(wrong) = chain::broken_at(base, new, cluster) {
            return Err(NotCertified::Change(same + wrong + 1));
        }
        key.advance(chain);
        Ok(key)
    }

    /// The session in which its dealer shared it out, if it was imported.
    pub(in super::super) fn shared_out(&self) -> Option<SessionId> {
        self.dealer().and(self.chain.first()).map(|step| step.info().session())
    }

    /// Threshold and holders of its first epoch.
    pub(in super::super) fn first(&self) -> (u16, &[Participant]) {
        (self.origin.info.as_ref().threshold(), self.makers())
    }
}

impl Prefix {
    /// All that is known of a key and certified.
    pub(in super::super) fn of(key: &Key) -> Box<Self> {
        Box::new(Self { info: key.origin.info.clone(), chain: key.chain.clone() })
    }
}

/// Whether the first epoch is one that the key generation of this proposal may have made: its confirmations say whether it
/// has.
fn follows_from_keygen(
    cluster: ClusterId,
    proposal: &Proposal,
    accepts: &[Accept],
    info: &Info,
) -> Result<(), NotCertified> {
    let (asked, wanted) = Asked::parse(&proposal.request).ok_or(NotCertified::Proposal)?;
    // Whom a certificate names as the key's owner has asked for it.
    asked.verify(&cluster).map_err(NotCertified::Request)?;
    let expected = draft(cluster, &proposal.request, &wanted, None, Free::of(proposal));
    if expected.as_ref() != Ok(proposal) || proposal.kind != Kind::Keygen {
        return Err(NotCertified::Proposal);
    }
    let nonce = session_nonce(proposal, accepts).map_err(NotCertified::Accepts)?;
    let session = on_curve!(C: info.curve() => session_of::<C>(proposal, &nonce));
    let shown = info.as_ref();
    let follows = Some(shown.session()) == session
        && Roll::of(proposal).parties().is_ok_and(|parties| parties == *shown.parties())
        && (shown.threshold(), shown.epoch()) == (proposal.threshold, 0)
        && Some(shown.level()) == level_of(proposal.level);
    if follows { Ok(()) } else { Err(NotCertified::Epoch) }
}

/// The session of a key generation.
fn session_of<C: NodeCurve>(proposal: &Proposal, nonce: &Hash) -> Option<SessionId> {
    let input = public_input::<C>(proposal, None, None).ok()?;
    session_id(proposal, &input, nonce).ok()
}
