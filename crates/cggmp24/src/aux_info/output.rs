//! The result: proven moduli of a set of parties, and the own factors.
//!
//! Stored by identity key, never by index: a key's committee may number its members differently.

use std::fmt;
use std::sync::{Arc, OnceLock};

use consign_modexp::Factors;
use consign_rounds::{SessionId, at_most};
use consign_zk::aid::Aid;
use consign_zk::level::Level;
use consign_zk::natural::Natural;
use consign_zk::paillier::{DecryptionKey, EncryptionKey};
use consign_zk::ring_pedersen::{Parameters, RingPedersen};
use consign_zk::transcript::{Purpose, Transcript};
use serde::{Deserialize, Serialize};
use thiserror::Error;
use zeroize::{Zeroize, Zeroizing};

use super::Primes;
use super::stock::Stock;
use crate::parties::{Identity, MAX_PARTIES};

/// Version of the stored form.
const STORED_VERSION: u8 = 1;

/// What everybody knows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuxPublic {
    /// Identifier of this set.
    pub aux_id: [u8; 32],
    /// Session that made it.
    pub session: SessionId,
    /// Security level.
    pub level: Level,
    /// Joint randomness of that session.
    pub rid: [u8; 32],
    /// The parties' moduli, in the order of that session.
    #[serde(deserialize_with = "at_most::<MAX_PARTIES, _, _>")]
    pub parties: Vec<AuxParty>,
}

/// One party's moduli.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuxParty {
    /// Whose.
    pub identity: Identity,
    /// Paillier modulus.
    pub n: Natural,
    /// Ring-Pedersen parameters.
    pub ring: Parameters,
    /// What was computed from them. Clones share it.
    #[serde(skip)]
    ready: Ready,
}

/// Moduli ready for use, from the first time they are used. It is a function of the moduli, so nothing compares it.
#[derive(Clone, Default)]
struct Ready(Arc<OnceLock<(EncryptionKey, RingPedersen)>>);

impl PartialEq for Ready {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Ready {}

impl fmt::Debug for Ready {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Ready")
    }
}

/// Auxiliary information as one party holds it. No `Clone`, no `Debug`; factors are zeroised when dropped.
///
/// The factors of `N^` are kept as well: with them the owner verifies proofs made for it faster.
pub struct Aux {
    pub(super) public: AuxPublic,
    paillier: Arc<DecryptionKey>,
    primes: Primes,
    /// Nonces made ahead of time.
    pub(super) stock: Stock,
}

/// Unusable auxiliary information.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AuxError {
    /// Not an encoding of this version.
    #[error("the stored auxiliary information is damaged or of an unknown version; restore it from a backup")]
    Encoding,
    /// The factors do not belong to any of the listed parties, or are not of the required form (attack A-09).
    #[error("the stored factors are not usable primes for the listed moduli")]
    Factors,
    /// A modulus or base is outside its domain.
    #[error("the stored moduli are outside their domain")]
    Domain,
}

impl AuxPublic {
    /// `H("aux", sid, rid, (identity, N, N^, s, t)_j)` over the given parties.
    pub(crate) fn new(session: SessionId, level: Level, rid: [u8; 32], parties: Vec<AuxParty>) -> Self {
        Self { aux_id: Self::id(session, &rid, &parties), session, level, rid, parties }
    }

    /// Whether the identifier is that of the contents.
    pub fn is_genuine(&self) -> bool {
        self.aux_id == Self::id(self.session, &self.rid, &self.parties)
    }

    fn id(session: SessionId, rid: &[u8; 32], parties: &[AuxParty]) -> [u8; 32] {
        let mut transcript = Transcript::new(Purpose::AuxId);
        transcript.bytes("sid", &session.0).bytes("rid", rid).count("parties", parties.len());
        for party in parties {
            transcript
                .bytes("identity", &party.identity)
                .natural("N", party.n.value())
                .natural("N^", party.ring.modulus.value())
                .natural("s", party.ring.s.value())
                .natural("t", party.ring.t.value());
        }
        transcript.hash()
    }

