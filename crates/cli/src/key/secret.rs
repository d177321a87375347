//! Reads a private key that somebody imports: hexadecimal digits or PEM, from a file, a pipe or the terminal. Whatever
//! holds it here is wiped.

use std::path::Path;

use aws_lc_rs::encoding::{AsBigEndian as _, EcPrivateKeyBin};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P256K1_SHA256_FIXED_SIGNING, EcdsaKeyPair,
};
use base64ct::{Base64, Encoding as _};
use consign_api::{Curve, PrivateKey};
use consign_cggmp24::curve::{Curve as Group, P256, Point, Scalar, Secp256k1};
use consign_cggmp24::derivation::ethereum_address;
use console::Term;
use zeroize::Zeroizing;

use crate::failure::Failure;
use crate::files;

/// Longest file that is read, in bytes: a PEM file with parameters and comments is far shorter.
const MAX_FILE_BYTES: usize = 16 << 10;
/// Longest key in DER, in bytes.
const MAX_DER_BYTES: usize = 1 << 10;
/// Bytes of a private key.
const KEY_BYTES: usize = 32;
/// What PEM calls private keys: PKCS#8 and SEC 1.
const LABELS: [&str; 2] = ["PRIVATE KEY", "EC PRIVATE KEY"];

/// A private key, and the public one that must come out.
pub(super) struct Secret {
    pub(super) private_key: PrivateKey,
    /// Compressed SEC1, hexadecimal.
    pub(super) public_key: String,
    /// On secp256k1 only.
    pub(super) ethereum_address: Option<String>,
}

/// From the file, or standard input, or the terminal if that is one.
pub(super) fn read(from: Option<&Path>, curve: Curve) -> Result<Secret, Failure> {
    let terminal = Term::stderr();
    let text = if from.is_none() && std::io::IsTerminal::is_terminal(&std::io::stdin()) {
        terminal.write_str("Private key (64 hexadecimal digits, not shown): ")?;
        Zeroizing::new(terminal.read_secure_line()?.into_bytes())
    } else {
        files::read_secret(from.unwrap_or_else(|| Path::new("-")), MAX_FILE_BYTES)?
    };
    parse(&text, curve)
}

fn parse(text: &[u8], curve: Curve) -> Result<Secret, Failure> {
    let usage = |what: &str| Failure::Usage(what.to_owned());
    let text = std::str::from_utf8(text).map_err(|_| usage(NEITHER))?.trim();
    let bytes = match text.contains("-----BEGIN") {
        true => of_pem(text, curve)?,
        false => of_hex(text).ok_or_else(|| usage(NEITHER))?,
    };
    let names = match curve {
        Curve::Secp256k1 => {
            public_key::<Secp256k1>(&bytes).map(|key| (encoded(&key), ethereum_address(&key)))
        }
        Curve::P256 => public_key::<P256>(&bytes).map(|key| (encoded(&key), None)),
    };
    let (public_key, ethereum_address) =
        names.ok_or_else(|| usage("the private key is zero, or not below the order of the curve"))?;
    Ok(Secret { private_key: PrivateKey::new(bytes), public_key, ethereum_address })
}

const NEITHER: &str = "the private key is neither 64 hexadecimal digits nor a PEM file";

/// On the heap: moves leave no copies of it.
type Bytes = Box<Zeroizing<[u8; KEY_BYTES]>>;

fn of_hex(text: &str) -> Option<Bytes> {
    let mut bytes = Bytes::default();
    hex::decode_to_slice(text.strip_prefix("0x").unwrap_or(text), bytes.as_mut_slice()).ok()?;
    Some(bytes)
}

/// AWS-LC reads both forms, and finds out whether the key is one of the curve.
fn of_pem(text: &str, curve: Curve) -> Result<Bytes, Failure> {
    let usage = |what: String| Failure::Usage(what);
    let base64 = LABELS.iter().find_map(|label| between(text, label)).ok_or_else(|| {
        usage(
            "the PEM file holds no unencrypted private key: decrypt it first, as with `openssl pkey`"
                .to_owned(),
        )
    })?;
    let mut der = Zeroizing::new([0; MAX_DER_BYTES]);
    let der = Base64::decode(base64.as_bytes(), der.as_mut_slice())
        .map_err(|_| usage("the PEM file is damaged: its base64 does not decode".to_owned()))?;
    let algorithm = match curve {
        Curve::Secp256k1 => &ECDSA_P256K1_SHA256_FIXED_SIGNING,
        Curve::P256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
    };
    let other =
        |_| usage(format!("the PEM file holds no private key on {curve}: name its curve with --curve"));
    let pair = EcdsaKeyPair::from_private_key_der(algorithm, der).map_err(other)?;
    let number: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().map_err(Failure::from_error)?;
    let mut bytes = Bytes::default();
    let number = number.as_ref();
    let start = KEY_BYTES.checked_sub(number.len());
    let place = start.and_then(|start| bytes.get_mut(start..));
    place.ok_or_else(|| usage("the private key is longer than 32 bytes".to_owned()))?.copy_from_slice(number);
    Ok(bytes)
}

