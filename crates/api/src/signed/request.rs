//! A signed POST: what every participant of a ceremony is shown, and checks by itself.

use std::fmt;

use super::fields::{
    CLUSTER, CONTENT_DIGEST, Fields, IDEMPOTENCY_KEY, SIGNATURE, SIGNATURE_INPUT, content_digest,
    signature_field,
};
use super::profile::{COVERED_BY_POST, LABEL, is_plain_path, params, parse_input};
use super::{ClientKey, ClientSecret, NotSigned, Validity};
use crate::ClusterId;
use crate::limits::{MAX_BODY_BYTES, MAX_IDEMPOTENCY_KEY_BYTES};

/// First bytes of the encoding. No request without a signature begins with a zero; the second byte is the version.
pub const FORM: [u8; 2] = [0, 1];
/// Bytes of the encoding besides path, key and body: form, cluster, client, two times, signature, two lengths.
pub(super) const HEAD_BYTES: usize = 2 + 32 + 32 + 8 + 8 + 64 + 1 + 1;

/// What makes two equal calls differ, chosen by the client: 1 to [`MAX_IDEMPOTENCY_KEY_BYTES`] visible ASCII characters.
/// The same one again means the same call again.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The key as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for IdempotencyKey {
    type Error = NotSigned;

    fn try_from(text: String) -> Result<Self, NotSigned> {
        let fits = (1..=MAX_IDEMPOTENCY_KEY_BYTES).contains(&text.len());
        if fits && text.bytes().all(|b| b.is_ascii_graphic()) {
            Ok(Self(text))
        } else {
            Err(NotSigned::Malformed(IDEMPOTENCY_KEY))
        }
    }
}

impl std::str::FromStr for IdempotencyKey {
    type Err = NotSigned;

    fn from_str(text: &str) -> Result<Self, NotSigned> {
        text.to_owned().try_into()
    }
}

/// A POST with its client's signature: well formed, but [verified](Self::verify) only where it is asked for.
///
/// It keeps what its header fields say, not their text: each of them has exactly one writing, which
/// [`headers`](Self::headers) gives. The body is kept byte for byte.
#[derive(Clone, PartialEq, Eq)]
pub struct SignedRequest {
    cluster: ClusterId,
    client: ClientKey,
    validity: Validity,
    signature: [u8; 64],
    path: String,
    idempotency_key: IdempotencyKey,
    body: Vec<u8>,
}

/// Bodies are messages to sign: they are not for logs.
impl fmt::Debug for SignedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedRequest")
            .field("client", &self.client)
            .field("path", &self.path)
            .field("validity", &self.validity)
            .field("idempotency_key", &self.idempotency_key.0)
            .finish_non_exhaustive()
    }
}

impl SignedRequest {
    /// Signs a POST.
    ///
    /// # Errors
    /// [`NotSigned::Path`] or [`NotSigned::Body`] if no node would take them.
    pub fn sign(
        secret: &ClientSecret,
        cluster: ClusterId,
        path: &str,
        idempotency_key: IdempotencyKey,
        body: Vec<u8>,
        validity: Validity,
    ) -> Result<Self, NotSigned> {
        let client = secret.public();
        let path = path.to_owned();
        let unsigned =
            Self { cluster, client, validity, signature: [0; 64], path, idempotency_key, body }.checked()?;
        let signature = secret.sign(unsigned.base().as_bytes());
        Ok(Self { signature, ..unsigned })
    }

    /// Reads a POST as it came over HTTP: `path` and `query` as in the request line.
    ///
    /// # Errors
    /// [`NotSigned`] for everything that is not exactly as the profile says. The signature is not verified yet.
    pub fn from_http(
        path: &str,
        query: Option<&str>,
        fields: &Fields<'_>,
        body: Vec<u8>,
    ) -> Result<Self, NotSigned> {
        if query.is_some() {
            return Err(NotSigned::Path);
        }
        fields.check_digest(&body)?;
        let SignedHead { cluster, client, validity, signature, path, idempotency_key, .. } =
            SignedHead::from_http(path, fields)?;
        Self { cluster, client, validity, signature, path, idempotency_key, body }.checked()
    }

    fn checked(self) -> Result<Self, NotSigned> {
        if !is_plain_path(&self.path) {
            return Err(NotSigned::Path);
        }
        if self.body.len() > MAX_BODY_BYTES {
            return Err(NotSigned::Body);
        }
        Ok(self)
    }

    /// Whether its client has signed exactly this, for this cluster.
    ///
    /// # Errors
    /// [`NotSigned::Cluster`] or [`NotSigned::Signature`].
    pub fn verify(&self, cluster: &ClusterId) -> Result<(), NotSigned> {
        if self.cluster != *cluster {
            return Err(NotSigned::Cluster);
        }
        self.client.verify(self.base().as_bytes(), &self.signature)
    }

    fn base(&self) -> String {
        let Self { cluster, client, validity, path, idempotency_key, body, .. } = self;
        base(path, &content_digest(body), cluster, idempotency_key, client, validity)
    }

