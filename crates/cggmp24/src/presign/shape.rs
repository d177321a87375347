//! How long messages may be. Known before a session exists, so that nothing longer need be kept for it.

use consign_rounds::limits::ENVELOPE_BYTES;
use consign_zk::curve::Curve;
use consign_zk::level::Level;

use super::{MAX_ALERT_SIGNERS, ROUND_1, ROUND_2, ROUND_3, ROUND_LAST, alert, round1, round2, round3};
use crate::sizes;

/// What the sizes of messages depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Security level.
    pub level: Level,
    /// Number of signers.
    pub signers: usize,
    /// Number of slots.
    pub batch: u32,
}

impl Shape {
    pub(super) fn others(self) -> usize {
        self.signers.saturating_sub(1)
    }

    fn slots(self) -> usize {
        self.batch as usize
    }

    /// Longest encoding of a message of `round` in presigning, in bytes. The same that a session allows.
    pub fn max_message_bytes<C: Curve>(self, round: u8) -> usize {
        ENVELOPE_BYTES + max_broadcast_bytes::<C>(self, round) + max_direct_bytes::<C>(self, round)
    }
}

/// Limit of a broadcast; echoes have no content. An alert is about one slot.
pub(crate) fn max_broadcast_bytes<C: Curve>(shape: Shape, round: u8) -> usize {
    if round == ROUND_LAST && shape.signers <= MAX_ALERT_SIGNERS {
        return sizes::list(1, alert::max_bytes::<C>(shape));
    }
    let entry = match round {
        ROUND_1 => round1::max_broadcast_bytes::<C>(shape),
        ROUND_2 => round2::max_broadcast_bytes::<C>(shape),
        ROUND_3 => round3::max_broadcast_bytes::<C>(),
        _ => 0,
    };
    sizes::list(shape.slots(), entry)
}

/// Limit of a direct part.
pub(crate) fn max_direct_bytes<C: Curve>(shape: Shape, round: u8) -> usize {
    let entry = match round {
        ROUND_1 => round1::max_direct_bytes::<C>(shape),
        ROUND_2 => round2::max_direct_bytes::<C>(shape),
        _ => 0,
    };
    sizes::list(shape.slots(), entry)
}
