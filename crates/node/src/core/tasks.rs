//! What clients ask of this node as the proposer. A key is made in one or two ceremonies (moduli first, where the
//! committee has none), a signature in up to three tries with different signers.

use consign_api as api;
use consign_cggmp24::activation::largest_number;
use rand_core::Rng;

use super::asked::request_id;
use super::ceremony::{Ceremony, MAX_RUNNING_OF_ONE, deadline_ms};
use super::curves::check_digest;
use super::hash::Hash;
use super::keys::Key;
use super::node::Node;
use super::proposal::{Kind, Proposal};
use super::requests::{self, Free, MAX_SKEW_S, RawRequest, Unfit, Wanted, child_path};
use super::spending::MAX_SPENT;
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

/// Time between two looks at a try of another node, in milliseconds, before an own one follows.
const LOOK_MS: u64 = 200;

/// Longest random part of such a pause, in milliseconds.
const SPREAD_MS: u64 = 500;

/// A client's request that this node brings to its end.
pub(super) struct Task {
    raw: Vec<u8>,
    wanted: Wanted,
    /// Moduli that others made for it, where this node takes no part.
    aux: Option<Hash>,
    /// The largest number of the key's epochs that a participant says is used.
    floor: u64,
    tries: u8,
    /// Presignatures that were used up for it.
    spent: u8,
    /// Whether the try under way uses one.
    spending: bool,
    /// To whom the try under way is left, with which presignature.
    passed: Option<(NodeId, Hash)>,
    /// Who failed a try: asked last.
    demoted: Vec<NodeId>,
    /// Whose operators are waited for.
    awaited: Vec<NodeId>,
    /// Whose operators were waited for when it was asked for before.
    awaited_before: Vec<NodeId>,
    /// For whose tries an own one was given up.
    yielded: Vec<NodeId>,
    /// Since when it waits for tries of others that do not start, until the next own one.
    waits_since: Option<u64>,
    /// When the next try is due; none while one runs.
    due: Option<u64>,
}

impl Task {
    /// Whether it makes another epoch of this key.
    pub(super) fn is_change_of(&self, key: Hash) -> bool {
        matches!(self.wanted, Wanted::Refresh(_) | Wanted::Reshare(_)) && self.is_about(key)
    }

    /// Whether it is about this key.
    pub(super) fn is_about(&self, key: Hash) -> bool {
        self.wanted.key().is_some_and(|id| id.0 == key.0)
    }

    /// Whether it gives a share to this node, which may have none yet.
    pub(super) fn gives_to(&self, id: NodeId) -> bool {
        let committee = match &self.wanted {
            Wanted::Reshare(reshare) => reshare.terms.committee.as_slice(),
            Wanted::Key(_) | Wanted::Signature(_) | Wanted::Refresh(_) | Wanted::Presign(_) => &[],
        };
        committee.iter().any(|member| member.0 == *id.as_bytes())
    }

    /// Whether it is asked before others: its operator had to be asked, or still has to.
    pub(super) fn asks_first(&self, id: NodeId) -> bool {
        self.awaited.contains(&id) || self.awaited_before.contains(&id)
    }

    /// A try begins, with a presignature or without.
    pub(super) fn tries(&mut self, with_presignature: bool) {
        self.waits_since = None;
        self.spending = with_presignature;
        self.spent = self.spent.saturating_add(with_presignature.into());
    }

    /// It is left to somebody else for a while, who comes last from then on.
    pub(super) fn pass(&mut self, to: NodeId, presignature: Hash, until: u64) {
        self.passed = Some((to, presignature));
        self.due = Some(until);
    }

    /// Its try under way was given up for one of this node, which may bring its result.
    pub(super) fn yields(&mut self, to: NodeId, until: u64) {
        self.spending = false;
        self.due = Some(until);
        self.yielded.push(to);
    }

    /// Whether its try under way may be given up for one of this node: once.
    pub(super) fn may_yield(&self, to: NodeId) -> bool {
        !self.yielded.contains(&to)
    }

    /// A try of this proposer came to nothing: it is asked last.
    pub(super) fn demote(&mut self, proposer: NodeId) {
        self.demoted.push(proposer);
    }

