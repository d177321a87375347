//! `consign key create`.

use clap::Args;
use consign_api::limits::{MAX_THRESHOLD, MIN_THRESHOLD};
use consign_api::{CreateKey, Curve, Label, Level, NodeId, Outcome, Scheme, ValidatorView};

use super::show::describe;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::flags::Call;
use crate::follow;
use crate::output::Output;

/// Create a key: every member gets a share, any THRESHOLD of them can sign
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign key create --data ./a --name pay
  consign key create --data ./a --name vault --threshold 3 --member alice --member bob --member carol
  consign key create --data ./a --name tls --curve p256

The first key of a committee takes longest: its members make their moduli first.")]
pub(super) struct Create {
    /// What to call the key
    #[arg(long, value_name = "LABEL")]
    name: Label,

    /// How many members must sign together; a majority if left out
    #[arg(long, value_name = "T",
          value_parser = clap::value_parser!(u16).range(i64::from(MIN_THRESHOLD)..=i64::from(MAX_THRESHOLD)))]
    threshold: Option<u16>,

    /// A validator that gets a share, by name, id or beginning of it; may be repeated; all members if left out
    #[arg(long = "member", value_name = "VALIDATOR")]
    members: Vec<String>,

    /// The curve: secp256k1 for Bitcoin and Ethereum, p256 (also called secp256r1, prime256v1) for TLS, JWT and the like
    #[arg(long, value_name = "secp256k1|p256", default_value_t = Curve::Secp256k1)]
    curve: Curve,

    /// Security level in bits
    #[arg(long, value_name = "112|128", default_value_t = Level::L128)]
    level: Level,

    #[command(flatten)]
    call: Call,
}

impl Create {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        let node = Connection::of(&self.call)?;
        let roster = node.validators()?;
        let committee = committee(&roster, &self.members)?;
        let names = meant(&node, &roster, &committee, &self.members, out)?;
        let request = CreateKey {
            label: self.name.clone(),
            scheme: Scheme::Cggmp24,
            curve: self.curve,
            level: self.level,
            threshold: self.threshold.unwrap_or_else(|| majority(committee.len())),
            committee,
        };
        let request = request.checked().map_err(Failure::Usage)?;
        let (begun, asked) = node.create_key(&request)?;
        let over = follow::to_end(&node, begun, out)?;
        let Some(Outcome::Key(key)) = &over.outcome else { return Err(follow::odd_outcome(&over)) };
        let Some((trust, asked)) = node.trust().zip(asked) else { return out.show(key, || describe(key)) };
        let key = trust.made(&asked, key.id)?;
        trust.call(&names)?;
        out.show(&key, || describe(&key))
    }
}

/// The validators that a client means by names which it uses for the first time: the node alone says who they are, so that
/// is told, to be compared. For who believes the node there is nothing to compare.
pub(super) fn meant(
    node: &Connection,
    roster: &[ValidatorView],
    committee: &[NodeId],
    given: &[String],
    out: &Output,
) -> Result<Vec<(Option<Label>, NodeId)>, Failure> {
    let Some(trust) = node.trust() else { return Ok(Vec::new()) };
    let names = trust.meant(roster, committee, given)?;
    for (name, id) in &names {
        let name = name.as_ref().map_or("a validator without a name", Label::as_str);
        out.note(&format!("{name} is {id}, as this node says: compare that with what its operator says"));
    }
    Ok(names)
}

/// More than half, within the limits of a threshold.
pub(crate) fn majority(members: usize) -> u16 {
    u16::try_from(members / 2 + 1).unwrap_or(MAX_THRESHOLD).clamp(MIN_THRESHOLD, MAX_THRESHOLD)
}

/// The members named, in the order given; all members of the cluster, if none is named.
pub(super) fn committee(roster: &[ValidatorView], named: &[String]) -> Result<Vec<NodeId>, Failure> {
    let members: Vec<_> = roster.iter().filter(|validator| validator.member).collect();
    if named.is_empty() {
        if members.len() < usize::from(MIN_THRESHOLD) {
            return Err(Failure::Failed(
                "this node is the only member of its cluster, and a key is held by at least two: \
                 let others in with `consign invite`"
                    .to_owned(),
            ));
        }
        return Ok(members.iter().map(|member| member.id).collect());
    }
    named.iter().map(|text| member(&members, text)).collect()
}

/// The one member that `text` names.
fn member(members: &[&ValidatorView], text: &str) -> Result<NodeId, Failure> {
    let named = |validator: &&&ValidatorView| {
        validator.name.as_ref().is_some_and(|name| name.as_str() == text)
            || !text.is_empty() && validator.id.to_string().starts_with(text)
    };
    let mut fitting = members.iter().filter(named);
    match (fitting.next(), fitting.next()) {
        (Some(one), None) => Ok(one.id),
        (None, _) => {
            Err(Failure::Usage(format!("no member is called `{text}`: see `consign validator list`")))
        }
        (Some(_), Some(_)) => {
            Err(Failure::Usage(format!("several members are called `{text}`: give the beginning of an id")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn validator(id: u8, name: &str, member: bool) -> ValidatorView {
        serde_json::from_value(serde_json::json!({
            "id": NodeId([id; 32]), "peer_id": "", "name": name, "addresses": [], "founder": false, "member": member,
            "this_node": false, "connected": true,
        }))
        .unwrap()
    }

    #[test]
    fn committees_are_all_members_or_those_named() {
        let roster = [validator(1, "a", true), validator(2, "b", false), validator(3, "c", true)];
        let ids = |named: &[&str]| {
            let named: Vec<_> = named.iter().map(ToString::to_string).collect();
            committee(&roster, &named).map(|ids| ids.iter().map(|id| id.0[0]).collect::<Vec<_>>())
        };
        assert_eq!(ids(&[]).unwrap(), [1, 3]);
        assert_eq!(ids(&["c", "01"]).unwrap(), [3, 1]);
        for wrong in ["b", "0", "z", ""] {
            assert_eq!(ids(&[wrong]).unwrap_err().exit_code(), 2, "{wrong}");
        }
    }

    #[test]
    fn alone_there_is_no_key() {
        let error = committee(&[validator(1, "a", true), validator(2, "b", false)], &[]).unwrap_err();
        assert!(error.to_string().contains("consign invite"), "{error}");
    }

    #[test]
    fn a_majority_is_more_than_half() {
        let majorities: Vec<_> = [2, 3, 4, 5, 100].into_iter().map(majority).collect();
        assert_eq!(majorities, [2, 2, 3, 3, MAX_THRESHOLD]);
    }
}
