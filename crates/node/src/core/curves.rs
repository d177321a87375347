//! Keys on whichever curve. The protocols of the library are written once for all curves, with the curve as a type; what
//! nodes keep, send and compare has no such type: an [`OnCurve`] holds one of two. Whatever is stored or sent says its
//! curve in the proposal that it belongs to, so the bytes of a value do not repeat it.
//!
//! A curve more is one line in each macro and implementation here.

use std::marker::PhantomData;

use consign_api as api;
use consign_cggmp24::aux_info::Aux;
use consign_cggmp24::curve::{Curve, P256, Point, Secp256k1};
use consign_cggmp24::derivation::{DerivationError, Path, bitcoin_address, ethereum_address};
use consign_cggmp24::ecdsa::{Digest, HashAlgorithm, HashedMessage, Signature, ZeroDigest};
use consign_cggmp24::epoch::{EpochId, Pending};
use consign_cggmp24::key::{KeyError, KeyInfo, KeyShare};
use consign_cggmp24::parties::Parties;
use consign_cggmp24::presign::max_batch;
use consign_cggmp24::reshare::Reshared;
use consign_cggmp24::sign::{Presignature, PresignaturePublic};
use consign_cggmp24::{Level, curve};
use consign_rounds::{SessionId, decode as decode_parts, encode as encode_parts};
use serde::de::DeserializeOwned;
use serde::{Serialize, Serializer};
use zeroize::Zeroizing;

use super::hash::Hash;
use super::proposal::Proposal;
use super::records::BadRecord;
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

impl Info {
    /// The same, borrowed.
    pub(super) fn as_ref(&self) -> InfoRef<'_> {
        map_curve!(self, info => info)
    }
}

impl<'a> InfoRef<'a> {
    /// Borrows what is on a known curve.
    pub(super) fn of<C: NodeCurve>(info: &'a KeyInfo<C>) -> Self {
        C::any(info)
    }

    /// A copy.
    pub(super) fn to_owned(self) -> Info {
        map_curve!(self, info => info.clone())
    }

    /// The bytes that are sent and stored.
    pub(super) fn encode(self) -> Vec<u8> {
        on_curve!(self, info => encode_parts(info))
    }

    /// The key.
    pub(super) fn key_id(self) -> Hash {
        Hash(on_curve!(self, info => info.key_id))
    }

    /// The session that made this epoch.
    pub(super) fn session(self) -> SessionId {
        on_curve!(self, info => info.session)
    }

    /// The level of its committee.
    pub(super) fn level(self) -> Level {
        on_curve!(self, info => info.level)
    }

    /// Number of the epoch.
    pub(super) fn epoch(self) -> u64 {
        on_curve!(self, info => info.epoch)
    }

    /// Names the epoch.
    pub(super) fn epoch_id(self) -> EpochId {
        on_curve!(self, info => info.epoch_id())
    }

    /// Number of signers needed.
    pub(super) fn threshold(self) -> u16 {
        on_curve!(self, info => info.threshold)
    }

    /// The holders.
    pub(super) fn parties(self) -> &'a Parties {
        on_curve!(self, info => &info.parties)
    }

    /// The public key.
    pub(super) fn public_key(self) -> PublicKey {
        map_curve!(self, info => info.public_key)
    }

    /// The public key of the child at `path`.
    pub(super) fn derived(self, path: &Path) -> Result<PublicKey, DerivationError> {
        Ok(map_curve!(self, info => info.derived(path)?))
    }

    /// Chain code for derivation, if the key has one.
    pub(super) fn chain_code(self) -> Option<[u8; 32]> {
        on_curve!(self, info => info.chain_code)
    }

    /// Whether its parts fit together.
    pub(super) fn validate(self) -> Result<(), KeyError> {
        on_curve!(self, info => info.validate())
    }

    /// What BIP-32 writes for it; on secp256k1 only.
    pub(super) fn xpub(self) -> Option<String> {
        match self {
            Self::Secp256k1(info) => Some(info.extended()?.to_xpub()),
            Self::P256(_) => None,
        }
    }
}

impl Share {
    /// What everybody knows of the key.
    pub(super) fn info(&self) -> InfoRef<'_> {
        map_curve!(self, share => share.info())
    }

    /// The index of its holder.
    pub(super) fn index(&self) -> u16 {
        on_curve!(self, share => share.index().get())
    }

    /// The stored form, which contains the secret.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        on_curve!(self, share => share.encode())
    }

    /// Reads the stored form.
    pub(super) fn read(curve: api::Curve, bytes: &[u8]) -> Result<Self, BadRecord> {
        on_curve!(C: curve => KeyShare::decode(bytes).map(C::any).map_err(|_| BadRecord))
    }
}

