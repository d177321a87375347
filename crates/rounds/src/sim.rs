//! A whole session in one thread, for tests: one seed fixes every party's randomness, the order of delivery, and
//! which messages arrive twice. An adversary sees every message and may change, drop or add some, with the keys
//! of all parties at hand.
//!
//! Every accusation is put before a judge, in its encoded form, as soon as it is made; every message sent must
//! decode to itself. A simulation panics if either fails.

use std::collections::BTreeSet;
use std::sync::Arc;

use rand_chacha::ChaCha12Rng;
use rand_core::{Rng, SeedableRng};

use crate::codec::{Bytes, decode, encode};
use crate::envelope::{Envelope, Header, SignedHeader};
use crate::evidence::{Evidence, Verdict};
use crate::hash::{SessionId, broadcast_hash, direct_hash, tagged};
use crate::limits::{MAX_EVIDENCE_BYTES, MAX_MESSAGE_BYTES};
use crate::party::{Identities, PartyIndex, PerParty, Signature, Signer};
use crate::protocol::{Protocol, Speech};
use crate::reveal::{Message, Reveal};
use crate::session::{Dropped, Effect, Failure, Finished, Seat, Session};

/// Randomness of a simulated party.
pub type SimRng = ChaCha12Rng;

/// One message on its way.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// Whom it will be delivered to.
    pub to: PartyIndex,
    /// What.
    pub message: Message,
}

/// Sees every message after it was computed and returns what travels instead.
pub type Adversary<'a> = dyn FnMut(&TestKeys, Letter) -> Vec<Letter> + 'a;

/// The adversary that does nothing.
pub fn honest(_: &TestKeys, letter: Letter) -> Vec<Letter> {
    vec![letter]
}

/// The party numbered `index`.
///
/// # Panics
///
/// If `index` is 0.
#[must_use]
pub fn party(index: u16) -> PartyIndex {
    PartyIndex::new(index).expect("parties are numbered from 1")
}

/// Parties 1 to `n`.
#[must_use]
pub fn parties(n: u16) -> Vec<PartyIndex> {
    (1..=n).map(party).collect()
}

/// A stand-in for identity keys: a hash under a seed that everybody knows. **Not a signature scheme.**
#[derive(Debug, Clone)]
pub struct TestKeys {
    seed: u64,
    parties: Vec<PartyIndex>,
}

/// One party's stand-in key.
struct TestSigner {
    keys: TestKeys,
    me: PartyIndex,
}

impl Signer for TestSigner {
    fn sign(&self, bytes: &[u8]) -> Signature {
        self.keys.sign(self.me, bytes)
    }
}

impl Identities for TestKeys {
    fn parties(&self) -> &[PartyIndex] {
        &self.parties
    }
    fn verify(&self, from: PartyIndex, bytes: &[u8], signature: &Signature) -> bool {
        self.parties.contains(&from) && self.sign(from, bytes) == *signature
    }
}

impl TestKeys {
    /// Keys of these parties; another seed makes other keys.
    #[must_use]
    pub fn new(seed: u64, parties: Vec<PartyIndex>) -> Self {
        Self { seed, parties }
    }

    /// The signing side of `me`.
    #[must_use]
    pub fn signer(&self, me: PartyIndex) -> Arc<dyn Signer> {
        Arc::new(TestSigner { keys: self.clone(), me })
    }

    /// Signs `bytes` as `party`.
    #[must_use]
    pub fn sign(&self, party: PartyIndex, bytes: &[u8]) -> Signature {
        let half = |which: &[u8]| {
            tagged("test key", &[&self.seed.to_be_bytes(), &party.get().to_be_bytes(), which, bytes])
        };
        let mut signature = [0; 64];
        signature.split_at_mut(32).0.copy_from_slice(&half(b"a"));
        signature.split_at_mut(32).1.copy_from_slice(&half(b"b"));
        Signature(signature)
    }

    /// Signs `header` as its sender.
    #[must_use]
    pub fn sign_header(&self, header: Header) -> SignedHeader {
        SignedHeader { header, signature: self.sign(header.from, &header.signing_bytes()) }
    }

    /// Makes hashes and signature fit an altered envelope, as its sender would.
    pub fn reseal(&self, envelope: &mut Envelope) {
        let mut header = envelope.signed.header;
        header.broadcast_hash = broadcast_hash(&envelope.broadcast);
        header.direct_hash = direct_hash(&envelope.direct);
        envelope.signed = self.sign_header(header);
    }

