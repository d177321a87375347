//! `consign ceremony`: what the nodes are doing together, and what they did.

use std::time::Duration;

use clap::{Args, Subcommand};
use consign_api::limits::MAX_PAGE;
use consign_api::{CeremonyId, CeremonyView};

use crate::connection::Connection;
use crate::failure::Failure;
use crate::flags::Call;
use crate::follow::{self, PhaseBars};
use crate::naming;
use crate::output::{Output, facts, green, seconds, table};

/// Show ceremonies: key creations, signings, ...
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign ceremony list --data ./a
  consign ceremony watch --data ./a 3f9a")]
pub(crate) struct Ceremony {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// List the ceremonies this node took part in, newest first
    #[command(after_help = "\
Example:
  consign ceremony list --data ./a --limit 10")]
    List {
        #[command(flatten)]
        call: Call,

        /// How many at most
        #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_PAGE)))]
        limit: u16,
    },
    /// Follow a ceremony until it is over; with --json one object per change
    #[command(after_help = "\
Example:
  consign ceremony watch --data ./a 3f9a")]
    Watch {
        /// Its id, or an unambiguous beginning of it; the newest if left out
        #[arg(value_name = "CEREMONY")]
        id: Option<String>,

        #[command(flatten)]
        call: Call,
    },
}

impl Ceremony {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        match &self.command {
            Command::List { call, limit } => {
                let ceremonies = Connection::of(call)?.ceremonies(*limit)?;
                out.show(&ceremonies, || {
                    let rows: Vec<_> = ceremonies.iter().map(row).collect();
                    table(["ID", "KIND", "KEY", "STATE", "PHASE", "TIME"], &rows)
                })
            }
            Command::Watch { id, call } => watch(&Connection::of(call)?, id.as_deref(), out),
        }
    }
}

fn watch(node: &Connection, id: Option<&str>, out: &Output) -> Result<(), Failure> {
    let id = find(node, id)?;
    let mut bars = PhaseBars::new(out, |time| {
        follow::note(out, time);
        Ok(())
    });
    let over = node.follow(node.ceremony(id)?, |view| {
        bars.update(view)?;
        if out.is_json() { out.object(view) } else { Ok(()) }
    })?;
    follow::note_evidence(out, &over);
    let over = follow::done(over)?;
    let time = seconds(Duration::from_millis(over.elapsed_ms));
    out.text(&facts(&[
        ("ceremony", over.id.to_string()),
        ("kind", over.kind.to_string()),
        ("state", green(over.state.word())),
        ("time", time),
    ]))
}

/// The ceremony that `text` names.
fn find(node: &Connection, text: Option<&str>) -> Result<CeremonyId, Failure> {
    if let Some(id) = text.and_then(|text| text.parse().ok()) {
        return Ok(id);
    }
    let known = node.all_ceremonies()?;
    let Some(text) = text else {
        let newest = known.first().map(|view| view.id);
        return newest.ok_or_else(|| Failure::Failed("this node knows no ceremony yet".to_owned()));
    };
    naming::find(known.iter().map(|view| view.id), text, ["ceremony", "ceremonies", "ceremony list"])
}

fn row(view: &CeremonyView) -> [String; 6] {
    let key = match (&view.label, view.key) {
        (Some(label), _) => label.to_string(),
        (None, Some(key)) => key.short(),
        (None, None) => "-".to_owned(),
    };
    [
        view.id.short(),
        view.kind.to_string(),
        key,
        view.state.to_string(),
        view.phase.to_string(),
        seconds(Duration::from_millis(view.elapsed_ms)),
    ]
}
