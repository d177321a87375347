//! From one epoch of a key to the next: what refresh and resharing store, confirm and leave behind
//! (`docs/spec/auxinfo-refresh.md`, 5.5 and 5.7).

use consign_rounds::SessionId;
use consign_zk::curve::Curve;
use consign_zk::transcript::{Purpose, Transcript};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::aux_info::{Aux, AuxError};
use crate::key::{KeyError, KeyInfo, KeyShare};

/// Version of the stored form of a pending share.
const STORED_VERSION: u8 = 1;

/// Names an epoch of one key. The order is that of 5.7, rule 1: the number, then the session that made it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EpochId {
    /// The epoch's number.
    pub epoch: u64,
    /// The session that made it.
    pub session: SessionId,
}

/// What must be durable before the message that follows it leaves.
pub enum Record {
    /// This party is about to deal shares for the epoch with this number, which it must never use again.
    Dealing(u64),
    /// An encoded [`Pending`], which this party is about to confirm.
    Pending(Zeroizing<Vec<u8>>),
}

/// A share of a new epoch that is stored and confirmed, but not active yet. No `Clone`, no `Debug`.
pub struct Pending<C: Curve> {
    base_epoch: u64,
    aux_id: [u8; 32],
    share: KeyShare<C>,
    aux: Option<Aux>,
}

/// A damaged pending share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PendingError {
    /// Not an encoding of this version.
    #[error("the stored pending share is damaged or of an unknown version; restore it from a backup")]
    Encoding,
    /// The share contradicts itself.
    #[error("the stored pending share is unusable: {0}")]
    Share(#[from] KeyError),
    /// The auxiliary information made with it contradicts itself.
    #[error("the stored pending share is unusable: {0}")]
    Aux(#[from] AuxError),
    /// The parts are not of one epoch.
    #[error("the parts of the stored pending share do not belong together")]
    Parts,
}

impl<C: Curve> KeyInfo<C> {
    /// Names this epoch.
    pub fn epoch_id(&self) -> EpochId {
        EpochId { epoch: self.epoch, session: self.session }
    }

    /// Whether this may be a later epoch of the same key as `base`: what must never change has not.
    pub fn continues(&self, base: &Self) -> bool {
        self.epoch > base.epoch
            && (self.key_id, self.level, self.chain_code) == (base.key_id, base.level, base.chain_code)
            && self.public_key == base.public_key
    }
}

impl<C: Curve> Pending<C> {
    /// `aux` is what the same session made, if it did: its identifier is then `aux_id`.
    pub(crate) fn new(
        base_epoch: u64,
        aux_id: [u8; 32],
        share: KeyShare<C>,
        aux: Option<Aux>,
    ) -> Result<Self, PendingError> {
        let made_together = aux
            .as_ref()
            .is_none_or(|aux| (aux.public().aux_id, aux.public().session) == (aux_id, share.info().session));
        if !made_together || share.info().epoch <= base_epoch {
            return Err(PendingError::Parts);
        }
        Ok(Self { base_epoch, aux_id, share, aux })
    }

    /// The share.
    pub fn share(&self) -> &KeyShare<C> {
        &self.share
    }

    /// Number of the epoch that it replaces.
    pub fn base_epoch(&self) -> u64 {
        self.base_epoch
    }

    /// The auxiliary information that goes with it.
    pub fn aux_id(&self) -> &[u8; 32] {
        &self.aux_id
    }

    /// That information, if the same session made it.
    pub fn aux(&self) -> Option<&Aux> {
        self.aux.as_ref()
    }

    /// The parts that become active.
    pub fn into_parts(self) -> (KeyShare<C>, Option<Aux>) {
        (self.share, self.aux)
    }

    /// The stored form. It contains secrets: seal it before it touches a disk.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let (share, aux) = (self.share.encode(), self.aux.as_ref().map(Aux::encode));
        let aux = aux.as_ref().map(|aux| aux.as_slice());
        let stored = (STORED_VERSION, self.base_epoch, self.aux_id, share.as_slice(), aux);
        Zeroizing::new(consign_rounds::encode(&stored))
    }

    /// Reads the stored form and checks its consistency.
    pub fn decode(bytes: &[u8]) -> Result<Self, PendingError> {
        type Stored = (u8, u64, [u8; 32], Vec<u8>, Option<Vec<u8>>);
        let (version, base_epoch, aux_id, mut share, mut aux): Stored =
            postcard::from_bytes(bytes).map_err(|_| PendingError::Encoding)?;
        let decoded = (KeyShare::decode(&share), aux.as_deref().map(Aux::decode).transpose());
        share.zeroize();
        aux.zeroize();
        if version != STORED_VERSION {
            return Err(PendingError::Encoding);
        }
        Self::new(base_epoch, aux_id, decoded.0?, decoded.1?)
    }
}

/// What the parties of a new epoch confirm.
///
/// DEVIATION 18: it names `rid` and the indices too, so that it fixes every field of [`KeyInfo`].
pub(crate) fn done<C: Curve>(purpose: Purpose, info: &KeyInfo<C>, aux_id: &[u8; 32]) -> [u8; 32] {
    let mut transcript = Transcript::new(purpose);
    transcript
        .bytes("sid", &info.session.0)
        .bytes("key_id", &info.key_id)
        .number("e'", info.epoch)
        .number("t", info.threshold.into())
        .number("n", info.parties.count() as u64)
        .point("X", &info.public_key)
        .optional("cc", info.chain_code.as_ref().map(<[u8; 32]>::as_slice))
        .count("shares", info.public_shares.len());
    for (index, share) in info.parties.indices().zip(&info.public_shares) {
        transcript.number("index", index.get().into()).point("X_j", share);
    }
    transcript.bytes("aux_id", aux_id).bytes("rid", &info.rid);
    transcript.hash()
}
