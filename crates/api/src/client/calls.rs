//! The calls.

use super::exchange::{page_path, percent};
use super::{Client, ClientError, Events, Start};
use crate::limits::{MAX_CERTIFICATE_BYTES, MAX_EVIDENCE_BYTES};
use crate::{
    CeremonyId, CeremonyView, CharterView, CreateKey, Discard, EvidenceId, EvidenceView, HealthView,
    ImportKey, KeyId, KeyView, MessageQuery, MessageView, NodeView, Page, PageQuery, PresignTerms,
    RefreshTerms, ReshareTerms, SendMessage, Sign, SignedRequest, ValidatorView,
};

impl Client {
    /// `GET /healthz`; needs no token.
    ///
    /// # Errors
    /// [`ClientError`], as of all calls.
    pub fn health(&self) -> Result<HealthView, ClientError> {
        self.get("/healthz")
    }

    /// `GET /v1/node`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn node(&self) -> Result<NodeView, ClientError> {
        self.get("/v1/node")
    }

    /// `GET /v1/validators`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn validators(&self) -> Result<Vec<ValidatorView>, ClientError> {
        Ok(self.get::<Page<ValidatorView>>("/v1/validators")?.items)
    }

    /// `GET /v1/charter`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn charter(&self) -> Result<CharterView, ClientError> {
        self.get("/v1/charter")
    }

    /// `POST /v1/messages`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn send_message(&self, message: &SendMessage, start: &Start) -> Result<MessageView, ClientError> {
        self.post("/v1/messages", message, start)
    }

    /// One page of `GET /v1/messages`, oldest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn messages_page(&self, query: &MessageQuery) -> Result<Page<MessageView>, ClientError> {
        let topic = query.topic.iter().map(|topic| format!("&topic={}", percent(topic.as_str())));
        let after = query.after.iter().map(|after| format!("&after={after}"));
        let more: String = topic.chain(after).collect();
        self.get(&format!("/v1/messages?limit={}{more}", query.limit))
    }

    /// `POST /v1/keys`. The answer is over only if the ceremony ended within the wait; one that
    /// failed within it is an error.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn create_key(&self, body: &CreateKey, start: &Start) -> Result<CeremonyView, ClientError> {
        self.post("/v1/keys", body, start)
    }

    /// The same call, signed and not sent: [`bring`](Self::bring) sends it, and who keeps it can compare with it what the
    /// key's certificate says that it was made for.
    ///
    /// # Errors
    /// [`ClientError::Unsigned`] without a client's key.
    pub fn signed_create_key(&self, body: &CreateKey, start: &Start) -> Result<SignedRequest, ClientError> {
        let none = || ClientError::Unsigned("there is no client's key to ask with".to_owned());
        let signing = self.signing.as_ref().ok_or_else(none)?;
        let bytes = serde_json::to_vec(body).expect("invariant: plain data always encodes");
        signing.request("/v1/keys", start, bytes)
    }

    /// `POST /v1/keys/import`. As [`Client::create_key`]. The body holds the private key: it is wiped here, but not in
    /// the buffers of the HTTP client.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn import_key(&self, body: &ImportKey, start: &Start) -> Result<CeremonyView, ClientError> {
        self.post_as_operator("/v1/keys/import", body, start)
    }

    /// `DELETE /v1/keys/{id}`, with `?force=true` if that is meant: the key as it was.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn discard_key(&self, discard: &Discard) -> Result<KeyView, ClientError> {
        let query = if discard.force { "?force=true" } else { "" };
        self.delete(&format!("/v1/keys/{}{query}", discard.key))
    }

    /// `POST /v1/keys/{id}/signatures`. As [`Client::create_key`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn sign(&self, sign: &Sign, start: &Start) -> Result<CeremonyView, ClientError> {
        self.post(&format!("/v1/keys/{}/signatures", sign.key), &sign.body(), start)
    }

    /// `POST /v1/keys/{id}/presignatures`. As [`Client::create_key`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn presign(
        &self,
        key: &KeyId,
        terms: &PresignTerms,
        start: &Start,
    ) -> Result<CeremonyView, ClientError> {
        self.post(&format!("/v1/keys/{key}/presignatures"), terms, start)
    }

    /// `POST /v1/keys/{id}/refresh`. As [`Client::create_key`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn refresh(
        &self,
        key: &KeyId,
        terms: &RefreshTerms,
        start: &Start,
    ) -> Result<CeremonyView, ClientError> {
        self.post(&format!("/v1/keys/{key}/refresh"), terms, start)
    }

    /// `POST /v1/keys/{id}/reshare`. As [`Client::create_key`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn reshare(
        &self,
        key: &KeyId,
        terms: &ReshareTerms,
        start: &Start,
    ) -> Result<CeremonyView, ClientError> {
        self.post(&format!("/v1/keys/{key}/reshare"), terms, start)
    }

    /// Brings a call that was signed before: by this client or another, for this node or another. It is the same request
    /// wherever it is brought, so a client whose node has died brings it to the next one. As [`Client::create_key`].
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn bring(&self, signed: &SignedRequest, wait_s: u32) -> Result<CeremonyView, ClientError> {
        let start = Start { wait_s, ..Start::default() };
        self.send(signed.path(), signed.headers(), signed.body(), &start)
    }

    /// One page of `GET /v1/keys`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn keys_page(&self, query: &PageQuery) -> Result<Page<KeyView>, ClientError> {
        self.get(&page_path("/v1/keys", query))
    }

    /// All keys.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn keys(&self) -> Result<Vec<KeyView>, ClientError> {
        self.all("/v1/keys")
    }

    /// `GET /v1/keys/{id}`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn key(&self, id: &KeyId) -> Result<KeyView, ClientError> {
        self.get(&format!("/v1/keys/{id}"))
    }

    /// `GET /v1/keys/{id}/certificate`: the file, not judged yet.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn certificate(&self, id: &KeyId) -> Result<Vec<u8>, ClientError> {
        let limit = u64::try_from(MAX_CERTIFICATE_BYTES).unwrap_or(u64::MAX);
        self.bytes(self.ask(&format!("/v1/keys/{id}/certificate"))?, limit)
    }

    /// One page of `GET /v1/ceremonies`, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ceremonies_page(&self, query: &PageQuery) -> Result<Page<CeremonyView>, ClientError> {
        self.get(&page_path("/v1/ceremonies", query))
    }

    /// All ceremonies the node remembers, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ceremonies(&self) -> Result<Vec<CeremonyView>, ClientError> {
        self.all("/v1/ceremonies")
    }

    /// `GET /v1/ceremonies/{id}`.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn ceremony(&self, id: &CeremonyId) -> Result<CeremonyView, ClientError> {
        self.get(&format!("/v1/ceremonies/{id}"))
    }

    /// All evidence the node keeps, newest first.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn evidence(&self) -> Result<Vec<EvidenceView>, ClientError> {
        self.all("/v1/evidence")
    }

    /// `GET /v1/evidence/{id}`: the file, not judged yet.
    ///
    /// # Errors
    /// [`ClientError`].
    pub fn evidence_file(&self, id: &EvidenceId) -> Result<Vec<u8>, ClientError> {
        let limit = u64::try_from(MAX_EVIDENCE_BYTES).unwrap_or(u64::MAX);
        self.bytes(self.ask(&format!("/v1/evidence/{id}"))?, limit)
    }

    /// `GET /v1/ceremonies/{id}/events`: the ceremony as it is, then each change, until it is over.
    /// A broken connection is taken up again where it broke.
    #[must_use]
    pub fn events(&self, id: &CeremonyId) -> Events {
        Events::new(self.clone(), *id)
    }
}
