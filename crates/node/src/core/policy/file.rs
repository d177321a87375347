//! The text of a policy. Every error names its line and says what to do.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::str::FromStr;

use consign_api as api;
use consign_api::limits::{MAX_THRESHOLD, MIN_THRESHOLD};
use serde::Deserialize;
use toml::Spanned;

use super::ClientKey;
use super::act::Ceremony;
use super::standing::{MAX_EVERY_DAYS, MAX_MARK, MAX_ORDERS, Order, Standing};
use super::{
    EVERY_CLIENT, MAX_CLIENTS, MAX_LIST, MAX_NAME_BYTES, MAX_PER_MINUTE, MAX_POLICY_BYTES, MAX_RULES, Policy,
    Rule,
};
use crate::identity::NodeId;

/// What is wrong with a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {text}")]
pub struct PolicyError {
    /// Where, from 1.
    pub line: usize,
    /// What, and what to do.
    pub text: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    client: Vec<Spanned<RawClient>>,
    #[serde(default)]
    allow: Vec<Spanned<RawRule>>,
    #[serde(default)]
    standing: Vec<Spanned<RawOrder>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawClient {
    name: Spanned<String>,
    key: Spanned<String>,
}

type List = Spanned<Vec<Spanned<String>>>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawRule {
    name: Option<Spanned<String>>,
    clients: List,
    ceremonies: List,
    keys: List,
    hashes: Option<List>,
    raw_digests: Option<Spanned<bool>>,
    lowest_level: Option<Spanned<String>>,
    per_minute: Option<Spanned<i64>>,
    approve: Option<Spanned<bool>>,
    new_members: Option<List>,
    lowest_threshold: Option<Spanned<i64>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawOrder {
    name: Option<Spanned<String>>,
    ceremony: Spanned<String>,
    keys: List,
    low: Option<Spanned<i64>>,
    high: Option<Spanned<i64>>,
    every_days: Option<Spanned<i64>>,
    moduli: Option<Spanned<String>>,
    at: Option<Spanned<String>>,
}

/// Turns places in the text into lines.
struct Lines<'a>(&'a str);

impl Lines<'_> {
    fn number(&self, at: usize) -> usize {
        self.0.bytes().take(at).filter(|b| *b == b'\n').count().saturating_add(1)
    }

    fn error(&self, at: &Range<usize>, text: impl Into<String>) -> PolicyError {
        PolicyError { line: self.number(at.start), text: text.into() }
    }

    /// Reads one word of the file.
    fn word<T: FromStr<Err: ToString>>(&self, word: &Spanned<String>) -> Result<T, PolicyError> {
        word.get_ref().parse().map_err(|e: T::Err| self.error(&word.span(), e.to_string()))
    }

    /// Reads a list in which nothing stands twice.
    fn list<T>(
        &self,
        list: &List,
        read: impl Fn(&Spanned<String>) -> Result<T, PolicyError>,
    ) -> Result<Vec<T>, PolicyError> {
        let items = list.get_ref();
        if items.is_empty() || items.len() > MAX_LIST {
            let text = format!("the list must have 1 to {MAX_LIST} entries: name some, or remove the rule");
            return Err(self.error(&list.span(), text));
        }
        let mut seen = BTreeSet::new();
        if let Some(twice) = items.iter().find(|item| !seen.insert(item.get_ref())) {
            return Err(self.error(&twice.span(), "this stands twice in the list: remove one"));
        }
        items.iter().map(read).collect()
    }

    /// A name of a client or a rule: it is shown on terminals, in refusals and in logs.
    fn name(&self, name: &Spanned<String>) -> Result<String, PolicyError> {
        check_name(name.get_ref()).map_err(|text| self.error(&name.span(), text))?;
        Ok(name.get_ref().clone())
    }
}

/// Whether a client or a rule can be called so.
pub(super) fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ' ');
    let is_good = (1..=MAX_NAME_BYTES).contains(&name.len()) && name.chars().all(allowed);
    if is_good && name.trim() == name {
        return Ok(());
    }
    Err(format!(
        "a name has 1 to {MAX_NAME_BYTES} letters, digits, '.', '_', '-' or spaces inside: choose another one"
    ))
}

pub(super) fn parse(text: &str) -> Result<Policy, PolicyError> {
    if text.len() > MAX_POLICY_BYTES {
        let text =
            format!("a policy has at most {MAX_POLICY_BYTES} bytes: this is another file, or remove rules");
        return Err(PolicyError { line: 1, text });
    }
    let lines = Lines(text);
    let file: File = toml::from_str(text).map_err(|e| {
        let at = e.span().unwrap_or(0..0);
        lines.error(&at, format!("{}; docs/policy.md shows how a policy is written", e.message().trim()))
    })?;
    let names = clients(&lines, &file.client)?;
    let rules = rules(&lines, &file.allow, &names)?;
    let orders = orders(&lines, &file.standing)?;
    Ok(Policy { names, rules, orders, text: text.to_owned() })
}

