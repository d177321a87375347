//! Where a node's store is: a file in its data folder, or a Redis server named by a URL.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use ::redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _};
use zeroize::Zeroizing;

use super::redis::Turn;
use super::{NodeStore, StoreError, Unlock, Write, redis};

/// The name of a store on a Redis server, unless the URL says another.
pub const DEFAULT_NAME: &str = "consign";

/// Longest name of a store on a Redis server, in bytes.
pub const MAX_STORE_NAME_BYTES: usize = 64;

/// Most replicas of a Redis server that a write waits for.
pub const MAX_REPLICAS: u32 = 8;

/// Longest URL of a store, in bytes.
const MAX_URL_BYTES: usize = 1024;

/// Where a store is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In one redb file.
    File(PathBuf),
    /// On a Redis server.
    Redis {
        /// Which server, and which store on it.
        url: RedisUrl,
        /// The file in the data folder that remembers the counter of the store.
        remembered: PathBuf,
        /// The operator says that the settings are right, where the server does not show them.
        asserted: bool,
    },
}

impl Place {
    /// Makes a new store there, holding the records of `first`, however many. An interrupted creation leaves none.
    ///
    /// # Errors
    /// As [`super::create`]; and what keeps a Redis server from being used.
    pub fn create(&self, unlock: &Unlock, first: &[Write]) -> Result<NodeStore, StoreError> {
        match self {
            Place::File(path) => super::create(path, unlock, first),
            Place::Redis { url, remembered, asserted } => {
                redis::create(url, remembered, *asserted, unlock, super::unlock::Cost::STANDARD, first)
            }
        }
    }

    /// Opens the store that is there.
    ///
    /// # Errors
    /// As [`super::open`]; and what keeps a Redis server from being used.
    pub fn open(&self, unlock: &Unlock) -> Result<NodeStore, StoreError> {
        match self {
            Place::File(path) => super::open(path, unlock),
            Place::Redis { url, remembered, asserted } => {
                let opened = redis::open(url, remembered, *asserted, unlock, Turn::Now)?;
                opened.ok_or_else(|| StoreError::InUse { path: url.to_string().into() })
            }
        }
    }

    /// As [`Place::open`], but where another process holds a store on a Redis server this waits until that one has ended or
    /// has not been heard of for some seconds. `goes_on` is called again and again meanwhile; when it says no, there is none.
    ///
    /// # Errors
    /// As [`Place::open`].
    pub fn open_in_turn(
        &self,
        unlock: &Unlock,
        goes_on: &mut dyn FnMut() -> bool,
    ) -> Result<Option<NodeStore>, StoreError> {
        match self {
            Place::File(path) => super::open(path, unlock).map(Some),
            Place::Redis { url, remembered, asserted } => {
                redis::open(url, remembered, *asserted, unlock, Turn::Wait(goes_on))
            }
        }
    }

    /// Looks at a store that another process may hold, on a Redis server: whatever is written is refused. Afterwards the folder
    /// remembers how far the store is. A file has one process, which this is.
    ///
    /// # Errors
    /// As [`Place::open`].
    pub fn look(&self, unlock: &Unlock) -> Result<NodeStore, StoreError> {
        match self {
            Place::File(path) => super::open(path, unlock),
            Place::Redis { url, remembered, asserted } => redis::look(url, remembered, *asserted, unlock),
        }
    }

    /// The file by which one sees that a store was made: the store itself, or what remembers it.
    #[must_use]
    pub fn mark(&self) -> &PathBuf {
        match self {
            Place::File(path) => path,
            Place::Redis { remembered, .. } => remembered,
        }
    }
}

/// The URL of a store on a Redis server: `rediss://[user]:password@host[:port][/db][?name=NAME]`, or on the same machine
/// `redis://…`, or `redis+unix:///path[?pass=PASSWORD&db=DB&name=NAME]`. `NAME` keeps the stores of several nodes on one server
/// apart. All may have `replicas=N`: so many replicas the server has, and each write waits for all of them.
///
/// It may hold a password: `Debug` and `Display` leave that out.
#[derive(Clone)]
pub struct RedisUrl {
    text: Zeroizing<String>,
    pub(super) name: String,
    pub(super) replicas: u32,
    pub(super) connection: Box<ConnectionInfo>,
}

