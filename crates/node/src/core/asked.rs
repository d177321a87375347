//! Who asks: a request as it travels to every participant, in one of three forms. Signed by its client, it can be checked by
//! everybody who sees it, and a hijacked proposer can make none. Unsigned, nobody but the proposer vouches for it: it came
//! with the token of the proposer's own API. The third form is nobody's: the proposer says that the standing orders of all
//! participants want it. Which of them a node takes part in is for it to say (`ceremony/examining.rs`, `standing.rs`).

use consign_api as api;
use consign_api::signed::{FORM, NotSigned};
use consign_api::{ClientKey, SignedRequest};

use super::hash::{Hash, Items};
use super::proposal::MAX_REQUEST_BYTES;
use super::records::Signed;
use super::requests::{MAX_SKEW_S, REQUEST_LIFETIME_S, RawRequest, Wanted, wanted_of_call};
use crate::identity::ClusterId;

/// How long after its end a request may still be brought further, in seconds, where it takes several ceremonies: moduli
/// are made first, and each of them may take minutes. A signature is a matter of seconds, and is made in time or not at all.
const PHASES_S: u64 = 60 * 60;

/// How the form begins of what nobody asks for: the name of a path, which begins an unsigned request, is never empty.
const STANDING: [u8; 2] = [0, 2];

/// Every signed request fits a proposal.
const _: () = assert!(api::signed::MAX_REQUEST_BYTES <= MAX_REQUEST_BYTES);

/// A request with what is known of who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// Nobody but the proposer vouches for it.
    Unsigned(RawRequest),
    /// With its client's signature, which is not verified yet.
    Signed(SignedRequest),
    /// Nobody asks: it is, as the proposer says, what every participant's own standing orders want.
    Standing(RawRequest),
}

impl Asked {
    /// Reads bytes that came in a proposal. Strict: bytes have one reading, and a request one writing.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<(Self, Wanted)> {
        if let Some(raw) = bytes.strip_prefix(&STANDING) {
            let (raw, wanted) = RawRequest::parse(raw)?;
            return matches!(wanted, Wanted::Presign(_) | Wanted::Refresh(_))
                .then_some((Self::Standing(raw), wanted));
        }
        if !bytes.starts_with(&FORM) {
            let (raw, wanted) = RawRequest::parse(bytes)?;
            return Some((Self::Unsigned(raw), wanted));
        }
        let signed = SignedRequest::decode(bytes).ok()?;
        let wanted = wanted_of_call(signed.path(), signed.body())?;
        Some((Self::Signed(signed), wanted))
    }

    /// Who asks, if that can be checked.
    #[must_use]
    pub fn client(&self) -> Option<ClientKey> {
        match self {
            Self::Unsigned(_) | Self::Standing(_) => None,
            Self::Signed(signed) => Some(signed.client()),
        }
    }

    /// Whether it is good for longer than what no operator approves.
    #[must_use]
    pub fn is_long(&self) -> bool {
        match self {
            Self::Unsigned(_) | Self::Standing(_) => false,
            Self::Signed(signed) => signed.validity().is_long(),
        }
    }

    /// Whether nobody asks, and it is up to standing orders.
    #[must_use]
    pub fn is_standing(&self) -> bool {
        matches!(self, Self::Standing(_))
    }

    /// The same, of bytes that were read before.
    pub(super) fn is_standing_form(raw: &[u8]) -> bool {
        raw.starts_with(&STANDING)
    }

    /// The bytes of what standing orders want.
    #[must_use]
    pub fn standing(raw: &RawRequest) -> Vec<u8> {
        [&STANDING[..], &raw.encode()].concat()
    }

    /// Whether the client that it names has signed it, for this cluster. Holds for what names none.
    ///
    /// # Errors
    /// [`NotSigned`], a sentence that says what is wrong.
    pub fn verify(&self, cluster: &ClusterId) -> Result<(), NotSigned> {
        match self {
            Self::Unsigned(_) | Self::Standing(_) => Ok(()),
            Self::Signed(signed) => signed.verify(&api::ClusterId(*cluster.as_bytes())),
        }
    }

    /// Whether it may be brought for the first time.
    #[must_use]
    pub fn is_fresh(&self, now_unix: u64) -> bool {
        match self {
            Self::Unsigned(raw) | Self::Standing(raw) => raw.is_fresh(now_unix),
            Self::Signed(signed) => signed.validity().is_fresh(now_unix).is_ok(),
        }
    }

    /// Whether another try of it may begin, or its next phase.
    #[must_use]
    pub fn may_go_on(&self, wanted: &Wanted, now_unix: u64) -> bool {
        let Self::Signed(signed) = self else { return true };
        signed.validity().expires().saturating_add(MAX_SKEW_S + phases_s(wanted)) > now_unix
    }

    /// When it was asked: Unix time in seconds.
    #[must_use]
    pub fn created(&self) -> u64 {
        match self {
            Self::Unsigned(raw) | Self::Standing(raw) => raw.created,
            Self::Signed(signed) => signed.validity().created(),
        }
    }

    /// When it counts no more: Unix time in seconds.
    #[must_use]
    pub fn expires(&self) -> u64 {
        match self {
            Self::Unsigned(raw) | Self::Standing(raw) => raw.created.saturating_add(REQUEST_LIFETIME_S),
            Self::Signed(signed) => signed.validity().expires(),
        }
    }

    /// What is remembered of a signed one: under the same `Idempotency-Key` the client may sign the same content again,
    /// and no other.
    pub(super) fn remembered(&self) -> Option<Signed> {
        let Self::Signed(signed) = self else { return None };
        let items = Items::new("signed content").bytes("method", b"POST");
        let items = items.bytes("path", signed.path().as_bytes()).bytes("body", signed.body());
        Some(Signed { content: items.hash(), expires: signed.validity().expires() })
    }
}

