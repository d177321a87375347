//! The closed word lists of the API: what a scheme, a level, a state can be.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// A word that is in none of the lists; says what would be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{word}` is no {list}: use {choices}")]
pub struct UnknownWord {
    list: &'static str,
    word: String,
    choices: String,
}

macro_rules! words {
    (
        $(#[doc = $doc:literal])* $name:ident, $list:literal;
        $( $(#[doc = $vdoc:literal])* $(#[cfg $cfg:tt])? $variant:ident = $word:literal, )+
    ) => {
        $(#[doc = $doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name {
            $( $(#[doc = $vdoc])* $(#[cfg $cfg])? #[serde(rename = $word)] $variant, )+
        }

        impl $name {
            /// The word used in JSON and on the command line.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self {
                    $( $(#[cfg $cfg])? Self::$variant => $word, )+
                }
            }

            /// All words of the list.
            pub const ALL: &'static [Self] = &[ $( $(#[cfg $cfg])? Self::$variant, )+ ];
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                let lines = [$($doc),*];
                // What only tests know is no part of the API.
                let words: Vec<_> =
                    Self::ALL.iter().map(|known| known.word()).filter(|word| !word.starts_with("insecure")).collect();
                json_schema!({ "type": "string", "enum": words, "description": lines.join(" ").trim() })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.word())
            }
        }

        impl FromStr for $name {
            type Err = UnknownWord;

            fn from_str(text: &str) -> Result<Self, UnknownWord> {
                Self::ALL.iter().copied().find(|known| known.word() == text).ok_or_else(|| {
                    let words: Vec<_> = Self::ALL.iter().map(|known| known.word()).collect();
                    UnknownWord {
                        list: $list,
                        word: text.chars().take(80).collect(),
                        choices: words.join(" or "),
                    }
                })
            }
        }
    };
}

words!(
    /// The signing protocol of a key.
    Scheme, "scheme";
    /// Threshold ECDSA after Canetti, Gennaro, Goldfeder, Makriyannis and Peled, revision of 2024.
    Cggmp24 = "cggmp24",
);

words!(
    /// The curve of a key.
    Curve, "curve";
    /// The curve of Bitcoin and Ethereum (SEC 2).
    Secp256k1 = "secp256k1",
    /// NIST P-256, also called secp256r1 or prime256v1 (FIPS 186, SEC 2).
    P256 = "p256",
);

words!(
    /// The strength of the Paillier and ring-Pedersen moduli around a key.
    Level, "level";
    /// 2048-bit moduli.
    L112 = "112",
    /// 3072-bit moduli: the default.
    L128 = "128",
    /// Toy parameters that protect nothing, to test fast; absent from release builds.
    #[cfg(all(feature = "test-levels", debug_assertions))]
    Test = "insecure-test",
);

words!(
    /// How a message becomes the 32 bytes that are signed.
    HashName, "hash";
    /// SHA-256 (FIPS 180-4).
    Sha256 = "sha256",
    /// Keccak-256 as Ethereum uses it (not SHA3-256).
    Keccak256 = "keccak256",
);

words!(
    /// What a ceremony is for.
    CeremonyKind, "kind of ceremony";
    /// Make auxiliary information (moduli) for a committee.
    Aux = "aux",
    /// Make a key; includes `aux` where the committee has none yet.
    Keygen = "keygen",
    /// Make presignatures ahead of time.
    Presign = "presign",
    /// Make a signature.
    Sign = "sign",
    /// Make new shares of a key for the same holders.
    Refresh = "refresh",
    /// Make new shares of a key for another committee; includes `aux` where that has none yet.
    Reshare = "reshare",
);

words!(
    /// What becomes of the moduli around a key when its shares are renewed.
    Moduli, "choice of moduli";
    /// New ones are made: what was read of the old ones is worthless too.
    Renew = "renew",
    /// They stay. Faster, but who has read the factors of all signers' moduli, also at different times, reads what they
    /// sign with later.
    Keep = "keep",
);

words!(
    /// How far a ceremony is.
    CeremonyState, "state of a ceremony";
    /// The participants are being asked.
    Proposed = "proposed",
    /// All accepted; rounds are running.
    Running = "running",
    /// Waits for the operators of those in `waiting_for`; `failure` says what each can do. Asked for again under the same name
    /// once they have approved, it goes on.
    AwaitingApproval = "awaiting_approval",
    /// Ended with a result.
    Done = "done",
    /// Ended without a result; `failure` says why.
    Failed = "failed",
);

impl CeremonyState {
    /// Whether nothing more will happen by itself.
    #[must_use]
    pub fn is_over(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::AwaitingApproval)
    }
}

words!(
    /// What a ceremony is busy with; a key creation goes through several.
    Phase, "phase";
    /// Asking the participants (round 0).
    Accept = "accept",
    /// Searching prime numbers, each node for itself.
    Primes = "primes",
    /// Exchanging and proving the auxiliary information.
    Aux = "aux",
    /// Making the key.
    Keygen = "keygen",
    /// Making a presignature.
    Presign = "presign",
    /// Combining the signature.
    Sign = "sign",
    /// Making new shares for the same holders.
    Refresh = "refresh",
    /// Making new shares for another committee.
    Reshare = "reshare",
);

words!(
    /// Whether a key can be used.
    KeyState, "state of a key";
    /// Every holder confirmed that its share is durable.
    Active = "active",
    /// This node's share is durable, other holders have not confirmed yet.
    Confirming = "confirming",
    /// The key is imported and not shared out yet: its dealer has the whole private key, and nobody signs with it.
    Whole = "whole",
);

words!(
    /// What an operator has said to a request.
    ApprovalState, "state of an approval";
    /// Nothing yet.
    Waiting = "waiting",
    /// Yes: the client's next try goes through at this node, until it expires.
    Approved = "approved",
    /// No.
    Denied = "denied",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip_and_errors_name_the_choices() {
        for level in Level::ALL {
            assert_eq!(level.word().parse::<Level>().unwrap(), *level);
            let json = serde_json::to_string(level).unwrap();
            assert_eq!(json, format!("\"{}\"", level.word()));
            assert_eq!(serde_json::from_str::<Level>(&json).unwrap(), *level);
        }
        let text = "96".parse::<HashName>().unwrap_err().to_string();
        assert_eq!(text, "`96` is no hash: use sha256 or keccak256");
    }
}
