//! What evidence proves, to anybody: the one judge, for nodes and for outsiders alike. An evidence file holds all that
//! the judgement needs; nothing else is believed, no record of the judge, no word of the accuser.
//!
//! # Why the file cannot frame anybody
//!
//! With another `X_j` or `N_j` an honest message would look wrong, and whoever writes the file writes what stands in
//! it. So the accused is judged only by what it has itself put its name to. The session id stands in the header of
//! each of its messages, under its signature, and is a hash of everything that the rules of a protocol look at
//! (`docs/spec/params.md`, 1.6): version, level, curve, participants, the nonce (a hash of the proposal and of
//! everybody's accept, the accused's own random bytes among them), and where a key is used its epoch with all public
//! shares, the auxiliary info with all moduli, the signers and the digest, or the epoch to be made. The judge computes the session id from what the file
//! shows. If anything is not what the accused computed with, the ids differ, and no signature of the accused
//! is one of this session. Besides, key and auxiliary info must be those that the accepted proposal names.

use consign_cggmp24::aux_info::AuxPublic;
use consign_cggmp24::key::KeyInfo;
use consign_cggmp24::sign::PresignaturePublic;
use consign_rounds::limits::MAX_EVIDENCE_BYTES;
use consign_rounds::{Evidence, decode as decode_parts};

use super::asked::request_id;
use super::curves::{InfoRef, NodeCurve, curve_of, on_curve};
use super::hash::{Hash, Items};
use super::jobs::{public_input, session_id};
use super::keys::Key;
use super::presigning::online_input;
use super::proposal::{Kind, NoEntry, PROTOCOL_VERSION, Proposal, session_nonce};
use super::roll::Roll;
use super::wire::{EvidenceFile, Inputs, MAX_MESSAGE_BYTES};
use crate::identity::{ClusterId, NodeId};

/// Longest evidence file, in bytes.
pub const MAX_FILE_BYTES: usize = consign_api::limits::MAX_EVIDENCE_BYTES;
/// How an evidence file begins: what it is, in words, and the version of its form.
pub(super) const MAGIC: &[u8] = b"consign evidence 1\n";

/// What evidence proves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Id of the evidence.
    pub evidence: Hash,
    /// Who broke the protocol.
    pub culprit: NodeId,
    /// Its index in the session.
    pub index: u16,
    /// What it did.
    pub charge: String,
    /// Which protocol it broke.
    pub kind: Kind,
    /// The round of the message that convicts it; none where the message belongs to no round.
    pub round: Option<u8>,
    /// The cluster in which it signed.
    pub cluster: ClusterId,
    /// Id of the ceremony that clients see.
    pub ceremony: Hash,
    /// Hash of the proposal: names the session among the nodes.
    pub proposal: Hash,
    /// The key that was used.
    pub key: Option<UsedKey>,
    /// The auxiliary info that was used.
    pub aux: Option<Hash>,
}

/// The key of a session, as the culprit knew it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UsedKey {
    /// Its id.
    pub id: Hash,
    /// The public key: compressed SEC1.
    pub public_key: Vec<u8>,
    /// Its epoch.
    pub epoch: u64,
    /// Whether the file also shows that all who made the key, and all who held it since, confirmed this epoch.
    pub certified: bool,
}

/// What the judge knows already: evidence about anything else is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// The cluster.
    pub cluster: Option<ClusterId>,
    /// The key.
    pub key: Option<KnownKey>,
}

/// A key by one of its two names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KnownKey {
    /// Its id.
    Id(Hash),
    /// The public key: compressed SEC1.
    Public(Vec<u8>),
}

/// Why a file convicts nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotProven {
    /// Some other file, or a damaged one.
    #[error("this is not an evidence file, or it is damaged")]
    NotEvidence,
    /// Longer than [`MAX_FILE_BYTES`].
    #[error("the file is longer than evidence can be ({MAX_FILE_BYTES} bytes)")]
    TooLarge,
    /// Made under other rules.
    #[error(
        "the evidence is about version {0} of the protocol: judge it with a program that speaks that version"
    )]
    Version(u16),
    /// The lists of the proposal are out of order, or the accused is in none.
    #[error("the proposal in the file is out of order, or the accused takes no part in it")]
    Proposal,
    /// Some accept is missing or not signed.
    #[error("the file does not show that all participants accepted the proposal: {0}")]
    Accepts(NoEntry),
    /// Key or auxiliary info are missing, contradict themselves, or are not those of the proposal.
    #[error("the key or the auxiliary info in the file is not what the participants agreed on: {0}")]
    Inputs(String),
    /// The certificate does not hold.
    #[error("the certificate of the key in the file does not hold")]
    Certificate,
    /// About another cluster than the judge asks about.
    #[error("the evidence is about another cluster: {0}")]
    OtherCluster(ClusterId),
    /// About another key than the judge asks about.
    #[error("the evidence is not about the key you named")]
    OtherKey,
    /// The messages prove nothing.
    #[error("the messages in the file do not prove that {0} broke the protocol")]
    Acquitted(NodeId),
    /// The messages convict somebody, but not whom the file accuses.
    #[error("the file accuses {0}, but its messages do not concern that party")]
    OtherCulprit(NodeId),
}

