//! The way out: `t` shares of one epoch make the private key, which then exists in one place
//! (`docs/spec/keygen.md`, 4.6).
//!
//! Every [`KeyShare`] has been compared with its public share, and the public shares with the public key. So whoever put
//! a wrong share on the table was refused before; what is left is to see that the shares are of one epoch.

use consign_rounds::PartyIndex;
use consign_zk::curve::{Curve, Point, Scalar};
use consign_zk::feldman::lagrange_at_zero;
use consign_zk::secret::Secret;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::key::KeyShare;

/// Shares that do not make a key. `at` counts them from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AssembleError {
    /// A share of another key than the first one.
    #[error("it is of another key than the first one")]
    OtherKey {
        /// Which share.
        at: usize,
    },
    /// A share of another epoch.
    #[error(
        "it is of epoch {epoch}, the first one of epoch {first}: shares of two epochs do not fit together, export them anew from one"
    )]
    OtherEpoch {
        /// Which share.
        at: usize,
        /// Its epoch.
        epoch: u64,
        /// That of the first one.
        first: u64,
    },
    /// A share that says something else about the key, in the same epoch.
    #[error("it does not say of the key what the first one says: one of the two holders lies")]
    Contradicts {
        /// Which share.
        at: usize,
    },
    /// A share that was there already.
    #[error("it is the share of party {index}, which is there already")]
    Twice {
        /// Which share.
        at: usize,
        /// Whose.
        index: u16,
    },
    /// Not enough shares.
    #[error(
        "{have} of the {need} shares that are needed are here: {} missing, of other holders",
        need - have
    )]
    TooFew {
        /// How many there are.
        have: usize,
        /// The threshold.
        need: usize,
    },
    /// The sum is not the private key, though all parts were checked: this machine computes wrongly.
    #[error("the result does not belong to the public key: do not trust this machine")]
    Result,
}

/// The private key `x`, with `X = [x]G`: `sum of λ_i x_i` over the first `t` shares. More than `t` are checked to be of the
/// same key and epoch, and not used.
///
/// # Errors
/// [`AssembleError`]; it says what each of the shares lacks before it says how many are missing.
pub fn assemble<C: Curve>(shares: &[KeyShare<C>]) -> Result<Secret<Scalar<C>>, AssembleError> {
    // Nobody knows how many are needed before there is one.
    let first = shares.first().ok_or(AssembleError::TooFew { have: 0, need: 1 })?.info();
    for (at, share) in shares.iter().enumerate() {
        let info = share.info();
        if info.key_id != first.key_id || info.public_key != first.public_key {
            return Err(AssembleError::OtherKey { at });
        }
        if info.epoch_id() != first.epoch_id() {
            return Err(AssembleError::OtherEpoch { at, epoch: info.epoch, first: first.epoch });
        }
        if info != first {
            return Err(AssembleError::Contradicts { at });
        }
        if shares.iter().take(at).any(|before| before.index() == share.index()) {
            return Err(AssembleError::Twice { at, index: share.index().get() });
        }
    }
    let need = usize::from(first.threshold);
    let used = shares.get(..need).ok_or(AssembleError::TooFew { have: shares.len(), need })?;
    let indices: Vec<u16> = used.iter().map(KeyShare::index).map(PartyIndex::get).collect();
    let mut sum = Zeroizing::new(Scalar::<C>::zero());
    for share in used {
        let weight = lagrange_at_zero::<C>(&indices, share.index().get());
        let weight = weight.expect("invariant: indices of holders are distinct and not zero");
        let product = Zeroizing::new(weight * *share.secret().expose());
        *sum = *sum + *product;
    }
    if Point::mul_generator(&*sum) != first.public_key {
        return Err(AssembleError::Result);
    }
    Ok(Secret::new(*sum))
}
