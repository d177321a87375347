//! HTTP requests with something wrong, over plain sockets.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::scope;
use std::time::{Duration, Instant};

use crate::chance::Chance;
use crate::cluster::{Cluster, Node};
use crate::fault::ensure;
use crate::figures::Tally;
use crate::pool::joined;
use crate::{Outcome, Setup};

/// Senders at a time.
const SENDERS: usize = 8;
/// How long an answer is waited for.
const PATIENCE: Duration = Duration::from_millis(500);
/// Far longer than the longest head that a node reads.
const MAX_HEAD: usize = 256 << 10;
/// One of so many is sent drop by drop.
const SLOW: usize = 400;
/// How long such a one takes at most; the node may end it sooner.
const SLOW_TIME: Duration = Duration::from_secs(3);

/// Sends so many to the node. What became of them.
pub(super) fn run(setup: &Setup, node: &Node, cluster: &Cluster, count: usize) -> Outcome<Tally> {
    let next = AtomicUsize::new(0);
    let token = node.token()?;
    let send = || {
        let mut tally = Tally::default();
        loop {
            let number = next.fetch_add(1, Ordering::SeqCst);
            if number >= count {
                return Ok(tally);
            }
            let mut chance = Chance::new(setup.seed, 10_000 + number as u64);
            let bytes = one(&mut chance, number, token.trim(), &cluster.id.to_string());
            let answer = exchange(node.host.api, &bytes, number.is_multiple_of(SLOW));
            let status =
                answer.as_deref().and_then(|text| text.split(' ').nth(1)).and_then(|s| s.parse::<u16>().ok());
            match status {
                None => tally.count("no answer: the connection was ended"),
                Some(status) => {
                    // Too many at a time is told as such; everything else is the sender's fault.
                    let fair = (400..500).contains(&status) || status == 503;
                    ensure(fair, || format!("the request {number} was answered with {status}: {answer:?}"))?;
                    tally.count(format!("status {status}"));
                }
            }
        }
    };
    scope(|threads| {
        let senders: Vec<_> = (0..SENDERS).map(|_| threads.spawn(send)).collect();
        let mut all = Tally::default();
        for sender in senders {
            all.merge(joined(sender.join())?);
        }
        Ok(all)
    })
}

/// Sends bytes, and reads how the answer begins; nothing if there is none.
fn exchange(port: u16, bytes: &[u8], slowly: bool) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    if slowly {
        let (begun, mut rest) = (Instant::now(), bytes);
        while let ([first, more @ ..], true) = (rest, begun.elapsed() < SLOW_TIME) {
            stream.write_all(&[*first]).ok()?;
            rest = more;
            std::thread::sleep(Duration::from_millis(20));
        }
    } else {
        // The node may have enough before it has all.
        let _ = stream.write_all(bytes);
    }
    let _ = stream.shutdown(Shutdown::Write);
    let mut answer = [0; 512];
    let length = stream.read(&mut answer).ok().filter(|length| *length > 0)?;
    Some(String::from_utf8_lossy(answer.get(..length)?).into_owned())
}

/// A request with something wrong.
fn one(chance: &mut Chance, number: usize, token: &str, cluster: &str) -> Vec<u8> {
    let junk = |chance: &mut Chance, most: usize| {
        let length = chance.below(most) + 1;
        chance.bytes(length)
    };
    let hex = |chance: &mut Chance| hex::encode(chance.bytes(32));
    let with = |head: String, body: &[u8]| [head.as_bytes(), body].concat();
    let open =
        format!("host: localhost\r\nauthorization: Bearer {token}\r\ncontent-type: application/json\r\n");
    let post = |path: &str, more: &str, body: &[u8]| {
        let length = body.len();
        with(format!("POST {path} HTTP/1.1\r\n{open}content-length: {length}\r\n{more}\r\n"), body)
    };
    match number % 16 {
        0 => junk(chance, 2_000),
        1 => with("\r\n\r\nGET\t/ HTTP/9.9\r\n".to_owned(), &junk(chance, 200)),
        2 => format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(chance.below(100_000))).into_bytes(),
        3 => format!(
            "GET /v1/keys HTTP/1.1\r\n{open}x: {}\r\n\r\n",
            "b".repeat(MAX_HEAD + chance.below(200_000))
        )
        .into_bytes(),
        4 => {
            let many: String = (0..chance.below(400)).map(|i| format!("x-{i}: {i}\r\n")).collect();
            format!("GET /v1/nowhere HTTP/1.1\r\n{open}{many}\r\n").into_bytes()
        }
        5 => with(format!("POST /v1/keys HTTP/1.1\r\n{open}content-length: 99999999999\r\n\r\n"), b"{}"),
        6 => with(format!("POST /v1/keys HTTP/1.1\r\n{open}content-length: -1\r\n\r\n"), b"{}"),
        7 => with(
            format!("POST /v1/keys HTTP/1.1\r\n{open}transfer-encoding: chunked\r\n\r\nzz\r\n"),
            &junk(chance, 500),
        ),
        8 => with(
            format!(
                "POST /v1/keys HTTP/1.1\r\n{open}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\nffffffff\r\n"
            ),
            &junk(chance, 500),
        ),
        9 => post("/v1/keys", "", "[".repeat(chance.below(200_000)).as_bytes()),
        10 => post("/v1/keys", "", "{\"a\":".repeat(chance.below(50_000)).as_bytes()),
        11 => post("/v1/keys", "", &junk(chance, 3_000)),
        12 => post(
            &format!("/v1/keys/{}/signatures", hex(chance)),
            "prefer: wait=1\r\n",
            b"{\"path\":\"m\",\"target\":",
        ),
        13 => {
            let (key, digest) = (hex(chance), hex(chance));
            let input = format!("created=1;expires=2;keyid=\"{key}\";alg=\"ed25519\";tag=\"consign-v1\"");
            let more = format!(
                "consign-cluster: {cluster}\r\nidempotency-key: {number}\r\nsignature-input: consign=(\"@method\");{input}\r\n\
                 signature: consign=:{digest}:\r\ncontent-digest: sha-256=:{digest}:\r\n"
            );
            post("/v1/keys", &more, b"{}")
        }
        14 => with(format!("GET /v1/ceremonies/\u{fffd}%00%ff HTTP/1.1\r\n{open}\r\n"), b""),
        _ => {
            // A good request, cut or with flipped bits.
            let mut bytes =
                post("/v1/keys", "", b"{\"label\":\"x\",\"scheme\":\"cggmp24\",\"curve\":\"secp256k1\"}");
            let at = chance.below(bytes.len());
            if chance.below(2) == 0 {
                bytes.truncate(at);
            } else if let Some(byte) = bytes.get_mut(at) {
                *byte ^= 1 << chance.below(8);
            }
            bytes
        }
    }
}
