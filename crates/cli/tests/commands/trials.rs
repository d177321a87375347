//! Small runs of the trials, so that they work when somebody needs them (`docs/trials.md`). They find in seconds what large
//! ones find more surely.

use consign_api::Level;
use consign_trials::{Setup, garbage, latency, pool};

fn setup(seed: u64) -> Setup {
    Setup { consign: env!("CARGO_BIN_EXE_consign").into(), level: Level::Test, seed }
}

/// Real processes die while clients bring each request to two nodes at once. Slow, because they start again; nothing smaller
/// has two processes, two disks and a death between them.
#[test]
fn each_request_has_one_answer_while_nodes_are_killed() {
    let size = pool::Size { requests: 24, clients: 8, between_kills_ms: (500, 1_000) };
    pool::run(&setup(1), &size).unwrap();
}

#[test]
fn garbage_harms_no_node() {
    garbage::run(&setup(2), &garbage::Size { calls: 320, frames: 320 }).unwrap();
}

#[test]
fn the_time_of_a_signature_is_accounted_for() {
    latency::run(&setup(3), &latency::Size { one_by_one: 4, together: 8, clients: 4, target: false }).unwrap();
}
