//! A participant that signs what no honest one would.

use consign_node::identity::{ClusterId, Identity, Purpose};
use consign_rounds::{Bytes, Message, Signature, SignedHeader, Signer, broadcast_hash, direct_hash};

pub(crate) struct Forger<'a>(pub(crate) &'a Identity, pub(crate) ClusterId);

impl Signer for Forger<'_> {
    fn sign(&self, bytes: &[u8]) -> Signature {
        Signature(*self.0.sign(Purpose::Envelope, &self.1, bytes).as_bytes())
    }
}

/// The same envelope with one broadcast byte changed, signed by its sender.
pub(crate) fn spoil_broadcast(envelope: &[u8], who: &Identity, cluster: ClusterId) -> Vec<u8> {
    change_broadcast(envelope, who, cluster, |broadcast| *broadcast.last_mut().unwrap() ^= 1)
}

/// The same envelope with a broadcast that is longer by so many bytes, signed by its sender.
pub(crate) fn pad_broadcast(envelope: &[u8], more: usize, who: &Identity, cluster: ClusterId) -> Vec<u8> {
    change_broadcast(envelope, who, cluster, |broadcast| broadcast.resize(broadcast.len() + more, 0))
}

/// The same envelope with another broadcast, signed by its sender.
pub(crate) fn change_broadcast(
    envelope: &[u8],
    who: &Identity,
    cluster: ClusterId,
    change: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let message = Message::decode(envelope, envelope.len()).unwrap();
    let Message::Envelope(mut envelope) = message else { return envelope.to_vec() };
    let mut broadcast = envelope.broadcast.to_vec();
    change(&mut broadcast);
    let mut header = envelope.signed.header;
    header.broadcast_hash = broadcast_hash(&broadcast);
    envelope.broadcast = Bytes(broadcast);
    envelope.signed = SignedHeader::sign(header, &Forger(who, cluster));
    Message::Envelope(envelope).encode()
}

/// The same envelope with one byte of its direct part changed, if it has one, signed by its sender.
pub(crate) fn spoil_direct(envelope: &[u8], who: &Identity, cluster: ClusterId) -> Vec<u8> {
    let message = Message::decode(envelope, envelope.len()).unwrap();
    let Message::Envelope(mut envelope) = message else { return envelope.to_vec() };
    let mut direct = envelope.direct.to_vec();
    if direct.len() > 1 {
        *direct.last_mut().unwrap() ^= 1;
    }
    let mut header = envelope.signed.header;
    header.direct_hash = direct_hash(&direct);
    envelope.direct = Bytes(direct);
    envelope.signed = SignedHeader::sign(header, &Forger(who, cluster));
    Message::Envelope(envelope).encode()
}
