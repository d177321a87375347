//! The header fields of a signed call: picked out of all there are, once each.

use base64ct::{Base64, Encoding as _};
use sha2::{Digest, Sha256};

use super::NotSigned;
use super::profile::LABEL;

pub(super) const SIGNATURE_INPUT: &str = "signature-input";
pub(super) const SIGNATURE: &str = "signature";
pub(super) const CONTENT_DIGEST: &str = "content-digest";
pub(super) const CLUSTER: &str = "consign-cluster";
pub(super) const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// Fields of ours begin so; one that this version does not know may mean something to whoever wrote it.
const OWN: &str = "consign-";

/// The fields that a signature is made of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields<'a> {
    input: Option<&'a str>,
    signature: Option<&'a str>,
    digest: Option<&'a str>,
    cluster: Option<&'a str>,
    idempotency_key: Option<&'a str>,
}

impl<'a> Fields<'a> {
    /// Picks them out of all header fields of a call, whose names are in lower case. None: the call is not signed.
    ///
    /// # Errors
    /// [`NotSigned`] for a field that is there twice, is no plain text, or must not be there.
    pub fn pick(headers: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> Result<Option<Self>, NotSigned> {
        let mut fields = Self::default();
        let mut unexpected = None;
        let mut problem = None;
        for (name, value) in headers {
            let (name, place) = match name {
                SIGNATURE_INPUT => (SIGNATURE_INPUT, &mut fields.input),
                SIGNATURE => (SIGNATURE, &mut fields.signature),
                CONTENT_DIGEST => (CONTENT_DIGEST, &mut fields.digest),
                CLUSTER => (CLUSTER, &mut fields.cluster),
                IDEMPOTENCY_KEY => (IDEMPOTENCY_KEY, &mut fields.idempotency_key),
                other if other == "content-encoding" || other.starts_with(OWN) => {
                    unexpected = Some(NotSigned::Unexpected(other.chars().take(40).collect()));
                    continue;
                }
                _ => continue,
            };
            let text = std::str::from_utf8(value).ok().filter(|text| is_plain(text));
            match text {
                Some(text) if place.is_none() => *place = Some(text),
                Some(_) => problem = Some(NotSigned::Repeated(name)),
                None => {
                    *place = Some("");
                    problem = Some(NotSigned::Malformed(name));
                }
            }
        }
        // What stands in an unsigned call is not looked at here.
        if fields.input.is_none() && fields.signature.is_none() {
            return Ok(None);
        }
        match problem.or(unexpected) {
            Some(problem) => Err(problem),
            None => Ok(Some(fields)),
        }
    }

    pub(super) fn input(&self) -> Result<&'a str, NotSigned> {
        self.input.ok_or(NotSigned::Missing(SIGNATURE_INPUT))
    }

    /// The 64 bytes of the one signature.
    pub(super) fn signature(&self) -> Result<[u8; 64], NotSigned> {
        let text = self.signature.ok_or(NotSigned::Missing(SIGNATURE))?;
        let inside = text.strip_prefix(LABEL).and_then(|t| t.strip_prefix("=:")?.strip_suffix(':'));
        let mut bytes = [0; 64];
        match inside.map(|text| Base64::decode(text, &mut bytes).map(<[u8]>::len)) {
            Some(Ok(64)) if inside == Some(Base64::encode_string(&bytes).as_str()) => Ok(bytes),
            _ => Err(NotSigned::Malformed(SIGNATURE)),
        }
    }

    /// The cluster that is named.
    pub(super) fn cluster(&self) -> Result<crate::ClusterId, NotSigned> {
        let text = self.cluster.ok_or(NotSigned::Missing(CLUSTER))?;
        text.parse().map_err(|_| NotSigned::Malformed(CLUSTER))
    }

    pub(super) fn idempotency_key(&self) -> Result<&'a str, NotSigned> {
        self.idempotency_key.ok_or(NotSigned::Missing(IDEMPOTENCY_KEY))
    }

    /// Whether the digest that is named is that of the body.
    pub(super) fn check_digest(&self, body: &[u8]) -> Result<(), NotSigned> {
        if self.digest()? == content_digest(body) { Ok(()) } else { Err(NotSigned::Digest) }
    }

    /// The digest that is named, whatever it is of.
    pub(super) fn digest(&self) -> Result<&'a str, NotSigned> {
        self.digest.ok_or(NotSigned::Missing(CONTENT_DIGEST))
    }

    /// Whether a digest is there.
    pub(super) fn has_digest(&self) -> bool {
        self.digest.is_some()
    }
}

/// `content-digest` of a body (RFC 9530), in the one writing that is accepted.
pub(super) fn content_digest(body: &[u8]) -> String {
    format!("sha-256=:{}:", Base64::encode_string(&Sha256::digest(body)))
}

/// `signature`, in the one writing that is accepted.
pub(super) fn signature_field(signature: &[u8; 64]) -> String {
    format!("{LABEL}=:{}:", Base64::encode_string(signature))
}

/// Visible ASCII and spaces, no space at either end: nothing that a proxy may write in another way.
fn is_plain(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_graphic() || b == b' ') && text.trim() == text
}
