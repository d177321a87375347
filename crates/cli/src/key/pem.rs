//! A private key as PKCS#8 (RFC 5958, with RFC 5915 inside) in PEM (RFC 7468), for curves of 32 bytes. All lengths are
//! fixed, so the structure is written down and not computed.

use base64ct::{Base64, Encoding as _};
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Characters of a line.
const COLUMNS: usize = 64;
/// Bytes of the private key, and of the public one uncompressed.
const SECRET_BYTES: usize = 32;
const PUBLIC_BYTES: usize = 65;
/// `OBJECT IDENTIFIER id-ecPublicKey`.
const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
/// `OBJECT IDENTIFIER` of the curves.
const SECP256K1: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x0a];
const PRIME256V1: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// The private key on the named curve.
pub(super) fn pkcs8(curve: &str, secret: &[u8], public: &[u8]) -> Result<Zeroizing<String>, Failure> {
    let curve = match curve {
        "secp256k1" => SECP256K1,
        "p256" => PRIME256V1,
        other => {
            return Err(Failure::Failed(format!("keys on {other} have no PEM form here: use --format hex")));
        }
    };
    assert!(
        (secret.len(), public.len()) == (SECRET_BYTES, PUBLIC_BYTES),
        "invariant: both curves have scalars and coordinates of 32 bytes"
    );
    // ECPrivateKey: version 1, the key, and as [1] the public key.
    let bits = [&[0x00], public].concat();
    let inner = Zeroizing::new(
        [&element(0x02, &[1])[..], &element(0x04, secret), &element(0xa1, &element(0x03, &bits))].concat(),
    );
    let inner = element(0x30, &inner);
    let algorithm = element(0x30, &[EC_PUBLIC_KEY, curve].concat());
    let body = Zeroizing::new([&element(0x02, &[0])[..], &algorithm, &element(0x04, &inner)].concat());
    let text = Zeroizing::new(Base64::encode_string(&element(0x30, &body)));
    let mut pem = Zeroizing::new(String::with_capacity(2 * text.len()));
    pem.push_str("-----BEGIN PRIVATE KEY-----\n");
    for (at, character) in text.chars().enumerate() {
        if at > 0 && at.is_multiple_of(COLUMNS) {
            pem.push('\n');
        }
        pem.push(character);
    }
    pem.push_str("\n-----END PRIVATE KEY-----\n");
    Ok(pem)
}

/// Tag, length, content; below 256 bytes.
fn element(tag: u8, content: &[u8]) -> Zeroizing<Vec<u8>> {
    let length = u8::try_from(content.len()).expect("invariant: keys of 32 bytes take less than 256");
    let mut bytes = Zeroizing::new(Vec::with_capacity(content.len() + 3));
    bytes.push(tag);
    if length >= 0x80 {
        bytes.push(0x81);
    }
    bytes.push(length);
    bytes.extend_from_slice(content);
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by OpenSSL 3.
    const ON_SECP256K1: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgEpB5i8YNJ8USV+9/h5h4\n\
yXrtrE+0Wftx+WH7ktHgMfyhRANCAAQ/192pzrHbeKOL8bWK/WhETHZL1Hp9Bdz3\n\
+A6J9udMQCY39CgsSlMj6ny1NHFX4Ctnf0SircdJznerYZDc9gHN\n\
-----END PRIVATE KEY-----\n";
    const ON_P256: &str = "\
-----BEGIN PRIVATE KEY-----\n\
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQglHa0wlJHJGqmtRq4\n\
ZX59x66gzQ4DSqkuC48ar/LcI9ahRANCAAQ82ZTIcz9uzJ/8qFMGKcdXQAZuKg4a\n\
l/9GWdFFGSG+wz/VoqgwdoNwWPrjOXP5d9ARjQaibppAiCqWGdMuwNXN\n\
-----END PRIVATE KEY-----\n";

    #[test]
    fn openssl_writes_the_same() {
        for (curve, secret, public, expected) in [
            (
                "secp256k1",
                "1290798bc60d27c51257ef7f879878c97aedac4fb459fb71f961fb92d1e031fc",
                "043fd7dda9ceb1db78a38bf1b58afd68444c764bd47a7d05dcf7f80e89f6e74c\
                 402637f4282c4a5323ea7cb5347157e02b677f44a2adc749ce77ab6190dcf601cd",
                ON_SECP256K1,
            ),
            (
                "p256",
                "9476b4c25247246aa6b51ab8657e7dc7aea0cd0e034aa92e0b8f1aaff2dc23d6",
                "043cd994c8733f6ecc9ffca8530629c75740066e2a0e1a97ff4659d1451921be\
                 c33fd5a2a83076837058fae33973f977d0118d06a26e9a40882a9619d32ec0d5cd",
                ON_P256,
            ),
        ] {
            let bytes = |text: &str| hex::decode(text.replace(' ', "")).unwrap();
            let pem = pkcs8(curve, &bytes(secret), &bytes(public)).unwrap();
            assert_eq!(pem.as_str(), expected);
        }
        let error = pkcs8("ed25519", &[1; 32], &[4; 65]).unwrap_err().to_string();
        assert!(error.contains("--format hex"), "{error}");
    }
}
