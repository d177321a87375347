//! Where a node keeps its things and how it is configured.
//!
//! [`DataFolder`] names the files in the data folder. [`Config`] is what a node runs with: each value
//! comes from a flag, else from the environment (`CONSIGN_…`), else from `config.toml` in the folder,
//! else from the default. Read next: `shell/lock.rs`.

mod api;
mod folder;
mod policy_file;

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use serde::Deserialize;

use crate::store::place::without_password;
use crate::store::{Place, RedisUrl};

pub use api::{ApiConfig, MAX_API_NAMES, TlsFiles};
pub(crate) use folder::open_private;
pub use folder::{DataFolder, FolderError, is_private, private_file};
pub use policy_file::PolicyFileError;

/// Largest configuration file, in bytes.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// Most addresses a node may listen on or announce.
pub const MAX_ADDRESSES: usize = 8;

/// Longest display name of a node, in bytes.
pub const MAX_NAME_BYTES: usize = 64;

/// Most presignatures that a node keeps ready for a key: all its signers together stay below what may be outstanding.
pub const MAX_KEPT_PRESIGNATURES: u32 = 64;

/// Port other nodes connect to, unless told otherwise.
pub const DEFAULT_P2P_PORT: u16 = 7600;

/// Port of the HTTP API, unless told otherwise.
pub const DEFAULT_API_PORT: u16 = 7601;

/// The environment variable that holds a passphrase, if no other is named.
pub const PASSPHRASE_VARIABLE: &str = "CONSIGN_PASSPHRASE";

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {}: {source}; check its permissions", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than any real one.
    #[error("{} is larger than {MAX_FILE_BYTES} bytes: this is not a configuration file", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// The file is not TOML, or has an unknown key.
    #[error("{} is not a valid configuration: {source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Where and why.
        source: Box<toml::de::Error>,
    },
    /// One value is not acceptable.
    #[error("{name} {reason}, but is {value:?}: correct it in {source_name}")]
    Value {
        /// Its name, such as `p2p.listen`.
        name: &'static str,
        /// What was given.
        value: String,
        /// What it must be.
        reason: Cow<'static, str>,
        /// Where it came from: a flag, a variable, or the file.
        source_name: String,
    },
}

/// What a node runs with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Display name, told to other validators; at most [`MAX_NAME_BYTES`].
    pub name: String,
    /// Addresses other nodes may connect to, 1..=[`MAX_ADDRESSES`]; port 0 picks a free port.
    pub listen: Vec<Multiaddr>,
    /// Addresses told to other nodes; empty: those the node listens on.
    pub announce: Vec<Multiaddr>,
    /// How clients reach the HTTP API.
    pub api: ApiConfig,
    /// The Redis server that holds the store; without one it is a file in the data folder.
    pub store: Option<RedisUrl>,
    /// The settings of a Redis server that does not show them are right.
    pub assert_redis_settings: bool,
    /// Key file that opens the store; without one it is a passphrase.
    pub key_file: Option<PathBuf>,
    /// Name of the environment variable that may hold the passphrase.
    pub passphrase_variable: String,
    /// Which log lines are written, as `tracing` filters.
    pub log: String,
    /// How many presignatures of its own the node keeps ready for each key, at most [`MAX_KEPT_PRESIGNATURES`].
    pub keep_presignatures: u32,
    /// The policy in the folder counts, also if another one was in force last; for one start, so it is in no file.
    pub accept_policy: bool,
    /// Proofs of other signers are verified in batches; for one process, so it is in no file.
    pub batch_verification: bool,
}

/// The URL of a store as it was given, right or wrong. It may hold a password, so `Debug` tells nothing of it.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreText(String);

impl fmt::Debug for StoreText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreText(..)")
    }
}

