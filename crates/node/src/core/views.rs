//! What the API shows: answers to everything that only asks.

use consign_api as api;
use consign_cggmp24::derivation::Path;

use super::asked::Asked;
use super::curves::{PublicKey, Signed};
use super::exports::Export;
use super::hash::Hash;
use super::joining::Home;
use super::keys::Key;
use super::node::Node;
use super::pages::page;
use super::proposal::{Kind, Proposal};
use super::requests::Wanted;
use super::roster::Roster;
use super::{CallId, Level, Output};
use crate::identity::NodeId;

/// The API's writing of an id.
pub(super) fn api_id(id: NodeId) -> api::NodeId {
    api::NodeId(*id.as_bytes())
}

/// The API's writing of a key's id.
pub(super) fn api_key(id: Hash) -> api::KeyId {
    api::KeyId(id.0)
}

/// The first digits of an id, for sentences.
pub(super) fn short(id: NodeId) -> String {
    api_id(id).short()
}

/// A signature with what is needed to use it.
pub(super) fn signature_view(
    request: Hash,
    proposal: &Proposal,
    public_key: &PublicKey,
    signature: &Signed,
    signers: Vec<api::Member>,
) -> Option<api::SignatureView> {
    let (_, wanted) = Asked::parse(&proposal.request)?;
    let Wanted::Signature(sign) = wanted else { return None };
    let (r, s) = signature.parts();
    Some(api::SignatureView {
        key: sign.key,
        path: sign.path.clone(),
        public_key: hex::encode(public_key.sec1()),
        ceremony: api::CeremonyId(request.0),
        hash: sign.target.hash(),
        digest: hex::encode(sign.target.digest()),
        der: hex::encode(der(&r, &s)),
        r: hex::encode(r),
        s: hex::encode(s),
        recovery_id: signature.shown_recovery_id(),
        signers,
        presigned: proposal.kind == Kind::Online,
    })
}

/// `SEQUENCE { INTEGER r, INTEGER s }` (SEC 1, appendix C.5). Both are below 2^256, so all lengths fit one byte.
pub(super) fn der(r: &[u8], s: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let digits: Vec<u8> = bytes.iter().copied().skip_while(|b| *b == 0).collect();
        let pad = digits.first().is_none_or(|b| *b >= 0x80);
        let body = [if pad { &[0][..] } else { &[] }, &digits].concat();
        [&[0x02, short_length(&body)][..], &body].concat()
    };
    let body = [integer(r), integer(s)].concat();
    [&[0x30, short_length(&body)][..], &body].concat()
}

fn short_length(body: &[u8]) -> u8 {
    u8::try_from(body.len()).ok().filter(|n| *n < 0x80).expect("invariant: two numbers below 2^256 are short")
}

