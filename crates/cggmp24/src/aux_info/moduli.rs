//! What a party offers as its moduli, how it proves them and how others check that. Generation of auxiliary information
//! runs it alone; a key refresh runs it in the same rounds as its own.

use consign_modexp::{Factors, Modulus, SMALL_FACTOR_BOUND, Timing, fermat_composites, small_factor};
use consign_rounds::{PartyIndex, PerParty, SessionId};
use consign_zk::context::{Context, Role};
use consign_zk::curve::Curve;
use consign_zk::level::Level;
use consign_zk::natural::Natural;
use consign_zk::paillier::{DecryptionKey, EncryptionKey};
use consign_zk::ring_pedersen::{self, Parameters, RingPedersen};
use consign_zk::transcript::Transcript;
use consign_zk::{fac, paillier_blum, prm};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};

use super::{AuxError, AuxParty, AuxPublic, Fault, Primes, round4};
use crate::parties::Parties;
use crate::sizes;

/// One party's moduli as it opens them in round 3.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moduli {
    /// Paillier modulus.
    pub n: Natural,
    /// Ring-Pedersen parameters.
    pub ring: Parameters,
    /// Proof that `s` is a power of `t`.
    pub proof: prm::Proof,
}

/// The secret side of [`Moduli`]. `lambda` is not in it: it is erased as soon as the parameters are proven.
pub struct Own {
    pub(crate) primes: Primes,
    paillier: DecryptionKey,
}

/// The session in which moduli are proven.
#[derive(Clone, Copy)]
pub(crate) struct Scene<'a> {
    pub(crate) level: Level,
    pub(crate) session: &'a SessionId,
}

/// A party and what it opened.
pub(crate) type Offer<'a> = (PartyIndex, &'a Moduli);

impl Moduli {
    pub(crate) fn max_bytes(level: Level) -> usize {
        (4 + 2 * level.parameters().repetitions) * sizes::moduli(level, 1)
    }

    /// Absorbs everything that the sender commits to.
    pub(crate) fn absorb(&self, transcript: &mut Transcript) {
        transcript
            .natural("N", self.n.value())
            .natural("N^", self.ring.modulus.value())
            .natural("s", self.ring.s.value())
            .natural("t", self.ring.t.value())
            .count("proof", self.proof.repetitions.len());
        for repetition in &self.proof.repetitions {
            transcript.natural("A", repetition.A.value()).natural("z", repetition.z.value());
        }
    }
}