    /// It waits for a try of another node that has not started. For how long it has, in milliseconds.
    pub(super) fn waits_for_start(&mut self, now: u64) -> u64 {
        now.saturating_sub(*self.waits_since.get_or_insert(now))
    }

    /// Whether other signers may do it as well.
    fn may_choose(&self) -> bool {
        match &self.wanted {
            Wanted::Signature(_) => true,
            Wanted::Presign(presign) => presign.terms.signers.is_empty(),
            Wanted::Key(_) | Wanted::Refresh(_) | Wanted::Reshare(_) => false,
        }
    }

    /// Whether others can do what these did. A signer or dealer is replaced; all holders refresh, and who is to get a
    /// share was chosen by the client.
    fn replaceable(&self, these: &[NodeId]) -> bool {
        match &self.wanted {
            Wanted::Reshare(_) => !these.iter().any(|id| self.gives_to(*id)),
            Wanted::Key(_) | Wanted::Signature(_) | Wanted::Refresh(_) | Wanted::Presign(_) => {
                self.may_choose()
            }
        }
    }

    /// Somebody has lost the factors of these moduli.
    pub(super) fn forget_moduli(&mut self, aux: Hash) {
        self.aux = self.aux.filter(|own| *own != aux);
    }
}

impl Node {
    /// A client wants a key, a signature, presignatures, or a change of a key.
    pub(super) fn begin(&mut self, call: CallId, wanted: Wanted) {
        let reply = self.bring(wanted).map_or_else(api::Reply::Problem, api::Reply::Started);
        self.out.push(Output::Reply(call, reply));
    }

    /// Begins what is wanted, with nobody's signature. Its story, as it is then.
    pub(super) fn bring(&mut self, wanted: Wanted) -> Result<api::CeremonyView, api::Problem> {
        self.obstacle(&wanted)?;
        self.allowed(None, &wanted)?;
        let raw = RawRequest::new(&wanted, self.now.unix, self.random()).encode();
        self.take_up(raw, wanted)
    }

    /// Begins what this request wants, or goes on with it. Its story, as it is then.
    pub(super) fn take_up(
        &mut self,
        raw: Vec<u8>,
        wanted: Wanted,
    ) -> Result<api::CeremonyView, api::Problem> {
        if self.disk_full {
            let text = "The disk of this node is nearly full, so nothing new is begun; free some room, or ask another node.";
            return Err(api::Problem::new(api::ProblemKind::StoreFailed, text).retry_after(60));
        }
        // More than others let one node have would be refused there, and use up presignatures.
        if self.busy() || self.tasks.len() >= MAX_RUNNING_OF_ONE {
            let text = "This node has all the ceremonies it may run; try again in a moment.";
            return Err(api::Problem::new(api::ProblemKind::Busy, text).retry_after(1));
        }
        let request = request_id(&self.cluster(), &raw);
        let (tries, spent, spending) = (0, 0, false);
        let (aux, floor, passed, demoted, due) = (None, 0, None, Vec::new(), None);
        let told = self.stories.get(&request).map(|story| &story.view);
        let told = told.filter(|view| view.state == api::CeremonyState::AwaitingApproval);
        let waits = told.into_iter().flat_map(|view| &view.waiting_for);
        let awaited_before = waits.filter_map(|id| NodeId::from_bytes(&id.0).ok()).collect();
        let (awaited, yielded, waits_since) = (Vec::new(), Vec::new(), None);
        let task = Task {
            raw,
            wanted,
            aux,
            floor,
            tries,
            spent,
            spending,
            passed,
            demoted,
            awaited,
            awaited_before,
            yielded,
            waits_since,
            due,
        };
        self.tasks.insert(request, task);
        match self.next_step(request) {
            Ok(proposal) => {
                self.set_out(request, proposal);
                Ok(self.ceremony_view(&request).expect("invariant: a proposal has a story"))
            }
            Err(problem) => {
                self.tasks.remove(&request);
                Err(problem)
            }
        }
    }