/// The base64 of the block with this label, without its line breaks.
fn between(text: &str, label: &str) -> Option<Zeroizing<String>> {
    let (_, rest) = text.split_once(&format!("-----BEGIN {label}-----"))?;
    let (body, _) = rest.split_once(&format!("-----END {label}-----"))?;
    let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
    base64.extend(body.chars().filter(|c| !c.is_ascii_whitespace()));
    Some(base64)
}

fn public_key<C: Group>(bytes: &[u8; KEY_BYTES]) -> Option<Point<C>> {
    let secret = Zeroizing::new(Scalar::<C>::from_bytes(bytes)?);
    (!secret.is_zero()).then(|| Point::mul_generator(&secret))
}

fn encoded<C: Group>(point: &Point<C>) -> String {
    hex::encode(point.to_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6979, A.2.5: a private key on P-256, and its public key.
    const SCALAR: &str = "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721";
    const POINT: &str = "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6";

    fn is_refused(text: &str, curve: Curve, why: &str) {
        let Err(Failure::Usage(said)) = parse(text.as_bytes(), curve) else { panic!("it was read") };
        assert!(said.contains(why) && !said.contains("c9af"), "{said}");
    }

    fn pem(label: &str, der: &[u8]) -> String {
        let base64 = Base64::encode_string(der);
        let (first, second) = base64.split_at(64.min(base64.len()));
        format!("# a comment\n-----BEGIN {label}-----\n{first}\n{second}\n-----END {label}-----\n")
    }

    #[test]
    fn digits_are_read() {
        for text in [SCALAR.to_owned(), format!(" 0x{}\n", SCALAR.to_uppercase())] {
            let secret = parse(text.as_bytes(), Curve::P256).unwrap();
            assert_eq!(
                (hex::encode(secret.private_key.expose()), secret.public_key.as_str()),
                (SCALAR.to_owned(), POINT)
            );
        }
        is_refused(&SCALAR[2..], Curve::P256, "64 hexadecimal digits");
        is_refused(&format!("{SCALAR}00"), Curve::P256, "64 hexadecimal digits");
        is_refused(&"0".repeat(64), Curve::P256, "zero");
        is_refused(&"f".repeat(64), Curve::Secp256k1, "order");
    }

    #[test]
    fn pem_is_read_on_its_curve() {
        for (curve, algorithm) in [
            (Curve::P256, &ECDSA_P256_SHA256_FIXED_SIGNING),
            (Curve::Secp256k1, &ECDSA_P256K1_SHA256_FIXED_SIGNING),
        ] {
            use aws_lc_rs::encoding::{AsDer as _, EcPrivateKeyRfc5915Der};
            let pair = EcdsaKeyPair::generate(algorithm).unwrap();
            let number: EcPrivateKeyBin<'_> = pair.private_key().as_be_bytes().unwrap();
            let sec1: EcPrivateKeyRfc5915Der<'_> = pair.private_key().as_der().unwrap();
            let pkcs8 = pair.to_pkcs8v1().unwrap();
            for text in [pem("PRIVATE KEY", pkcs8.as_ref()), pem("EC PRIVATE KEY", sec1.as_ref())] {
                let secret = parse(text.as_bytes(), curve).unwrap();
                assert_eq!(secret.private_key.expose().as_slice(), number.as_ref());
                let other = if curve == Curve::P256 { Curve::Secp256k1 } else { Curve::P256 };
                is_refused(&text, other, "--curve");
            }
        }
        is_refused(&pem("ENCRYPTED PRIVATE KEY", &[1; 80]), Curve::P256, "unencrypted");
        is_refused(&pem("PRIVATE KEY", &[1; 80]), Curve::P256, "--curve");
        is_refused(&pem("PRIVATE KEY", &[1; 80]).replace("AQEB", "A*EB"), Curve::P256, "damaged");
    }
}