impl Scene<'_> {
    /// Tests the primes and proves the ring-Pedersen parameters made from them.
    pub(crate) fn make<C: Curve>(
        self,
        me: PartyIndex,
        primes: Primes,
        rng: &mut impl CryptoRng,
    ) -> Result<(Own, Moduli), AuxError> {
        primes.test()?;
        let [p, q] = &primes.paillier;
        let paillier = DecryptionKey::new(p, q, self.level).map_err(|_| AuxError::Factors)?;
        let [p, q] = &primes.ring;
        let factors = Factors::new(p, q).ok_or(AuxError::Factors)?;
        let (parameters, lambda) = ring_pedersen::generate(&factors, rng);
        let ring = RingPedersen::new(&parameters, self.level).map_err(|_| AuxError::Domain)?;
        RingPedersen::prepare([&ring]);
        let proof = prm::prove::<C>(
            &self.parameters_context(me),
            &prm::Statement { ring: &ring },
            &prm::Witness { factors: &factors, lambda: lambda.expose() },
            rng,
        );
        let n = Natural::new(paillier.public().n().value());
        Ok((Own { primes, paillier }, Moduli { n, ring: parameters, proof }))
    }

    /// Checks b to e of 5.1, in that order: all that must hold before anything is computed under the parameters.
    pub(crate) fn check_moduli<C: Curve>(self, (from, moduli): Offer<'_>) -> Result<(), Fault> {
        let paillier = EncryptionKey::new(&moduli.n, self.level).map_err(|_| Fault::Modulus)?;
        // Lengths first: what comes after takes longer for longer numbers.
        if moduli.ring.modulus.value().bits_vartime() != self.level.parameters().modulus_bits {
            return Err(Fault::RingPedersen);
        }
        let has_small_factor = |n: &Natural| small_factor(n.value(), SMALL_FACTOR_BOUND).is_some();
        if has_small_factor(&moduli.n) || has_small_factor(&moduli.ring.modulus) {
            return Err(Fault::Modulus);
        }
        let ring = RingPedersen::new(&moduli.ring, self.level).map_err(|_| Fault::RingPedersen)?;
        let composite = fermat_composites(&[paillier.n(), ring.modulus()], Timing::Public);
        if composite.iter().any(|composite| !composite) {
            return Err(Fault::Modulus);
        }
        if !paillier.n().is_unit(&paillier.n().reduce(ring.modulus().value())) {
            return Err(Fault::OwnFactor);
        }
        // Powers of t only follow, one for each repetition.
        RingPedersen::prepare([&ring]);
        let statement = prm::Statement { ring: &ring };
        prm::verify::<C>(&self.parameters_context(from), &statement, &moduli.proof)
            .map_err(|_| Fault::ProofPrm)
    }

    /// Proves the Paillier modulus to all, and something about its factors to each of `peers`.
    pub(crate) fn prove<'a, C: Curve>(
        self,
        me: PartyIndex,
        own: &Own,
        rid: &[u8; 32],
        peers: impl Iterator<Item = Offer<'a>>,
        rng: &mut impl CryptoRng,
    ) -> (round4::Broadcast, PerParty<round4::Direct>) {
        let N = own.paillier.public().n();
        let factors = own.paillier.factors();
        let proof = paillier_blum::prove::<C>(
            &self.modulus_context(me, rid),
            &paillier_blum::Statement { N },
            &paillier_blum::Witness { factors },
            rng,
        );
        let prove_factors = |(to, moduli): Offer<'_>| {
            let ring = RingPedersen::new(&moduli.ring, self.level)
                .expect("invariant: everybody's parameters were checked");
            let context = self.factors_context(me, to, rid);
            let statement = fac::Statement { N, ring: &ring };
            let proof = fac::prove::<C>(&context, &statement, &fac::Witness { factors }, rng);
            (to, round4::Direct { proof })
        };
        let direct = peers.map(prove_factors).collect();
        (round4::Broadcast { proof }, direct)
    }

    /// Checks both proofs. An offer is missing only in a judge's made-up view.
    pub(crate) fn check_proofs<C: Curve>(
        self,
        (from, offered): (PartyIndex, Option<&Moduli>),
        (to, own): (PartyIndex, Option<&Moduli>),
        rid: &[u8; 32],
        broadcast: &round4::Broadcast,
        direct: &round4::Direct,
    ) -> Result<(), Fault> {
        let moduli = offered.ok_or(Fault::ProofMod)?;
        let key = EncryptionKey::new(&moduli.n, self.level).map_err(|_| Fault::ProofMod)?;
        let statement = paillier_blum::Statement { N: key.n() };
        paillier_blum::verify::<C>(&self.modulus_context(from, rid), &statement, &broadcast.proof)
            .map_err(|_| Fault::ProofMod)?;
        let ring = own.and_then(|own| RingPedersen::new(&own.ring, self.level).ok());
        let ring = ring.ok_or(Fault::ProofFac)?;
        let statement = fac::Statement { N: key.n(), ring: &ring };
        fac::verify::<C>(&self.factors_context(from, to, rid), &statement, &direct.proof)
            .map_err(|_| Fault::ProofFac)
    }

    /// What the openings of `parties` imply.
    pub(crate) fn result<'a>(
        self,
        parties: &Parties,
        rid: [u8; 32],
        opened: impl Fn(PartyIndex) -> Option<&'a Moduli>,
    ) -> AuxPublic {
        let of = parties.iter().filter_map(|(index, identity)| {
            let moduli = opened(index)?;
            Some(AuxParty::new(*identity, moduli.n.clone(), moduli.ring.clone()))
        });
        AuxPublic::new(*self.session, self.level, rid, of.collect())
    }

    /// The context of the proof of the ring-Pedersen parameters of `from`.
    fn parameters_context(&self, from: PartyIndex) -> Context<'_> {
        Context {
            level: self.level,
            session: &self.session.0,
            role: Role::AuxPrm,
            round: 3,
            prover: from.get(),
            verifier: None,
            rid: None,
        }
    }

    fn modulus_context<'a>(&'a self, from: PartyIndex, rid: &'a [u8; 32]) -> Context<'a> {
        Context { role: Role::AuxMod, round: 4, rid: Some(rid), ..self.parameters_context(from) }
    }

    fn factors_context<'a>(&'a self, from: PartyIndex, to: PartyIndex, rid: &'a [u8; 32]) -> Context<'a> {
        Context { role: Role::AuxFac, verifier: Some(to.get()), ..self.modulus_context(from, rid) }
    }
}

/// Parties one of whose moduli has a common factor with another party's.
pub(crate) fn owners_of_shared_factors<'a>(offers: impl Iterator<Item = Offer<'a>>) -> Vec<PartyIndex> {
    let moduli: Vec<_> = offers
        .flat_map(|(party, offer)| [(party, &offer.n), (party, &offer.ring.modulus)])
        .filter_map(|(party, n)| Some((party, Modulus::new(n.value())?)))
        .collect();
    // A product is a unit exactly if every factor is: one gcd per modulus, however many parties there are.
    let shares = |(party, n): &(PartyIndex, Modulus)| {
        let others = moduli.iter().filter(|(other, _)| other != party);
        let product = others.map(|(_, m)| n.reduce(m.value())).reduce(|product, m| n.mul(&product, &m));
        product.is_some_and(|product| !n.is_unit(&product))
    };
    let mut owners: Vec<_> = moduli.iter().filter(|own| shares(own)).map(|(party, _)| *party).collect();
    owners.dedup();
    owners
}
