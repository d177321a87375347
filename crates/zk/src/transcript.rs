//! The one hash of the protocol: SHAKE256 over an injective encoding, for Fiat-Shamir challenges, commitments and
//! identifiers (`docs/spec/params.md`, section 1.5).
//!
//! Every item is written as `tag(1) ‖ length(8, big endian) ‖ bytes`, preceded by its label in the same form, so no
//! two different sequences of items give the same bytes. [`Purpose`] is the table of all uses: no stream is shared.

use consign_modexp::{BoxedUint, Modulus};
use crypto_bigint::Choice;
use shake::{ExtendableOutput, Shake256, Shake256Reader, Update, XofReader};

use crate::curve::{Curve, Point, Scalar};
use crate::integer::{Integer, minimal_bytes};
use crate::level::Level;
use crate::natural::Natural;

#[cfg(test)]
mod tests;

/// First item of every transcript.
const PROTOCOL: &[u8] = b"TSS-CGGMP24";
/// Version of the transcript encoding.
pub const VERSION: u16 = 1;
/// Draws before a challenge residue is given up; an honest modulus needs more with probability below 2^-256.
const MAX_UNIT_DRAWS: usize = 256;
/// Bytes reduced modulo `q` for a scalar challenge: 16 more than the order has, so the bias is below 2^-128.
const SCALAR_CHALLENGE_BYTES: usize = 48;

const TAG_TEXT: u8 = 1;
const TAG_BYTES: u8 = 2;
const TAG_INTEGER: u8 = 3;
const TAG_POINT: u8 = 4;
const TAG_SCALAR: u8 = 5;
const TAG_NUMBER: u8 = 6;
const TAG_COUNT: u8 = 7;
const TAG_ABSENT: u8 = 8;