    /// What can be said against it at once.
    pub(super) fn obstacle(&self, wanted: &Wanted) -> Result<(), api::Problem> {
        if !self.is_member(self.me) {
            return Err(self.not_joined());
        }
        let malformed = |text| api::Problem::new(api::ProblemKind::Malformed, text);
        let key = match wanted.key() {
            Some(id) => Some(self.usable(id)?),
            None => None,
        };
        if let Some(key) = key.filter(|key| key.is_whole()) {
            self.may_share_out(wanted, key)?;
        }
        match (wanted, key) {
            (Wanted::Key(create), _) => {
                let create = create.clone().checked().map_err(malformed)?;
                self.committee_is_here(&create.committee)?;
            }
            (Wanted::Refresh(refresh), key) => {
                self.may_change(key, refresh.terms.epoch)?;
                let holders = key.map(Key::holders).unwrap_or_default();
                self.all_are_up(holders.iter().map(|h| h.id))?;
            }
            (Wanted::Reshare(reshare), key) => {
                let terms = reshare.terms.clone().checked().map_err(malformed)?;
                self.may_change(key, terms.epoch)?;
                self.committee_is_here(&terms.committee)?;
            }
            (Wanted::Presign(presign), key) => {
                let terms = presign.terms.clone().checked().map_err(malformed)?;
                let fits = key.map_or(Ok(()), |key| self.may_presign(key, self.me, terms.count, None));
                fits.map_err(|text| api::Problem::new(api::ProblemKind::Busy, format!("{text}.")))?;
            }
            (Wanted::Signature(sign), key) => {
                if key.is_some_and(|key| check_digest(key.curve(), sign.target.digest()).is_err()) {
                    let text = "The digest is zero modulo the group order and cannot be signed.";
                    return Err(api::Problem::new(api::ProblemKind::Malformed, text));
                }
                key.map_or(Ok(()), |key| child_path(key, sign).map(drop))
                    .map_err(|unfit| api::Problem::new(api::ProblemKind::Malformed, format!("{unfit}.")))?;
            }
        }
        Ok(())
    }

    /// A key that exists and can be used.
    fn usable(&self, id: api::KeyId) -> Result<&Key, api::Problem> {
        let Some(key) = self.keys.get(&Hash(id.0)) else {
            let text = "This node holds no share of such a key; list the keys with GET /v1/keys.";
            return Err(api::Problem::new(api::ProblemKind::UnknownKey, text));
        };
        if !key.is_active() {
            let text = "Not all holders have confirmed the key yet; it is usable once they have.";
            return Err(api::Problem::new(api::ProblemKind::KeyBusy, text).retry_after(2));
        }
        Ok(key)
    }

    /// An imported key that is still in one place is shared out by its dealer, and nothing else.
    fn may_share_out(&self, wanted: &Wanted, key: &Key) -> Result<(), api::Problem> {
        let text = if !key.is_held_by(self.me) {
            "The private key is still in one place, at another node: share it out there with `consign key reshare`."
        } else if !matches!(wanted, Wanted::Reshare(_)) {
            "The private key is still in one place: share it out first with `consign key reshare`."
        } else {
            return Ok(());
        };
        Err(api::Problem::new(api::ProblemKind::Forbidden, text))
    }

    /// A change starts from the epoch that the client has seen, and one runs at a time.
    fn may_change(&self, key: Option<&Key>, epoch: u64) -> Result<(), api::Problem> {
        let Some(key) = key else { return Ok(()) };
        let problem = |text| api::Problem::new(api::ProblemKind::KeyBusy, text);
        if key.info().epoch() != epoch {
            let now = key.info().epoch();
            let text = format!("The key is in epoch {now}, not {epoch}: look at it, then ask again.");
            return Err(problem(text));
        }
        if let Some(other) = self.change_under_way(key.id()) {
            let text = "The shares of the key are being changed already; wait for the end of that.";
            return Err(problem(text.to_owned()).about(api::CeremonyId(other.0)).retry_after(5));
        }
        Ok(())
    }

