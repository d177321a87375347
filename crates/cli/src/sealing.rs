//! What seals and opens the files that operators keep: recipients and identities of `age`, or a passphrase.

use std::path::{Path, PathBuf};

use clap::Args;
use consign_node::age::{
    self, AgeError, FilePassphrase, Identity, Key, Lock, MAX_IDENTITY_FILE_BYTES, MAX_PASSPHRASE_BYTES,
    MIN_PASSPHRASE_BYTES, Needs, Recipient,
};
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::files;
use crate::passphrase;

/// Who shall be able to open a new file.
#[derive(Args, Debug)]
pub(crate) struct Sealing {
    /// Seal the file for this recipient, age1..., as `age-keygen` prints it; may be repeated
    #[arg(long = "recipient", value_name = "AGE")]
    recipients: Vec<Recipient>,

    /// Seal the file with the passphrase in this file instead (mode 0600); without either one is asked for
    #[arg(long, value_name = "FILE", conflicts_with = "recipients")]
    passphrase_file: Option<PathBuf>,
}

/// What opens files that exist.
#[derive(Args, Debug)]
pub(crate) struct Opening {
    /// File with the identity of a recipient, as `age-keygen` writes it (mode 0600); may be repeated
    #[arg(long = "identity", value_name = "FILE")]
    identities: Vec<PathBuf>,

    /// File with a passphrase (mode 0600); may be repeated; without one it is asked for
    #[arg(long = "passphrase-file", value_name = "FILE")]
    passphrase_files: Vec<PathBuf>,
}

impl Sealing {
    /// The lock; asks for a passphrase if nothing else was given.
    pub(crate) fn lock(&self) -> Result<Lock, Failure> {
        if !self.recipients.is_empty() {
            return Ok(Lock::Recipients(self.recipients.clone()));
        }
        let text = match &self.passphrase_file {
            Some(path) => passphrase_in(path)?,
            None => asked_twice()?,
        };
        Ok(Lock::Passphrase(FilePassphrase::new(text)?))
    }

    /// Who can open the file, for records: recipients, or the word "passphrase".
    pub(crate) fn to(&self) -> String {
        if self.recipients.is_empty() {
            return "passphrase".to_owned();
        }
        self.recipients.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    }
}

impl Opening {
    /// The content of a file; one of more than `most` bytes, sealed, is refused before anything is done for it.
    pub(crate) fn open(&self, path: &Path, most: usize) -> Result<Zeroizing<Vec<u8>>, Failure> {
        let file = files::read(path, most)?;
        if file.len() > most {
            let path = path.display();
            return Err(Failure::Failed(format!(
                "{path} is longer than {most} bytes: check that it is the right one"
            )));
        }
        let named = |error: AgeError| Failure::Failed(format!("{}: {error}", path.display()));
        match age::needs(&file).map_err(named)? {
            Needs::Identity => {
                let mut all = Vec::new();
                for identity in &self.identities {
                    let text = files::read_private(identity, MAX_IDENTITY_FILE_BYTES)?;
                    let bad = |error| Failure::Usage(format!("{}: {error}", identity.display()));
                    all.extend(Identity::read(&text).map_err(bad)?);
                }
                if all.is_empty() {
                    return Err(named(AgeError::NeedsIdentity));
                }
                age::open(&file, &Key::Identities(all)).map_err(named)
            }
            Needs::Passphrase if self.passphrase_files.is_empty() => {
                if !self.identities.is_empty() && !passphrase::can_ask() {
                    return Err(named(AgeError::NeedsPassphrase));
                }
                let text = passphrase::ask_for(&format!("Passphrase of {}: ", path.display()), HOW_TO_OPEN)?;
                age::open(&file, &Key::Passphrase(FilePassphrase::of_existing(text)?)).map_err(named)
            }
            Needs::Passphrase => {
                let mut last = AgeError::WrongPassphrase;
                for text in &self.passphrase_files {
                    let key = Key::Passphrase(FilePassphrase::of_existing(passphrase_in(text)?)?);
                    match age::open(&file, &key) {
                        Ok(plain) => return Ok(plain),
                        Err(AgeError::WrongPassphrase) => {}
                        Err(error) => last = error,
                    }
                }
                Err(named(last))
            }
        }
    }
}

/// What to do where nobody can be asked and a file is to be sealed.
const HOW_TO_SEAL: &str =
    "the file needs a passphrase: give --passphrase-file, or for recipients --recipient";
/// The same where one is to be opened, which is not sealed for recipients.
const HOW_TO_OPEN: &str = "the file is sealed with a passphrase: give --passphrase-file with it (--identity opens \
                           files that are sealed for a recipient)";

/// The passphrase in a file, without the end of its line.
pub(crate) fn passphrase_in(path: &Path) -> Result<Zeroizing<String>, Failure> {
    let bytes = files::read_private(path, MAX_PASSPHRASE_BYTES + 2)?;
    let bad = || Failure::Usage(format!("{} holds no passphrase: one line of text", path.display()));
    let mut text = Zeroizing::new(std::str::from_utf8(&bytes).map_err(|_| bad())?.to_owned());
    while text.ends_with(['\n', '\r']) {
        text.pop();
    }
    if text.is_empty() || text.contains('\n') { Err(bad()) } else { Ok(text) }
}

/// A new passphrase, typed twice, because nobody sees what was typed.
fn asked_twice() -> Result<Zeroizing<String>, Failure> {
    let prompt = format!("New passphrase for the file (at least {MIN_PASSPHRASE_BYTES} characters): ");
    let first = passphrase::ask_for(&prompt, HOW_TO_SEAL)?;
    if first.len() < MIN_PASSPHRASE_BYTES {
        return Err(AgeError::WeakPassphrase.into());
    }
    let second = passphrase::ask_for("The same again: ", HOW_TO_SEAL)?;
    if *first != *second {
        return Err(Failure::Usage("the two passphrases differ: try again".to_owned()));
    }
    Ok(first)
}