/// How long after its end a request that was begun in time may go on, in seconds: what needs moduli first has phases.
pub(super) fn phases_s(wanted: &Wanted) -> u64 {
    match wanted {
        Wanted::Signature(_) | Wanted::Presign(_) => 0,
        Wanted::Key(_) | Wanted::Refresh(_) | Wanted::Reshare(_) => PHASES_S,
    }
}

/// Names a request, and so everything that is done for it: the id of the ceremony that clients see. A signed one is named
/// by its client and what that calls it, so that the same call signed anew is the same request.
#[must_use]
pub fn request_id(cluster: &ClusterId, raw: &[u8]) -> Hash {
    let signed =
        Some(raw).filter(|raw| raw.starts_with(&FORM)).and_then(|raw| SignedRequest::decode(raw).ok());
    match signed {
        Some(signed) => Items::new("signed request")
            .bytes("cluster", cluster.as_bytes())
            .bytes("client", signed.client().as_bytes())
            .bytes("idempotency key", signed.idempotency_key().as_str().as_bytes())
            .hash(),
        None => Items::new("request").bytes("cluster", cluster.as_bytes()).bytes("raw", raw).hash(),
    }
}

/// Whether these are one request: named alike, and asking for the same.
pub(super) fn is_same(cluster: &ClusterId, one: &[u8], other: &[u8]) -> bool {
    let content =
        |raw| Asked::parse(raw).and_then(|(asked, _)| asked.remembered()).map(|signed| signed.content);
    request_id(cluster, one) == request_id(cluster, other) && content(one) == content(other)
}

#[cfg(test)]
mod tests {
    use consign_api::ClientSecret;
    use consign_api::signed::Validity;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn cluster() -> ClusterId {
        ClusterId::from_bytes([1; 32])
    }

    fn sign_of(seed: u8, key: &str, message: &[u8], created: u64) -> SignedRequest {
        let target = api::SignTarget::Message { bytes: message.to_vec(), hash: api::HashName::Sha256 };
        let path = api::PathText::root();
        let wanted = Wanted::Signature(api::Sign { key: api::KeyId([5; 32]), path, target });
        let call = RawRequest::new(&wanted, 0, [0; 16]);
        let validity = Validity::new(created, created + 100).unwrap();
        let (secret, key) = (ClientSecret::from_seed(&[seed; 32]), key.parse().unwrap());
        let cluster = api::ClusterId(*cluster().as_bytes());
        SignedRequest::sign(&secret, cluster, &call.path, key, call.body, validity).unwrap()
    }

