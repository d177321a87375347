//! Calls that clients have signed, as they come over a socket.

use api::signed::{SignedRequest, Validity};
use api::{ClientSecret, PageQuery};

use super::*;

fn secret() -> ClientSecret {
    ClientSecret::from_seed(&[1; 32])
}

fn client_of(site: &Site) -> Client {
    site.client().signed_by(secret(), CLUSTER)
}

fn now() -> u64 {
    Clock::start().now().unix
}

/// A signed call to make a key.
fn signed(key: &str) -> SignedRequest {
    let body = serde_json::to_vec(&create_key()).unwrap();
    let validity = Validity::new(now(), now() + 60).unwrap();
    SignedRequest::sign(&secret(), CLUSTER, "/v1/keys", key.parse().unwrap(), body, validity).unwrap()
}

fn lines(signed: &SignedRequest) -> String {
    signed.headers().iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect()
}

/// A call as bytes, with the token or without.
fn send(site: &Site, token: bool, line: &str, headers: &str, body: &[u8]) -> (u16, String) {
    let (host, length) = (site.http.address, body.len());
    let token = if token { format!("authorization: Bearer {TOKEN}\r\n") } else { String::new() };
    let (status, _, answer) = site.raw(&format!(
        "{line} HTTP/1.1\r\nhost: {host}\r\n{token}connection: close\r\ncontent-type: application/json\r\n\
         {headers}content-length: {length}\r\n\r\n{}",
        String::from_utf8_lossy(body)
    ));
    (status, answer)
}

/// What the core was asked, without whether the client is known: that is asked before its body is read.
fn wanted(site: &Site) -> Vec<Request> {
    let mut asked = site.asked();
    asked.retain(|request| !matches!(request, Request::By(_, inner) if **inner == Request::Health));
    asked
}