impl RedisUrl {
    /// Reads a URL, and refuses a server elsewhere that is spoken to in the clear, or that has no password.
    ///
    /// # Errors
    /// A sentence, beginning with what the URL must be or have, that does not repeat it.
    pub fn parse(text: &str) -> Result<RedisUrl, &'static str> {
        if text.len() > MAX_URL_BYTES || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err("must be at most 1024 bytes without spaces");
        }
        if text.contains('#') {
            return Err("must not have a part after #: certificates are always checked");
        }
        let (base, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut name, mut replicas, mut others) = (None, None, Vec::new());
        for part in query.split('&').filter(|part| !part.is_empty()) {
            match part.split_once('=') {
                Some(("name", value)) if name.is_none() => name = Some(value),
                Some(("replicas", value)) if replicas.is_none() => replicas = Some(value),
                Some(("db" | "pass" | "user", _)) if base.starts_with("redis+unix:") => others.push(part),
                _ => {
                    return Err(
                        "may have ?name=NAME and replicas=N (and for a socket db, user, pass) and nothing else",
                    );
                }
            }
        }
        let name = name.unwrap_or(DEFAULT_NAME);
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > MAX_STORE_NAME_BYTES || !name.chars().all(fits) {
            return Err("must have a name of 1 to 64 letters, digits, dots, hyphens and underscores");
        }
        let digits = |text: &&str| text.bytes().all(|b| b.is_ascii_digit());
        let replicas = match replicas {
            None => 0,
            Some(text) => Some(text)
                .filter(digits)
                .and_then(|text| text.parse().ok())
                .filter(|count| *count <= MAX_REPLICAS)
                .ok_or("must say replicas=N with a number up to 8")?,
        };
        let scheme = ["redis://", "rediss://", "redis+unix://"];
        if !scheme.iter().any(|scheme| base.starts_with(scheme)) {
            return Err("must begin with redis://, rediss:// or redis+unix://");
        }
        let rest = if others.is_empty() { base.to_owned() } else { format!("{base}?{}", others.join("&")) };
        let connection = rest.into_connection_info().map_err(
            |_| "must be like rediss://:PASSWORD@host:6379/0?name=alice or redis+unix:///run/redis.sock",
        )?;
        refuse_insecure(&connection)?;
        Ok(RedisUrl {
            text: Zeroizing::new(text.to_owned()),
            name: name.to_owned(),
            replicas,
            connection: Box::new(connection),
        })
    }

    /// The URL as it was given, with its password: for the configuration file only.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }
}

/// TLS and a password, unless nobody is in between.
fn refuse_insecure(connection: &ConnectionInfo) -> Result<(), &'static str> {
    #[allow(
        clippy::wildcard_enum_match_arm,
        reason = "the crate's enum may grow; what is unknown is refused"
    )]
    let (host, tls) = match connection.addr() {
        ConnectionAddr::Unix(_) => return Ok(()),
        ConnectionAddr::Tcp(host, _) => (host, false),
        ConnectionAddr::TcpTls { host, insecure: false, .. } => (host, true),
        _ => return Err("must begin with redis://, rediss:// or redis+unix://"),
    };
    let local = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if local {
        return Ok(());
    }
    if !tls {
        return Err("must begin with rediss:// (TLS), because the server is not on this machine");
    }
    if connection.redis_settings().password().is_none_or(str::is_empty) {
        return Err(
            "must have a password, rediss://:PASSWORD@host, because the server is not on this machine",
        );
    }
    Ok(())
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_password(&self.text))
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl PartialEq for RedisUrl {
    fn eq(&self, other: &Self) -> bool {
        *self.text == *other.text
    }
}

impl Eq for RedisUrl {}

