//! Things that people name by the beginning of an id.

use std::fmt::Display;

use crate::failure::Failure;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_names_one() {
        let found = |text| find(["ab1", "ab2", "c"], text, ["thing", "things", "thing list"]);
        assert_eq!(found("ab2").unwrap(), "ab2");
        assert_eq!(found("c").unwrap(), "c");
        assert!(matches!(found("ab"), Err(Failure::Usage(text)) if text.contains("several things")));
        assert!(matches!(found("d"), Err(Failure::Usage(text)) if text.contains("consign thing list")));
    }
}
