//! Whole clusters in one thread, on the code that runs in production: seeded network, disks that survive crashes,
//! virtual time. A failure prints its seed; `SEED=… cargo test -p consign-node --test cluster` replays it.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::wildcard_enum_match_arm,
    reason = "tests"
)]

mod alerts;
mod audit;
mod backup;
mod certificates;
mod client;
mod clients;
mod convictions;
mod crashes;
mod curves;
mod epochs;
mod examined;
mod forge;
mod hostile;
mod imports;
mod letters;
mod lies;
mod life;
mod places;
mod policies;
mod pool;
mod roster;
mod shown;
mod sim;
mod standing;
mod succession;
