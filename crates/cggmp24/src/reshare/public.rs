//! What dealers and receivers agreed on before a resharing.

use consign_rounds::{PartyIndex, PerParty, SessionId};
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::feldman::lagrange_at_zero;
use thiserror::Error;

use crate::aux_info::AuxPublic;
use crate::key::{KeyError, KeyInfo};
use crate::parties::{Identity, Parties, PartiesError};
use crate::ssid::{Change, ProtocolKind};

/// The key as it is, who deals it to whom, and the epoch to make. Public data only.
///
/// A session has one index per party, whatever roles it plays: the position of its identity key among all, from 1.
/// Everything in messages is named by that. The index under which a party held or will hold a share is data of this
/// type, never of a message.
#[derive(Clone, Debug)]
pub struct Public<C: Curve> {
    base: KeyInfo<C>,
    quorum: Parties,
    holders: Parties,
    threshold: u16,
    epoch: u64,
    aux_id: [u8; 32],
    parties: Parties,
    dealers: PerParty<Dealer<C>>,
    receivers: PerParty<PartyIndex>,
}

/// A holder of the old epoch that deals its part of the key.
#[derive(Clone, Debug)]
pub(super) struct Dealer<C: Curve> {
    /// Its index in the old epoch.
    pub(super) old: PartyIndex,
    /// Its Lagrange coefficient within the quorum.
    pub(super) lambda: Scalar<C>,
    /// `[lambda_i]X_i`.
    pub(super) W: Point<C>,
}

