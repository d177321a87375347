//! `consign validator`: the roster, and what an operator decides about those in it.

use clap::{Args, Subcommand};
use consign_api::{Act, Decision, NodeView, PolicyView, ValidatorView};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::flags::Data;
use crate::naming;
use crate::operator;
use crate::output::{Output, plain, table};

/// Show the validators of the cluster, and decide who they are
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  consign validator list --data ./a
  consign validator vouch --data ./a bob")]
pub(crate) struct Validator {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the validators, who waits to be let in, and whether this node is connected to them
    #[command(after_help = "\
Example:
  consign validator list --data ./a")]
    List {
        #[command(flatten)]
        data: Data,
    },
    /// As a founder, let a validator in: it is a member once more than half of the founders vouch for it
    #[command(after_help = "\
Example:
  consign validator vouch --data ./a bob

Somebody who waits to be let in is named by its whole id: ask its operator for it (`consign join` prints it), since \
anybody can call itself bob.")]
    Vouch(Whom),
    /// As a founder, let a validator be a member no more: it gets no new share and proposes nothing
    #[command(after_help = "\
Example:
  consign validator revoke --data ./a bob

Keys that it holds a share of are as they were: move them with `consign key reshare`, and let it be asked as the last \
choice until then.")]
    Revoke(Whom),
    /// At this node only: do nothing together with a validator, and do not listen to it
    #[command(after_help = "\
Example:
  consign validator block --data ./a bob")]
    Block(Whom),
    /// At this node only: end a block
    #[command(after_help = "\
Example:
  consign validator unblock --data ./a bob")]
    Unblock(Whom),
    /// At this node only: work again with a validator that was convicted
    #[command(after_help = "\
Example:
  consign validator forgive --data ./a bob

The evidence is kept. What the validator did until now counts no more, what it does from now on does. Forgive only if you \
know why it signed a lie, and that it is mended.")]
    Forgive(Whom),
}

/// About whom a decision is.
#[derive(Args, Debug)]
struct Whom {
    /// The validator, by name, id or beginning of it
    #[arg(value_name = "VALIDATOR")]
    validator: String,

    #[command(flatten)]
    data: Data,
}

impl Validator {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        match &self.command {
            Command::List { data } => list(data, out),
            Command::Vouch(whom) => decide(whom, Act::Vouch, out),
            Command::Revoke(whom) => decide(whom, Act::Revoke, out),
            Command::Block(whom) => decide(whom, Act::Block, out),
            Command::Unblock(whom) => decide(whom, Act::Unblock, out),
            Command::Forgive(whom) => decide(whom, Act::Forgive, out),
        }
    }
}

fn list(data: &Data, out: &Output) -> Result<(), Failure> {
    let node = Connection::open(&data.data)?;
    let validators = node.validators()?;
    out.show(&validators, || {
        table(
            ["NAME", "ID", "ROLE", "STATE", "ADDRESSES"],
            &validators.iter().map(|v| row(v, &validators)).collect::<Vec<_>>(),
        )
    })?;
    let myself = node.node()?;
    if let Some(line) = way_in(&myself, &validators) {
        out.note(&format!("\nOthers can ask to be let in: {line}"));
    }
    if !myself.rival_charters.is_empty() {
        out.note("ALARM: there is a rival of the charter: see `consign charter show`.");
    }
    if let Some(policy) = &myself.policy {
        note_policy(policy, out);
    }
    if validators.iter().any(|v| v.waiting) {
        out.note("Founders let in who is waiting with `consign validator vouch ID`, if its operator told them that id.");
    }
    Ok(())
}

/// What the operator of this node should know of its policy.
fn note_policy(policy: &PolicyView, out: &Output) {
    if let Some(error) = &policy.error {
        out.note(&format!("The policy of before is in force: {error}"));
    }
    if policy.waiting > 0 {
        out.note(&format!("Requests that wait for `consign approve` at this node: {}", policy.waiting));
    }
}

/// How another node asks this one to be let in.
fn way_in(myself: &NodeView, validators: &[ValidatorView]) -> Option<String> {
    let peer_id = &validators.iter().find(|v| v.this_node)?.peer_id;
    let address = myself.addresses.first()?;
    Some(format!("consign join --cluster {} --peer {address}/p2p/{peer_id}", myself.cluster))
}

fn decide(whom: &Whom, act: Act, out: &Output) -> Result<(), Failure> {
    let node = Connection::open(&whom.data.data)?;
    let validators = node.validators()?;
    let validator = naming::validator(&validators, &whom.validator)?;
    let view = operator::open(&whom.data.data)?.decide(&Decision { validator, act })?;
    let founders = validators.iter().filter(|v| v.founder).count();
    out.show(&view, || done(&view, act, founders))
}

/// What has changed, and what has not.
fn done(view: &ValidatorView, act: Act, founders: usize) -> String {
    let who = view.name.as_ref().map_or_else(|| view.id.to_string(), ToString::to_string);
    match act {
        Act::Vouch | Act::Revoke => {
            let state = if view.member { "is a member" } else { "is no member" };
            format!(
                "{who} {state}: {} of {founders} founders vouch for it, more than half must.",
                view.vouches
            )
        }
        Act::Block => format!("This node does nothing together with {who} any more."),
        Act::Unblock => format!("This node works with {who} again."),
        Act::Forgive => format!("This node works with {who} again, until new evidence convicts it."),
    }
}

fn row(validator: &ValidatorView, all: &[ValidatorView]) -> [String; 5] {
    let founders = all.iter().filter(|v| v.founder).count();
    let role = match (validator.founder, validator.member) {
        (true, _) => "founder".to_owned(),
        (false, true) => "member".to_owned(),
        (false, false) if validator.waiting => "asks to be let in".to_owned(),
        (false, false) if validator.vouches > 0 => {
            format!("not a member, {} of {founders} vouch", validator.vouches)
        }
        (false, false) => "not a member".to_owned(),
    };
    let mut state = match (validator.this_node, validator.connected, validator.latency_ms) {
        (true, ..) => "this node".to_owned(),
        (false, true, Some(ms)) => format!("connected, {ms} ms"),
        (false, true, None) => "connected".to_owned(),
        (false, false, _) => "not connected".to_owned(),
    };
    if validator.runs_twice {
        state.push_str(", RUNS TWICE: stop the copy");
    }
    if validator.blocked {
        state.push_str("; blocked here");
    }
    if !validator.evidence.is_empty() {
        let ids: Vec<_> = validator.evidence.iter().map(|id| id.short()).collect();
        let word = if validator.convicted { "convicted by" } else { "forgiven here, after" };
        state.push_str(&format!("; {word} {}", ids.join(", ")));
    }
    let name = validator.name.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
    [name, validator.id.to_string(), role, state, plain(&validator.addresses.join(" "))]
}

#[cfg(test)]
mod tests {
    use consign_api::NodeId;

    use super::*;

    fn validator(id: u8, name: &str, waiting: bool) -> ValidatorView {
        serde_json::from_value(serde_json::json!({
            "id": NodeId([id; 32]), "peer_id": "", "name": name, "addresses": ["/ip4/1.2.3.4/tcp/5\u{1b}[2J"],
            "founder": false, "member": !waiting, "waiting": waiting, "this_node": false, "connected": false,
        }))
        .unwrap()
    }

    #[test]
    fn a_stranger_draws_nothing_on_the_terminal() {
        let all = [validator(0xab, "bob", true)];
        let [_, _, role, _, addresses] = row(&all[0], &all);
        assert_eq!((role.as_str(), addresses.as_str()), ("asks to be let in", "/ip4/1.2.3.4/tcp/5?[2J"));
    }
}