    /// Signs an altered reveal, as its sender would.
    pub fn reseal_reveal(&self, reveal: &mut Reveal) {
        reveal.signature = self.sign(reveal.from, &reveal.signing_bytes());
    }

    /// Alters what a message says and signs it again. Reveals stay as they are.
    ///
    /// # Panics
    ///
    /// If the message does not decode.
    pub fn rewrite<P: Protocol>(
        &self,
        letter: &mut Letter,
        lie: impl FnOnce(&mut P::Broadcast, &mut P::Direct),
    ) {
        let Message::Envelope(envelope) = &mut letter.message else { return };
        let mut broadcast = decode(&envelope.broadcast, usize::MAX).expect("a broadcast");
        let mut direct = decode(&envelope.direct, usize::MAX).expect("a direct part");
        lie(&mut broadcast, &mut direct);
        envelope.broadcast = Bytes(encode(&broadcast));
        envelope.direct = Bytes(encode(&direct));
        self.reseal(envelope);
    }
}

/// What to simulate.
pub struct Setup<P: Protocol> {
    /// Fixes everything that is random, and the parties' keys.
    pub seed: u64,
    /// Id of the session.
    pub session: SessionId,
    /// Who takes part.
    pub parties: Vec<PartyIndex>,
    /// What they agreed on.
    pub public: Arc<P::Public>,
    /// Accelerators, for those who have one.
    pub aids: PerParty<Arc<P::Aid>>,
}

/// Everything that happened, by party.
pub struct Outcome<P: Protocol> {
    /// Who finished, with what.
    pub finished: PerParty<Finished<P>>,
    /// Who accused whom; each accusation has convinced a judge.
    pub verdicts: PerParty<Vec<Verdict<P::Fault>>>,
    /// Who failed without a culprit.
    pub failures: PerParty<Vec<Failure<P::Failure>>>,
    /// What was made durable.
    pub stored: PerParty<Vec<P::Durable>>,
    /// Bytes sent, encoded.
    pub bytes_sent: PerParty<u64>,
    /// Messages without effect.
    pub dropped: PerParty<Dropped>,
}

impl<P: Protocol> Outcome<P> {
    /// Whom `accuser` convicted.
    #[must_use]
    pub fn culprits(&self, accuser: PartyIndex) -> BTreeSet<PartyIndex> {
        self.verdicts.get(&accuser).into_iter().flatten().map(|verdict| verdict.culprit).collect()
    }
}

/// A session of several parties in progress.
pub struct Simulation<P: Protocol> {
    coins: SimRng,
    keys: Arc<TestKeys>,
    public: Arc<P::Public>,
    session: SessionId,
    seats: PerParty<(Session<P, TestKeys>, SimRng)>,
    unsent: Vec<Letter>,
    wire: Vec<Letter>,
    outcome: Outcome<P>,
}

impl<P: Protocol> Simulation<P> {
    /// Seats every party. `start` gives a party's state and messages of round 1.
    ///
    /// # Panics
    ///
    /// If the list of parties is not acceptable to a session.
    pub fn new(setup: Setup<P>, mut start: impl FnMut(PartyIndex, &mut SimRng) -> (P, Speech<P>)) -> Self {
        let mut coins = SimRng::seed_from_u64(setup.seed);
        let keys = Arc::new(TestKeys::new(setup.seed, setup.parties.clone()));
        let mut simulation = Self {
            keys: keys.clone(),
            public: setup.public.clone(),
            session: setup.session,
            seats: PerParty::new(),
            unsent: Vec::new(),
            wire: Vec::new(),
            outcome: Outcome {
                finished: PerParty::new(),
                verdicts: PerParty::new(),
                failures: PerParty::new(),
                stored: PerParty::new(),
                bytes_sent: PerParty::new(),
                dropped: PerParty::new(),
            },
            coins: SimRng::seed_from_u64(coins.next_u64()),
        };
        for me in setup.parties {
            let mut rng = SimRng::seed_from_u64(coins.next_u64());
            let (state, speech) = start(me, &mut rng);
            let seat = Seat {
                session: setup.session,
                me,
                public: setup.public.clone(),
                aid: setup.aids.get(&me).cloned().unwrap_or_default(),
                identities: keys.clone(),
                signer: keys.signer(me),
            };
            let (session, effects) = Session::start(seat, state, speech).expect("an acceptable seat");
            simulation.seats.insert(me, (session, rng));
            simulation.carry_out(me, effects);
        }
        simulation
    }

