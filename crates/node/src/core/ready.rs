//! Whether this node can work, as far as it knows by itself. Whether its store takes writes is found out by whoever asks.

use consign_api as api;
use consign_api::signed::MAX_SKEW_S;

use super::node::Node;

/// No clock that is right shows an earlier time, in Unix seconds: 2026-01-01, before this program was written.
const EARLIEST: u64 = 1_767_225_600;

impl Node {
    /// The answer to whether this node can work: not on a disk that is nearly full, nor with a clock that shows a time which is over for certain. Then it
    /// would take requests for fresh that are not, or refuse all.
    pub(super) fn ready(&self) -> Result<api::Reply, api::Problem> {
        if self.disk_full {
            // Nor is the store tried then: a write that fails ends the node.
            let text = "The disk of this node is nearly full, so nothing new is begun; free some room.";
            return Err(api::Problem::new(api::ProblemKind::StoreFailed, text).retry_after(60));
        }
        let charter = self.home.roster().map_or(0, |roster| roster.charter().created);
        let over = charter.max(self.requests.forgotten());
        let (now, over) = (self.now.unix, over.saturating_sub(MAX_SKEW_S).max(EARLIEST));
        if now >= over {
            return Ok(api::Reply::Health(api::HealthView::ok()));
        }
        let text = format!("The clock of this machine is at least {} seconds slow: set it.", over - now);
        Err(api::Problem::new(api::ProblemKind::ClockWrong, text))
    }
}
