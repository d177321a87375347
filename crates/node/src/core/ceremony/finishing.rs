//! Results: made durable, then told.

use std::sync::Arc;

use consign_api as api;
use consign_cggmp24::reshare::{Completion, Reshared};
use consign_rounds::{PerParty, PublicPart};

use super::super::Level;
use super::super::chain::{AnyStep, Step, extended};
use super::super::changes::reshare_input;
use super::super::curves::{NodeCurve, Signed, on_curve};
use super::super::hash::Hash;
use super::super::node::Node;
use super::super::proposal::session_nonce;
use super::super::sessions::Product;
use super::super::views::{api_key, signature_view};
use super::End;
use crate::identity::NodeId;
use crate::store::{Table, Write};

impl Node {
    /// The session has its result.
    pub(super) fn finish(&mut self, hash: Hash, product: Product) {
        let Some(ceremony) = self.ceremonies.get(&hash).filter(|c| !c.is_over()) else { return };
        let (request, proposal) = (ceremony.request, Arc::clone(&ceremony.proposal));
        let mut writes = Vec::new();
        let end = match product {
            Product::Key { key, confirmations } => {
                let key = self.keys.get_mut(&Hash(key)).expect("invariant: kept before it was confirmed");
                let complete = key.activate(&confirmations);
                assert!(complete, "invariant: a finished session has everybody's confirmation");
                let id = key.id();
                writes.push(key.write());
                writes.extend(self.finish_request(request));
                End::Key(id)
            }
            Product::Aux { aux } => {
                let Some(record) = self.aux.get_mut(&Hash(aux)) else {
                    // Somebody had all confirmations before this node, and a key has used them and left them since.
                    let text = "the auxiliary information was replaced before everybody had confirmed it";
                    return self.end(hash, End::failed(api::ProblemKind::DeadlinePassed, text, []));
                };
                record.confirmed = true;
                writes.push(record.write());
                End::Aux(Hash(aux))
            }
            Product::Refreshed(step) => {
                writes.extend(self.moved(hash, *step));
                writes.extend(self.finish_request(request));
                End::Key(proposal.key.expect("invariant: a change names the key"))
            }
            Product::Reshared { result, rounds } => {
                let step = on_curve!(&*result, result => self.completion(hash, result, &rounds));
                writes.extend(self.moved(hash, step));
                writes.extend(self.finish_request(request));
                End::Key(proposal.key.expect("invariant: a change names the key"))
            }
            Product::Presignatures(made) => {
                let began = ceremony.began();
                let key = proposal.key.and_then(|key| self.keys.get(&key));
                if began.is_none() || key.map(|key| key.info().epoch_id()) != began {
                    let text = "The shares of the key were renewed while presignatures were made.";
                    return self.end(hash, End::failed(api::ProblemKind::KeyBusy, text, []));
                }
                let line = format!("{} presignatures of the batch {hash} are ready", made.len());
                self.log(Level::Info, &line);
                self.presignatures.keep(made, &proposal, self.now.monotonic);
                writes.extend(self.finish_request(request));
                End::Presigned
            }
            Product::Signature(signature) => {
                writes.extend(self.signed_writes(request, &proposal, &signature));
                End::Signature(Box::new(signature))
            }
        };
        self.end_durably(hash, writes, end);
    }

    /// That a request is done, and its signature.
    pub(in super::super) fn signed_writes(
        &mut self,
        request: Hash,
        proposal: &super::Proposal,
        signature: &Signed,
    ) -> Vec<Write> {
        let done = self.finish_request(request);
        let view = self.view_of_signature(request, proposal, signature);
        let result = view.and_then(|view| {
            let (key, outcome) = (Some(view.key), api::Outcome::Signature(Box::new(view)));
            self.result_write(request, key, outcome)
        });
        done.into_iter().chain(result).collect()
    }

    /// A signature, as clients see it.
    fn view_of_signature(
        &self,
        request: Hash,
        proposal: &super::Proposal,
        signature: &Signed,
    ) -> Option<api::SignatureView> {
        let members = self.members(&proposal.participants);
        signature_view(request, proposal, &self.signing_key(proposal)?, signature, members)
    }

