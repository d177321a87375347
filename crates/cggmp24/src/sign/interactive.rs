//! Interactive signing in four rounds: those of presigning, with the echo of the first, then the partial signature
//! (`docs/spec/signing.md`, 6.6).
//!
//! The digest is part of the session identifier, hence fixed before anybody knows the nonce point, and nothing is
//! stored: raw digests are acceptable here. The echo in the header of the last round closes rounds 1 to 3, so a wrong
//! partial signature is judged by the view that its sender has signed.

use consign_rounds::limits::ENVELOPE_BYTES;
use consign_rounds::{Heard, PartyIndex, PerParty, Protocol, Said, SessionId, Speech, Step};
use consign_zk::aid::Aid;
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::level::Level;
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{CombineError, Partial, Presignature, Signing};
use crate::aux_info::{Aux, AuxPublic};
use crate::derivation::Path;
use crate::ecdsa::{Digest, Signature};
use crate::key::{KeyInfo, KeyShare};
use crate::parties::Parties;
use crate::presign::alert::check_silence;
use crate::presign::output::Closing;
use crate::presign::{self, Direct, Nothing, PresignError, Shape, output, round1, round2, round3};
use crate::sizes;

/// Where the partial signatures travel: the specification's round 4.
const LAST: u8 = presign::ROUND_LAST;

/// What the signers agreed on, the digest included.
pub struct Public<C: Curve> {
    presign: presign::Public<C>,
    digest: Digest,
}

impl<C: Curve> Public<C> {
    /// `signers`: exactly `t` holders of the key with their indices and identities. They sign for the child at `path`.
    pub fn new(
        key: &KeyInfo<C>,
        aux: &AuxPublic,
        signers: Parties,
        path: &Path,
        digest: Digest,
    ) -> Result<Self, PresignError> {
        Ok(Self { presign: presign::Public::interactive(key, aux, signers, path, digest)?, digest })
    }

    /// The session identifier for a nonce that nobody picked alone.
    pub fn session(&self, nonce: &[u8; 32]) -> SessionId {
        self.presign.session(nonce)
    }

    /// Who signs.
    pub fn signers(&self) -> &Parties {
        self.presign.signers()
    }

    /// The public key that the signature is for.
    pub fn public_key(&self) -> &Point<C> {
        self.presign.public_key()
    }

    /// What is signed.
    pub fn digest(&self) -> &Digest {
        &self.digest
    }
}

/// All broadcasts so far.
pub struct View<C: Curve> {
    presign: presign::View<C>,
    sigmas: PerParty<Scalar<C>>,
}

impl<C: Curve> Default for View<C> {
    fn default() -> Self {
        Self { presign: presign::View::default(), sigmas: PerParty::new() }
    }
}

/// Interactive signing as one party runs it.
pub enum Interactive<C: Curve> {
    /// Committed to `k` and `gamma`.
    Round1(round1::Round1<C>),
    /// Waiting for everybody's echo of round 1.
    Echo(round1::Round1<C>),
    /// Multiplied with everybody's `k`.
    Round2(round2::Round2<C>),
    /// Shares shown.
    Round3(round3::Round3<C>),
    /// Partial signature sent; or a check has failed, and the alert was sent.
    Closing(Result<Box<Signing<C>>, presign::Failure>),
}

/// What a party tells everyone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub enum Broadcast<C: Curve> {
    /// Rounds 1 to 3; in the last round, after a failed check, an alert instead of a partial signature.
    Presign(presign::Broadcast<C>),
    /// `sigma_i`, in the last round. Presignature and digest are fixed by the session.
    Partial(Scalar<C>),
}

/// Rules a party can break, all provable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, Error)]
pub enum Fault {
    /// In rounds 1 to 3, or in an alert.
    #[error(transparent)]
    Presign(presign::Fault),
    /// The partial signature is wrong.
    #[error("the partial signature is wrong")]
    Partial,
    /// The partial signature is withheld although all checks pass.
    #[error("the partial signature is withheld without a reason")]
    Withheld,
}

