//! What nodes ask of the things on a curve, without its type.

use consign_api as api;
use consign_cggmp24::Level;
use consign_cggmp24::aux_info::Aux;
use consign_cggmp24::curve::{Point, Scalar};
use consign_cggmp24::derivation::{DerivationError, Path, bitcoin_address, ethereum_address};
use consign_cggmp24::ecdsa::{Digest, Signature};
use consign_cggmp24::epoch::{EpochId, Pending};
use consign_cggmp24::key::{KeyError, KeyInfo, KeyShare};
use consign_cggmp24::parties::Parties;
use consign_rounds::{SessionId, encode as encode_parts};
use zeroize::Zeroizing;

use super::super::hash::Hash;
use super::super::records::BadRecord;
use super::{
    Info, InfoRef, NodeCurve, OwnHalf, PendingShare, Presigned, PublicKey, Share, Signed, map_curve, on_curve,
};

impl Info {
    /// The same, borrowed.
    pub(in super::super) fn as_ref(&self) -> InfoRef<'_> {
        map_curve!(self, info => info)
    }
}

impl<'a> InfoRef<'a> {
    /// Borrows what is on a known curve.
    pub(in super::super) fn of<C: NodeCurve>(info: &'a KeyInfo<C>) -> Self {
        C::any(info)
    }

    /// A copy.
    pub(in super::super) fn to_owned(self) -> Info {
        map_curve!(self, info => info.clone())
    }

    /// The bytes that are sent and stored.
    pub(in super::super) fn encode(self) -> Vec<u8> {
        on_curve!(self, info => encode_parts(info))
    }

    /// The key.
    pub(in super::super) fn key_id(self) -> Hash {
        Hash(on_curve!(self, info => info.key_id))
    }

    /// The session that made this epoch.
    pub(in super::super) fn session(self) -> SessionId {
        on_curve!(self, info => info.session)
    }

    /// The level of its committee.
    pub(in super::super) fn level(self) -> Level {
        on_curve!(self, info => info.level)
    }

    /// Number of the epoch.
    pub(in super::super) fn epoch(self) -> u64 {
        on_curve!(self, info => info.epoch)
    }

    /// Names the epoch.
    pub(in super::super) fn epoch_id(self) -> EpochId {
        on_curve!(self, info => info.epoch_id())
    }

    /// Number of signers needed.
    pub(in super::super) fn threshold(self) -> u16 {
        on_curve!(self, info => info.threshold)
    }

    /// The holders.
    pub(in super::super) fn parties(self) -> &'a Parties {
        on_curve!(self, info => &info.parties)
    }

    /// The public key.
    pub(in super::super) fn public_key(self) -> PublicKey {
        map_curve!(self, info => info.public_key)
    }

    /// The public key of the child at `path`.
    pub(in super::super) fn derived(self, path: &Path) -> Result<PublicKey, DerivationError> {
        Ok(map_curve!(self, info => info.derived(path)?))
    }

    /// Chain code for derivation, if the key has one.
    pub(in super::super) fn chain_code(self) -> Option<[u8; 32]> {
        on_curve!(self, info => info.chain_code)
    }

    /// Whether the whole private key is in one place.
    pub(in super::super) fn is_whole(self) -> bool {
        on_curve!(self, info => info.is_whole())
    }

    /// Whether its parts fit together.
    pub(in super::super) fn validate(self) -> Result<(), KeyError> {
        on_curve!(self, info => info.validate())
    }

    /// What BIP-32 writes for it; on secp256k1 only.
    pub(in super::super) fn xpub(self) -> Option<String> {
        match self {
            Self::Secp256k1(info) => Some(info.extended()?.to_xpub()),
            Self::P256(_) => None,
        }
    }
}

impl Share {
    /// What everybody knows of the key.
    pub(in super::super) fn info(&self) -> InfoRef<'_> {
        map_curve!(self, share => share.info())
    }

    /// The index of its holder.
    pub(in super::super) fn index(&self) -> u16 {
        on_curve!(self, share => share.index().get())
    }

    /// The stored form, which contains the secret.
    pub(in super::super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        on_curve!(self, share => share.encode())
    }

    /// Reads the stored form.
    pub(in super::super) fn read(curve: api::Curve, bytes: &[u8]) -> Result<Self, BadRecord> {
        on_curve!(C: curve => KeyShare::decode(bytes).map(C::any).map_err(|_| BadRecord))
    }
}

