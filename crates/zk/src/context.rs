//! What every proof binds besides its statement: session, role, round, prover and verifier.

use serde::{Deserialize, Serialize};

use crate::curve::Curve;
use crate::level::Level;
use crate::transcript::{Purpose, Transcript};

/// Declares the table of roles: which proof use in which protocol.
macro_rules! roles {
    ($($(#[$doc:meta])* $name:ident => $label:literal,)*) => {
        /// The use a proof is made for. A proof for one role never verifies in another.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum Role { $($(#[$doc])* $name,)* }

        impl Role {
            /// Every role, for the test that labels are unique.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            /// The label hashed in.
            pub const fn label(self) -> &'static str {
                match self { $(Self::$name => $label,)* }
            }
        }
    };
}

roles! {
    /// Schnorr proof of the final key share.
    KeyShare => "keygen/share",
    /// Schnorr proof of a refreshed key share.
    RefreshedShare => "refresh/share",
    /// Schnorr proof of a key share dealt to a new committee.
    ResharedShare => "reshare/share",
    /// Ring-Pedersen parameters of auxiliary information.
    AuxPrm => "aux/prm",
    /// Paillier modulus of auxiliary information.
    AuxMod => "aux/mod",
    /// Factors of the Paillier modulus, for one verifier.
    AuxFac => "aux/fac",
    /// `K_i` encrypts what `A_i` commits to.
    Psi0 => "psi0",
    /// `G_i` encrypts what `B_i` commits to.
    Psi1 => "psi1",
    /// `Gamma_i` is the logarithm `B_i` commits to.
    Elog => "elog",
    /// `D_{j,i}` multiplies `K_j` by `gamma_i`.
    Psi => "psi",
    /// `D^_{j,i}` multiplies `K_j` by `x_i`.
    PsiHat => "psi_hat",
    /// `Delta_i` has the logarithm `A_i` commits to.
    ElogPrime => "elog_prime",
    /// Alert of the nonce: `delta_i` is what the responses add up to.
    AlertNonce => "alert/nonce/dec",
    /// Alert of the nonce: `D_{j,i}` and `F_{j,i}`, for everybody.
    AlertNonceResponse => "alert/nonce/aff-g*",
    /// Alert of the key: `S_i` is what the responses add up to.
    AlertKey => "alert/key/dec",
    /// Alert of the key: `D^_{j,i}` and `F^_{j,i}`, for everybody.
    AlertKeyResponse => "alert/key/aff-g*",
}

// DEVIATION 14: more than session and prover.
/// Binding of one proof. Indices are those of the session's participant list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context<'a> {
    /// Security level.
    pub level: Level,
    /// `sid`, `ssid` or `ssid_b`.
    pub session: &'a [u8; 32],
    /// Use of the proof.
    pub role: Role,
    /// Round of the protocol in which it travels.
    pub round: u8,
    /// Who proves.
    pub prover: u16,
    /// For whom; `None` for proofs to everybody.
    pub verifier: Option<u16>,
    /// Joint randomness fixed by earlier commitments, where the protocol has some.
    pub rid: Option<&'a [u8; 32]>,
}

impl Context<'_> {
    /// Starts the challenge transcript of a proof: items 1 to 4 of the list in `params.md` 1.5.
    pub fn transcript<C: Curve>(&self, proof: Purpose) -> Transcript {
        let mut transcript = Transcript::new(proof);
        transcript
            .group::<C>(self.level)
            .bytes("ssid", self.session)
            .text("role", self.role.label())
            .number("round", self.round.into())
            .number("prover", self.prover.into())
            .optional("verifier", self.verifier.map(u16::to_be_bytes).as_ref().map(<[u8; 2]>::as_slice))
            .optional("rid", self.rid.map(<[u8; 32]>::as_slice));
        transcript
    }
}
