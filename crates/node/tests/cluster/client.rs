//! What a client does in the simulated world: calls, and checks of what comes back.

use consign_api as api;
use consign_node::core::invitation::Invitation;
use consign_node::core::{CallId, Input};
use consign_node::store::{Store, Table};

use crate::sim::{PATIENCE_MS, Sim};

impl Sim {
    /// A call to a node's API, with its answer.
    pub(crate) fn ask(&mut self, which: usize, request: api::Request) -> api::Reply {
        self.counter += 1;
        let call = CallId(self.counter);
        self.handle(which, Input::Api(call, request));
        let end = self.clock + PATIENCE_MS;
        loop {
            if let Some(reply) = self.machines[which].replies.remove(&call) {
                return reply;
            }
            assert!(self.clock < end && self.is_running(which), "SEED={}: no reply", self.seed);
            self.step();
        }
    }

    pub(crate) fn invite(&mut self, founder: usize) -> Invitation {
        match self.ask(founder, api::Request::Invite(api::Invite { valid_for: 3600 })) {
            api::Reply::Invitation(view) => view.invitation.parse().unwrap(),
            other => panic!("SEED={}: {other:?}", self.seed),
        }
    }

    pub(crate) fn validators(&mut self, which: usize) -> Vec<api::ValidatorView> {
        match self.ask(which, api::Request::ListValidators) {
            api::Reply::Validators(page) => page.items,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn is_member(&mut self, which: usize, other: usize) -> bool {
        let id = self.api_id(other);
        self.is_running(which)
            && self.validators(which).iter().any(|v| v.id == id && v.member && v.name.is_some())
    }

    pub(crate) fn sees(&mut self, which: usize, other: usize) -> bool {
        let id = self.api_id(other);
        self.is_running(which) && self.validators(which).iter().any(|v| v.id == id && v.connected)
    }

    pub(crate) fn view(&mut self, which: usize, id: api::CeremonyId) -> Option<api::CeremonyView> {
        if !self.is_running(which) {
            return None;
        }
        match self.ask(which, api::Request::ShowCeremony(id)) {
            api::Reply::Ceremony(view) => Some(view),
            _ => None,
        }
    }

    pub(crate) fn create_key(&self, threshold: u16, committee: &[usize]) -> api::Request {
        self.create_key_on(api::Curve::Secp256k1, threshold, committee)
    }

    pub(crate) fn create_key_on(
        &self,
        curve: api::Curve,
        threshold: u16,
        committee: &[usize],
    ) -> api::Request {
        api::Request::CreateKey(api::CreateKey {
            label: "pay".parse().unwrap(),
            scheme: api::Scheme::Cggmp24,
            curve,
            level: api::Level::Test,
            threshold,
            committee: committee.iter().map(|i| self.api_id(*i)).collect(),
        })
    }

    pub(crate) fn start(
        &mut self,
        which: usize,
        request: api::Request,
    ) -> Result<api::CeremonyId, api::Problem> {
        match self.ask(which, request) {
            api::Reply::Started(view) => Ok(view.id),
            api::Reply::Problem(problem) => Err(problem),
            other => panic!("SEED={}: {other:?}", self.seed),
        }
    }

    /// As [`start`](Self::start), where the node may die before it answers.
    pub(crate) fn start_unless_crashed(
        &mut self,
        which: usize,
        request: api::Request,
    ) -> Option<api::CeremonyId> {
        self.counter += 1;
        let call = CallId(self.counter);
        self.handle(which, Input::Api(call, request));
        match self.machines[which].replies.remove(&call) {
            Some(api::Reply::Started(view)) => Some(view.id),
            None if !self.is_running(which) => None,
            other => panic!("SEED={}: {other:?}", self.seed),
        }
    }

    /// Runs a ceremony to its end as `which` sees it.
    pub(crate) fn finish(&mut self, which: usize, id: api::CeremonyId) -> Result<api::Outcome, api::Problem> {
        self.until("the ceremony is over", |sim| sim.view(which, id).is_some_and(|v| v.state.is_over()));
        let view = self.view(which, id).unwrap();
        match view.outcome {
            Some(outcome) => Ok(outcome),
            None => Err(view.failure.unwrap()),
        }
    }

    pub(crate) fn new_key(&mut self, which: usize, threshold: u16, committee: &[usize]) -> api::KeyView {
        self.new_key_on(api::Curve::Secp256k1, which, threshold, committee)
    }

    pub(crate) fn new_key_on(
        &mut self,
        curve: api::Curve,
        which: usize,
        threshold: u16,
        committee: &[usize],
    ) -> api::KeyView {
        let request = self.create_key_on(curve, threshold, committee);
        let id = self.start(which, request).unwrap();
        match self.finish(which, id) {
            Ok(api::Outcome::Key(key)) => *key,
            other => panic!("SEED={}: {other:?}", self.seed),
        }
    }

    pub(crate) fn sign(
        &mut self,
        which: usize,
        key: api::KeyId,
        message: &[u8],
    ) -> Result<api::SignatureView, api::Problem> {
        self.sign_at(which, key, api::PathText::root(), message)
    }

    /// As [`sign`](Self::sign), for a child of the key.
    pub(crate) fn sign_at(
        &mut self,
        which: usize,
        key: api::KeyId,
        path: api::PathText,
        message: &[u8],
    ) -> Result<api::SignatureView, api::Problem> {
        let target = api::SignTarget::Message { bytes: message.to_vec(), hash: api::HashName::Sha256 };
        let id = self.start(which, api::Request::Sign(api::Sign { key, path, target }))?;
        match self.finish(which, id)? {
            api::Outcome::Signature(signature) => Ok(*signature),
            other => panic!("SEED={}: {other:?}", self.seed),
        }
    }

    /// As [`sign`](Self::sign), but asks again when told that it may help: connections come and go.
    pub(crate) fn sign_patiently(
        &mut self,
        which: usize,
        key: api::KeyId,
        message: &[u8],
    ) -> api::SignatureView {
        for _ in 0..20 {
            match self.sign(which, key, message) {
                Ok(signature) => return signature,
                Err(problem) if problem.kind == api::ProblemKind::TooFewSigners => self.pass(2_000),
                Err(problem) => panic!("SEED={}: {problem}", self.seed),
            }
        }
        panic!("SEED={}: never enough signers", self.seed)
    }

    pub(crate) fn keys(&mut self, which: usize) -> Vec<api::KeyView> {
        match self.ask(which, api::Request::ListKeys(api::PageQuery::default())) {
            api::Reply::Keys(page) => page.items,
            other => panic!("{other:?}"),
        }
    }

    /// The names of all records of a table.
    pub(crate) fn names(&self, which: usize, table: Table) -> Vec<Vec<u8>> {
        self.machines[which].store.list(table).unwrap().into_iter().map(|(name, _)| name).collect()
    }

    pub(crate) fn records(&self, which: usize, table: Table) -> usize {
        self.machines[which].store.list(table).unwrap().len()
    }
}

/// Checks a signature with an implementation that shares no code with the protocol.
pub(crate) fn verify(key: &api::KeyView, signature: &api::SignatureView, message: &[u8]) {
    match key.curve {
        api::Curve::Secp256k1 => verify_on_secp256k1(key, signature, message),
        api::Curve::P256 => verify_on_p256(key, signature, message),
    }
}

/// By AWS-LC, in both forms in which the signature is told.
fn verify_on_p256(key: &api::KeyView, signature: &api::SignatureView, message: &[u8]) {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
    if signature.path == api::PathText::root() {
        assert_eq!(signature.public_key, key.public_key);
    }
    assert_eq!((&signature.recovery_id, &key.ethereum_address, &key.xpub), (&None, &None, &None));
    let bytes = |text: &str| hex::decode(text).unwrap();
    let public = bytes(&signature.public_key);
    let fixed = UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, &public);
    fixed.verify(message, &bytes(&format!("{}{}", signature.r, signature.s))).unwrap();
    let asn1 = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, &public);
    asn1.verify(message, &bytes(&signature.der)).unwrap();
}

fn verify_on_secp256k1(key: &api::KeyView, signature: &api::SignatureView, message: &[u8]) {
    use k256::ecdsa::signature::hazmat::PrehashVerifier;
    if signature.path == api::PathText::root() {
        assert_eq!(signature.public_key, key.public_key);
    }
    let sec1 = hex::decode(&signature.public_key).unwrap();
    let public = k256::ecdsa::VerifyingKey::from_sec1_bytes(&sec1).unwrap();
    let digest = api::HashName::Sha256.digest(message);
    assert_eq!(signature.digest, hex::encode(digest));
    let der = k256::ecdsa::Signature::from_der(&hex::decode(&signature.der).unwrap()).unwrap();
    public.verify_prehash(&digest, &der).unwrap();
    let both = format!("{}{}", signature.r, signature.s);
    let fixed = k256::ecdsa::Signature::from_slice(&hex::decode(both).unwrap()).unwrap();
    assert_eq!(fixed, der);
    let recovery = k256::ecdsa::RecoveryId::from_byte(signature.recovery_id.unwrap()).unwrap();
    let recovered = k256::ecdsa::VerifyingKey::recover_from_prehash(&digest, &der, recovery).unwrap();
    assert_eq!(recovered, public);
}
