use ed25519_dalek::{Signer as _, SigningKey};
use proptest::prelude::*;

use super::*;
use crate::ClusterId;
use crate::limits::{MAX_BODY_BYTES, MAX_IDEMPOTENCY_KEY_BYTES};

const NOW: u64 = 1_800_000_000;
const PATH: &str = "/v1/keys";
const BODY: &[u8] = br#"{"label":"pay"}"#;

fn cluster() -> ClusterId {
    ClusterId([0xab; 32])
}

fn secret() -> ClientSecret {
    ClientSecret::from_seed(&[7; 32])
}

fn validity() -> Validity {
    Validity::new(NOW, NOW + 300).unwrap()
}

fn signed() -> SignedRequest {
    let key = "order-4711".parse().unwrap();
    SignedRequest::sign(&secret(), cluster(), PATH, key, BODY.to_vec(), validity()).unwrap()
}

type Headers = Vec<(String, String)>;

fn headers() -> Headers {
    signed().headers().into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Reads and verifies, as a node does.
fn receive(
    headers: &Headers,
    path: &str,
    query: Option<&str>,
    body: &[u8],
) -> Result<SignedRequest, NotSigned> {
    let picked = Fields::pick(headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes())))?;
    let request = SignedRequest::from_http(path, query, &picked.unwrap(), body.to_vec())?;
    request.verify(&cluster())?;
    request.validity().is_fresh(NOW)?;
    Ok(request)
}

/// The same headers with one of them changed.
fn with(name: &str, change: impl FnOnce(&str) -> String) -> Headers {
    let mut all = headers();
    let field = all.iter_mut().find(|(n, _)| n == name).unwrap();
    field.1 = change(&field.1);
    all
}

fn replaced(name: &str, from: &str, to: &str) -> Headers {
    with(name, |value| {
        assert!(value.contains(from), "{value} has no {from}");
        value.replace(from, to)
    })
}

/// What the RFC makes of the call, written out by hand and signed by another way.
#[test]
fn the_signature_base_is_that_of_the_rfc() {
    let key = SigningKey::from_bytes(&[7; 32]);
    let client = hex::encode(key.verifying_key().to_bytes());
    let params = format!(
        "(\"@method\" \"@path\" \"content-digest\" \"consign-cluster\" \"idempotency-key\")\
         ;created=1800000000;expires=1800000300;keyid=\"{client}\";alg=\"ed25519\";tag=\"consign-v1\""
    );
    // The digest was computed with another program.
    let digest = "sha-256=:Z3hAb1qY68WGdc6HZvf/itcTnyV1xe5p2V3JGJ+Bi6o=:";
    let base = format!(
        "\"@method\": POST\n\"@path\": /v1/keys\n\"content-digest\": {digest}\n\"consign-cluster\": {}\n\
         \"idempotency-key\": order-4711\n\"@signature-params\": {params}",
        "ab".repeat(32)
    );
    let signature = {
        use base64ct::Encoding as _;
        base64ct::Base64::encode_string(&key.sign(base.as_bytes()).to_bytes())
    };
    let expected = [
        ("content-digest", digest.to_owned()),
        ("consign-cluster", "ab".repeat(32)),
        ("idempotency-key", "order-4711".to_owned()),
        ("signature-input", format!("consign={params}")),
        ("signature", format!("consign=:{signature}:")),
    ];
    assert_eq!(signed().headers(), expected);
    // And as it travels.
    let times = [1_800_000_000_u64, 1_800_000_300].map(u64::to_be_bytes).concat();
    let signature = key.sign(base.as_bytes()).to_bytes();
    let travels = [
        &[0, 1],
        &[0xab; 32][..],
        &key.verifying_key().to_bytes(),
        &times,
        &signature,
        b"\x08/v1/keys",
        b"\x0aorder-4711",
        BODY,
    ];
    assert_eq!(signed().encode(), travels.concat());
    assert_eq!(receive(&headers(), PATH, None, BODY).unwrap(), signed());
}

