//! What all holders agreed on before a refresh.

use consign_rounds::SessionId;
use consign_zk::curve::Curve;
use thiserror::Error;

use crate::aux_info::{AuxError, AuxPublic};
use crate::key::{KeyError, KeyInfo};
use crate::parties::Parties;
use crate::ssid::{Change, ProtocolKind};

/// The key as it is, and the epoch to make. Public data only.
#[derive(Clone, Debug)]
pub struct Public<C: Curve> {
    base: KeyInfo<C>,
    epoch: u64,
    kept_aux: Option<[u8; 32]>,
}

/// Why a refresh cannot start: the caller's mistake or unfit stored data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RefreshError {
    /// The key contradicts itself.
    #[error("the key is unusable: {0}")]
    Key(#[from] KeyError),
    /// The new epoch does not come after the old one.
    #[error("the new epoch must have a larger number than {0}")]
    Epoch(u64),
    /// The auxiliary information to keep is not of all holders, or of another level.
    #[error("the auxiliary information does not cover the holders of the key")]
    Aux,
    /// The share is of another key or epoch.
    #[error("the key share is not of the agreed key and epoch")]
    OtherKey,
    /// New moduli need unused primes; kept ones take none.
    #[error("primes are needed exactly if the moduli are renewed")]
    Primes,
    /// The primes are unusable.
    #[error("the primes are unusable: {0}")]
    BadPrimes(AuxError),
}

impl<C: Curve> Public<C> {
    /// Shares and moduli are renewed: what was read of either before is worthless afterwards.
    pub fn new(base: KeyInfo<C>, epoch: u64) -> Result<Self, RefreshError> {
        base.validate_shared()?;
        if epoch <= base.epoch {
            return Err(RefreshError::Epoch(base.epoch));
        }
        Ok(Self { base, epoch, kept_aux: None })
    }

    /// Shares are renewed, the moduli in `aux` stay.
    ///
    /// **Not proactive**: whoever once read the factors of all signers' moduli, at different times, reads every nonce
    /// from recorded and future messages, and so the key (attack A-79).
    pub fn keeping_moduli(base: KeyInfo<C>, epoch: u64, aux: &AuxPublic) -> Result<Self, RefreshError> {
        let fits = aux.is_genuine()
            && aux.level == base.level
            && aux.covers(base.parties.iter().map(|(_, identity)| identity));
        if !fits {
            return Err(RefreshError::Aux);
        }
        Ok(Self { kept_aux: Some(aux.aux_id), ..Self::new(base, epoch)? })
    }

    /// The key as it is.
    pub fn base(&self) -> &KeyInfo<C> {
        &self.base
    }

    /// The holders, who are the session's parties.
    pub fn parties(&self) -> &Parties {
        &self.base.parties
    }

    /// Number of the epoch to make.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the session makes new moduli.
    pub fn renews(&self) -> bool {
        self.kept_aux.is_none()
    }

    /// The auxiliary information that stays, if it does.
    pub fn kept_aux(&self) -> Option<&[u8; 32]> {
        self.kept_aux.as_ref()
    }

    /// The session identifier for a nonce that nobody picked alone.
    pub fn session(&self, nonce: &[u8; 32]) -> SessionId {
        let change = Change {
            kind: ProtocolKind::Refresh,
            base: &self.base,
            epoch: self.epoch,
            aux_id: self.kept_aux(),
            dealers: self.parties(),
            holders: self.parties(),
            threshold: self.base.threshold,
        };
        change.session(self.parties(), nonce)
    }
}