#[tokio::test(flavor = "multi_thread")]
async fn the_core_gets_what_the_client_signed() {
    let site = Site::start(starts).await;
    let call = signed("order-1");
    // That it is the same call twice is for the core to find out.
    assert_eq!(send(&site, true, "POST /v1/keys", &lines(&call), call.body()).0, 202);
    let (client, again) = (site.client(), call.clone());
    tokio::task::spawn_blocking(move || client.bring(&again, 0).unwrap()).await.unwrap();
    let expected = Request::Signed(Box::new(call.clone()));
    assert_eq!(site.asked(), [expected.clone(), expected.clone()]);
    // Without the token it is said in whose name.
    assert_eq!(send(&site, false, "POST /v1/keys", &lines(&call), call.body()).0, 202);
    let alone = |request| Request::By(secret().public(), Box::new(request));
    assert_eq!(site.asked()[2..], [alone(Request::Health), alone(expected)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_library_signs_all_it_asks() {
    let site = Site::start(starts).await;
    let client = client_of(&site);
    tokio::task::spawn_blocking(move || {
        client.create_key(&create_key(), &Default::default()).unwrap();
        let alone = client.clone().without_token();
        alone.create_key(&create_key(), &Default::default()).unwrap();
        alone.ceremony(&ceremony_id()).unwrap();
        client.ceremony(&ceremony_id()).unwrap();
        assert_eq!(alone.keys_page(&PageQuery::default()).unwrap_err().problem().unwrap().status, 404);
    })
    .await
    .unwrap();
    let asked = wanted(&site);
    let me = secret().public();
    assert!(matches!(&asked[0], Request::Signed(signed) if signed.verify(&CLUSTER).is_ok()));
    assert!(
        matches!(&asked[1], Request::By(by, inner) if *by == me && matches!(**inner, Request::Signed(_)))
    );
    assert_eq!(asked[2], Request::By(me, Box::new(Request::ShowCeremony(ceremony_id()))));
    assert_eq!(asked[3], Request::ShowCeremony(ceremony_id()));
    assert_eq!(asked[4], Request::By(me, Box::new(Request::ListKeys(PageQuery::default()))));
    // Two calls that nobody has named are two requests.
    let (Request::Signed(first), Request::By(_, second)) = (&asked[0], &asked[1]) else { panic!() };
    let Request::Signed(second) = &**second else { panic!() };
    assert_ne!(first.idempotency_key(), second.idempotency_key());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signature_that_does_not_hold_opens_nothing() {
    let site = Site::start(starts).await;
    let call = signed("order-1");
    let (good, body) = (lines(&call), call.body());
    let post = "POST /v1/keys";
    // Also with the token: whoever signs wants the signature to count.
    for token in [true, false] {
        let refused = |line: &str, headers: &str, body: &[u8], status: u16| {
            let (got, text) = send(&site, token, line, headers, body);
            assert_eq!(got, status, "{token} {line} {headers}: {text}");
        };
        let space = [body, b" "].concat();
        refused(post, &good, &space, 401);
        refused(post, &format!("{good}signature: x\r\n"), body, 401);
        refused(post, &format!("{good}consign-level: 9\r\n"), body, 401);
        refused(post, &format!("{good}content-encoding: gzip\r\n"), body, 401);
        refused(post, &good.replace("tag=", "nonce=\"a\";tag="), body, 401);
        refused("POST /v1/keys?a=b", &good, body, 400);
        refused("DELETE /v1/keys/x", &good, b"", 401);
        refused("GET /v1/node", &good, b"", 401);
        let validity = Validity::from(now()).unwrap();
        let reads = api::signed::read::sign(&secret(), &CLUSTER, "/v1/node", &validity).unwrap();
        let reads: String = reads.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
        refused("GET /v1/validators", &reads, b"", 401);
        refused("GET /v1/node?x=1", &reads, b"", 401);
        refused(post, &reads, body, 401);
    }
    assert_eq!(wanted(&site), []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_the_operators_is_not_signed() {
    let site = Site::start(starts).await;
    let id = "11".repeat(32);
    let vouch = format!("/v1/validators/{id}/vouch");
    let (sign, switch) = (format!("/v1/charter/{id}/sign"), format!("/v1/charter/{id}/switch"));
    // What goes over the operator's socket is no better signed, or with the token.
    let (tcp, socket) = ((400, 401), (403, 403));
    for (path, (with_token, without)) in [
        ("/v1/keys/import", tcp),
        ("/v1/messages", tcp),
        ("/v1/invitations", socket),
        (vouch.as_str(), socket),
        ("/v1/charter/proposals", socket),
        (&sign, socket),
        (&switch, socket),
    ] {
        let validity = Validity::new(now(), now() + 60).unwrap();
        let key = "1".parse().unwrap();
        let call = SignedRequest::sign(&secret(), CLUSTER, path, key, b"{}".to_vec(), validity).unwrap();
        let line = format!("POST {path}");
        assert_eq!(send(&site, true, &line, &lines(&call), b"{}").0, with_token, "{path}");
        assert_eq!(send(&site, false, &line, &lines(&call), b"{}").0, without, "{path}");
        let junk = "signature: x\r\nsignature-input: x\r\n";
        assert_eq!(send(&site, false, &line, junk, b"{}").0, 401, "{path}");
        let plain = site.call(&line, "content-type: application/json\r\n", "{}").0;
        assert!((plain == 403) == (with_token == 403), "{path}: {plain}");
    }
    assert!(site.asked().iter().all(|request| !request.is_operators()));
}

/// Of a call that nobody known has signed, no byte of the body is waited for: the answer comes without it.
#[tokio::test(flavor = "multi_thread")]
async fn strangers_hold_no_place_by_a_body_that_does_not_come() {
    let site = Site::start(|request| {
        if matches!(request, Request::By(client, _) if *client != secret().public()) {
            return Reply::Problem(Problem::new(ProblemKind::Unauthorized, "Unknown."));
        }
        starts(request)
    })
    .await;
    let call = signed("order-1");
    let stranger = ClientSecret::from_seed(&[2; 32]);
    let validity = Validity::new(now(), now() + 60).unwrap();
    let key = "1".parse().unwrap();
    let theirs =
        SignedRequest::sign(&stranger, CLUSTER, "/v1/keys", key, call.body().to_vec(), validity).unwrap();
    let head = |fields: &str| {
        format!(
            "POST /v1/keys HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n{fields}\
             content-length: {}\r\n\r\n",
            call.body().len()
        )
    };
    let forged = lines(&call).replace("order-1", "order-2");
    for fields in ["", "signature: x\r\nsignature-input: x\r\n", &forged, &lines(&theirs)] {
        assert_eq!(site.raw(&head(fields)).0, 401, "{fields}");
    }
    // One whom the node knows may take its time.
    let mut stream = site.connect(&head(&lines(&call)));
    stream.write_all(call.body()).unwrap();
    let mut start = [0; 12];
    stream.read_exact(&mut start).unwrap();
    assert_eq!(&start, b"HTTP/1.1 202");
}
