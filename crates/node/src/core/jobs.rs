//! Work for the compute threads: everything that may take longer than a millisecond. A session moves into a job and
//! comes back in what the job has led to. Read `ceremony.rs` for who orders what.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use consign_api as api;
use consign_cggmp24::aux_info::{self, Aux, AuxInfo, AuxPublic, Primes};
use consign_cggmp24::derivation::Path;
use consign_cggmp24::ecdsa::{Digest, HashedMessage};
use consign_cggmp24::hedge::session_rng;
use consign_cggmp24::key::{KeyInfo, KeyShare};
use consign_cggmp24::keygen::{self, Keygen};
use consign_cggmp24::misbehave::WrongDelta;
use consign_cggmp24::presign::{self, Aid, Presign};
use consign_cggmp24::refresh::{self, Refresh};
use consign_cggmp24::reshare::{self, Reshare};
use consign_cggmp24::sign::interactive::{self, Interactive};
use consign_cggmp24::sign::online::{self, Online};
use consign_cggmp24::ssid::{ProtocolKind, sid};
use consign_rounds::{Message, PartyIndex, Seat, SessionId, Speech};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use zeroize::Zeroizing;

use super::changes::{refresh_input, reshare_input};
use super::curves::{Info, NodeCurve, OwnHalf, Share, curve_of, on_curve};
use super::hash::Hash;
use super::keys::{Key, Prefix};
use super::misbehave::Misbehaviour;
use super::presigning::online_input;
use super::proposal::{Kind, Proposal};
use super::requests::level_of;
use super::roll::{Roll, Seal};
use super::sessions::{Act, Live, PublicInput, Run, Runs, Standing};
use super::verdict::{Known, NotProven, Verdict};
use super::wire::{Certificate, EvidenceFile};
use crate::identity::{ClusterId, Identity};

/// Candidates after which the search for the four primes of a party is likely over; what progress is shown against.
const EXPECTED_CANDIDATES: u64 = 4_000;

/// A proposal, and what it is about, are on different curves.
const OTHER_CURVE: &str = "the proposal is about another curve";

/// A piece of work. [`Job::run`] needs nothing but processor time.
pub struct Job(pub(super) Work);

/// What a [`Job`] has led to; goes back to the node as [`Input::Computed`](super::Input::Computed).
pub struct Done(pub(super) Result);

/// What is to be done.
pub(super) enum Work {
    /// Find the primes of one party.
    Primes { level: consign_cggmp24::Level, seed: Zeroizing<[u8; 32]> },
    /// Enter a session.
    Enter(Box<Enter>),
    /// Hand messages to a session, then stop waiting if told so.
    Step { live: Box<Live>, messages: Vec<Message>, give_up: bool },
    /// Make nonces for one party, ahead of the next session with it.
    Nonces(Arc<Aux>),
    /// Judge evidence that somebody sent.
    Judge(Box<EvidenceFile>),
    /// Verify a certificate that somebody shows; what is known of the key is not verified again.
    Certify { certificate: Box<Certificate>, cluster: ClusterId, known: Option<Box<Prefix>> },
}

/// What came of it.
pub(super) enum Result {
    /// The primes' stored form.
    Primes(Option<Zeroizing<Vec<u8>>>),
    /// A session moved on, or could not start.
    Session(std::result::Result<Stepped, String>),
    /// The evidence, and whom it convicts.
    Judged(Box<EvidenceFile>, std::result::Result<Box<Verdict>, NotProven>),
    /// The key, if the certificate holds.
    Certified(Option<Box<Key>>),
    /// Something was made ready that is found where it is needed.
    Nothing,
}

/// A session after a job.
pub(super) struct Stepped {
    pub(super) live: Box<Live>,
    pub(super) acts: Vec<Act>,
    pub(super) standing: Standing,
}

/// Everything a party brings to a session.
pub(super) struct Enter {
    pub(super) proposal: Arc<Proposal>,
    pub(super) me: u16,
    pub(super) nonce: Hash,
    pub(super) materials: Materials,
    pub(super) identity: Arc<Identity>,
    pub(super) entropy: Zeroizing<[u8; 32]>,
    /// Whether proofs are verified in batches.
    pub(super) batches: bool,
    /// Whether it cheats on purpose.
    pub(super) misbehaviour: Option<Misbehaviour>,
}

