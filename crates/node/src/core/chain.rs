//! How a key came to its epoch, as others can check it: one [`Step`] per change, each with the signed messages that
//! prove it to whoever knows the epoch before (`docs/spec/auxinfo-refresh.md`, 5.7, rule 5). Read `keys.rs` next.

use consign_cggmp24::curve::Curve;
use consign_cggmp24::epoch::EpochId;
use consign_cggmp24::key::KeyInfo;
use consign_cggmp24::refresh::is_complete;
use consign_cggmp24::reshare::Completion;
use consign_rounds::{PerParty, PublicPart, encode as encode_parts};
use serde::{Deserialize, Serialize};

use super::curves::{InfoRef, NodeCurve, map_curve, on_curve, per_curve};
use super::hash::Hash;
use super::roll::Roll;
use crate::identity::ClusterId;

/// One change of a key. Untrusted until it [`proves`](Self::proves) itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub(super) enum Step<C: Curve> {
    /// New shares for the same holders, confirmed by all of them.
    Refresh {
        /// The new epoch.
        info: Box<KeyInfo<C>>,
        /// Its moduli.
        aux: [u8; 32],
        /// The confirmations.
        set: PerParty<PublicPart>,
    },
    /// New shares for another committee: consent of the old one, confirmations of the new one.
    Reshare(Box<Completion<C>>),
}

per_curve! {
    /// One change of a key on any curve.
    AnyStep, StepOf = Step;
}

impl<C: NodeCurve> Step<C> {
    fn info(&self) -> &KeyInfo<C> {
        match self {
            Self::Refresh { info, .. } => info,
            Self::Reshare(completion) => &completion.info,
        }
    }

    fn aux(&self) -> [u8; 32] {
        match self {
            Self::Refresh { aux, .. } => *aux,
            Self::Reshare(completion) => completion.aux_id,
        }
    }

    fn proves(&self, base: InfoRef<'_>, cluster: ClusterId) -> bool {
        let Some(base) = C::take(base) else { return false };
        match self {
            Self::Refresh { info, aux, set } => {
                is_complete(base, info, aux, set, &Roll::of_parties(cluster, &base.parties))
            }
            Self::Reshare(completion) => completion
                .public(base)
                .is_ok_and(|public| completion.proves(base, &Roll::of_parties(cluster, public.parties()))),
        }
    }
}

impl AnyStep {
    /// The epoch to which it leads.
    pub(super) fn info(&self) -> InfoRef<'_> {
        map_curve!(self, step => step.info())
    }

    /// The moduli of that epoch.
    pub(super) fn aux(&self) -> Hash {
        Hash(on_curve!(self, step => step.aux()))
    }

    fn is_refresh(&self) -> bool {
        on_curve!(self, step => matches!(step, Step::Refresh { .. }))
    }

    /// Whether it shows to somebody who knows `base` that its epoch is complete.
    fn proves(&self, base: InfoRef<'_>, cluster: ClusterId) -> bool {
        on_curve!(self, step => step.proves(base, cluster))
    }

    /// The bytes on the wire.
    pub(super) fn encode(&self) -> Vec<u8> {
        encode_parts(self)
    }
}

/// The first step, counted from 0, that does not prove itself to somebody who knows `base` and the steps before.
pub(super) fn broken_at<'a>(base: InfoRef<'a>, chain: &'a [AnyStep], cluster: ClusterId) -> Option<usize> {
    let mut at = base;
    chain.iter().position(|step| !step.proves(std::mem::replace(&mut at, step.info()), cluster))
}

/// The chain with one more step. A refresh takes the place of a refresh before it: the same holders have confirmed it,
/// so it proves itself to whoever knows the epoch before both, and chains grow with resharings only.
pub(super) fn extended(chain: &[AnyStep], step: AnyStep) -> Vec<AnyStep> {
    let mut chain = chain.to_vec();
    if step.is_refresh() && chain.last().is_some_and(AnyStep::is_refresh) {
        chain.pop();
    }
    chain.push(step);
    chain
}

/// The names of a pending share's epoch in the store: a key's own id, then these.
pub(super) fn record_key(key: Hash, id: EpochId) -> Vec<u8> {
    [&key.0[..], &id.epoch.to_be_bytes(), &id.session.0].concat()
}
