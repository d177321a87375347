//! How a key came to its epoch, as others can check it: one [`Step`] per change, each with the signed messages that
//! prove it to whoever knows the epoch before (`docs/spec/auxinfo-refresh.md`, 5.7, rule 5). Read `keys.rs` next.

use consign_cggmp24::epoch::EpochId;
use consign_cggmp24::key::KeyInfo;
use consign_cggmp24::refresh::is_complete;
use consign_cggmp24::reshare::Completion;
use consign_rounds::{PerParty, PublicPart, decode as decode_parts, encode as encode_parts};
use serde::{Deserialize, Serialize};

use super::hash::Hash;
use super::sessions::{C, Roll};
use super::wire::MAX_MESSAGE_BYTES;
use crate::identity::ClusterId;

/// One change of a key. Untrusted until it [`proves`](Self::proves) itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Step {
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

impl Step {
    /// The epoch to which it leads.
    pub(super) fn info(&self) -> &KeyInfo<C> {
        match self {
            Self::Refresh { info, .. } => info,
            Self::Reshare(completion) => &completion.info,
        }
    }

    /// The moduli of that epoch.
    pub(super) fn aux(&self) -> Hash {
        Hash(match self {
            Self::Refresh { aux, .. } => *aux,
            Self::Reshare(completion) => completion.aux_id,
        })
    }

    /// Whether it shows to somebody who knows `base` that its epoch is complete.
    fn proves(&self, base: &KeyInfo<C>, cluster: ClusterId) -> bool {
        match self {
            Self::Refresh { info, aux, set } => {
                is_complete(base, info, aux, set, &Roll::of_parties(cluster, &base.parties))
            }
            Self::Reshare(completion) => completion
                .public(base)
                .is_ok_and(|public| completion.proves(base, &Roll::of_parties(cluster, public.parties()))),
        }
    }

    /// The bytes on the wire.
    pub(super) fn encode(&self) -> Vec<u8> {
        encode_parts(self)
    }

    /// Reads bytes of a peer.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        decode_parts(bytes, MAX_MESSAGE_BYTES).ok()
    }
}

/// Whether every step proves itself to somebody who knows `base`.
pub(super) fn holds(base: &KeyInfo<C>, chain: &[Step], cluster: ClusterId) -> bool {
    let mut at = base;
    chain.iter().all(|step| step.proves(std::mem::replace(&mut at, step.info()), cluster))
}

/// The chain with one more step. A refresh takes the place of a refresh before it: the same holders have confirmed it,
/// so it proves itself to whoever knows the epoch before both, and chains grow with resharings only.
pub(super) fn extended(chain: &[Step], step: Step) -> Vec<Step> {
    let mut chain = chain.to_vec();
    if matches!((chain.last(), &step), (Some(Step::Refresh { .. }), Step::Refresh { .. })) {
        chain.pop();
    }
    chain.push(step);
    chain
}

/// The names of a pending share's epoch in the store: a key's own id, then these.
pub(super) fn record_key(key: Hash, id: EpochId) -> Vec<u8> {
    [&key.0[..], &id.epoch.to_be_bytes(), &id.session.0].concat()
}
