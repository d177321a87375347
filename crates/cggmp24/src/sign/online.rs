//! Signing in one round, from a presignature (`docs/spec/signing.md`, 6.5).
//!
//! One message per signer: its [`Partial`]. The session identifier is a hash of the presignature's, which fixes
//! everything that a partial signature is checked against, and of the digest. So a signed `sigma_i` and the preimage of
//! the identifier convict, whatever was said in the session that made the presignature.
//!
//! Using the presignature ([`start`]) consumes it:
//!
//! ```compile_fail,E0382
//! # use consign_cggmp24::{curve::Secp256k1, ecdsa::HashedMessage, sign::{Presignature, online}};
//! fn twice(one: &online::Public<Secp256k1>, p: Presignature<Secp256k1>, m1: HashedMessage, m2: HashedMessage) {
//!     let _ = online::start(one, p, m1);
//!     let _ = online::start(one, p, m2); // used after move
//! }
//! ```

use consign_rounds::limits::ENVELOPE_BYTES;
use consign_rounds::{Heard, PartyIndex, PerParty, Protocol, Said, SessionId, Speech, Step};
use consign_zk::curve::Curve;
use consign_zk::transcript::{Purpose, Transcript};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{CombineError, Partial, PartialFault, Presignature, PresignaturePublic, Signing};
use crate::ecdsa::{Digest, HashedMessage};
use crate::parties::Parties;
use crate::presign::Nothing;
use crate::sizes;

/// The only round.
pub const ROUND: u8 = 1;

/// What the signers agreed on.
pub struct Public<C: Curve> {
    presignature: PresignaturePublic<C>,
    /// Its identifier.
    id: [u8; 32],
    digest: Digest,
}

impl<C: Curve> Public<C> {
    /// For one signature of `digest`.
    pub fn new(mut presignature: PresignaturePublic<C>, digest: Digest) -> Self {
        presignature.keep_encodings();
        Self { id: presignature.id(), presignature, digest }
    }

    /// The session identifier for a nonce that nobody picked alone:
    /// `H("ssid/online"; "presig", "digest", "nonce")`.
    pub fn session(&self, nonce: &[u8; 32]) -> SessionId {
        let mut transcript = Transcript::new(Purpose::Online);
        transcript.bytes("presig", &self.id).bytes("digest", self.digest.bytes()).bytes("nonce", nonce);
        SessionId(transcript.hash())
    }

    /// Who signs.
    pub fn signers(&self) -> &Parties {
        &self.presignature.signers
    }

    /// What everybody knows of the presignature.
    pub fn presignature(&self) -> &PresignaturePublic<C> {
        &self.presignature
    }

    /// What is signed.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

/// All broadcasts so far.
pub struct View<C: Curve>(PerParty<Partial<C>>);

impl<C: Curve> Default for View<C> {
    fn default() -> Self {
        Self(PerParty::new())
    }
}

/// Signing from a presignature as one party runs it: its own partial signature is sent.
pub struct Online<C: Curve>(Box<Signing<C>>);

/// What a party tells one peer: nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Direct {
    /// Nothing.
    None,
}

/// The presignature or the message is not what the signers agreed on. The presignature is gone nevertheless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the presignature or the message is not the agreed one")]
pub struct NotAgreed;

/// Starts with this signer's half of the agreed presignature, which is spent whatever comes of it, and with the agreed
/// message, hashed by this process.
///
/// # Errors
/// [`NotAgreed`].
pub fn start<C: Curve>(
    public: &Public<C>,
    presignature: Presignature<C>,
    message: HashedMessage,
) -> Result<(Online<C>, Speech<Online<C>>), NotAgreed> {
    if presignature.id() != public.id || message.digest() != public.digest {
        return Err(NotAgreed);
    }
    let me = presignature.index();
    let signing = presignature.sign(message);
    let direct = public.signers().others(me).map(|to| (to, Direct::None)).collect();
    let broadcast = *signing.partial();
    Ok((Online(Box::new(signing)), Speech { durable: None, broadcast, direct }))
}

/// Length of a list without entries, or of an enum without fields, with room to spare, in bytes.
const NOTHING: usize = 8;

fn max_broadcast_bytes<C: Curve>() -> usize {
    2 * sizes::HASH + sizes::scalar::<C>()
}

/// Longest encoding of a message, in bytes. The same that a session allows.
pub fn max_message_bytes<C: Curve>() -> usize {
    ENVELOPE_BYTES + max_broadcast_bytes::<C>() + NOTHING
}

impl<C: Curve> Protocol for Online<C> {
    type Public = Public<C>;
    type View = View<C>;
    type Broadcast = Partial<C>;
    type Direct = Direct;
    type Output = crate::ecdsa::Signature<C>;
    type Durable = Nothing;
    type Fault = PartialFault;
    type Failure = CombineError;
    type Aid = ();

    const ROUNDS: u8 = ROUND;

    fn max_broadcast_bytes(_: &Public<C>, _: u8) -> usize {
        max_broadcast_bytes::<C>()
    }

    fn max_direct_bytes(_: &Public<C>, _: u8) -> usize {
        NOTHING
    }

    fn fits_broadcast(round: u8, _: &Partial<C>) -> bool {
        round == ROUND
    }

    fn fits_direct(round: u8, Direct::None: &Direct) -> bool {
        round == ROUND
    }

    /// Not only the equation: whoever speaks in this session has signed its identifier, and with it which presignature
    /// and digest it is about.
    fn check(
        public: &Public<C>,
        _: &View<C>,
        (): &(),
        from: PartyIndex,
        _: PartyIndex,
        said: &Said<Self>,
        _: SessionId,
    ) -> Result<(), PartialFault> {
        public.presignature.check_as(&public.id, &public.digest, from, &said.broadcast)
    }

    fn record(view: &mut View<C>, _: u8, from: PartyIndex, partial: Partial<C>) {
        view.0.insert(from, partial);
    }

    fn advance(
        self,
        _: &Public<C>,
        view: &View<C>,
        _: PerParty<Heard<Self>>,
        _: &mut impl CryptoRng,
    ) -> Step<Self> {
        match self.0.combine_checked(&view.0) {
            Ok(signature) => Step::Done(signature),
            Err(error) => Step::Abort(error),
        }
    }
}
