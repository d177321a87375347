//! What is written, what it means, and what is said about it.

use super::*;
use crate::identity::Identity;

pub(super) fn client(i: u8) -> ClientKey {
    ClientKey::from_bytes(Identity::from_seed(&[i; 32]).node_id().as_bytes()).unwrap()
}

pub(super) fn node(i: u8) -> api::NodeId {
    api::NodeId(*client(100 + i).as_bytes())
}

/// A policy with the clients `c1` to `c3` and these lines.
pub(super) fn text(rules: &str) -> String {
    let clients = (1..=3).map(|i| client_lines(&format!("c{i}"), &client(i)).unwrap());
    clients.collect::<String>() + rules
}

pub(super) fn policy(rules: &str) -> Policy {
    Policy::parse(&text(rules)).unwrap()
}

pub(super) struct Key {
    label: api::Label,
    owner: Option<ClientKey>,
}

pub(super) fn key(label: &str, owner: Option<u8>) -> Key {
    Key { label: label.parse().unwrap(), owner: owner.map(client) }
}

impl Key {
    pub(super) fn facts(&self) -> KeyFacts<'_> {
        let id = Some(api::KeyId([7; 32]));
        KeyFacts { id, label: &self.label, owner: self.owner, level: api::Level::L128 }
    }

    pub(super) fn act<'a>(&'a self, who: u8, deed: Deed<'a>) -> Act<'a> {
        Act { client: client(who), deed, key: self.facts() }
    }
}

const SIGN: Deed<'_> = Deed::Sign(Some(api::HashName::Sha256));

pub(super) fn word(decision: &Decision<'_>) -> String {
    match decision {
        Decision::Allowed { rule } => format!("allowed by {}", rule.name),
        Decision::Waits { rule, why } => format!("waits by {}: {why}", rule.name),
        Decision::Refused(refused) => refused.to_string(),
    }
}

#[track_caller]
fn says(policy: &Policy, act: &Act<'_>, wanted: &str) {
    let told = word(&policy.decide(act));
    assert!(told.contains(wanted), "{told}");
}

#[test]
fn what_no_rule_allows_is_refused_with_the_line_that_is_missing() {
    let (own, other) = (key("pay-1", Some(1)), key("pay-2", Some(2)));
    let empty = Policy::parse("").unwrap();
    assert_eq!(empty, Policy::default());
    says(&empty, &own.act(1, SIGN), "knows no client");
    says(&empty, &own.act(1, SIGN), &format!("key = \"{}\"", client(1)));
    says(&policy(""), &own.act(1, SIGN), "add `[[allow]]` with `clients = [\"c1\"]`");
    let one = policy(
        "[[allow]]\nname = \"shop signs\"\nclients = [\"c1\"]\nceremonies = [\"sign\"]\nkeys = [\"own\"]\n\
         hashes = [\"sha256\"]\nlowest_level = \"128\"\n",
    );
    says(&one, &own.act(1, SIGN), "allowed by shop signs");
    says(&one, &own.act(2, SIGN), "no rule is for the client `c2`");
    says(
        &one,
        &own.act(1, Deed::Presign),
        "add \"presign\" to `ceremonies` of its rule `shop signs` (line 10)",
    );
    says(&one, &other.act(1, SIGN), "add \"pay-2\" or its id to `keys`");
    says(&one, &own.act(1, Deed::Sign(None)), "add `raw_digests = true`");
    says(&one, &own.act(1, Deed::Sign(Some(api::HashName::Keccak256))), "add \"keccak256\" to `hashes`");
    let weak = Act { key: KeyFacts { level: api::Level::L112, ..own.facts() }, ..own.act(1, SIGN) };
    says(&one, &weak, "lowest_level = \"128\"");
    assert!(one.concerns(&client(1), &own.facts()) && !one.concerns(&client(1), &other.facts()));
    assert!(!one.concerns(&client(2), &own.facts()));
}

#[test]
fn the_least_strict_rule_counts_and_the_nearest_is_named() {
    let both = policy(
        "[[allow]]\nname = \"asks\"\nclients = [\"*\"]\nceremonies = [\"sign\"]\nkeys = [\"pay-*\"]\napprove = true\n\
         [[allow]]\nname = \"few\"\nclients = [\"c1\"]\nceremonies = [\"sign\"]\nkeys = [\"pay-*\"]\nper_minute = 2\n\
         [[allow]]\nname = \"many\"\nclients = [\"c1\"]\nceremonies = [\"sign\"]\nkeys = [\"pay-*\"]\nper_minute = 9\n\
         [[allow]]\nname = \"other\"\nclients = [\"c1\"]\nceremonies = [\"refresh\"]\nkeys = [\"save\"]\n",
    );
    let pay = key("pay-1", None);
    says(&both, &pay.act(1, SIGN), "allowed by many");
    says(&both, &pay.act(2, SIGN), "waits by asks: the rule `asks` (line 10) says `approve = true`");
    says(&both, &pay.act(1, Deed::Refresh), "the rule `other` (line 28) is for other keys");
    // The names of other clients' rules are told to nobody.
    assert!(!word(&both.decide(&pay.act(2, Deed::Refresh))).contains("`other`"));
}