impl From<String> for StoreText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Values given by flags; `None` or empty means not given.
#[derive(Clone, Debug, Default)]
pub struct Flags {
    /// `--name`.
    pub name: Option<String>,
    /// `--listen`, may be given several times.
    pub listen: Vec<String>,
    /// `--announce`, may be given several times.
    pub announce: Vec<String>,
    /// `--api`.
    pub api: Option<String>,
    /// `--tls-certificate`.
    pub tls_certificate: Option<PathBuf>,
    /// `--tls-key`.
    pub tls_key: Option<PathBuf>,
    /// `--api-name`, may be given several times.
    pub api_names: Vec<String>,
    /// `--allow-plain-http`.
    pub allow_plain_http: bool,
    /// `--store`.
    pub store: Option<StoreText>,
    /// `--assert-redis-settings`.
    pub assert_redis_settings: bool,
    /// `--key-file`.
    pub key_file: Option<PathBuf>,
    /// `--log`.
    pub log: Option<String>,
}

/// The file, as written.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    name: Option<String>,
    p2p: P2pSection,
    api: api::Section,
    store: StoreSection,
    presignatures: PresignaturesSection,
    log: LogSection,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct P2pSection {
    listen: Vec<String>,
    announce: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct StoreSection {
    url: Option<String>,
    assert_redis_settings: bool,
    key_file: Option<PathBuf>,
    passphrase_variable: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct LogSection {
    filter: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct PresignaturesSection {
    keep: u32,
}

/// A value and where it came from.
struct Given<T> {
    value: T,
    source: String,
}

impl Config {
    /// The configuration of a node on `folder`, with flags over environment over file over default.
    ///
    /// # Errors
    /// [`ConfigError`]; a missing file is not an error.
    pub fn load(folder: &DataFolder, flags: &Flags) -> Result<Config, ConfigError> {
        let path = folder.config_file();
        let text = read_limited(&path)?;
        Config::resolve(flags, |name| std::env::var(name).ok().filter(|v| !v.is_empty()), &text, &path)
    }

    /// The configuration of the file alone, without key file, server of the store and certificate, which belong to its
    /// machine: for a backup.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn of_file(folder: &DataFolder) -> Result<Config, ConfigError> {
        let path = folder.config_file();
        let config = Config::resolve(&Flags::default(), |_| None, &read_limited(&path)?, &path)?;
        let api = ApiConfig { tls: None, ..config.api };
        Ok(Config { key_file: None, store: None, assert_redis_settings: false, api, ..config })
    }

    /// Where the store of the node on `folder` is.
    #[must_use]
    pub fn place(&self, folder: &DataFolder) -> Place {
        match &self.store {
            None => Place::File(folder.store_file()),
            Some(url) => Place::Redis {
                url: url.clone(),
                remembered: folder.store_counter_file(),
                asserted: self.assert_redis_settings,
            },
        }
    }

    /// As [`Config::load`], with the text of a backup in the place of the file.
    ///
    /// # Errors
    /// [`ConfigError`].
    pub fn of_text(text: &str, flags: &Flags) -> Result<Config, ConfigError> {
        let path = Path::new("the backup");
        Config::resolve(flags, |name| std::env::var(name).ok().filter(|v| !v.is_empty()), text, path)
    }

    /// [`Config::load`] with environment and file given; `path` is for messages.
    fn resolve(
        flags: &Flags,
        environment: impl Fn(&str) -> Option<String>,
        text: &str,
        path: &Path,
    ) -> Result<Config, ConfigError> {
        let file: File = toml::from_str(text)
            .map_err(|e| ConfigError::Syntax { path: path.to_owned(), source: Box::new(e) })?;
        let pick = Pick { environment: &environment, file: path.display().to_string() };
        let list = |given: &[String]| (!given.is_empty()).then(|| given.join(","));

        let name = pick.one("--name", &flags.name, "CONSIGN_NAME", file.name, "consign");
        let listen = format!("/ip4/0.0.0.0/tcp/{DEFAULT_P2P_PORT}");
        let listen =
            pick.one("--listen", &list(&flags.listen), "CONSIGN_LISTEN", list(&file.p2p.listen), &listen);
        let announce =
            pick.one("--announce", &list(&flags.announce), "CONSIGN_ANNOUNCE", list(&file.p2p.announce), "");
        let api = format!("127.0.0.1:{DEFAULT_API_PORT}");
        let api = api::resolve(&pick, flags, file.api, &api, path)?;
        let store = flags.store.as_ref().map(|text| text.0.clone());
        let store = pick.one("--store", &store, "CONSIGN_STORE", file.store.url, "");
        let log = pick.one("--log", &flags.log, "CONSIGN_LOG", file.log.filter, "info");
        Ok(Config {
            name: display_name(name)?,
            listen: addresses("p2p.listen", &listen, 1)?,
            announce: addresses("p2p.announce", &announce, 0)?,
            api,
            store: store_url(&store)?,
            assert_redis_settings: flags.assert_redis_settings || file.store.assert_redis_settings,
            key_file: flags
                .key_file
                .clone()
                .or_else(|| environment("CONSIGN_KEY_FILE").map(PathBuf::from))
                .or_else(|| file.store.key_file.map(|p| beside(path, p))),
            passphrase_variable: file
                .store
                .passphrase_variable
                .unwrap_or_else(|| PASSPHRASE_VARIABLE.to_owned()),
            log: log.value,
            keep_presignatures: kept_presignatures(Given {
                value: file.presignatures.keep,
                source: pick.file,
            })?,
            accept_policy: false,
            batch_verification: true,
        })
    }

    /// The commented file that `consign init` writes: this configuration, every key explained.
    #[must_use]
    pub fn to_file(&self) -> String {
        let text = |s: &str| toml::Value::String(s.to_owned()).to_string();
        let list = |a: &[Multiaddr]| {
            toml::Value::Array(a.iter().map(|a| toml::Value::String(a.to_string())).collect()).to_string()
        };
        let key_file = match &self.key_file {
            Some(path) => format!("key_file = {}", text(&path.display().to_string())),
            None => "# key_file = \"/etc/consign/store.key\"".to_owned(),
        };
        let store = match &self.store {
            Some(url) => format!("url = {}", text(url.expose())),
            None => "# url = \"rediss://:PASSWORD@redis.example.org:6379/0?name=alice\"".to_owned(),
        };
        let ApiConfig { listen: api, tls, names, allow_plain_http } = &self.api;
        let tls = match tls {
            Some(TlsFiles { certificate, key }) => {
                let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
                format!("tls_certificate = {}\ntls_key = {}", text(&certificate), text(&key))
            }
            None => "# tls_certificate = \"/etc/consign/api.pem\"\n# tls_key = \"/etc/consign/api.key\""
                .to_owned(),
        };
        let names = toml::Value::Array(names.iter().cloned().map(toml::Value::String).collect());
        let asserted = if self.assert_redis_settings { "" } else { "# " };
        format!(
            include_str!("config/template.toml"),
            store = store,
            asserted = asserted,
            name = text(&self.name),
            listen = list(&self.listen),
            announce = list(&self.announce),
            api = text(&api.to_string()),
            tls = tls,
            api_names = names,
            allow_plain_http = if *allow_plain_http { "" } else { "# " },
            key_file = key_file,
            passphrase_variable = text(&self.passphrase_variable),
            keep_presignatures = self.keep_presignatures,
            log = text(&self.log),
        )
    }
}

/// Picks the first source that gives a value.
struct Pick<'a, E> {
    environment: &'a E,
    file: String,
}

impl<E: Fn(&str) -> Option<String>> Pick<'_, E> {
    fn one(
        &self,
        flag: &str,
        flag_value: &Option<String>,
        variable: &str,
        file_value: Option<String>,
        default: &str,
    ) -> Given<String> {
        if let Some(value) = flag_value {
            return Given { value: value.clone(), source: format!("the flag {flag}") };
        }
        if let Some(value) = (self.environment)(variable) {
            return Given { value, source: format!("the environment variable {variable}") };
        }
        let value = file_value.unwrap_or_else(|| default.to_owned());
        Given { value, source: self.file.clone() }
    }
}

