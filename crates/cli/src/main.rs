//! The `consign` command: one file per command. Read next: `demo/story.rs` for what it is all about, `failure.rs` for
//! exit codes, `connection.rs` for how commands talk to a running node.

mod approve;
mod audit;
mod backup;
mod bench;
mod ceremony;
mod change_passphrase;
mod charter;
mod children;
mod client;
mod completions;
mod connection;
mod demo;
mod doctor;
mod evidence;
mod failure;
mod files;
mod flags;
mod follow;
mod found;
mod init;
mod invite;
mod join;
mod key;
mod message;
mod naming;
mod node;
mod operator;
mod output;
mod passphrase;
mod policy;
mod restore;
mod sealing;
mod signals;
mod standby;
mod stopped;
mod trust;
mod validator;
mod verify;
mod verify_certificate;
mod verify_evidence;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

use failure::{EXIT_CODES, Failure};
use output::Output;

/// Sign together: a network of nodes that hold one private key in shares, so that it never exists in one place
#[derive(Parser, Debug)]
#[command(name = "consign", version, after_help = AFTER_HELP, after_long_help = format!("{AFTER_HELP}\n\n{EXIT_CODES}"))]
struct Cli {
    /// Print JSON for programs instead of text for people
    #[arg(long, global = true)]
    json: bool,

    #[command(subcommand)]
    command: Command,
}

/// Where to begin.
const AFTER_HELP: &str = "\
Example:
  consign demo \"pay invoice 4711\"

Every command explains itself with --help.";

#[derive(Subcommand, Debug)]
enum Command {
    Demo(demo::Demo),
    Init(init::Init),
    Node(node::Node),
    Join(join::Join),
    Standby(standby::Standby),
    Invite(invite::Invite),
    Key(key::Key),
    Validator(validator::Validator),
    Charter(charter::Charter),
    Message(message::Message),
    Ceremony(ceremony::Ceremony),
    Policy(policy::Policy),
    Approve(approve::Approve),
    Client(client::Client),
    Evidence(evidence::Evidence),
    VerifyEvidence(verify_evidence::VerifyEvidence),
    VerifyCertificate(verify_certificate::VerifyCertificate),
    Audit(audit::Audit),
    Backup(backup::Backup),
    Restore(restore::Restore),
    Passphrase(change_passphrase::Passphrase),
    Doctor(doctor::Doctor),
    Bench(bench::Bench),
    Completions(completions::Completions),
}

impl Command {
    fn run(&self, out: &Output) -> Result<(), Failure> {
        match self {
            Self::Demo(demo) => demo.run(out),
            Self::Init(init) => init.run(out),
            Self::Node(node) => node.run(out),
            Self::Join(join) => join.run(out),
            Self::Standby(standby) => standby.run(out),
            Self::Invite(invite) => invite.run(out),
            Self::Key(key) => key.run(out),
            Self::Validator(validator) => validator.run(out),
            Self::Charter(charter) => charter.run(out),
            Self::Message(message) => message.run(out),
            Self::Ceremony(ceremony) => ceremony.run(out),
            Self::Policy(policy) => policy.run(out),
            Self::Approve(approve) => approve.run(out),
            Self::Client(client) => client.run(out),
            Self::Evidence(evidence) => evidence.run(out),
            Self::VerifyEvidence(verify) => verify.run(out),
            Self::VerifyCertificate(verify) => verify.run(out),
            Self::Audit(audit) => audit.run(out),
            Self::Backup(backup) => backup.run(out),
            Self::Restore(restore) => restore.run(out),
            Self::Passphrase(change) => change.run(out),
            Self::Doctor(doctor) => doctor.run(out),
            Self::Completions(completions) => completions.run(),
            Self::Bench(args) => Ok(bench::run(args, out.is_json())?),
        }
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let out = Output::new(cli.json);
    match cli.command.run(&out) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            out.failure(&failure);
            ExitCode::from(failure.exit_code())
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_makes_sense() {
        Cli::command().debug_assert();
    }

    /// Every command, at every depth, shows an example, and says what it does.
    #[test]
    fn every_command_has_an_example() {
        fn look(command: &clap::Command, path: &str, seen: &mut usize) {
            *seen += 1;
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let line = help.lines().find(|line| line.contains("consign ")).unwrap_or_default();
            assert!(help.contains("Example") && !line.is_empty(), "{path} has no example");
            assert!(command.get_about().is_some(), "{path} says nothing about itself");
            for sub in command.get_subcommands() {
                look(sub, &format!("{path} {}", sub.get_name()), seen);
            }
        }
        let mut seen = 0;
        look(&Cli::command(), "consign", &mut seen);
        assert!(seen > 12, "{seen} commands");
    }

    /// Every example is a command line that this program takes.
    #[test]
    fn every_example_parses() {
        fn look(command: &clap::Command, seen: &mut usize) {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let help = help.replace("\\\n", " ");
            for line in help.lines().filter_map(|line| line.strip_prefix("  ")) {
                let Some(at) = line.find("consign ") else { continue };
                // What a shell does with the line is not the program's.
                let command = line[at..].split(" < ").next().unwrap_or_default();
                let words = words(command);
                if let Err(error) = Cli::try_parse_from(&words) {
                    panic!("{line}: {error}");
                }
                *seen += 1;
            }
            for sub in command.get_subcommands() {
                look(sub, seen);
            }
        }
        let mut seen = 0;
        look(&Cli::command(), &mut seen);
        assert!(seen > 15, "{seen} examples");
    }

    /// Words as a shell would make them, with double quotes only.
    fn words(line: &str) -> Vec<String> {
        let mut words = vec![String::new()];
        let mut quoted = false;
        for c in line.chars() {
            match (c, quoted) {
                ('"', _) => quoted = !quoted,
                (' ', false) => words.push(String::new()),
                (c, _) => words.last_mut().unwrap().push(c),
            }
        }
        words.retain(|word| !word.is_empty());
        words
    }

    #[test]
    fn the_help_tells_all_exit_codes() {
        let help = Cli::command().get_after_long_help().unwrap().to_string();
        assert!(help.ends_with(EXIT_CODES));
    }
}
