//! After echoes differ: reveals are sent, answered and compared.
//!
//! Suppose P told A and B different things. A and B then sign different echoes, and each sees the other's. Neither
//! may be blamed for it. Each shows the signed headers it received, and two of them convict P. If B instead signed
//! an echo of something that nobody said, B's reveal contradicts B's own header. So the reveal of a party
//! whose echo differs always convicts somebody; only a missing reveal leaves the failure unattributed.
//!
//! A reveal is answered even by those who noticed nothing: the equivocator may have spared them.

use std::collections::BTreeMap;

use super::{DropReason, Effect, Phase, Seat, Session, equivocation};
use crate::envelope::{Header, SignedHeader};
use crate::evidence::{Evidence, Verdict};
use crate::hash::{Hash, direct_hash};
use crate::judge::Charge;
use crate::party::{Identities, PartyIndex};
use crate::protocol::Protocol;
use crate::reveal::{Message, Reveal};

/// A party's longest reveal so far, and how much we have shown to it.
pub(super) struct Revealed {
    reveal: Reveal,
    /// `E_0` to `E_k` of the reveal.
    echoes: Vec<Hash>,
    /// Number of rounds in our last reveal to this party.
    answered: Option<u8>,
}

impl<P: Protocol, I: Identities> Session<P, I> {
    /// Keeps a reveal if it is longer than the sender's last (so there are at most `ROUNDS + 1` per party), and
    /// compares it with everything that is here.
    pub(super) fn receive_reveal(&mut self, reveal: Reveal) -> Vec<Effect<P>> {
        if let Some(reason) = self.refuse_reveal(&reveal) {
            self.dropped.add(reason);
            return Vec::new();
        }
        let Some(echoes) = reveal.echoes(&self.parties, P::ROUNDS) else {
            return self.convict(vec![bad_reveal(&reveal)]);
        };
        let answered = self.revealed.get(&reveal.from).and_then(|earlier| earlier.answered);
        self.revealed.insert(reveal.from, Revealed { reveal, echoes, answered });
        let mut effects = self.compare_reveals();
        if matches!(self.phase, Phase::Revealing) && self.waiting_for().1.is_empty() {
            effects.extend(self.fail_unattributed());
        }
        effects
    }

    fn refuse_reveal(&self, reveal: &Reveal) -> Option<DropReason> {
        if reveal.session != self.seat.session {
            return Some(DropReason::Session);
        }
        if reveal.from == self.seat.me || self.parties.binary_search(&reveal.from).is_err() {
            return Some(DropReason::Sender);
        }
        let earlier = self.revealed.get(&reveal.from);
        if earlier.is_some_and(|earlier| earlier.reveal.completed >= reveal.completed) {
            return Some(DropReason::Duplicate);
        }
        // A list this long cannot be a list of this session's headers, and hashing it would cost.
        if reveal.headers.len() > usize::from(P::ROUNDS) * self.parties.len() {
            return Some(DropReason::Round);
        }
        (!reveal.is_authentic(&*self.seat.identities)).then_some(DropReason::Signature)
    }

    /// Has `party` shown all the rounds that we have completed?
    pub(super) fn has_revealed_enough(&self, party: PartyIndex) -> bool {
        self.revealed.get(&party).is_some_and(|theirs| theirs.reveal.completed >= self.completed())
    }

    /// Shows everyone what we received.
    pub(super) fn start_revealing(&mut self) -> Vec<Effect<P>> {
        self.phase = Phase::Revealing;
        let completed = self.completed();
        for theirs in self.revealed.values_mut() {
            theirs.answered = Some(completed);
        }
        let reveal = self.own_reveal();
        let peers = self.parties.iter().copied().filter(|&party| party != self.seat.me);
        peers.map(|to| Effect::Send { to, message: Message::Reveal(reveal.clone()) }).collect()
    }

    /// Answers every reveal that we have not answered at all, or by a shorter one than it is and than we now have.
    pub(super) fn answer_reveals(&mut self) -> Vec<Effect<P>> {
        let completed = self.completed();
        let is_owed = |theirs: &Revealed| {
            theirs.answered.is_none_or(|answered| answered < completed.min(theirs.reveal.completed))
        };
        if !self.revealed.values().any(is_owed) {
            return Vec::new();
        }
        let reveal = self.own_reveal();
        let owed = self.revealed.iter_mut().filter(|(_, theirs)| is_owed(theirs));
        owed.map(|(&to, theirs)| {
            theirs.answered = Some(completed);
            Effect::Send { to, message: Message::Reveal(reveal.clone()) }
        })
        .collect()
    }

    /// All headers of a reveal are addressed to its author: those of our own broadcasts are signed for that only now.
    fn own_reveal(&self) -> Reveal {
        let Seat { session, me, signer, .. } = &self.seat;
        let mut headers = self.headers.clone();
        for own in headers.iter_mut().filter_map(|round| round.get_mut(me)) {
            let header = Header { to: *me, direct_hash: direct_hash(&[]), ..own.header };
            *own = SignedHeader::sign(header, &**signer);
        }
        Reveal::sign(*session, *me, &headers, &**signer)
    }

    /// Compares all reveals with our headers and with each other, and ends the session if that proves something.
    pub(super) fn compare_reveals(&mut self) -> Vec<Effect<P>> {
        if self.revealed.is_empty() {
            return Vec::new();
        }
        let mut verdicts = self.wrong_echoes();
        verdicts.extend(self.contradictions());
        self.convict(verdicts)
    }

    /// Who signed a header whose echo is not that of the headers it reveals?
    fn wrong_echoes(&self) -> Vec<Verdict<P::Fault>> {
        let mut verdicts = Vec::new();
        for (&from, theirs) in &self.revealed {
            for (round, echo) in (1..).zip(&theirs.echoes) {
                if let Some(&header) = self.header(round, from).filter(|known| known.header.echo != *echo) {
                    let evidence = Evidence::WrongEcho { reveal: theirs.reveal.clone(), header };
                    verdicts.push(Verdict { culprit: from, charge: Charge::WrongEcho, evidence });
                    break;
                }
            }
        }
        verdicts
    }

    /// Who signed two headers that contradict each other? Signatures of revealed headers are looked at only here,
    /// where they matter; a false one convicts whoever revealed it.
    fn contradictions(&self) -> Vec<Verdict<P::Fault>> {
        let identities = &*self.seat.identities;
        let mut verdicts = Vec::new();
        let mut first_seen: BTreeMap<(u8, PartyIndex), (SignedHeader, Option<&Reveal>)> = BTreeMap::new();
        for theirs in self.revealed.values() {
            for signed in &theirs.reveal.headers {
                let place = (signed.header.round, signed.header.from);
                let ours = self.header(place.0, place.1).map(|known| (*known, None));
                let entry = first_seen.entry(place);
                let (known, shown_by) = *entry.or_insert(ours.unwrap_or((*signed, Some(&theirs.reveal))));
                if !known.header.contradicts(&signed.header) {
                    continue;
                }
                let is_false = |signed: &SignedHeader| !signed.is_authentic(identities);
                match shown_by.filter(|_| is_false(&known)) {
                    Some(shown_by) => verdicts.push(bad_reveal(shown_by)),
                    None if is_false(signed) => verdicts.push(bad_reveal(&theirs.reveal)),
                    None => verdicts.push(equivocation(known, *signed)),
                }
            }
        }
        verdicts
    }
}

fn bad_reveal<F>(reveal: &Reveal) -> Verdict<F> {
    let evidence = Evidence::BadReveal(reveal.clone());
    Verdict { culprit: reveal.from, charge: Charge::BadReveal, evidence }
}
