//! What the signers agreed on, prepared once: everything that a round, or a judge, needs besides the messages.

use consign_rounds::{PartyIndex, PerParty, SessionId};
use consign_zk::context::{Context, Role};
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::feldman::lagrange_at_zero;
use consign_zk::level::Level;
use consign_zk::paillier::EncryptionKey;
use consign_zk::ring_pedersen::RingPedersen;
use consign_zk::secret::Secret;
use thiserror::Error;

use super::{ROUND_1, ROUND_3, Shape};
use crate::aux_info::{Aux, AuxError, AuxPublic};
use crate::derivation::{DerivationError, Path, Shift};
use crate::ecdsa::{Digest, ZeroDigest};
use crate::key::{KeyError, KeyInfo, KeyShare};
use crate::parties::Parties;
use crate::ssid::{self, ProtocolKind};

/// Most presignatures that one ceremony makes. With many signers the size of a message allows fewer.
pub const MAX_BATCH: u32 = 32;

/// Most that one signer sends another in one of rounds 1 to 3, in bytes. Alerts, which come once at most, may be longer.
const MAX_ROUND_BYTES: usize = 1 << 20;

/// Why presigning or signing cannot start: the caller's mistake or unfit stored data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PresignError {
    /// The key contradicts itself.
    #[error("the key is unusable: {0}")]
    Key(#[from] KeyError),
    /// Not exactly as many signers as the key needs (attack A-4A).
    #[error("exactly {needed} parties sign with this key, not {given}")]
    SignerCount {
        /// The key's threshold.
        needed: u16,
        /// Signers named.
        given: usize,
    },
    /// A signer does not hold the key under this index and identity.
    #[error("party {0} does not hold this key under this index and identity")]
    Outsider(PartyIndex),
    /// The key and the auxiliary information have different security levels.
    #[error("the key and the auxiliary information are of different security levels")]
    Level,
    /// A signer has no auxiliary information.
    #[error("there is no auxiliary information of party {0}")]
    NoAux(PartyIndex),
    /// A signer's auxiliary information is unusable.
    #[error("the auxiliary information is unusable: {0}")]
    Aux(#[from] AuxError),
    /// The key has no child at the end of the path.
    #[error("the path leads nowhere: {0}")]
    Path(#[from] DerivationError),
    /// The digest was accepted for another curve, and is zero on this one.
    #[error(transparent)]
    Digest(#[from] ZeroDigest),
    /// The batch is empty, larger than [`MAX_BATCH`], or its messages would be too long.
    #[error("a batch of {0} is impossible with these signers: make it smaller, at least 1")]
    Batch(u32),
    /// The share is of another key or epoch.
    #[error("the key share is not of the agreed key and epoch")]
    OtherKey,
    /// This party is none of the signers.
    #[error("this party is not among the signers")]
    NotASigner,
    /// The own auxiliary information is not what the signers agreed on.
    #[error("the auxiliary information is not the agreed one")]
    OtherAux,
}

/// The agreed key, signers and moduli. Public data only.
pub struct Public<C: Curve> {
    kind: ProtocolKind,
    key: KeyInfo<C>,
    aux: AuxPublic,
    signers: Parties,
    shift: Shift<C>,
    public_key: Point<C>,
    batch: u32,
    digest: Option<Digest>,
    members: PerParty<Member<C>>,
}

/// One signer.
pub(crate) struct Member<C: Curve> {
    /// `N_j`.
    pub(super) paillier: EncryptionKey,
    /// `N^_j`, `s_j`, `t_j`.
    pub(super) ring: RingPedersen,
    /// Lagrange coefficient within the signers.
    pub(super) lambda: Scalar<C>,
    /// `W_j = [lambda_j](X_j + [h]G)`: stands for `X_j` in all equations.
    pub(super) W: Point<C>,
}

/// Whether the messages of such a batch are short enough.
fn fits<C: Curve>(shape: Shape) -> bool {
    let short = |round| shape.max_message_bytes::<C>(round) <= MAX_ROUND_BYTES;
    (1..=MAX_BATCH).contains(&shape.batch) && (ROUND_1..=ROUND_3).all(short)
}

/// Most presignatures that so many signers can make in one ceremony: [`MAX_BATCH`], or fewer where messages would be too
/// long.
pub fn max_batch<C: Curve>(level: Level, signers: usize) -> u32 {
    (1..=MAX_BATCH).rev().find(|&batch| fits::<C>(Shape { level, signers, batch })).unwrap_or(0)
}

impl<C: Curve> Public<C> {
    /// For a batch of presignatures: `signers` are exactly `t` holders of the key, with their indices and identities.
    /// They will sign for the child at `path`, and for no other.
    pub fn new(
        key: &KeyInfo<C>,
        aux: &AuxPublic,
        signers: Parties,
        path: &Path,
        batch: u32,
    ) -> Result<Self, PresignError> {
        Self::prepare((ProtocolKind::Presign, None), key, aux, signers, path, batch)
    }

    /// For one signature of `digest`, which goes into the session identifier.
    pub(crate) fn interactive(
        key: &KeyInfo<C>,
        aux: &AuxPublic,
        signers: Parties,
        path: &Path,
        digest: Digest,
    ) -> Result<Self, PresignError> {
        // A presignature signs what was hashed here, a raw digest may have been made for another curve.
        Digest::raw::<C>(*digest.bytes())?;
        Self::prepare((ProtocolKind::Sign, Some(digest)), key, aux, signers, path, 1)
    }

    fn prepare(
        (kind, digest): (ProtocolKind, Option<Digest>),
        key: &KeyInfo<C>,
        aux: &AuxPublic,
        signers: Parties,
        path: &Path,
        batch: u32,
    ) -> Result<Self, PresignError> {
        key.validate_shared()?;
        let shift = key.shift(path)?;
        if signers.count() != usize::from(key.threshold) {
            return Err(PresignError::SignerCount { needed: key.threshold, given: signers.count() });
        }
        for (index, identity) in signers.iter() {
            if key.parties.identity(index) != Some(identity) {
                return Err(PresignError::Outsider(index));
            }
        }
        if key.level != aux.level {
            return Err(PresignError::Level);
        }
        let members = members(key, aux, &signers, &shift)?;
        let (key, aux, public_key) = (key.clone(), aux.clone(), shift.of_public(&key.public_key));
        let public = Self { kind, key, aux, signers, shift, public_key, batch, digest, members };
        let sum: Point<C> = public.members.values().map(|member| member.W).sum();
        let whole = sum == public_key
            && !sum.is_identity()
            && public.members.values().all(|member| !member.W.is_identity());
        if !whole {
            return Err(PresignError::Key(KeyError::Interpolation));
        }
        if fits::<C>(public.shape()) { Ok(public) } else { Err(PresignError::Batch(batch)) }
    }

    /// The session identifier for a nonce that nobody picked alone.
    pub fn session(&self, nonce: &[u8; 32]) -> SessionId {
        let sid = ssid::sid::<C>(self.kind, self.key.level, self.key.threshold, &self.signers, nonce);
        let digest = self.digest.as_ref().map(Digest::bytes);
        ssid::ssid(sid, &self.key, &self.aux, &self.signers, &self.shift, digest)
    }

    /// The key.
    pub fn key(&self) -> &KeyInfo<C> {
        &self.key
    }

    /// The public key that signatures are for: the child's at the end of the path.
    pub fn public_key(&self) -> &Point<C> {
        &self.public_key
    }

    /// The path, and what it adds to the key.
    pub fn shift(&self) -> &Shift<C> {
        &self.shift
    }

    /// Who signs.
    pub fn signers(&self) -> &Parties {
        &self.signers
    }

    /// Number of slots: presignatures made in one ceremony.
    pub fn batch(&self) -> u32 {
        self.batch
    }

    /// What the sizes of messages depend on.
    pub(crate) fn shape(&self) -> Shape {
        Shape { level: self.key.level, signers: self.signers.count(), batch: self.batch }
    }

    /// As many as every list of slots has entries.
    pub(super) fn slots(&self) -> usize {
        self.batch as usize
    }

    pub(super) fn level(&self) -> Level {
        self.key.level
    }

    /// Makes the tables of everybody's ring-Pedersen parameters, unless they are made already. They stay with the
    /// auxiliary information.
    pub fn make_tables(&self) {
        RingPedersen::prepare(self.members.values().map(|member| &member.ring));
    }

    /// Number of signers but one.
    pub(super) fn others(&self) -> usize {
        self.signers.count() - 1
    }

    /// `ssid_b` of every slot.
    pub(super) fn slot_sessions(&self, session: SessionId) -> Vec<[u8; 32]> {
        (0..self.batch).map(|b| self.slot_session(session, b)).collect()
    }

    /// `ssid_b` of one slot.
    pub(super) fn slot_session(&self, session: SessionId, b: u32) -> [u8; 32] {
        ssid::slot(session, b, self.batch)
    }

    /// A signer; everybody whom a session knows is one.
    pub(super) fn member(&self, index: PartyIndex) -> Option<&Member<C>> {
        self.members.get(&index)
    }

    /// A signer of a running session.
    pub(super) fn known(&self, index: PartyIndex) -> &Member<C> {
        self.member(index).expect("invariant: the parties of the session are the signers")
    }

    /// Whether this share and these own moduli are the agreed ones; the share's additive form
    /// `w_i = lambda_i (x_i + h)`.
    pub(crate) fn admit(&self, share: &KeyShare<C>, aux: &Aux) -> Result<Secret<Scalar<C>>, PresignError> {
        if *share.info() != self.key {
            return Err(PresignError::OtherKey);
        }
        let member = self.member(share.index()).ok_or(PresignError::NotASigner)?;
        let own = aux.paillier().public().n().value() == member.paillier.n().value();
        if !own || aux.public().aux_id != self.aux.aux_id {
            return Err(PresignError::OtherAux);
        }
        let shifted = Secret::new(self.shift.of_secret(share.secret().expose()));
        Ok(Secret::new(member.lambda * *shifted.expose()))
    }
}

fn members<C: Curve>(
    key: &KeyInfo<C>,
    aux: &AuxPublic,
    signers: &Parties,
    shift: &Shift<C>,
) -> Result<PerParty<Member<C>>, PresignError> {
    let indices: Vec<u16> = signers.indices().map(PartyIndex::get).collect();
    let member = |(index, identity)| {
        let (paillier, ring) = aux.of(identity).ok_or(PresignError::NoAux(index))?.keys(key.level)?;
        let share = key.public_share(index).ok_or(PresignError::Outsider(index))?;
        let lambda = lagrange_at_zero(&indices, index.get()).ok_or(KeyError::Interpolation)?;
        Ok((index, Member { paillier, ring, lambda, W: shift.of_public(share) * lambda }))
    };
    signers.iter().map(member).collect()
}

/// What binds a proof of one slot.
pub(super) fn context<'a, C: Curve>(
    public: &Public<C>,
    slot_session: &'a [u8; 32],
    role: Role,
    round: u8,
    prover: PartyIndex,
    verifier: Option<PartyIndex>,
) -> Context<'a> {
    Context {
        level: public.level(),
        session: slot_session,
        role,
        round,
        prover: prover.get(),
        verifier: verifier.map(PartyIndex::get),
        rid: None,
    }
}
