//! CGGMP24 threshold ECDSA: key generation, auxiliary information, presigning and signing, each a
//! [`consign_rounds::Protocol`] whose rounds are one file each.
//!
//! Order of reading: [`parties`] and [`ssid`] (who, and what ties messages to a session), [`keygen`], [`aux_info`],
//! [`presign`], [`sign`].
//! The equations are those of `docs/spec/`; paper letters are kept (`K`, `Gamma`).

#![allow(non_snake_case, reason = "the paper's letters are kept")]

pub mod activation;
pub mod assemble;
pub mod aux_info;
mod confirmations;
pub mod derivation;
pub mod ecdsa;
pub mod epoch;
pub mod hedge;
pub mod import;
mod joint;
pub mod key;
pub mod keygen;
#[cfg(feature = "misbehave")]
pub mod misbehave;
pub mod parties;
pub mod presign;
pub mod refresh;
pub mod reshare;
pub mod sharing;
pub mod sign;
mod sizes;
pub mod ssid;
#[cfg(feature = "testing")]
pub mod testing;

pub use consign_zk::curve;
pub use consign_zk::level::Level;
