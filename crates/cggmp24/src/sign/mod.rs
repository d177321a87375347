//! Signing: one round with a presignature ([`Presignature`], [`online`]), or four rounds without ([`interactive`]), which is the
//! default (`docs/spec/signing.md`, 6.5 and 6.6).
//!
//! A presignature is the nonce of one signature. It is used by value, so that it cannot be used twice:
//!
//! ```compile_fail,E0382
//! # use consign_cggmp24::{curve::Secp256k1, ecdsa::HashedMessage, sign::Presignature};
//! fn twice(presignature: Presignature<Secp256k1>, m1: HashedMessage, m2: HashedMessage) {
//!     presignature.sign(m1);
//!     presignature.sign(m2); // used after move
//! }
//! ```
//!
//! It cannot be copied, printed or stored, and signs no digest that somebody else computed:
//!
//! ```compile_fail,E0277
//! # use consign_cggmp24::{curve::Secp256k1, sign::Presignature};
//! fn needs_clone<T: Clone>() {}
//! needs_clone::<Presignature<Secp256k1>>();
//! ```
//!
//! ```compile_fail,E0277
//! # use consign_cggmp24::{curve::Secp256k1, sign::Presignature};
//! fn needs_debug<T: std::fmt::Debug>() {}
//! needs_debug::<Presignature<Secp256k1>>();
//! ```
//!
//! ```compile_fail,E0277
//! # use consign_cggmp24::{curve::Secp256k1, sign::Presignature};
//! fn needs_serialize<T: serde::Serialize>() {}
//! needs_serialize::<Presignature<Secp256k1>>();
//! ```
//!
//! ```compile_fail,E0308
//! # use consign_cggmp24::{curve::Secp256k1, ecdsa::Digest, sign::Presignature};
//! fn raw(presignature: Presignature<Secp256k1>, digest: Digest) {
//!     presignature.sign(digest);
//! }
//! ```

use consign_rounds::{PartyIndex, PerParty};
use consign_zk::curve::{Curve, Scalar};
use consign_zk::secret::Secret;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::ecdsa::{Digest, HashedMessage, Signature};

pub mod interactive;
pub mod online;
mod presignature;

pub use presignature::{PresignaturePublic, Share};

/// The nonce of one signature as one signer holds it. No `Clone`, `Debug` or encoding; wiped when used or dropped.
pub struct Presignature<C: Curve> {
    me: PartyIndex,
    id: [u8; 32],
    public: PresignaturePublic<C>,
    k: Secret<Scalar<C>>,
    chi: Secret<Scalar<C>>,
}

/// One signer's part of a signature, broadcast and signed with its identity key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Partial<C: Curve> {
    /// Identifier of the presignature.
    pub presignature: [u8; 32],
    /// What is signed.
    #[serde(deserialize_with = "Digest::read::<C, _>")]
    pub digest: Digest,
    /// `sigma_i = k_i m + r chi_i`.
    pub sigma: Scalar<C>,
}

/// What is wrong with a partial signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
pub enum PartialFault {
    /// Made with another presignature or for another digest. No proof of anything by itself: it may be good elsewhere.
    /// It is a fault of whoever says it in a session about this presignature and digest ([`online`]).
    #[error("the partial signature is of another presignature or digest")]
    Foreign,
    /// `[sigma_j]Gamma` is not `[m]Delta_j + [r]S_j`. Proven by the signed partial signature and the
    /// [`PresignaturePublic`] of its identifier; nothing else may serve as evidence.
    #[error("the partial signature is wrong")]
    Equation,
}

/// Why there is no signature. The presignature is spent nevertheless.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CombineError {
    /// Not all signers' partial signatures are here.
    #[error("partial signatures are missing")]
    Missing(Vec<PartyIndex>),
    /// Somebody who is no signer is among them.
    #[error("somebody else's partial signature is among them")]
    Strangers(Vec<PartyIndex>),
    /// Everybody whose partial signature is wrong.
    #[error("some partial signatures are wrong")]
    Culprits(PerParty<PartialFault>),
    /// `s` is zero, with probability about 2^-256; sign again.
    #[error("the signature is degenerate by chance; sign again")]
    Degenerate,
    /// Every partial signature is right and the signature is not: a fault of this program or machine.
    #[error("the signature does not verify although all its parts do: a fault of this node")]
    Broken,
}