#[test]
fn a_key_to_be_made_is_the_clients_own() {
    let make = policy("[[allow]]\nclients = [\"c1\"]\nceremonies = [\"keygen\"]\nkeys = [\"own\"]\n");
    let labels = policy("[[allow]]\nclients = [\"c1\"]\nceremonies = [\"keygen\"]\nkeys = [\"pay-*\"]\n");
    let new = |label| Key { owner: None, ..key(label, None) };
    says(&make, &new("x").act(1, Deed::Keygen), "allowed");
    says(&labels, &new("pay-9").act(1, Deed::Keygen), "allowed");
    says(&labels, &new("x").act(1, Deed::Keygen), "is for other keys");
}

#[test]
fn resharing_waits_unless_the_new_members_are_named() {
    let rule = "[[allow]]\nclients = [\"c1\"]\nceremonies = [\"reshare\"]\nkeys = [\"*\"]\n";
    let pay = key("pay", Some(1));
    let (old, new) = ([node(1), node(2), node(3)], [node(2), node(3), node(4)]);
    let change = Change { holders: &old, threshold: 2, new_holders: &new, new_threshold: 2, gives: true };
    let reshare = |change| Deed::Reshare(change);
    let open = policy(rule);
    says(&open, &pay.act(1, reshare(change)), "does not name it in `new_members`");
    says(&open, &pay.act(1, reshare(Change { new_holders: &old, ..change })), "allowed");
    says(&open, &pay.act(1, reshare(Change { gives: false, ..change })), "allowed");
    let named = policy(&format!("{rule}new_members = [\"{}\"]\n", node(4)));
    says(&named, &pay.act(1, reshare(change)), "allowed");
    says(&named, &pay.act(1, reshare(Change { threshold: 3, ..change })), "`lowest_threshold = 2`");
    let low = policy(&format!("{rule}new_members = [\"{}\"]\nlowest_threshold = 2\n", node(4)));
    says(&low, &pay.act(1, reshare(Change { threshold: 3, ..change })), "allowed");
    says(&low, &pay.act(2, reshare(change)), "no rule is for the client");
}

#[test]
fn every_error_has_its_line_and_says_what_to_do() {
    let rule = "[[allow]]\nclients = [\"c1\"]\nceremonies = [\"sign\"]\nkeys = [\"own\"]\n";
    let id = client(1);
    let hex = "ab".repeat(32);
    let zero = "0".repeat(64);
    // Nine lines of clients come first.
    let cases = [
        ("[[allow]]\nclients = [\"c1\"]\n".to_owned(), 10, "missing field `ceremonies`"),
        (format!("{rule}per_second = 1\n"), 14, "unknown field `per_second`"),
        (format!("{rule}[allows]\n"), 14, "unknown field `allows`"),
        (format!("{rule}per_minute = 0\n"), 14, "from 1 to 100000"),
        (format!("{rule}per_minute = -1\n"), 14, "from 1 to 100000"),
        (format!("{rule}per_minute = \"9\"\n"), 14, "expected i64"),
        (format!("{rule}approve = 1\n"), 14, "expected a boolean"),
        (format!("{rule}approve = true\napprove = true\n"), 15, "duplicate key"),
        (format!("{rule}hashes = [\"md5\"]\n"), 14, "sha256 or keccak256"),
        (format!("{rule}hashes = []\n"), 14, "1 to 256 entries"),
        (format!("{rule}hashes = [\"sha256\",\n\"sha256\"]\n"), 15, "stands twice"),
        (format!("{rule}lowest_level = \"96\"\n"), 14, "use 112 or 128"),
        (format!("{rule}new_members = [\"{hex}\"]\n"), 14, "which this rule does not allow"),
        (format!("{rule}lowest_threshold = 2\n"), 14, "which this rule does not allow"),
        (format!("{rule}name = \"a\\u001b[0m\"\n"), 14, "a name has"),
        (format!("{rule}name = \"rule 2\"\n{rule}"), 15, "another rule is called `rule 2`"),
        (rule.replace("c1", "c9"), 11, "no `[[client]]` has the name `c9`"),
        (rule.replace("\"sign\"", "\"sing\""), 12, "use keygen, sign"),
        (rule.replace("\"sign\"", "\"export\""), 12, "operators do that"),
        (rule.replace("\"sign\"", "\"import\""), 12, "with the token"),
        (rule.replace("\"sign\"", "\"aux\""), 12, "belongs to"),
        (rule.replace("\"own\"", "\"not a label\""), 13, "names no keys"),
        (format!("{}hashes = [\"sha256\"]\n", rule.replace("sign", "refresh")), 14, "is for \"sign\""),
        (format!("{}new_members = [\"{zero}\"]\n", rule.replace("sign", "reshare")), 14, "no validator's id"),
        (format!("{}lowest_threshold = 1\n", rule.replace("sign", "reshare")), 14, "from 2 to 20"),
        (format!("[[client]]\nname = \"x\"\nkey = \"{id}\"\n"), 12, "`c1` has this key already"),
        (format!("[[client]]\nname = \"c1\"\nkey = \"{}\"\n", client(9)), 11, "another client has this name"),
        ("[[client]]\nname = \"*\"\nkey = \"00\"\n".to_owned(), 11, "a name has"),
        ("[[client]]\nname = \"x\"\nkey = \"00\"\n".to_owned(), 12, "an Ed25519 public key"),
        (format!("[[client]]\nname = \"x\"\nkey = \"{zero}\"\n"), 12, "an Ed25519 public key"),
        ("[[client]\n".to_owned(), 10, ""),
    ];
    for (lines, line, wanted) in cases {
        let error = Policy::parse(&text(&lines)).unwrap_err();
        assert_eq!(error.line, line, "{lines}: {error}");
        assert!(error.text.contains(wanted), "{lines}: {error}");
    }
    let long = "#".repeat(MAX_POLICY_BYTES + 1);
    assert!(Policy::parse(&long).unwrap_err().text.contains("at most 262144 bytes"));
}