/// A URL of whatever quality, for messages: nothing of who logs in, and none of its parameters but the name.
pub(crate) fn without_password(text: &str) -> String {
    let (base, query) = text.split_once('?').unwrap_or((text, ""));
    let base = match (base.find("://"), base.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => {
            format!("{}://…@{}", base.get(..scheme).unwrap_or(""), base.get(at + 1..).unwrap_or(""))
        }
        (None, Some(at)) => format!("…@{}", base.get(at + 1..).unwrap_or("")),
        _ => base.to_owned(),
    };
    match query.split('&').find(|part| part.starts_with("name=")) {
        Some(name) => format!("{base}?{name}"),
        None => base,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_servers_and_secure_ones_are_taken() {
        for (text, name) in [
            ("redis://127.0.0.1", "consign"),
            ("redis://localhost:7000/3?name=alice", "alice"),
            ("redis://[::1]/", "consign"),
            ("rediss://:secret@redis.example.org:6380/0?name=a.b-c_9", "a.b-c_9"),
            ("rediss://user:secret@192.0.2.1", "consign"),
            ("redis+unix:///run/redis.sock", "consign"),
            ("redis+unix:///run/redis.sock?name=bob&pass=secret&db=2", "bob"),
        ] {
            let url = RedisUrl::parse(text).unwrap_or_else(|e| panic!("{text}: {e}"));
            assert_eq!((url.name.as_str(), url.expose()), (name, text));
            assert!(!format!("{url:?} {url}").contains("secret"), "{url}");
        }
    }

    #[test]
    fn replicas_are_counted() {
        for (text, count) in [
            ("redis://127.0.0.1", 0),
            ("redis://127.0.0.1?replicas=0", 0),
            ("redis://127.0.0.1?replicas=2&name=a", 2),
            ("redis+unix:///run/redis.sock?name=a&replicas=8", 8),
        ] {
            assert_eq!(RedisUrl::parse(text).unwrap().replicas, count, "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_and_says_why() {
        let long = format!("redis://127.0.0.1?name={}", "x".repeat(65));
        for (text, why) in [
            ("", "must begin with"),
            ("/run/redis.sock", "must begin with"),
            ("unix:///run/redis.sock", "must begin with"),
            ("http://127.0.0.1", "must begin with"),
            ("redis://:secret@192.0.2.1", "TLS"),
            ("redis://redis.example.org", "TLS"),
            ("redis://0.0.0.0", "must be like"),
            ("rediss://redis.example.org", "password"),
            ("rediss://user@redis.example.org", "password"),
            ("rediss://:@redis.example.org", "password"),
            ("rediss://:secret@redis.example.org#insecure", "certificates"),
            ("redis://127.0.0.1/x", "must be like"),
            ("redis://127.0.0.1?name=a&name=b", "nothing else"),
            ("redis://127.0.0.1?protocol=resp3", "nothing else"),
            ("redis://127.0.0.1?replicas=", "number up to 8"),
            ("redis://127.0.0.1?replicas=+1", "number up to 8"),
            ("redis://127.0.0.1?replicas=9", "number up to 8"),
            ("redis://127.0.0.1?replicas=1&replicas=1", "nothing else"),
            ("redis://127.0.0.1?name=", "name of 1 to 64"),
            ("redis://127.0.0.1?name=a{b}", "name of 1 to 64"),
            ("redis://127.0.0.1?name=a:b", "name of 1 to 64"),
            ("redis://127.0.0.1 ", "without spaces"),
            (&long, "name of 1 to 64"),
        ] {
            let error = RedisUrl::parse(text).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn no_message_shows_a_password() {
        for (text, shown) in [
            ("rediss://u:p@ss@host/0?name=a", "rediss://…@host/0?name=a"),
            ("redis+unix:///s?pass=p&name=a", "redis+unix:///s?name=a"),
            ("u:p@host", "…@host"),
            ("redis://host?x=p", "redis://host"),
        ] {
            assert_eq!(without_password(text), shown);
        }
    }
}
