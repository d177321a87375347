//! `consign bench`: what the cryptography costs on this machine. All parties run in this process one after another, with
//! fresh primes; what is printed is one party's share. The last phase is signing again, with nonces made ahead of time, which is not
//! measured.

use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, builder::PossibleValuesParser, builder::TypedValueParser as _};
use consign_cggmp24::Level;
use consign_cggmp24::aux_info::{self, Aux, AuxInfo, Primes};
use consign_cggmp24::curve::Secp256k1;
use consign_cggmp24::derivation::Path;
use consign_cggmp24::ecdsa::{HashAlgorithm, HashedMessage};
use consign_cggmp24::key::KeyShare;
use consign_cggmp24::keygen::{self, Keygen};
use consign_cggmp24::parties::Parties;
use consign_cggmp24::presign::{self, Aid, MAX_BATCH, Presign};
use consign_cggmp24::sign::interactive::{self, Interactive};
use consign_cggmp24::sign::{Partial, Presignature, Signing};
use consign_cggmp24::ssid::{ProtocolKind, sid};
use consign_node::identity::{ID_BYTES, Identity};
use consign_rounds::{PartyIndex, PerParty};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng as _, SeedableRng as _};
use thiserror::Error;

use self::local::{Began, Cost, Keys};
use self::report::Report;
use crate::flags::{Batches, Lanes};

#[cfg(feature = "census")]
mod census;
mod local;
mod report;

/// The curve measured.
type Curve = Secp256k1;

/// CPU time of all parties after which a short phase is not repeated any more.
const ENOUGH_CPU: Duration = Duration::from_millis(100);

/// Nor is it more often than this.
const MOST_RUNS: u32 = 256;

/// Measure what keys and signatures cost on this machine
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  consign bench --parties 3 --threshold 2")]
pub(crate) struct Bench {
    /// Security level in bits
    #[arg(long, default_value = "128", value_name = "BITS",
        value_parser = PossibleValuesParser::new(["112", "128"]).map(|bits| level(&bits)))]
    level: Level,

    /// Number of parties that hold the key
    #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u16).range(2..=100))]
    parties: u16,

    /// Number of parties needed to sign
    #[arg(long, default_value_t = 2, value_name = "T", value_parser = clap::value_parser!(u16).range(2..=100))]
    threshold: u16,

    /// Number of presignatures made at once
    #[arg(long, default_value_t = 1, value_name = "B",
        value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_BATCH)))]
    batch: u32,

    /// Number of threads that compute
    #[arg(long, default_value_t = 1, value_name = "K", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: u16,

    #[command(flatten)]
    lanes: Lanes,

    #[command(flatten)]
    batches: Batches,
}

/// The value parser lets no other number through.
fn level(bits: &str) -> Level {
    if bits == "112" { Level::L112 } else { Level::L128 }
}