impl EvidenceFile {
    /// The id: a hash of who is accused, in which session's proposal, by which messages. What is only attached so that
    /// an outsider can judge does not count: the same messages are the same evidence.
    #[must_use]
    pub fn id(&self) -> Hash {
        Items::new("evidence")
            .bytes("proposal", &self.proposal.hash().0)
            .bytes("accused", self.accused.as_bytes())
            .bytes("messages", &self.evidence)
            .hash()
    }

    /// The bytes of a file.
    #[must_use]
    pub fn to_file(&self) -> Vec<u8> {
        postcard::to_extend(self, MAGIC.to_vec()).expect("invariant: evidence is plain data")
    }

    /// Reads a file. Nothing is judged yet.
    ///
    /// # Errors
    /// [`NotProven::TooLarge`] before anything is parsed, [`NotProven::NotEvidence`].
    pub fn from_file(bytes: &[u8]) -> Result<Self, NotProven> {
        if bytes.len() > MAX_FILE_BYTES {
            return Err(NotProven::TooLarge);
        }
        let body = bytes.strip_prefix(MAGIC).ok_or(NotProven::NotEvidence)?;
        match postcard::take_from_bytes(body) {
            // One encoding: lengths can be written in longer ways, too.
            Ok((file, [])) if Self::to_file(&file) == bytes => Ok(file),
            Ok(_) | Err(_) => Err(NotProven::NotEvidence),
        }
    }

    /// Judges: the verdict names the accused, or there is none.
    ///
    /// # Errors
    /// [`NotProven`]: then nothing is said about anybody.
    pub fn judge(&self, known: &Known) -> Result<Verdict, NotProven> {
        let Self { proposal, accepts, accused, .. } = self;
        if known.cluster.is_some_and(|cluster| cluster != proposal.cluster) {
            return Err(NotProven::OtherCluster(proposal.cluster));
        }
        // Another version has other rules, and its honest parties may break ours.
        if proposal.version != PROTOCOL_VERSION {
            return Err(NotProven::Version(proposal.version));
        }
        // Before anything that takes longer for longer lists.
        if !proposal.is_well_formed() {
            return Err(NotProven::Proposal);
        }
        let index = proposal.index_of(*accused).ok_or(NotProven::Proposal)?;
        let nonce = session_nonce(proposal, accepts).map_err(NotProven::Accepts)?;
        let curve = curve_of(proposal).map_err(NotProven::Inputs)?;
        on_curve!(C: curve => self.judge_on::<C>(known, index, &nonce))
    }

    /// The rest of it, which looks at points of the curve.
    fn judge_on<C: NodeCurve>(&self, known: &Known, index: u16, nonce: &Hash) -> Result<Verdict, NotProven> {
        let Self { proposal, accused, evidence, inputs, .. } = self;
        let read = inputs.as_ref().map(|inputs| inputs.read::<C>(proposal)).transpose()?;
        let key = read.as_ref().map(|read| &read.key);
        let aux = read.as_ref().and_then(|read| read.aux.as_ref());
        if known.key.as_ref().is_some_and(|known| !key.is_some_and(|key| known.is(key))) {
            return Err(NotProven::OtherKey);
        }
        let presignature = read.as_ref().and_then(|read| read.presignature.clone());
        let input = match presignature {
            Some(presignature) => online_input(proposal, presignature),
            None => public_input(proposal, key, aux),
        };
        let input = input.map_err(NotProven::Inputs)?;
        let session = session_id(proposal, &input, nonce).map_err(NotProven::Inputs)?;
        let evidence = Evidence::decode(evidence, MAX_EVIDENCE_BYTES).map_err(|_| NotProven::NotEvidence)?;
        let sentence = input.judge(&evidence, session, &Roll::of(proposal));
        let (culprit, charge) = sentence.ok_or(NotProven::Acquitted(*accused))?;
        if culprit != index {
            return Err(NotProven::OtherCulprit(*accused));
        }
        Ok(Verdict {
            evidence: self.id(),
            culprit: *accused,
            index,
            charge,
            kind: proposal.kind,
            round: evidence.round(),
            cluster: proposal.cluster,
            ceremony: request_id(&proposal.cluster, &proposal.request),
            proposal: proposal.hash(),
            key: read.as_ref().map(Read::used),
            aux: proposal.aux,
        })
    }
}

