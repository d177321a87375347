//! How long the messages of a session may be: known from its proposal, before there is a session.

use consign_cggmp24::aux_info::{AuxInfo, AuxPublic};
use consign_cggmp24::keygen::Keygen;
use consign_cggmp24::presign::{Presign, Shape};
use consign_cggmp24::refresh::Refresh;
use consign_cggmp24::reshare::Reshare;
use consign_cggmp24::sign::interactive::{self, Interactive};
use consign_cggmp24::sign::online;
use consign_rounds::limits::{max_envelope_bytes, max_reveal_bytes};
use consign_rounds::{Message, Protocol};

use super::curves::{InfoRef, NodeCurve, curve_of, on_curve};
use super::jobs::public_input;
use super::proposal::{Kind, Proposal};
use super::requests::level_of;
use super::sessions::PublicInput;

/// The longest messages of an honest party.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Sizes {
    /// By round, from round 1.
    rounds: Vec<usize>,
    reveal: usize,
}

impl Sizes {
    /// Those of the session that a proposal leads to; a change of a key needs what is known of it, and a refresh that
    /// keeps moduli these, too.
    pub(super) fn of(
        proposal: &Proposal,
        key: Option<InfoRef<'_>>,
        aux: Option<&AuxPublic>,
    ) -> Result<Self, String> {
        on_curve!(C: curve_of(proposal)? => Self::on::<C>(proposal, key, aux))
    }

    fn on<C: NodeCurve>(
        proposal: &Proposal,
        key: Option<InfoRef<'_>>,
        aux: Option<&AuxPublic>,
    ) -> Result<Self, String> {
        let count = proposal.participants.len();
        let (last, rounds): (u8, Vec<usize>) = match proposal.kind {
            Kind::Sign => {
                let level = level_of(proposal.level).ok_or("unknown level")?;
                let last = Interactive::<C>::ROUNDS;
                (last, (1..=last).map(|r| interactive::max_message_bytes::<C>(level, count, r)).collect())
            }
            Kind::Presign => {
                let level = level_of(proposal.level).ok_or("unknown level")?;
                let shape = Shape { level, signers: count, batch: proposal.batch };
                let last = Presign::<C>::ROUNDS;
                (last, (1..=last).map(|r| shape.max_message_bytes::<C>(r)).collect())
            }
            Kind::Online => (online::ROUND, vec![online::max_message_bytes::<C>()]),
            Kind::Keygen | Kind::Aux | Kind::Refresh | Kind::Reshare | Kind::Import => {
                match public_input::<C>(proposal, key.and_then(C::take), aux)? {
                    PublicInput::Keygen(public) => by_round::<Keygen<C>>(&public),
                    PublicInput::Aux(public) => by_round::<AuxInfo<C>>(&public),
                    PublicInput::Refresh(public) => by_round::<Refresh<C>>(&public),
                    PublicInput::Reshare(public) => by_round::<Reshare<C>>(&public),
                    PublicInput::Sign(_) | PublicInput::Presign(_) | PublicInput::Online(_) => {
                        return Err("a signing is proposed as something else".to_owned());
                    }
                }
            }
        };
        Ok(Self { rounds, reveal: max_reveal_bytes(last, count) })
    }

    /// Whether an honest party may have sent this message of `length` bytes.
    pub(super) fn allow(&self, message: &Message, length: usize) -> bool {
        let limit = match message {
            Message::Envelope(envelope) => {
                let round = usize::from(envelope.signed.header.round);
                round.checked_sub(1).and_then(|place| self.rounds.get(place)).copied().unwrap_or(0)
            }
            Message::Reveal(_) => self.reveal,
        };
        length <= limit
    }
}

fn by_round<P: Protocol>(public: &P::Public) -> (u8, Vec<usize>) {
    (P::ROUNDS, (1..=P::ROUNDS).map(|round| max_envelope_bytes::<P>(public, round)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::proposal::sample;
    use crate::identity::Identity;

    fn proposal(kind: Kind, level: u16, count: u8) -> Proposal {
        let ids: Vec<_> = (1..=count).map(|i| Identity::from_seed(&[i; 32]).node_id()).collect();
        Proposal { kind, level, ..sample(&ids) }
    }

    /// A member can make others keep little: hundreds of kilobytes, where a message of any kind may have megabytes.
    #[test]
    fn sessions_keep_little() {
        for (kind, level, count, longest) in [
            (Kind::Keygen, 128, 3, 2 << 10),
            (Kind::Keygen, 128, 100, 10 << 10),
            (Kind::Aux, 128, 3, 256 << 10),
            (Kind::Sign, 128, 2, 1 << 20),
            (Kind::Sign, 128, 20, 8 << 20),
        ] {
            let sizes = Sizes::of(&proposal(kind, level, count), None, None).unwrap();
            assert!(sizes.rounds.iter().all(|size| *size <= longest), "{kind:?} {count}: {sizes:?}");
        }
        // The long ones come last, and only where there are alerts.
        let sizes = Sizes::of(&proposal(Kind::Sign, 128, 2), None, None).unwrap();
        let (last, before) = sizes.rounds.split_last().unwrap();
        assert!(before.iter().all(|size| *size < 32 << 10) && *last > 400 << 10, "{sizes:?}");
        assert!(Sizes::of(&proposal(Kind::Sign, 128, 21), None, None).unwrap().rounds[4] < 1 << 10);
        assert!(Sizes::of(&proposal(Kind::Sign, 7, 2), None, None).is_err());
    }
}
