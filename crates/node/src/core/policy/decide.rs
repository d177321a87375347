//! The decision. A rule applies if nothing stands against it; of those that apply the least strict one counts: one without
//! approval before one with, then the one that allows more in a minute, then the first. If none applies, the one that
//! got furthest is named, with the line that it lacks.

use consign_api as api;

use super::act::{Act, Change, Deed, KeyFacts};
use super::{Policy, Rule};

/// What a policy says about an act.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision<'a> {
    /// Yes, by this rule, if it has room for one more ([`Counts::room`](super::Counts::room)).
    Allowed {
        /// Which rule.
        rule: &'a Rule,
    },
    /// Yes, if an operator of this node approves it.
    Waits {
        /// Which rule.
        rule: &'a Rule,
        /// Why it takes an approval, and what would make it unnecessary. A sentence.
        why: String,
    },
    /// No.
    Refused(Refused<'a>),
}

/// A refusal. Its text says why, and which line would allow it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("policy: {why}")]
pub struct Refused<'a> {
    /// A sentence.
    pub why: String,
    /// The rule that got furthest, if there is any for the client.
    pub nearest: Option<&'a Rule>,
}

/// What stands against a rule, in the order in which it is looked at: later is nearer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    Ceremony,
    Key,
    Level(api::Level),
    Digest,
    Hash(api::HashName),
}

pub(super) fn decide<'a>(policy: &'a Policy, act: &Act<'_>) -> Decision<'a> {
    let Some(client) = policy.client(&act.client) else {
        let key = act.client;
        let why = format!(
            "this node knows no client {key}: add `[[client]]` with a `name` and `key = \"{key}\"`, then a rule"
        );
        return Decision::Refused(Refused { why, nearest: None });
    };
    let (mut allowed, mut waiting, mut nearest) = (None::<&Rule>, None, None::<(Obstacle, &Rule)>);
    for rule in policy.rules_of(&act.client) {
        if let Some(obstacle) = rule.obstacle(act) {
            if nearest.is_none_or(|(before, _)| rank(obstacle) > rank(before)) {
                nearest = Some((obstacle, rule));
            }
        } else if let Some(why) = rule.waits(act) {
            waiting = waiting.or(Some((rule, why)));
        } else if allowed.is_none_or(|before| most(rule) > most(before)) {
            allowed = Some(rule);
        }
    }
    match (allowed, waiting, nearest) {
        (Some(rule), ..) => Decision::Allowed { rule },
        (None, Some((rule, why)), _) => Decision::Waits { rule, why },
        (None, None, Some((obstacle, rule))) => {
            let why = obstacle.tell(client, act, rule);
            Decision::Refused(Refused { why, nearest: Some(rule) })
        }
        (None, None, None) => {
            let why = format!(
                "no rule is for the client `{client}`: add `[[allow]]` with `clients = [\"{client}\"]`, \
                 `ceremonies` and `keys`"
            );
            Decision::Refused(Refused { why, nearest: None })
        }
    }
}

/// How far a rule got.
fn rank(obstacle: Obstacle) -> u8 {
    match obstacle {
        Obstacle::Ceremony => 0,
        Obstacle::Key => 1,
        Obstacle::Level(_) => 2,
        Obstacle::Digest | Obstacle::Hash(_) => 3,
    }
}

/// How much a rule allows.
fn most(rule: &Rule) -> u32 {
    rule.per_minute.unwrap_or(u32::MAX)
}

/// How strong a level is. Test levels are the weakest.
fn strength(level: api::Level) -> u16 {
    match level {
        api::Level::L112 => 112,
        api::Level::L128 => 128,
        #[cfg(all(feature = "test-levels", debug_assertions))]
        api::Level::Test => 0,
    }
}

impl Rule {
    /// The first thing that stands against it; the client is none.
    fn obstacle(&self, act: &Act<'_>) -> Option<Obstacle> {
        if !self.ceremonies.contains(&act.deed.ceremony()) {
            return Some(Obstacle::Ceremony);
        }
        // A key that is to be made will be the client's own.
        let owner = match act.deed {
            Deed::Keygen => Some(act.client),
            Deed::Sign(_) | Deed::Presign | Deed::Refresh | Deed::Reshare(_) => act.key.owner,
        };
        if !self.is_about(&act.client, &KeyFacts { owner, ..act.key }) {
            return Some(Obstacle::Key);
        }
        if let Some(lowest) = self.lowest_level.filter(|lowest| strength(act.key.level) < strength(*lowest)) {
            return Some(Obstacle::Level(lowest));
        }
        match act.deed {
            Deed::Sign(None) if !self.raw_digests => Some(Obstacle::Digest),
            Deed::Sign(Some(hash)) if !self.hashes.contains(&hash) => Some(Obstacle::Hash(hash)),
            Deed::Keygen | Deed::Sign(_) | Deed::Presign | Deed::Refresh | Deed::Reshare(_) => None,
        }
    }

    /// Why an operator must approve it, if so.
    fn waits(&self, act: &Act<'_>) -> Option<String> {
        if self.approve {
            return Some(format!("the rule {self} says `approve = true`"));
        }
        match act.deed {
            Deed::Reshare(change) if change.gives => self.gives_away(&change),
            Deed::Keygen | Deed::Sign(_) | Deed::Presign | Deed::Refresh | Deed::Reshare(_) => None,
        }
    }

    /// Resharing is as strong as export: who gets a share must be named, and no fewer than before may be needed.
    fn gives_away(&self, change: &Change<'_>) -> Option<String> {
        let known = |id: &&api::NodeId| change.holders.contains(id) || self.new_members.contains(id);
        if let Some(stranger) = change.new_holders.iter().find(|id| !known(id)) {
            let id = stranger.short();
            return Some(format!(
                "{id}… gets a share, and the rule {self} does not name it in `new_members`"
            ));
        }
        let lowest = self.lowest_threshold.unwrap_or(change.threshold);
        (change.new_threshold < lowest).then(|| {
            let next = change.new_threshold;
            format!(
                "{next} holders would be enough instead of {}, and the rule {self} does not allow it: \
                 `lowest_threshold = {next}`",
                change.threshold
            )
        })
    }
}

impl Obstacle {
    /// Why the act is refused, by the rule that got furthest.
    fn tell(self, client: &str, act: &Act<'_>, rule: &Rule) -> String {
        let ceremony = act.deed.ceremony();
        let key = act.key.label;
        let may_not = format!("`{client}` may not {ceremony} with the key `{key}`");
        match self {
            Self::Ceremony => {
                format!("{may_not}: add \"{ceremony}\" to `ceremonies` of its rule {rule}, or another rule")
            }
            Self::Key => {
                format!("{may_not}: the rule {rule} is for other keys; add \"{key}\" or its id to `keys`")
            }
            Self::Level(lowest) => format!(
                "{may_not}: its level is {}, and the rule {rule} says `lowest_level = \"{lowest}\"`",
                act.key.level
            ),
            Self::Digest => {
                format!(
                    "{may_not} as a raw digest: add `raw_digests = true` to the rule {rule}, or send the message"
                )
            }
            Self::Hash(hash) => {
                format!("{may_not} by {hash}: add \"{hash}\" to `hashes` of the rule {rule}")
            }
        }
    }
}