/// Ends without a culprit.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Failure {
    /// In rounds 1 to 3.
    #[error(transparent)]
    Presign(presign::Failure),
    /// The parts are right and there is no signature all the same.
    #[error(transparent)]
    Combine(CombineError),
}

fn max_broadcast_bytes<C: Curve>(shape: Shape, round: u8) -> usize {
    let said = presign::max_broadcast_bytes::<C>(shape, round);
    sizes::list(1, if round == LAST { said.max(sizes::scalar::<C>()) } else { said })
}

/// Longest encoding of a message of `round` among so many signers, in bytes. The same that a session allows.
pub fn max_message_bytes<C: Curve>(level: Level, signers: usize, round: u8) -> usize {
    let shape = Shape { level, signers, batch: 1 };
    ENVELOPE_BYTES + max_broadcast_bytes::<C>(shape, round) + presign::max_direct_bytes::<C>(shape, round)
}

impl<C: Curve> Interactive<C> {
    /// Whether a check of the sums has failed, so that everybody owes everybody a long proof.
    pub fn owes_alert(&self) -> bool {
        matches!(self, Self::Closing(Err(_)))
    }
}

/// Starts for the holder of `share` and `aux`. `session` is [`Public::session`] of the agreed nonce.
pub fn start<C: Curve>(
    public: &Public<C>,
    session: SessionId,
    share: &KeyShare<C>,
    aux: &Aux,
    rng: &mut impl CryptoRng,
) -> Result<(Interactive<C>, Speech<Interactive<C>>), PresignError> {
    let spoken = presign::first_round(&public.presign, session, share, aux, rng)?;
    let wrap = |said| Broadcast::Presign(presign::Broadcast::Round1(said));
    let (state, speech) = spoken.into_speech(wrap, Direct::Round1);
    Ok((Interactive::Round1(state), speech))
}

impl<C: Curve> Protocol for Interactive<C> {
    type Public = Public<C>;
    type View = View<C>;
    type Broadcast = Broadcast<C>;
    type Direct = Direct<C>;
    type Output = Signature<C>;
    type Durable = Nothing;
    type Fault = Fault;
    type Failure = Failure;
    type Aid = Aid;

    const ROUNDS: u8 = LAST;

    fn max_broadcast_bytes(public: &Public<C>, round: u8) -> usize {
        max_broadcast_bytes::<C>(public.presign.shape(), round)
    }

    fn max_direct_bytes(public: &Public<C>, round: u8) -> usize {
        presign::max_direct_bytes::<C>(public.presign.shape(), round)
    }

    fn fits_broadcast(round: u8, broadcast: &Broadcast<C>) -> bool {
        match broadcast {
            Broadcast::Presign(said) => round == said.round(),
            Broadcast::Partial(_) => round == LAST,
        }
    }

    fn fits_direct(round: u8, direct: &Direct<C>) -> bool {
        direct.fits(round)
    }

    fn check(
        public: &Public<C>,
        view: &View<C>,
        aid: &Aid,
        from: PartyIndex,
        to: PartyIndex,
        said: &Said<Self>,
        session: SessionId,
    ) -> Result<(), Fault> {
        match &said.broadcast {
            Broadcast::Presign(presign::Broadcast::Closing) => {
                match output::verdict(&public.presign, &view.presign, session) {
                    Ok(_) => Err(Fault::Withheld),
                    Err(_) => check_silence(&public.presign, &view.presign, session).map_err(Fault::Presign),
                }
            }
            Broadcast::Presign(broadcast) => {
                let Public { presign, .. } = public;
                presign::check(presign, &view.presign, session, aid, (from, to), broadcast, &said.direct)
                    .map_err(Fault::Presign)
            }
            Broadcast::Partial(sigma) => {
                check_silence(&public.presign, &view.presign, session).map_err(Fault::Presign)?;
                let shown = output::shown(&public.presign, &view.presign, session, 0);
                let fits = shown.is_some_and(|shown| shown.fits(&public.digest, from, sigma));
                if fits { Ok(()) } else { Err(Fault::Partial) }
            }
        }
    }

