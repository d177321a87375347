//! `consign completions`: what makes a shell complete commands and flags.

use std::io::{self, Write as _};

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;

use crate::Cli;
use crate::failure::Failure;

/// Print a script that completes this command in a shell
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign completions bash
  consign completions zsh

Send the script where your shell looks for it: ~/.local/share/bash-completion/completions/consign for bash,
a folder of $fpath under the name _consign for zsh, ~/.config/fish/completions/consign.fish for fish.")]
pub(crate) struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Runs the command.
    pub(crate) fn run(&self) -> Result<(), Failure> {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut Cli::command(), "consign", &mut script);
        io::stdout().lock().write_all(&script)?;
        Ok(())
    }
}
