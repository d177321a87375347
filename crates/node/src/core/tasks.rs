//! What clients ask of this node as the proposer. A key is made in one or two ceremonies (moduli first, where the
//! committee has none), a signature in up to three tries with different signers.

use consign_api as api;
use consign_cggmp24::ecdsa::Digest;

use super::ceremony::{MAX_RUNNING, deadline_ms};
use super::hash::Hash;
use super::node::Node;
use super::proposal::{Kind, Proposal};
use super::requests::{
    self, Free, RawRequest, Wanted, child_path, committee, level_number, level_of, request_id,
};
use super::sessions::C;
use super::views::{api_id, short};
use super::{CallId, Output};
use crate::identity::NodeId;

/// Most tries to make one signature.
pub const SIGN_TRIES: u8 = 3;
/// Pause before each further try, in milliseconds.
pub const PAUSES_MS: [u64; 2] = [500, 2_000];

/// Peers whose round-trip times differ by less than about this are equally near, in milliseconds: smaller differences say
/// more about the moment than about the way.
const SAME_MS: u64 = 50;

/// A client's request that this node brings to its end.
pub(super) struct Task {
    raw: Vec<u8>,
    wanted: Wanted,
    /// Moduli that others made for it, where this node takes no part.
    aux: Option<Hash>,
    tries: u8,
    /// Who failed a try: asked last.
    demoted: Vec<NodeId>,
    /// When the next try is due; none while one runs.
    due: Option<u64>,
}

impl Node {
    /// A client wants a key or a signature.
    pub(super) fn begin(&mut self, call: CallId, wanted: Wanted) {
        let problem = self.obstacle(&wanted).err().or_else(|| {
            let busy = self.busy() || self.tasks.len() >= MAX_RUNNING;
            let text = "This node has all the ceremonies it may run; try again in a moment.";
            busy.then(|| api::Problem::new(api::ProblemKind::Busy, text).retry_after(1))
        });
        if let Some(problem) = problem {
            return self.out.push(Output::Reply(call, api::Reply::Problem(problem)));
        }
        let raw = RawRequest::new(&wanted, self.now.unix, self.random()).encode();
        let request = request_id(&self.cluster(), &raw);
        let task = Task { raw, wanted, aux: None, tries: 0, demoted: Vec::new(), due: None };
        self.tasks.insert(request, task);
        match self.next_step(request) {
            Ok(proposal) => {
                self.propose(proposal);
                if let Some(view) = self.ceremony_view(&request) {
                    self.out.push(Output::Reply(call, api::Reply::Started(view)));
                }
            }
            Err(problem) => {
                self.tasks.remove(&request);
                self.out.push(Output::Reply(call, api::Reply::Problem(problem)));
            }
        }
    }

    /// What can be said against it at once.
    fn obstacle(&self, wanted: &Wanted) -> Result<(), api::Problem> {
        if !self.is_member(self.me) {
            return Err(self.not_joined());
        }
        match wanted {
            Wanted::Key(create) => {
                let create = create.clone().checked();
                let create = create.map_err(|text| api::Problem::new(api::ProblemKind::Malformed, text))?;
                let unknown: Vec<_> = create
                    .committee
                    .iter()
                    .filter(|id| !NodeId::from_bytes(&id.0).is_ok_and(|id| self.is_member(id)))
                    .copied()
                    .collect();
                if !unknown.is_empty() {
                    let text = "The committee names validators that are not members of the cluster.";
                    return Err(api::Problem::new(api::ProblemKind::UnknownValidator, text).naming(unknown));
                }
                let members = committee(&create).unwrap_or_default();
                let away: Vec<_> = members.iter().map(|p| p.id).filter(|id| !self.is_up(*id)).collect();
                if !away.is_empty() {
                    let text = "A key is made by its whole committee, and not all of it is connected; \
                                start the missing nodes, or leave them out.";
                    let problem = api::Problem::new(api::ProblemKind::TooFewSigners, text);
                    return Err(problem.naming(away.into_iter().map(api_id)).retry_after(2));
                }
            }
            Wanted::Signature(sign) => {
                let Some(key) = self.keys.get(&Hash(sign.key.0)) else {
                    let text = "This node holds no share of such a key; list the keys with GET /v1/keys.";
                    return Err(api::Problem::new(api::ProblemKind::UnknownKey, text));
                };
                if !key.is_active() {
                    let text = "Not all holders have confirmed the key yet; it is usable once they have.";
                    return Err(api::Problem::new(api::ProblemKind::KeyBusy, text).retry_after(2));
                }
                if Digest::raw::<C>(sign.target.digest()).is_err() {
                    let text = "The digest is zero modulo the group order and cannot be signed.";
                    return Err(api::Problem::new(api::ProblemKind::Malformed, text));
                }
                child_path(key, sign)
                    .map_err(|unfit| api::Problem::new(api::ProblemKind::Malformed, format!("{unfit}.")))?;
            }
        }
        Ok(())
    }

