//! Tests of the engine, on a toy protocol of three rounds.
#![allow(clippy::indexing_slicing, clippy::unwrap_used, clippy::type_complexity, reason = "tests")]

mod toy;

mod complaints;
mod echo;
mod engine;
mod framing;
mod honest;
mod lies;
mod parsing;
mod wire;
