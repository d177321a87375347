//! The participants of one session: indices and identity keys, in ascending order of the index.

use consign_rounds::{PartyIndex, at_most};
use consign_zk::transcript::Transcript;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Public half of a party's identity key (Ed25519). The protocol only compares and hashes it.
pub type Identity = [u8; 32];

/// Most parties that can hold one key.
pub const MAX_PARTIES: usize = 100;

/// The lowest index.
const FIRST: PartyIndex = PartyIndex::new(1).expect("invariant: 1 is no 0");

/// An unusable list of participants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PartiesError {
    /// Fewer than two, or more than [`MAX_PARTIES`].
    #[error("between 2 and {MAX_PARTIES} parties take part, not {0}")]
    Count(usize),
    /// Indices not strictly ascending: a duplicate would make interpolation meaningless.
    #[error("party indices must be strictly ascending")]
    Order,
    /// One identity under two indices.
    #[error("an identity key appears twice")]
    DuplicateIdentity,
    /// More signers needed than there are parties, or fewer than two.
    #[error("a threshold of {threshold} is impossible with {parties} parties: choose 2 to {parties}")]
    Threshold {
        /// Number of signers needed.
        threshold: u16,
        /// Number of parties.
        parties: usize,
    },
}

/// Participants with their indices; indices are nonzero, distinct and ascending, identities distinct.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Parties {
    list: Vec<(PartyIndex, Identity)>,
}

impl Parties {
    /// Takes a list with given indices.
    pub fn new(list: Vec<(PartyIndex, Identity)>) -> Result<Self, PartiesError> {
        if !(2..=MAX_PARTIES).contains(&list.len()) {
            return Err(PartiesError::Count(list.len()));
        }
        if !list.is_sorted_by(|a, b| a.0 < b.0) {
            return Err(PartiesError::Order);
        }
        let mut identities: Vec<_> = list.iter().map(|(_, identity)| identity).collect();
        identities.sort_unstable();
        if identities.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(PartiesError::DuplicateIdentity);
        }
        Ok(Self { list })
    }

    /// The dealer of an imported key, who holds it alone at first. Nobody else is ever alone.
    pub fn alone(dealer: Identity) -> Self {
        Self { list: vec![(FIRST, dealer)] }
    }

    /// The fixed rule for new committees: sort the identity keys; the index is one plus the position.
    pub fn from_identities(identities: &[Identity]) -> Result<Self, PartiesError> {
        let mut sorted = identities.to_vec();
        sorted.sort_unstable();
        let index = |i: usize| u16::try_from(i + 1).ok().and_then(PartyIndex::new);
        let list = sorted.into_iter().enumerate().map(|(i, identity)| Some((index(i)?, identity)));
        Self::new(list.collect::<Option<_>>().ok_or(PartiesError::Count(identities.len()))?)
    }

    /// Number of participants.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// Indices, ascending.
    pub fn indices(&self) -> impl ExactSizeIterator<Item = PartyIndex> + Clone + '_ {
        self.list.iter().map(|(index, _)| *index)
    }

    /// Indices and identities, ascending.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (PartyIndex, &Identity)> + '_ {
        self.list.iter().map(|(index, identity)| (*index, identity))
    }

    /// Everybody but `me`, ascending.
    pub fn others(&self, me: PartyIndex) -> impl Iterator<Item = PartyIndex> + Clone + '_ {
        self.indices().filter(move |index| *index != me)
    }

    /// The identity with this index.
    pub fn identity(&self, index: PartyIndex) -> Option<&Identity> {
        self.list.iter().find(|(i, _)| *i == index).map(|(_, identity)| identity)
    }

    /// The index of this identity.
    pub fn index_of(&self, identity: &Identity) -> Option<PartyIndex> {
        self.list.iter().find(|(_, id)| id == identity).map(|(index, _)| *index)
    }

    /// Where the direct value of `from` for `to` stands in `from`'s list of all others.
    pub fn position_among_others(&self, from: PartyIndex, to: PartyIndex) -> Option<usize> {
        self.others(from).position(|index| index == to)
    }

    /// Checks a number of needed signers against the number of parties.
    pub fn check_threshold(&self, threshold: u16) -> Result<(), PartiesError> {
        if (2..=self.count()).contains(&usize::from(threshold)) {
            Ok(())
        } else {
            Err(PartiesError::Threshold { threshold, parties: self.count() })
        }
    }

    /// Absorbs the ordered list of (index, identity).
    pub fn absorb(&self, transcript: &mut Transcript) {
        transcript.count("parties", self.count());
        for (index, identity) in self.iter() {
            transcript.number("index", index.get().into()).bytes("identity", identity);
        }
    }
}

impl<'de> Deserialize<'de> for Parties {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw {
            #[serde(deserialize_with = "at_most::<MAX_PARTIES, _, _>")]
            list: Vec<(PartyIndex, Identity)>,
        }
        let Raw { list } = Raw::deserialize(deserializer)?;
        match list.as_slice() {
            [(index, dealer)] if *index == FIRST => Ok(Self::alone(*dealer)),
            _ => Self::new(list).map_err(serde::de::Error::custom),
        }
    }
}
