//! Ready-made keys, auxiliary information and presignatures for tests and benches. Their secrets are public: no release
//! build has this module.

#![allow(clippy::missing_panics_doc, reason = "for tests: everything here panics if it does not work out")]

use std::sync::Arc;

use consign_rounds::sim::{Outcome, Setup, SimRng, Simulation, honest};
use consign_rounds::{PartyIndex, PerParty, Protocol, SessionId, Speech};
use consign_zk::aid::Aid;
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::feldman::Polynomial;
use consign_zk::natural::Natural;
use consign_zk::{ring_pedersen, testing};
use rand_core::SeedableRng;

use crate::Level;
use crate::aux_info::{self, Aux, AuxInfo, AuxParty, AuxPublic, Primes};
use crate::derivation::Path;
use crate::ecdsa::{Digest, Signature};
use crate::key::{KeyInfo, KeyShare};
use crate::keygen::{self, Keygen};
use crate::parties::Parties;
use crate::presign::{self, Presign};
use crate::sign::Presignature;
use crate::sign::interactive::{self, Interactive};
use crate::ssid::{ProtocolKind, sid};

mod epochs;
mod presignatures;

pub use epochs::{aux_of_all, identity, members, number};

/// The session nonce of everything here, which a test may use again: its sessions differ in other ways.
pub const NONCE: [u8; 32] = [42; 32];

/// The party numbered `index`.
pub fn party(index: u16) -> PartyIndex {
    PartyIndex::new(index).expect("parties are numbered from 1")
}

/// Parties 1 to `n` with made-up identities.
pub fn parties(n: u16) -> Parties {
    subset(&(1..=n).collect::<Vec<_>>())
}

/// These of the parties that [`parties`] gives.
pub fn subset(indices: &[u16]) -> Parties {
    members(&indices.iter().map(|&index| (index, index)).collect::<Vec<_>>())
}

/// A committee with a key and auxiliary information.
pub struct Committee<C: Curve> {
    /// Everybody's share.
    pub shares: PerParty<KeyShare<C>>,
    /// Everybody's moduli.
    pub aux: PerParty<Aux>,
}

impl<C: Curve> Committee<C> {
    /// `threshold` of `n` by a dealer, with ready-made primes and no proofs: fast. At most 5 parties at test levels,
    /// 3 at release levels.
    pub fn dealt(level: Level, threshold: u16, n: u16, seed: u64) -> Self {
        Self { shares: deal(level, threshold, n, seed), aux: deal_aux(level, n, seed) }
    }

    /// As [`Committee::dealt`], by the real protocols; only the primes are ready-made.
    pub fn generated(level: Level, threshold: u16, n: u16, seed: u64) -> Self {
        let shares = run_keygen(level, threshold, n, seed);
        Self { shares, aux: run_aux_info::<C>(level, n, seed) }
    }

    /// The key as everybody knows it.
    pub fn key(&self) -> &KeyInfo<C> {
        self.shares.values().next().expect("a committee has members").info()
    }

    /// The moduli as everybody knows them.
    pub fn aux_public(&self) -> &AuxPublic {
        self.aux.values().next().expect("a committee has members").public()
    }

    /// The holders with these indices.
    fn signers(&self, indices: &[u16]) -> Parties {
        if self.key().is_whole() {
            return self.key().parties.clone();
        }
        let holder = |&i: &u16| (party(i), *self.key().parties.identity(party(i)).expect("a holder"));
        Parties::new(indices.iter().map(holder).collect()).expect("an ascending list of holders")
    }

    /// What these signers agree on to presign.
    pub fn presigning(&self, signers: &[u16], batch: u32) -> Arc<presign::Public<C>> {
        self.presigning_at(&Path::root(), signers, batch)
    }

    /// What these signers agree on to presign for a child.
    pub fn presigning_at(&self, path: &Path, signers: &[u16], batch: u32) -> Arc<presign::Public<C>> {
        let public = presign::Public::new(self.key(), self.aux_public(), self.signers(signers), path, batch);
        Arc::new(public.expect("acceptable signers"))
    }

