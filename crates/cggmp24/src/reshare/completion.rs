//! A completed resharing as something that convinces who took no part: an old holder that must erase its share, a node
//! that was down, a client (`docs/spec/auxinfo-refresh.md`, 5.7, rule 5).
//!
//! The new holders' confirmations alone prove nothing: anybody can invent a committee. What makes them count are the
//! signed openings of `t` holders of the old epoch under a session identifier that names this very committee.

use consign_rounds::{Identities, PerParty, Protocol, PublicPart};
use consign_zk::curve::Curve;
use consign_zk::feldman::Commitments;
use serde::{Deserialize, Serialize};

use super::{Broadcast, Public, Reshare, ReshareError, Reshared, confirmation, round3};
use crate::confirmations::{Place, are_of_all};
use crate::key::KeyInfo;
use crate::parties::Parties;
use crate::sizes;

/// The round in which dealers open.
const OPENING_ROUND: u8 = 3;

/// The proof that a resharing is complete. Untrusted until [`Completion::proves`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(bound = "")]
pub struct Completion<C: Curve> {
    /// The new epoch.
    pub info: KeyInfo<C>,
    /// Its auxiliary information.
    pub aux_id: [u8; 32],
    /// Who dealt, with their old indices.
    pub quorum: Parties,
    /// Nonce of the session.
    pub nonce: [u8; 32],
    /// The dealers' signed openings, by index in the session.
    pub openings: PerParty<PublicPart>,
    /// The new holders' signed confirmations, by index in the session.
    pub confirmations: PerParty<PublicPart>,
}

impl<C: Curve> Completion<C> {
    /// From a finished session: its result, nonce and what was said in each round.
    pub fn new(
        public: &Public<C>,
        nonce: [u8; 32],
        result: &Reshared<C>,
        rounds: &[PerParty<PublicPart>],
    ) -> Self {
        let said = |round: u8| rounds.get(usize::from(round) - 1).into_iter().flatten();
        let entry = |(from, part): (&_, &PublicPart)| (*from, part.clone());
        let openings =
            said(OPENING_ROUND).filter(|(from, _)| public.dealer(**from).is_some()).map(entry).collect();
        let confirmations = said(Reshare::<C>::ROUNDS)
            .filter(|(from, _)| public.receiver(**from).is_some())
            .map(entry)
            .collect();
        let (info, aux_id) = (result.info.clone(), result.aux_id);
        Self { info, aux_id, quorum: public.quorum().clone(), nonce, openings, confirmations }
    }

    /// What the session was about, as this claims. Its [`Public::parties`] say whose keys [`Completion::proves`] needs.
    pub fn public(&self, base: &KeyInfo<C>) -> Result<Public<C>, ReshareError> {
        let info = &self.info;
        let (base, quorum) = (base.clone(), self.quorum.clone());
        Public::without_moduli(base, quorum, info.parties.clone(), info.threshold, info.epoch, self.aux_id)
    }

    /// Whether it proves to somebody who knows only the old epoch `base` that the new one is complete. `identities` are
    /// the keys of the session's parties, under their indices in it.
    pub fn proves(&self, base: &KeyInfo<C>, identities: &impl Identities) -> bool {
        let Ok(public) = self.public(base) else { return false };
        self.info.continues(base)
            && self.info.session == public.session(&self.nonce)
            // Signatures come before the curve: whoever is none of the parties makes nobody compute.
            && self.holders_confirmed(&public, identities)
            && self.dealers_opened(&public, identities)
            && self.info.validate().is_ok()
    }

    /// `t` old holders signed openings that imply these public shares.
    fn dealers_opened(&self, public: &Public<C>, identities: &impl Identities) -> bool {
        let max_bytes = round3::max_bytes(public);
        let place = Place { session: self.info.session, round: OPENING_ROUND, max_bytes };
        let mut opened = Vec::new();
        let says = |from, said: Broadcast<C>| {
            let Broadcast::Round3(opening) = said else { return false };
            let Some(old) = opening.old else { return false };
            let good = round3::check_dealer(public, from, &old).is_ok();
            opened.push(old.coefficients);
            good
        };
        if !are_of_all(place, public.dealers(), &self.openings, identities, says) {
            return false;
        }
        let all = Commitments::sum(opened.iter());
        let implied = self.info.parties.indices().map(|l| all.evaluate(l.get()));
        implied.eq(self.info.public_shares.iter().copied())
    }

    fn holders_confirmed(&self, public: &Public<C>, identities: &impl Identities) -> bool {
        let place = Place { session: self.info.session, round: Reshare::<C>::ROUNDS, max_bytes: sizes::HASH };
        let expected = Some(confirmation::done(&self.info, &self.aux_id));
        let says = |_, said: Broadcast<C>| matches!(said, Broadcast::Round6(said) if said.done == expected);
        are_of_all(place, public.receivers(), &self.confirmations, identities, says)
    }
}
