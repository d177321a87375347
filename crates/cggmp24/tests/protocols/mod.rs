//! Key generation and auxiliary information among honest parties, what they leave on disk, their frozen bytes, and words
//! in the wrong place.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
#![allow(missing_docs, unreachable_pub, clippy::wildcard_enum_match_arm, reason = "tests")]
#![allow(non_snake_case, reason = "the paper's letters are kept")]

mod assembled;
mod epochs;
mod honest;
mod stored;
mod vectors;
mod words;