impl Given<String> {
    fn refused(&self, name: &'static str, reason: impl Into<Cow<'static, str>>) -> ConfigError {
        self.refused_value(name, &self.value, reason)
    }

    fn refused_value(
        &self,
        name: &'static str,
        value: &str,
        reason: impl Into<Cow<'static, str>>,
    ) -> ConfigError {
        let (value, reason) = (value.to_owned(), reason.into());
        ConfigError::Value { name, value, reason, source_name: self.source.clone() }
    }
}

/// Reads the place of the store; a password in it is not repeated when it is wrong.
fn store_url(given: &Given<String>) -> Result<Option<RedisUrl>, ConfigError> {
    if given.value.is_empty() {
        return Ok(None);
    }
    let refused = |reason| given.refused_value("store.url", &without_password(&given.value), reason);
    RedisUrl::parse(&given.value).map(Some).map_err(refused)
}

/// Checks the number of presignatures to keep.
fn kept_presignatures(given: Given<u32>) -> Result<u32, ConfigError> {
    if given.value <= MAX_KEPT_PRESIGNATURES {
        return Ok(given.value);
    }
    let (name, value) = ("presignatures.keep", given.value.to_string());
    let reason = format!("must be at most {MAX_KEPT_PRESIGNATURES}").into();
    Err(ConfigError::Value { name, value, reason, source_name: given.source })
}