/// A presignature that has been used: the own partial signature, and what checks those of the others.
pub struct Signing<C: Curve> {
    me: PartyIndex,
    public: PresignaturePublic<C>,
    partial: Partial<C>,
}

impl<C: Curve> Presignature<C> {
    /// Both halves of a finished session.
    pub(crate) fn new(
        me: PartyIndex,
        mut public: PresignaturePublic<C>,
        k: Secret<Scalar<C>>,
        chi: Secret<Scalar<C>>,
    ) -> Self {
        public.keep_encodings();
        Self { me, id: public.id(), public, k, chi }
    }

    /// The identifier, equal at all signers.
    pub fn id(&self) -> [u8; 32] {
        self.id
    }

    /// The index of this signer.
    pub fn index(&self) -> PartyIndex {
        self.me
    }

    /// What every signer, and every judge, knows of it.
    pub fn public(&self) -> &PresignaturePublic<C> {
        &self.public
    }

    /// One-round signing. Only of a message hashed by this process, and only once: also after an abort, a timeout or
    /// a crash the presignature is spent.
    pub fn sign(self, message: HashedMessage) -> Signing<C> {
        self.sign_digest(message.digest())
    }

    /// For a digest that was fixed before the nonce point was known.
    pub(crate) fn sign_digest(self, digest: Digest) -> Signing<C> {
        let r = self.public.r().expect("invariant: a presignature with r = 0 is never made");
        let sigma = *self.k.expose() * digest.scalar() + r * *self.chi.expose();
        let partial = Partial { presignature: self.id, digest, sigma };
        Signing { me: self.me, public: self.public, partial }
    }
}

impl<C: Curve> Signing<C> {
    /// The own part, to be broadcast.
    pub fn partial(&self) -> &Partial<C> {
        &self.partial
    }

    /// What every signer knows of the presignature.
    pub fn public(&self) -> &PresignaturePublic<C> {
        &self.public
    }

    /// The signature, if the parts of all signers, the own one included, are here and right. Names every culprit.
    pub fn combine(&self, partials: &PerParty<Partial<C>>) -> Result<Signature<C>, CombineError> {
        self.public.are_of_all(partials)?;
        // What this process computed is not looked at before the sum is wrong.
        let is_own = |from, partial: &Partial<C>| from == self.me && *partial == self.partial;
        let mut others = partials.iter().filter(|&(&from, partial)| !is_own(from, partial));
        if !others.all(|(&from, partial)| self.check(from, partial).is_ok()) {
            return Err(self.examine(partials));
        }
        self.combine_checked(partials)
    }

    /// As [`combine`](Self::combine), when the parts of all others have passed their check: they are looked at one by one
    /// only if their sum is no signature.
    pub(crate) fn combine_checked(
        &self,
        partials: &PerParty<Partial<C>>,
    ) -> Result<Signature<C>, CombineError> {
        self.public.are_of_all(partials)?;
        let s: Scalar<C> = partials.values().map(|partial| partial.sigma).sum();
        Signature::new(&self.public.Gamma, s)
            .filter(|signature| signature.verify(&self.public.public_key, &self.partial.digest))
            .ok_or_else(|| self.examine(partials))
    }

    fn check(&self, from: PartyIndex, partial: &Partial<C>) -> Result<(), PartialFault> {
        let Partial { presignature, digest, .. } = &self.partial;
        self.public.check_as(presignature, digest, from, partial)
    }

    /// Why the parts of all signers are no signature.
    fn examine(&self, partials: &PerParty<Partial<C>>) -> CombineError {
        let check = |(&from, partial)| Some((from, self.check(from, partial).err()?));
        let culprits: PerParty<_> = partials.iter().filter_map(check).collect();
        let s: Scalar<C> = partials.values().map(|partial| partial.sigma).sum();
        match (culprits.is_empty(), s.is_zero()) {
            (false, _) => CombineError::Culprits(culprits),
            (true, true) => CombineError::Degenerate,
            (true, false) => CombineError::Broken,
        }
    }
}