    /// The moduli of one identity.
    pub fn of(&self, identity: &Identity) -> Option<&AuxParty> {
        self.parties.iter().find(|party| party.identity == *identity)
    }

    /// Whether all of `identities` are covered.
    pub fn covers<'a>(&self, mut identities: impl Iterator<Item = &'a Identity>) -> bool {
        identities.all(|identity| self.of(identity).is_some())
    }
}

impl AuxParty {
    /// What a party opened.
    pub(crate) fn new(identity: Identity, n: Natural, ring: Parameters) -> Self {
        Self { identity, n, ring, ready: Ready::default() }
    }

    /// The moduli ready for use, for the level of the set they are from. They share tables with all that this gave, and
    /// its clones give, earlier and later.
    pub fn keys(&self, level: Level) -> Result<(EncryptionKey, RingPedersen), AuxError> {
        // The fields are public: what they were changed to is not what was computed from.
        let current = |(paillier, ring): &&(EncryptionKey, RingPedersen)| {
            *paillier.n().value() == *self.n.value() && ring.is(&self.ring, level)
        };
        if let Some(ready) = self.ready.0.get().filter(current) {
            return Ok(ready.clone());
        }
        let paillier = EncryptionKey::new(&self.n, level).map_err(|_| AuxError::Domain)?;
        let ring = RingPedersen::new(&self.ring, level).map_err(|_| AuxError::Domain)?;
        // If something is there already, it is of other moduli or as good as this.
        let _ = self.ready.0.set((paillier.clone(), ring.clone()));
        Ok((paillier, ring))
    }
}

impl Aux {
    /// Puts own factors and the public list together; refuses factors of the wrong form or of nobody's moduli.
    pub fn new(public: AuxPublic, primes: Primes) -> Result<Self, AuxError> {
        let [p, q] = &primes.paillier;
        let paillier = DecryptionKey::new(p, q, public.level).map_err(|_| AuxError::Factors)?;
        let [p, q] = &primes.ring;
        let ring = Factors::new(p, q).ok_or(AuxError::Factors)?;
        let own = public.parties.iter().any(|party| {
            party.n.value() == paillier.public().n().value()
                && party.ring.modulus.value() == ring.modulus().value()
        });
        if !own {
            return Err(AuxError::Factors);
        }
        primes.test()?;
        Ok(Self { public, paillier: Arc::new(paillier), primes, stock: Stock::default() })
    }

    /// What everybody knows.
    pub fn public(&self) -> &AuxPublic {
        &self.public
    }

    /// The own Paillier key. Shared with running sessions; wiped when the last of them ends.
    pub fn paillier(&self) -> &Arc<DecryptionKey> {
        &self.paillier
    }

    /// What speeds up the checks of presigning and signing: the own factors. [`Aid::batching`] adds batches for one
    /// session. They are for moduli whose proofs this party has verified itself, and it has verified those of all parties:
    /// this is the output of a session of its own, which checks Πmod and the Πfac made for it before it ends
    /// (`Scene::check_proofs` in `moduli.rs`), or what such a session has stored.
    pub fn aid(&self) -> Aid {
        Aid::new(Arc::clone(&self.paillier))
    }

    /// The stored form. It contains the factors: seal it before it touches a disk.
    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        let primes = self.primes.encode();
        Zeroizing::new(consign_rounds::encode(&(STORED_VERSION, &self.public, primes.as_slice())))
    }

    /// Reads the stored form, and tests the factors.
    pub fn decode(bytes: &[u8]) -> Result<Self, AuxError> {
        let (version, public, mut primes): (u8, AuxPublic, Vec<u8>) =
            postcard::from_bytes(bytes).map_err(|_| AuxError::Encoding)?;
        let decoded = Primes::decode(public.level, &primes);
        primes.zeroize();
        if version != STORED_VERSION || !public.is_genuine() {
            return Err(AuxError::Encoding);
        }
        public.parties.iter().try_for_each(|party| party.keys(public.level).map(drop))?;
        Self::new(public, decoded?)
    }
}