/// Checks a display name: it is shown on other people's terminals.
fn display_name(given: Given<String>) -> Result<String, ConfigError> {
    let good = !given.value.is_empty()
        && given.value.len() <= MAX_NAME_BYTES
        && !given.value.chars().any(char::is_control);
    if good {
        Ok(given.value)
    } else {
        Err(given.refused("name", "must be 1 to 64 bytes without control characters"))
    }
}

/// Parses a comma-separated list of addresses.
fn addresses(name: &'static str, given: &Given<String>, least: usize) -> Result<Vec<Multiaddr>, ConfigError> {
    let parts: Vec<&str> = given.value.split(',').map(str::trim).filter(|p| !p.is_empty()).collect();
    if parts.len() < least || parts.len() > MAX_ADDRESSES {
        return Err(given.refused(name, "must be at most 8 addresses, and at least one to listen on"));
    }
    let parse = |part: &&str| {
        parse_address(part)
            .ok_or_else(|| given.refused_value(name, part, "must be an address like /ip4/192.0.2.1/tcp/7600"))
    };
    parts.iter().map(parse).collect()
}

/// Parses one address: IPv4 or IPv6, then TCP, nothing else. The peer's identity is never part of it.
#[must_use]
pub fn parse_address(text: &str) -> Option<Multiaddr> {
    let address: Multiaddr = text.parse().ok()?;
    let mut parts = address.iter();
    let ip = matches!(parts.next(), Some(Protocol::Ip4(_) | Protocol::Ip6(_)));
    let tcp = matches!(parts.next(), Some(Protocol::Tcp(_)));
    let end = parts.next().is_none();
    (ip && tcp && end).then_some(address)
}

/// A path in the file is meant relative to the file.
fn beside(file: &Path, path: PathBuf) -> PathBuf {
    match file.parent() {
        Some(folder) => folder.join(path),
        None => path,
    }
}

/// Reads a file of limited size; a missing one is empty.
fn read_limited(path: &Path) -> Result<String, ConfigError> {
    use std::io::Read;
    let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        Err(e) => return Err(unreadable(e)),
    };
    let mut text = String::new();
    let read = file.take(MAX_FILE_BYTES + 1).read_to_string(&mut text).map_err(unreadable)?;
    if u64::try_from(read).is_ok_and(|read| read > MAX_FILE_BYTES) {
        return Err(ConfigError::TooLarge { path: path.to_owned() });
    }
    Ok(text)
}

#[cfg(test)]
mod tests;
