//! The alert after a failed (N), `[delta]G != sum of Delta_j`: whose `delta_i` is not what it was sent, or who sent what
//! is no product with its mask (`docs/spec/signing.md`, 6.8)?

use consign_rounds::PartyIndex;
use consign_zk::context::Role;
use consign_zk::curve::{Curve, Point};
use consign_zk::integer::Integer;
use consign_zk::paillier::Ciphertext;

use super::alert::Blame;
use super::round2::{Drawn, Mask, Response};
use super::round3::{Round3, Slot};
use super::{Fault, Public, View};

/// The sum `delta`.
pub(super) enum Nonce {}

impl<C: Curve> Blame<C> for Nonce {
    const DEC: Role = Role::AlertNonce;
    const RESPONSE: Role = Role::AlertNonceResponse;

    fn pair(response: &Response) -> (&Ciphertext, &Ciphertext) {
        (&response.D, &response.F)
    }

    /// `Gamma_i`.
    fn factor(_: &Public<C>, view: &View<C>, i: PartyIndex, b: usize) -> Option<Point<C>> {
        Some(view.round2.get(&i)?.get(b)?.Gamma)
    }

    /// `[delta_i]G`, to the base `G`.
    fn claim(view: &View<C>, i: PartyIndex, b: usize) -> Option<(Point<C>, Point<C>)> {
        let said = view.round3.get(&i)?.get(b)?;
        Some((Point::mul_generator(&said.delta), Point::generator()))
    }

    fn dec_fault(slot: u32) -> Fault {
        Fault::NonceSum { slot }
    }

    fn response_fault(slot: u32) -> Fault {
        Fault::NonceResponse { slot }
    }

    /// `gamma_i`.
    fn secret(_: &Round3<C>, slot: &Slot<C>) -> Integer {
        slot.gamma.expose().to_integer()
    }

    fn mask(drawn: &Drawn) -> &Mask {
        &drawn.nonce
    }
}