impl PendingShare {
    /// The epoch that it is a share of.
    pub(super) fn info(&self) -> InfoRef<'_> {
        map_curve!(self, pending => pending.share().info())
    }

    /// The parts that become active.
    pub(super) fn into_parts(self) -> (Share, Option<Aux>) {
        fn parts<C: NodeCurve>(pending: Pending<C>) -> (Share, Option<Aux>) {
            let (share, aux) = pending.into_parts();
            (C::any(share), aux)
        }
        on_curve!(self, pending => parts(pending))
    }

    /// The moduli that go with it.
    pub(super) fn aux(&self) -> Hash {
        Hash(on_curve!(self, pending => *pending.aux_id()))
    }

    /// The stored form, which contains the secret.
    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        on_curve!(self, pending => pending.encode())
    }

    /// Reads the stored form.
    pub(super) fn read(curve: api::Curve, bytes: &[u8]) -> Result<Self, BadRecord> {
        on_curve!(C: curve => Pending::decode(bytes).map(C::any).map_err(|_| BadRecord))
    }
}

impl OwnHalf {
    /// Identifier of the presignature.
    pub(super) fn id(&self) -> Hash {
        Hash(on_curve!(self, own => own.id()))
    }

    /// The key it is for.
    pub(super) fn key(&self) -> Hash {
        Hash(on_curve!(self, own => own.public().key_id))
    }

    /// The epoch of the key.
    pub(super) fn epoch(&self) -> u64 {
        on_curve!(self, own => own.public().epoch)
    }

    /// Who signs with it.
    pub(super) fn signers(&self) -> &Parties {
        on_curve!(self, own => &own.public().signers)
    }

    /// What all signers know of it.
    pub(super) fn public(&self) -> Presigned {
        map_curve!(self, own => own.public().clone())
    }
}

impl PublicKey {
    /// Compressed SEC1.
    pub(super) fn sec1(&self) -> Vec<u8> {
        on_curve!(self, point => point.to_bytes())
    }

    /// What Ethereum calls it; on secp256k1 only.
    pub(super) fn ethereum_address(&self) -> Option<String> {
        match self {
            Self::Secp256k1(point) => ethereum_address(point),
            Self::P256(_) => None,
        }
    }

    /// What Bitcoin calls it; on secp256k1 only.
    pub(super) fn bitcoin_address(&self) -> Option<String> {
        match self {
            Self::Secp256k1(point) => bitcoin_address(point),
            Self::P256(_) => None,
        }
    }

    /// The signature of this digest that somebody reports, if it is one. On curves where nobody uses recovery ids, the
    /// reported one is not looked at.
    pub(super) fn signature(&self, r_s: &[u8], recovery_id: u8, digest: [u8; 32]) -> Option<Signed> {
        fn read<C: NodeCurve>(
            key: &Point<C>,
            r_s: &[u8],
            mut ids: impl Iterator<Item = u8>,
            digest: [u8; 32],
        ) -> Option<Signed> {
            let (r, s) = r_s.split_at_checked(r_s.len() / 2)?;
            let (r, s) = (curve::Scalar::from_bytes(r)?, curve::Scalar::from_bytes(s)?);
            let digest = Digest::raw::<C>(digest).ok()?;
            let signature = |recovery_id| Signature { r, s, recovery_id };
            ids.find(|id| signature(*id).verify(key, &digest)).map(|id| C::any(signature(id)))
        }
        match self {
            Self::Secp256k1(key) => read(key, r_s, std::iter::once(recovery_id), digest),
            Self::P256(key) => read(key, r_s, 0..4, digest),
        }
    }
}

impl Signed {
    /// `r` and `s`.
    pub(super) fn parts(&self) -> (Vec<u8>, Vec<u8>) {
        on_curve!(self, signature => (signature.r.to_bytes(), signature.s.to_bytes()))
    }

    /// Which of the candidate public keys is the right one.
    pub(super) fn recovery_id(&self) -> u8 {
        on_curve!(self, signature => signature.recovery_id)
    }

    /// The same where anybody uses it.
    pub(super) fn shown_recovery_id(&self) -> Option<u8> {
        match self {
            Self::Secp256k1(signature) => Some(signature.recovery_id),
            Self::P256(_) => None,
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
