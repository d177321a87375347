//! What can go wrong with a sealed file; every message says what to do about it.

use super::passphrase::{MAX_PASSPHRASE_BYTES, MAX_WORK_FACTOR, MIN_PASSPHRASE_BYTES};
use super::{MAX_FILE_BYTES, MAX_RECIPIENTS};

/// A failure to seal or open a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgeError {
    /// Not a file of this format.
    #[error("this is not an age file: check that it is the right one, and that it was copied as binary")]
    NotAge,
    /// The text form.
    #[error("this age file is in its text form (armour): give the binary one")]
    Armoured,
    /// A later version of the format.
    #[error("this age file has another version of the format than 1: use a newer version of consign")]
    Version,
    /// The header cannot be read.
    #[error("the file is damaged ({what} in its header): take another copy of it")]
    Header {
        /// What is wrong.
        what: &'static str,
    },
    /// The header's MAC does not hold.
    #[error("the header of the file was altered: take another copy of it")]
    HeaderAltered,
    /// A chunk does not open.
    #[error("the file was altered or is not complete: take another copy of it")]
    Altered,
    /// The last chunk is missing.
    #[error("the end of the file is missing: take another copy of it")]
    Incomplete,
    /// The passphrase does not open it.
    #[error("the passphrase does not open this file: check that it is the right one")]
    WrongPassphrase,
    /// No identity opens it.
    #[error(
        "none of the identities given opens this file: give the one that belongs to a recipient it was made for"
    )]
    WrongIdentity,
    /// It is for recipients, and a passphrase was given.
    #[error(
        "this file is sealed for recipients, not with a passphrase: give --identity with a recipient's key"
    )]
    NeedsIdentity,
    /// It has a passphrase, and identities were given.
    #[error("this file is sealed with a passphrase, not for recipients: give the passphrase")]
    NeedsPassphrase,
    /// Deriving the key would take more memory than any honest file asks for.
    #[error(
        "this file asks for more work than is reasonable (2^{asked}, at most 2^{MAX_WORK_FACTOR}): it was not made by consign"
    )]
    TooCostly {
        /// The exponent asked for.
        asked: u8,
    },
    /// The file is larger than any of this project.
    #[error("the file is larger than {MAX_FILE_BYTES} bytes: consign makes none of this size")]
    TooLarge,
    /// No recipient, or too many.
    #[error("a file has 1 to {MAX_RECIPIENTS} recipients")]
    Recipients,
    /// Text that is no recipient.
    #[error("a recipient is written as age1 and 58 more characters, as `age-keygen` prints it")]
    BadRecipient,
    /// A file that holds no identities.
    #[error("an identity file has lines that begin with AGE-SECRET-KEY-1, as `age-keygen` writes it")]
    BadIdentity,
    /// The passphrase is too short for a new file.
    #[error("the passphrase is too short: use at least {MIN_PASSPHRASE_BYTES} bytes")]
    WeakPassphrase,
    /// The passphrase is longer than any real one.
    #[error("the passphrase is too long: at most {MAX_PASSPHRASE_BYTES} bytes are allowed")]
    LongPassphrase,
    /// The operating system refused something.
    #[error("the system refused {what}: free some memory and try again")]
    System {
        /// What was asked of the system.
        what: &'static str,
    },
}

impl AgeError {
    /// Shorthand for [`AgeError::Header`].
    pub(super) const fn header(what: &'static str) -> AgeError {
        AgeError::Header { what }
    }
}
