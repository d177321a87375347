//! Who reaches the HTTP API, and over what: addresses, certificate, names.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::{ConfigError, Flags, Given, Pick, beside};

/// Most names of a node.
pub const MAX_API_NAMES: usize = 16;
/// Longest name of a host, in bytes (RFC 1035, 2.3.4).
const MAX_HOST_BYTES: usize = 253;
/// Longest part of such a name, in bytes.
const MAX_HOST_PART_BYTES: usize = 63;

/// How the API is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiConfig {
    /// Where it listens; port 0 picks a free port.
    pub listen: SocketAddr,
    /// By what the node proves to clients that it is it; without these the API speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// What clients may call the node besides its IP addresses and `localhost`, at most [`MAX_API_NAMES`].
    pub names: Vec<String>,
    /// Plain HTTP is meant, also where other machines can reach it.
    pub allow_plain_http: bool,
}

/// A certificate and its key, in PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, and those between it and an authority's.
    pub certificate: PathBuf,
    /// The private key; nobody but the operator may read it.
    pub key: PathBuf,
}

impl ApiConfig {
    /// Plain HTTP at this address.
    #[must_use]
    pub fn at(listen: SocketAddr) -> Self {
        Self { listen, tls: None, names: Vec::new(), allow_plain_http: false }
    }

    /// Whether other machines can reach an API that encrypts nothing, though nobody said that this is meant.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        self.tls.is_none() && !self.listen.ip().is_loopback() && !self.allow_plain_http
    }
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Section {
    listen: Option<String>,
    tls_certificate: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    names: Vec<String>,
    allow_plain_http: bool,
}

/// Puts the section together with flags and environment.
pub(super) fn resolve<E: Fn(&str) -> Option<String>>(
    pick: &Pick<'_, E>,
    flags: &Flags,
    section: Section,
    default: &str,
    file: &Path,
) -> Result<ApiConfig, ConfigError> {
    let listen = pick.one("--api", &flags.api, "CONSIGN_API", section.listen, default);
    let list = |given: &[String]| (!given.is_empty()).then(|| given.join(","));
    let names =
        pick.one("--api-name", &list(&flags.api_names), "CONSIGN_API_NAMES", list(&section.names), "");
    let path = |flag: &Option<PathBuf>, variable: &str, value: Option<PathBuf>| {
        let environment = || (pick.environment)(variable).map(PathBuf::from);
        flag.clone().or_else(environment).or_else(|| value.map(|path| beside(file, path)))
    };
    let certificate = path(&flags.tls_certificate, "CONSIGN_TLS_CERTIFICATE", section.tls_certificate);
    let key = path(&flags.tls_key, "CONSIGN_TLS_KEY", section.tls_key);
    let alone = |name, value: PathBuf| ConfigError::Value {
        name,
        value: value.display().to_string(),
        reason: "is of no use alone: name certificate and key, or neither".into(),
        source_name: pick.file.clone(),
    };
    let plain = (pick.environment)("CONSIGN_ALLOW_PLAIN_HTTP");
    if let Some(word) = plain.as_ref().filter(|word| !matches!(word.as_str(), "true" | "false")) {
        return Err(ConfigError::Value {
            name: "api.allow_plain_http",
            value: word.clone(),
            reason: "must be true or false".into(),
            source_name: "the environment variable CONSIGN_ALLOW_PLAIN_HTTP".to_owned(),
        });
    }
    Ok(ApiConfig {
        listen: listen.value.parse().map_err(|_| {
            listen.refused("api.listen", "must be an IP address and a port, like 127.0.0.1:7601")
        })?,
        tls: match (certificate, key) {
            (Some(certificate), Some(key)) => Some(TlsFiles { certificate, key }),
            (None, None) => None,
            (Some(path), None) => return Err(alone("api.tls_certificate", path)),
            (None, Some(path)) => return Err(alone("api.tls_key", path)),
        },
        names: host_names(&names)?,
        allow_plain_http: flags.allow_plain_http
            || plain.map_or(section.allow_plain_http, |word| word == "true"),
    })
}

/// Parses a comma-separated list of names; they are kept in lower case.
fn host_names(given: &Given<String>) -> Result<Vec<String>, ConfigError> {
    let parts: Vec<&str> = given.value.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    if parts.len() > MAX_API_NAMES {
        return Err(given.refused("api.names", format!("must be at most {MAX_API_NAMES} names")));
    }
    match parts.iter().find(|part| !is_host_name(part)) {
        Some(part) => Err(given.refused_value(
            "api.names",
            part,
            "must be names of hosts without a port, like node1.example.org",
        )),
        None => Ok(parts.iter().map(|part| part.to_ascii_lowercase()).collect()),
    }
}

/// Whether it is a name that a `Host` header may hold: no address, no wildcard, no final dot.
fn is_host_name(text: &str) -> bool {
    let is_part = |part: &str| {
        (1..=MAX_HOST_PART_BYTES).contains(&part.len())
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
            && !part.starts_with('-')
            && !part.ends_with('-')
    };
    text.len() <= MAX_HOST_BYTES
        && text.split('.').all(is_part)
        // What ends in a number is an address, or looks like one to some programs.
        && text.rsplit('.').next().is_some_and(|last| !last.bytes().all(|b| b.is_ascii_digit()))
}
