//! A key as one party holds it: its share, and what everybody knows of the key.

use consign_rounds::{PartyIndex, SessionId, at_most};
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::feldman::interpolates_to;
use consign_zk::level::Level;
use consign_zk::secret::Secret;
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use crate::parties::{MAX_PARTIES, Parties};

/// Version of the stored form of a key share.
const STORED_VERSION: u8 = 1;

/// What every holder, and whoever they show it to, knows of a key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct KeyInfo<C: Curve> {
    /// Identifier for the life of the key.
    pub key_id: [u8; 32],
    /// Session that made this epoch.
    pub session: SessionId,
    /// Security level of its committee.
    pub level: Level,
    /// Counts refreshes and resharings, from 0.
    pub epoch: u64,
    /// Number of signers needed.
    pub threshold: u16,
    /// The holders.
    pub parties: Parties,
    /// The public key `X`.
    pub public_key: Point<C>,
    /// Public shares `X_j`, in the order of the holders.
    #[serde(deserialize_with = "at_most::<MAX_PARTIES, _, _>")]
    pub public_shares: Vec<Point<C>>,
    /// Chain code for derivation, if the key has one.
    pub chain_code: Option<[u8; 32]>,
    /// Joint randomness of the session that made this epoch.
    pub rid: [u8; 32],
}

/// One party's share of a key. No `Clone`, no `Debug`; the secret is zeroised when dropped.
pub struct KeyShare<C: Curve> {
    info: KeyInfo<C>,
    index: PartyIndex,
    secret: Secret<Scalar<C>>,
}

/// A key share whose parts contradict each other, or bytes that are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not an encoding of this version.
    #[error("the stored key share is damaged or of an unknown version; restore it from a backup")]
    Encoding,
    /// The number of public shares differs from the number of holders, or the threshold does not fit.
    #[error("the key's threshold, holders and public shares do not fit together")]
    Shape,
    /// A public share or the public key is the point at infinity.
    #[error("the key contains the point at infinity")]
    Identity,
    /// Public shares do not interpolate to the public key.
    #[error("the public shares do not belong to the public key")]
    Interpolation,
    /// The private key is in one place: an imported key before its resharing.
    #[error("the private key is still in one place: reshare it to a committee first")]
    Whole,
    /// The secret share is not the logarithm of this party's public share.
    #[error("the secret share does not match its public share")]
    Share,
}

impl<C: Curve> KeyInfo<C> {
    /// The public share of `index`.
    pub fn public_share(&self, index: PartyIndex) -> Option<&Point<C>> {
        let position = self.parties.indices().position(|i| i == index)?;
        self.public_shares.get(position)
    }

    /// Consistency rules of `primitives.md` 2.5: the first `t` shares interpolate to `X`, and to every further share.
    /// Only the first epoch of an imported key has one holder.
    pub fn validate(&self) -> Result<(), KeyError> {
        let threshold_fits = match self.is_whole() {
            true => (self.threshold, self.epoch) == (1, 0),
            false => self.parties.check_threshold(self.threshold).is_ok(),
        };
        if !threshold_fits || self.public_shares.len() != self.parties.count() {
            return Err(KeyError::Shape);
        }
        if self.public_key.is_identity() || self.public_shares.iter().any(Point::is_identity) {
            return Err(KeyError::Identity);
        }
        let all: Vec<_> =
            self.parties.indices().map(PartyIndex::get).zip(self.public_shares.clone()).collect();
        let (base, rest) = all.split_at(self.threshold.into());
        let mut expected = [(0, self.public_key)].into_iter().chain(rest.iter().copied());
        let fits = expected.all(|(at, point)| interpolates_to(base, at, &point));
        if fits { Ok(()) } else { Err(KeyError::Interpolation) }
    }
}

impl<C: Curve> KeyInfo<C> {
    /// The same, and nobody holds it alone: so it must be wherever it is used, but for the resharing that follows an
    /// import.
    pub fn validate_shared(&self) -> Result<(), KeyError> {
        if self.is_whole() { Err(KeyError::Whole) } else { self.validate() }
    }
}

impl<C: Curve> KeyShare<C> {
    /// Puts a share together; refuses parts that contradict each other.
    pub fn new(info: KeyInfo<C>, index: PartyIndex, secret: Scalar<C>) -> Result<Self, KeyError> {
        info.validate()?;
        if info.public_share(index) != Some(&Point::mul_generator(&secret)) {
            return Err(KeyError::Share);
        }
        Ok(Self { info, index, secret: Secret::new(secret) })
    }

    /// What everybody knows of the key.
    pub fn info(&self) -> &KeyInfo<C> {
        &self.info
    }

    /// This party's index.
    pub fn index(&self) -> PartyIndex {
        self.index
    }

    /// The secret share `x_i`.
    pub(crate) fn secret(&self) -> &Secret<Scalar<C>> {
        &self.secret
    }

    /// The stored form. It contains the secret: seal it before it touches a disk.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let secret = Zeroizing::new(self.secret.expose().to_bytes());
        let stored = (STORED_VERSION, &self.info, self.index, secret.as_slice());
        Zeroizing::new(consign_rounds::encode(&stored))
    }

    /// Reads the stored form and checks its consistency. Nothing may follow it.
    pub fn decode(bytes: &[u8]) -> Result<Self, KeyError> {
        type Stored<C> = (u8, KeyInfo<C>, PartyIndex, Vec<u8>);
        let ((version, info, index, mut secret), rest): (Stored<C>, _) =
            postcard::take_from_bytes(bytes).map_err(|_| KeyError::Encoding)?;
        let scalar = Scalar::from_bytes(&secret);
        secret.zeroize();
        if version != STORED_VERSION || !rest.is_empty() {
            return Err(KeyError::Encoding);
        }
        Self::new(info, index, scalar.ok_or(KeyError::Encoding)?)
    }
}