    /// What these signers agree on to sign `digest`.
    pub fn signing(&self, signers: &[u16], digest: Digest) -> Arc<interactive::Public<C>> {
        self.signing_at(&Path::root(), signers, digest)
    }

    /// What these signers agree on to sign `digest` for a child.
    pub fn signing_at(&self, path: &Path, signers: &[u16], digest: Digest) -> Arc<interactive::Public<C>> {
        let signers = self.signers(signers);
        let public = interactive::Public::new(self.key(), self.aux_public(), signers, path, digest);
        Arc::new(public.expect("acceptable signers"))
    }

    /// The aids of parties with an odd index, with batches: verdicts of the others, who have none, must be the same.
    pub fn aids(&self, seed: u64) -> PerParty<Arc<Aid>> {
        let mut rng = SimRng::seed_from_u64(seed);
        let odd = self.aux.iter().filter(|(party, _)| party.get() % 2 == 1);
        odd.map(|(party, aux)| (*party, Arc::new(aux.aid().batching(&mut rng)))).collect()
    }

    /// A simulation of presigning in which nothing has been delivered yet.
    pub fn simulate_presigning(&self, public: &Arc<presign::Public<C>>, seed: u64) -> Simulation<Presign<C>> {
        let session = public.session(&NONCE);
        simulate_with(self.aids(seed), seed, session, public.signers(), public.clone(), |me, rng| {
            presign::start(public, session, share_of(&self.shares, me), share_of(&self.aux, me), rng)
                .expect("an acceptable start")
        })
    }

    /// A simulation of interactive signing in which nothing has been delivered yet.
    pub fn simulate_signing(
        &self,
        public: &Arc<interactive::Public<C>>,
        seed: u64,
    ) -> Simulation<Interactive<C>> {
        let session = public.session(&NONCE);
        simulate_with(self.aids(seed), seed, session, public.signers(), public.clone(), |me, rng| {
            interactive::start(public, session, share_of(&self.shares, me), share_of(&self.aux, me), rng)
                .expect("an acceptable start")
        })
    }

    /// Presignatures of an honest run, by signer.
    pub fn presign(&self, signers: &[u16], batch: u32, seed: u64) -> PerParty<Vec<Presignature<C>>> {
        self.presign_at(&Path::root(), signers, batch, seed)
    }

    /// Presignatures for a child.
    pub fn presign_at(
        &self,
        path: &Path,
        signers: &[u16],
        batch: u32,
        seed: u64,
    ) -> PerParty<Vec<Presignature<C>>> {
        let public = self.presigning_at(path, signers, batch);
        results(self.simulate_presigning(&public, seed).run(&mut honest))
    }

    /// Signatures of an honest interactive run, by signer.
    pub fn sign(&self, signers: &[u16], digest: Digest, seed: u64) -> PerParty<Signature<C>> {
        self.sign_at(&Path::root(), signers, digest, seed)
    }

    /// Signatures for a child.
    pub fn sign_at(&self, path: &Path, signers: &[u16], digest: Digest, seed: u64) -> PerParty<Signature<C>> {
        let public = self.signing_at(path, signers, digest);
        results(self.simulate_signing(&public, seed).run(&mut honest))
    }
}

fn share_of<T>(list: &PerParty<T>, me: PartyIndex) -> &T {
    list.get(&me).expect("a signer is a member")
}

/// A simulation of any protocol in which nothing has been delivered yet.
pub fn simulate<P: Protocol>(
    seed: u64,
    session: SessionId,
    parties: &Parties,
    public: Arc<P::Public>,
    start: impl FnMut(PartyIndex, &mut SimRng) -> (P, Speech<P>),
) -> Simulation<P> {
    simulate_with(PerParty::new(), seed, session, parties, public, start)
}

/// As [`simulate`], with the aids of some parties.
pub fn simulate_with<P: Protocol>(
    aids: PerParty<Arc<P::Aid>>,
    seed: u64,
    session: SessionId,
    parties: &Parties,
    public: Arc<P::Public>,
    start: impl FnMut(PartyIndex, &mut SimRng) -> (P, Speech<P>),
) -> Simulation<P> {
    let parties = parties.indices().collect();
    Simulation::new(Setup { seed, session, parties, public, aids }, start)
}