#[test]
fn what_was_not_signed_so_is_refused() {
    let bad = |headers: &Headers, why: NotSigned| {
        assert_eq!(receive(headers, PATH, None, BODY).unwrap_err(), why, "{headers:?}");
    };
    bad(&replaced("idempotency-key", "4711", "4712"), NotSigned::Signature);
    bad(&replaced("consign-cluster", "abab", "abac"), NotSigned::Cluster);
    bad(&replaced("signature-input", "created=1800000000", "created=1800000001"), NotSigned::Signature);
    bad(&replaced("signature-input", "expires=1800000300", "expires=1800000301"), NotSigned::Signature);
    let other = ClientSecret::from_seed(&[8; 32]).public().to_string();
    let own = secret().public().to_string();
    bad(&replaced("signature-input", &own, &other), NotSigned::Signature);
    for path in ["/v1/keys/", "/v1/Keys", "/v1/keys/import"] {
        assert_eq!(receive(&headers(), path, None, BODY).unwrap_err(), NotSigned::Signature, "{path}");
    }
    for body in [&b"{}"[..], b"", br#"{"label":"pay"} "#] {
        assert_eq!(receive(&headers(), PATH, None, body).unwrap_err(), NotSigned::Digest);
    }
    // With the digest of the other body it is another request, which nobody signed.
    let digest = super::fields::content_digest(b"{}");
    let forged = with("content-digest", |_| digest);
    assert_eq!(receive(&forged, PATH, None, b"{}").unwrap_err(), NotSigned::Signature);
    // Signed for a GET, a signature is none for a POST.
    let read = read::sign(&secret(), &cluster(), PATH, &validity()).unwrap();
    let as_post = with("signature", |_| read[2].1.clone());
    bad(&as_post, NotSigned::Signature);
}

#[test]
fn a_call_has_one_writing() {
    let input = NotSigned::Malformed("signature-input");
    for (from, to) in [
        ("\"@method\" \"@path\"", "\"@path\" \"@method\""),
        ("\"@method\" ", ""),
        (" \"idempotency-key\"", ""),
        ("\"idempotency-key\"", "\"idempotency-key\" \"@authority\""),
        ("\"idempotency-key\"", "\"idempotency-key\" \"idempotency-key\""),
        ("\"@method\" \"@path\"", "\"@method\"  \"@path\""),
        ("\"@path\"", "\"@path\";req"),
        (";created=1800000000;expires=1800000300", ";expires=1800000300;created=1800000000"),
        (";created=1800000000", ""),
        (";expires=1800000300", ""),
        ("created=1800000000", "created=01800000000"),
        ("created=1800000000", "created=+1800000000"),
        ("created=1800000000", "created=1800000000.0"),
        (";alg=\"ed25519\"", ""),
        ("ed25519", "ecdsa-p256-sha256"),
        ("consign-v1", "consign-v2"),
        (";tag=\"consign-v1\"", ""),
        (";tag=\"consign-v1\"", ";tag=\"consign-v1\";nonce=\"x\""),
        (";tag=\"consign-v1\"", ";tag=\"consign-v1\";tag=\"consign-v1\""),
        (";alg", "; alg"),
        ("consign=(", "sig1=("),
        ("consign=(", "consign= ("),
    ] {
        assert_eq!(
            receive(&replaced("signature-input", from, to), PATH, None, BODY).unwrap_err(),
            input,
            "{from} -> {to}"
        );
    }
    let second = with("signature-input", |v| format!("{v}, other={}", v.strip_prefix("consign=").unwrap()));
    assert_eq!(receive(&second, PATH, None, BODY).unwrap_err(), input);
    // Written in capitals, a key would have two names.
    let own = secret().public().to_string();
    let capitals = replaced("signature-input", &own, &own.to_uppercase());
    assert_eq!(receive(&capitals, PATH, None, BODY).unwrap_err(), NotSigned::Key);

    let signature = NotSigned::Malformed("signature");
    for change in [
        |v: &str| v.replace("consign=", "sig1="),
        |v: &str| format!("{v}, {v}"),
        |v: &str| format!("{v}, other={}", v.strip_prefix("consign=").unwrap()),
        |v: &str| v.replace("==:", ":"),
        |v: &str| format!("{v};a"),
        |v: &str| v.replace(":", ""),
        // The last digit of base64 has bits that mean nothing: set, they are another writing of the same bytes.
        |v: &str| {
            let at = v.len() - 4;
            let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
            let value = digits.find(&v[at..=at]).unwrap();
            format!("{}{}{}", &v[..at], &digits[value ^ 1..=value ^ 1], &v[at + 1..])
        },
    ] {
        assert_eq!(receive(&with("signature", change), PATH, None, BODY).unwrap_err(), signature);
    }
    for change in [
        |v: &str| v.replace("sha-256", "SHA-256"),
        |v: &str| format!("{v}, {v}"),
        |v: &str| format!("{v}, sha-512=:AAAA:"),
    ] {
        assert_eq!(
            receive(&with("content-digest", change), PATH, None, BODY).unwrap_err(),
            NotSigned::Digest
        );
    }
}

