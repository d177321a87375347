//! Paths such as `m/0/5`: which child of which child of a key.

use core::fmt;
use core::str::FromStr;

use consign_zk::transcript::Transcript;
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Most steps of a path. BIP-32 could number 255; wallets use five.
pub const MAX_DEPTH: usize = 16;
/// Longest text of a path: `m`, then a slash and at most ten digits per step.
pub const MAX_PATH_BYTES: usize = 1 + 11 * MAX_DEPTH;
/// Indices from here on are hardened (BIP-32).
pub const FIRST_HARDENED: u32 = 1 << 31;

/// A path of unhardened steps, at most [`MAX_DEPTH`]; `m` is the key itself. One spelling per path.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "Vec<u32>", into = "Vec<u32>")]
pub struct Path(Vec<u32>);

/// What is no path that can be derived.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PathError {
    /// It does not begin with `m`.
    #[error("a path begins with `m`, for example m/0/5; `m` alone is the key itself")]
    Start,
    /// A step is no number.
    #[error("step {step} of the path is not a whole number below 2147483648, written without leading zeros")]
    Step {
        /// Counted from 1.
        step: usize,
    },
    /// A step is marked as hardened, or its number is.
    #[error(
        "step {step} of the path is hardened: that needs the secret key in one piece, which exists nowhere; use an \
         unhardened step"
    )]
    Hardened {
        /// Counted from 1.
        step: usize,
    },
    /// Too many steps.
    #[error("a path has at most {MAX_DEPTH} steps")]
    Depth,
}

impl Path {
    /// The key itself.
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// The steps, from the key on.
    pub fn steps(&self) -> &[u32] {
        &self.0
    }

    /// Whether this is the key itself.
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// Absorbs the steps.
    pub(crate) fn absorb(&self, transcript: &mut Transcript) {
        transcript.count("path", self.0.len());
        for step in &self.0 {
            transcript.number("step", (*step).into());
        }
    }
}

impl TryFrom<Vec<u32>> for Path {
    type Error = PathError;

    fn try_from(steps: Vec<u32>) -> Result<Self, PathError> {
        if steps.len() > MAX_DEPTH {
            return Err(PathError::Depth);
        }
        match steps.iter().position(|step| *step >= FIRST_HARDENED) {
            Some(before) => Err(PathError::Hardened { step: before + 1 }),
            None => Ok(Self(steps)),
        }
    }
}

impl From<Path> for Vec<u32> {
    fn from(path: Path) -> Self {
        path.0
    }
}

impl FromStr for Path {
    type Err = PathError;

    fn from_str(text: &str) -> Result<Self, PathError> {
        let mut parts = text.split('/');
        if parts.next() != Some("m") {
            return Err(PathError::Start);
        }
        let mut steps = Vec::new();
        for part in parts {
            if steps.len() == MAX_DEPTH {
                return Err(PathError::Depth);
            }
            steps.push(parse_step(part, steps.len() + 1)?);
        }
        Self::try_from(steps)
    }
}

/// One step, `step` counted from 1.
fn parse_step(part: &str, step: usize) -> Result<u32, PathError> {
    let digits = part.strip_suffix(['\'', 'h', 'H']);
    let number = digits.unwrap_or(part);
    let one_spelling =
        number.bytes().all(|b| b.is_ascii_digit()) && (number == "0" || !number.starts_with('0'));
    let index = number.parse::<u32>().ok().filter(|_| one_spelling);
    match index {
        Some(index) if digits.is_none() && index < FIRST_HARDENED => Ok(index),
        Some(_) => Err(PathError::Hardened { step }),
        None => Err(PathError::Step { step }),
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("m")?;
        self.0.iter().try_for_each(|step| write!(f, "/{step}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_one_spelling() {
        for (text, steps) in [
            ("m", &[][..]),
            ("m/0", &[0]),
            ("m/0/5", &[0, 5]),
            ("m/2147483647/10/1000000000", &[2_147_483_647, 10, 1_000_000_000]),
        ] {
            let path: Path = text.parse().expect(text);
            assert_eq!((path.steps(), path.to_string().as_str()), (steps, text));
            assert_eq!(path.is_root(), steps.is_empty());
            assert_eq!(Path::try_from(steps.to_vec()), Ok(path));
        }
        for text in ["", "M/0", "/m", "0/5", " m", "m ", "n/1"] {
            assert_eq!(text.parse::<Path>(), Err(PathError::Start), "{text}");
        }
        for text in [
            "m/",
            "m/0//5",
            "m/00",
            "m/05",
            "m/+1",
            "m/-1",
            "m/1 ",
            "m/x",
            "m/4294967296",
            "m/h",
            "m/'",
            "m/٣",
        ] {
            assert!(matches!(text.parse::<Path>(), Err(PathError::Step { .. })), "{text}");
        }
    }

    ///
    #[test]
    fn hardened_steps_are_refused_by_name() {
        for (text, step) in [
            ("m/0'", 1),
            ("m/0h/1", 1),
            ("m/0/1H", 2),
            ("m/44'/0'/0'", 1),
            ("m/2147483648", 1),
            ("m/1/4294967295", 2),
        ] {
            assert_eq!(text.parse::<Path>(), Err(PathError::Hardened { step }), "{text}");
        }
        assert!("m/0'".parse::<Path>().unwrap_err().to_string().contains("hardened"));
        assert_eq!(Path::try_from(vec![3, FIRST_HARDENED]), Err(PathError::Hardened { step: 2 }));
    }

    #[test]
    fn a_path_has_a_greatest_depth_and_length() {
        let longest = format!("m{}", "/2147483647".repeat(MAX_DEPTH));
        assert_eq!(longest.len(), MAX_PATH_BYTES);
        assert_eq!(longest.parse::<Path>().unwrap().steps().len(), MAX_DEPTH);
        assert_eq!(format!("{longest}/0").parse::<Path>(), Err(PathError::Depth));
        assert_eq!(Path::try_from(vec![0; MAX_DEPTH + 1]), Err(PathError::Depth));
    }

    #[test]
    fn bytes_obey_the_same_rules() {
        let path: Path = "m/0/5".parse().unwrap();
        let bytes = consign_rounds::encode(&path);
        assert_eq!(consign_rounds::decode::<Path>(&bytes, 100).unwrap(), path);
        let hardened = consign_rounds::encode(&vec![FIRST_HARDENED]);
        assert!(consign_rounds::decode::<Path>(&hardened, 100).is_err());
    }
}
