//! `consign charter`: who founds the cluster, and who shall from now on.

use clap::{Args, Subcommand};
use consign_api::{CharterId, CharterText, CharterView, NodeId, ProposeCharter, SignCharter, ValidatorView};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::flags::Data;
use crate::naming;
use crate::operator;
use crate::output::{Output, bold, facts};

/// Show the charter of the cluster, and let another one follow it
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  consign charter show --data ./a
  consign charter propose --data ./a --founder alice --founder bob --founder carol

A charter names the founders. The next one is in force once more than half of the present founders have signed it.")]
pub(crate) struct Charter {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Show the charter in force, those that are being signed, and rivals
    #[command(after_help = "\
Example:
  consign charter show --data ./a")]
    Show {
        #[command(flatten)]
        data: Data,
    },
    /// As a founder, propose the next charter, and sign it
    #[command(after_help = "\
Example:
  consign charter propose --data ./a --founder alice --founder bob --founder carol

All present members stay members, unless others are named.")]
    Propose {
        /// A founder from then on, by name, id or beginning of it; repeated for each of them
        #[arg(long = "founder", value_name = "VALIDATOR", required = true)]
        founders: Vec<String>,

        /// A member from then on; repeated for each of them; all present members if left out
        #[arg(long = "member", value_name = "VALIDATOR")]
        members: Vec<String>,

        /// Sign although this founder has signed another successor: two that get enough signatures split the cluster
        #[arg(long)]
        force: bool,

        #[command(flatten)]
        data: Data,
    },
    /// As a founder, sign a proposed charter
    #[command(after_help = "\
Example:
  consign charter sign --data ./b 3f9a

Look at it first: `consign charter show`.")]
    Sign {
        /// The charter, by id or beginning of it
        #[arg(value_name = "CHARTER")]
        charter: String,

        /// Sign although this founder has signed another successor: two that get enough signatures split the cluster
        #[arg(long)]
        force: bool,

        #[command(flatten)]
        data: Data,
    },
    /// At this node only: follow a rival of the charter in force
    #[command(after_help = "\
Example:
  consign charter switch --data ./a 3f9a

Two successors of one charter mean that a founder's key was stolen, or that founders signed twice. Agree with the \
other operators, outside of this network, which one holds.")]
    Switch {
        /// The rival, by id or beginning of it
        #[arg(value_name = "CHARTER")]
        charter: String,

        #[command(flatten)]
        data: Data,
    },
}

impl Charter {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        let (data, all) = match &self.command {
            Command::Show { data } | Command::Propose { data, .. } => (data, "charter show"),
            Command::Sign { data, .. } | Command::Switch { data, .. } => (data, "charter show"),
        };
        let node = Connection::open(&data.data)?;
        let operator = || operator::open(&data.data);
        let roster = node.validators()?;
        let words = ["proposed charter", "proposed charters", all];
        let view = match &self.command {
            Command::Show { .. } => node.charter()?,
            Command::Propose { founders, members, force, .. } => {
                let id = |text: &String| naming::validator(&roster, text);
                let ids = |named: &[String]| named.iter().map(id).collect::<Result<Vec<_>, _>>();
                let founders = ids(founders)?;
                let members = if members.is_empty() { present(&roster) } else { ids(members)? };
                operator()?.propose_charter(&ProposeCharter { founders, members, force: *force })?
            }
            Command::Sign { charter, force, .. } => {
                let charter = named(&node.charter()?.proposed, charter, words)?;
                operator()?.sign_charter(&SignCharter { charter, force: *force })?
            }
            Command::Switch { charter, .. } => {
                let rivals = node.charter()?.rivals;
                operator()?.switch_charter(&named(
                    &rivals,
                    charter,
                    ["rival charter", "rival charters", all],
                )?)?
            }
        };
        out.show(&view, || describe(&view, &roster))
    }
}

fn present(roster: &[ValidatorView]) -> Vec<NodeId> {
    roster.iter().filter(|v| v.member).map(|v| v.id).collect()
}

fn named(charters: &[CharterText], text: &str, words: [&str; 3]) -> Result<CharterId, Failure> {
    naming::find(charters.iter().map(|charter| charter.id), text, words)
}

fn describe(view: &CharterView, roster: &[ValidatorView]) -> String {
    let mut text = vec![
        facts(&[("cluster", view.cluster.to_string()), ("number", view.number.to_string())]),
        charter(&view.charter, roster),
    ];
    let needed = view.charter.founders.len() / 2 + 1;
    for draft in &view.proposed {
        let title = format!("PROPOSED, signed by {} of at least {needed} founders", draft.signed_by.len());
        text.push(format!("{}\n{}", bold(&title), charter(draft, roster)));
    }
    for rival in &view.rivals {
        let title = "ALARM: a rival, signed by founders enough, that this node does not follow";
        text.push(format!("{}\n{}", bold(title), charter(rival, roster)));
    }
    text.join("\n\n")
}

fn charter(charter: &CharterText, roster: &[ValidatorView]) -> String {
    let name = |id: &NodeId| {
        let known = roster.iter().find(|v| v.id == *id && !v.waiting).and_then(|v| v.name.as_ref());
        known.map_or_else(|| id.to_string(), |name| format!("{name} ({})", id.short()))
    };
    let names = |ids: &[NodeId]| ids.iter().map(name).collect::<Vec<_>>().join(", ");
    facts(&[
        ("charter", charter.id.to_string()),
        (
            "follows",
            charter.predecessor.map_or_else(|| "none: it is the first".to_owned(), |id| id.to_string()),
        ),
        ("founders", names(&charter.founders)),
        ("members", names(&charter.members)),
        ("signed by", names(&charter.signed_by)),
    ])
}