#[test]
fn fields_are_there_once_and_no_others_of_ours() {
    for (name, value) in headers() {
        let without: Headers = headers().into_iter().filter(|(n, _)| *n != name).collect();
        let missing = receive(&without, PATH, None, BODY).unwrap_err();
        assert!(matches!(missing, NotSigned::Missing(n) if n == name), "{name}: {missing}");
        let mut twice = headers();
        twice.push((name.clone(), value));
        let repeated = receive(&twice, PATH, None, BODY).unwrap_err();
        assert!(matches!(repeated, NotSigned::Repeated(n) if n == name), "{name}: {repeated}");
        let odd = with(&name, |v| format!("{v}\u{e9}"));
        assert!(matches!(receive(&odd, PATH, None, BODY).unwrap_err(), NotSigned::Malformed(n) if n == name));
        let padded = with(&name, |v| format!("{v} "));
        assert!(
            matches!(receive(&padded, PATH, None, BODY).unwrap_err(), NotSigned::Malformed(n) if n == name)
        );
    }
    for name in ["content-encoding", "consign-level"] {
        let mut more = headers();
        more.push((name.to_owned(), "x".to_owned()));
        assert_eq!(receive(&more, PATH, None, BODY).unwrap_err(), NotSigned::Unexpected(name.to_owned()));
    }
    // What no signature covers may be there.
    let mut more = headers();
    more.push(("prefer".to_owned(), "wait=5".to_owned()));
    assert!(receive(&more, PATH, None, BODY).is_ok());
    // Without a signature nothing is looked at.
    let unsigned = [("idempotency-key", &b"\xff"[..]), ("content-encoding", b"gzip")];
    assert_eq!(Fields::pick(unsigned), Ok(None));
}

#[test]
fn paths_queries_and_keys_have_limits() {
    for query in [Some(""), Some("a=b")] {
        assert_eq!(receive(&headers(), PATH, query, BODY).unwrap_err(), NotSigned::Path);
    }
    let sign = |path: &str| {
        let key = "1".parse().unwrap();
        SignedRequest::sign(&secret(), cluster(), path, key, Vec::new(), validity()).map(drop)
    };
    let longest = format!("/{}", "a".repeat(MAX_SIGNED_PATH_BYTES - 1));
    assert_eq!(sign(&longest), Ok(()));
    for path in ["", "v1", "/%61", "/a?b", "/a#b", "/a b", "/\u{e9}", "/a\n", &format!("{longest}a")] {
        assert_eq!(sign(path), Err(NotSigned::Path), "{path}");
    }
    for key in ["", "a b", "\u{e9}", "a\n", &"k".repeat(MAX_IDEMPOTENCY_KEY_BYTES + 1)] {
        assert!(key.parse::<IdempotencyKey>().is_err(), "{key}");
    }
    assert!("k".repeat(MAX_IDEMPOTENCY_KEY_BYTES).parse::<IdempotencyKey>().is_ok());
}

