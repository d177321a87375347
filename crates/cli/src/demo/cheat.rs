//! The demo with a node that cheats: the others catch it, prove it to anybody, and sign without it.

use std::path::PathBuf;

use consign_api::{CeremonyView, EvidenceView, KeyView, PathText, Sign, SignatureView};
use consign_cggmp24::derivation::Path;
use consign_node::core::verdict::{Known, KnownKey};

use super::report::{Caught, Phase, result};
use super::story::Story;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::files;
use crate::follow;
use crate::key::signature;
use crate::verify;
use crate::verify_evidence;

/// The node that cheats. Of equally near nodes the first ones are asked to sign, so it will be.
pub(super) const CHEATER: usize = 2;

/// How often the nodes are asked to sign until they ask the cheat; the first time, as a rule.
const ASKED: usize = 50;

/// Digits of the id in the name of the file.
const ID_DIGITS: usize = 16;

impl Story<'_> {
    /// From nothing to a convicted cheat and two signatures without it.
    pub(super) fn play_cheat(&self) -> Result<(), Failure> {
        self.open()?;
        let founder = self.start()?;
        self.join()?;
        let key = self.create(&founder)?;
        let honest = self.honest()?;
        let (first, conviction) = self.catch(&honest, &key)?;
        let caught = self.prove(&honest, &key, &conviction)?;
        let other = honest.get(1).unwrap_or(&founder);
        let second = self.sign(other, &key, "sign-again", "another honest node knows too; signed by")?;
        let signatures = [first, second];
        self.check(&key, &signatures)?;
        result(self.out, &self.demo.text, &key, &signatures, None, Some(&caught))?;
        if self.demo.keep { self.keep() } else { self.goodbye() }
    }

    /// All nodes but the cheat.
    fn honest(&self) -> Result<Vec<Connection>, Failure> {
        let numbers = (1..=usize::from(self.demo.parties)).filter(|number| *number != CHEATER);
        numbers.map(|number| self.reach(number)).collect()
    }

    /// Asks for a signature; the cheat is among the signers, is convicted, and is replaced, all in the one request.
    fn catch(&self, honest: &[Connection], key: &KeyView) -> Result<(SignatureView, EvidenceView), Failure> {
        let phase = Phase::begin(self.out, "cheat");
        let request = Sign { key: key.id, path: PathText::root(), target: self.target() };
        for node in honest.iter().cycle().take(ASKED) {
            let over = node.follow(node.sign(&request)?, |view| {
                phase.waits(view.phase.to_string());
                Ok(())
            })?;
            let over = follow::done(over)?;
            let made = signature(&over)?.clone();
            // Where all signers were honest nothing has happened yet.
            let Some(conviction) = self.conviction(&over)? else { continue };
            phase.done(&format!(
                "node {} showed a wrong δ share; it is found out and replaced: signed by {}",
                conviction.index,
                and(made.signers.iter().map(|member| member.index))
            ))?;
            return Ok((made, conviction));
        }
        Err(Failure::Failed(format!("the nodes signed {ASKED} times and never asked node {CHEATER}")))
    }

    /// Who was convicted on the way to a signature.
    fn conviction(&self, over: &CeremonyView) -> Result<Option<EvidenceView>, Failure> {
        match over.evidence.as_slice() {
            [] => Ok(None),
            // Two signers may have found it out at the same time.
            [one, ..] if over.evidence.iter().all(|one| usize::from(one.index) == CHEATER) => {
                Ok(Some(one.clone()))
            }
            [..] => Err(Failure::Failed("somebody else than the cheat was convicted".to_owned())),
        }
    }

    /// Every honest node has judged; then the file is saved and judged here, as any outsider would.
    fn prove(
        &self,
        honest: &[Connection],
        key: &KeyView,
        conviction: &EvidenceView,
    ) -> Result<Caught, Failure> {
        let phase = Phase::begin(self.out, "evidence");
        for node in honest {
            self.until("all honest nodes to convict the cheat", || {
                let knows = node.evidence()?.iter().any(|view| view.culprit == conviction.culprit);
                Ok(knows.then_some(()))
            })?;
        }
        let asked = honest.iter().find_map(|node| node.evidence_file(conviction.id).ok());
        let bytes = asked.ok_or_else(|| Failure::Failed("no node shows the evidence".to_owned()))?;
        let file = save(conviction, &bytes)?;
        let public = hex::decode(&key.public_key).map_err(Failure::from_error)?;
        let known = Known { key: Some(KnownKey::Public(public)), ..Known::default() };
        let verdict = verify_evidence::judge(&std::fs::read(&file)?, &known)?;
        if *verdict.culprit.as_bytes() != conviction.culprit.0 {
            return Err(Failure::Failed("the evidence convicts somebody else".to_owned()));
        }
        let named = and((1..=self.demo.parties).filter(|number| *number != verdict.index));
        let id = conviction.id.short();
        phase
            .done(&format!("{named} name node {} by evidence {id}; so does its file alone", verdict.index))?;
        let (charge, id) = (verdict.charge, conviction.id);
        Ok(Caught {
            culprit: verdict.index,
            cheater: CHEATER,
            evidence: file,
            evidence_verified: true,
            id,
            charge,
        })
    }

    /// Both signatures hold, and the cheat has no part in them.
    fn check(&self, key: &KeyView, signatures: &[SignatureView; 2]) -> Result<(), Failure> {
        let phase = Phase::begin(self.out, "verify");
        for signature in signatures {
            verify::check(key, &Path::root(), &self.target().digest(), signature)?;
            if signature.signers.iter().any(|member| usize::from(member.index) == CHEATER) {
                return Err(Failure::Failed(format!("node {CHEATER} has signed although it was convicted")));
            }
        }
        phase.done("libsecp256k1 accepts both signatures, made without the cheat")
    }
}

/// Saves the evidence where it outlives the demo, under a name of its own: in the current folder, or among the temporary
/// files where nothing can be written there.
fn save(conviction: &EvidenceView, bytes: &[u8]) -> Result<PathBuf, Failure> {
    let id: String = conviction.id.to_string().chars().take(ID_DIGITS).collect();
    let name = format!("consign-demo-{id}.evidence");
    let here = std::path::absolute(&name)?;
    if files::save(&here, bytes).is_ok() {
        return Ok(here);
    }
    let file = std::env::temp_dir().join(name);
    files::save(&file, bytes)?;
    Ok(file)
}

/// Nodes, as people list them.
fn and(numbers: impl Iterator<Item = u16>) -> String {
    numbers.map(|number| format!("node {number}")).collect::<Vec<_>>().join(" and ")
}
