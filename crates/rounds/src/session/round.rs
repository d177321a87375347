//! Envelopes and rounds: collect one per party, compare echoes, check everyone, compute, speak.

use rand_core::CryptoRng;

use super::{DropReason, Effect, Failure, Finished, Phase, Session, equivocation};
use crate::codec::{Bytes, encode};
use crate::envelope::{Envelope, Header, PublicPart, SignedHeader};
use crate::evidence::{Evidence, Verdict};
use crate::hash::{Hash, broadcast_hash, direct_hash, next_echo};
use crate::judge::{Charge, Finding};
use crate::party::{Identities, PartyIndex, PerParty};
use crate::protocol::{Heard, Protocol, Said, Speech, Step};
use crate::reveal::Message;

/// Everything there is to say about the envelopes of the round being collected.
pub(super) struct Findings<P: Protocol> {
    verdicts: Vec<Verdict<P::Fault>>,
    echoes_differ: bool,
    /// What the others said.
    words: PerParty<Said<P>>,
}

impl<P: Protocol> Findings<P> {
    pub(super) fn is_clean(&self) -> bool {
        self.verdicts.is_empty() && !self.echoes_differ
    }
}

impl<P: Protocol, I: Identities> Session<P, I> {
    pub(super) fn receive_envelope(
        &mut self,
        envelope: Envelope,
        rng: &mut impl CryptoRng,
    ) -> Vec<Effect<P>> {
        match self.file(envelope) {
            Err(reason) => {
                self.dropped.add(reason);
                return Vec::new();
            }
            Ok(Some(verdict)) => return self.convict(vec![verdict]),
            Ok(None) => {}
        }
        let mut effects = self.compare_reveals();
        while self.is_round_complete() {
            effects.extend(self.finish_round(rng));
        }
        effects
    }

    /// Keeps an envelope, if it is one for us, now or next, and the first of its sender. What is dropped proves
    /// nothing about anybody; what contradicts an earlier one proves equivocation.
    fn file(&mut self, envelope: Envelope) -> Result<Option<Verdict<P::Fault>>, DropReason> {
        let header = &envelope.signed.header;
        if self.is_over() {
            return Err(DropReason::Ended);
        }
        if header.session != self.seat.session {
            return Err(DropReason::Session);
        }
        if header.from == self.seat.me || self.parties.binary_search(&header.from).is_err() {
            return Err(DropReason::Sender);
        }
        if header.to != self.seat.me {
            return Err(DropReason::Recipient);
        }
        if !(1..=P::ROUNDS).contains(&header.round) || header.round > self.round() + 1 {
            return Err(DropReason::Round);
        }
        let known = self.header(header.round, header.from).copied();
        if known.is_some_and(|known| known.header == *header) {
            return Err(DropReason::Duplicate);
        }
        if !envelope.signed.is_authentic(&*self.seat.identities) {
            return Err(DropReason::Signature);
        }
        if let Some(known) = known {
            // Two signed headers for one place, both addressed to us, always contradict each other.
            return Ok(Some(equivocation(known, envelope.signed)));
        }
        if !envelope.is_whole() {
            return Err(DropReason::Hash);
        }
        let is_current = header.round == self.round();
        let buffer = if is_current { &mut self.current } else { &mut self.next };
        buffer.insert(envelope.signed.header.from, envelope);
        Ok(None)
    }

    /// The header that `from` sent us in `round`, if it is here.
    pub(super) fn header(&self, round: u8, from: PartyIndex) -> Option<&SignedHeader> {
        if let Some(completed) = self.headers.get(usize::from(round).checked_sub(1)?) {
            return completed.get(&from);
        }
        let ahead = usize::from(round) - self.headers.len();
        let buffer = match ahead {
            1 => &self.current,
            2 => &self.next,
            _ => return None,
        };
        buffer.get(&from).map(|envelope| &envelope.signed)
    }

    fn is_round_complete(&self) -> bool {
        matches!(self.phase, Phase::Running(_)) && self.current.len() == self.parties.len()
    }

