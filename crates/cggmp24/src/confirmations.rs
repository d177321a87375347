//! Sets of signed messages that convince somebody who took no part: one of each party, of one round of one session.

use consign_rounds::{Identities, PartyIndex, PerParty, PublicPart, SessionId, decode};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Where the messages of a set were said.
#[derive(Clone, Copy)]
pub(crate) struct Place {
    pub(crate) session: SessionId,
    pub(crate) round: u8,
    /// Longest broadcast of that round.
    pub(crate) max_bytes: usize,
}

/// Whether `set` has exactly one message of each of `parties`, said in `place`, signed, for which `says` holds.
pub(crate) fn are_of_all<B: Serialize + DeserializeOwned>(
    place: Place,
    parties: impl Iterator<Item = PartyIndex>,
    set: &PerParty<PublicPart>,
    identities: &impl Identities,
    mut says: impl FnMut(PartyIndex, B) -> bool,
) -> bool {
    let is_theirs = |(from, part): (&PartyIndex, &PublicPart)| {
        let header = &part.signed.header;
        (header.session, header.round, header.from) == (place.session, place.round, *from)
            && part.broadcast.len() <= place.max_bytes
            && part.is_authentic(identities)
    };
    let mut confirms = |(from, part): (&PartyIndex, &PublicPart)| {
        decode(&part.broadcast, place.max_bytes).is_ok_and(|said| says(*from, said))
    };
    // What was not said by anybody is not even read: what follows may take long.
    parties.eq(set.keys().copied()) && set.iter().all(is_theirs) && set.iter().all(&mut confirms)
}