#[test]
fn lines_that_are_written_read_as_they_were_meant() {
    let keys = [KeyPattern::Own, KeyPattern::Label("pay-*".to_owned()), KeyPattern::Id(api::KeyId([7; 32]))];
    let new = NewRule {
        client: "c1",
        ceremonies: &Ceremony::ALL,
        keys: &keys,
        raw_digests: true,
        per_minute: Some(60),
        approve: true,
    };
    let policy = policy(&rule_lines(&new));
    let rule = policy.rules().first().unwrap();
    assert_eq!((rule.name.as_str(), rule.line), ("rule 1", 10));
    assert_eq!((&rule.keys[..], &rule.ceremonies[..]), (&keys[..], &Ceremony::ALL[..]));
    assert_eq!((rule.raw_digests, rule.per_minute, rule.approve), (true, Some(60), true));
    assert_eq!(rule.hashes, api::HashName::ALL);
    assert_eq!((policy.client(&client(2)), policy.key_of("c2")), (Some("c2"), Some(client(2))));
    assert_eq!(free_name(&policy, &client(2)), "c2");
    assert!(free_name(&policy, &client(9)).starts_with("client-"));
    for bad in ["", " x", "a\"b", "*", &"x".repeat(MAX_NAME_BYTES + 1)] {
        assert!(client_lines(bad, &client(1)).is_err(), "{bad}");
    }
}

#[test]
fn the_memory_of_counts_is_bounded() {
    let policy = policy(
        "[[allow]]\nclients = [\"*\"]\nceremonies = [\"sign\"]\nkeys = [\"own\"]\nper_minute = 1\n\
         [[allow]]\nclients = [\"*\"]\nceremonies = [\"presign\"]\nkeys = [\"own\"]\n",
    );
    let [limited, free] = policy.rules() else { panic!() };
    let mut counts = Counts::default();
    let name = |i: usize| {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&i.to_be_bytes());
        ClientKey::from_bytes(Identity::from_seed(&seed).node_id().as_bytes()).unwrap()
    };
    for i in 0..MAX_COUNTED {
        assert_eq!(counts.room(&policy, name(i), limited, 5), Ok(()));
        counts.count(name(i), limited, 5);
    }
    assert!(counts.room(&policy, client(1), limited, 5).is_err());
    assert_eq!(counts.room(&policy, client(1), free, 5), Ok(()));
    counts.forget(61_000);
    assert_eq!(counts.room(&policy, client(1), limited, 61_000), Ok(()));
}

/// What the manual shows is a policy.
#[test]
fn the_examples_of_the_manual_are_good() {
    let manual = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/", "policy.md"));
    let examples: Vec<_> =
        manual.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 5);
    let mut orders = 0;
    for example in examples {
        let policy = Policy::parse(example).unwrap_or_else(|e| panic!("{e}: {example}"));
        assert!(!policy.rules().is_empty() || !policy.orders().is_empty());
        orders += policy.orders().len();
    }
    assert_eq!(orders, 2);
}
