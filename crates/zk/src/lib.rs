//! Building blocks of CGGMP24 below the rounds: integers, curves, the transcript, Paillier and ring-Pedersen
//! arithmetic, and the zero-knowledge proofs, one folder each.
//!
//! Names follow the paper (`K`, `Gamma`; capital letters are public). The equations are those of
//! `docs/spec/proofs.md`. Read [`level`] for the parameters, [`transcript`] for the hash, then any proof, for instance
//! [`enc_elg`].

#![allow(non_snake_case, reason = "the paper's letters are kept")]

pub mod aff_g;
pub mod aff_g_star;
pub mod aid;
mod batch;
pub mod context;
pub mod curve;
pub mod dec;
pub mod elgamal;
pub mod elog;
pub mod enc_elg;
pub mod fac;
pub mod feldman;
pub mod integer;
pub mod level;
pub mod natural;
pub mod paillier;
pub mod paillier_blum;
pub mod powers;
pub mod prm;
pub mod rejection;
pub mod relations;
pub mod ring_pedersen;
pub mod sch;
pub mod secret;
#[cfg(feature = "test-keys")]
pub mod testing;
pub mod transcript;
mod wire;

pub use consign_modexp::{BoxedUint, Factors, Modulus};