    fn record(view: &mut View<C>, _: u8, from: PartyIndex, broadcast: Broadcast<C>) {
        match broadcast {
            Broadcast::Presign(said) => view.presign.record(from, said),
            Broadcast::Partial(sigma) => drop(view.sigmas.insert(from, sigma)),
        }
    }

    fn advance(
        self,
        public: &Public<C>,
        view: &View<C>,
        _: PerParty<Heard<Self>>,
        rng: &mut impl CryptoRng,
    ) -> Step<Self> {
        let (agreed, said) = (&public.presign, &view.presign);
        match self {
            Self::Round1(state) => {
                let direct = public.signers().others(state.me()).map(|to| (to, Direct::None)).collect();
                let broadcast = Broadcast::Presign(presign::Broadcast::Echo);
                Step::Speak(Self::Echo(state), Speech { durable: None, broadcast, direct })
            }
            Self::Echo(state) => {
                let wrap = |said| Broadcast::Presign(presign::Broadcast::Round2(said));
                let spoken = round2::speak(state, agreed, said, rng);
                let (state, speech) = spoken.into_speech(wrap, Direct::Round2);
                Step::Speak(Self::Round2(state), speech)
            }
            Self::Round2(state) => match round3::speak(state, agreed, said, rng) {
                Ok(spoken) => {
                    let wrap = |said| Broadcast::Presign(presign::Broadcast::Round3(said));
                    let (state, speech) = spoken.into_speech(wrap, |()| Direct::None);
                    Step::Speak(Self::Round3(state), speech)
                }
                Err(failure) => Step::Abort(Failure::Presign(failure)),
            },
            Self::Round3(state) => {
                let me = state.me();
                match output::close(state, agreed, said, rng) {
                    Closing::Made(presignatures) => sign(public, me, presignatures),
                    Closing::Failed(failure, broadcast) => {
                        close(public, me, Err(failure), Broadcast::Presign(broadcast))
                    }
                    Closing::Broken(failure) => Step::Abort(Failure::Presign(failure)),
                }
            }
            Self::Closing(Ok(signing)) => finish(&signing, view),
            Self::Closing(Err(failure)) => Step::Abort(Failure::Presign(failure)),
        }
    }
}

/// The last round: uses the only presignature at once.
fn sign<C: Curve>(
    public: &Public<C>,
    me: PartyIndex,
    presignatures: Vec<Presignature<C>>,
) -> Step<Interactive<C>> {
    let presignature = presignatures.into_iter().next().expect("invariant: a batch of one");
    let signing = presignature.sign_digest(public.digest);
    let sigma = signing.partial().sigma;
    close(public, me, Ok(Box::new(signing)), Broadcast::Partial(sigma))
}

/// The last round, whatever is said in it.
fn close<C: Curve>(
    public: &Public<C>,
    me: PartyIndex,
    state: Result<Box<Signing<C>>, presign::Failure>,
    broadcast: Broadcast<C>,
) -> Step<Interactive<C>> {
    let direct = public.signers().others(me).map(|to| (to, Direct::None)).collect();
    Step::Speak(Interactive::Closing(state), Speech { durable: None, broadcast, direct })
}

fn finish<C: Curve>(signing: &Signing<C>, view: &View<C>) -> Step<Interactive<C>> {
    let own = *signing.partial();
    let partials = view.sigmas.iter().map(|(&from, &sigma)| (from, Partial { sigma, ..own })).collect();
    match signing.combine_checked(&partials) {
        Ok(signature) => Step::Done(signature),
        Err(error) => Step::Abort(Failure::Combine(error)),
    }
}