#[test]
fn times_are_in_order_and_bounded() {
    assert!(Validity::new(NOW, NOW + MAX_VALIDITY_S).is_ok_and(|validity| !validity.is_long()));
    assert!(Validity::new(NOW, NOW + MAX_VALIDITY_S + 1).is_ok_and(|validity| validity.is_long()));
    assert!(Validity::new(NOW, NOW + MAX_LONG_VALIDITY_S).is_ok());
    for (created, expires) in
        [(NOW, NOW), (NOW, NOW - 1), (NOW, NOW + MAX_LONG_VALIDITY_S + 1), (0, u64::MAX)]
    {
        assert_eq!(Validity::new(created, expires), Err(NotSigned::Validity));
    }
    assert!(Validity::from(u64::MAX).is_err());
    let from_to = validity();
    for (now, fresh) in [
        (NOW - MAX_SKEW_S - 1, false),
        (NOW - MAX_SKEW_S, true),
        (NOW + 300 + MAX_SKEW_S - 1, true),
        (NOW + 300 + MAX_SKEW_S, false),
    ] {
        assert_eq!(from_to.is_fresh(now).is_ok(), fresh, "{now}");
    }
}

#[test]
fn reads_are_signed_with_their_query() {
    let check = |signed: &str, path: &str, query: Option<&str>, at: u64| {
        let headers = read::sign(&secret(), &cluster(), signed, &validity()).unwrap();
        let fields = Fields::pick(headers.iter().map(|(n, v)| (*n, v.as_bytes()))).unwrap().unwrap();
        read::verify(path, query, &fields, &cluster(), at)
    };
    let list = "/v1/keys?limit=7&after=a%2Fb";
    assert_eq!(check(list, PATH, Some("limit=7&after=a%2Fb"), NOW), Ok(secret().public()));
    assert_eq!(check(PATH, PATH, None, NOW), Ok(secret().public()));
    assert_eq!(check(list, PATH, Some("limit=8&after=a%2Fb"), NOW), Err(NotSigned::Signature));
    assert_eq!(check(list, PATH, None, NOW), Err(NotSigned::Signature));
    assert_eq!(check(list, "/v1/keyz", Some("limit=7&after=a%2Fb"), NOW), Err(NotSigned::Signature));
    assert_eq!(check(PATH, PATH, None, NOW + 1_000), Err(NotSigned::Stale));
    let headers = read::sign(&secret(), &ClusterId([1; 32]), PATH, &validity()).unwrap();
    let fields = Fields::pick(headers.iter().map(|(n, v)| (*n, v.as_bytes()))).unwrap().unwrap();
    assert_eq!(read::verify(PATH, None, &fields, &cluster(), NOW), Err(NotSigned::Cluster));
    // A POST's signature opens no GET.
    let headers = self::headers();
    let fields = Fields::pick(headers.iter().map(|(n, v)| (n.as_str(), v.as_bytes()))).unwrap().unwrap();
    let refused = read::verify(PATH, None, &fields, &cluster(), NOW);
    assert_eq!(refused, Err(NotSigned::Malformed("signature-input")));
}

#[test]
fn keys_are_canonical_and_strong() {
    // The identity, a point of order two, a point that is none, and a second writing of the identity.
    let mut identity = [0; 32];
    identity[0] = 1;
    let mut order_two = [0xff; 32];
    (order_two[0], order_two[31]) = (0xec, 0x7f);
    let mut again = [0xff; 32];
    (again[0], again[31]) = (0xee, 0x7f);
    for bytes in [identity, order_two, again, [2; 32]] {
        assert_eq!(ClientKey::from_bytes(&bytes), Err(NotSigned::Key), "{bytes:?}");
    }
    let key = secret().public();
    assert_eq!(key.to_string().parse(), Ok(key));
    assert!(key.to_string().to_uppercase().parse::<ClientKey>().is_err());
    assert_eq!(serde_json::from_str::<ClientKey>(&format!("\"{key}\"")).unwrap(), key);
}