    /// The header fields that make it a signed call.
    #[must_use]
    pub fn headers(&self) -> [(&'static str, String); 5] {
        let input = format!("{LABEL}={}", params(COVERED_BY_POST, &self.client, &self.validity));
        [
            (CONTENT_DIGEST, content_digest(&self.body)),
            (CLUSTER, self.cluster.to_string()),
            (IDEMPOTENCY_KEY, self.idempotency_key.0.clone()),
            (SIGNATURE_INPUT, input),
            (SIGNATURE, signature_field(&self.signature)),
        ]
    }

    /// The bytes that travel between nodes: [`FORM`], cluster, client, `created` and `expires` (8 bytes each, big-endian),
    /// signature, length and bytes of the path, length and bytes of the `Idempotency-Key`, and the body to the end.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let Self { cluster, client, validity, signature, path, idempotency_key, body } = self;
        let length = |text: &str| u8::try_from(text.len()).expect("invariant: checked when it was made");
        let mut bytes = Vec::with_capacity(HEAD_BYTES + path.len() + idempotency_key.0.len() + body.len());
        bytes.extend_from_slice(&FORM);
        bytes.extend_from_slice(&cluster.0);
        bytes.extend_from_slice(client.as_bytes());
        bytes.extend_from_slice(&validity.created().to_be_bytes());
        bytes.extend_from_slice(&validity.expires().to_be_bytes());
        bytes.extend_from_slice(signature);
        for text in [path, &idempotency_key.0] {
            bytes.push(length(text));
            bytes.extend_from_slice(text.as_bytes());
        }
        bytes.extend_from_slice(body);
        bytes
    }

    /// Reads what [`encode`](Self::encode) wrote. Bytes have one reading, and a request one writing.
    ///
    /// # Errors
    /// [`NotSigned::Encoding`] for bytes that are none, or what is wrong with the request in them.
    pub fn decode(bytes: &[u8]) -> Result<Self, NotSigned> {
        let mut rest = bytes;
        if take::<2>(&mut rest)? != FORM {
            return Err(NotSigned::Encoding);
        }
        let cluster = ClusterId(take(&mut rest)?);
        let client = ClientKey::from_bytes(&take(&mut rest)?)?;
        let (created, expires) = (u64::from_be_bytes(take(&mut rest)?), u64::from_be_bytes(take(&mut rest)?));
        let validity = Validity::new(created, expires)?;
        let signature = take(&mut rest)?;
        let path = text(&mut rest)?;
        let idempotency_key = text(&mut rest)?.try_into()?;
        if rest.len() > MAX_BODY_BYTES {
            return Err(NotSigned::Body);
        }
        Self { cluster, client, validity, signature, path, idempotency_key, body: rest.to_vec() }.checked()
    }

    /// Who asks.
    #[must_use]
    pub const fn client(&self) -> ClientKey {
        self.client
    }

    /// When it counts.
    #[must_use]
    pub const fn validity(&self) -> Validity {
        self.validity
    }

    /// What makes two equal calls differ.
    #[must_use]
    pub const fn idempotency_key(&self) -> &IdempotencyKey {
        &self.idempotency_key
    }

    /// The path of the call.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The body, byte for byte.
    #[must_use]
    pub fn body(&self) -> &[u8] {
        &self.body
    }
}

/// A POST of which no body is here yet. Its client has signed the digest of the body, so whose it is can be told already.
pub struct SignedHead {
    cluster: ClusterId,
    client: ClientKey,
    validity: Validity,
    signature: [u8; 64],
    path: String,
    idempotency_key: IdempotencyKey,
    digest: String,
}

impl SignedHead {
    /// Reads the head of a POST: `path` as in the request line.
    ///
    /// # Errors
    /// [`NotSigned`] for everything that is not exactly as the profile says. The signature is not verified yet.
    pub fn from_http(path: &str, fields: &Fields<'_>) -> Result<Self, NotSigned> {
        let (client, validity) = parse_input(fields.input()?, COVERED_BY_POST)?;
        if !is_plain_path(path) {
            return Err(NotSigned::Path);
        }
        Ok(Self {
            cluster: fields.cluster()?,
            client,
            validity,
            signature: fields.signature()?,
            path: path.to_owned(),
            idempotency_key: fields.idempotency_key()?.parse()?,
            digest: fields.digest()?.to_owned(),
        })
    }

    /// Who has signed it, if that is so, and it counts now and in this cluster.
    ///
    /// # Errors
    /// [`NotSigned::Cluster`], [`NotSigned::Stale`] or [`NotSigned::Signature`].
    pub fn verify(&self, cluster: &ClusterId, now_unix: u64) -> Result<ClientKey, NotSigned> {
        if self.cluster != *cluster {
            return Err(NotSigned::Cluster);
        }
        self.validity.is_fresh(now_unix)?;
        let Self { cluster, client, validity, path, idempotency_key, digest, .. } = self;
        let base = base(path, digest, cluster, idempotency_key, client, validity);
        client.verify(base.as_bytes(), &self.signature)?;
        Ok(*client)
    }
}

/// The signature base (RFC 9421, 2.5): what is signed.
fn base(
    path: &str,
    digest: &str,
    cluster: &ClusterId,
    idempotency_key: &IdempotencyKey,
    client: &ClientKey,
    validity: &Validity,
) -> String {
    format!(
        "\"@method\": POST\n\"@path\": {path}\n\"{CONTENT_DIGEST}\": {digest}\n\"{CLUSTER}\": {cluster}\n\
         \"{IDEMPOTENCY_KEY}\": {}\n\"@signature-params\": {}",
        idempotency_key.0,
        params(COVERED_BY_POST, client, validity),
    )
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], NotSigned> {
    let (head, tail) = rest.split_first_chunk::<N>().ok_or(NotSigned::Encoding)?;
    *rest = tail;
    Ok(*head)
}

/// A text of at most 255 bytes behind its length.
fn text(rest: &mut &[u8]) -> Result<String, NotSigned> {
    let [length] = take(rest)?;
    let (head, tail) = rest.split_at_checked(length.into()).ok_or(NotSigned::Encoding)?;
    *rest = tail;
    String::from_utf8(head.to_vec()).map_err(|_| NotSigned::Encoding)
}
