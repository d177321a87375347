//! What the certificate of a key shows, to anybody (exact rules, 11.3): the one judge, for nodes, clients and auditors
//! alike. It needs no node, no secret and no record of its own: everything follows from the signatures in the file.
//! `keys/shown.rs` has the checks, `docs/certificates.md` the form and what it proves.

use consign_api as api;
use consign_cggmp24::curve::Point;
use consign_cggmp24::derivation::{ExtendedKey, Path};

use super::curves::{NodeCurve, PublicKey, on_curve};
use super::hash::Hash;
use super::keys::Key;
use super::node::Node;
use super::proposal::{NoEntry, PROTOCOL_VERSION};
use super::views::{api_id, api_key, der};
use super::wire::Certificate;

/// Longest certificate, in bytes.
pub const MAX_FILE_BYTES: usize = api::limits::MAX_CERTIFICATE_BYTES;
/// How a file with a certificate begins: what it is, in words, and the version of its form.
const MAGIC: &[u8] = b"consign certificate 1\n";

/// Why a certificate shows nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotCertified {
    /// Longer than [`MAX_FILE_BYTES`].
    #[error("the file is longer than a certificate can be ({MAX_FILE_BYTES} bytes)")]
    TooLarge,
    /// Some other file, or a damaged one.
    #[error("this is not a certificate of a key, or it is damaged")]
    NotACertificate,
    /// Made under other rules.
    #[error(
        "the key was made under version {0} of the protocol: judge it with a program that speaks that version"
    )]
    Version(u16),
    /// The proposal does not follow from the request in it, or its lists are out of order.
    #[error("its proposal does not follow from the request in it")]
    Proposal,
    /// The request is not signed by the client that it names.
    #[error("the request in it is not signed by the client that it names: {0}")]
    Request(api::signed::NotSigned),
    /// Some accept is missing or not signed.
    #[error("it does not show that all participants accepted the proposal: {0}")]
    Accepts(NoEntry),
    /// The first epoch is not one of the session that was accepted.
    #[error("its first epoch is not of the session that the participants accepted")]
    Epoch,
    /// Some first holder has not confirmed the key.
    #[error("it does not show that all first holders confirmed this key")]
    Confirmations,
    /// A change since does not prove itself.
    #[error("change {0} of the key's shares does not prove itself to whoever knows the epoch before")]
    Change(usize),
}

impl Certificate {
    /// The bytes of a file.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        postcard::to_extend(self, MAGIC.to_vec()).expect("invariant: certificates are plain data")
    }

    /// Reads a file. Nothing is judged yet.
    ///
    /// # Errors
    /// [`NotCertified::TooLarge`] before anything is parsed, [`NotCertified::NotACertificate`].
    pub fn from_file(bytes: &[u8]) -> Result<Self, NotCertified> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(NotCertified::TooLarge);
        }
        let body = bytes.strip_prefix(MAGIC).ok_or(NotCertified::NotACertificate)?;
        match postcard::take_from_bytes(body) {
            // One encoding: lengths can be written in longer ways, too.
            Ok((file, [])) if Self::to_file(&file) == bytes => Ok(file),
            Ok(_) | Err(_) => Err(NotCertified::NotACertificate),
        }
    }

    /// Judges: what the certificate shows, if all of it holds.
    ///
    /// # Errors
    /// [`NotCertified`]: then nothing is said about any key.
    pub fn judge(self) -> Result<api::Certified, NotCertified> {
        // Another version has other rules.
        if self.proposal.version != PROTOCOL_VERSION {
            return Err(NotCertified::Version(self.proposal.version));
        }
        let (cluster, request) = (self.proposal.cluster, self.proposal.request.clone());
        let key = Key::judged(self, cluster, None)?;
        Ok(certified(&key, api::ClusterId(*cluster.as_bytes()), request))
    }
}

/// Judges the bytes of a file.
///
/// # Errors
/// [`NotCertified`].
pub fn judge(file: &[u8]) -> Result<api::Certified, NotCertified> {
    Certificate::from_file(file)?.judge()
}

/// What is known of a key that was judged.
fn certified(key: &Key, cluster: api::ClusterId, request: Vec<u8>) -> api::Certified {
    let info = key.info();
    let public_key = info.public_key();
    let member = |p: &super::proposal::Participant| api::Member {
        index: p.index,
        validator: api_id(p.id),
        name: None,
    };
    let (first_threshold, first_committee) = key.first();
    api::Certified {
        pin: api::Pin {
            cluster,
            key: api_key(key.id()),
            label: key.label().clone(),
            scheme: key.scheme(),
            curve: key.curve(),
            level: key.level(),
            public_key: hex::encode(public_key.sec1()),
            chain_code: info.chain_code().map(hex::encode),
            owner: key.owner(),
            imported: key.dealer().map(|dealer| api_id(dealer.id)),
            shared_out: key.shared_out().map(|session| hex::encode(session.0)),
            epoch: info.epoch(),
            session: hex::encode(info.session().0),
            threshold: info.threshold(),
            committee: key.holders().iter().map(member).collect(),
        },
        first_threshold,
        first_committee: first_committee.iter().map(|p| api_id(p.id)).collect(),
        changes: key.chain().len(),
        request,
        xpub: info.xpub(),
        ethereum_address: public_key.ethereum_address(),
        bitcoin_address: public_key.bitcoin_address(),
    }
}

/// The judge that clients use: [`judge`], and the library's own verification of signatures.
#[derive(Debug, Clone, Copy, Default)]
pub struct Judge;