    /// Whoever is to get a share is a member and connected.
    pub(super) fn committee_is_here(&self, committee: &[api::NodeId]) -> Result<(), api::Problem> {
        let member = |id: &&api::NodeId| NodeId::from_bytes(&id.0).is_ok_and(|id| self.is_member(id));
        let unknown: Vec<_> = committee.iter().filter(|id| !member(id)).copied().collect();
        if !unknown.is_empty() {
            let text = "The committee names validators that are not members of the cluster.";
            return Err(api::Problem::new(api::ProblemKind::UnknownValidator, text).naming(unknown));
        }
        self.all_are_up(committee.iter().filter_map(|id| NodeId::from_bytes(&id.0).ok()))
    }

    fn all_are_up(&self, ids: impl Iterator<Item = NodeId>) -> Result<(), api::Problem> {
        let (blocked, ids): (Vec<_>, Vec<_>) = ids.partition(|id| self.blocked.contains(id));
        if !blocked.is_empty() {
            let text = "The operator of this node has blocked some of them; unblock them, or leave them out.";
            return Err(
                api::Problem::new(api::ProblemKind::Forbidden, text).naming(blocked.into_iter().map(api_id))
            );
        }
        let away: Vec<_> = ids.into_iter().filter(|id| !self.is_up(*id)).collect();
        if away.is_empty() {
            return Ok(());
        }
        let text = "Shares are made by all who get one, and not all of them are connected; \
                    start the missing nodes, or leave them out.";
        let problem = api::Problem::new(api::ProblemKind::TooFewSigners, text);
        Err(problem.naming(away.into_iter().map(api_id)).retry_after(2))
    }

    /// The next proposal of a task.
    fn next_step(&mut self, request: Hash) -> Result<Proposal, api::Problem> {
        let salt = self.random();
        let task = self.tasks.get(&request).expect("invariant: the caller looked it up");
        let key = task.wanted.key().map(|id| self.usable(id)).transpose()?;
        let chosen = match (&task.wanted, key) {
            (Wanted::Signature(sign), Some(key)) if task.spent < MAX_SPENT => {
                self.choose_presignature(key, sign, &task.demoted)
            }
            _ => None,
        };
        let (proposer, presignature) =
            chosen.as_ref().map_or((self.me, None), |chosen| (chosen.owner, Some(chosen.presignature)));
        let (kind, aux, signers) = match (&task.wanted, key) {
            (Wanted::Key(create), _) => {
                match task.aux.or_else(|| self.moduli_for(create.level, &create.committee)) {
                    Some(aux) => (Kind::Keygen, Some(aux), Vec::new()),
                    None => (Kind::Aux, None, Vec::new()),
                }
            }
            (Wanted::Signature(_), _) if chosen.is_some() => {
                (Kind::Online, None, chosen.map(|chosen| chosen.signers).unwrap_or_default())
            }
            (Wanted::Presign(presign), key) => {
                let signers = key.map(|key| self.presigners(key, &presign.terms.signers, &task.demoted));
                (Kind::Presign, key.and_then(Key::aux), signers.transpose()?.unwrap_or_default())
            }
            (Wanted::Signature(_), key) => {
                let signers = key.map(|key| self.choose_signers(key, &task.demoted)).transpose()?;
                (Kind::Sign, key.and_then(Key::aux), signers.unwrap_or_default())
            }
            (Wanted::Refresh(_), _) => (Kind::Refresh, None, Vec::new()),
            (Wanted::Reshare(reshare), key) => {
                let known = || self.moduli_for(key?.level(), &reshare.terms.committee);
                match task.aux.or_else(known) {
                    Some(aux) => {
                        let dealers = key.map(|key| self.choose_signers(key, &task.demoted)).transpose()?;
                        (Kind::Reshare, Some(aux), dealers.unwrap_or_default())
                    }
                    None => (Kind::Aux, None, Vec::new()),
                }
            }
        };
        let makes_moduli =
            matches!(&task.wanted, Wanted::Refresh(refresh) if refresh.terms.moduli == api::Moduli::Renew);
        let epoch = key.map_or(0, Key::highest).max(task.floor).saturating_add(1);
        let slots = match &task.wanted {
            Wanted::Presign(presign) => presign.terms.count as usize,
            Wanted::Key(_) | Wanted::Signature(_) | Wanted::Refresh(_) | Wanted::Reshare(_) => 1,
        };
        let deadline_ms = deadline_ms(kind, makes_moduli, signers.len().saturating_mul(slots));
        let free = Free { kind, aux, presignature, signers, epoch, deadline_ms, proposer, salt };
        requests::draft(self.cluster(), &task.raw, &task.wanted, key, free).map_err(|unfit| {
            let kind = match unfit {
                Unfit::Epoch(_) => api::ProblemKind::KeyBusy,
                Unfit::Kind
                | Unfit::Identity
                | Unfit::Signers
                | Unfit::Key
                | Unfit::TooMany
                | Unfit::Presignature
                | Unfit::Path(_)
                | Unfit::Derivation(_) => api::ProblemKind::Malformed,
            };
            api::Problem::new(kind, unfit.to_string())
        })
    }

