//! Lines for a policy: they can stand at the end of any policy.

use super::act::Ceremony;
use super::file::check_name;
use super::pattern::KeyPattern;
use super::{ClientKey, EVERY_CLIENT, Policy};

/// A name that no client can have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(String);

/// What a new rule says. Everything else has its default.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewRule<'a> {
    /// Name of the client.
    pub client: &'a str,
    /// What it may ask for.
    pub ceremonies: &'a [Ceremony],
    /// With which keys.
    pub keys: &'a [KeyPattern],
    /// Whether it may have raw digests signed.
    pub raw_digests: bool,
    /// How many requests in a minute.
    pub per_minute: Option<u32>,
    /// Whether an operator must approve each request.
    pub approve: bool,
}

/// A name of the client, or one made of its key, that nobody else has.
#[must_use]
pub fn free_name(policy: &Policy, key: &ClientKey) -> String {
    policy.client(key).map_or_else(|| format!("client-{}", key.short()), str::to_owned)
}

/// The lines that make a client known.
///
/// # Errors
/// [`BadName`].
pub fn client_lines(name: &str, key: &ClientKey) -> Result<String, BadName> {
    check_name(name).map_err(BadName)?;
    if name == EVERY_CLIENT {
        return Err(BadName("`*` stands for every client: choose another name".to_owned()));
    }
    Ok(format!("[[client]]\nname = \"{name}\"\nkey = \"{key}\"\n"))
}

/// The lines of a rule, with what each means.
#[must_use]
pub fn rule_lines(rule: &NewRule<'_>) -> String {
    let list =
        |words: Vec<String>| words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(", ");
    let ceremonies = list(rule.ceremonies.iter().map(ToString::to_string).collect());
    let keys = list(rule.keys.iter().map(ToString::to_string).collect());
    let mut text = format!("[[allow]]\nclients = [\"{}\"]\nceremonies = [{ceremonies}]\n", rule.client);
    text.push_str(
        "# \"own\": the keys that the client asked for; else labels, with * for any text, or ids.\n",
    );
    text.push_str(&format!("keys = [{keys}]\n"));
    if rule.ceremonies.contains(&Ceremony::Sign) {
        text.push_str("# 32 bytes to sign of which nobody can see what they stand for.\n");
        text.push_str(&format!("raw_digests = {}\n", rule.raw_digests));
    }
    if let Some(per_minute) = rule.per_minute {
        text.push_str(&format!("per_minute = {per_minute}\n"));
    }
    if rule.approve {
        text.push_str("# Each request waits for `consign approve` at this node.\napprove = true\n");
    }
    if rule.ceremonies.contains(&Ceremony::Reshare) {
        text.push_str("# Who may get a share without `consign approve`: ids of `consign validator list`.\n");
        text.push_str("# new_members = []\n");
    }
    text
}
