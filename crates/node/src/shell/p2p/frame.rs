//! Requests on the wire: a batch of messages with their numbers; the response is one byte.
//!
//! `length: u32 ‖ session: u64 ‖ first: u64 ‖ (length: u32 ‖ message)*`, all big endian. The length is checked
//! against what the peer may say before anything is read, and memory grows only with the bytes that came.

use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use libp2p::StreamProtocol;
use libp2p::futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::request_response;

use crate::core::wire::{MAX_MESSAGE_BYTES, MAX_STRANGER_BYTES};

/// Most messages in one request.
pub(super) const MAX_BATCH: usize = 256;
/// Bytes before the first message of a frame, without the frame's own length.
const HEAD_BYTES: usize = 16;
/// Bytes before each message.
const LENGTH_BYTES: usize = 4;
/// Room for everything that is not a message.
const OVERHEAD_BYTES: usize = HEAD_BYTES + MAX_BATCH * LENGTH_BYTES;
/// Largest frame of a named peer.
pub(super) const MAX_FRAME_BYTES: usize = MAX_MESSAGE_BYTES + OVERHEAD_BYTES;
/// Largest frame of a stranger.
pub(super) const MAX_STRANGER_FRAME_BYTES: usize = MAX_STRANGER_BYTES + OVERHEAD_BYTES;
/// Memory set aside before the first byte of a frame came.
const FIRST_BYTES: usize = 8 << 10;
/// The response: the messages were taken.
const TAKEN: u8 = 1;

/// A batch of messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    /// A random number of the sender's process: message numbers start anew with it.
    pub(super) session: u64,
    /// The number of the first message; the others follow without gap.
    pub(super) first: u64,
    /// The messages.
    pub(super) messages: Vec<Arc<Vec<u8>>>,
}

/// The peer has taken a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken;

/// How large frames of one peer may be; shared by its connections, raised when it becomes known.
pub(super) type Limit = Arc<AtomicUsize>;

/// Reads and writes frames.
///
/// A connection's handler gets a clone of the codec that its behaviour holds. That is where the limit of the
/// connection's peer comes in: the clone takes what [`Codec::for_next`] has set, and keeps it from then on.
pub(crate) struct Codec {
    next: Arc<Mutex<Limit>>,
    limit: Option<Limit>,
}

impl Codec {
    /// The codec of a behaviour.
    pub(super) fn new() -> Codec {
        Codec { next: Arc::new(Mutex::new(Limit::default())), limit: None }
    }

    /// A handle to name the limit of the next connection, see [`Codec`].
    pub(super) fn next(&self) -> Arc<Mutex<Limit>> {
        self.next.clone()
    }

    fn limit(&self) -> usize {
        self.limit.as_ref().map_or(0, |limit| limit.load(Ordering::Relaxed))
    }
}

impl Clone for Codec {
    fn clone(&self) -> Codec {
        let limit = self.limit.clone();
        let limit = limit.unwrap_or_else(|| self.next.lock().unwrap_or_else(PoisonError::into_inner).clone());
        Codec { next: self.next.clone(), limit: Some(limit) }
    }
}

impl request_response::Codec for Codec {
    type Protocol = StreamProtocol;
    type Request = Frame;
    type Response = Taken;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Frame>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut length = [0; LENGTH_BYTES];
        io.read_exact(&mut length).await?;
        let length = u32::from_be_bytes(length);
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        if !(HEAD_BYTES..=self.limit()).contains(&size) {
            return Err(invalid("the frame is larger than the peer may send"));
        }
        let mut bytes = Vec::with_capacity(size.min(FIRST_BYTES));
        io.take(u64::from(length)).read_to_end(&mut bytes).await?;
        if bytes.len() != size {
            return Err(invalid("the frame is cut"));
        }
        Frame::decode(&bytes).ok_or_else(|| invalid("the frame is malformed"))
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Taken>
    where
        T: AsyncRead + Unpin + Send,
    {
        let mut byte = [0];
        io.read_exact(&mut byte).await?;
        if byte == [TAKEN] { Ok(Taken) } else { Err(invalid("the response is malformed")) }
    }