    fn finish_round(&mut self, rng: &mut impl CryptoRng) -> Vec<Effect<P>> {
        let findings = self.examine();
        if !findings.is_clean() {
            return self.stop_on(findings);
        }
        let directs = self.close_round(findings.words);
        let Phase::Running(state) = std::mem::replace(&mut self.phase, Phase::Ended) else {
            unreachable!("invariant: only a running session has complete rounds");
        };
        match state.advance(&self.seat.public, &self.view, directs, rng) {
            Step::Speak(state, speech) => self.speak(state, speech),
            Step::Done(output) => {
                assert_eq!(self.completed(), P::ROUNDS, "invariant: a protocol ends after its last round");
                let rounds = self.said();
                let last = rounds.last().cloned().unwrap_or_default();
                vec![Effect::Finish(Finished { output, transcript: self.echo(), last, rounds })]
            }
            Step::Abort(failure) => vec![Effect::Fail(Failure::Protocol(failure))],
        }
    }

    /// Judges every envelope of the round that is here. All of them: the set of culprits must not depend on the
    /// order of arrival.
    pub(super) fn examine(&self) -> Findings<P> {
        let mut findings = Findings { verdicts: Vec::new(), echoes_differ: false, words: PerParty::new() };
        let echo = self.echo();
        for (&from, envelope) in &self.current {
            if envelope.signed.header.echo != echo {
                // The first echo depends on the session alone. Any other may differ because of a third party.
                match self.completed() {
                    0 => findings.verdicts.push(self.misbehaviour(envelope, Charge::WrongEcho)),
                    1.. => findings.echoes_differ = true,
                }
                continue;
            }
            if from == self.seat.me {
                let own = self.own.as_ref().expect("invariant: we said what is in our envelope");
                findings.verdicts.extend(self.rule_on(envelope, own));
                continue;
            }
            match self.court().listen(&self.view, &self.seat.aid, envelope) {
                Ok(said) => {
                    findings.verdicts.extend(self.rule_on(envelope, &said.broadcast));
                    findings.words.insert(from, said);
                }
                Err(charge) => findings.verdicts.push(self.misbehaviour(envelope, charge)),
            }
        }
        findings
    }

    fn misbehaviour(&self, envelope: &Envelope, charge: Charge<P::Fault>) -> Verdict<P::Fault> {
        let evidence = Evidence::Misbehaviour { before: self.past.clone(), charge: envelope.clone() };
        Verdict { culprit: envelope.signed.header.from, charge, evidence }
    }

    /// Decides the complaint in a broadcast, if there is one.
    fn rule_on(&self, envelope: &Envelope, broadcast: &P::Broadcast) -> Option<Verdict<P::Fault>> {
        let complaint = P::complaint(broadcast)?;
        let header = &envelope.signed.header;
        let plaint = (header.from, header.round, broadcast);
        let finding = self
            .court()
            .rule_on(complaint, plaint, &self.past, &self.echoes)
            .expect("invariant: completed rounds decode");
        let (culprit, charge) = match finding {
            Finding::Accused(charge) => (complaint.against, charge),
            Finding::Accuser(charge) => (header.from, charge),
            Finding::Equivocated => {
                let shown = complaint.envelope.signed;
                let known = self.header(shown.header.round, complaint.against);
                let known = *known.expect("invariant: a ruling is about a completed round");
                return Some(equivocation(known, shown));
            }
        };
        let evidence = Evidence::Complaint { before: self.past.clone(), complaint: envelope.public_part() };
        Some(Verdict { culprit, charge, evidence })
    }

    /// Reports what was found. If echoes differ, everyone is shown what we received: either to find out who is
    /// behind it, or, if we have a culprit already, for others to find out.
    pub(super) fn stop_on(&mut self, findings: Findings<P>) -> Vec<Effect<P>> {
        let reveals = if findings.echoes_differ { self.start_revealing() } else { Vec::new() };
        let mut effects = self.convict(findings.verdicts);
        effects.extend(reveals);
        effects.extend(self.compare_reveals());
        effects
    }