#[test]
fn a_key_file_has_one_line() {
    let text = secret().to_file();
    assert_eq!(*text, format!("consign-client-key-1 {}\n", "07".repeat(32)));
    assert_eq!(text.len() + 1, key::MAX_KEY_FILE_BYTES);
    let read = |text: &str| ClientSecret::from_file(text.as_bytes()).map(|secret| secret.public());
    assert_eq!(read(&text), Ok(secret().public()));
    assert_eq!(read(text.trim_end()), Ok(secret().public()));
    assert_eq!(read(&text.replace('\n', "\r\n")), Ok(secret().public()));
    let digits = "07".repeat(32);
    for bad in [
        String::new(),
        digits.clone(),
        format!("consign-client-key-2 {digits}"),
        format!("consign-client-key-1  {digits}"),
        format!("consign-client-key-1 {digits}7"),
        format!("consign-client-key-1 {}", "AB".repeat(32)),
        format!("consign-client-key-1 {digits}\n\n"),
    ] {
        assert_eq!(read(&bad), Err(key::BadKeyFile), "{bad}");
    }
}

#[test]
fn bytes_have_one_reading() {
    let bytes = signed().encode();
    assert_eq!(SignedRequest::decode(&bytes), Ok(signed()));
    assert_eq!(bytes[..2], FORM);
    for length in 0..bytes.len() - BODY.len() {
        assert!(SignedRequest::decode(&bytes[..length]).is_err(), "{length}");
    }
    // Whatever byte is altered: no request, or none that its client has signed.
    for at in 0..bytes.len() {
        let mut altered = bytes.clone();
        altered[at] ^= 1;
        if let Ok(request) = SignedRequest::decode(&altered) {
            assert!(request.verify(&cluster()).is_err(), "{at}");
        }
    }
    // As long as it may be, and longer.
    let key: IdempotencyKey = "k".repeat(MAX_IDEMPOTENCY_KEY_BYTES).parse().unwrap();
    let path = format!("/{}", "a".repeat(MAX_SIGNED_PATH_BYTES - 1));
    let body = vec![b' '; MAX_BODY_BYTES];
    let longest = SignedRequest::sign(&secret(), cluster(), &path, key.clone(), body, validity()).unwrap();
    let mut bytes = longest.encode();
    assert_eq!(bytes.len(), MAX_REQUEST_BYTES);
    assert_eq!(SignedRequest::decode(&bytes), Ok(longest));
    bytes.push(b' ');
    assert_eq!(SignedRequest::decode(&bytes), Err(NotSigned::Body));
    let body = vec![b' '; MAX_BODY_BYTES + 1];
    let too_long = SignedRequest::sign(&secret(), cluster(), PATH, key, body, validity());
    assert_eq!(too_long, Err(NotSigned::Body));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_signed_is_read_again(
        seed: [u8; 32],
        cluster: [u8; 32],
        path in "/[!-\"$&->@-~]{0,200}",
        key in "[!-~]{1,128}",
        body in proptest::collection::vec(any::<u8>(), 0..500),
        created in 0..1_u64 << 40,
        length in 1..=MAX_VALIDITY_S,
    ) {
        let secret = ClientSecret::from_seed(&seed);
        let validity = Validity::new(created, created + length).unwrap();
        let cluster = ClusterId(cluster);
        let key = key.parse().unwrap();
        let request = SignedRequest::sign(&secret, cluster, &path, key, body.clone(), validity).unwrap();
        let headers = request.headers();
        let fields = Fields::pick(headers.iter().map(|(n, v)| (*n, v.as_bytes()))).unwrap().unwrap();
        let received = SignedRequest::from_http(&path, None, &fields, body).unwrap();
        prop_assert_eq!(&received, &request);
        prop_assert_eq!(received.verify(&cluster), Ok(()));
        prop_assert_eq!(SignedRequest::decode(&request.encode()), Ok(request));
    }

    #[test]
    fn any_bytes_are_read_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), form: bool) {
        let bytes = if form { [&FORM[..], &bytes].concat() } else { bytes };
        if let Ok(request) = SignedRequest::decode(&bytes) {
            prop_assert_eq!(request.encode(), bytes);
        }
    }
}
