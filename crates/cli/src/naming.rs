//! Things that people name by the beginning of an id.

use std::fmt::Display;

use consign_api::{NodeId, ValidatorView};

use crate::failure::Failure;

/// Fewest digits by which somebody who is not in the roster is named: whoever chooses its own id can make the first few
/// fit.
const FULL_ID: usize = 64;

/// The one id that begins with `text`. `one` and `many` are what the things are called, `list` is the command that lists
/// them.
pub(crate) fn find<I: Display>(
    ids: impl IntoIterator<Item = I>,
    text: &str,
    [one, many, list]: [&str; 3],
) -> Result<I, Failure> {
    let mut fitting = ids.into_iter().filter(|id| id.to_string().starts_with(text));
    match (fitting.next(), fitting.next()) {
        (Some(id), None) => Ok(id),
        (None, _) => Err(Failure::Usage(format!("no {one} begins with `{text}`: see `consign {list}`"))),
        (Some(_), Some(_)) => {
            Err(Failure::Usage(format!("several {many} begin with `{text}`: give more digits")))
        }
    }
}

/// The one validator that `text` names. Strangers have chosen their names themselves, and could choose anybody's.
pub(crate) fn validator(validators: &[ValidatorView], text: &str) -> Result<NodeId, Failure> {
    if text.len() == FULL_ID {
        return text.parse().map_err(|e| Failure::Usage(format!("{e}")));
    }
    let named = |v: &&ValidatorView| {
        let name = v.name.as_ref().is_some_and(|name| name.as_str() == text);
        !v.waiting && (name || !text.is_empty() && v.id.to_string().starts_with(text))
    };
    let mut fitting = validators.iter().filter(named);
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one.id),
        (None, _) => Err(Failure::Usage(format!(
            "no validator is called `{text}`: see `consign validator list`; who waits to be let in is named by its whole id"
        ))),
        (Some(_), Some(_)) => Err(Failure::Usage(format!(
            "several validators are called `{text}`: give the beginning of an id"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(id: u8, name: &str, waiting: bool) -> ValidatorView {
        serde_json::from_value(serde_json::json!({
            "id": NodeId([id; 32]), "peer_id": "", "name": name, "addresses": [], "founder": false, "member": !waiting,
            "waiting": waiting, "this_node": false, "connected": false,
        }))
        .unwrap()
    }

    #[test]
    fn a_stranger_is_named_by_its_whole_id() {
        let all = [known(1, "bob", false), known(0xab, "bob", true), known(0xac, "dave", true)];
        assert_eq!(super::validator(&all, "bob").unwrap(), NodeId([1; 32]));
        assert_eq!(super::validator(&all, "01").unwrap(), NodeId([1; 32]));
        assert_eq!(super::validator(&all, &"ac".repeat(32)).unwrap(), NodeId([0xac; 32]));
        for text in ["dave", "ac", "", "carol"] {
            assert_eq!(super::validator(&all, text).unwrap_err().exit_code(), 2, "{text}");
        }
    }

    #[test]
    fn a_beginning_names_one() {
        let found = |text| find(["ab1", "ab2", "c"], text, ["thing", "things", "thing list"]);
        assert_eq!(found("ab2").unwrap(), "ab2");
        assert_eq!(found("c").unwrap(), "c");
        assert!(matches!(found("ab"), Err(Failure::Usage(text)) if text.contains("several things")));
        assert!(matches!(found("d"), Err(Failure::Usage(text)) if text.contains("consign thing list")));
    }
}
