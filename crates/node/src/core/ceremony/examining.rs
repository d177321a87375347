//! What a participant takes part in. It believes nothing the proposer says: it makes the proposal again from the
//! client's request and its own records, and compares.

use consign_api::ClientKey;
use consign_cggmp24::presign::MAX_BATCH;

use super::super::asked::{Asked, request_id};
use super::super::changes::receivers;
use super::super::hash::Hash;
use super::super::keys::Key;
use super::super::node::Node;
use super::super::proposal::{Kind, PROTOCOL_VERSION, Participant, Proposal};
use super::super::requests::{self, Free, Wanted, level_of};
use super::{Ceremony, DEADLINE_FACTOR, deadline_ms};
use crate::identity::NodeId;

/// Most changes of one proposer that this node confirmed without ever hearing that they are complete, until it takes
/// part in no other refresh of it: somebody withholds confirmations. The cure is a resharing without that one, proposed
/// by somebody else if need be: nobody uses up what others may propose.
const MAX_UNFINISHED_REFRESHES: usize = 16;
/// The same for resharings, which a new committee withholds; far more, since they are the cure.
const MAX_UNFINISHED: usize = 64;

impl Node {
    /// Whether this node takes part; if not, a sentence that says why.
    pub(in super::super) fn examine(&self, proposal: &Proposal) -> Result<Wanted, String> {
        self.examine_frame(proposal)?;
        let (asked, wanted) = Asked::parse(&proposal.request).ok_or("the request cannot be read")?;
        let key = wanted.key().and_then(|key| self.keys.get(&Hash(key.0))).filter(|key| key.is_active());
        asked.verify(&self.cluster()).map_err(|why| why.to_string())?;
        if asked.is_standing() {
            self.order_lets(proposal, &wanted, key)?;
        } else {
            self.may(asked.client(), &wanted, key)?;
        }
        let request = request_id(&proposal.cluster, &proposal.request);
        self.examine_request(request, &asked, &wanted, proposal.proposer)?;
        if let Some(key) = key.filter(|key| proposal.is_signing() && key.info().epoch() != proposal.epoch) {
            return Err(format!("the key is in epoch {} here, not {}", key.info().epoch(), proposal.epoch));
        }
        if let Some(key) = key.filter(|key| key.is_whole()) {
            self.examine_sharing_out(proposal, &wanted, key)?;
        }
        if !asked.is_standing() {
            self.policy_lets(&self.asking(proposal, &wanted))?;
            self.may_last(&asked, &wanted, key)?;
        }
        let expected = requests::draft(proposal.cluster, &proposal.request, &wanted, key, Free::of(proposal))
            .map_err(|e| e.to_string())?;
        if expected != *proposal {
            return Err("the proposal does not follow from the request".to_owned());
        }
        match (&wanted, key) {
            (Wanted::Key(_), _) => {
                self.examine_members(proposal, &proposal.participants)?;
                self.examine_keygen(proposal, request)?;
            }
            (Wanted::Signature(_) | Wanted::Presign(_), key) => {
                let key = key.filter(|key| key.share().is_some());
                self.examine_signing(proposal, key.ok_or("this node holds no active share of the key")?)?;
            }
            (Wanted::Refresh(_) | Wanted::Reshare(_), Some(key)) => self.examine_change(proposal, key)?,
            (Wanted::Refresh(_) | Wanted::Reshare(_), None) => {
                return Err("this node does not know the key".to_owned());
            }
        }
        Ok(wanted)
    }

    /// Whether this client may have this of this node; if not, a sentence that names the rule. None: nobody has signed
    /// for it. The only place where it is decided: asked at the node that a client talks to, and at every participant.
    pub(in super::super) fn may(
        &self,
        client: Option<ClientKey>,
        wanted: &Wanted,
        key: Option<&Key>,
    ) -> Result<(), String> {
        let Some(client) = client else {
            return if self.settings.require_clients || self.is_governed() {
                Err("this node does nothing that no client has signed: ask with a client key".to_owned())
            } else {
                Ok(())
            };
        };
        // One key, one purpose: what a node says to others must never pass for what a client asks.
        let is_node = NodeId::from_bytes(client.as_bytes()).is_ok_and(|id| self.admits(id) || id == self.me);
        if is_node {
            return Err(format!("{client} is the key of a node, not of a client"));
        }
        self.policy_refuses(client, wanted, key)
    }