/// What a protocol consumes or uses.
pub(super) enum Materials {
    /// Nothing.
    Keygen,
    /// Primes in their stored form, never used before.
    Aux(Zeroizing<Vec<u8>>),
    /// The share of the key, and the moduli.
    Sign { share: Arc<Share>, aux: Arc<Aux> },
    /// This signer's half of a presignature, out of the pool for good, and what it signs.
    Online { presignature: Box<OwnHalf>, message: HashedMessage },
    /// The share of the key; the moduli that stay, or primes for new ones.
    Refresh { share: Arc<Share>, aux: Option<Arc<Aux>>, primes: Option<Zeroizing<Vec<u8>>> },
    /// The key; a dealer's share of it; a receiver's moduli.
    Reshare { base: Box<Info>, share: Option<Arc<Share>>, aux: Option<Arc<Aux>> },
}

impl Materials {
    /// What all participants agreed on.
    fn input<C: NodeCurve>(&self, proposal: &Proposal) -> std::result::Result<PublicInput<C>, String> {
        if let Self::Online { presignature, .. } = self {
            let own = C::look(presignature).ok_or(OTHER_CURVE)?;
            return online_input(proposal, own.public().clone());
        }
        let (key, aux) = self.public();
        public_input(proposal, key, aux)
    }

    /// What is known of the key, and of the moduli that are used.
    fn public<C: NodeCurve>(&self) -> (Option<&KeyInfo<C>>, Option<&AuxPublic>) {
        let info = |share| C::look(share).map(KeyShare::info);
        match self {
            Self::Keygen | Self::Aux(_) | Self::Online { .. } => (None, None),
            Self::Sign { share, aux } => (info(share), Some(aux.public())),
            Self::Refresh { share, aux, .. } => (info(share), aux.as_deref().map(Aux::public)),
            Self::Reshare { base, aux, .. } => (C::look(base), aux.as_deref().map(Aux::public)),
        }
    }

    /// The share, if there is one.
    fn share(&self) -> Option<&Arc<Share>> {
        match self {
            Self::Keygen | Self::Aux(_) | Self::Online { .. } => None,
            Self::Sign { share, .. } | Self::Refresh { share, .. } => Some(share),
            Self::Reshare { share, .. } => share.as_ref(),
        }
    }
}

impl Job {
    /// Does the work. `progress` is told how far it is, now and then, from any thread.
    #[must_use]
    pub fn run(self, progress: &(dyn Fn(api::Progress) + Sync)) -> Done {
        Done(match self.0 {
            Work::Primes { level, seed } => Result::Primes(search(level, &seed, progress)),
            Work::Enter(enter) => Result::Session(enter.run()),
            Work::Step { mut live, messages, give_up } => {
                let acts = live.step(messages, give_up);
                let standing = live.standing();
                Result::Session(Ok(Stepped { live, acts, standing }))
            }
            Work::Nonces(aux) => {
                aux.make_nonces();
                Result::Nothing
            }
            Work::Judge(file) => {
                let verdict = file.judge(&Known::default()).map(Box::new);
                Result::Judged(file, verdict)
            }
            Work::Certify { certificate, cluster, known } => {
                Result::Certified(Key::certified(*certificate, cluster, known.as_deref()).map(Box::new))
            }
        })
    }
}

fn search(
    level: consign_cggmp24::Level,
    seed: &[u8; 32],
    progress: &(dyn Fn(api::Progress) + Sync),
) -> Option<Zeroizing<Vec<u8>>> {
    let mut rng = ChaCha20Rng::from_seed(*seed);
    let tried: [AtomicU64; 4] = Default::default();
    let told = |which: usize, count: u64| {
        if let Some(slot) = tried.get(which) {
            slot.store(count, Ordering::Relaxed);
        }
        let sum: u64 = tried.iter().map(|t| t.load(Ordering::Relaxed)).sum();
        let small = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
        // The search has no end in sight: what is shown never reaches the total before it is over.
        let total = EXPECTED_CANDIDATES.max(sum + sum / 8 + 1);
        progress(api::Progress { done: small(sum), total: small(total) });
        ControlFlow::Continue(())
    };
    Primes::generate(level, &mut rng, &told).map(|primes| primes.encode())
}

