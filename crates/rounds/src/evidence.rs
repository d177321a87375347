//! Transferable proof that a party broke the protocol. A judge needs the public input of the session, its id, the
//! parties' identity keys, and nothing else.
//!
//! The rule that keeps honest parties safe: **the accused is judged by the past that it signed itself.** Every
//! header carries the echo of all earlier broadcasts as its sender saw them; evidence whose past has another echo
//! is void.

use serde::{Deserialize, Serialize};

use crate::codec::{DecodeError, decode, encode};
use crate::envelope::{Envelope, PublicPart, SignedHeader};
use crate::hash::SessionId;
use crate::judge::{Charge, Court, Finding};
use crate::party::{Identities, PartyIndex};
use crate::past::{Past, read_broadcast};
use crate::protocol::Protocol;
use crate::reveal::Reveal;

/// A party's accusation. `evidence` proves it to others; the rest is what the judge will find too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict<F> {
    /// Who did it.
    pub culprit: PartyIndex,
    /// What.
    pub charge: Charge<F>,
    /// Transferable proof.
    pub evidence: Evidence,
}

/// A transferable proof. Untrusted until judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Evidence {
    /// Two headers that no honest party signs both.
    Equivocation(SignedHeader, SignedHeader),
    /// `charge` does not decode or fails `check`, given the rounds before it.
    Misbehaviour {
        /// All earlier rounds.
        before: Past,
        /// The bad message, with its direct part.
        charge: Envelope,
    },
    /// A complaint, which convicts one of the two.
    Complaint {
        /// All rounds before the complaint.
        before: Past,
        /// The accuser's broadcast.
        complaint: PublicPart,
    },
    /// A party's echo differs from what it reveals to have received.
    WrongEcho {
        /// What it received, it says.
        reveal: Reveal,
        /// Its header with another echo.
        header: SignedHeader,
    },
    /// A reveal that is wrong in itself.
    BadReveal(Reveal),
}

impl Evidence {
    /// The one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Decodes at most `max` bytes; see [`MAX_EVIDENCE_BYTES`](crate::limits::MAX_EVIDENCE_BYTES).
    ///
    /// # Errors
    ///
    /// [`DecodeError`].
    pub fn decode(bytes: &[u8], max: usize) -> Result<Self, DecodeError> {
        decode(bytes, max)
    }

    /// The round of the message that is complained of, as the evidence itself says; a reveal belongs to none.
    #[must_use]
    pub fn round(&self) -> Option<u8> {
        match self {
            Self::Equivocation(signed, _) | Self::WrongEcho { header: signed, .. } => {
                Some(signed.header.round)
            }
            Self::Misbehaviour { charge, .. } => Some(charge.signed.header.round),
            Self::Complaint { complaint, .. } => Some(complaint.signed.header.round),
            Self::BadReveal(_) => None,
        }
    }

    /// The culprit, if this proves that somebody broke the protocol `P` in `session`.
    pub fn verify<P: Protocol>(
        &self,
        public: &P::Public,
        session: SessionId,
        identities: &(impl Identities + ?Sized),
    ) -> Option<PartyIndex> {
        self.judge::<P>(public, session, identities).map(|(culprit, _)| culprit)
    }

    /// Like [`verify`](Self::verify), with what the culprit did.
    pub fn judge<P: Protocol>(
        &self,
        public: &P::Public,
        session: SessionId,
        identities: &(impl Identities + ?Sized),
    ) -> Option<(PartyIndex, Charge<P::Fault>)> {
        let court = Court::<P, _> { public, session, identities };
        match self {
            Self::Equivocation(a, b) => court.equivocation(a, b),
            Self::Misbehaviour { before, charge } => court.misbehaviour(before, charge),
            Self::Complaint { before, complaint } => court.complaint(before, complaint),
            Self::WrongEcho { reveal, header } => court.wrong_echo(reveal, header),
            Self::BadReveal(reveal) => court.bad_reveal(reveal),
        }
    }
}

type Sentence<F> = Option<(PartyIndex, Charge<F>)>;