    /// The next try of a change takes a larger number than this, which somebody says is used. Nobody is believed more
    /// than what leaves a number to everybody whose clock lets it take part at all (`docs/spec/auxinfo-refresh.md`, 5.7,
    /// rule 1).
    pub(super) fn raise_floor(&mut self, key: Hash, epoch: u64) {
        let limit = largest_number(self.now.unix.saturating_sub(MAX_SKEW_S)).saturating_sub(1);
        for task in self.tasks.values_mut().filter(|task| task.is_change_of(key)) {
            task.floor = task.floor.max(epoch.min(limit));
        }
    }

    /// `t` reachable holders: members before those that were revoked, then who did not fail a try, this node, the
    /// nearest.
    fn choose_signers(&self, key: &Key, demoted: &[NodeId]) -> Result<Vec<u16>, api::Problem> {
        let threshold = usize::from(key.info().threshold());
        type Holders = Vec<super::proposal::Participant>;
        let (culprits, honest): (Holders, Holders) =
            key.holders().iter().partition(|h| self.culprits.contains(&h.id));
        let (blocked, honest): (Holders, Holders) =
            honest.into_iter().partition(|h| self.blocked.contains(&h.id));
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
            if !blocked.is_empty() {
                text.push_str(&format!(
                    " Left out, because this node's operator has blocked them: {}.",
                    names(&blocked)
                ));
            }
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
            return Err(problem.naming(away.iter().chain(&blocked).chain(&culprits).map(|h| api_id(h.id))));
        }
        up.sort_by_key(|h| {
            let failed = demoted.iter().filter(|id| **id == h.id).count();
            let latency = self.peers.get(&h.id).and_then(|p| p.latency).unwrap_or(u64::MAX);
            (!self.is_member(h.id), failed, h.id != self.me, latency / SAME_MS, h.index)
        });
        let mut signers: Vec<_> = up.iter().take(threshold).map(|h| h.index).collect();
        signers.sort_unstable();
        Ok(signers)
    }

    /// The holders that a request for presignatures names, or any.
    fn presigners(
        &self,
        key: &Key,
        named: &[api::NodeId],
        demoted: &[NodeId],
    ) -> Result<Vec<u16>, api::Problem> {
        if named.is_empty() {
            return self.choose_signers(key, demoted);
        }
        let chosen = key.holders().iter().filter(|h| named.contains(&api_id(h.id)));
        let mut signers: Vec<_> = chosen.clone().map(|h| h.index).collect();
        signers.sort_unstable();
        if signers.len() != named.len() || signers.len() != usize::from(key.info().threshold()) {
            let text = "The signers must be holders of the key, exactly as many as must sign.";
            return Err(api::Problem::new(api::ProblemKind::Malformed, text));
        }
        self.all_are_up(chosen.map(|h| h.id)).map(|()| signers)
    }

    /// The moduli are made; the key is next.
    pub(super) fn go_on_with(&mut self, request: Hash, aux: Hash) {
        if let Some(task) = self.tasks.get_mut(&request) {
            task.aux = Some(aux);
        }
        self.go_on(request);
    }

    /// The next phase or try begins, unless the signature is there already and on its way to the disk.
    pub(super) fn go_on(&mut self, request: Hash) {
        let is_signed = |c: &Ceremony| c.request == request && c.proposal.is_signing() && c.is_finishing();
        if self.ceremonies.values().any(is_signed) {
            return;
        }
        if self.waits_for_another(request) {
            let due = self.now.monotonic.saturating_add(LOOK_MS);
            return self.tasks.get_mut(&request).map_or((), |task| task.due = Some(due));
        }
        match self.next_step(request) {
            Ok(proposal) => self.set_out(request, proposal),
            Err(problem) => {
                self.tasks.remove(&request);
                self.tell_failure(request, problem, false);
            }
        }
    }

    /// Whether a resharing can do without these, whose operators are waited for, and all before them.
    fn others_deal(&self, request: Hash, these: &[NodeId]) -> bool {
        let Some(task) = self.tasks.get(&request) else { return false };
        let Wanted::Reshare(reshare) = &task.wanted else { return false };
        let Some(key) = self.keys.get(&Hash(reshare.key.0)) else { return false };
        let can = |id: NodeId| {
            self.is_up(id) && !self.shuns(id) && !these.contains(&id) && !task.awaited.contains(&id)
        };
        let others = key.holders().iter().filter(|holder| can(holder.id)).count();
        task.replaceable(these) && others >= usize::from(key.info().threshold())
    }

    /// A try came to nothing: another one, or the end. A conviction uses up no try and needs no pause, where others can
    /// do instead: whoever was convicted is asked no more, so that happens once for every holder at most.
    pub(super) fn try_failed(
        &mut self,
        request: Hash,
        problem: api::Problem,
        demote: &[NodeId],
        waits: bool,
    ) {
        let now = self.now.monotonic;
        let others_can = !waits || self.others_deal(request, demote);
        let convicted = !demote.is_empty()
            && problem.kind == api::ProblemKind::PeerCheated
            && demote.iter().all(|id| self.culprits.contains(id));
        let Some(task) = self.tasks.get_mut(&request) else { return };
        let mut problem = problem;
        if waits {
            task.awaited.extend_from_slice(demote);
            task.awaited.sort_unstable();
            task.awaited.dedup();
            problem = problem.naming(task.awaited.iter().copied().map(api_id));
        }
        let spending = std::mem::take(&mut task.spending);
        // Who has no place now has none in the next moment either.
        let busy = problem.kind == api::ProblemKind::Busy;
        // Who refuses a presignature has lost it, and may sign all the same.
        if !(spending && problem.kind == api::ProblemKind::Refused) {
            task.demoted.extend_from_slice(demote);
        }
        if (spending && !busy) || (convicted && task.replaceable(demote)) {
            task.due = Some(now);
            return;
        }
        let pause = PAUSES_MS.get(usize::from(task.tries)).copied();
        task.tries = task.tries.saturating_add(1);
        let again = task.tries < SIGN_TRIES
            && match task.wanted {
                Wanted::Signature(_) => true,
                Wanted::Presign(_) => task.may_choose(),
                // A number that was used, or another change that was a moment earlier: neither is a result. Nor is a dealer
                // whose operator is waited for, while others can deal: to reshare a key without a holder is the cure.
                Wanted::Refresh(_) | Wanted::Reshare(_) => {
                    busy || (problem.kind == api::ProblemKind::Refused && others_can)
                }
                Wanted::Key(_) => false,
            };
        // Two changes of one key that got into each other's way shall not do so again.
        let spread = u64::from(self.rng.next_u32()) % SPREAD_MS;
        match pause.filter(|_| again) {
            Some(pause) => task.due = Some(now.saturating_add(pause).saturating_add(spread)),
            None => {
                self.tasks.remove(&request);
                self.tell_failure(request, problem, waits);
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
                let passed = task.passed.take();
                task.demoted.extend(passed.map(|(owner, _)| owner));
                (*request, passed)
            })
            .collect();
        for (request, passed) in due {
            if let Some((_, presignature)) = passed {
                self.erase_passed(presignature);
            }
            self.go_on(request);
        }
    }
}
