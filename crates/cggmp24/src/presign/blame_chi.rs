//! The alert after a failed (X), `[delta]X != sum of S_j`: whose `S_i` is not what it was sent, or who sent what is no
//! product with its key share (`docs/spec/signing.md`, 6.9)?

use consign_rounds::PartyIndex;
use consign_zk::context::Role;
use consign_zk::curve::{Curve, Point};
use consign_zk::integer::Integer;
use consign_zk::paillier::Ciphertext;

use super::alert::Blame;
use super::round2::{Drawn, Mask, Response};
use super::round3::{Round3, Slot};
use super::{Fault, Public, View};

/// The sum `chi`, the key times the nonce.
pub(super) enum Chi {}

impl<C: Curve> Blame<C> for Chi {
    const DEC: Role = Role::AlertKey;
    const RESPONSE: Role = Role::AlertKeyResponse;

    fn pair(response: &Response) -> (&Ciphertext, &Ciphertext) {
        (&response.D_hat, &response.F_hat)
    }

    /// `W_i`.
    fn factor(public: &Public<C>, _: &View<C>, i: PartyIndex, _: usize) -> Option<Point<C>> {
        Some(public.member(i)?.W)
    }

    /// `S_i`, to the base `Gamma`.
    fn claim(view: &View<C>, i: PartyIndex, b: usize) -> Option<(Point<C>, Point<C>)> {
        Some((view.round3.get(&i)?.get(b)?.S, view.Gamma(b)))
    }

    fn dec_fault(slot: u32) -> Fault {
        Fault::ChiSum { slot }
    }

    fn response_fault(slot: u32) -> Fault {
        Fault::ChiResponse { slot }
    }

    /// `w_i`.
    fn secret(state: &Round3<C>, _: &Slot<C>) -> Integer {
        state.w.expose().to_integer()
    }

    fn mask(drawn: &Drawn) -> &Mask {
        &drawn.key
    }
}