    /// Everybody's keys.
    #[must_use]
    pub fn keys(&self) -> &Arc<TestKeys> {
        &self.keys
    }

    /// The session of `me`.
    #[must_use]
    pub fn session(&self, me: PartyIndex) -> Option<&Session<P, TestKeys>> {
        self.seats.get(&me).map(|(session, _)| session)
    }

    /// Replaces the state of `me`, which from now on lies consistently.
    pub fn corrupt(&mut self, me: PartyIndex, lie: impl FnOnce(P) -> P) {
        if let Some((session, _)) = self.seats.get_mut(&me) {
            session.corrupt(lie);
        }
    }

    /// Delivers one message; `false` if there is none. One message in four is delivered again later.
    pub fn step(&mut self, adversary: &mut Adversary<'_>) -> bool {
        for letter in std::mem::take(&mut self.unsent) {
            self.wire.extend(adversary(&self.keys, letter));
        }
        let Ok(choices) = u64::try_from(self.wire.len()) else { return false };
        let Some(choice) = self.coins.next_u64().checked_rem(choices) else { return false };
        let choice = usize::try_from(choice).expect("invariant: less than a length");
        let letter = self.wire.swap_remove(choice);
        if self.coins.next_u32().is_multiple_of(4) {
            self.wire.push(letter.clone());
        }
        self.deliver(letter);
        true
    }

    /// Delivers everything there is. When nothing is left, those who still wait give up, until all have ended.
    pub fn run(mut self, adversary: &mut Adversary<'_>) -> Outcome<P> {
        loop {
            while self.step(adversary) {}
            let waiting: Vec<_> =
                self.seats.iter().filter(|(_, seat)| !seat.0.is_over()).map(|(&party, _)| party).collect();
            if waiting.is_empty() {
                break;
            }
            for party in waiting {
                let effects = self.seats.get_mut(&party).map(|seat| seat.0.give_up());
                self.carry_out(party, effects.unwrap_or_default());
            }
        }
        let dropped = self.seats.iter().map(|(&party, seat)| (party, seat.0.dropped().clone()));
        self.outcome.dropped = dropped.collect();
        self.outcome
    }

    /// Hands a letter to its recipient; letters to nobody are lost.
    pub fn deliver(&mut self, letter: Letter) {
        let Some((session, rng)) = self.seats.get_mut(&letter.to) else { return };
        let effects = session.receive(letter.message, rng);
        self.carry_out(letter.to, effects);
    }

    fn carry_out(&mut self, party: PartyIndex, effects: Vec<Effect<P>>) {
        for effect in effects {
            match effect {
                Effect::Store(durable) => self.outcome.stored.entry(party).or_default().push(durable),
                Effect::Send { to, message } => {
                    let bytes = message.encode();
                    let again = Message::decode(&bytes, MAX_MESSAGE_BYTES);
                    assert!(again.as_ref() == Ok(&message), "{party} sent what does not decode to itself");
                    *self.outcome.bytes_sent.entry(party).or_default() +=
                        u64::try_from(bytes.len()).expect("invariant: a length fits 64 bits");
                    self.unsent.push(Letter { to, message });
                }
                Effect::Accuse(verdict) => {
                    self.judge(party, &verdict);
                    self.outcome.verdicts.entry(party).or_default().push(verdict);
                }
                Effect::Finish(finished) => {
                    let earlier = self.outcome.finished.insert(party, finished);
                    assert!(earlier.is_none(), "{party} finished twice");
                }
                Effect::Fail(failure) => self.outcome.failures.entry(party).or_default().push(failure),
            }
        }
    }

    fn judge(&self, accuser: PartyIndex, verdict: &Verdict<P::Fault>) {
        let bytes = verdict.evidence.encode();
        let evidence = Evidence::decode(&bytes, MAX_EVIDENCE_BYTES).expect("evidence decodes");
        let sentence = evidence.judge::<P>(&self.public, self.session, &*self.keys);
        assert_eq!(
            sentence,
            Some((verdict.culprit, verdict.charge)),
            "a judge does not follow {accuser}'s accusation"
        );
    }
}