    /// The next proposal of a task.
    fn next_step(&mut self, request: Hash) -> Result<Proposal, api::Problem> {
        let salt = self.random();
        let task = self.tasks.get(&request).expect("invariant: the caller looked it up");
        let (kind, aux, signers) = match &task.wanted {
            Wanted::Key(create) => match task.aux.or_else(|| self.moduli_for(create)) {
                Some(aux) => (Kind::Keygen, Some(aux), Vec::new()),
                None => (Kind::Aux, None, Vec::new()),
            },
            Wanted::Signature(sign) => {
                let key = Hash(sign.key.0);
                let signers = self.choose_signers(&key, &task.demoted)?;
                (Kind::Sign, self.keys.get(&key).map(super::keys::Key::aux), signers)
            }
        };
        let key = match &task.wanted {
            Wanted::Key(_) => None,
            Wanted::Signature(sign) => self.keys.get(&Hash(sign.key.0)),
        };
        let deadline_ms = deadline_ms(kind);
        let free = Free { kind, aux, signers, deadline_ms, proposer: self.me, salt };
        let proposal = requests::draft(self.cluster(), &task.raw, &task.wanted, key, free);
        proposal.map_err(|unfit| api::Problem::new(api::ProblemKind::Malformed, unfit.to_string()))
    }

    /// Complete moduli that serve this committee at its level.
    fn moduli_for(&self, create: &api::CreateKey) -> Option<Hash> {
        let level = level_of(level_number(create.level));
        let fits = |record: &super::keys::AuxRecord| {
            let public = record.aux.public();
            record.confirmed
                && Some(public.level) == level
                && public.covers(create.committee.iter().map(|id| &id.0))
        };
        self.aux.iter().find(|(_, record)| fits(record)).map(|(id, _)| *id)
    }

    /// `t` reachable holders: this node first, then who did not fail a try, then the nearest.
    fn choose_signers(&self, key: &Hash, demoted: &[NodeId]) -> Result<Vec<u16>, api::Problem> {
        let key = self.keys.get(key).expect("invariant: looked up when the task began");
        let threshold = usize::from(key.info().threshold);
        type Holders = Vec<super::proposal::Participant>;
        let (culprits, honest): (Holders, Holders) =
            key.holders().iter().partition(|h| self.culprits.contains(&h.id));
        let (mut up, away): (Holders, Holders) = honest.into_iter().partition(|h| self.is_up(h.id));
        if up.len() < threshold {
            let names = |list: &[super::proposal::Participant]| {
                list.iter().map(|h| short(h.id)).collect::<Vec<_>>().join(", ")
            };
            let mut text = format!(
                "{threshold} holders must sign, but only {} of {} are connected; missing: {}.",
                up.len(),
                key.holders().len(),
                names(&away)
            );
            let proof: Vec<_> = culprits.iter().flat_map(|h| self.evidence_against(h.id)).collect();
            let kind = if culprits.is_empty() {
                api::ProblemKind::TooFewSigners
            } else {
                let ids: Vec<_> = proof.iter().map(ToString::to_string).collect();
                let (who, ids) = (names(&culprits), ids.join(", "));
                text.push_str(&format!(
                    " Left out, because they broke the protocol: {who} (evidence {ids})."
                ));
                api::ProblemKind::PeerCheated
            };
            let problem = api::Problem::new(kind, text).retry_after(2);
            return Err(problem.naming(away.iter().chain(&culprits).map(|h| api_id(h.id))));
        }
        up.sort_by_key(|h| {
            let failed = demoted.iter().filter(|id| **id == h.id).count();
            let latency = self.peers.get(&h.id).and_then(|p| p.latency).unwrap_or(u64::MAX);
            (failed, h.id != self.me, latency / SAME_MS, h.index)
        });
        let mut signers: Vec<_> = up.iter().take(threshold).map(|h| h.index).collect();
        signers.sort_unstable();
        Ok(signers)
    }

    /// The moduli are made; the key is next.
    pub(super) fn go_on_with(&mut self, request: Hash, aux: Hash) {
        if let Some(task) = self.tasks.get_mut(&request) {
            task.aux = Some(aux);
        }
        self.go_on(request);
    }

    /// The next phase or try begins.
    pub(super) fn go_on(&mut self, request: Hash) {
        match self.next_step(request) {
            Ok(proposal) => {
                self.propose(proposal);
            }
            Err(problem) => {
                self.tasks.remove(&request);
                self.tell_failure(request, problem);
            }
        }
    }

    /// A try came to nothing: another one, or the end. A conviction uses up no try and needs no pause: whoever was
    /// convicted is asked no more, so that happens once for every holder at most.
    pub(super) fn try_failed(&mut self, request: Hash, _: Hash, problem: api::Problem, demote: &[NodeId]) {
        let now = self.now.monotonic;
        let convicted = !demote.is_empty()
            && problem.kind == api::ProblemKind::PeerCheated
            && demote.iter().all(|id| self.culprits.contains(id));
        let Some(task) = self.tasks.get_mut(&request) else { return };
        task.demoted.extend_from_slice(demote);
        if convicted && matches!(task.wanted, Wanted::Signature(_)) {
            task.due = Some(now);
            return;
        }
        let pause = PAUSES_MS.get(usize::from(task.tries)).copied();
        task.tries = task.tries.saturating_add(1);
        let again = matches!(task.wanted, Wanted::Signature(_)) && task.tries < SIGN_TRIES;
        match pause.filter(|_| again) {
            Some(pause) => task.due = Some(now.saturating_add(pause)),
            None => {
                self.tasks.remove(&request);
                self.tell_failure(request, problem);
            }
        }
    }

    pub(super) fn tick_tasks(&mut self) {
        let now = self.now.monotonic;
        let due: Vec<_> = self
            .tasks
            .iter_mut()
            .filter(|(_, task)| task.due.is_some_and(|due| due <= now))
            .map(|(request, task)| {
                task.due = None;
                *request
            })
            .collect();
        for request in due {
            self.go_on(request);
        }
    }
}
