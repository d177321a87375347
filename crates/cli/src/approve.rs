//! `consign approve`: what waits for the operator of a node.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use consign_api::{ApprovalState, ApprovalView, DecideBody};

use crate::failure::Failure;
use crate::flags::Data;
use crate::naming;
use crate::operator;
use crate::output::{Output, facts, table};

/// Show requests that wait for this node's operator, and approve or deny one
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign approve --data ./a
  consign approve --data ./a 3f9a
  consign approve --data ./a 3f9a --deny

What is shown is what this node has read in the request, and an approval is for exactly that, at this node, until it
expires. The client's next try goes through here; the other holders decide for themselves.")]
pub(crate) struct Approve {
    /// The request, by its id or an unambiguous beginning of it; left out: list what waits
    #[arg(value_name = "REQUEST")]
    id: Option<String>,

    /// Say no
    #[arg(long, requires = "id")]
    deny: bool,

    #[command(flatten)]
    data: Data,
}

impl Approve {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        let node = operator::open(&self.data.data)?;
        let known = node.approvals()?;
        let Some(text) = &self.id else { return list(&known, out) };
        let ids = known.iter().map(|view| view.id);
        let id = naming::find(ids, text, ["request", "requests", "approve"])?;
        let shown = known.iter().find(|view| view.id == id).map(|view| view.content);
        let content = shown.ok_or_else(|| Failure::Failed("the request is gone".to_owned()))?;
        let view = node.approve(&id, &DecideBody { content, approve: !self.deny })?;
        out.show(&view, || describe(&view))
    }
}

fn list(known: &[ApprovalView], out: &Output) -> Result<(), Failure> {
    out.show(&known, || {
        let waiting: Vec<_> = known.iter().filter(|view| view.state == ApprovalState::Waiting).collect();
        if waiting.is_empty() {
            return "Nothing waits for the operator of this node.".to_owned();
        }
        let full: Vec<_> = waiting.iter().map(|view| describe(view)).collect();
        let rows: Vec<_> = waiting.iter().map(|view| row(view)).collect();
        let overview = table(["REQUEST", "CLIENT", "WANTS TO", "WITH KEY", "EXPIRES IN"], &rows);
        format!("{overview}\n\n{}\n\n`consign approve REQUEST`, or with --deny.", full.join("\n\n"))
    })
}

fn row(view: &ApprovalView) -> [String; 5] {
    [view.id.short(), view.client.clone(), view.ceremony.clone(), view.label.to_string(), left(view.expires)]
}

fn describe(view: &ApprovalView) -> String {
    let mut rows = vec![
        ("request", view.id.to_string()),
        ("state", view.state.to_string()),
        ("client", format!("{} ({})", view.client, view.client_key)),
        ("wants to", view.ceremony.clone()),
        (
            "with key",
            view.key.map_or_else(|| view.label.to_string(), |key| format!("{} ({key})", view.label)),
        ),
        ("rule", view.rule.clone()),
        ("because", view.why.clone()),
        ("expires in", left(view.expires)),
    ];
    rows.extend(view.facts.iter().map(|(name, value)| (name.as_str(), value.clone())));
    facts(&rows)
}

/// How long it still is until then.
fn left(expires: u64) -> String {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    match expires.saturating_sub(now) {
        0 => "expired".to_owned(),
        seconds if seconds < 120 => format!("{seconds} s"),
        seconds if seconds < 7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}