/// Why there is nothing to print.
#[derive(Debug, Error)]
pub(crate) enum BenchError {
    /// More signers than parties.
    #[error("{threshold} of {parties} parties cannot sign: choose a threshold of 2 to {parties}")]
    Threshold {
        /// Asked for.
        threshold: u16,
        /// Asked for.
        parties: u16,
    },
    /// The messages of so large a batch would be too long.
    #[error("presigning cannot start: {0}")]
    Presign(#[from] presign::PresignError),
    /// Something that never fails did.
    #[error("the measurement failed in {0}: report this")]
    Failed(&'static str),
    /// The operating system gives no randomness.
    #[error("the operating system gives no randomness")]
    Entropy,
    /// No thread to run in.
    #[error("cannot start a thread: {0}")]
    Thread(#[from] rayon::ThreadPoolBuildError),
    /// Standard output.
    #[error("cannot write the result: {0}")]
    Output(#[from] io::Error),
}

/// Everybody's result of a phase, and what it took.
type Measured<T> = Result<(PerParty<T>, Cost), BenchError>;

/// Measures and prints every phase as soon as it is done: a table, or one JSON object a line.
pub(crate) fn run(args: &Bench, json: bool) -> Result<(), BenchError> {
    if args.threshold > args.parties {
        return Err(BenchError::Threshold { threshold: args.threshold, parties: args.parties });
    }
    args.lanes.apply();
    #[cfg(feature = "census")]
    census::start();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(usize::from(args.threads)).build()?;
    pool.install(|| measure(args, &mut Report::new(args, json)?))
}

fn measure(args: &Bench, report: &mut Report<'_>) -> Result<(), BenchError> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|_| BenchError::Entropy)?;
    let mut committee = Committee::new(args, ChaCha20Rng::from_seed(seed))?;
    let holders = args.parties;
    let signers = args.threshold;

    report.begin("keygen");
    let (shares, cost) = committee.keygens()?;
    report.end("keygen", holders, &cost)?;

    report.begin("primes");
    let (primes, cost) = committee.primes()?;
    report.end("primes", holders, &cost)?;

    report.begin("aux");
    let (aux, cost) = committee.aux(primes)?;
    report.end("aux", holders, &cost)?;

    report.begin("tables");
    let cost = committee.tables(&shares, &aux)?;
    report.end("tables", 1, &cost)?;

    report.begin("presign");
    let (presignatures, cost) = committee.presign(&shares, &aux)?;
    report.end("presign", signers, &cost)?;

    report.begin("online");
    let cost = online(presignatures)?;
    report.end("online", signers, &cost)?;

    report.begin("sign");
    let cost = committee.sign(&shares, &aux, false)?;
    report.end("sign", signers, &cost)?;

    report.begin("ahead");
    let cost = committee.sign(&shares, &aux, true)?;
    report.end("ahead", signers, &cost)
}

/// The parties, and everything random.
struct Committee<'a> {
    args: &'a Bench,
    rng: ChaCha20Rng,
    keys: Keys,
    /// Those of the first `t`.
    signer_keys: Keys,
    parties: Parties,
    /// The first `t`.
    signers: Parties,
}

impl<'a> Committee<'a> {
    fn new(args: &'a Bench, mut rng: ChaCha20Rng) -> Result<Self, BenchError> {
        let mut key = |index| {
            let mut seed = [0; ID_BYTES];
            rng.fill_bytes(&mut seed);
            PartyIndex::new(index).map(|party| (party, Arc::new(Identity::from_seed(&seed))))
        };
        let list: PerParty<_> = (1..=args.parties).filter_map(&mut key).collect();
        let first = |count: u16| Keys::new(list.iter().take(count.into()));
        let (keys, signer_keys) = (first(args.parties), first(args.threshold));
        let (parties, signers) = (keys.parties()?, signer_keys.parties()?);
        Ok(Self { args, rng, keys, signer_keys, parties, signers })
    }

    fn nonce(&mut self) -> [u8; 32] {
        let mut nonce = [0; 32];
        self.rng.fill_bytes(&mut nonce);
        nonce
    }

    /// One key generation takes milliseconds, and the first in a process makes tables that all later ones use. So it is
    /// repeated, and the mean of the later ones is told, unless the first took long enough to speak for itself.
    fn keygens(&mut self) -> Measured<KeyShare<Curve>> {
        let (shares, first) = self.keygen()?;
        if first.cpu >= ENOUGH_CPU {
            return Ok((shares, first));
        }
        let (mut cpu, mut wall, mut runs) = (Duration::ZERO, Duration::ZERO, 0);
        while cpu < ENOUGH_CPU && runs < MOST_RUNS {
            let (_, cost) = self.keygen()?;
            (cpu, wall, runs) = (cpu + cost.cpu, wall + cost.wall, runs + 1);
        }
        Ok((shares, Cost { cpu: cpu / runs, wall: wall / runs, ..first }))
    }

    fn keygen(&mut self) -> Measured<KeyShare<Curve>> {
        let Bench { level, threshold, .. } = *self.args;
        let nonce = self.nonce();
        let session = sid::<Curve>(ProtocolKind::Keygen, level, threshold, &self.parties, &nonce);
        let public = keygen::Public::new(level, threshold, self.parties.clone(), true);
        let public = Arc::new(public.map_err(|_| BenchError::Failed("key generation"))?);
        local::run::<Keygen<Curve>>(&self.keys, session, &public, &mut self.rng, unaided, |me, rng| {
            Ok(keygen::start(&public, session, me, rng))
        })
    }

    fn primes(&mut self) -> Measured<Primes> {
        let began = Began::now();
        let mut found = PerParty::new();
        for party in self.parties.indices() {
            let go_on = |_, _| ControlFlow::Continue(());
            let primes = Primes::generate(self.args.level, &mut self.rng, &go_on);
            found.insert(party, primes.ok_or(BenchError::Failed("the search for primes"))?);
        }
        Ok((found, began.cost(0, 0)))
    }

    fn aux(&mut self, mut primes: PerParty<Primes>) -> Measured<Aux> {
        let Bench { level, parties, .. } = *self.args;
        let nonce = self.nonce();
        let session = sid::<Curve>(ProtocolKind::AuxInfo, level, parties, &self.parties, &nonce);
        let public = Arc::new(aux_info::Public { level, parties: self.parties.clone() });
        local::run::<AuxInfo<Curve>>(&self.keys, session, &public, &mut self.rng, unaided, |me, rng| {
            let own = primes.remove(&me).ok_or(BenchError::Failed("handing out primes"))?;
            aux_info::start(&public, session, me, own, rng)
                .map_err(|_| BenchError::Failed("auxiliary information"))
        })
    }

    /// What one party computes once, before it first presigns with these others.
    fn tables(
        &mut self,
        shares: &PerParty<KeyShare<Curve>>,
        aux: &PerParty<Aux>,
    ) -> Result<Cost, BenchError> {
        let (key, moduli) = agreed(shares, aux)?;
        let public = presign::Public::new(
            key.info(),
            moduli.public(),
            self.signers.clone(),
            &Path::root(),
            self.args.batch,
        )?;
        let began = Began::now();
        public.make_tables();
        moduli.paillier().make_tables();
        let cost = began.cost(0, 0);
        // In this process all parties share the tables of public parameters; those of own keys are everybody's own.
        aux.values().for_each(|own| own.paillier().make_tables());
        Ok(cost)
    }

    fn presign(
        &mut self,
        shares: &PerParty<KeyShare<Curve>>,
        aux: &PerParty<Aux>,
    ) -> Measured<Vec<Presignature<Curve>>> {
        let (key, moduli) = agreed(shares, aux)?;
        let (signers, batch) = (self.signers.clone(), self.args.batch);
        let public = presign::Public::new(key.info(), moduli.public(), signers, &Path::root(), batch)?;
        let (public, session) = (Arc::new(public), self.nonce());
        let session = public.session(&session);
        let aids = self.aids(aux);
        let aid = |me| aids.get(&me).cloned().unwrap_or_default();
        local::run::<Presign<Curve>>(&self.signer_keys, session, &public, &mut self.rng, aid, |me, rng| {
            Ok(presign::start(&public, session, of(shares, me)?, of(aux, me)?, rng)?)
        })
    }

    /// Everybody's aid for one session.
    fn aids(&mut self, aux: &PerParty<Aux>) -> PerParty<Arc<Aid>> {
        let batching = self.args.batches.batch_verification;
        let mut aid =
            |aux: &Aux| Arc::new(if batching { aux.aid().batching(&mut self.rng) } else { aux.aid() });
        aux.iter().map(|(&party, aux)| (party, aid(aux))).collect()
    }

    /// Interactive signing, also with what a node makes ahead of it in idle time.
    fn sign(
        &mut self,
        shares: &PerParty<KeyShare<Curve>>,
        aux: &PerParty<Aux>,
        ahead: bool,
    ) -> Result<Cost, BenchError> {
        let (key, moduli) = agreed(shares, aux)?;
        let digest = message()?.digest();
        let mut sum = Cost::default();
        for _ in 0..self.args.batch {
            for own in aux.values().filter(|_| ahead) {
                while own.lacks_nonces() {
                    own.make_nonces();
                }
            }
            let (signers, root) = (self.signers.clone(), Path::root());
            let public = interactive::Public::new(key.info(), moduli.public(), signers, &root, digest)?;
            let (public, nonce) = (Arc::new(public), self.nonce());
            let session = public.session(&nonce);
            let aids = self.aids(aux);
            let aid = |me| aids.get(&me).cloned().unwrap_or_default();
            let (keys, rng) = (&self.signer_keys, &mut self.rng);
            let run = local::run::<Interactive<Curve>>(keys, session, &public, rng, aid, |me, rng| {
                Ok(interactive::start(&public, session, of(shares, me)?, of(aux, me)?, rng)?)
            });
            let (_, cost) = run?;
            let (cpu, wall) = (sum.cpu + cost.cpu, sum.wall + cost.wall);
            sum = Cost { cpu, wall, bytes: sum.bytes + cost.bytes, rounds: cost.rounds };
        }
        Ok(sum)
    }
}

/// The aid of a party that has none.
fn unaided<A: Default>(_: PartyIndex) -> Arc<A> {
    Arc::default()
}

/// One round with every presignature: own part, check of the others', signature.
fn online(presignatures: PerParty<Vec<Presignature<Curve>>>) -> Result<Cost, BenchError> {
    let message = message()?;
    let peers = presignatures.len().saturating_sub(1) as u64;
    let began = Began::now();
    let mut bytes = 0;
    let mut slots: Vec<PerParty<Signing<Curve>>> = Vec::new();
    for (party, list) in presignatures {
        for (b, presignature) in list.into_iter().enumerate() {
            if slots.len() == b {
                slots.push(PerParty::new());
            }
            let signing = presignature.sign(message);
            bytes += consign_rounds::encode(signing.partial()).len() as u64 * peers;
            slots.get_mut(b).ok_or(BenchError::Failed("signing"))?.insert(party, signing);
        }
    }
    for slot in &slots {
        let partials: PerParty<Partial<Curve>> =
            slot.iter().map(|(&party, signing)| (party, *signing.partial())).collect();
        for signing in slot.values() {
            signing.combine(&partials).map_err(|_| BenchError::Failed("combining"))?;
        }
    }
    Ok(began.cost(bytes, 1))
}

fn message() -> Result<HashedMessage, BenchError> {
    HashedMessage::new::<Curve>(HashAlgorithm::Sha256, b"consign bench")
        .map_err(|_| BenchError::Failed("hashing"))
}

/// Anybody's share and moduli: their public halves are the same for all.
fn agreed<'a>(
    shares: &'a PerParty<KeyShare<Curve>>,
    aux: &'a PerParty<Aux>,
) -> Result<(&'a KeyShare<Curve>, &'a Aux), BenchError> {
    shares.values().next().zip(aux.values().next()).ok_or(BenchError::Failed("earlier phases"))
}

fn of<T>(list: &PerParty<T>, me: PartyIndex) -> Result<&T, BenchError> {
    list.get(&me).ok_or(BenchError::Failed("earlier phases"))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Command {
        #[command(flatten)]
        bench: Bench,
    }

    fn parse(line: &[&str]) -> Option<Bench> {
        Command::try_parse_from([&["bench"], line].concat()).ok().map(|command| command.bench)
    }

    #[test]
    fn arguments_are_bounded() {
        let defaults = parse(&[]).unwrap();
        let Bench { level, parties, threshold, batch, .. } = defaults;
        assert_eq!((level, parties, threshold, batch), (Level::L128, 3, 2, 1));
        assert_eq!(parse(&["--level", "112"]).unwrap().level, Level::L112);
        for refused in [
            ["--level", "64"],
            ["--parties", "1"],
            ["--parties", "101"],
            ["--threshold", "1"],
            ["--batch", "0"],
            ["--batch", "33"],
            ["--threads", "0"],
            ["--lanes", "maybe"],
            ["--batch-verification", "maybe"],
        ] {
            assert!(parse(&refused).is_none(), "{refused:?}");
        }
        let batching = |line: &[&str]| parse(line).unwrap().batches.batch_verification;
        assert!(batching(&[]) && !batching(&["--batch-verification", "off"]));
        let impossible = parse(&["--parties", "3", "--threshold", "4"]).unwrap();
        assert!(matches!(run(&impossible, true), Err(BenchError::Threshold { threshold: 4, parties: 3 })));
    }

    #[test]
    fn all_parties_finish_and_everything_is_counted() {
        let args = parse(&["--parties", "3", "--threshold", "2"]).unwrap();
        let mut committee = Committee::new(&args, ChaCha20Rng::from_seed([1; 32])).unwrap();
        let (shares, cost) = committee.keygens().unwrap();
        assert_eq!(shares.len(), 3);
        let key = agreed_key(&shares);
        assert!(shares.values().all(|share| share.info().key_id == key));
        // Every party sends every other one envelope a round, each with a signature.
        let envelopes = 3 * 2 * u64::from(cost.rounds);
        assert!(cost.rounds == 6 && cost.bytes > envelopes * 64 && !cost.cpu.is_zero());
    }

    fn agreed_key(shares: &PerParty<KeyShare<Curve>>) -> [u8; 32] {
        shares.values().next().unwrap().info().key_id
    }
}
