//! The records a new store starts with: an identity, and a cluster of its own, an invitation to one, or where to ask.

use consign_api as api;
use consign_cggmp24::aux_info::Primes;

use super::invitation::Invitation;
use super::joining::{Door, Home};
use super::node::OpenError;
use super::records::{BadRecord, CHARTER, DOOR, GOVERNED, INVITATION, POLICY, SEED, decode, encode};
use super::requests::level_number;
use super::roster::Charter;
use crate::identity::{ClusterId, Identity, NodeId};
use crate::store::{Store, StoreError, Table, Write};

/// No identity could be read from a store.
#[derive(Debug, thiserror::Error)]
pub enum NoIdentity {
    /// The store could not be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// There is none.
    #[error("the store holds no identity: run `consign init` or `consign join` on a new folder")]
    Missing,
    /// It is damaged.
    #[error("the stored identity: {0}")]
    Bad(#[from] BadRecord),
}

/// A new cluster with this node as its only founder.
#[must_use]
pub fn founder(identity: &Identity, now_unix: u64, salt: [u8; 16]) -> Vec<Write> {
    let me = identity.node_id();
    let charter =
        Charter { founders: vec![me], members: vec![me], created: now_unix, salt, predecessor: None };
    cofounder(identity, &charter)
}

/// A cluster whose first charter is given: all founders must have the same.
#[must_use]
pub fn cofounder(identity: &Identity, charter: &Charter) -> Vec<Write> {
    vec![seed(identity), Write::put(Table::Roster, CHARTER, encode(charter))]
}

/// A node that uses the invitation when it starts.
#[must_use]
pub fn joiner(identity: &Identity, invitation: &Invitation) -> Vec<Write> {
    vec![seed(identity), Write::put(Table::Meta, INVITATION, encode(invitation))]
}

/// A node that asks to be let in when it starts, and waits for a vouch.
#[must_use]
pub fn asker(identity: &Identity, door: &Door) -> Vec<Write> {
    vec![seed(identity), Write::put(Table::Meta, DOOR, encode(door))]
}

/// Reads the identity back.
///
/// # Errors
/// [`NoIdentity`].
pub fn identity(store: &dyn Store) -> Result<Identity, NoIdentity> {
    let value = store.get(Table::Identity, SEED)?.ok_or(NoIdentity::Missing)?;
    let seed = zeroize::Zeroizing::new(decode::<[u8; 32]>(&value)?);
    Ok(Identity::from_seed(&seed))
}

/// The cluster of a store: its own, or the one it is invited to.
///
/// # Errors
/// [`OpenError`], as of [`Node::open`](super::Node::open).
pub fn cluster(store: &dyn Store) -> Result<ClusterId, OpenError> {
    Ok(Home::read(store)?.cluster())
}

/// What the node of a store calls itself, if it has told anybody.
///
/// # Errors
/// [`OpenError`], as of [`Node::open`](super::Node::open).
pub fn name(store: &dyn Store, me: NodeId) -> Result<Option<String>, OpenError> {
    let home = Home::read(store)?;
    Ok(home.roster().and_then(|roster| roster.record(me)).map(|record| record.name))
}

/// Whether the node of a store had a policy when it ran last, and so does not start without.
///
/// # Errors
/// [`StoreError`].
pub fn had_policy(store: &dyn Store) -> Result<bool, StoreError> {
    Ok(store.get(Table::Meta, GOVERNED)?.is_some())
}

/// The text of the policy that the node of a store has adopted last; nothing where it has none.
///
/// # Errors
/// [`OpenError`].
pub fn adopted_policy(store: &dyn Store) -> Result<Option<String>, OpenError> {
    let what = "the policy that was in force";
    let text = store.get(Table::Meta, POLICY)?.map(|value| decode(&value)).transpose();
    text.map_err(|source| OpenError::Record { what, source })
}

/// Primes made elsewhere, for the pool of this node. `name` is random; each set of primes serves one node once.
#[must_use]
pub fn primes(level: api::Level, primes: &Primes, name: [u8; 16]) -> Write {
    pooled(level_number(level), &primes.encode(), name)
}

/// A record of the pool: its key begins with the level.
pub(super) fn pooled(level: u16, primes: &[u8], name: [u8; 16]) -> Write {
    Write::put(Table::Primes, [&level.to_be_bytes()[..], &name].concat(), encode(&primes))
}

fn seed(identity: &Identity) -> Write {
    Write::put(Table::Identity, SEED, encode(&*identity.expose_seed()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::memory::Memory;

    #[test]
    fn the_identity_comes_back() {
        let mut store = Memory::new();
        assert!(matches!(identity(&store), Err(NoIdentity::Missing)));
        let me = Identity::from_seed(&[3; 32]);
        store.apply(&founder(&me, 5, [1; 16])).unwrap();
        assert_eq!(identity(&store).unwrap().node_id(), me.node_id());
    }
}
