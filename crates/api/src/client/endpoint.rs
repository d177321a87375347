//! Where a node's API is, and by what it proves that it is that node.

use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use ureq::http::Uri;
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

/// Why an address cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadEndpoint {
    /// It is no address of an API.
    #[error(
        "`{0}` is no address of an API: write https://NAME:PORT, or http://127.0.0.1:PORT, without a path"
    )]
    Url(String),
    /// Certificates for an address without TLS.
    #[error("certificates are for https:// only: nothing on the way to `{0}` is checked")]
    NotNeeded(String),
    /// There is no certificate in what was given.
    #[error(
        "there is no certificate in PEM (`-----BEGIN CERTIFICATE-----`) in what shall name the authority: {0}"
    )]
    NoCertificate(String),
    /// The machine knows no authority.
    #[error(
        "this machine has no list of authorities that could be read: name the node's authority with --ca ({0})"
    )]
    NoRoots(String),
}

/// Where a node's API is: plain HTTP, or TLS and whom to believe.
#[derive(Clone, Debug)]
pub struct Endpoint {
    url: String,
    tls: Option<TlsConfig>,
}

impl Endpoint {
    /// `https://NAME:PORT` or `http://NAME:PORT`. The certificate of an API with TLS must be signed by an authority among
    /// `authorities` (certificates in PEM); without these, by one that the machine trusts.
    ///
    /// # Errors
    /// [`BadEndpoint`].
    pub fn new(url: &str, authorities: Option<&[u8]>) -> Result<Self, BadEndpoint> {
        let bad = || BadEndpoint::Url(url.to_owned());
        let bare = url.strip_suffix('/').unwrap_or(url);
        let uri: Uri = bare.parse().map_err(|_| bad())?;
        let authority =
            uri.authority().filter(|authority| !authority.as_str().contains('@')).ok_or_else(bad)?;
        let scheme = uri.scheme_str().unwrap_or_default();
        if bare != format!("{scheme}://{authority}") {
            return Err(bad());
        }
        let tls = match (scheme, authorities) {
            ("https", Some(pem)) => Some(believing(named(pem)?)),
            ("https", None) => Some(believing(of_this_machine()?)),
            ("http", Some(_)) => return Err(BadEndpoint::NotNeeded(url.to_owned())),
            ("http", None) => None,
            _ => return Err(bad()),
        };
        Ok(Self { url: bare.to_owned(), tls })
    }

    /// Plain HTTP at `address`, such as `127.0.0.1:7601`.
    pub(super) fn near(address: &str) -> Self {
        Self { url: format!("http://{}", address.trim()), tls: None }
    }

    /// Scheme and authority, without a path.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn tls(&self) -> Option<&TlsConfig> {
        self.tls.as_ref()
    }
}

fn believing(authorities: Vec<Certificate<'static>>) -> TlsConfig {
    TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(authorities)))
        .build()
}

/// The certificates in a text.
fn named(pem: &[u8]) -> Result<Vec<Certificate<'static>>, BadEndpoint> {
    let mut found = Vec::new();
    for item in parse_pem(pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => found.push(certificate),
            Ok(_) => {}
            Err(e) => return Err(BadEndpoint::NoCertificate(e.to_string())),
        }
    }
    if found.is_empty() { Err(BadEndpoint::NoCertificate("none found".to_owned())) } else { Ok(found) }
}

/// Those that the machine trusts, or the file that `SSL_CERT_FILE` names.
fn of_this_machine() -> Result<Vec<Certificate<'static>>, BadEndpoint> {
    let loaded = rustls_native_certs::load_native_certs();
    if loaded.certs.is_empty() {
        let why = loaded.errors.first().map_or_else(|| "none found".to_owned(), ToString::to_string);
        return Err(BadEndpoint::NoRoots(why));
    }
    Ok(loaded.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_scheme_name_and_port() {
        for good in ["http://127.0.0.1:7601", "http://[::1]:7601", "http://node1.example.org"] {
            assert_eq!(Endpoint::new(good, None).unwrap().url(), good);
        }
        assert_eq!(Endpoint::new("http://localhost:1/", None).unwrap().url(), "http://localhost:1");
        for bad in [
            "",
            "127.0.0.1:7601",
            "ftp://localhost",
            "http://",
            "http://localhost/v1",
            "http://localhost?x",
            "http://user:secret@localhost",
            "http://local host",
        ] {
            assert!(matches!(Endpoint::new(bad, None), Err(BadEndpoint::Url(_))), "{bad}");
        }
    }

    #[test]
    fn authorities_are_certificates_and_for_tls_only() {
        let refused = |url, pem: &[u8]| Endpoint::new(url, Some(pem)).unwrap_err();
        assert!(matches!(refused("http://localhost", b""), BadEndpoint::NotNeeded(_)));
        let key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        for pem in [&b""[..], b"nothing", key] {
            assert!(matches!(refused("https://localhost", pem), BadEndpoint::NoCertificate(_)));
        }
    }
}
