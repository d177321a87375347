//! A client that believes no node: what it is shown of a key is checked by the key's certificate before anybody sees it,
//! what it has seen is pinned, and a signature is verified before it is handed on (`docs/certificates.md`).
//!
//! Who judges certificates and signatures is an argument ([`Judge`]): `consign-node` has one.

use super::{Client, ClientError, Start};
use crate::certified::{Certified, Judge, Mistrust, holders};
use crate::pins::Pins;
use crate::{
    CeremonyState, CeremonyView, ClientKey, ClusterId, CreateKey, KeyId, KeyView, NodeId, Outcome, Problem,
    ProblemKind, Refresh, Reshare, Sign, SignatureView, SignedRequest,
};

/// How often a key and its certificate are asked for until both are of one epoch: it may change between the two calls.
const MAX_LOOKS: u32 = 4;

/// Why there is no answer that can be believed.
#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    /// There is no answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// There is one, and it is not believed.
    #[error(transparent)]
    Mistrust(Box<Mistrust>),
}

impl From<Mistrust> for TrustError {
    fn from(why: Mistrust) -> Self {
        Self::Mistrust(Box::new(why))
    }
}

/// A [`Client`] with a client's key, and what it has seen. No `Debug`: it holds a secret key.
pub struct Trusting<J> {
    client: Client,
    me: ClientKey,
    cluster: ClusterId,
    judge: J,
    pins: Pins,
}

impl<J: Judge> Trusting<J> {
    /// A client that has seen `pins`. What it sees further is in [`pins`](Self::pins) after each call: keep that.
    ///
    /// # Errors
    /// [`ClientError::Unsigned`] for a client without a key of its own ([`Client::signed_by`]).
    pub fn new(client: Client, judge: J, pins: Pins) -> Result<Self, ClientError> {
        let Some((me, cluster)) = client.signs_as() else {
            return Err(ClientError::Unsigned("there is no client's key to ask with".to_owned()));
        };
        Ok(Self { client, me, cluster, judge, pins })
    }

    /// What was seen so far.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// The same, to be told names.
    pub fn pins_mut(&mut self) -> &mut Pins {
        &mut self.pins
    }

    /// The client itself, for what needs no trust.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// A key, as its certificate shows it.
    ///
    /// # Errors
    /// [`TrustError`]; [`Mistrust::Foreign`] for a key of somebody else that was not seen before.
    pub fn key(&mut self, id: &KeyId) -> Result<KeyView, TrustError> {
        let (view, certified) = self.look(id)?;
        self.pins.see(self.me, &certified)?;
        Ok(view)
    }

