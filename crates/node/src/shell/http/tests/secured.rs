//! TLS: who gets through, who does not, and what changes while the node runs.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::time::Duration;

use api::HealthView;
use api::client::{ClientError, Endpoint};
use rcgen::{BasicConstraints, Certificate, CertificateParams, IsCa, KeyPair};

use super::*;
use crate::config::TlsFiles;
use crate::shell::http::tls::{self, TlsError};

/// An authority that signs certificates.
struct Authority {
    certificate: Certificate,
    key: KeyPair,
}

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        Self { certificate: params.self_signed(&key).unwrap(), key }
    }

    /// Writes a certificate for these names, and its key.
    fn issue(&self, folder: &Path, names: &[&str]) -> TlsFiles {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        let params = CertificateParams::new(names).unwrap();
        let certificate = params.signed_by(&key, &self.certificate, &self.key).unwrap();
        let files = TlsFiles { certificate: folder.join("api.pem"), key: folder.join("api.key") };
        write(&files.certificate, &certificate.pem());
        write(&files.key, &key.serialize_pem());
        files
    }

    fn pem(&self) -> String {
        self.certificate.pem()
    }
}

/// Writes a file of mode 0600 as a whole.
fn write(path: &Path, text: &str) {
    let draft = path.with_extension("new");
    std::fs::write(&draft, text).unwrap();
    std::fs::set_permissions(&draft, std::fs::Permissions::from_mode(0o600)).unwrap();
    std::fs::rename(draft, path).unwrap();
}

/// A call without a token.
fn health(name: &str, at: SocketAddr, authority: &Authority) -> Result<HealthView, ClientError> {
    let url = format!("https://{name}:{}", at.port());
    Client::at(&Endpoint::new(&url, Some(authority.pem().as_bytes())).unwrap()).health()
}

async fn site(files: TlsFiles, limits: Limits) -> Site {
    let answers = |_: &Request| Reply::Health(HealthView::ok());
    Site::behind(Some(Tls::open(files).unwrap()), "127.0.0.1:0", limits, answers).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_sees_that_it_is_the_node() {
    let place = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let site = site(authority.issue(place.path(), &["localhost"]), Limits::default()).await;
    let at = site.http.address;
    assert_eq!(health("localhost", at, &authority).unwrap(), HealthView::ok());
    // Another authority; a name that the certificate does not hold.
    for refused in [health("localhost", at, &Authority::new()), health("127.0.0.1", at, &authority)] {
        let error = refused.unwrap_err();
        assert!(matches!(error, ClientError::Untrusted { .. }), "{error}");
        assert!(error.to_string().contains("--ca"), "{error}");
    }
    // Plain HTTP is not spoken here, whatever it says.
    let mut answer = Vec::new();
    let _ = site.connect("GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n").read_to_end(&mut answer);
    assert!(!answer.windows(4).any(|part| part == b"HTTP"), "{answer:?}");
    // What runs on this machine has a door of its own.
    assert!(site.http.near.ip().is_loopback() && site.http.near != at);
    assert_eq!(Client::new(&site.http.near.to_string(), TOKEN).health().unwrap(), HealthView::ok());
}

/// So that a private key can be imported there, too, which is taken over loopback only.
#[tokio::test(flavor = "multi_thread")]
async fn plain_http_for_all_has_a_door_on_loopback_beside_it() {
    let answers = |_: &Request| Reply::Health(HealthView::ok());
    let site = Site::at("0.0.0.0:0", Limits::default(), answers).await;
    let (at, near) = (site.http.address, site.http.near);
    assert!(near.ip().is_loopback() && near.port() != at.port(), "{at} {near}");
    for door in [at, near] {
        assert_eq!(Client::new(&door.to_string(), TOKEN).health().unwrap(), HealthView::ok());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_finish_a_handshake_keeps_nobody_out() {
    let place = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let limits = Limits { connections: 2, handshake: Duration::from_millis(100), ..Limits::default() };
    let site = site(authority.issue(place.path(), &["localhost"]), limits).await;
    // Nothing at all, and the beginning of a client's hello.
    let stalled: Vec<_> =
        (0..2 * 2).map(|i| site.connect(if i % 2 == 0 { "" } else { "\u{16}\u{3}\u{1}\u{2}" })).collect();
    // On a busy machine even a good client may be too slow for such a short time.
    let mut tries = std::iter::repeat_with(|| health("localhost", site.http.address, &authority)).take(100);
    assert!(tries.any(|answer| answer.is_ok()));
    drop(stalled);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_certificate_is_taken_up_and_a_broken_one_is_not() {
    let place = tempfile::tempdir().unwrap();
    let (old, new) = (Authority::new(), Authority::new());
    let files = old.issue(place.path(), &["localhost"]);
    let site = site(files.clone(), Limits::default()).await;
    let at = site.http.address;
    assert!(health("localhost", at, &old).is_ok());
    write(&files.certificate, "nothing");
    assert!(matches!(tls::check(&files), Err(TlsError::NoCertificate { .. })));
    assert!(health("localhost", at, &old).is_ok());
    new.issue(place.path(), &["localhost"]);
    let begun = std::time::Instant::now();
    while health("localhost", at, &new).is_err() {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is not taken up");
        assert!(health("localhost", at, &old).is_ok() || health("localhost", at, &new).is_ok());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(health("localhost", at, &old).is_err());
}

#[test]
fn what_is_wrong_with_the_files_is_told() {
    let place = tempfile::tempdir().unwrap();
    let authority = Authority::new();
    let files = authority.issue(place.path(), &["localhost"]);
    let good = |path: &Path| std::fs::read_to_string(path).unwrap();
    let (certificate, key) = (good(&files.certificate), good(&files.key));
    tls::check(&files).unwrap();
    let told = |text: &str| {
        let error = tls::check(&files).unwrap_err().to_string();
        assert!(error.contains(text), "{error}");
    };
    write(&files.key, &KeyPair::generate().unwrap().serialize_pem());
    told("cannot be used together");
    // The authority's first is not the node's own.
    write(&files.key, &key);
    write(&files.certificate, &format!("{}{certificate}", authority.pem()));
    told("the node's own certificate first");
    write(&files.certificate, &certificate[..certificate.len() / 2]);
    told("no certificate");
    write(&files.certificate, &certificate.replace("MII", "MIJ"));
    told("cannot be used together");
    write(&files.certificate, &"x".repeat(300 << 10));
    told("larger than");
    write(&files.certificate, &certificate);
    write(&files.key, &certificate);
    told("no private key");
    write(&files.key, &key);
    std::fs::set_permissions(&files.key, std::fs::Permissions::from_mode(0o640)).unwrap();
    told("chmod 600");
    std::fs::remove_file(&files.key).unwrap();
    told("cannot read");
    let begin = TlsFiles { key: place.path().to_owned(), ..files.clone() };
    assert!(tls::check(&begin).is_err());
}