impl Node {
    /// A client's call.
    pub(super) fn asked(&mut self, call: CallId, request: api::Request) {
        let named = self.key_in(&request);
        if named.is_some_and(|key| self.look_up(call, Hash(key.0), &request)) {
            return;
        }
        let reply = match request {
            api::Request::CreateKey(create) => return self.begin(call, Wanted::Key(create)),
            api::Request::Sign(sign) => return self.begin(call, Wanted::Signature(sign)),
            api::Request::Presign(presign) => return self.begin(call, Wanted::Presign(presign)),
            api::Request::Refresh(refresh) => return self.begin(call, Wanted::Refresh(refresh)),
            api::Request::Reshare(reshare) => return self.begin(call, Wanted::Reshare(reshare)),
            api::Request::Signed(signed) => return self.begin_signed(call, &signed),
            api::Request::By(client, request) => return self.asked_by(call, client, *request),
            api::Request::ImportKey(import) => return self.import(call, &import),
            api::Request::DiscardKey(discard) => return self.discard(call, &discard),
            api::Request::Invite(invite) => return self.invite(call, invite.valid_for),
            api::Request::Decide(decision) => return self.decide(call, decision),
            api::Request::ProposeCharter(wanted) => return self.propose_charter(call, &wanted),
            api::Request::SignCharter(wanted) => return self.sign_charter(call, &wanted),
            api::Request::SwitchCharter(charter) => return self.switch_charter(call, charter),
            api::Request::SendMessage(wanted) => return self.send_letter(call, wanted),
            api::Request::ListMessages(query) => Ok(self.list_letters(&query)),
            api::Request::ShowCharter => {
                self.charter_view().map(api::Reply::Charter).ok_or_else(|| self.not_joined())
            }
            api::Request::DecideApproval(decide) => return self.decide_approval(call, &decide),
            api::Request::ListApprovals => Ok(self.list_approvals()),
            api::Request::ListKeys(query) => self.list_keys_of(None, &query),
            api::Request::ShowKey(key) => {
                self.key_view(&Hash(key.0)).map(api::Reply::Key).ok_or_else(not_here)
            }
            api::Request::ShowCertificate(key) => self.show_certificate(key, not_here),
            api::Request::ListCeremonies(query) => self.list_ceremonies_of(None, &query),
            api::Request::ShowCeremony(id) => {
                self.ceremony_view(&Hash(id.0)).map(api::Reply::Ceremony).ok_or_else(|| {
                    let text = "This node knows no such ceremony; ask a node that takes part in it.";
                    api::Problem::new(api::ProblemKind::UnknownCeremony, text).about(id)
                })
            }
            api::Request::ListEvidence(query) => self.list_evidence_of(None, &query),
            api::Request::ShowEvidence(id) => self.show_evidence(id),
            api::Request::ListValidators => Ok(api::Reply::Validators(self.validators())),
            api::Request::ShowNode => self.node_view(),
            api::Request::Health => Ok(api::Reply::Health(api::HealthView::ok())),
            api::Request::Count => Ok(api::Reply::Counts(self.counts())),
            api::Request::Ready => self.ready(),
        };
        self.out.push(Output::Reply(call, reply.unwrap_or_else(api::Reply::Problem)));
    }

    /// The key that a call is about, if it must be known before the call can be answered.
    fn key_in(&self, request: &api::Request) -> Option<api::KeyId> {
        match request {
            api::Request::Sign(sign) => Some(sign.key),
            api::Request::Presign(presign) => Some(presign.key),
            api::Request::Refresh(refresh) => Some(refresh.key),
            api::Request::Reshare(reshare) => Some(reshare.key),
            api::Request::ShowKey(key) | api::Request::ShowCertificate(key) => Some(*key),
            api::Request::Signed(signed) => self.named_by(signed),
            // Whoever is asked for it then, is asked in the name of the client: it may not know of every key.
            api::Request::By(client, request)
                if self.names(*client)
                    && matches!(
                        **request,
                        api::Request::ShowKey(_) | api::Request::ShowCertificate(_) | api::Request::Signed(_)
                    ) =>
            {
                self.key_in(request)
            }
            api::Request::By(..)
            | api::Request::CreateKey(_)
            | api::Request::ListKeys(_)
            | api::Request::ListCeremonies(_)
            | api::Request::ShowCeremony(_)
            | api::Request::ListEvidence(_)
            | api::Request::ShowEvidence(_)
            | api::Request::ListValidators
            | api::Request::ShowNode
            | api::Request::Invite(_)
            | api::Request::Decide(_)
            | api::Request::ShowCharter
            | api::Request::ProposeCharter(_)
            | api::Request::SignCharter(_)
            | api::Request::SwitchCharter(_)
            | api::Request::SendMessage(_)
            | api::Request::ListMessages(_)
            | api::Request::ListApprovals
            | api::Request::DecideApproval(_)
            | api::Request::ImportKey(_)
            | api::Request::DiscardKey(_)
            | api::Request::Health
            | api::Request::Ready
            | api::Request::Count => None,
        }
    }

    /// All keys; for a client those that it may know of.
    pub(super) fn list_keys_of(
        &self,
        client: Option<api::ClientKey>,
        query: &api::PageQuery,
    ) -> Result<api::Reply, api::Problem> {
        let is_seen = |key: &Key| client.is_none_or(|client| self.may_see(client, key));
        let seen = self.keys.iter().filter(|(_, key)| is_seen(key)).map(|(id, _)| *id);
        let (ids, next) = page(seen, query)?;
        let items = ids.iter().filter_map(|id| self.key_view(id)).collect();
        Ok(api::Reply::Keys(api::Page { items, next }))
    }