/// What all participants of a proposal agreed on, from the proposal and this node's own records.
pub(super) fn public_input<C: NodeCurve>(
    proposal: &Proposal,
    key: Option<&KeyInfo<C>>,
    aux: Option<&AuxPublic>,
) -> std::result::Result<PublicInput<C>, String> {
    if curve_of(proposal)? != C::WORD {
        return Err(OTHER_CURVE.to_owned());
    }
    let level = level_of(proposal.level).ok_or("unknown level")?;
    let parties = Roll::of(proposal).parties().map_err(|e| e.to_string())?;
    Ok(match proposal.kind {
        // With a chain code: it cannot be added later, and whoever does not derive loses nothing by it.
        Kind::Keygen => PublicInput::Keygen(
            keygen::Public::new(level, proposal.threshold, parties, true).map_err(|e| e.to_string())?,
        ),
        Kind::Aux => PublicInput::Aux(aux_info::Public { level, parties }),
        Kind::Sign => {
            let (key, aux) = key.zip(aux).ok_or("the key or its auxiliary information is not here")?;
            let digest = Digest::raw::<C>(proposal.digest.ok_or("no digest")?).map_err(|e| e.to_string())?;
            let path = Path::try_from(proposal.path.clone()).map_err(|e| e.to_string())?;
            let public =
                interactive::Public::new(key, aux, parties, &path, digest).map_err(|e| e.to_string())?;
            PublicInput::Sign(Box::new(public))
        }
        Kind::Presign => {
            let (key, aux) = key.zip(aux).ok_or("the key or its auxiliary information is not here")?;
            let path = Path::try_from(proposal.path.clone()).map_err(|e| e.to_string())?;
            let public = presign::Public::new(key, aux, parties, &path, proposal.batch);
            PublicInput::Presign(Box::new(public.map_err(|e| e.to_string())?))
        }
        // What is agreed on is in the presignature (`online_input`).
        Kind::Online => return Err("the presignature is not here".to_owned()),
        Kind::Import => return Err("no session follows from an import".to_owned()),
        Kind::Refresh => {
            let key = key.ok_or("the key is not here")?;
            PublicInput::Refresh(Box::new(refresh_input(proposal, key, aux)?))
        }
        Kind::Reshare => {
            let key = key.ok_or("the key is not here")?;
            PublicInput::Reshare(Box::new(reshare_input(proposal, key, aux)?))
        }
    })
}

/// The id of the session that `nonce` makes of a proposal.
pub(super) fn session_id<C: NodeCurve>(
    proposal: &Proposal,
    input: &PublicInput<C>,
    nonce: &Hash,
) -> std::result::Result<SessionId, String> {
    let level = level_of(proposal.level).ok_or("unknown level")?;
    let parties = Roll::of(proposal).parties().map_err(|e| e.to_string())?;
    let sid = |kind| sid::<C>(kind, level, proposal.threshold, &parties, &nonce.0);
    Ok(match input {
        PublicInput::Keygen(_) => sid(ProtocolKind::Keygen),
        PublicInput::Aux(_) => sid(ProtocolKind::AuxInfo),
        PublicInput::Sign(public) => public.session(&nonce.0),
        PublicInput::Refresh(public) => public.session(&nonce.0),
        PublicInput::Reshare(public) => public.session(&nonce.0),
        PublicInput::Presign(public) => public.session(&nonce.0),
        PublicInput::Online(public) => public.session(&nonce.0),
    })
}

impl Enter {
    fn run(self) -> std::result::Result<Stepped, String> {
        let (live, acts) = on_curve!(C: curve_of(&self.proposal)? => self.start::<C>())?;
        let standing = live.standing();
        Ok(Stepped { live: Box::new(live), acts, standing })
    }

