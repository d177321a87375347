//! The broadcasts of completed rounds, as bytes: what an echo stands for and what evidence shows.

use serde::{Deserialize, Serialize};

use crate::codec::{Bytes, at_most, decode};
use crate::hash::{Hash, SessionId, broadcast_hash, first_echo, next_echo};
use crate::limits::MAX_ROUNDS;
use crate::party::{PartyIndex, PerParty};
use crate::protocol::Protocol;

/// Every broadcast of rounds 1, 2, … of one session, in this order.
///
/// No signatures are kept with them: evidence is judged by the past whose echo the **accused** has signed, so
/// there is nothing that the authors' signatures would add. Direct parts, which hold secrets, stay out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Past(
    #[serde(deserialize_with = "at_most::<{ MAX_ROUNDS as usize }, _, _>")] pub Vec<PerParty<Bytes>>,
);

impl Past {
    /// Number of rounds.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Has every round one broadcast of each of `parties`?
    pub(crate) fn is_complete(&self, parties: &[PartyIndex]) -> bool {
        self.0.iter().all(|round| round.keys().eq(parties))
    }

    /// What `from` said in `round`.
    pub(crate) fn said(&self, round: u8, from: PartyIndex) -> Option<&Bytes> {
        self.0.get(usize::from(round).checked_sub(1)?)?.get(&from)
    }

    /// `E_0` to `E_k`, where k is the number of rounds.
    pub(crate) fn echoes(&self, session: SessionId) -> Vec<Hash> {
        let mut echo = first_echo(session);
        let mut echoes = vec![echo];
        for (round, said) in (1..).zip(&self.0) {
            let hashes = said.iter().map(|(&from, bytes)| (from, broadcast_hash(bytes))).collect();
            echo = next_echo(session, round, &echo, &hashes);
            echoes.push(echo);
        }
        echoes
    }

    /// The view after the first `rounds` rounds; `None` if a broadcast is not what its round uses.
    pub(crate) fn view<P: Protocol>(&self, public: &P::Public, rounds: usize) -> Option<P::View> {
        let mut view = P::View::default();
        for (round, said) in (1..).zip(self.0.iter().take(rounds)) {
            for (&from, bytes) in said {
                P::record(&mut view, round, from, read_broadcast::<P>(public, round, bytes)?);
            }
        }
        Some(view)
    }
}

/// Decodes the broadcast part of a message of `round`; `None` if it is too long, malformed or of another round.
pub(crate) fn read_broadcast<P: Protocol>(
    public: &P::Public,
    round: u8,
    bytes: &[u8],
) -> Option<P::Broadcast> {
    let broadcast = decode(bytes, P::max_broadcast_bytes(public, round)).ok()?;
    P::fits_broadcast(round, &broadcast).then_some(broadcast)
}

/// Decodes the direct part of a message of `round`; `None` if it is too long, malformed or of another round.
pub(crate) fn read_direct<P: Protocol>(public: &P::Public, round: u8, bytes: &[u8]) -> Option<P::Direct> {
    let direct = decode(bytes, P::max_direct_bytes(public, round)).ok()?;
    P::fits_direct(round, &direct).then_some(direct)
}