    /// The public key that a signing is for: of the key's child at the end of the path.
    pub(super) fn signing_key(&self, proposal: &Proposal) -> Option<PublicKey> {
        let path = Path::try_from(proposal.path.clone()).ok()?;
        self.keys.get(&proposal.key?)?.info().derived(&path).ok()
    }

    /// A key as the API shows it.
    pub(super) fn key_view(&self, id: &Hash) -> Option<api::KeyView> {
        let key = self.keys.get(id)?;
        let info = key.info();
        let public_key = info.public_key();
        Some(api::KeyView {
            id: api_key(*id),
            label: key.label().clone(),
            scheme: key.scheme(),
            curve: key.curve(),
            level: key.level(),
            threshold: info.threshold(),
            committee: self.members(key.holders()),
            epoch: info.epoch(),
            share: key.share().is_some(),
            state: match key.is_active() {
                true if key.is_whole() => api::KeyState::Whole,
                true => api::KeyState::Active,
                false => api::KeyState::Confirming,
            },
            owner: key.owner(),
            imported: key.dealer().and_then(|dealer| self.members(&[dealer]).pop()),
            exports: self.exports_of(*id),
            presignatures: u32::try_from(self.presignatures.of_key(*id).count()).unwrap_or(u32::MAX),
            standing: self.standing_view(key),
            public_key: hex::encode(public_key.sec1()),
            chain_code: info.chain_code().map(hex::encode),
            xpub: info.xpub(),
            ethereum_address: public_key.ethereum_address(),
            bitcoin_address: public_key.bitcoin_address(),
        })
    }

    /// When shares of the key left this node.
    fn exports_of(&self, id: Hash) -> Vec<api::ExportView> {
        let view = |export: &Export| api::ExportView {
            epoch: export.epoch,
            exported: export.unix,
            to: export.to.clone(),
        };
        self.exports.get(&id).into_iter().flatten().map(view).collect()
    }

    /// At every start: an operator shall know what lies elsewhere.
    pub(super) fn tell_exports(&mut self) {
        let line = |(id, all): (&Hash, &Vec<Export>)| {
            // Backups are what everybody should have: no warning.
            let (backups, files): (Vec<_>, Vec<_>) = all.iter().partition(|export| export.is_in_backup());
            let file = files.last().map(|Export { epoch, to, .. }| {
                let times = files.len();
                let line = format!(
                    "the share of the key {id} was exported ({times} in all), the last one of epoch {epoch} for {to}: \
                     whoever has enough such files has the key"
                );
                (Level::Warn, line)
            });
            let backup = backups.last().map(|Export { epoch, to, .. }| {
                (Level::Info, format!("shares of the key {id} left, the last one of epoch {epoch} for {to}"))
            });
            file.into_iter().chain(backup)
        };
        let lines: Vec<_> = self.exports.iter().flat_map(line).collect();
        lines.iter().for_each(|(level, line)| self.log(*level, line));
    }

    fn validators(&self) -> api::Page<api::ValidatorView> {
        let known = self.home.roster().map(Roster::validators).unwrap_or_default();
        let mut items: Vec<_> = known.into_iter().filter_map(|id| self.roster_view(id)).collect();
        items.extend(self.waiting());
        api::Page { items, next: None }
    }

    /// One validator, if it is in the roster or waits to be let in.
    pub(super) fn validator(&self, id: NodeId) -> Option<api::ValidatorView> {
        let waits = || self.waiting().into_iter().find(|view| view.id == api_id(id));
        self.roster_view(id).or_else(waits)
    }