impl api::Judge for Judge {
    fn certificate(&self, file: &[u8]) -> Result<api::Certified, String> {
        judge(file).map_err(|why| why.to_string())
    }

    fn signature(
        &self,
        key: &api::Pin,
        path: &api::PathText,
        digest: &[u8; 32],
        signature: &api::SignatureView,
    ) -> Result<(), String> {
        let child = child_of(key, path)
            .ok_or_else(|| "the key has no child at the path that was asked for".to_owned())?;
        let told = (signature.key, &signature.path, signature.public_key.as_str());
        if told != (key.key, path, hex::encode(child.sec1()).as_str()) {
            return Err("it is said to be of another key or child than was asked for".to_owned());
        }
        if signature.digest != hex::encode(digest) {
            return Err("it is said to be of something else than was asked for".to_owned());
        }
        let numbers = |text: &str| hex::decode(text).ok().filter(|bytes| hex::encode(bytes) == text);
        let malformed = || "r, s or the recovery id is malformed".to_owned();
        let (r, s) = numbers(&signature.r).zip(numbers(&signature.s)).ok_or_else(malformed)?;
        if (r.len(), s.len()) != (32, 32) {
            return Err(malformed());
        }
        let has_id = key.curve == api::Curve::Secp256k1;
        if signature.recovery_id.is_some() != has_id {
            return Err(malformed());
        }
        let recovery_id = signature.recovery_id.unwrap_or_default();
        if child.signature(&[r.as_slice(), &s].concat(), recovery_id, *digest).is_none() {
            return Err("it does not verify under the key".to_owned());
        }
        if signature.der != hex::encode(der(&r, &s)) {
            return Err("its DER form holds another signature".to_owned());
        }
        Ok(())
    }
}

/// The public key of the child at a path of a pinned key.
fn child_of(key: &api::Pin, path: &api::PathText) -> Option<PublicKey> {
    let path: Path = path.as_str().parse().ok()?;
    let public_key = hex::decode(&key.public_key).ok()?;
    on_curve!(C: key.curve => child_on::<C>(&public_key, key.chain_code.as_deref(), &path).map(C::any))
}

fn child_on<C: NodeCurve>(public_key: &[u8], chain_code: Option<&str>, path: &Path) -> Option<Point<C>> {
    let root = Point::<C>::from_bytes(public_key)?;
    if path.is_root() {
        return Some(root);
    }
    let mut code = [0; 32];
    hex::decode_to_slice(chain_code?, &mut code).ok()?;
    Some(ExtendedKey::root(root, code).descend(path).ok()?.public_key)
}

impl Node {
    /// The certificate of a key, as a file; `unknown`: what is said where the key is not here.
    pub(super) fn show_certificate(
        &self,
        id: api::KeyId,
        unknown: fn() -> api::Problem,
    ) -> Result<api::Reply, api::Problem> {
        let key = self.keys.get(&Hash(id.0)).ok_or_else(unknown)?;
        let Some(certificate) = key.certificate() else {
            let text = "Not all holders have confirmed the key yet: ask again when its state is `active`.";
            return Err(api::Problem::new(api::ProblemKind::KeyBusy, text).retry_after(1));
        };
        let file = certificate.to_file();
        if file.len() > MAX_FILE_BYTES {
            let text = "The key was reshared so often that its certificate is longer than nodes and clients take; make \
                        a new key.";
            return Err(api::Problem::new(api::ProblemKind::TooLarge, text));
        }
        Ok(api::Reply::Certificate(file))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::proposal::{Proposal, sample};
    use crate::identity::Identity;

    fn certificate() -> Certificate {
        let ids = [1, 2].map(|i| Identity::from_seed(&[i; 32]).node_id());
        let (accepts, steps) = (Vec::new(), vec![vec![3; 4]]);
        Certificate { proposal: sample(&ids), accepts, info: vec![1], set: vec![2], steps }
    }

    /// `tests/cluster/certificates.rs` judges real ones.
    #[test]
    fn a_file_has_one_form() {
        let file = certificate().to_file();
        assert!(file.starts_with(b"consign certificate 1\n"));
        assert_eq!(Certificate::from_file(&file), Ok(certificate()));
        for end in 0..file.len() {
            assert_eq!(Certificate::from_file(&file[..end]), Err(NotCertified::NotACertificate), "{end}");
        }
        assert_eq!(Certificate::from_file(&[&file[..], &[0]].concat()), Err(NotCertified::NotACertificate));
        let mut other = file.clone();
        other[20] = b'2';
        assert_eq!(Certificate::from_file(&other), Err(NotCertified::NotACertificate));
        let long = Certificate { set: vec![0; MAX_FILE_BYTES], ..certificate() }.to_file();
        assert_eq!(Certificate::from_file(&long), Err(NotCertified::TooLarge));
        // A length in two bytes where one is enough.
        let at = file.len() - 5;
        assert_eq!(file[at - 1..], [1, 4, 3, 3, 3, 3]);
        let padded = [&file[..at], &[0x84, 0], &file[at + 1..]].concat();
        assert_eq!(Certificate::from_file(&padded), Err(NotCertified::NotACertificate));
    }

    #[test]
    fn other_rules_are_not_judged() {
        let certificate = certificate();
        let proposal = Proposal { version: PROTOCOL_VERSION + 1, ..certificate.proposal.clone() };
        let newer = Certificate { proposal, ..certificate.clone() };
        assert_eq!(newer.judge(), Err(NotCertified::Version(PROTOCOL_VERSION + 1)));
        assert_eq!(certificate.judge(), Err(NotCertified::NotACertificate));
    }
}
