//! TLS of the API: a certificate and its key, read from files, and read again when they change, so that a renewed
//! certificate needs no restart. What cannot be used is told, and the pair of before stays.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, version};
use sha2::{Digest, Sha256};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use zeroize::Zeroizing;

use crate::config::{TlsFiles, is_private};

/// Largest file, in bytes: a chain of many certificates.
const MAX_FILE_BYTES: usize = 256 << 10;
/// How often the files are looked at. They are read as a whole: they are short, and the times of files are not to be
/// trusted.
const LOOK: Duration = Duration::from_secs(1);

/// Why a certificate and its key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("cannot read {}: {reason}; check the path and its permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A file is larger than any of its kind.
    #[error("{} is larger than {MAX_FILE_BYTES} bytes: this is neither a certificate nor a key", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Others may read the key.
    #[error("other users can read the private key {}: run `chmod 600` on it", path.display())]
    Exposed {
        /// The file.
        path: PathBuf,
    },
    /// No certificate in the file.
    #[error(
        "{} holds no certificate that can be read: it must be in PEM, from `-----BEGIN CERTIFICATE-----` on", path.display()
    )]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
    /// No key in the file.
    #[error(
        "{} holds no private key that can be read: it must be in PEM, from `-----BEGIN PRIVATE KEY-----` on, without a \
         passphrase", path.display()
    )]
    NoKey {
        /// The file.
        path: PathBuf,
    },
    /// They do not belong together.
    #[error(
        "certificate {} and key {} cannot be used together ({reason}): name the key that the certificate was made for, \
         and put the node's own certificate first", certificate.display(), key.display()
    )]
    Unusable {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        reason: String,
    },
}

/// Whether a certificate and its key can be used, as the node would find.
///
/// # Errors
/// [`TlsError`].
pub fn check(files: &TlsFiles) -> Result<(), TlsError> {
    read(files).map(drop)
}

/// What the files held.
struct Pair {
    certified: Arc<CertifiedKey>,
    /// By which a change is seen.
    content: [u8; 32],
}

fn read(files: &TlsFiles) -> Result<Pair, TlsError> {
    let (chain_text, key_text) = (open(&files.certificate, false)?, open(&files.key, true)?);
    let content = Sha256::new()
        .chain_update(Sha256::digest(&*chain_text))
        .chain_update(Sha256::digest(&*key_text))
        .finalize()
        .into();
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain_text).collect();
    let chain = chain.ok().filter(|chain| !chain.is_empty());
    let chain = chain.ok_or_else(|| TlsError::NoCertificate { path: files.certificate.clone() })?;
    let key =
        PrivateKeyDer::from_pem_slice(&key_text).map_err(|_| TlsError::NoKey { path: files.key.clone() })?;
    let certified = CertifiedKey::from_der(chain, key, &aws_lc_rs::default_provider()).map_err(|e| {
        let TlsFiles { certificate, key } = files.clone();
        TlsError::Unusable { certificate, key, reason: e.to_string() }
    })?;
    Ok(Pair { certified: Arc::new(certified), content })
}

/// The content of a file; one with a secret is for nobody else.
fn open(path: &Path, is_secret: bool) -> Result<Zeroizing<Vec<u8>>, TlsError> {
    let unreadable =
        |e: std::io::Error| TlsError::Unreadable { path: path.to_owned(), reason: e.to_string() };
    let file = File::open(path).map_err(unreadable)?;
    if is_secret && !is_private(&file.metadata().map_err(unreadable)?) {
        return Err(TlsError::Exposed { path: path.to_owned() });
    }
    // Room for all of it at once: growing would leave copies behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES + 1));
    let most = u64::try_from(MAX_FILE_BYTES + 1).unwrap_or(u64::MAX);
    file.take(most).read_to_end(&mut text).map_err(unreadable)?;
    if text.len() > MAX_FILE_BYTES {
        return Err(TlsError::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

/// The certificate that is shown to clients.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.read().unwrap_or_else(PoisonError::into_inner).clone())
    }
}

/// What stands in the files, and what of it is in use.
pub(crate) struct Tls {
    files: TlsFiles,
    seen: Result<[u8; 32], TlsError>,
    shown: Arc<Shown>,
}

impl Tls {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`]: without a good pair nothing is served.
    pub(crate) fn open(files: TlsFiles) -> Result<Tls, TlsError> {
        let Pair { certified, content } = read(&files)?;
        Ok(Tls { files, seen: Ok(content), shown: Arc::new(Shown(RwLock::new(certified))) })
    }

    /// What sets TLS up with clients: version 1.3 only, which all of today speak.
    pub(super) fn acceptor(&self) -> TlsAcceptor {
        let mut config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&version::TLS13])
            .expect("invariant: AWS-LC has cipher suites of TLS 1.3")
            .with_no_client_auth()
            .with_cert_resolver(self.shown.clone());
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Arc::new(config).into()
    }

    /// Takes up what has changed. Nothing: nothing has.
    fn look(&mut self) -> Option<Result<(), TlsError>> {
        let (seen, certified) = match read(&self.files) {
            Ok(Pair { certified, content }) => (Ok(content), Some(certified)),
            Err(why) => (Err(why), None),
        };
        if seen == self.seen {
            return None;
        }
        self.seen = seen.clone();
        if let Some(certified) = certified {
            *self.shown.0.write().unwrap_or_else(PoisonError::into_inner) = certified;
        }
        Some(seen.map(drop))
    }

    /// Looks until it is aborted.
    pub(super) fn watch(mut self) -> JoinHandle<()> {
        tokio::spawn(async move {
            let mut clock = tokio::time::interval(LOOK);
            clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                clock.tick().await;
                let looked = tokio::task::spawn_blocking(move || {
                    let news = self.look();
                    (self, news)
                });
                let Ok((tls, news)) = looked.await else { return };
                self = tls;
                match news {
                    Some(Ok(())) => tracing::info!("the certificate of the API was renewed"),
                    Some(Err(why)) => tracing::warn!("the certificate of before stays in use: {why}"),
                    None => {}
                }
            }
        })
    }
}