    fn roster_view(&self, id: NodeId) -> Option<api::ValidatorView> {
        let roster = self.home.roster().filter(|roster| roster.knows(id))?;
        let record = roster.record(id);
        Some(api::ValidatorView {
            id: api_id(id),
            peer_id: id.to_peer_id().to_string(),
            name: record.as_ref().and_then(|r| api::Label::try_from(r.name.clone()).ok()),
            version: record.as_ref().map(|r| r.version.clone()),
            addresses: record.map(|r| r.addresses).unwrap_or_default(),
            founder: roster.is_founder(id),
            member: roster.is_member(id),
            vouches: u16::try_from(roster.votes_for(id)).unwrap_or(u16::MAX),
            waiting: false,
            this_node: id == self.me,
            connected: self.is_up(id),
            latency_ms: self.peers.get(&id).and_then(|p| p.latency),
            clock_offset_s: self.peers.get(&id).filter(|p| p.up).and_then(|p| p.clock_offset_s),
            runs_twice: self.peers.get(&id).is_some_and(|p| p.twice),
            evidence: self.evidence_against(id),
            blocked: self.blocked.contains(&id),
            convicted: self.culprits.contains(&id),
            forgiven: self.forgiven.get(&id).map(|pardon| pardon.unix),
        })
    }

    fn counts(&self) -> api::Counts {
        let members = self.home.roster().map(|roster| roster.members()).unwrap_or_default();
        let others: Vec<_> = members.into_iter().filter(|id| *id != self.me).collect();
        let connected: Vec<_> = others.iter().filter(|id| self.is_up(**id)).collect();
        let offset = |id: &&NodeId| self.peers.get(*id).and_then(|peer| peer.clock_offset_s);
        let latency = |id: &&NodeId| self.peers.get(*id).and_then(|peer| peer.latency);
        api::Counts {
            keys: self.keys.len(),
            presignatures: self.presignatures.len(),
            running: self.ceremonies.values().filter(|ceremony| !ceremony.is_over()).count(),
            members: others.len(),
            connected: connected.len(),
            slowest_ms: connected.iter().copied().filter_map(|id| latency(&id)).max(),
            clock_offset_s: connected
                .iter()
                .copied()
                .filter_map(|id| offset(&id))
                .max_by_key(|offset| offset.unsigned_abs()),
            convicted: self.culprits.len(),
        }
    }

    fn node_view(&self) -> Result<api::Reply, api::Problem> {
        let name = api::Label::try_from(self.settings.name.clone());
        // A display name may hold what a label may not; then the id's first digits name the node.
        let name = name.or_else(|_| api::Label::try_from(short(self.me)));
        let name = name.map_err(|text| api::Problem::new(api::ProblemKind::Internal, text))?;
        Ok(api::Reply::Node(api::NodeView {
            id: api_id(self.me),
            name,
            cluster: api::ClusterId(*self.cluster().as_bytes()),
            member: self.is_member(self.me),
            addresses: self.settings.addresses.clone(),
            version: self.settings.version.clone(),
            rival_charters: self.rival_charters(),
            policy: self.policy_view(),
        }))
    }

    /// Why a node that is no member does nothing.
    pub(super) fn not_joined(&self) -> api::Problem {
        let text = match &self.home {
            Home::Asking(asking) => match &asking.refused {
                Some(why) => format!("The node asked does not let this node in: {why}."),
                None => {
                    "This node waits to be let in; see that it is connected with the node it asks.".to_owned()
                }
            },
            Home::Settled(_) => "This node is not a member of its cluster any more.".to_owned(),
        };
        api::Problem::new(api::ProblemKind::NotJoined, text).retry_after(2)
    }
}

/// What is said of a key that this node does not know.
fn not_here() -> api::Problem {
    let text = "This node holds no share of such a key; list the keys with GET /v1/keys.";
    api::Problem::new(api::ProblemKind::UnknownKey, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn der_is_minimal_and_never_negative() {
        let number = |top: &[u8]| [top, &vec![1; 32 - top.len()]].concat();
        for (r, s) in [(&[0x01][..], &[0x80][..]), (&[0, 0x7f], &[0, 0x80]), (&[0, 0, 0], &[0xff])] {
            let (r, s) = (number(r), number(s));
            let parsed = k256::ecdsa::Signature::from_der(&der(&r, &s)).unwrap();
            assert_eq!(parsed.to_bytes().to_vec(), [r, s].concat());
        }
    }
}
