//! The way to the operator's socket of a running node: HTTP over a Unix socket in its data folder.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use consign_api::limits::MAX_ANSWER_BYTES;
use consign_api::{ApprovalView, CeremonyId, DecideBody, Page, Problem};
use consign_node::config::DataFolder;
use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// How long an answer may take: longer than the node's own limit.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running node, as its operator sees it.
pub(crate) struct Operator {
    folder: DataFolder,
}

impl Operator {
    /// The node that runs on a data folder. Nothing is said to it yet.
    pub(crate) fn open(data: &Path) -> Result<Self, Failure> {
        let folder = DataFolder::open(data).map_err(|e| Failure::NotRunning(e.to_string()))?;
        Ok(Self { folder })
    }

    /// What waits for the operator, then what was decided lately.
    pub(crate) fn approvals(&self) -> Result<Vec<ApprovalView>, Failure> {
        let page: Page<ApprovalView> = self.call("GET", "/v1/approvals", "")?;
        Ok(page.items)
    }

    /// Says yes or no to what was shown.
    pub(crate) fn decide(&self, id: CeremonyId, body: &DecideBody) -> Result<ApprovalView, Failure> {
        let body = serde_json::to_string(body).map_err(Failure::from_error)?;
        self.call("POST", &format!("/v1/approvals/{id}"), &body)
    }

    fn call<T: DeserializeOwned>(&self, method: &str, path: &str, body: &str) -> Result<T, Failure> {
        let socket = self.folder.operator_socket();
        let none = |e: std::io::Error| {
            let data = self.folder.path().display();
            Failure::NotRunning(format!(
                "no node takes orders on {data} ({e}): start it with `consign node --data {data}`"
            ))
        };
        let mut stream = UnixStream::connect(&socket).map_err(none)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let length = body.len();
        // Version 1.0: the answer ends where the connection ends.
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(body.as_bytes())).map_err(none)?;
        let mut answer = Vec::new();
        stream.take(MAX_ANSWER_BYTES).read_to_end(&mut answer).map_err(none)?;
        let (status, body) = split(&answer)
            .ok_or_else(|| Failure::NotRunning(format!("{} gave no answer of a node", socket.display())))?;
        if (200..300).contains(&status) {
            return serde_json::from_slice(body).map_err(Failure::from_error);
        }
        let problem: Problem = serde_json::from_slice(body).map_err(Failure::from_error)?;
        Err(problem.into())
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
