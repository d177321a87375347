//! All tests of the protocols, in one program: each program of its own would compile the protocols anew.
//!
//! `cargo test -p consign-cggmp24 --test all lies::` runs one folder.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod activation;
mod catalogue;
mod common;
mod full_size;
mod ledger;
mod lies;
mod presign_blame;
mod protocols;
mod signing;