    /// The proof of a resharing that this node has seen to its end.
    fn completion<C: NodeCurve>(
        &self,
        hash: Hash,
        result: &Reshared<C>,
        rounds: &[PerParty<PublicPart>],
    ) -> AnyStep {
        let ceremony = self.ceremonies.get(&hash).expect("invariant: the caller looked it up");
        let (proposal, accepts) = (&ceremony.proposal, ceremony.session_accepts());
        let base = &ceremony.base().expect("invariant: a change has a base").info;
        let base = C::look(base).expect("invariant: the session began with it");
        let public = reshare_input(proposal, base, None).expect("invariant: the session began with it");
        let nonce = session_nonce(proposal, accepts).expect("invariant: the session began with it");
        let completion = Completion::new(&public, nonce.0, result, rounds);
        C::any(Step::Reshare(Box::new(completion)))
    }

    /// A change is complete, and this node took part: what that means on disk. Old holders that took none are told.
    fn moved(&mut self, hash: Hash, step: AnyStep) -> Vec<Write> {
        let ceremony = self.ceremonies.get(&hash).expect("invariant: the caller looked it up");
        let (proposal, request) = (Arc::clone(&ceremony.proposal), ceremony.request);
        let base = ceremony.base().expect("invariant: a change has a base");
        let chain = extended(&base.chain, step);
        let key = proposal.key.expect("invariant: a change names the key");
        let outside: Vec<_> = self.keys.get(&key).map_or_else(Vec::new, |key| {
            let told = |id: &NodeId| proposal.index_of(*id).is_none();
            key.holders().iter().map(|h| h.id).filter(told).collect()
        });
        let writes = self.move_on(key, chain, Some(request));
        if !writes.is_empty() {
            for peer in outside {
                self.show_key(peer, key);
            }
        }
        writes
    }

    /// Remembers that a request has led to its result.
    pub(in super::super) fn finish_request(&mut self, request: Hash) -> Option<Write> {
        let record = self.requests.finish(&request)?;
        Some(Write::put(Table::Requests, request.0, record.write()))
    }

    /// Tells how a ceremony ended: to the task it belongs to, or, at a mere participant, in its story.
    pub(in super::super) fn ended(
        &mut self,
        request: Hash,
        hash: Hash,
        proposal: &Arc<super::Proposal>,
        end: End,
    ) {
        self.report(hash, proposal, &end);
        // What others propose for a request of this node may bring its result, but is no try of this node.
        let waits = self.tasks.contains_key(&request);
        let mine = waits && proposal.proposer == self.me;
        match end {
            End::Key(key) => {
                self.tasks.remove(&request);
                self.key_is_active(request, key);
                self.name_peers();
            }
            End::Presigned => {
                self.tasks.remove(&request);
                self.tell_result(request, proposal.key.map(api_key), api::Outcome::Internal);
            }
            End::Aux(aux) if mine => self.go_on_with(request, aux),
            End::Aux(_) if waits && !mine => {}
            // It made the own tries wait, and nothing came of it.
            End::Failed { .. } if waits && !mine => {
                if let Some(task) = self.tasks.get_mut(&request) {
                    task.demote(proposal.proposer);
                }
            }
            End::Aux(_) => {
                let text = "The moduli are made, but the proposer did not go on to the key.";
                let problem = api::Problem::new(api::ProblemKind::DeadlinePassed, text);
                self.tell_maybe(request, problem, false);
            }
            End::Signature(signature) => {
                self.tasks.remove(&request);
                if let Some(view) = self.view_of_signature(request, proposal, &signature) {
                    let key = Some(view.key);
                    self.tell_stored_result(request, key, api::Outcome::Signature(Box::new(view)));
                }
            }
            End::Failed { problem, demote, waits } => {
                if mine {
                    self.try_failed(request, problem, &demote, waits);
                } else {
                    self.tell_maybe(request, problem, waits);
                }
            }
        }
    }
}
