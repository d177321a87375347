//! What the operator of a node says to it: over a Unix socket in the node's data folder, which nobody else can open, and
//! never over TCP. There is no token.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::ClientError;
use crate::limits::MAX_ANSWER_BYTES;
use crate::{
    ApprovalView, CeremonyId, CharterId, CharterView, DecideBody, Decision, InvitationView, Invite, Nothing,
    Page, Problem, ProposeCharter, SignCharter, SignTerms, ValidatorView,
};

/// How long an answer may take: longer than the node's own limit.
const PATIENCE: Duration = Duration::from_secs(60);

/// The operator's way to a running node.
#[derive(Clone, Debug)]
pub struct Operator {
    socket: PathBuf,
}

impl Operator {
    /// The node with this socket: the file `operator.sock` in its data folder. Nothing is said to it yet.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        Self { socket: socket.to_owned() }
    }

    /// `GET /v1/approvals`: what waits for the operator, then what was decided lately.
    ///
    /// # Errors
    /// [`ClientError`], as of all calls.
    pub fn approvals(&self) -> Result<Vec<ApprovalView>, ClientError> {
        Ok(self.call::<Page<ApprovalView>>("GET", "/v1/approvals", None::<&Nothing>)?.items)
    }

    /// `POST /v1/approvals/{id}`: yes or no to what was shown.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn approve(&self, id: &CeremonyId, body: &DecideBody) -> Result<ApprovalView, ClientError> {
        self.call("POST", &format!("/v1/approvals/{id}"), Some(body))
    }

    /// `POST /v1/invitations`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn invite(&self, invite: &Invite) -> Result<InvitationView, ClientError> {
        self.call("POST", "/v1/invitations", Some(invite))
    }

    /// `POST /v1/validators/{id}/{act}`: the validator as it is then.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn decide(&self, decision: &Decision) -> Result<ValidatorView, ClientError> {
        let path = format!("/v1/validators/{}/{}", decision.validator, decision.act);
        self.call("POST", &path, Some(&Nothing {}))
    }

    /// `POST /v1/charter/proposals`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn propose_charter(&self, wanted: &ProposeCharter) -> Result<CharterView, ClientError> {
        self.call("POST", "/v1/charter/proposals", Some(wanted))
    }

    /// `POST /v1/charter/{id}/sign`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn sign_charter(&self, wanted: &SignCharter) -> Result<CharterView, ClientError> {
        let terms = SignTerms { force: wanted.force };
        self.call("POST", &format!("/v1/charter/{}/sign", wanted.charter), Some(&terms))
    }

    /// `POST /v1/charter/{id}/switch`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn switch_charter(&self, charter: &CharterId) -> Result<CharterView, ClientError> {
        self.call("POST", &format!("/v1/charter/{charter}/switch"), Some(&Nothing {}))
    }

    fn call<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: Option<&impl Serialize>,
    ) -> Result<T, ClientError> {
        let json = |body| serde_json::to_string(body).expect("invariant: plain data always encodes");
        let answer = self.exchange(method, path, &body.map(json).unwrap_or_default());
        let answer = answer.map_err(|e| self.unreachable(e.to_string()))?;
        let bad = |reason: &str| ClientError::BadAnswer {
            address: self.socket.display().to_string(),
            reason: reason.to_owned(),
        };
        let (status, body) = split(&answer).ok_or_else(|| bad("no HTTP"))?;
        let read = |e: serde_json::Error| bad(&e.to_string());
        if (200..300).contains(&status) {
            return serde_json::from_slice(body).map_err(read);
        }
        Err(ClientError::Problem(Box::new(serde_json::from_slice::<Problem>(body).map_err(read)?)))
    }

    fn unreachable(&self, reason: String) -> ClientError {
        ClientError::Transport { address: self.socket.display().to_string(), reason }
    }

    fn exchange(&self, method: &str, path: &str, body: &str) -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&self.socket)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let length = body.len();
        // Version 1.0: the answer ends where the connection ends.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        stream.write_all(body.as_bytes())?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer)?;
        Ok(answer)
    }
}

/// Status and body of an answer.
fn split(answer: &[u8]) -> Option<(u16, &[u8])> {
    const END: &[u8] = b"\r\n\r\n";
    let at = answer.windows(END.len()).position(|window| window == END)?;
    let (head, rest) = answer.split_at(at);
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let status = line.strip_prefix("HTTP/1.")?.split(' ').nth(1)?.parse().ok()?;
    Some((status, rest.get(END.len()..)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_status_and_a_body() {
        assert_eq!(split(b"HTTP/1.0 200 OK\r\nx: y\r\n\r\n{}\r\n\r\n"), Some((200, &b"{}\r\n\r\n"[..])));
        for bad in [&b""[..], b"HTTP/1.0 200 OK\r\n", b"HTTP/2 200\r\n\r\n", b"HTTP/1.1 x y\r\n\r\n"] {
            assert_eq!(split(bad), None);
        }
    }
}
