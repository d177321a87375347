//! Following a ceremony: server-sent events, read line by line, taken up again after a break.

use std::io::{BufRead, BufReader, Read};
use std::time::Duration;

use super::{Client, ClientError};
use crate::limits::{EVENT_HEARTBEAT_S, MAX_ANSWER_BYTES};
use crate::{CeremonyId, Event};

/// Without a byte for this long the connection counts as broken: two heartbeats were missed.
const SILENCE: Duration = Duration::from_secs(2 * EVENT_HEARTBEAT_S + 5);

/// How often a broken connection is taken up again without anything coming in between.
const MAX_TRIES: u32 = 5;

/// Pause before the next try, times the number of tries so far.
const PAUSE: Duration = Duration::from_millis(200);

/// The changes of one ceremony; see [`Client::events`]. Ends when the ceremony is over, or after an
/// error.
pub struct Events {
    client: Client,
    ceremony: CeremonyId,
    connection: Option<Parser<Box<dyn Read + Send>>>,
    last_id: Option<String>,
    tries: u32,
    over: bool,
}

impl Events {
    pub(super) fn new(client: Client, ceremony: CeremonyId) -> Self {
        Self { client, ceremony, connection: None, last_id: None, tries: 0, over: false }
    }

    /// Opens the stream, after the last event seen; nothing if there will be no more.
    fn connect(&self) -> Result<Option<Parser<Box<dyn Read + Send>>>, ClientError> {
        let path = format!("/v1/ceremonies/{}/events", self.ceremony);
        let request = self.client.agent.get(self.client.url_of(&path)).header("accept", "text/event-stream");
        let mut request = super::exchange::with(request, self.client.entry(&path)?);
        if let Some(id) = &self.last_id {
            request = request.header("last-event-id", id);
        }
        let request = request.config().timeout_per_read(Some(SILENCE)).build();
        let mut answer = request.call().map_err(|e| self.client.broken(&e))?;
        if answer.status().as_u16() == 204 {
            return Ok(None);
        }
        if !answer.status().is_success() {
            return Err(self.client.problem(&mut answer));
        }
        let body: Box<dyn Read + Send> = Box::new(answer.into_body().into_reader());
        Ok(Some(Parser::new(body)))
    }

    /// The next event, or nothing if the ceremony was over before.
    fn step(&mut self) -> Result<Option<Event>, ClientError> {
        loop {
            if self.connection.is_none() {
                self.connection = match self.connect() {
                    Ok(None) => return Ok(None),
                    Ok(Some(connection)) => Some(connection),
                    Err(error @ ClientError::Transport { .. }) => {
                        self.pause(error)?;
                        continue;
                    }
                    Err(error) => return Err(error),
                };
            }
            let Some(parser) = &mut self.connection else { continue };
            match parser.next_message() {
                Ok(Some(message)) => {
                    self.tries = 0;
                    self.last_id = message.id.or(self.last_id.take());
                    return serde_json::from_str(&message.data)
                        .map(Some)
                        .map_err(|e| self.client.bad_answer(e));
                }
                Ok(None) => {
                    self.connection = None;
                    self.pause(self.client.transport(&"the connection ended"))?;
                }
                Err(error) => {
                    self.connection = None;
                    self.pause(self.client.transport(&error))?;
                }
            }
        }
    }

    /// Waits before the next try, or gives up with `error`.
    fn pause(&mut self, error: ClientError) -> Result<(), ClientError> {
        self.tries += 1;
        if self.tries >= MAX_TRIES {
            return Err(error);
        }
        std::thread::sleep(PAUSE * self.tries);
        Ok(())
    }
}

impl Iterator for Events {
    type Item = Result<Event, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let result = self.step();
        self.over = match &result {
            Ok(Some(event)) => event.ceremony.state.is_over(),
            Ok(None) | Err(_) => true,
        };
        result.transpose()
    }
}

/// One server-sent message.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    id: Option<String>,
    data: String,
}

/// Splits a stream into messages; comments, which are heartbeats, are skipped.
struct Parser<R> {
    lines: BufReader<R>,
}

impl<R: Read> Parser<R> {
    fn new(stream: R) -> Self {
        Self { lines: BufReader::new(stream) }
    }

    /// The next message with data; nothing at the end of the stream.
    fn next_message(&mut self) -> std::io::Result<Option<Message>> {
        let mut message = Message { id: None, data: String::new() };
        loop {
            let Some(line) = self.line()? else { return Ok(None) };
            let (field, value) = line.split_once(':').unwrap_or((&line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" if line.is_empty() && !message.data.is_empty() => return Ok(Some(message)),
                "id" => message.id = Some(value.to_owned()),
                "data" => {
                    if !message.data.is_empty() {
                        message.data.push('\n');
                    }
                    message.data.push_str(value);
                }
                _ => {}
            }
            if u64::try_from(message.data.len()).is_ok_and(|length| length > MAX_ANSWER_BYTES) {
                return Err(std::io::Error::other("the event is too long"));
            }
        }
    }

    /// One line without its end; nothing at the end of the stream.
    fn line(&mut self) -> std::io::Result<Option<String>> {
        let mut line = String::new();
        let read = (&mut self.lines).take(MAX_ANSWER_BYTES).read_line(&mut line)?;
        if read == 0 {
            return Ok(None);
        }
        if !line.ends_with('\n') {
            return Err(std::io::Error::other("the event is cut or too long"));
        }
        Ok(Some(line.trim_end_matches(['\r', '\n']).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_split_and_heartbeats_skipped() {
        let text = ": hello\n\nid: 7-1\ndata: one\ndata: two\n\n:\n\nevent: x\ndata:three\r\n\r\ndata: cut";
        let mut parser = Parser::new(text.as_bytes());
        let first = Message { id: Some("7-1".to_owned()), data: "one\ntwo".to_owned() };
        assert_eq!(parser.next_message().unwrap(), Some(first));
        let second = Message { id: None, data: "three".to_owned() };
        assert_eq!(parser.next_message().unwrap(), Some(second));
        assert!(parser.next_message().is_err());
        assert_eq!(parser.next_message().unwrap(), None);
    }
}
