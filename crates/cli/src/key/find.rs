//! Which key is meant.

use consign_api::{KeyId, KeyView, Label};

use crate::connection::Connection;
use crate::failure::Failure;

/// The key that `text` names at this node; for a client as its certificate shows it.
pub(super) fn at(node: &Connection, text: &str) -> Result<KeyView, Failure> {
    if let Ok(id) = text.parse() {
        return node.key(id);
    }
    if !node.believes_nobody() {
        return among(node.keys()?, text);
    }
    let key = node.key(named(node, text)?)?;
    is_meant(&key.id, &key.label, text)?;
    Ok(key)
}

/// Its id. What a client has seen goes before what the node lists: a node may list another key under the same label. So where
/// this comes from its list, [`is_meant`] must hold of what the key's certificate shows.
pub(super) fn named(node: &Connection, text: &str) -> Result<KeyId, Failure> {
    if let Ok(id) = text.parse() {
        return Ok(id);
    }
    if let Some(id) = node.trust().map(|trust| trust.named(text)).transpose()?.flatten() {
        return Ok(id);
    }
    let listed = among(node.keys()?, text)?;
    if let Some(trust) = node.trust() {
        trust.knows(&listed)?;
    }
    Ok(listed.id)
}

/// Refuses a key that is not called so: the node's list has led to it, and its certificate shows another label.
pub(super) fn is_meant(id: &KeyId, label: &Label, text: &str) -> Result<(), Failure> {
    if label.as_str() == text || is_of(id, text) {
        return Ok(());
    }
    Err(Failure::Mistrusted(format!(
        "the node lists the key {id} as `{text}`, and its holders have signed that it is called `{label}`: give the id \
         of the key that you mean, or ask another node"
    )))
}

/// Whether an id is `text`, or begins with it.
fn is_of(id: &KeyId, text: &str) -> bool {
    !text.is_empty()
        && (id.to_string().starts_with(text) || text.parse().is_ok_and(|whole: KeyId| whole == *id))
}

/// The one key whose label is `text`, or whose id begins with it.
fn among(keys: Vec<KeyView>, text: &str) -> Result<KeyView, Failure> {
    let known = keys.len();
    let named = |key: &KeyView| key.label.as_str() == text || is_of(&key.id, text);
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

    #[test]
    fn a_key_that_is_not_called_so_is_not_meant() {
        let key = key(0xab, "prod");
        let whole = key.id.to_string();
        for text in ["prod", "abab", whole.as_str()] {
            is_meant(&key.id, &key.label, text).unwrap();
        }
        for text in ["test", "", "ac"] {
            assert_eq!(is_meant(&key.id, &key.label, text).unwrap_err().exit_code(), 7, "{text}");
        }
    }

    /// A label may look like the beginning of another key's id: then nobody guesses.
    #[test]
    fn a_label_that_is_the_beginning_of_another_id_is_ambiguous() {
        let keys = vec![key(0xab, "pay"), key(0xcd, "abab")];
        assert_eq!(among(keys, "abab").unwrap_err().exit_code(), 2);
    }
}
