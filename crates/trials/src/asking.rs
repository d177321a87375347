//! A client that asks for signatures, and checks what it gets with libsecp256k1, which shares no code with the nodes.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use consign_api::client::{Client, ClientError};
use consign_api::signed::Validity;
use consign_api::{
    CeremonyState, CeremonyView, ClusterId, HashName, KeyView, Outcome as Made, PathText, Problem, Sign,
    SignTarget, SignatureView, SignedRequest,
};
use secp256k1::ecdsa::Signature;
use secp256k1::{Message, PublicKey};
use sha2::{Digest as _, Sha256};

use crate::cluster::client_secret;
use crate::{Fault, Outcome};

/// What became of one call.
pub enum Answer {
    /// A signature, which verifies.
    Signature(Box<SignatureView>),
    /// The time that the client would wait was over first: the ceremony goes on.
    StillRunning,
    /// A problem document, by its short name.
    Problem(String, String),
    /// The node did not answer, or broke off.
    Unreachable(String),
}

impl Answer {
    /// The problem of a call or a ceremony.
    fn of(problem: Problem) -> Self {
        let urn = problem.kind.urn();
        let kind = urn.rsplit(':').next().unwrap_or(urn).to_owned();
        Self::Problem(kind, problem.detail)
    }

    /// A few words, the same for answers of a kind.
    #[must_use]
    pub fn in_words(&self) -> String {
        match self {
            Self::Signature(signature) if signature.presigned => "signature from the pool".to_owned(),
            Self::Signature(_) => "signature without the pool".to_owned(),
            Self::StillRunning => "still running".to_owned(),
            Self::Problem(kind, _) => format!("problem: {kind}"),
            Self::Unreachable(_) => "the node did not answer: it was dead".to_owned(),
        }
    }
}

/// An answer, and how long it took.
pub struct Timed {
    /// The answer.
    pub answer: Answer,
    /// How long.
    pub time: Duration,
}

/// A signed request for a signature by `key` over `message`, as a client brings it to any node.
///
/// # Errors
/// [`Fault`], if it cannot be signed.
pub fn request(cluster: ClusterId, key: &KeyView, message: &str, name: &str) -> Outcome<SignedRequest> {
    let target = SignTarget::Message { bytes: message.as_bytes().to_vec(), hash: HashName::Sha256 };
    let sign = Sign { key: key.id, path: PathText::root(), target };
    let body = serde_json::to_vec(&sign.body())?;
    let path = format!("/v1/keys/{}/signatures", key.id);
    let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let (secret, name) = (client_secret(), name.parse()?);
    Ok(SignedRequest::sign(&secret, cluster, &path, name, body, Validity::from(now)?)?)
}

/// Brings a request to a node and waits up to `wait_s` seconds for the signature.
///
/// # Errors
/// [`Fault`], if the answer is a lie: a signature that does not verify, or bytes that no node sends.
pub fn bring(
    client: &Client,
    request: &SignedRequest,
    key: &KeyView,
    message: &str,
    wait_s: u32,
) -> Outcome<Timed> {
    let begun = Instant::now();
    let answer = client.bring(request, wait_s);
    let time = begun.elapsed();
    let answer = match answer {
        Ok(view) => signature_of(&view, key, message)?,
        Err(ClientError::Problem(problem)) => Answer::of(*problem),
        Err(error @ ClientError::Transport { .. }) => Answer::Unreachable(error.to_string()),
        Err(error) => return Err(Fault::new(format!("no clear error: {error}"))),
    };
    Ok(Timed { answer, time })
}

/// As [`bring`], and looks again until the ceremony is over or `deadline` has passed.
///
/// # Errors
/// [`Fault`], as of [`bring`].
pub fn bring_to_the_end(
    client: &Client,
    request: &SignedRequest,
    key: &KeyView,
    message: &str,
    deadline: Duration,
) -> Outcome<Timed> {
    let begun = Instant::now();
    loop {
        // The same bytes again are the same request: this waits for what is under way, and never runs it twice.
        let wait_s = u32::try_from(deadline.saturating_sub(begun.elapsed()).as_secs()).unwrap_or(0).min(60);
        let Timed { answer, .. } = bring(client, request, key, message, wait_s)?;
        let time = begun.elapsed();
        if !matches!(answer, Answer::StillRunning) || time >= deadline {
            return Ok(Timed { answer, time });
        }
        if wait_s == 0 {
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

fn signature_of(view: &CeremonyView, key: &KeyView, message: &str) -> Outcome<Answer> {
    match (view.state, &view.outcome) {
        (CeremonyState::Done, Some(Made::Signature(signature))) => {
            verify(key, message, signature)?;
            Ok(Answer::Signature(signature.clone()))
        }
        (CeremonyState::Proposed | CeremonyState::Running, _) => Ok(Answer::StillRunning),
        // One that waits for operators goes on when it is asked for again, and not by itself.
        (CeremonyState::Done | CeremonyState::Failed | CeremonyState::AwaitingApproval, _) => {
            let none =
                || Fault::new(format!("the ceremony {} is over, without a signature or a problem", view.id));
            view.failure.clone().map(Answer::of).ok_or_else(none)
        }
    }
}

/// libsecp256k1's word.
///
/// # Errors
/// [`Fault`], if the signature is not one of `message` by `key`.
pub fn verify(key: &KeyView, message: &str, signature: &SignatureView) -> Outcome {
    let digest: [u8; 32] = Sha256::digest(message.as_bytes()).into();
    let public = PublicKey::from_slice(&hex::decode(&key.public_key)?)?;
    let mut compact = [0; 64];
    hex::decode_to_slice(format!("{}{}", signature.r, signature.s), &mut compact)?;
    let parsed = Signature::from_compact(&compact)?;
    let wrong = |e| Fault::new(format!("a signature over `{message}` does not verify: {e}"));
    parsed.verify(Message::from_digest(digest), &public).map_err(wrong)
}
