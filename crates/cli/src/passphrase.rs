//! What opens the store: a key file, a passphrase from the environment, or one typed on the terminal.

use consign_node::config::Config;
use consign_node::store::unlock::{MAX_PASSPHRASE_BYTES, MIN_PASSPHRASE_BYTES};
use consign_node::store::{Passphrase, StoreError, Unlock};
use console::Term;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// For a store that exists: a passphrase is asked for once.
pub(crate) fn of_existing_store(config: &Config) -> Result<Unlock, Failure> {
    if let Some(unlock) = without_asking(config) {
        return Ok(unlock);
    }
    let typed = ask_for("Passphrase of the store: ", &how_else(config))?;
    Ok(Unlock::Passphrase(Passphrase::new(typed.to_string())))
}

/// For a new store: a passphrase is asked for twice, because nobody sees what was typed.
pub(crate) fn of_new_store(config: &Config) -> Result<Unlock, Failure> {
    if let Some(unlock) = without_asking(config) {
        return Ok(unlock);
    }
    let typed = ask_twice(&how_else(config))?;
    Ok(Unlock::Passphrase(Passphrase::new(typed.to_string())))
}

/// A new passphrase, typed twice; where nobody can be asked one is told `otherwise`.
pub(crate) fn ask_twice(otherwise: &str) -> Result<Zeroizing<String>, Failure> {
    let first =
        ask_for(&format!("New passphrase (at least {MIN_PASSPHRASE_BYTES} characters): "), otherwise)?;
    if first.len() < MIN_PASSPHRASE_BYTES {
        return Err(StoreError::WeakPassphrase.into());
    }
    let second = ask_for("The same again: ", otherwise)?;
    if *first != *second {
        return Err(Failure::Usage("the two passphrases differ: try again".to_owned()));
    }
    Ok(first)
}

/// A key file or a set variable; the file wins, because somebody configured it.
fn without_asking(config: &Config) -> Option<Unlock> {
    if let Some(path) = &config.key_file {
        return Some(Unlock::KeyFile(path.clone()));
    }
    let variable = &config.passphrase_variable;
    std::env::var_os(variable).is_some().then(|| Unlock::Environment(variable.clone()))
}

/// What to do where nobody can be asked.
fn how_else(config: &Config) -> String {
    let variable = &config.passphrase_variable;
    format!("the store needs a passphrase: set {variable}, or give a key file with --key-file")
}

/// Whether there is somebody to ask.
pub(crate) fn can_ask() -> bool {
    Term::stderr().is_term()
}

/// Reads a line that is not shown. Only a terminal is asked: a script that forgot the variable shall not hang, but be told
/// `otherwise`.
pub(crate) fn ask_for(prompt: &str, otherwise: &str) -> Result<Zeroizing<String>, Failure> {
    let terminal = Term::stderr();
    if !can_ask() {
        return Err(Failure::Usage(otherwise.to_owned()));
    }
    terminal.write_str(prompt)?;
    let line = Zeroizing::new(terminal.read_secure_line()?);
    if line.len() > MAX_PASSPHRASE_BYTES {
        return Err(StoreError::SecretTooLong { what: "passphrase", limit: MAX_PASSPHRASE_BYTES }.into());
    }
    Ok(line)
}
