//! Schemas of the types that are written as text, or whose form depends on a choice.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::limits::{MAX_LABEL_BYTES, MAX_MESSAGE_BYTES, MAX_PATH_BYTES, MAX_TEXT_BYTES};
use crate::{ChainCode, ClientKey, HashName, Label, MessageText, PathText, PrivateKey, SignBody};

macro_rules! text {
    ($type:ty, $name:literal, $schema:tt) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!($schema)
            }
        }
    };
}

text!(Label, "Label", {
    "type": "string",
    "pattern": "^[A-Za-z0-9._-]+$",
    "minLength": 1,
    "maxLength": MAX_LABEL_BYTES,
    "not": { "pattern": "^[0-9a-f]{64}$" },
    "description": "A name that people give; never looks like an identifier.",
});
text!(MessageText, "MessageText", {
    "type": "string",
    "maxLength": MAX_TEXT_BYTES,
    "description": "Text of any kind; the limit is in bytes of UTF-8.",
});
text!(PathText, "PathText", {
    "type": "string",
    "pattern": "^m(/[0-9]+)*$",
    "maxLength": MAX_PATH_BYTES,
    "examples": ["m", "m/0/5"],
    "description": "A derivation path without hardened steps (BIP-32); `m` is the key itself.",
});
text!(PrivateKey, "PrivateKey", {
    "type": "string",
    "pattern": "^[0-9a-f]{64}$",
    "writeOnly": true,
    "description": "A private key, big-endian. Secret.",
});
text!(ClientKey, "ClientKey", {
    "type": "string",
    "pattern": "^[0-9a-f]{64}$",
    "description": "A client: its Ed25519 public key.",
});
text!(ChainCode, "ChainCode", {
    "type": "string",
    "pattern": "^[0-9a-f]{64}$",
    "description": "A chain code (BIP-32).",
});

impl JsonSchema for SignBody {
    fn schema_name() -> Cow<'static, str> {
        "SignBody".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let path = generator.subschema_for::<PathText>();
        let hash = generator.subschema_for::<HashName>();
        json_schema!({
            "description": "What to sign, and which child of the key signs it.",
            "oneOf": [
                {
                    "type": "object",
                    "required": ["path", "message", "hash"],
                    "properties": {
                        "path": path,
                        "message": {
                            "type": "string",
                            "pattern": "^([0-9A-Fa-f]{2})*$",
                            "maxLength": 2 * MAX_MESSAGE_BYTES,
                            "description": "The message in hexadecimal; every signer hashes it for itself.",
                        },
                        "hash": hash,
                    },
                    "additionalProperties": false,
                },
                {
                    "type": "object",
                    "required": ["path", "digest"],
                    "properties": {
                        "path": path,
                        "digest": {
                            "type": "string",
                            "pattern": "^[0-9a-f]{64}$",
                            "description": "32 bytes that are signed as they are; nobody can see what they stand for.",
                        },
                    },
                    "additionalProperties": false,
                },
            ],
        })
    }
}
