//! The profile: what is covered, in which order, with which parameters, and for how long it counts.

use super::{ClientKey, NotSigned};

/// The one label of a signature.
pub const LABEL: &str = "consign";
/// The one algorithm.
pub const ALGORITHM: &str = "ed25519";
/// What the signature is for, and the version of this profile.
pub const TAG: &str = "consign-v1";
/// How far two clocks may be apart, in seconds.
pub const MAX_SKEW_S: u64 = 30;
/// For how long a signature may count, in seconds: long enough for a proposer that dies and another that is asked.
pub const MAX_VALIDITY_S: u64 = 600;
/// For how long one may count that waits for an operator, in seconds: a person has to see it. No node takes what is good
/// for longer than [`MAX_VALIDITY_S`] without a person's word.
pub const MAX_LONG_VALIDITY_S: u64 = 24 * 60 * 60;
/// Longest path of a signed call, in bytes: its length fits one byte, and no call's is half as long.
pub const MAX_SIGNED_PATH_BYTES: usize = 255;
/// Longest query of a signed GET, in bytes.
pub const MAX_SIGNED_QUERY_BYTES: usize = 1024;
/// Longest encoding of a signed request, in bytes.
pub const MAX_REQUEST_BYTES: usize = super::request::HEAD_BYTES
    + MAX_SIGNED_PATH_BYTES
    + crate::limits::MAX_IDEMPOTENCY_KEY_BYTES
    + crate::limits::MAX_BODY_BYTES;

/// What the signature of a POST covers, exactly these in this order. `@authority` is left out on purpose: the call is
/// good at every node of its cluster, and of no other.
pub(super) const COVERED_BY_POST: &str =
    r#""@method" "@path" "content-digest" "consign-cluster" "idempotency-key""#;
/// What the signature of a GET covers.
pub(super) const COVERED_BY_GET: &str = r#""@method" "@path" "@query" "consign-cluster""#;

/// Longest number in a parameter, in digits (RFC 8941, 3.3.1).
const MAX_DIGITS: usize = 15;

/// From when until when a signature counts: Unix times in seconds, the second one later by at most
/// [`MAX_LONG_VALIDITY_S`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    created: u64,
    expires: u64,
}

impl Validity {
    /// From `created` to `expires`.
    ///
    /// # Errors
    /// [`NotSigned::Validity`] if they are not in order, too far apart, or have more digits than a parameter may.
    pub fn new(created: u64, expires: u64) -> Result<Self, NotSigned> {
        let order = created < expires && expires - created <= MAX_LONG_VALIDITY_S;
        if order && expires < 10_u64.pow(15) {
            Ok(Self { created, expires })
        } else {
            Err(NotSigned::Validity)
        }
    }

    /// From now on, for as long as is possible without an operator.
    ///
    /// # Errors
    /// [`NotSigned::Validity`] for a clock that is out of this world.
    pub fn from(now_unix: u64) -> Result<Self, NotSigned> {
        Self::new(now_unix, now_unix.saturating_add(MAX_VALIDITY_S))
    }

    /// Whether it counts for longer than [`MAX_VALIDITY_S`].
    #[must_use]
    pub const fn is_long(&self) -> bool {
        self.expires - self.created > MAX_VALIDITY_S
    }

    /// When it was signed.
    #[must_use]
    pub const fn created(&self) -> u64 {
        self.created
    }

    /// When it counts no more.
    #[must_use]
    pub const fn expires(&self) -> u64 {
        self.expires
    }

    /// Whether it counts now, allowing for [`MAX_SKEW_S`] between the clocks.
    ///
    /// # Errors
    /// [`NotSigned::Stale`].
    pub fn is_fresh(&self, now_unix: u64) -> Result<(), NotSigned> {
        let begun = self.created <= now_unix.saturating_add(MAX_SKEW_S);
        let over = self.expires.saturating_add(MAX_SKEW_S) <= now_unix;
        if begun && !over { Ok(()) } else { Err(NotSigned::Stale) }
    }
}

/// `@signature-params`: the covered components and the parameters, in their one writing.
pub(super) fn params(covered: &str, client: &ClientKey, validity: &Validity) -> String {
    let Validity { created, expires } = validity;
    format!(
        r#"({covered});created={created};expires={expires};keyid="{client}";alg="{ALGORITHM}";tag="{TAG}""#
    )
}

/// Reads `signature-input`. What it returns is written by [`params`] in the same bytes.
pub(super) fn parse_input(text: &str, covered: &str) -> Result<(ClientKey, Validity), NotSigned> {
    let parts = || {
        let rest = text.strip_prefix(LABEL)?.strip_prefix("=(")?.strip_prefix(covered)?;
        let (created, rest) = rest.strip_prefix(");created=")?.split_once(";expires=")?;
        let (expires, rest) = rest.split_once(";keyid=\"")?;
        Some((number(created)?, number(expires)?, rest.split_once('"')?.0))
    };
    let malformed = NotSigned::Malformed("signature-input");
    let (created, expires, key) = parts().ok_or(malformed.clone())?;
    let client: ClientKey = key.parse().map_err(|_| NotSigned::Key)?;
    let validity = Validity::new(created, expires)?;
    if format!("{LABEL}={}", params(covered, &client, &validity)) == text {
        Ok((client, validity))
    } else {
        Err(malformed)
    }
}

/// A number as RFC 8941 writes it, without leading zeros.
fn number(text: &str) -> Option<u64> {
    let plain = (1..=MAX_DIGITS).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let canonical = text == "0" || !text.starts_with('0');
    if plain && canonical { text.parse().ok() } else { None }
}

/// Whether a path has one reading: absolute, plain ASCII, nothing escaped, no query, no fragment.
pub(super) fn is_plain_path(path: &str) -> bool {
    path.starts_with('/')
        && path.len() <= MAX_SIGNED_PATH_BYTES
        && path.bytes().all(|b| b.is_ascii_graphic() && !matches!(b, b'%' | b'?' | b'#'))
}