/// Everybody's output.
///
/// # Panics
///
/// If anybody accused somebody or has no output.
pub fn results<P: Protocol>(outcome: Outcome<P>) -> PerParty<P::Output> {
    assert!(outcome.verdicts.is_empty(), "nobody accuses anybody in an honest run");
    for (party, failures) in &outcome.failures {
        assert!(failures.is_empty(), "party {party} failed: {failures:?}");
    }
    outcome.finished.into_iter().map(|(party, finished)| (party, finished.output)).collect()
}

/// A key by a dealer.
pub fn deal<C: Curve>(level: Level, threshold: u16, n: u16, seed: u64) -> PerParty<KeyShare<C>> {
    let mut rng = SimRng::seed_from_u64(seed);
    let polynomial = Polynomial::<C>::random(threshold, &mut rng);
    let parties = parties(n);
    let secrets: Vec<Scalar<C>> = parties.indices().map(|index| polynomial.evaluate(index.get())).collect();
    let info = KeyInfo {
        key_id: [1; 32],
        session: SessionId([2; 32]),
        level,
        epoch: 0,
        threshold,
        parties: parties.clone(),
        public_key: Point::mul_generator(&polynomial.evaluate(0)),
        public_shares: secrets.iter().map(Point::mul_generator).collect(),
        chain_code: Some([6; 32]),
        rid: [3; 32],
    };
    parties
        .indices()
        .zip(secrets)
        .map(|(me, secret)| (me, KeyShare::new(info.clone(), me, secret).expect("a consistent key")))
        .collect()
}

/// The ready-made primes of party `index`.
pub fn primes(level: Level, index: PartyIndex) -> Primes {
    let primes = testing::primes(level, usize::from(index.get()) - 1);
    Primes::from_parts(primes.paillier, primes.ring_pedersen)
}

/// Auxiliary information from ready-made primes, without proofs.
pub fn deal_aux(level: Level, n: u16, seed: u64) -> PerParty<Aux> {
    let mut rng = SimRng::seed_from_u64(seed);
    let parties = parties(n);
    let member = |(index, identity): (PartyIndex, &[u8; 32])| {
        let primes = testing::primes(level, usize::from(index.get()) - 1);
        let multiply = |[p, q]: &[_; 2]| consign_zk::Factors::new(p, q).expect("two primes");
        let (ring, _) = ring_pedersen::generate(&multiply(&primes.ring_pedersen), &mut rng);
        let n = Natural::new(multiply(&primes.paillier).modulus().value());
        AuxParty::new(*identity, n, ring)
    };
    let list = parties.iter().map(member).collect();
    let public = AuxPublic::new(SessionId([4; 32]), level, [5; 32], list);
    let own = |me| (me, Aux::new(public.clone(), primes(level, me)).expect("usable primes"));
    parties.indices().map(own).collect()
}

/// A key by the protocol.
pub fn run_keygen<C: Curve>(level: Level, threshold: u16, n: u16, seed: u64) -> PerParty<KeyShare<C>> {
    let parties = parties(n);
    let public =
        keygen::Public::new(level, threshold, parties.clone(), false).expect("acceptable parameters");
    let session = sid::<C>(ProtocolKind::Keygen, level, threshold, &parties, &NONCE);
    let shared = Arc::new(public.clone());
    let start = |me, rng: &mut SimRng| keygen::start(&public, session, me, rng);
    results(simulate::<Keygen<C>>(seed, session, &parties, shared, start).run(&mut honest))
}

/// Auxiliary information by the protocol, from ready-made primes.
pub fn run_aux_info<C: Curve>(level: Level, n: u16, seed: u64) -> PerParty<Aux> {
    let parties = parties(n);
    let public = aux_info::Public { level, parties: parties.clone() };
    let session = sid::<C>(ProtocolKind::AuxInfo, level, n, &parties, &NONCE);
    let shared = Arc::new(public.clone());
    let start = |me, rng: &mut SimRng| {
        aux_info::start(&public, session, me, primes(level, me), rng).expect("usable primes")
    };
    results(simulate::<AuxInfo<C>>(seed, session, &parties, shared, start).run(&mut honest))
}