    fn start<C: NodeCurve>(self) -> std::result::Result<(Live, Vec<Act>), String> {
        let Self { proposal, me, nonce, materials, identity, entropy, batches, misbehaviour } = self;
        let me = PartyIndex::new(me).ok_or("index 0")?;
        let input = materials.input::<C>(&proposal)?;
        let session = session_id(&proposal, &input, &nonce)?;
        let secret = materials
            .share()
            .map_or_else(|| Zeroizing::new(identity.expose_seed().to_vec()), |share| share.encode());
        let mut rng = session_rng(*entropy, &secret, session);
        let signer = Arc::new(Seal { identity, cluster: proposal.cluster });
        let roll = Arc::new(Roll::of(&proposal));
        match (input, materials) {
            (PublicInput::Keygen(public), Materials::Keygen) => {
                let (state, speech) = keygen::start::<C>(&public, session, me, &mut rng);
                Run::start(seat::<Keygen<C>>(session, me, public, roll, signer), state, speech, rng)
            }
            (PublicInput::Aux(public), Materials::Aux(bytes)) => {
                let primes = Primes::decode(public.level, &bytes).map_err(|e| e.to_string())?;
                let (state, speech) = aux_info::start::<C>(&public, session, me, primes, &mut rng)
                    .map_err(|e| e.to_string())?;
                Run::start(seat::<AuxInfo<C>>(session, me, public, roll, signer), state, speech, rng)
            }
            (PublicInput::Sign(public), Materials::Sign { share, aux }) => {
                let share = C::look(&share).ok_or(OTHER_CURVE)?;
                let started = interactive::start(&public, session, share, &aux, &mut rng);
                let (state, speech) = started.map_err(|e| e.to_string())?;
                let aid = aid(&aux, batches, &mut rng);
                sign((session, me, *public, roll, signer), aid, state, speech, rng, misbehaviour)
            }
            (PublicInput::Presign(public), Materials::Sign { share, aux }) => {
                let share = C::look(&share).ok_or(OTHER_CURVE)?;
                let started = presign::start(&public, session, share, &aux, &mut rng);
                let (state, speech) = started.map_err(|e| e.to_string())?;
                let aid = aid(&aux, batches, &mut rng);
                let seat = Seat { aid, ..seat::<Presign<C>>(session, me, *public, roll, signer) };
                Run::start(seat, state, speech, rng)
            }
            (PublicInput::Online(public), Materials::Online { presignature, message }) => {
                let own = C::take(*presignature).ok_or(OTHER_CURVE)?;
                let (state, speech) = online::start(&public, own, message).map_err(|e| e.to_string())?;
                Run::start(seat::<Online<C>>(session, me, *public, roll, signer), state, speech, rng)
            }
            (PublicInput::Refresh(public), Materials::Refresh { share, primes, .. }) => {
                let share = C::look(&share).ok_or(OTHER_CURVE)?;
                let level = public.base().level;
                let primes = primes.map(|bytes| Primes::decode(level, &bytes)).transpose();
                let primes = primes.map_err(|e| e.to_string())?;
                let (state, speech) =
                    refresh::start(&public, session, share, primes, &mut rng).map_err(|e| e.to_string())?;
                Run::start(seat::<Refresh<C>>(session, me, *public, roll, signer), state, speech, rng)
            }
            (PublicInput::Reshare(public), Materials::Reshare { share, .. }) => {
                let share = share.as_deref().map(|share| C::look(share).ok_or(OTHER_CURVE)).transpose()?;
                let (state, speech) =
                    reshare::start(&public, session, me, share, &mut rng).map_err(|e| e.to_string())?;
                Run::start(seat::<Reshare<C>>(session, me, *public, roll, signer), state, speech, rng)
            }
            _ => Err("the materials do not fit the proposal".to_owned()),
        }
    }
}

/// What makes the checks of one session faster.
fn aid(aux: &Aux, batches: bool, rng: &mut ChaCha20Rng) -> Arc<Aid> {
    let aid = aux.aid();
    Arc::new(if batches { aid.batching(rng) } else { aid })
}

/// Interactive signing, honest as a rule.
fn sign<C: NodeCurve>(
    (session, me, public, roll, signer): (
        SessionId,
        PartyIndex,
        interactive::Public<C>,
        Arc<Roll>,
        Arc<Seal>,
    ),
    aid: Arc<Aid>,
    state: Interactive<C>,
    speech: Speech<Interactive<C>>,
    rng: ChaCha20Rng,
    misbehaviour: Option<Misbehaviour>,
) -> std::result::Result<(Live, Vec<Act>), String> {
    match misbehaviour {
        None => {
            let seat = Seat { aid, ..seat::<Interactive<C>>(session, me, public, roll, signer) };
            Run::start(seat, state, speech, rng)
        }
        Some(Misbehaviour::WrongDelta) => {
            let seat = Seat { aid, ..seat::<WrongDelta<C>>(session, me, public, roll, signer) };
            let (state, speech) = (WrongDelta(state), WrongDelta::altered(speech));
            Run::start(seat, state, speech, rng)
        }
    }
}

fn seat<P: Runs>(
    session: SessionId,
    me: PartyIndex,
    public: P::Public,
    identities: Arc<Roll>,
    signer: Arc<Seal>,
) -> Seat<P, Roll> {
    let (public, aid) = (Arc::new(public), Arc::new(P::Aid::default()));
    Seat { session, me, public, aid, identities, signer }
}
