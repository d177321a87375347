//! Which client is meant.

use std::path::Path;

use consign_node::core::policy::{ClientKey, Policy};
use consign_node::identity::Identity;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::files;

/// First word of a client's key file; the secret seed follows in hexadecimal.
const KEY_FILE_WORD: &str = "consign-client-key-1";

/// Longest key file, in bytes.
const MAX_KEY_FILE_BYTES: usize = 1024;

/// The public key of the client that `text` names: a public key, a name in the policy, or the client's key file.
pub(super) fn find(text: &str, policy: &Policy) -> Result<ClientKey, Failure> {
    if let Some(key) = text.parse().ok().or_else(|| policy.key_of(text)) {
        return Ok(key);
    }
    let path = Path::new(text);
    if !path.exists() {
        return Err(Failure::Usage(format!(
            "`{text}` is no client: give a public key (64 hexadecimal digits), a name in policy.toml, or a client's \
             key file"
        )));
    }
    of_file(&files::read_private(path, MAX_KEY_FILE_BYTES)?).ok_or_else(|| {
        Failure::Failed(format!("{text} is no client's key file: `consign client new` makes one"))
    })
}

fn of_file(bytes: &[u8]) -> Option<ClientKey> {
    let (word, seed) = std::str::from_utf8(bytes).ok()?.trim_end().split_once(' ')?;
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(seed, &mut *secret).ok().filter(|()| word == KEY_FILE_WORD)?;
    ClientKey::from_bytes(Identity::from_seed(&secret).node_id().as_bytes()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_has_one_line() {
        // RFC 8032, 7.1, test 1.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let public = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
        let line = format!("{KEY_FILE_WORD} {seed}\n");
        assert_eq!(of_file(line.as_bytes()).unwrap().to_string(), public);
        for bad in ["", seed, "consign-client-key-2 00", &line[1..], &line.replace("9d", "zz")] {
            assert_eq!(of_file(bad.as_bytes()), None, "{bad}");
        }
    }
}
