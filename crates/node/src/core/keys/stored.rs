//! A key's records: its own, and one for each pending share.

use std::sync::Arc;

use consign_cggmp24::activation::Ledger;
use consign_cggmp24::key::KeyInfo;
use zeroize::Zeroizing;

use super::super::chain::Step;
use super::super::curves::{Info, NodeCurve, PendingShare, Share, curve_of, on_curve};
use super::super::hash::Hash;
use super::super::proposal::{Accept, Proposal};
use super::super::records::{BadRecord, decode, decode_begin, decode_end, encode};
use super::{Key, Origin, Waiting};
use crate::identity::NodeId;
use crate::store::{Table, Value, Write};

/// The stored form of a key begins with this: share or nothing, first epoch, proposal, which names the curve.
type Head = (Option<Vec<u8>>, Vec<u8>, Proposal);

/// What follows: accepts, confirmations, chain, earlier epochs, ledger, request.
type Tail<C> = (Vec<Accept>, Option<Vec<u8>>, Vec<Step<C>>, Vec<KeyInfo<C>>, Ledger, Option<Hash>);

/// The stored form of a pending share: itself, the request that asked for it, who proposed it.
type StoredWaiting = (Vec<u8>, Hash, NodeId);

impl Key {
    /// Reads a record, without the pending shares.
    pub(in super::super) fn read(value: &Value) -> Result<Self, BadRecord> {
        let ((share, info, proposal), rest): (Head, _) = decode_begin(value)?;
        let share = share.map(Zeroizing::new);
        let curve = curve_of(&proposal).map_err(|_| BadRecord)?;
        let share = share.map(|bytes| Share::read(curve, &bytes).map(Arc::new)).transpose()?;
        let info = Info::decode(curve, &info).ok_or(BadRecord)?;
        on_curve!(C: curve => Self::from_parts::<C>(share, info, proposal, decode_end(rest)?))
    }

    fn from_parts<C: NodeCurve>(
        share: Option<Arc<Share>>,
        info: Info,
        proposal: Proposal,
        (accepts, set, chain, past, ledger, latest): Tail<C>,
    ) -> Result<Self, BadRecord> {
        let origin = Origin::new(info, Arc::new(proposal), accepts).ok_or(BadRecord)?;
        let chain = chain.into_iter().map(C::any).collect();
        let key = Self::new(Origin { set, ..origin }, chain, share, ledger);
        let past = past.into_iter().map(C::any).collect();
        let fits = key.share.as_ref().is_none_or(|share| share.info() == key.info());
        if fits { Ok(Self { past, latest, ..key }) } else { Err(BadRecord) }
    }

    /// Reads the record of a pending share.
    pub(in super::super) fn read_pending(&mut self, value: &Value) -> Result<(), BadRecord> {
        let (bytes, request, proposer): StoredWaiting = decode(value)?;
        let pending = PendingShare::read(self.info().curve(), &Zeroizing::new(bytes))?;
        if pending.info().key_id() != self.id() {
            return Err(BadRecord);
        }
        self.pendings.insert(pending.info().epoch_id(), Waiting { pending, request, proposer });
        Ok(())
    }

    /// The write that makes it durable.
    pub(in super::super) fn write(&self) -> Write {
        let Origin { proposal, accepts, info, set, .. } = &self.origin;
        let share = self.share.as_ref().map(|share| share.encode());
        let share = share.as_ref().map(|bytes| bytes.as_slice());
        let info = info.as_ref().encode();
        let record =
            (share, info, &**proposal, accepts, set, &self.chain, &self.past, &self.ledger, self.latest);
        Write::put(Table::Keys, self.id().0, encode(&record))
    }
}