/// Why a resharing cannot start: the caller's mistake or unfit stored data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ReshareError {
    /// The key contradicts itself.
    #[error("the key is unusable: {0}")]
    Key(#[from] KeyError),
    /// Impossible numbers of parties, or one party twice.
    #[error(transparent)]
    Parties(#[from] PartiesError),
    /// Not exactly as many dealers as the key needs.
    #[error("exactly {needed} holders deal this key, not {given}")]
    Quorum {
        /// The key's threshold.
        needed: u16,
        /// Dealers named.
        given: usize,
    },
    /// A dealer does not hold the key under this index and identity.
    #[error("party {0} does not hold this key under this index and identity")]
    Outsider(PartyIndex),
    /// The new epoch does not come after the old one.
    #[error("the new epoch must have a larger number than {0}")]
    Epoch(u64),
    /// The auxiliary information is not of all new holders, or of another level.
    #[error("there is no auxiliary information of all new holders: make it before resharing")]
    Aux,
    /// This party is neither a dealer nor a receiver.
    #[error("this party takes no part in the resharing")]
    NoRole,
    /// A dealer brings the share of another key, epoch or party, or none; or a receiver brings one.
    #[error("a dealer, and only a dealer, brings its share of the agreed key and epoch")]
    OtherKey,
}

impl<C: Curve> Public<C> {
    /// `quorum` are exactly `t` holders with their old indices; `holders` the new committee with its indices, of whom
    /// `threshold` will sign. Auxiliary information of all new holders exists already (attack A-78).
    pub fn new(
        base: KeyInfo<C>,
        quorum: Parties,
        holders: Parties,
        threshold: u16,
        epoch: u64,
        aux: &AuxPublic,
    ) -> Result<Self, ReshareError> {
        let fits = aux.is_genuine()
            && aux.level == base.level
            && aux.covers(holders.iter().map(|(_, identity)| identity));
        if !fits {
            return Err(ReshareError::Aux);
        }
        Self::without_moduli(base, quorum, holders, threshold, epoch, aux.aux_id)
    }

    /// As [`Public::new`], for whoever has none of the moduli: a dealer that leaves, a judge. The new holders look at
    /// them, each for itself; a session in which they do not agree about `aux_id` is not the same session.
    pub fn without_moduli(
        base: KeyInfo<C>,
        quorum: Parties,
        holders: Parties,
        threshold: u16,
        epoch: u64,
        aux_id: [u8; 32],
    ) -> Result<Self, ReshareError> {
        base.validate()?;
        holders.check_threshold(threshold)?;
        if epoch <= base.epoch {
            return Err(ReshareError::Epoch(base.epoch));
        }
        if quorum.count() != usize::from(base.threshold) {
            return Err(ReshareError::Quorum { needed: base.threshold, given: quorum.count() });
        }
        let parties = union(&quorum, &holders)?;
        let dealers = dealers(&base, &quorum, &parties)?;
        let place = |(index, identity)| Some((parties.index_of(identity)?, index));
        let receivers = holders.iter().filter_map(place).collect();
        Ok(Self { base, quorum, holders, threshold, epoch, aux_id, parties, dealers, receivers })
    }

    /// The key as it is.
    pub fn base(&self) -> &KeyInfo<C> {
        &self.base
    }

    /// Who deals, with their indices in the old epoch.
    pub fn quorum(&self) -> &Parties {
        &self.quorum
    }

    /// The new committee, with its indices.
    pub fn holders(&self) -> &Parties {
        &self.holders
    }

    /// Number of signers that the new epoch needs.
    pub fn threshold(&self) -> u16 {
        self.threshold
    }

    /// Number of the epoch to make.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// The auxiliary information of the new committee.
    pub fn aux_id(&self) -> &[u8; 32] {
        &self.aux_id
    }

    /// The session's parties: dealers and receivers.
    pub fn parties(&self) -> &Parties {
        &self.parties
    }

    /// The session identifier for a nonce that nobody picked alone.
    pub fn session(&self, nonce: &[u8; 32]) -> SessionId {
        let change = Change {
            kind: ProtocolKind::Reshare,
            base: &self.base,
            epoch: self.epoch,
            aux_id: Some(&self.aux_id),
            dealers: &self.quorum,
            holders: &self.holders,
            threshold: self.threshold,
        };
        change.session(&self.parties, nonce)
    }

    /// The party's role as a dealer.
    pub(super) fn dealer(&self, party: PartyIndex) -> Option<&Dealer<C>> {
        self.dealers.get(&party)
    }

    /// The party's new index, if it is a receiver.
    pub(super) fn receiver(&self, party: PartyIndex) -> Option<PartyIndex> {
        self.receivers.get(&party).copied()
    }

    /// All dealers, ascending.
    pub(super) fn dealers(&self) -> impl Iterator<Item = PartyIndex> + Clone + '_ {
        self.dealers.keys().copied()
    }

    /// All receivers, ascending.
    pub(super) fn receivers(&self) -> impl Iterator<Item = PartyIndex> + Clone + '_ {
        self.receivers.keys().copied()
    }

    /// Those to whom `dealer` sends a share, ascending.
    pub(super) fn receivers_but(&self, dealer: PartyIndex) -> impl Iterator<Item = PartyIndex> + '_ {
        self.receivers().filter(move |receiver| *receiver != dealer)
    }

    /// Those who send `receiver` a share, ascending.
    pub(super) fn dealers_but(&self, receiver: PartyIndex) -> impl Iterator<Item = PartyIndex> + '_ {
        self.dealers().filter(move |dealer| *dealer != receiver)
    }
}

/// Everybody once, numbered by identity.
fn union(quorum: &Parties, holders: &Parties) -> Result<Parties, PartiesError> {
    let mut all: Vec<Identity> = quorum.iter().chain(holders.iter()).map(|(_, identity)| *identity).collect();
    all.sort_unstable();
    all.dedup();
    Parties::from_identities(&all)
}

fn dealers<C: Curve>(
    base: &KeyInfo<C>,
    quorum: &Parties,
    parties: &Parties,
) -> Result<PerParty<Dealer<C>>, ReshareError> {
    let indices: Vec<u16> = quorum.indices().map(PartyIndex::get).collect();
    let dealer = |(old, identity): (PartyIndex, &Identity)| {
        let is_holder = base.parties.identity(old) == Some(identity);
        let found = || {
            let lambda = lagrange_at_zero(&indices, old.get())?;
            let W = *base.public_share(old)? * lambda;
            Some((parties.index_of(identity)?, Dealer { old, lambda, W }))
        };
        is_holder.then(found).flatten().ok_or(ReshareError::Outsider(old))
    };
    quorum.iter().map(dealer).collect()
}