    /// Makes the round part of the past. Everyone has passed `check`.
    fn close_round(&mut self, words: PerParty<Said<P>>) -> PerParty<Heard<P>> {
        let round = self.round();
        let envelopes = std::mem::replace(&mut self.current, std::mem::take(&mut self.next));
        let mut directs = PerParty::new();
        let own = self.own.take().expect("invariant: we said what is in our envelope");
        let mut broadcasts = PerParty::from([(self.seat.me, own)]);
        for (from, said) in words {
            let envelope = envelopes.get(&from).expect("invariant: words come from envelopes");
            directs.insert(from, Heard { direct: said.direct, envelope: envelope.direct_part() });
            broadcasts.insert(from, said.broadcast);
        }
        for (from, broadcast) in broadcasts {
            P::record(&mut self.view, round, from, broadcast);
        }
        let hashes = envelopes.iter().map(|(&j, e)| (j, e.signed.header.broadcast_hash)).collect();
        self.echoes.push(next_echo(self.seat.session, round, &self.echo(), &hashes));
        self.headers.push(envelopes.iter().map(|(&j, e)| (j, e.signed)).collect());
        self.past.0.push(envelopes.into_iter().map(|(j, e)| (j, e.broadcast)).collect());
        directs
    }

    /// What everybody said in each completed round, signed.
    fn said(&self) -> Vec<PerParty<PublicPart>> {
        let part = |(&from, &signed): (&PartyIndex, &SignedHeader), said: &PerParty<Bytes>| {
            let broadcast = said.get(&from).expect("invariant: one broadcast per header").clone();
            (from, PublicPart { signed, broadcast })
        };
        let round = |(headers, said): (&PerParty<SignedHeader>, &PerParty<Bytes>)| {
            headers.iter().map(|header| part(header, said)).collect()
        };
        self.headers.iter().zip(&self.past.0).map(round).collect()
    }

    /// Signs and sends the messages of the next round, and keeps our own copy.
    pub(super) fn speak(&mut self, state: P, speech: Speech<P>) -> Vec<Effect<P>> {
        assert!(self.completed() < P::ROUNDS, "invariant: nobody speaks after the last round");
        let round = self.round();
        let me = self.seat.me;
        let peers = self.parties.iter().copied().filter(|&party| party != me);
        assert!(speech.direct.keys().copied().eq(peers), "invariant: one direct part per peer");
        let broadcast = encode(&speech.broadcast);
        let limit = P::max_broadcast_bytes(&self.seat.public, round);
        assert!(broadcast.len() <= limit, "invariant: we keep to the limit of a broadcast");
        assert!(P::fits_broadcast(round, &speech.broadcast), "invariant: a broadcast fits its round");

        // Hashed once for all recipients.
        let said = broadcast_hash(&broadcast);
        let mut effects: Vec<_> = speech.durable.into_iter().map(Effect::Store).collect();
        let limit = P::max_direct_bytes(&self.seat.public, round);
        for (to, direct) in speech.direct {
            assert!(P::fits_direct(round, &direct), "invariant: a direct part fits its round");
            let direct = encode(&direct);
            assert!(direct.len() <= limit, "invariant: we keep to the limit of a direct part");
            let signed = self.sign(round, to, said, &direct);
            let envelope = Envelope { signed, broadcast: Bytes(broadcast.clone()), direct: Bytes(direct) };
            // The public part of the first one is our own copy: what it is needed for does not ask whom it went to.
            self.current.entry(me).or_insert_with(|| Envelope {
                signed: envelope.signed,
                broadcast: envelope.broadcast.clone(),
                direct: Bytes(Vec::new()),
            });
            effects.push(Effect::Send { to, message: Message::Envelope(envelope) });
        }
        self.own = Some(speech.broadcast);
        self.phase = Phase::Running(state);
        effects
    }

    /// The signed header of what is said in `round` to `to`: the hash of the broadcast, and the direct part.
    fn sign(&self, round: u8, to: PartyIndex, said: Hash, direct: &[u8]) -> SignedHeader {
        let header = Header {
            session: self.seat.session,
            round,
            from: self.seat.me,
            to,
            echo: self.echo(),
            broadcast_hash: said,
            direct_hash: direct_hash(direct),
        };
        SignedHeader::sign(header, &*self.seat.signer)
    }
}
