//! Whole clusters in one thread, on the code that runs in production: seeded network, disks that survive crashes,
//! virtual time. A failure prints its seed; `SEED=… cargo test -p consign-node --test cluster` replays it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "tests")]

mod crashes;
mod forge;
mod lies;
mod life;
mod sim;