impl<P: Protocol, I: Identities + ?Sized> Court<'_, P, I> {
    /// Is `signed` a header of this session, by a party of it?
    fn admits(&self, signed: &SignedHeader) -> bool {
        let header = &signed.header;
        header.session == self.session
            && (1..=P::ROUNDS).contains(&header.round)
            && self.is_party(header.from)
            && signed.is_authentic(self.identities)
    }

    fn is_party(&self, index: PartyIndex) -> bool {
        self.identities.parties().contains(&index)
    }

    /// Is `before` the complete past of somebody who speaks in `round`?
    fn precedes(&self, before: &Past, round: u8) -> bool {
        before.len() + 1 == usize::from(round) && before.is_complete(self.identities.parties())
    }

    fn equivocation(&self, a: &SignedHeader, b: &SignedHeader) -> Sentence<P::Fault> {
        let proven = self.admits(a) && self.admits(b) && a.header.contradicts(&b.header);
        proven.then_some((a.header.from, Charge::Equivocation))
    }

    fn misbehaviour(&self, before: &Past, charge: &Envelope) -> Sentence<P::Fault> {
        let header = &charge.signed.header;
        // What a party shows of itself in a reveal has no direct part: it must not be judged as a message to a peer.
        let is_message = header.to != header.from && self.is_party(header.to);
        if !is_message || !self.admits(&charge.signed) || !charge.is_whole() {
            return None;
        }
        if !self.precedes(before, header.round) {
            return None;
        }
        if before.echoes(self.session).last() != Some(&header.echo) {
            // The first echo depends on the session alone; of a later one we only know that this is not its past.
            return (header.round == 1).then_some((header.from, Charge::WrongEcho));
        }
        let view = before.view::<P>(self.public, before.len())?;
        let fault = self.listen(&view, &P::Aid::default(), charge).err()?;
        Some((header.from, fault))
    }

    fn complaint(&self, before: &Past, said: &PublicPart) -> Sentence<P::Fault> {
        let header = &said.signed.header;
        if !self.admits(&said.signed) || !said.is_authentic(self.identities) {
            return None;
        }
        if !self.precedes(before, header.round) {
            return None;
        }
        let echoes = before.echoes(self.session);
        if echoes.last() != Some(&header.echo) {
            return None;
        }
        let broadcast = read_broadcast::<P>(self.public, header.round, &said.broadcast)?;
        let complaint = P::complaint(&broadcast)?;
        match self.rule_on(complaint, (header.from, header.round, &broadcast), before, &echoes)? {
            Finding::Accused(charge) => Some((complaint.against, charge)),
            Finding::Accuser(charge) => Some((header.from, charge)),
            Finding::Equivocated => None, // two headers prove that, not a complaint
        }
    }

    fn wrong_echo(&self, reveal: &Reveal, signed: &SignedHeader) -> Sentence<P::Fault> {
        let echoes = self.admitted_echoes(reveal)??;
        let header = &signed.header;
        let claimed = echoes.get(usize::from(header.round).checked_sub(1)?)?;
        let proven = self.admits(signed) && header.from == reveal.from && header.echo != *claimed;
        proven.then_some((header.from, Charge::WrongEcho))
    }

    fn bad_reveal(&self, reveal: &Reveal) -> Sentence<P::Fault> {
        let is_possible = self.admitted_echoes(reveal)?.is_some()
            && reveal.headers.iter().all(|signed| signed.is_authentic(self.identities));
        (!is_possible).then_some((reveal.from, Charge::BadReveal))
    }

    /// The echoes of a reveal that its sender signed for this session. `None`: it did not; `Some(None)`: it did,
    /// and the list of headers is impossible.
    fn admitted_echoes(&self, reveal: &Reveal) -> Option<Option<Vec<crate::hash::Hash>>> {
        let is_theirs = reveal.session == self.session
            && self.is_party(reveal.from)
            && reveal.is_authentic(self.identities);
        is_theirs.then(|| reveal.echoes(self.identities.parties(), P::ROUNDS))
    }
}