    /// What the certificate of a key shows, whoever's it is. Nothing is pinned.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn certified(&self, id: &KeyId) -> Result<Certified, TrustError> {
        Ok(self.look(id)?.1)
    }

    /// Pins a key of whomever. `certified` is what somebody has looked at.
    ///
    /// # Errors
    /// [`Mistrust::Changed`], [`Mistrust::Older`].
    pub fn trust(&mut self, certified: &Certified) -> Result<(), TrustError> {
        Ok(self.pins.trust(certified)?)
    }

    /// Begins to make a key. What it was asked for is needed again in [`made`](Self::made).
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn begin_key(
        &self,
        body: &CreateKey,
        start: &Start,
    ) -> Result<(CeremonyView, SignedRequest), TrustError> {
        let asked = self.client.signed_create_key(body, start)?;
        Ok((self.client.bring(&asked, start.wait_s)?, asked))
    }

    /// The key that was made, if it was made for this request and by this committee.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn made(&mut self, asked: &SignedRequest, id: &KeyId) -> Result<KeyView, TrustError> {
        let (view, certified) = self.look(id)?;
        certified.is_for(asked)?;
        self.pins.see(self.me, &certified)?;
        Ok(view)
    }

    /// The key after a change, if it has left the epoch `from` and is held as was asked for.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn changed(
        &mut self,
        id: &KeyId,
        from: u64,
        threshold: u16,
        committee: &[NodeId],
    ) -> Result<KeyView, TrustError> {
        let view = self.key(id)?;
        let wrong = |what| Err(Mistrust::NotHeld { key: *id, what }.into());
        if view.epoch <= from {
            return wrong("epoch");
        }
        if view.threshold != threshold {
            return wrong("threshold");
        }
        if !holders(&view.committee).map(|(_, id)| id).eq(committee.iter().copied()) {
            return wrong("committee");
        }
        Ok(view)
    }

    /// Checks a signature that a node hands back: of the pinned key, or the child of it that was asked for, over what was
    /// asked for. Who is said to have signed is the node's word: a signature does not show it.
    ///
    /// # Errors
    /// [`Mistrust::Signature`]; also for a key that is not pinned.
    pub fn check(&self, asked: &Sign, signature: &SignatureView) -> Result<(), Mistrust> {
        let worthless = |why: &str| Mistrust::Signature(why.to_owned());
        let pin = self.pins.of(&asked.key).ok_or_else(|| worthless("the key is not known to this client"))?;
        if signature.hash != asked.target.hash() {
            return Err(worthless("it is said to be of another hash than was asked for"));
        }
        let digest = asked.target.digest();
        self.judge.signature(pin, &asked.path, &digest, signature).map_err(Mistrust::Signature)
    }

    /// Makes a key, and waits for it.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn create_key(&mut self, body: &CreateKey, start: &Start) -> Result<KeyView, TrustError> {
        let (begun, asked) = self.begin_key(body, start)?;
        match self.end(begun)? {
            Outcome::Key(key) => self.made(&asked, &key.id),
            Outcome::Signature(_) | Outcome::Internal => Err(Mistrust::Other("kind").into()),
        }
    }

    /// Renews the shares of a key, and waits for that.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn refresh(&mut self, refresh: &Refresh, start: &Start) -> Result<KeyView, TrustError> {
        let before = self.key(&refresh.key)?;
        self.end(self.client.refresh(&refresh.key, &refresh.terms, start)?)?;
        let committee: Vec<_> = holders(&before.committee).map(|(_, id)| id).collect();
        self.changed(&refresh.key, refresh.terms.epoch, before.threshold, &committee)
    }

    /// Moves the shares of a key, and waits for that.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn reshare(&mut self, reshare: &Reshare, start: &Start) -> Result<KeyView, TrustError> {
        self.key(&reshare.key)?;
        self.end(self.client.reshare(&reshare.key, &reshare.terms, start)?)?;
        let terms = &reshare.terms;
        self.changed(&reshare.key, terms.epoch, terms.threshold, &terms.committee)
    }

    /// Signs, and waits for the signature.
    ///
    /// # Errors
    /// [`TrustError`].
    pub fn sign(&mut self, sign: &Sign, start: &Start) -> Result<SignatureView, TrustError> {
        // A key that was seen before needs no look: its public key is what counts.
        if self.pins.of(&sign.key).is_none() {
            self.key(&sign.key)?;
        }
        match self.end(self.client.sign(sign, start)?)? {
            Outcome::Signature(signature) => {
                self.check(sign, &signature)?;
                Ok(*signature)
            }
            Outcome::Key(_) | Outcome::Internal => Err(Mistrust::Other("kind").into()),
        }
    }

    /// Waits for the end of a ceremony. Nothing in it is believed yet.
    fn end(&self, begun: CeremonyView) -> Result<Outcome, ClientError> {
        let mut now = begun;
        if !now.state.is_over() {
            for event in self.client.events(&now.id) {
                now = event?.ceremony;
            }
        }
        if !now.state.is_over() {
            now = self.client.ceremony(&now.id)?;
        }
        match (now.state, now.outcome, now.failure) {
            (CeremonyState::Done, Some(outcome), None) => Ok(outcome),
            (_, _, failure) => {
                let odd = || Problem::new(ProblemKind::Internal, "The ceremony ended, and does not say how.");
                Err(ClientError::Problem(Box::new(failure.unwrap_or_else(odd))))
            }
        }
    }

    /// What the node says of a key, and what its certificate shows, which must be the same.
    fn look(&self, id: &KeyId) -> Result<(KeyView, Certified), TrustError> {
        let mut looks = 1;
        loop {
            let (view, file) = (self.client.key(id)?, self.client.certificate(id)?);
            let worthless = |why| Mistrust::Worthless { key: *id, why };
            let certified = self.judge.certificate(&file).map_err(worthless)?;
            if certified.pin.key != *id {
                return Err(Mistrust::Other("key").into());
            }
            if certified.pin.cluster != self.cluster {
                return Err(Mistrust::Other("cluster").into());
            }
            let between = view.epoch != certified.pin.epoch && looks < MAX_LOOKS;
            if !between {
                certified.agrees(&view)?;
                return Ok((view, certified));
            }
            looks += 1;
        }
    }
}