    #[test]
    fn a_client_and_its_idempotency_key_name_a_request() {
        let id = |signed: &SignedRequest| request_id(&cluster(), &signed.encode());
        let content = |signed: &SignedRequest| {
            Asked::parse(&signed.encode()).unwrap().0.remembered().map(|signed| signed.content)
        };
        let first = sign_of(1, "a", b"m", NOW);
        let (again, other) = (sign_of(1, "a", b"m", NOW + 5), sign_of(1, "a", b"n", NOW));
        assert_eq!((id(&first), content(&first)), (id(&again), content(&again)));
        assert_eq!(id(&first), id(&other));
        assert_ne!(content(&first), content(&other));
        let same = |other: &SignedRequest| is_same(&cluster(), &first.encode(), &other.encode());
        assert!(same(&again) && !same(&other) && !same(&sign_of(2, "a", b"m", NOW)));
        for other in [sign_of(2, "a", b"m", NOW), sign_of(1, "b", b"m", NOW)] {
            assert_ne!(id(&first), id(&other));
        }
        assert_ne!(id(&first), request_id(&ClusterId::from_bytes([2; 32]), &first.encode()));
    }

    #[test]
    fn both_forms_are_read_and_told_apart() {
        let signed = sign_of(1, "a", b"m", NOW);
        let (asked, wanted) = Asked::parse(&signed.encode()).unwrap();
        assert_eq!((asked.client(), &asked), (Some(signed.client()), &Asked::Signed(signed.clone())));
        assert_eq!(asked.verify(&cluster()), Ok(()));
        assert_eq!(asked.verify(&ClusterId::from_bytes([2; 32])), Err(NotSigned::Cluster));
        let raw = RawRequest::new(&wanted, NOW, [1; 16]);
        let (unsigned, same) = Asked::parse(&raw.encode()).unwrap();
        assert_eq!((unsigned.client(), unsigned.remembered()), (None, None));
        assert_eq!((&unsigned, same), (&Asked::Unsigned(raw), wanted.clone()));
        assert!(asked.is_fresh(NOW + 129) && !asked.is_fresh(NOW + 130));
        assert!(asked.may_go_on(&wanted, NOW + 129) && !asked.may_go_on(&wanted, NOW + 130));
        let refresh = api::Refresh {
            key: api::KeyId([5; 32]),
            terms: api::RefreshTerms { epoch: 1, moduli: api::Moduli::Keep },
        };
        assert!(asked.may_go_on(&Wanted::Refresh(refresh), NOW + 130 + PHASES_S - 1));
        let mut cut = signed.encode();
        cut.truncate(cut.len() - 1);
        assert_eq!(Asked::parse(&cut), None, "the body is cut");
        assert_eq!(Asked::parse(&FORM), None);
    }

    #[test]
    fn standing_orders_have_a_form_of_their_own() {
        let key = api::KeyId([5; 32]);
        let terms = api::PresignTerms { count: 2, signers: Vec::new() };
        let raw = |wanted: &Wanted| RawRequest::new(wanted, NOW, [1; 16]);
        let presign = Wanted::Presign(api::Presign { key, terms });
        let bytes = Asked::standing(&raw(&presign));
        let (asked, same) = Asked::parse(&bytes).unwrap();
        assert!(asked.is_standing() && same == presign && asked.client().is_none());
        assert_eq!((asked.created(), asked.remembered()), (NOW, None));
        assert!(asked.is_fresh(NOW) && !asked.is_fresh(NOW + REQUEST_LIFETIME_S + MAX_SKEW_S));
        // The same without its mark is another request, and nothing else can be wanted so.
        assert!(!Asked::parse(&raw(&presign).encode()).unwrap().0.is_standing());
        let path = api::PathText::root();
        let sign = Wanted::Signature(api::Sign { key, path, target: api::SignTarget::Digest([6; 32]) });
        assert_eq!(Asked::parse(&Asked::standing(&raw(&sign))), None);
    }
}