impl PendingShare {
    /// The epoch that it is a share of.
    pub(in super::super) fn info(&self) -> InfoRef<'_> {
        map_curve!(self, pending => pending.share().info())
    }

    /// The parts that become active.
    pub(in super::super) fn into_parts(self) -> (Share, Option<Aux>) {
        fn parts<C: NodeCurve>(pending: Pending<C>) -> (Share, Option<Aux>) {
            let (share, aux) = pending.into_parts();
            (C::any(share), aux)
        }
        on_curve!(self, pending => parts(pending))
    }

    /// The moduli that go with it.
    pub(in super::super) fn aux(&self) -> Hash {
        Hash(on_curve!(self, pending => *pending.aux_id()))
    }

    /// The stored form, which contains the secret.
    pub(in super::super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        on_curve!(self, pending => pending.encode())
    }

    /// Reads the stored form.
    pub(in super::super) fn read(curve: api::Curve, bytes: &[u8]) -> Result<Self, BadRecord> {
        on_curve!(C: curve => Pending::decode(bytes).map(C::any).map_err(|_| BadRecord))
    }
}

impl OwnHalf {
    /// Identifier of the presignature.
    pub(in super::super) fn id(&self) -> Hash {
        Hash(on_curve!(self, own => own.id()))
    }

    /// The key it is for.
    pub(in super::super) fn key(&self) -> Hash {
        Hash(on_curve!(self, own => own.public().key_id))
    }

    /// The epoch of the key.
    pub(in super::super) fn epoch(&self) -> u64 {
        on_curve!(self, own => own.public().epoch)
    }

    /// Who signs with it.
    pub(in super::super) fn signers(&self) -> &Parties {
        on_curve!(self, own => &own.public().signers)
    }

    /// What all signers know of it.
    pub(in super::super) fn public(&self) -> Presigned {
        map_curve!(self, own => own.public().clone())
    }
}

impl PublicKey {
    /// Compressed SEC1.
    pub(in super::super) fn sec1(&self) -> Vec<u8> {
        on_curve!(self, point => point.to_bytes())
    }

    /// What Ethereum calls it; on secp256k1 only.
    pub(in super::super) fn ethereum_address(&self) -> Option<String> {
        match self {
            Self::Secp256k1(point) => ethereum_address(point),
            Self::P256(_) => None,
        }
    }

    /// What Bitcoin calls it; on secp256k1 only.
    pub(in super::super) fn bitcoin_address(&self) -> Option<String> {
        match self {
            Self::Secp256k1(point) => bitcoin_address(point),
            Self::P256(_) => None,
        }
    }

    /// The signature of this digest that somebody reports, if it is one. On curves where nobody uses recovery ids, the
    /// reported one is not looked at.
    pub(in super::super) fn signature(
        &self,
        r_s: &[u8],
        recovery_id: u8,
        digest: [u8; 32],
    ) -> Option<Signed> {
        fn read<C: NodeCurve>(
            key: &Point<C>,
            r_s: &[u8],
            mut ids: impl Iterator<Item = u8>,
            digest: [u8; 32],
        ) -> Option<Signed> {
            let (r, s) = r_s.split_at_checked(r_s.len() / 2)?;
            let (r, s) = (Scalar::from_bytes(r)?, Scalar::from_bytes(s)?);
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
    pub(in super::super) fn parts(&self) -> (Vec<u8>, Vec<u8>) {
        on_curve!(self, signature => (signature.r.to_bytes(), signature.s.to_bytes()))
    }

    /// Which of the candidate public keys is the right one.
    pub(in super::super) fn recovery_id(&self) -> u8 {
        on_curve!(self, signature => signature.recovery_id)
    }

    /// The same where anybody uses it.
    pub(in super::super) fn shown_recovery_id(&self) -> Option<u8> {
        match self {
            Self::Secp256k1(signature) => Some(signature.recovery_id),
            Self::P256(_) => None,
        }
    }
}
