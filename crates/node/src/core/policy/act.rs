//! What is decided about: who asks for what, with which key.

use std::fmt;
use std::str::FromStr;

use consign_api as api;
use consign_api::ClientKey;
use serde::Serialize;

/// What a client may ask for; the words of the file. Auxiliary information belongs to whatever needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ceremony {
    /// Make a key.
    Keygen,
    /// Make a signature.
    Sign,
    /// Make presignatures.
    Presign,
    /// Make new shares for the same holders.
    Refresh,
    /// Make new shares for another committee.
    Reshare,
}

impl Ceremony {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Keygen, Self::Sign, Self::Presign, Self::Refresh, Self::Reshare];

    /// The word in the file.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Keygen => "keygen",
            Self::Sign => "sign",
            Self::Presign => "presign",
            Self::Refresh => "refresh",
            Self::Reshare => "reshare",
        }
    }

    /// All words, for messages.
    #[must_use]
    pub fn words() -> String {
        Self::ALL.map(Self::word).join(", ")
    }
}

impl fmt::Display for Ceremony {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Ceremony {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let cut: String = text.chars().take(40).collect();
        Self::ALL.into_iter().find(|known| known.word() == text).ok_or_else(|| match text {
            "import" => {
                "operators import keys with the token of their node, and it is a \"reshare\" that shares \
                         them out; remove it"
                    .to_owned()
            }
            "export" | "backup" => {
                format!(
                    "no client can ask for `{text}`: operators do that at their own stopped node; remove it"
                )
            }
            "aux" => "`aux` belongs to the ceremony that needs it; remove it".to_owned(),
            _ => format!("`{}` is no ceremony: use {}", cut.escape_debug(), Self::words()),
        })
    }
}

/// What this node's own record says of the key; of a key that is still to be made, what the request says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyFacts<'a> {
    /// Its id; none before it is made.
    pub id: Option<api::KeyId>,
    /// What people call it. Whoever makes a key chooses that, and it need not be unique.
    pub label: &'a api::Label,
    /// The client that asked for the key, by its certificate; none if nobody signed that request.
    pub owner: Option<ClientKey>,
    /// Its level.
    pub level: api::Level,
}

/// From whom to whom a resharing hands a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change<'a> {
    /// Who holds it.
    pub holders: &'a [api::NodeId],
    /// How many of them are needed.
    pub threshold: u16,
    /// Who is to hold it.
    pub new_holders: &'a [api::NodeId],
    /// How many of them will be needed.
    pub new_threshold: u16,
    /// Whether this node holds a share, so that it is asked to give something away. Who only receives risks nothing.
    pub gives: bool,
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed<'a> {
    /// A new key.
    Keygen,
    /// A signature of a message, hashed so by every signer; nothing: of a raw digest.
    Sign(Option<api::HashName>),
    /// Presignatures.
    Presign,
    /// New shares for the same holders.
    Refresh,
    /// New shares for others.
    Reshare(Change<'a>),
}

impl Deed<'_> {
    /// The ceremony that does it.
    #[must_use]
    pub fn ceremony(&self) -> Ceremony {
        match self {
            Self::Keygen => Ceremony::Keygen,
            Self::Sign(_) => Ceremony::Sign,
            Self::Presign => Ceremony::Presign,
            Self::Refresh => Ceremony::Refresh,
            Self::Reshare(_) => Ceremony::Reshare,
        }
    }
}

/// One request as a policy sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Act<'a> {
    /// Who asks, by the signature on the request.
    pub client: ClientKey,
    /// For what.
    pub deed: Deed<'a>,
    /// With which key. A key that is to be made belongs to who asks for it.
    pub key: KeyFacts<'a>,
}
