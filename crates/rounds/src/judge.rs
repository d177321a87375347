//! The questions that a running session and a judge ask in the same words: is this message good, who is at fault
//! after this complaint? One function for both, so that they cannot drift apart.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::envelope::Envelope;
use crate::hash::{Hash, SessionId, broadcast_hash};
use crate::party::{Identities, PartyIndex};
use crate::past::{Past, read_broadcast, read_direct};
use crate::protocol::{Complaint, Protocol, Ruling, Said};

/// What a culprit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Charge<F> {
    /// Broke this rule of the protocol.
    Broke(F),
    /// Signed something too long, undecodable, or of another round's kind.
    Malformed,
    /// Complained about something that the accused did not sign for the accuser.
    FalseComplaint,
    /// Signed two contents for one place.
    Equivocation,
    /// Signed an echo that is not the hash of the headers it reveals.
    WrongEcho,
    /// Signed a reveal that no honest party can have made.
    BadReveal,
}

impl<F: fmt::Display> fmt::Display for Charge<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Broke(fault) => fault.fmt(f),
            Self::Malformed => f.write_str("malformed message"),
            Self::FalseComplaint => f.write_str("complaint about something the accused did not sign"),
            Self::Equivocation => f.write_str("different messages under one header"),
            Self::WrongEcho => f.write_str("echo differs from the headers revealed"),
            Self::BadReveal => f.write_str("impossible reveal"),
        }
    }
}

/// Who is at fault after a complaint.
pub(crate) enum Finding<F> {
    /// The accused.
    Accused(Charge<F>),
    /// The accuser.
    Accuser(Charge<F>),
    /// The accused signed another broadcast or echo to the accuser than the recorded one: two signed headers.
    Equivocated,
}

/// What every question refers to.
pub(crate) struct Court<'a, P: Protocol, I: ?Sized> {
    pub(crate) public: &'a P::Public,
    pub(crate) session: SessionId,
    pub(crate) identities: &'a I,
}

impl<P: Protocol, I: Identities + ?Sized> Court<'_, P, I> {
    /// Reads and checks an authentic envelope whose echo is that of `view`.
    pub(crate) fn listen(
        &self,
        view: &P::View,
        aid: &P::Aid,
        envelope: &Envelope,
    ) -> Result<Said<P>, Charge<P::Fault>> {
        let header = &envelope.signed.header;
        let round = header.round;
        let broadcast = read_broadcast::<P>(self.public, round, &envelope.broadcast);
        let direct = read_direct::<P>(self.public, round, &envelope.direct);
        let (Some(broadcast), Some(direct)) = (broadcast, direct) else {
            return Err(Charge::Malformed);
        };
        let said = Said { round, broadcast, direct };
        P::check(self.public, view, aid, header.from, header.to, &said, self.session)
            .map_err(Charge::Broke)?;
        Ok(said)
    }

    /// Decides the complaint that `accuser` made in `round` by `broadcast`.
    ///
    /// `past` is that of all rounds before `round`, complete, and the one whose echo the accuser signed; `echoes`
    /// are its. `None` if the past does not decode.
    pub(crate) fn rule_on(
        &self,
        complaint: &Complaint,
        (accuser, round, broadcast): (PartyIndex, u8, &P::Broadcast),
        past: &Past,
        echoes: &[Hash],
    ) -> Option<Finding<P::Fault>> {
        let accused = complaint.against;
        let header = &complaint.envelope.signed.header;
        let is_theirs = (header.session, header.from, header.to) == (self.session, accused, accuser)
            && accused != accuser;
        let is_earlier = (1..round).contains(&header.round);
        if !is_theirs || !is_earlier || !complaint.envelope.is_authentic(self.identities) {
            return Some(Finding::Accuser(Charge::FalseComplaint));
        }
        let Some(said) = past.said(header.round, accused) else {
            return Some(Finding::Accuser(Charge::FalseComplaint)); // signed by somebody outside the session
        };
        let before = usize::from(header.round) - 1;
        if echoes.get(before) != Some(&header.echo) || broadcast_hash(said) != header.broadcast_hash {
            return Some(Finding::Equivocated);
        }
        let Some(direct) = read_direct::<P>(self.public, header.round, &complaint.envelope.direct) else {
            return Some(Finding::Accused(Charge::Malformed));
        };
        // Only what the accused had seen when it signed. Later broadcasts are bound to the accuser alone.
        let mut view = past.view::<P>(self.public, before)?;
        let own = read_broadcast::<P>(self.public, header.round, said)?;
        P::record(&mut view, header.round, accused, own);
        Some(match P::rule(self.public, &view, accuser, accused, &direct, broadcast, self.session) {
            Ruling::Accused(fault) => Finding::Accused(Charge::Broke(fault)),
            Ruling::Accuser(fault) => Finding::Accuser(Charge::Broke(fault)),
        })
    }
}