    async fn write_request<T>(&mut self, _: &StreamProtocol, io: &mut T, frame: Frame) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        let size = frame.size();
        let length = u32::try_from(size).map_err(|_| invalid("the frame is too large"))?;
        io.write_all(&length.to_be_bytes()).await?;
        io.write_all(&frame.session.to_be_bytes()).await?;
        io.write_all(&frame.first.to_be_bytes()).await?;
        for message in &frame.messages {
            let length = u32::try_from(message.len()).map_err(|_| invalid("the message is too large"))?;
            io.write_all(&length.to_be_bytes()).await?;
            io.write_all(message).await?;
        }
        io.close().await
    }

    async fn write_response<T>(&mut self, _: &StreamProtocol, io: &mut T, _: Taken) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        io.write_all(&[TAKEN]).await?;
        io.close().await
    }
}

impl Frame {
    /// Bytes of the frame, without its own length.
    fn size(&self) -> usize {
        HEAD_BYTES + self.messages.iter().map(|m| LENGTH_BYTES + m.len()).sum::<usize>()
    }

    fn decode(bytes: &[u8]) -> Option<Frame> {
        let (session, rest) = bytes.split_first_chunk()?;
        let (first, mut rest) = rest.split_first_chunk()?;
        let mut messages = Vec::new();
        while !rest.is_empty() {
            let (length, after) = rest.split_first_chunk::<LENGTH_BYTES>()?;
            let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
            let (message, after) = after.split_at_checked(length)?;
            if messages.len() == MAX_BATCH || message.len() > MAX_MESSAGE_BYTES {
                return None;
            }
            messages.push(Arc::new(message.to_vec()));
            rest = after;
        }
        Some(Frame { session: u64::from_be_bytes(*session), first: u64::from_be_bytes(*first), messages })
    }
}

fn invalid(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

#[cfg(test)]
mod tests {
    use libp2p::futures::io::Cursor;
    use request_response::Codec as _;

    use super::*;

    const PROTOCOL: StreamProtocol = StreamProtocol::new("/test");

    fn codec(limit: usize) -> Codec {
        let codec = Codec::new();
        *codec.next().lock().unwrap() = Arc::new(AtomicUsize::new(limit));
        codec.clone()
    }

    fn frame(sizes: &[usize]) -> Frame {
        Frame { session: 7, first: 9, messages: sizes.iter().map(|s| Arc::new(vec![5; *s])).collect() }
    }

    async fn written(frame: Frame) -> Vec<u8> {
        let mut io = Cursor::new(Vec::new());
        codec(0).write_request(&PROTOCOL, &mut io, frame).await.unwrap();
        io.into_inner()
    }

    async fn read(limit: usize, bytes: &[u8]) -> io::Result<Frame> {
        codec(limit).read_request(&PROTOCOL, &mut Cursor::new(bytes)).await
    }

    #[tokio::test]
    async fn frames_survive_the_wire_up_to_the_limit() {
        for sizes in [&[][..], &[0], &[1, 0, 300], &[70_000, 3]] {
            let sent = frame(sizes);
            let bytes = written(sent.clone()).await;
            assert_eq!(read(sent.size(), &bytes).await.unwrap(), sent);
            let error = read(sent.size() - 1, &bytes).await.unwrap_err();
            assert_eq!(error.to_string(), "the frame is larger than the peer may send");
        }
    }

    #[tokio::test]
    async fn garbage_is_refused() {
        let good = written(frame(&[4, 5])).await;
        for end in 0..good.len() {
            assert!(read(MAX_FRAME_BYTES, &good[..end]).await.is_err(), "cut at {end}");
        }
        let mut wrong_length = good.clone();
        wrong_length[23] += 1;
        assert!(read(MAX_FRAME_BYTES, &wrong_length).await.is_err());
        let many = written(frame(&[0; MAX_BATCH + 1])).await;
        assert!(read(MAX_FRAME_BYTES, &many).await.is_err());
        assert!(read(MAX_FRAME_BYTES, &[0xff; 64]).await.is_err());
        let mut response = Cursor::new(vec![2]);
        assert!(codec(0).read_response(&PROTOCOL, &mut response).await.is_err());
    }

    #[test]
    fn a_connections_codec_keeps_its_limit() {
        let template = Codec::new();
        let next = template.next();
        let first = Arc::new(AtomicUsize::new(1));
        *next.lock().unwrap() = first.clone();
        let connection = template.clone();
        *next.lock().unwrap() = Arc::new(AtomicUsize::new(2));
        assert_eq!(connection.clone().limit(), 1);
        first.store(3, Ordering::Relaxed);
        assert_eq!(connection.limit(), 3);
        assert_eq!(template.clone().limit(), 2);
    }
}