fn clients(
    lines: &Lines<'_>,
    list: &[Spanned<RawClient>],
) -> Result<BTreeMap<ClientKey, String>, PolicyError> {
    if let Some(extra) = list.get(MAX_CLIENTS) {
        return Err(lines.error(&extra.span(), format!("at most {MAX_CLIENTS} clients: remove some")));
    }
    let (mut names, mut taken) = (BTreeMap::new(), BTreeSet::new());
    for client in list {
        let RawClient { name, key } = client.get_ref();
        let word = lines.name(name)?;
        let bytes: ClientKey = key.get_ref().parse().map_err(|_| {
            let text = "`key` must be an Ed25519 public key, 64 lower-case hexadecimal digits: copy it again";
            lines.error(&key.span(), text)
        })?;
        if let Some(other) = names.insert(bytes, word.clone()) {
            return Err(
                lines.error(&key.span(), format!("`{other}` has this key already: remove one of them"))
            );
        }
        if !taken.insert(word) {
            return Err(lines.error(&name.span(), "another client has this name: choose another one"));
        }
    }
    Ok(names)
}

fn rules(
    lines: &Lines<'_>,
    list: &[Spanned<RawRule>],
    names: &BTreeMap<ClientKey, String>,
) -> Result<Vec<Rule>, PolicyError> {
    if let Some(extra) = list.get(MAX_RULES) {
        return Err(lines.error(&extra.span(), format!("at most {MAX_RULES} rules: put some together")));
    }
    let mut taken = BTreeSet::new();
    let mut rules = Vec::with_capacity(list.len());
    for (raw, number) in list.iter().zip(1_usize..) {
        let rule = rule(lines, raw, number, names)?;
        if !taken.insert(rule.name.clone()) {
            let at = raw.get_ref().name.as_ref().map_or(raw.span(), Spanned::span);
            let text = format!("another rule is called `{}`: choose another `name`", rule.name);
            return Err(lines.error(&at, text));
        }
        rules.push(rule);
    }
    Ok(rules)
}

fn orders(lines: &Lines<'_>, list: &[Spanned<RawOrder>]) -> Result<Vec<Order>, PolicyError> {
    if let Some(extra) = list.get(MAX_ORDERS) {
        let text = format!("at most {MAX_ORDERS} standing orders: put some together");
        return Err(lines.error(&extra.span(), text));
    }
    let mut taken = BTreeSet::new();
    let mut orders = Vec::with_capacity(list.len());
    for (raw, number) in list.iter().zip(1_usize..) {
        let at = raw.get_ref();
        let name = match &at.name {
            Some(name) => lines.name(name)?,
            None => format!("order {number}"),
        };
        if !taken.insert(name.clone()) {
            let place = at.name.as_ref().map_or(raw.span(), Spanned::span);
            let text = format!("another standing order is called `{name}`: choose another `name`");
            return Err(lines.error(&place, text));
        }
        let keys = lines.list(&at.keys, |word| lines.word(word))?;
        orders.push(Order { name, line: lines.number(raw.span().start), keys, what: standing(lines, raw)? });
    }
    Ok(orders)
}

/// What an order says. Each ceremony has lines of its own.
fn standing(lines: &Lines<'_>, at: &Spanned<RawOrder>) -> Result<Standing, PolicyError> {
    let raw = at.get_ref();
    let ceremony: Ceremony = lines.word(&raw.ceremony)?;
    let marks = [("low", raw.low.as_ref()), ("high", raw.high.as_ref())];
    let marks = marks.into_iter().filter_map(|(field, value)| Some((field, value?.span())));
    let texts = [("moduli", raw.moduli.as_ref()), ("at", raw.at.as_ref())];
    let texts = texts.into_iter().filter_map(|(field, value)| Some((field, value?.span())));
    let mut days = raw.every_days.iter().map(|days| ("every_days", days.span())).chain(texts);
    let odd = match ceremony {
        Ceremony::Presign => days.next(),
        Ceremony::Refresh => { marks }.next(),
        Ceremony::Keygen | Ceremony::Sign | Ceremony::Reshare => {
            let text = "a standing order is for \"presign\" or \"refresh\": all else, a client must ask for";
            return Err(lines.error(&raw.ceremony.span(), text));
        }
    };
    if let Some((field, place)) = odd {
        let text = format!("`{field}` says nothing in an order for \"{ceremony}\": remove it");
        return Err(lines.error(&place, text));
    }
    let needed = |field: &str| {
        lines.error(
            &at.span(),
            format!("the order lacks `{field}`: add it, docs/policy.md says what it means"),
        )
    };
    if ceremony == Ceremony::Presign {
        let high = range(lines, raw.high.as_ref().ok_or_else(|| needed("high"))?, 1..=MAX_MARK)?;
        let low = range(lines, raw.low.as_ref().ok_or_else(|| needed("low"))?, 1..=high)?;
        return Ok(Standing::Presign { low, high });
    }
    let days = raw.every_days.as_ref().ok_or_else(|| needed("every_days"))?;
    let every_days = range(lines, days, 1..=MAX_EVERY_DAYS)?;
    let moduli = raw.moduli.as_ref().map(|word| lines.word(word)).transpose()?;
    let time = raw.at.as_ref().map(|word| lines.word(word)).transpose()?;
    Ok(Standing::Refresh { every_days, moduli: moduli.unwrap_or(api::Moduli::Renew), at: time })
}