    /// Whether a request may be brought here, for the first time or again: never twice what it has led to already, and
    /// never anything else under its name.
    fn examine_request(
        &self,
        request: Hash,
        asked: &Asked,
        wanted: &Wanted,
        proposer: NodeId,
    ) -> Result<(), String> {
        match self.requests.get(&request) {
            None if !asked.is_fresh(self.now.unix) => {
                Err("the request is not fresh: compare the clocks, then ask again".to_owned())
            }
            None if self.requests.is_forgotten(asked.created()) => {
                let text = "the request is not fresh: this node has no records of its time any more; ask again in a minute";
                Err(text.to_owned())
            }
            None => {
                let room = self.requests.room(proposer, self.me, self.now.monotonic);
                room.map_err(|why| why.to_string())
            }
            Some(record) if record.differs(asked.remembered().as_ref()) => {
                Err("the client has used this Idempotency-Key for another request".to_owned())
            }
            Some(record) if record.finished => Err("the request is already done".to_owned()),
            // Noted, and never begun: for all others it would be the first time.
            Some(record) if record.tries.is_empty() && !asked.is_fresh(self.now.unix) => {
                Err("the request is not fresh any more: sign it anew".to_owned())
            }
            Some(record) if record.is_worn_out(proposer) => {
                Err("the request was tried too often; make a new one".to_owned())
            }
            Some(_) if !asked.may_go_on(wanted, self.now.unix) => {
                Err("the request is not fresh any more: sign it anew".to_owned())
            }
            Some(_) => Ok(()),
        }
    }

    /// What does not depend on the request.
    fn examine_frame(&self, proposal: &Proposal) -> Result<(), String> {
        if proposal.cluster != self.cluster() {
            return Err("the proposal is for another cluster".to_owned());
        }
        if proposal.version != PROTOCOL_VERSION {
            let theirs = proposal.version;
            return Err(format!(
                "protocol version {theirs} is proposed, this node speaks {PROTOCOL_VERSION}"
            ));
        }
        // This node itself may be revoked: the committees that it sits in still reach it.
        if !self.is_member(proposal.proposer) {
            return Err("the proposer is not a member of the cluster".to_owned());
        }
        let mut concerned = proposal.participants.iter().map(|p| p.id).chain([proposal.proposer]);
        if let Some(shunned) = concerned.find(|id| self.shuns(*id)) {
            return Err(if self.culprits.contains(&shunned) {
                format!("{shunned} broke the protocol before, and this node has proof of it")
            } else {
                format!("the operator of this node has blocked {shunned}")
            });
        }
        let makes_moduli = proposal.aux.is_none();
        let slots = proposal.batch.clamp(1, MAX_BATCH) as usize;
        let work = proposal.signers.len().saturating_mul(slots);
        let needed = deadline_ms(proposal.kind, makes_moduli, work);
        if proposal.deadline_ms > needed.saturating_mul(DEADLINE_FACTOR) || level_of(proposal.level).is_none()
        {
            return Err("the deadline or the level is out of range".to_owned());
        }
        Ok(())
    }

    /// Whoever gets a share is in this node's own roster.
    fn examine_members(&self, proposal: &Proposal, members: &[Participant]) -> Result<(), String> {
        if let Some(p) = members.iter().find(|p| !self.is_member(p.id)) {
            return Err(format!("{} is not a member of the cluster here", p.id));
        }
        let mine = members.iter().any(|p| p.id == self.me);
        let makes_shares = matches!(proposal.kind, Kind::Keygen | Kind::Reshare);
        let covered = proposal.aux.is_some_and(|aux| self.aux_fits(&aux, proposal, members));
        if makes_shares && mine && !covered {
            return Err("this node has no such auxiliary information for the committee".to_owned());
        }
        Ok(())
    }

    fn examine_signing(&self, proposal: &Proposal, key: &Key) -> Result<(), String> {
        if let Some(reason) = self.held() {
            return Err(reason);
        }
        if proposal.kind == Kind::Online {
            return self.examine_spending(proposal);
        }
        if proposal.aux.is_none_or(|aux| !self.aux.contains_key(&aux)) {
            return Err("this node lacks the auxiliary information of the key".to_owned());
        }
        if proposal.kind == Kind::Presign {
            self.may_presign(key, proposal.proposer, proposal.batch, Some(proposal.hash()))?;
        }
        Ok(())
    }

