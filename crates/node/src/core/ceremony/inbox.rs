//! Messages that wait for a session: those of peers that started earlier, and those that come while it is in a job.
//! Bounded: per sender and round two (the second one may be proof of equivocation), and no round after the next.

use std::collections::BTreeMap;

use consign_rounds::Message;

/// Most waiting messages per sender and round, and per sender's reveals.
const PER_SLOT: u8 = 2;
/// The slot of reveals, which belong to no round.
const REVEALS: u8 = 0;

/// Waiting messages in the order of their arrival.
#[derive(Default)]
pub(super) struct Inbox {
    messages: Vec<Message>,
    slots: BTreeMap<(u16, u8), u8>,
}

impl Inbox {
    /// Keeps a message while the session collects `round`. False: there is no place for it.
    pub(super) fn put(&mut self, message: Message, round: u8) -> bool {
        let slot = match &message {
            Message::Envelope(envelope) => envelope.signed.header.round,
            Message::Reveal(_) => REVEALS,
        };
        let allowed = match &message {
            Message::Envelope(_) => slot >= 1 && slot <= round.saturating_add(1),
            Message::Reveal(_) => true,
        };
        let used = self.slots.entry((message.claimed_sender().get(), slot)).or_default();
        if !allowed || *used >= PER_SLOT {
            return false;
        }
        *used += 1;
        self.messages.push(message);
        true
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Takes all of them out.
    pub(super) fn take(&mut self) -> Vec<Message> {
        self.slots.clear();
        std::mem::take(&mut self.messages)
    }
}
