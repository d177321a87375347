//! The `consign` program as people and scripts run it. One test program, so that tests which mostly wait for processes
//! run beside each other.
//!
//! `cargo test -p consign-cli --test commands kills::` runs one file.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests")]

mod arguments;
mod common;
mod folders;
mod passphrases;
mod policies;

// These need the insecure level of tests, which no release build has.
#[cfg(debug_assertions)]
mod backups;
#[cfg(debug_assertions)]
mod by_hand;
#[cfg(debug_assertions)]
mod certificates;
#[cfg(debug_assertions)]
mod demo;
#[cfg(debug_assertions)]
mod documents;
#[cfg(debug_assertions)]
mod examples;
#[cfg(debug_assertions)]
mod kills;
#[cfg(debug_assertions)]
mod kills_signing;
#[cfg(debug_assertions)]
mod operation;
#[cfg(debug_assertions)]
#[path = "../../../node/src/store/redis/server.rs"]
mod redis_server;
#[cfg(debug_assertions)]
mod redis_store;
#[cfg(debug_assertions)]
mod roster;
#[cfg(debug_assertions)]
mod secured;
#[cfg(debug_assertions)]
mod standby;
