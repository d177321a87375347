//! Which key is meant.

use consign_api::{KeyId, KeyView};

use crate::connection::Connection;
use crate::failure::Failure;

/// The key that `text` names at this node; for a client as its certificate shows it.
pub(super) fn at(node: &Connection, text: &str) -> Result<KeyView, Failure> {
    if let Ok(id) = text.parse() {
        return node.key(id);
    }
    if node.believes_nobody() {
        return node.key(named(node, text)?);
    }
    among(node.keys()?, text)
}

/// Its id. What a client has seen goes before what the node lists: a node may list another key under the same label.
pub(super) fn named(node: &Connection, text: &str) -> Result<KeyId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    match node.trust().map(|trust| trust.named(text)).transpose()?.flatten() {
        Some(id) => Ok(id),
        None => Ok(among(node.keys()?, text)?.id),
    }
}

/// The one key whose label is `text`, or whose id begins with it.
fn among(keys: Vec<KeyView>, text: &str) -> Result<KeyView, Failure> {
    let known = keys.len();
    let named = |key: &KeyView| {
        key.label.as_str() == text || !text.is_empty() && key.id.to_string().starts_with(text)
    };
    let mut fitting: Vec<_> = keys.into_iter().filter(named).collect();
    match (fitting.pop(), fitting.as_slice()) {
        (Some(key), []) => Ok(key),
        (None, _) => Err(Failure::unknown_key(format!(
            "this node has no key `{text}` among its {known}: see `consign key list`"
        ))),
        (Some(last), others) => {
            let ids: Vec<_> = others.iter().chain([&last]).map(|key| key.id.to_string()).collect();
            Err(Failure::Usage(format!("`{text}` may be any of these keys, give an id: {}", ids.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use consign_api::{Curve, KeyId, KeyState, Level, Scheme};

    use super::*;

    fn key(id: u8, label: &str) -> KeyView {
        KeyView {
            id: KeyId([id; 32]),
            label: label.parse().unwrap(),
            scheme: Scheme::Cggmp24,
            curve: Curve::Secp256k1,
            level: Level::L128,
            threshold: 2,
            committee: Vec::new(),
            epoch: 0,
            share: true,
            state: KeyState::Active,
            owner: None,
            imported: None,
            exports: Vec::new(),
            presignatures: 0,
            standing: None,
            public_key: String::new(),
            chain_code: None,
            xpub: None,
            ethereum_address: None,
            bitcoin_address: None,
        }
    }

    #[test]
    fn a_label_or_the_beginning_of_an_id_names_one_key() {
        let keys = || vec![key(0xab, "pay"), key(0xac, "save"), key(0xba, "pay")];
        let found = |text| among(keys(), text).map(|key| key.id);
        assert_eq!(found("save").unwrap(), KeyId([0xac; 32]));
        assert_eq!(found("aba").unwrap(), KeyId([0xab; 32]));
        assert_eq!(found("ac").unwrap(), KeyId([0xac; 32]));
        for ambiguous in ["pay", "a"] {
            assert_eq!(found(ambiguous).unwrap_err().exit_code(), 2);
        }
        for unknown in ["", "lost", "ad"] {
            let error = found(unknown).unwrap_err();
            assert_eq!(error.exit_code(), 4);
            assert!(error.to_string().contains("consign key list"), "{error}");
        }
    }

    /// A label may look like the beginning of another key's id: then nobody guesses.
    #[test]
    fn a_label_that_is_the_beginning_of_another_id_is_ambiguous() {
        let keys = vec![key(0xab, "pay"), key(0xcd, "abab")];
        assert_eq!(among(keys, "abab").unwrap_err().exit_code(), 2);
    }
}
