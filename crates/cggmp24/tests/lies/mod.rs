//! The attacks of `docs/spec/attacks.md` that live in messages: one file per group. Each attack has a test in which it
//! convicts exactly its culprits (or ends as the catalogue says), and a twin in which somebody who did nothing wrong is
//! not framed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "tests")]
#![allow(missing_docs, unreachable_pub, clippy::wildcard_enum_match_arm, reason = "tests")]
#![allow(clippy::type_complexity, reason = "tables of lies")]
#![allow(non_snake_case, reason = "the paper's letters are kept")]

mod a;
mod b;
mod c;
mod d;
mod e;
mod f;
mod g;
mod g_import;
mod g_reshare;
mod g_state;
mod h;
