//! Keys on whichever curve. The protocols of the library are written once for all curves, with the curve as a type; what
//! nodes keep, send and compare has no such type: an [`OnCurve`] holds one of two. Whatever is stored or sent says its
//! curve in the proposal that it belongs to, so the bytes of a value do not repeat it.
//!
//! A curve more is one line in each macro and implementation here.

mod things;

use std::marker::PhantomData;

use consign_api as api;
use consign_cggmp24::Level;
use consign_cggmp24::curve::{Curve, P256, Point, Secp256k1};
use consign_cggmp24::ecdsa::{Digest, HashAlgorithm, HashedMessage, Signature, ZeroDigest};
use consign_cggmp24::epoch::Pending;
use consign_cggmp24::key::{KeyInfo, KeyShare};
use consign_cggmp24::presign::max_batch;
use consign_cggmp24::reshare::Reshared;
use consign_cggmp24::sign::{Presignature, PresignaturePublic};
use consign_rounds::decode as decode_parts;
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};

use super::proposal::Proposal;
use super::wire::MAX_MESSAGE_BYTES;

/// Something that exists once for each curve.
pub(super) trait PerCurve {
    /// What it is on one of them.
    type On<C: Curve>;
}

/// Something on one of the curves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnCurve<T: PerCurve> {
    /// The curve of Bitcoin and Ethereum.
    Secp256k1(T::On<Secp256k1>),
    /// NIST P-256.
    P256(T::On<P256>),
}

/// A curve on which nodes hold keys.
pub(super) trait NodeCurve: Curve {
    /// Its name for clients and in proposals.
    const WORD: api::Curve;

    /// Forgets the curve's type.
    fn any<T: PerCurve>(value: T::On<Self>) -> OnCurve<T>;

    /// What is on this curve.
    fn take<T: PerCurve>(value: OnCurve<T>) -> Option<T::On<Self>>;

    /// The same, to look at.
    fn look<T: PerCurve>(value: &OnCurve<T>) -> Option<&T::On<Self>>;
}

macro_rules! node_curve {
    ($curve:ident) => {
        impl NodeCurve for $curve {
            const WORD: api::Curve = api::Curve::$curve;

            fn any<T: PerCurve>(value: T::On<Self>) -> OnCurve<T> {
                OnCurve::$curve(value)
            }

            #[allow(clippy::wildcard_enum_match_arm, reason = "every other curve is another one")]
            fn take<T: PerCurve>(value: OnCurve<T>) -> Option<T::On<Self>> {
                match value {
                    OnCurve::$curve(value) => Some(value),
                    _ => None,
                }
            }

            #[allow(clippy::wildcard_enum_match_arm, reason = "every other curve is another one")]
            fn look<T: PerCurve>(value: &OnCurve<T>) -> Option<&T::On<Self>> {
                match value {
                    OnCurve::$curve(value) => Some(value),
                    _ => None,
                }
            }
        }
    };
}
node_curve!(Secp256k1);
node_curve!(P256);

/// Does the same on every curve: `on_curve!(value, inner => …)` with what an [`OnCurve`] holds, `on_curve!(C: word => …)`
/// with the curve of an [`api::Curve`] as the type `C`.
macro_rules! on_curve {
    ($value:expr, $inner:pat => $then:expr) => {
        match $value {
            $crate::core::curves::OnCurve::Secp256k1($inner) => $then,
            $crate::core::curves::OnCurve::P256($inner) => $then,
        }
    };
    ($C:ident: $curve:expr => $then:expr) => {
        match $curve {
            consign_api::Curve::Secp256k1 => {
                type $C = consign_cggmp24::curve::Secp256k1;
                $then
            }
            consign_api::Curve::P256 => {
                type $C = consign_cggmp24::curve::P256;
                $then
            }
        }
    };
}
pub(super) use on_curve;

