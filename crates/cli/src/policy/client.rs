//! Which client is meant.

use std::path::Path;

use consign_node::core::policy::{ClientKey, Policy};

use crate::client;
use crate::failure::Failure;

/// The public key of the client that `text` names: a public key, a name in the policy, or the client's key file.
pub(super) fn find(text: &str, policy: &Policy) -> Result<ClientKey, Failure> {
    if let Some(key) = text.parse().ok().or_else(|| policy.key_of(text)) {
        return Ok(key);
    }
    let path = Path::new(text);
    if path.exists() {
        return Ok(client::read(path)?.public());
    }
    Err(Failure::Usage(format!(
        "`{text}` is no client: give a public key (64 hexadecimal digits), a name in policy.toml, or a client's key file"
    )))
}