fn rule(
    lines: &Lines<'_>,
    at: &Spanned<RawRule>,
    number: usize,
    names: &BTreeMap<ClientKey, String>,
) -> Result<Rule, PolicyError> {
    let raw = at.get_ref();
    let ceremonies: Vec<Ceremony> = lines.list(&raw.ceremonies, |word| lines.word(word))?;
    check_place(lines, raw, &ceremonies)?;
    let hashes = match &raw.hashes {
        Some(list) => lines.list(list, |word| lines.word(word))?,
        None => api::HashName::ALL.to_vec(),
    };
    let new_members = match &raw.new_members {
        Some(list) => lines.list(list, |word| member(lines, word))?,
        None => Vec::new(),
    };
    let per_minute = raw.per_minute.as_ref().map(|n| range(lines, n, 1..=MAX_PER_MINUTE)).transpose()?;
    let thresholds = u32::from(MIN_THRESHOLD)..=u32::from(MAX_THRESHOLD);
    let lowest = raw.lowest_threshold.as_ref().map(|n| range(lines, n, thresholds)).transpose()?;
    Ok(Rule {
        name: match &raw.name {
            Some(name) => lines.name(name)?,
            None => format!("rule {number}"),
        },
        line: lines.number(at.span().start),
        clients: lines.list(&raw.clients, |word| client(lines, word, names))?,
        keys: lines.list(&raw.keys, |word| lines.word(word))?,
        hashes: if ceremonies.contains(&Ceremony::Sign) { hashes } else { Vec::new() },
        ceremonies,
        raw_digests: raw.raw_digests.as_ref().is_some_and(|value| *value.get_ref()),
        lowest_level: raw.lowest_level.as_ref().map(|word| lines.word(word)).transpose()?,
        per_minute,
        approve: raw.approve.as_ref().is_some_and(|value| *value.get_ref()),
        new_members,
        lowest_threshold: lowest.and_then(|lowest| u16::try_from(lowest).ok()),
    })
}

/// A line that says nothing where it stands is a misunderstanding.
fn check_place(lines: &Lines<'_>, raw: &RawRule, ceremonies: &[Ceremony]) -> Result<(), PolicyError> {
    let places = [
        ("hashes", raw.hashes.as_ref().map(Spanned::span), Ceremony::Sign),
        ("raw_digests", raw.raw_digests.as_ref().map(Spanned::span), Ceremony::Sign),
        ("new_members", raw.new_members.as_ref().map(Spanned::span), Ceremony::Reshare),
        ("lowest_threshold", raw.lowest_threshold.as_ref().map(Spanned::span), Ceremony::Reshare),
    ];
    for (field, at, ceremony) in places {
        if let Some(at) = at.filter(|_| !ceremonies.contains(&ceremony)) {
            let text = format!("`{field}` is for \"{ceremony}\", which this rule does not allow: remove it");
            return Err(lines.error(&at, text));
        }
    }
    Ok(())
}

fn client(
    lines: &Lines<'_>,
    word: &Spanned<String>,
    names: &BTreeMap<ClientKey, String>,
) -> Result<String, PolicyError> {
    let name = word.get_ref();
    if name == EVERY_CLIENT || names.values().any(|known| known == name) {
        return Ok(name.clone());
    }
    let cut: String = name.chars().take(MAX_NAME_BYTES).collect();
    let text = format!(
        "no `[[client]]` has the name `{}`: add one with its `key`, or correct the name",
        cut.escape_debug()
    );
    Err(lines.error(&word.span(), text))
}

fn member(lines: &Lines<'_>, word: &Spanned<String>) -> Result<api::NodeId, PolicyError> {
    let id: api::NodeId = lines.word(word)?;
    if NodeId::from_bytes(&id.0).is_err() {
        let text = "this is no validator's id: copy it from `consign validator list`";
        return Err(lines.error(&word.span(), text));
    }
    Ok(id)
}

fn range(
    lines: &Lines<'_>,
    number: &Spanned<i64>,
    range: std::ops::RangeInclusive<u32>,
) -> Result<u32, PolicyError> {
    let found = u32::try_from(*number.get_ref()).ok().filter(|found| range.contains(found));
    found.ok_or_else(|| {
        let text = format!("the number must be from {} to {}: correct it", range.start(), range.end());
        lines.error(&number.span(), text)
    })
}
