//! A client's key at work: each call is signed when it is made, for one cluster and a few minutes.

use std::time::{SystemTime, UNIX_EPOCH};

use super::{ClientError, Start};
use crate::signed::{IdempotencyKey, MAX_VALIDITY_S, NotSigned, Validity, read};
use crate::{ClientKey, ClientSecret, ClusterId, SignedRequest};

/// Random bytes of an `Idempotency-Key` that nobody has chosen.
const RANDOM_KEY_BYTES: usize = 16;

/// Who signs, and for which cluster.
pub(super) struct Signing {
    secret: ClientSecret,
    cluster: ClusterId,
}

impl Signing {
    pub(super) fn new(secret: ClientSecret, cluster: ClusterId) -> Self {
        Self { secret, cluster }
    }

    pub(super) fn who(&self) -> (ClientKey, ClusterId) {
        (self.secret.public(), self.cluster)
    }

    /// Signs a POST. Sent again, to this node or another one, it is the same request.
    pub(super) fn request(
        &self,
        path: &str,
        start: &Start,
        body: Vec<u8>,
    ) -> Result<SignedRequest, ClientError> {
        let key = match &start.idempotency_key {
            Some(key) => key.parse().map_err(unsigned)?,
            None => random_key()?,
        };
        SignedRequest::sign(&self.secret, self.cluster, path, key, body, from_now(start.valid_for_s)?)
            .map_err(unsigned)
    }

    /// Signs a GET: its header fields.
    pub(super) fn read(&self, path: &str) -> Result<[(&'static str, String); 3], ClientError> {
        read::sign(&self.secret, &self.cluster, path, &from_now(None)?).map_err(unsigned)
    }
}

fn from_now(seconds: Option<u64>) -> Result<Validity, ClientError> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let seconds = seconds.unwrap_or(MAX_VALIDITY_S);
    Validity::new(now, now.saturating_add(seconds)).map_err(unsigned)
}

fn random_key() -> Result<IdempotencyKey, ClientError> {
    let mut bytes = [0; RANDOM_KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(|e| ClientError::Unsigned(format!("no randomness: {e}")))?;
    hex::encode(bytes).parse().map_err(unsigned)
}

#[expect(clippy::needless_pass_by_value, reason = "the form that `map_err` takes")]
fn unsigned(why: NotSigned) -> ClientError {
    ClientError::Unsigned(why.to_string())
}