/// Declares the table of purposes: one label each.
macro_rules! purposes {
    ($($(#[$doc:meta])* $name:ident => $label:literal,)*) => {
        /// What a transcript is for. One label per use, never shared.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Purpose { $($(#[$doc])* $name,)* }

        impl Purpose {
            /// Every purpose, for the test that labels are unique.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The label hashed in.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

purposes! {
    /// Session identifier before a key exists.
    Sid => "sid",
    /// Session identifier of a key's epoch.
    Ssid => "ssid",
    /// Session identifier of a change to another epoch.
    NextEpoch => "ssid/next",
    /// Session identifier of signing from a presignature.
    Online => "ssid/online",
    /// Subprotocol of a session.
    SubSession => "sub",
    /// Slot of a batch.
    Slot => "slot",
    /// Parameters of a proposed session.
    Proposal => "proposal",
    /// Nonce agreed in round 0.
    SessionNonce => "nonce",
    /// Identifier of auxiliary information.
    AuxId => "aux",
    /// Identifier of a key.
    KeyId => "key",
    /// Identifier of a presignature.
    PresignatureId => "presig",
    /// Commitment of key generation.
    CommitKeygen => "commit/keygen-t",
    /// Commitment of auxiliary information.
    CommitAux => "commit/aux",
    /// Commitment of a refresh.
    CommitRefresh => "commit/refresh",
    /// Commitment of a resharing, by a dealer.
    CommitReshareOld => "commit/reshare-old",
    /// Commitment of a resharing, by a receiver.
    CommitReshareNew => "commit/reshare-new",
    /// Mask of a share on its way to one party.
    ShareMask => "mask",
    /// Confirmation of key generation.
    KeygenDone => "done",
    /// Confirmation of auxiliary information.
    AuxDone => "aux-done",
    /// Confirmation of a refresh.
    RefreshDone => "refresh-done",
    /// Confirmation of a resharing.
    ReshareDone => "reshare-done",
    /// Hedged randomness of one session.
    Hedge => "hedge",
    /// Weights of a batch of equations; leaves no session.
    Weights => "weights",
    /// Schnorr proof.
    ProofSch => "proof/sch",
    /// Ring-Pedersen parameters.
    ProofPrm => "proof/prm",
    /// Paillier-Blum modulus.
    ProofMod => "proof/mod",
    /// No small factor.
    ProofFac => "proof/fac",
    /// Range of an encrypted value, same as in an ElGamal commitment.
    ProofEncElg => "proof/enc-elg",
    /// ElGamal commitment against a discrete logarithm.
    ProofElog => "proof/elog",
    /// Affine operation on a ciphertext.
    ProofAffG => "proof/aff-g",
    /// Affine operation on a ciphertext, convincing to everybody.
    ProofAffGStar => "proof/aff-g*",
    /// Decryption in the exponent.
    ProofDec => "proof/dec",
}

/// An absorbing hash state.
#[derive(Clone)]
pub struct Transcript {
    state: Shake256,
}

impl Transcript {
    /// Starts a transcript for one purpose.
    pub fn new(purpose: Purpose) -> Self {
        let mut transcript = Self { state: Shake256::default() };
        transcript.item(TAG_TEXT, PROTOCOL);
        transcript.state.update(&VERSION.to_be_bytes());
        transcript.item(TAG_TEXT, purpose.label().as_bytes());
        transcript
    }

    /// Absorbs level constants and the curve (item 1 of the list in 1.5).
    pub fn group<C: Curve>(&mut self, level: Level) -> &mut Self {
        let p = level.parameters();
        self.text("level", p.name);
        self.number("bits(N)", p.modulus_bits.into());
        self.number("ell", p.ell.into());
        self.number("epsilon", p.epsilon.into());
        self.number("ell'", p.ell_prime.into());
        self.number("m", p.repetitions as u64);
        self.number("sigma", p.sigma.into());
        self.text("curve", C::NAME);
        self.natural("q", &C::order());
        self.point("G", &Point::<C>::generator())
    }

    /// Absorbs text.
    pub fn text(&mut self, label: &str, text: &str) -> &mut Self {
        self.labelled(label, TAG_TEXT, text.as_bytes())
    }

    /// Absorbs bytes.
    pub fn bytes(&mut self, label: &str, bytes: &[u8]) -> &mut Self {
        self.labelled(label, TAG_BYTES, bytes)
    }

    /// Absorbs bytes that may be missing; missing differs from empty.
    pub fn optional(&mut self, label: &str, bytes: Option<&[u8]>) -> &mut Self {
        match bytes {
            Some(bytes) => self.bytes(label, bytes),
            None => self.labelled(label, TAG_ABSENT, &[]),
        }
    }

    /// Absorbs a small number.
    pub fn number(&mut self, label: &str, number: u64) -> &mut Self {
        self.labelled(label, TAG_NUMBER, &number.to_be_bytes())
    }

    /// Absorbs the length of a list; its items follow.
    pub fn count(&mut self, label: &str, count: usize) -> &mut Self {
        self.labelled(label, TAG_COUNT, &(count as u64).to_be_bytes())
    }

    /// Absorbs a public signed integer.
    pub fn integer(&mut self, label: &str, value: &Integer) -> &mut Self {
        self.labelled(label, TAG_INTEGER, &value.to_bytes_public())
    }

    /// Absorbs a public non-negative integer, as the signed encoding does.
    pub fn natural(&mut self, label: &str, value: &BoxedUint) -> &mut Self {
        let mut bytes = vec![0];
        bytes.extend_from_slice(&minimal_bytes(value));
        self.labelled(label, TAG_INTEGER, &bytes)
    }

    /// Absorbs a list of non-negative integers, with its length.
    pub fn naturals<'a>(
        &mut self,
        label: &str,
        values: impl ExactSizeIterator<Item = &'a Natural>,
    ) -> &mut Self {
        self.count(label, values.len());
        for value in values {
            self.natural(label, value.value());
        }
        self
    }

    /// Absorbs a point.
    pub fn point<C: Curve>(&mut self, label: &str, point: &Point<C>) -> &mut Self {
        self.labelled(label, TAG_POINT, &point.written())
    }

    /// Absorbs a list of points, with its length.
    pub fn points<'a, C: Curve>(
        &mut self,
        label: &str,
        points: impl ExactSizeIterator<Item = &'a Point<C>>,
    ) -> &mut Self {
        self.count(label, points.len());
        for point in points {
            self.point(label, point);
        }
        self
    }

    /// Absorbs a scalar.
    pub fn scalar<C: Curve>(&mut self, label: &str, scalar: &Scalar<C>) -> &mut Self {
        self.labelled(label, TAG_SCALAR, &scalar.to_bytes())
    }

    /// First 32 bytes of the stream.
    pub fn hash(&self) -> [u8; 32] {
        let mut hash = [0; 32];
        self.stream().read(&mut hash);
        hash
    }

    /// A scalar from 48 bytes of the stream, modulo `q`.
    pub fn challenge_scalar<C: Curve>(&self) -> Scalar<C> {
        let mut bytes = [0; SCALAR_CHALLENGE_BYTES];
        self.stream().read(&mut bytes);
        Scalar::from_wide(&bytes)
    }

    /// Uniform in `I(bits)`, by rejection.
    pub fn challenge_interval(&self, bits: u32) -> Integer {
        let length = (bits + 1).div_ceil(8);
        let mask = 0xff_u8 >> (length * 8 - (bits + 1));
        let half = power_of_two(bits - 1, bits + 1);
        let full = power_of_two(bits, bits + 1);
        let mut stream = self.stream();
        let mut bytes = vec![0; length as usize];
        loop {
            stream.read(&mut bytes);
            if let Some(top) = bytes.first_mut() {
                *top &= mask;
            }
            let candidate = BoxedUint::from_be_slice_vartime(&bytes);
            if candidate.cmp_vartime(&full).is_le() {
                return Integer::new(candidate, Choice::FALSE)
                    .sub(&Integer::from_natural(&half))
                    .trimmed_public();
            }
        }
    }

    /// `count` bits: bit `i` is bit `i mod 8` of stream byte `i / 8`.
    pub fn challenge_bits(&self, count: usize) -> Vec<bool> {
        let mut bytes = vec![0; count.div_ceil(8)];
        self.stream().read(&mut bytes);
        bytes.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).take(count).collect()
    }

    /// `count` uniform units modulo `n`, each from a stream of its own; `None` if one needs too many draws.
    pub fn challenge_units(&self, count: usize, n: &Modulus) -> Option<Vec<BoxedUint>> {
        // The first draws below n are the result if all are units, and one gcd tells whether they are.
        let first: Option<Vec<_>> = (0..count).map(|index| self.draw(index, n, |x| x.below(n))).collect();
        match first.filter(|first| n.are_units(&first.iter().collect::<Vec<_>>())) {
            Some(units) => Some(units),
            None => (0..count).map(|index| self.draw(index, n, |x| x.unit(n))).collect(),
        }
    }

    /// The first number of the bits of `n` that is accepted.
    fn draw(
        &self,
        index: usize,
        n: &Modulus,
        accept: impl Fn(&Natural) -> Option<BoxedUint>,
    ) -> Option<BoxedUint> {
        let mut own = self.clone();
        own.count("unit", index);
        let mut stream = own.stream();
        let length = n.bits().div_ceil(8);
        let mask = 0xff_u8 >> (length * 8 - n.bits());
        let mut bytes = vec![0; length as usize];
        (0..MAX_UNIT_DRAWS).find_map(|_| {
            stream.read(&mut bytes);
            if let Some(top) = bytes.first_mut() {
                *top &= mask;
            }
            accept(&Natural::new(&BoxedUint::from_be_slice_vartime(&bytes)))
        })
    }

    fn stream(&self) -> Shake256Reader {
        self.state.clone().finalize_xof()
    }

    fn labelled(&mut self, label: &str, tag: u8, bytes: &[u8]) -> &mut Self {
        self.item(TAG_TEXT, label.as_bytes());
        self.item(tag, bytes);
        self
    }

    fn item(&mut self, tag: u8, bytes: &[u8]) {
        self.state.update(&[tag]);
        self.state.update(&(bytes.len() as u64).to_be_bytes());
        self.state.update(bytes);
    }
}

fn power_of_two(exponent: u32, width: u32) -> BoxedUint {
    BoxedUint::one_with_precision(width)
        .overflowing_shl_vartime(exponent)
        .expect("invariant: the width holds the bit")
}
