//! Why a proof was refused.

use thiserror::Error;

/// The first check a proof failed, in the order lengths, bounds, units, ranges, equations.
///
/// The names are those of the fields and equations in `docs/spec/proofs.md`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejection {
    /// A list does not have the required length.
    #[error("{0} has the wrong length")]
    Length(&'static str),
    /// A value exceeds what the decoder admits before any exponentiation.
    #[error("{0} exceeds its decoder bound")]
    Bound(&'static str),
    /// A value is not a unit below its modulus.
    #[error("{0} is not a unit")]
    Unit(&'static str),
    /// A value breaks a rule on its domain (point at infinity, base equal to another, wrong size).
    #[error("{0} is outside its domain")]
    Domain(&'static str),
    /// A response is outside the interval the statement claims.
    #[error("{0} is out of range")]
    Range(&'static str),
    /// An equation does not hold.
    #[error("the {0} equation does not hold")]
    Equation(&'static str),
}

/// `Ok` if the check holds, else the rejection.
pub(crate) fn require(holds: bool, otherwise: Rejection) -> Result<(), Rejection> {
    if holds { Ok(()) } else { Err(otherwise) }
}