/// Makes one thing of another on the same curve: `map_curve!(value, inner => …)`.
macro_rules! map_curve {
    ($value:expr, $inner:pat => $then:expr) => {
        match $value {
            $crate::core::curves::OnCurve::Secp256k1($inner) => {
                $crate::core::curves::OnCurve::Secp256k1($then)
            }
            $crate::core::curves::OnCurve::P256($inner) => $crate::core::curves::OnCurve::P256($then),
        }
    };
}

/// Names for things on a curve.
macro_rules! per_curve {
    ($( $(#[$doc:meta])* $any:ident, $of:ident = $inner:ident; )+) => { $(
        #[doc = concat!("Stands for [`", stringify!($inner), "`].")]
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) struct $of;

        impl $crate::core::curves::PerCurve for $of {
            type On<C: Curve> = $inner<C>;
        }

        $(#[$doc])*
        pub(super) type $any = $crate::core::curves::OnCurve<$of>;
    )+ };
}
pub(super) use per_curve;

pub(super) use map_curve;

per_curve! {
    /// What everybody knows of a key in one epoch.
    Info, InfoOf = KeyInfo;
    /// This node's share of a key.
    Share, ShareOf = KeyShare;
    /// A share of an epoch that is not in force yet.
    PendingShare, PendingOf = Pending;
    /// This node's half of a presignature.
    OwnHalf, OwnHalfOf = Presignature;
    /// What all signers know of a presignature.
    Presigned, PresignedOf = PresignaturePublic;
    /// A public key.
    PublicKey, PublicKeyOf = Point;
    /// A signature.
    Signed, SignedOf = Signature;
    /// What a party of a resharing has in the end.
    NewShares, NewSharesOf = Reshared;
}

/// Stands for a borrowed [`KeyInfo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InfoRefOf<'a>(PhantomData<&'a ()>);

impl<'a> PerCurve for InfoRefOf<'a> {
    type On<C: Curve> = &'a KeyInfo<C>;
}

/// What everybody knows of a key in one epoch, borrowed from whatever holds it.
pub(super) type InfoRef<'a> = OnCurve<InfoRefOf<'a>>;

/// The curve that a proposal names.
pub(super) fn curve_of(proposal: &Proposal) -> Result<api::Curve, String> {
    proposal.curve.parse().map_err(|_| "the curve is unknown here".to_owned())
}

/// The bytes are those of what it holds.
impl<T: PerCurve> Serialize for OnCurve<T>
where
    T::On<Secp256k1>: Serialize,
    T::On<P256>: Serialize,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        on_curve!(self, value => value.serialize(serializer))
    }
}

impl<T: PerCurve> OnCurve<T>
where
    T::On<Secp256k1>: Serialize + DeserializeOwned,
    T::On<P256>: Serialize + DeserializeOwned,
{
    /// Reads what somebody sent or stored; the curve is known from elsewhere.
    pub(super) fn decode(curve: api::Curve, bytes: &[u8]) -> Option<Self> {
        on_curve!(C: curve => decode_parts(bytes, MAX_MESSAGE_BYTES).ok().map(C::any))
    }
}

impl<T: PerCurve> OnCurve<T> {
    /// Which curve it is.
    pub(super) fn curve(&self) -> api::Curve {
        match self {
            Self::Secp256k1(_) => api::Curve::Secp256k1,
            Self::P256(_) => api::Curve::P256,
        }
    }
}

/// Refuses a digest that cannot be signed on this curve.
pub(super) fn check_digest(curve: api::Curve, digest: [u8; 32]) -> Result<(), ZeroDigest> {
    on_curve!(C: curve => Digest::raw::<C>(digest).map(drop))
}

/// A message that is hashed here, to be signed on this curve.
pub(super) fn hashed(
    curve: api::Curve,
    algorithm: HashAlgorithm,
    message: &[u8],
) -> Result<HashedMessage, ZeroDigest> {
    on_curve!(C: curve => HashedMessage::new::<C>(algorithm, message))
}

/// Most presignatures that so many signers can make in one ceremony.
pub(super) fn longest_batch(curve: api::Curve, level: Level, signers: u16) -> u32 {
    on_curve!(C: curve => max_batch::<C>(level, signers.into()))
}
