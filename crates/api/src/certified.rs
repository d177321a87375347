//! What the certificate of a key shows, once somebody has judged it, and what a client remembers of a key.
//!
//! The certificate itself is bytes ([`Request::ShowCertificate`](crate::Request::ShowCertificate)); to judge them takes the
//! curves and the protocols, of which this crate knows nothing. So whoever judges implements [`Judge`] (`consign-node` has
//! the one that nodes use for each other), and what is compared afterwards is here: with a node's own words
//! ([`Certified::agrees`]), with what a client asked for ([`Certified::is_for`]), and with what it saw before
//! ([`pins`](crate::pins)). The form of the bytes, and what they prove: `docs/certificates.md`.

use serde::{Deserialize, Serialize};

use crate::{
    ClientKey, ClusterId, CreateKey, Curve, KeyId, KeyView, Label, Level, Member, NodeId, PathText, Scheme,
    SignatureView, SignedRequest,
};

/// A key in one epoch: what a client remembers of it. Everything in it was signed by the key's holders.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Its cluster.
    pub cluster: ClusterId,
    /// Its id.
    pub key: KeyId,
    /// What who asked for it called it.
    pub label: Label,
    /// The signing protocol.
    pub scheme: Scheme,
    /// The curve.
    pub curve: Curve,
    /// The security level.
    pub level: Level,
    /// The public key: compressed SEC1, hexadecimal.
    pub public_key: String,
    /// The chain code, hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chain_code: Option<String>,
    /// The client that has signed for it; absent for a key that was asked for with a node's token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<ClientKey>,
    /// Who has imported it, and so knew the whole private key once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<NodeId>,
    /// The session in which an imported key was shared out first: its dealer alone can make such a step at any time, so
    /// only the first one that was seen counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shared_out: Option<String>,
    /// The number of the epoch.
    pub epoch: u64,
    /// The session that made the epoch: 64 hexadecimal digits. Epochs are ordered by number, then by this.
    pub session: String,
    /// Number of signers needed in this epoch.
    pub threshold: u16,
    /// The holders of this epoch, without their names.
    pub committee: Vec<Member>,
}

/// What a certificate that holds shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Certified {
    /// The key in the epoch to which the certificate leads.
    #[serde(flatten)]
    pub pin: Pin,
    /// Number of signers needed in the first epoch.
    pub first_threshold: u16,
    /// The holders of the first epoch, in the order of their indices.
    pub first_committee: Vec<NodeId>,
    /// Changes of its shares that the certificate shows; refreshes in a row are one.
    pub changes: usize,
    /// The request for the key, as it travelled; [`SignedRequest::decode`] reads one that a client has signed.
    #[serde(skip)]
    pub request: Vec<u8>,
    /// As [`KeyView::xpub`], computed from the public key and the chain code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xpub: Option<String>,
    /// As [`KeyView::ethereum_address`], computed from the public key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ethereum_address: Option<String>,
    /// As [`KeyView::bitcoin_address`], computed from the public key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bitcoin_address: Option<String>,
}

/// Whoever can judge certificates and signatures. What it says rests on the bytes alone, on no node's word.
pub trait Judge {
    /// Judges a certificate.
    ///
    /// # Errors
    /// Why it shows nothing: a part of a sentence.
    fn certificate(&self, file: &[u8]) -> Result<Certified, String>;

    /// Judges a signature in all forms in which it is told: of the child at `path`, over `digest`.
    ///
    /// # Errors
    /// Why it is none: a part of a sentence.
    fn signature(
        &self,
        key: &Pin,
        path: &PathText,
        digest: &[u8; 32],
        signature: &SignatureView,
    ) -> Result<(), String>;
}

