//! `consign message`: messages of applications, from this node to another or to all.

use clap::{Args, Subcommand};
use consign_api::limits::{DEFAULT_PAGE, MAX_PAGE};
use consign_api::{Label, MessageQuery, MessageText, MessageView, SendMessage, ValidatorView};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::flags::Data;
use crate::naming::validator;
use crate::output::{Output, plain, table};

/// Send messages to other validators, and list those that came
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  consign message send --data ./a --to bob ops \"the new key is ready\"
  consign message list --data ./b ops

Messages are kept for a week, at most 256 of each sender. They are signed by the node, and readable by the nodes that get them.")]
pub(crate) struct Message {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Send a message to one validator, or to all members
    #[command(after_help = "\
Example:
  consign message send --data ./a --to bob ops \"the new key is ready\"
  consign message send --data ./a ops \"node a restarts at noon\"

Who is away gets it when it is back, within a week.")]
    Send {
        /// Under what it is listed: letters, digits, '.', '_', '-'
        #[arg(value_name = "TOPIC")]
        topic: Label,

        /// What it says, at most 16 KiB
        #[arg(value_name = "TEXT")]
        text: MessageText,

        /// For whom, by name, id or beginning of it; for all members if left out
        #[arg(long, value_name = "VALIDATOR")]
        to: Option<String>,

        #[command(flatten)]
        data: Data,
    },
    /// List the messages that came to this node or were sent by it, oldest first
    #[command(after_help = "\
Example:
  consign message list --data ./b ops
  consign message list --data ./b --after 17 --json")]
    List {
        /// Only this topic
        #[arg(value_name = "TOPIC")]
        topic: Option<Label>,

        /// Only messages with a larger number than this
        #[arg(long, value_name = "NUMBER")]
        after: Option<u64>,

        /// How many at most
        #[arg(long, value_name = "COUNT", default_value_t = DEFAULT_PAGE,
              value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_PAGE)))]
        limit: u16,

        #[command(flatten)]
        data: Data,
    },
}

impl Message {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        match &self.command {
            Command::Send { topic, text, to, data } => {
                let node = Connection::open(&data.data)?;
                let roster = node.validators()?;
                let to = to.as_ref().map(|to| validator(&roster, to)).transpose()?;
                let view =
                    node.send_message(&SendMessage { to, topic: topic.clone(), text: text.clone() })?;
                out.show(&view, || {
                    format!("Sent, as number {}, to {} nodes.", view.number, view.undelivered.len())
                })
            }
            Command::List { topic, after, limit, data } => {
                let node = Connection::open(&data.data)?;
                let query = MessageQuery { topic: topic.clone(), after: *after, limit: *limit };
                let page = node.messages(&query)?;
                let roster = node.validators()?;
                out.show(&page.items, || {
                    let rows: Vec<_> = page.items.iter().map(|view| row(view, &roster)).collect();
                    table(["NUMBER", "FROM", "TO", "TOPIC", "TEXT"], &rows)
                })?;
                if let Some(next) = page.next {
                    out.note(&format!("There are more: consign message list --after {next}"));
                }
                Ok(())
            }
        }
    }
}

fn row(view: &MessageView, roster: &[ValidatorView]) -> [String; 5] {
    let name = |id: consign_api::NodeId| {
        let known = roster.iter().find(|v| v.id == id).and_then(|v| v.name.as_ref());
        known.map_or_else(|| id.short(), ToString::to_string)
    };
    let mut to = view.to.map_or_else(|| "all".to_owned(), name);
    if !view.undelivered.is_empty() {
        to.push_str(&format!(" ({} not yet)", view.undelivered.len()));
    }
    [view.number.to_string(), name(view.from), to, view.topic.to_string(), plain(view.text.as_str())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_draws_nothing_on_the_terminal() {
        let view: MessageView = serde_json::from_value(serde_json::json!({
            "number": 3, "id": "00".repeat(32), "from": "01".repeat(32), "topic": "ops", "text": "a\u{1b}[2Jb\nc",
            "created": 1, "received": 2, "undelivered": ["02".repeat(32)],
        }))
        .unwrap();
        let cells = row(&view, &[]);
        assert_eq!(
            cells.each_ref().map(String::as_str),
            ["3", "01010101", "all (1 not yet)", "ops", "a?[2Jb?c"]
        );
    }
}