    fn examine_keygen(&self, proposal: &Proposal, request: Hash) -> Result<(), String> {
        if self.keys.values().any(|key| key.request() == request) {
            return Err("this node has already confirmed a key for the request".to_owned());
        }
        let other = |c: &Ceremony| c.request == request && c.proposal.kind == Kind::Keygen;
        if proposal.kind == Kind::Keygen && self.others_run(proposal, other) {
            return Err("this node already makes a key for the request".to_owned());
        }
        Ok(())
    }

    /// An imported key that is still in one place is shared out, by whom it was imported, and nothing else.
    fn examine_sharing_out(&self, proposal: &Proposal, wanted: &Wanted, key: &Key) -> Result<(), String> {
        if !matches!(wanted, Wanted::Reshare(_)) {
            return Err("the private key is still in one place: it must be shared out first".to_owned());
        }
        if !key.is_held_by(proposal.proposer) {
            return Err("only the dealer of an imported key shares it out".to_owned());
        }
        Ok(())
    }

    /// A change starts from the epoch in force here, under a number that was never used here, one at a time.
    fn examine_change(&self, proposal: &Proposal, key: &Key) -> Result<(), String> {
        let members = match proposal.kind {
            Kind::Refresh => proposal.participants.clone(),
            Kind::Keygen
            | Kind::Aux
            | Kind::Sign
            | Kind::Reshare
            | Kind::Presign
            | Kind::Online
            | Kind::Import => receivers(proposal).unwrap_or_default(),
        };
        // A refresh gives nobody a share who has none: its holders may have left the roster.
        if proposal.kind != Kind::Refresh {
            self.examine_members(proposal, &members)?;
        }
        if !proposal.is_change() {
            return Ok(());
        }
        let deals = match proposal.kind {
            Kind::Refresh => true,
            Kind::Keygen
            | Kind::Aux
            | Kind::Sign
            | Kind::Reshare
            | Kind::Presign
            | Kind::Online
            | Kind::Import => {
                key.holders().iter().any(|h| h.id == self.me && proposal.signers.contains(&h.index))
            }
        };
        if deals && key.share().is_none() {
            return Err("this node holds no active share of the key".to_owned());
        }
        if proposal.kind == Kind::Refresh && proposal.aux.is_some_and(|aux| !self.aux.contains_key(&aux)) {
            return Err("this node lacks the auxiliary information of the key".to_owned());
        }
        let receives = members.iter().any(|p| p.id == self.me);
        if deals || receives {
            key.accepts(proposal.epoch, self.now.unix).map_err(|e| e.to_string())?;
        }
        let most = if proposal.kind == Kind::Refresh { MAX_UNFINISHED_REFRESHES } else { MAX_UNFINISHED };
        // Who only deals keeps no share that could turn out to be in force.
        if receives && key.unfinished_of(proposal.proposer) >= most {
            return Err(
                "too many changes of the key that this proposer wanted were never completed: reshare it \
                        without those who are silent"
                    .to_owned(),
            );
        }
        let other = |c: &Ceremony| {
            c.proposal.is_change() && c.proposal.key == proposal.key && !self.gives_way(c, proposal)
        };
        if self.others_run(proposal, other) {
            return Err("this node takes part in another change of the key; try again".to_owned());
        }
        Ok(())
    }

    /// Whether another ceremony of this sort is under way.
    pub(in super::super) fn others_run(&self, proposal: &Proposal, sort: impl Fn(&Ceremony) -> bool) -> bool {
        let hash = proposal.hash();
        self.ceremonies.iter().any(|(id, c)| *id != hash && !c.is_over() && sort(c))
    }

    /// Whether these moduli are here and serve these members at the level.
    fn aux_fits(&self, aux: &Hash, proposal: &Proposal, members: &[Participant]) -> bool {
        self.aux.get(aux).is_some_and(|record| {
            let public = record.aux.public();
            Some(public.level) == level_of(proposal.level)
                && public.covers(members.iter().map(|p| p.id.as_bytes()))
        })
    }
}