/// Why a client does not believe a node.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Mistrust {
    /// The certificate shows nothing.
    #[error(
        "the certificate that the node shows for the key {key} proves nothing: {why}; do not use this node"
    )]
    Worthless {
        /// The key.
        key: KeyId,
        /// What is wrong.
        why: String,
    },
    /// What the node says is not what the certificate says.
    #[error("the node shows another {what} for the key {key} than its certificate; do not use this node")]
    OtherView {
        /// The key.
        key: KeyId,
        /// What differs.
        what: &'static str,
    },
    /// The certificate is about another key or cluster than was asked about.
    #[error("the node shows the certificate of another {0} than was asked for; do not use this node")]
    Other(&'static str),
    /// The key was made for another request.
    #[error(
        "the key {key} that the node shows was not made for this request: another {what}; do not use this node"
    )]
    NotAsked {
        /// The key.
        key: KeyId,
        /// What differs.
        what: &'static str,
    },
    /// What never changes has changed.
    #[error(
        "the node shows another {what} for the key {key} than this client has seen before; do not use this node"
    )]
    Changed {
        /// The key.
        key: KeyId,
        /// What differs.
        what: &'static str,
    },
    /// An epoch before the one that was seen before.
    #[error(
        "the node shows epoch {shown} of the key {key}, and this client has seen epoch {seen} of it: either the node \
         has not caught up, then ask another one or wait, or it hides who holds the key now"
    )]
    Older {
        /// The key.
        key: KeyId,
        /// What the node shows.
        shown: u64,
        /// What was seen before.
        seen: u64,
    },
    /// After a change that was asked for, the key is held otherwise.
    #[error("the key {key} is not held as was asked for: another {what}; do not use this node")]
    NotHeld {
        /// The key.
        key: KeyId,
        /// What differs.
        what: &'static str,
    },
    /// A key that was made for somebody else, and that this client was not told to trust.
    #[error(
        "the key {label} {key} was not made for this client but for {}, and this client has not seen it before; \
         its public key is {public_key}: compare that with somebody who knows it, then run `consign key trust`",
        .owner.map_or_else(|| "whoever has a node's token".to_owned(), |owner| format!("the client {owner}"))
    )]
    Foreign {
        /// The key.
        key: KeyId,
        /// Its label.
        label: Label,
        /// For whom it was made.
        owner: Option<ClientKey>,
        /// Its public key.
        public_key: String,
    },
    /// A signature that is none.
    #[error("the node hands back a signature that is worthless: {0}; do not use this node")]
    Signature(String),
}

impl Certified {
    /// Whether the node's own words about the key are those of the certificate. What only the node can know is not looked
    /// at: its share, its presignatures, its exports, names, the state.
    ///
    /// # Errors
    /// [`Mistrust::OtherView`].
    pub fn agrees(&self, view: &KeyView) -> Result<(), Mistrust> {
        let pin = &self.pin;
        let imported = view.imported.as_ref().map(|member| member.validator);
        let same = [
            ("id", view.id == pin.key),
            ("public key", view.public_key == pin.public_key),
            ("chain code", view.chain_code == pin.chain_code),
            ("extended key", view.xpub == self.xpub),
            ("Ethereum address", view.ethereum_address == self.ethereum_address),
            ("Bitcoin address", view.bitcoin_address == self.bitcoin_address),
            ("curve", view.curve == pin.curve),
            ("scheme", view.scheme == pin.scheme),
            ("level", view.level == pin.level),
            ("label", view.label == pin.label),
            ("owner", view.owner == pin.owner),
            ("origin", imported == pin.imported),
            ("epoch", view.epoch == pin.epoch),
            ("threshold", view.threshold == pin.threshold),
            ("committee", holders(&view.committee).eq(holders(&pin.committee))),
        ];
        differing(same).map_or(Ok(()), |what| Err(Mistrust::OtherView { key: pin.key, what }))
    }

    /// Whether the key was made for this very request of a client: asked by its key, under its `Idempotency-Key`, with
    /// this body; and by the committee that it names.
    ///
    /// # Errors
    /// [`Mistrust::NotAsked`].
    pub fn is_for(&self, asked: &SignedRequest) -> Result<(), Mistrust> {
        let pin = &self.pin;
        let wrong = |what| Err(Mistrust::NotAsked { key: pin.key, what });
        let Ok(made_for) = SignedRequest::decode(&self.request) else { return wrong("request") };
        let Ok(body) = serde_json::from_slice::<CreateKey>(asked.body()) else { return wrong("request") };
        let same = [
            ("client", made_for.client() == asked.client() && pin.owner == Some(asked.client())),
            ("cluster", asked.verify(&pin.cluster).is_ok() && made_for.verify(&pin.cluster).is_ok()),
            ("Idempotency-Key", made_for.idempotency_key() == asked.idempotency_key()),
            ("call", made_for.path() == asked.path() && made_for.body() == asked.body()),
            ("label", pin.label == body.label),
            ("scheme", pin.scheme == body.scheme),
            ("curve", pin.curve == body.curve),
            ("level", pin.level == body.level),
            ("threshold", self.first_threshold == body.threshold),
            ("committee", self.first_committee == body.committee),
            ("origin", pin.imported.is_none()),
        ];
        differing(same).map_or(Ok(()), wrong)
    }
}

/// The holders with their indices, whatever they are called.
pub(crate) fn holders(members: &[Member]) -> impl Iterator<Item = (u16, NodeId)> + '_ {
    members.iter().map(|member| (member.index, member.validator))
}

/// The first thing that is not the same.
pub(crate) fn differing<const N: usize>(same: [(&'static str, bool); N]) -> Option<&'static str> {
    same.into_iter().find(|(_, same)| !same).map(|(what, _)| what)
}

#[cfg(test)]
#[path = "certified_tests.rs"]
mod tests;
