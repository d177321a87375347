//! Invitations: the one string by which a node joins a cluster. It names the cluster, one founder and its address, and
//! carries a token that is shown to that founder only. Read `joining.rs` for the exchange.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::hash::{Hash, Items};
use super::roster::{MAX_ADDRESS_BYTES, MAX_ADDRESSES};
use crate::identity::{ClusterId, NodeId};

/// How every invitation begins; the digit is the version of the format.
pub const PREFIX: &str = "consign1";
/// Longest invitation, in characters.
pub const MAX_INVITATION_CHARS: usize = 8 * 1024;

/// What a joiner has to know.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Invitation {
    /// The cluster id.
    pub cluster: ClusterId,
    /// Hash of the newest charter.
    pub charter: Hash,
    /// The founder that made it.
    pub founder: NodeId,
    /// Where the founder listens.
    pub addresses: Vec<String>,
    /// Until when it is good: Unix time in seconds.
    pub expires: u64,
    /// Good for one joiner. Secret.
    pub token: [u8; 16],
}

impl fmt::Debug for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Invitation")
            .field("cluster", &self.cluster)
            .field("founder", &self.founder)
            .finish_non_exhaustive()
    }
}

/// A text that is not an invitation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not an invitation: it must be the whole text that `consign invite` printed, beginning with {PREFIX}"
)]
pub struct NotAnInvitation;

impl fmt::Display for Invitation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut bytes = postcard::to_stdvec(self).map_err(|_| fmt::Error)?;
        let sum = checksum(&bytes);
        bytes.extend_from_slice(&sum);
        write!(f, "{PREFIX}{}", hex::encode(bytes))
    }
}

impl FromStr for Invitation {
    type Err = NotAnInvitation;

    fn from_str(text: &str) -> Result<Self, NotAnInvitation> {
        let text = text.trim();
        if text.len() > MAX_INVITATION_CHARS {
            return Err(NotAnInvitation);
        }
        let bytes =
            hex::decode(text.strip_prefix(PREFIX).ok_or(NotAnInvitation)?).map_err(|_| NotAnInvitation)?;
        let (body, sum) = bytes.split_last_chunk::<4>().ok_or(NotAnInvitation)?;
        if checksum(body) != *sum {
            return Err(NotAnInvitation);
        }
        let (invitation, rest) = postcard::take_from_bytes::<Self>(body).map_err(|_| NotAnInvitation)?;
        let fits = invitation.addresses.len() <= MAX_ADDRESSES
            && invitation.addresses.iter().all(|a| a.len() <= MAX_ADDRESS_BYTES);
        if rest.is_empty() && fits { Ok(invitation) } else { Err(NotAnInvitation) }
    }
}

/// Tells a cut or mistyped invitation from a refused one.
fn checksum(body: &[u8]) -> [u8; 4] {
    let hash = Items::new("invitation").bytes("body", body).hash();
    *hash.0.first_chunk().expect("invariant: 32 bytes hold 4")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Identity;

    fn sample() -> Invitation {
        Invitation {
            cluster: ClusterId::from_bytes([1; 32]),
            charter: Hash([1; 32]),
            founder: Identity::from_seed(&[2; 32]).node_id(),
            addresses: vec!["/ip4/127.0.0.1/tcp/4001".to_owned()],
            expires: 1_700_000_000,
            token: [3; 16],
        }
    }

    #[test]
    fn survives_its_text_form() {
        let text = sample().to_string();
        assert!(text.starts_with(PREFIX));
        assert_eq!(text.parse(), Ok(sample()));
        assert_eq!(format!(" {text}\n").parse(), Ok(sample()));
    }

    #[test]
    fn cut_or_changed_texts_are_refused() {
        let text = sample().to_string();
        for end in 0..text.len() {
            assert_eq!(text[..end].parse::<Invitation>(), Err(NotAnInvitation));
        }
        let changed = text.replacen("01", "04", 1);
        assert_eq!(changed.parse::<Invitation>(), Err(NotAnInvitation));
    }

    #[test]
    fn debug_hides_the_token() {
        let shown = format!("{:?}", sample());
        assert!(!shown.contains("token") && !shown.contains("3, 3"));
    }
}