/// [`Inputs`], parsed.
struct Read<C: NodeCurve> {
    key: KeyInfo<C>,
    aux: Option<AuxPublic>,
    presignature: Option<PresignaturePublic<C>>,
    certified: bool,
}

impl<C: NodeCurve> Read<C> {
    fn used(&self) -> UsedKey {
        UsedKey {
            id: Hash(self.key.key_id),
            public_key: self.key.public_key.to_bytes(),
            epoch: self.key.epoch,
            certified: self.certified,
        }
    }
}

impl Inputs {
    /// Parses, and compares with what the participants accepted.
    fn read<C: NodeCurve>(&self, proposal: &Proposal) -> Result<Read<C>, NotProven> {
        let bad = |what: &str| NotProven::Inputs(what.to_owned());
        let key: KeyInfo<C> = decode_parts(&self.key, MAX_MESSAGE_BYTES).map_err(|_| bad("not a key"))?;
        let (epoch, moduli) = match proposal.kind {
            Kind::Keygen | Kind::Aux | Kind::Import => return Err(bad("this protocol uses none")),
            Kind::Sign | Kind::Presign => {
                (proposal.base.is_none() && proposal.epoch == key.epoch, proposal.aux)
            }
            // The signers need no moduli any more: what they look at is fixed by the presignature's id.
            Kind::Online => (proposal.epoch == key.epoch, None),
            Kind::Refresh => (proposal.base == Some(Hash(key.session.0)), proposal.aux),
            // Only who will hold a share looks at the moduli; the session names them.
            Kind::Reshare => (proposal.base == Some(Hash(key.session.0)), None),
        };
        if proposal.key != Some(Hash(key.key_id)) || !epoch {
            return Err(bad("another key or epoch"));
        }
        let (moduli_here, presignature) = match proposal.kind {
            Kind::Online => (None, self.presignature(&key)?),
            Kind::Keygen
            | Kind::Aux
            | Kind::Sign
            | Kind::Refresh
            | Kind::Reshare
            | Kind::Presign
            | Kind::Import => (self.aux.as_deref(), None),
        };
        let aux = moduli_here.map(|bytes| decode_parts::<AuxPublic>(bytes, MAX_MESSAGE_BYTES));
        let aux = aux.transpose().map_err(|_| bad("no moduli"))?;
        if aux.as_ref().map(|aux| Hash(aux.aux_id)) != moduli || !aux.iter().all(AuxPublic::is_genuine) {
            return Err(bad("other moduli"));
        }
        if let Some(certificate) = &self.certificate {
            let certified = Key::certified(certificate.clone(), proposal.cluster, None);
            if !certified.is_some_and(|certified| certified.certifies(InfoRef::of(&key))) {
                return Err(NotProven::Certificate);
            }
        }
        Ok(Read { key, aux, presignature, certified: self.certificate.is_some() })
    }

    /// The public half of a presignature of this key, which stands in the place of the moduli.
    fn presignature<C: NodeCurve>(
        &self,
        key: &KeyInfo<C>,
    ) -> Result<Option<PresignaturePublic<C>>, NotProven> {
        let bad = || NotProven::Inputs("no presignature of the key".to_owned());
        let bytes = self.aux.as_deref().ok_or_else(bad)?;
        let public: PresignaturePublic<C> = decode_parts(bytes, MAX_MESSAGE_BYTES).map_err(|_| bad())?;
        if public.public_key == key.public_key && public.is_complete() {
            Ok(Some(public))
        } else {
            Err(bad())
        }
    }
}

impl KnownKey {
    fn is<C: NodeCurve>(&self, key: &KeyInfo<C>) -> bool {
        match self {
            Self::Id(id) => id.0 == key.key_id,
            Self::Public(point) => *point == key.public_key.to_bytes(),
        }
    }
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
mod tests;
