//! Lists in pages: a page's cursor is the last item it showed.

use consign_api as api;

use super::hash::Hash;

/// One page out of `all`, and the cursor of the next one.
///
/// # Errors
/// A cursor that is no id, or that no item has (any more).
pub(super) fn page(
    all: impl Iterator<Item = Hash>,
    query: &api::PageQuery,
) -> Result<(Vec<Hash>, Option<String>), api::Problem> {
    let bad = || {
        let text = "`after` must be the `next` of an earlier page; begin again without it.";
        api::Problem::new(api::ProblemKind::Malformed, text)
    };
    let mut rest = all.peekable();
    if let Some(after) = &query.after {
        let after: Hash = after.parse().map_err(|_| bad())?;
        rest.by_ref().find(|id| *id == after).ok_or_else(bad)?;
    }
    let items: Vec<_> = rest.by_ref().take(query.size()).collect();
    let next = items.last().filter(|_| rest.peek().is_some()).map(ToString::to_string);
    Ok((items, next))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_cover_everything_once() {
        let all: Vec<_> = (0..7).map(|i| Hash([i; 32])).collect();
        let mut query = api::PageQuery { after: None, limit: 3 };
        let mut seen = Vec::new();
        loop {
            let (items, next) = page(all.iter().copied(), &query).unwrap();
            seen.extend(items);
            match next {
                Some(next) => query.after = Some(next),
                None => break,
            }
        }
        assert_eq!(seen, all);
        query.after = Some("zz".to_owned());
        assert!(page(all.iter().copied(), &query).is_err());
        query.after = Some(Hash([9; 32]).to_string());
        assert!(page(all.into_iter(), &query).is_err());
    }
}
