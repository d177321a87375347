//! `consign key refresh` and `consign key reshare`: new shares under the same public key.

use clap::Args;
use consign_api::limits::{MAX_THRESHOLD, MIN_THRESHOLD};
use consign_api::{
    CeremonyView, KeyView, Moduli, NodeId, Outcome, Refresh as RefreshRequest, RefreshTerms,
    Reshare as ReshareRequest, ReshareTerms,
};

use super::create::{committee, majority, meant};
use super::find;
use super::show::describe;
use crate::connection::Connection;
use crate::failure::Failure;
use crate::flags::Call;
use crate::follow;
use crate::output::Output;

/// Give every holder of a key a new share: same holders, same public key; old shares become worthless
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign key refresh --data ./a pay
  consign key refresh --data ./a pay --keep-aux

Do it now and then, and whenever a disk or a backup may have been read. All holders must be connected; if one
dies meanwhile, the key signs with the old shares or the new ones, and the holder catches up when it is back.

They make new moduli too, which takes longest, as for the first key. With --keep-aux they keep the old ones: then
whoever once read the secret factors in a store can still read what its node contributes to a signature.")]
pub(super) struct Refresh {
    /// The key's id, an unambiguous beginning of it, or its label
    #[arg(value_name = "KEY")]
    key: String,

    /// Make new moduli too; this is what happens if nothing is said
    #[arg(long)]
    renew_aux: bool,

    /// Keep the moduli; faster, and weaker
    #[arg(long, conflicts_with = "renew_aux")]
    keep_aux: bool,

    #[command(flatten)]
    call: Call,
}

impl Refresh {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        let node = Connection::of(&self.call)?;
        let key = find::at(&node, &self.key)?;
        let moduli = if self.keep_aux { Moduli::Keep } else { Moduli::Renew };
        let request = RefreshRequest { key: key.id, terms: RefreshTerms { epoch: key.epoch, moduli } };
        let over = follow::to_end(&node, node.refresh(&request)?, out)?;
        let committee: Vec<_> = key.committee.iter().map(|member| member.validator).collect();
        let new = changed(&over, &key, key.threshold, &committee)?;
        let Some(trust) = node.trust() else { return out.show(new, || describe(new)) };
        let new = trust.changed(key.id, key.epoch, key.threshold, &committee)?;
        out.show(&new, || describe(&new))
    }
}

/// Move a key to other holders, another threshold, or both: same public key, old shares are erased
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign key reshare --data ./a pay --threshold 3 \\
    --member alice --member bob --member carol --member dave --member erin
  consign key reshare --data ./a pay --member alice --member bob --member erin

As many old holders as must sign have to be connected, and all new ones; give every name, also of those who stay.
An old holder that is down catches up when it is back. This is the cure when a holder is gone or silent.

Whoever is left out can sign no more. Resharing is as strong as handing out the key: look twice at the names.")]
pub(super) struct Reshare {
    /// The key's id, an unambiguous beginning of it, or its label
    #[arg(value_name = "KEY")]
    key: String,

    /// A validator that holds a share from then on, by name, id or beginning of it; repeated for each of them
    #[arg(long = "member", value_name = "VALIDATOR", required = true)]
    members: Vec<String>,

    /// How many of them must sign together; a majority if left out
    #[arg(long, value_name = "T",
          value_parser = clap::value_parser!(u16).range(i64::from(MIN_THRESHOLD)..=i64::from(MAX_THRESHOLD)))]
    threshold: Option<u16>,

    #[command(flatten)]
    call: Call,
}

impl Reshare {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        let node = Connection::of(&self.call)?;
        let key = find::at(&node, &self.key)?;
        let roster = node.validators()?;
        let committee = committee(&roster, &self.members)?;
        let names = meant(&node, &roster, &committee, &self.members, out)?;
        let threshold = self.threshold.unwrap_or_else(|| majority(committee.len()));
        let terms = ReshareTerms { epoch: key.epoch, threshold, committee: committee.clone() };
        let terms = terms.checked().map_err(Failure::Usage)?;
        let over = follow::to_end(&node, node.reshare(&ReshareRequest { key: key.id, terms })?, out)?;
        let new = changed(&over, &key, threshold, &committee)?;
        let Some(trust) = node.trust() else { return out.show(new, || describe(new)) };
        let new = trust.changed(key.id, key.epoch, threshold, &committee)?;
        trust.call(&names)?;
        out.show(&new, || describe(&new))
    }
}

/// The key after a change, if it is the same key, and its shares are where they were to go.
pub(crate) fn changed<'a>(
    over: &'a CeremonyView,
    old: &KeyView,
    threshold: u16,
    committee: &[NodeId],
) -> Result<&'a KeyView, Failure> {
    let Some(Outcome::Key(new)) = &over.outcome else { return Err(follow::odd_outcome(over)) };
    let same = KeyView {
        threshold: new.threshold,
        committee: new.committee.clone(),
        epoch: new.epoch,
        share: new.share,
        state: new.state,
        presignatures: new.presignatures,
        standing: new.standing.clone(),
        ..old.clone()
    };
    if **new != same {
        return Err(Failure::Mistrusted(format!(
            "the node shows another public key for {} than before: do not use this node",
            old.id
        )));
    }
    let holders: Vec<_> = new.committee.iter().map(|member| member.validator).collect();
    if new.epoch <= old.epoch || new.threshold != threshold || holders != committee {
        return Err(Failure::Mistrusted(format!(
            "the node shows other holders or another threshold for {} than asked for: do not use this node",
            old.id
        )));
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use consign_api::{
        CeremonyId, CeremonyKind, CeremonyState, Curve, KeyId, KeyState, Level, Member, Phase, Scheme,
    };

    use super::*;

    fn key(epoch: u64) -> KeyView {
        let member = |index: u8| Member { index: index.into(), validator: NodeId([index; 32]), name: None };
        KeyView {
            id: KeyId([1; 32]),
            label: "pay".parse().unwrap(),
            scheme: Scheme::Cggmp24,
            curve: Curve::Secp256k1,
            level: Level::L128,
            threshold: 2,
            committee: (1..=3).map(member).collect(),
            epoch,
            share: true,
            state: KeyState::Active,
            owner: None,
            imported: None,
            exports: Vec::new(),
            presignatures: 0,
            standing: None,
            public_key: "02".repeat(33),
            chain_code: Some("03".repeat(32)),
            xpub: Some("xpub1".to_owned()),
            ethereum_address: Some("0x1".to_owned()),
            bitcoin_address: Some("bc1".to_owned()),
        }
    }

    fn over(outcome: Option<Outcome>) -> CeremonyView {
        CeremonyView {
            id: CeremonyId([2; 32]),
            kind: CeremonyKind::Refresh,
            key: None,
            label: None,
            proposer: NodeId([1; 32]),
            participants: Vec::new(),
            state: CeremonyState::Done,
            phase: Phase::Refresh,
            round: 6,
            rounds: 6,
            waiting_for: Vec::new(),
            progress: None,
            elapsed_ms: 0,
            timings: Vec::new(),
            outcome,
            failure: None,
            presignatures: Vec::new(),
            evidence: Vec::new(),
        }
    }

    #[test]
    fn only_the_same_key_with_the_holders_asked_for_is_believed() {
        let old = key(0);
        let committee: Vec<_> = old.committee.iter().map(|m| m.validator).collect();
        let verdict = |change: &dyn Fn(&mut KeyView)| {
            let mut new = key(1);
            change(&mut new);
            let over = over(Some(Outcome::Key(Box::new(new))));
            changed(&over, &old, 2, &committee).map(|key| key.epoch).map_err(|e| e.to_string())
        };
        assert_eq!(verdict(&|_| {}), Ok(1));
        assert!(verdict(&|k| k.public_key = "03".repeat(33)).unwrap_err().contains("another public key"));
        assert!(verdict(&|k| k.xpub = None).unwrap_err().contains("another public key"));
        assert!(
            verdict(&|k| k.chain_code = Some("04".repeat(32))).unwrap_err().contains("another public key")
        );
        assert!(verdict(&|k| k.ethereum_address = None).unwrap_err().contains("another public key"));
        assert!(verdict(&|k| k.id = KeyId([9; 32])).unwrap_err().contains("another public key"));
        assert!(verdict(&|k| k.threshold = 3).unwrap_err().contains("other holders"));
        assert!(verdict(&|k| drop(k.committee.pop())).unwrap_err().contains("other holders"));
        assert!(verdict(&|k| k.committee.swap(0, 1)).unwrap_err().contains("other holders"));
        assert!(verdict(&|k| k.epoch = 0).unwrap_err().contains("other holders"));
        assert!(changed(&over(Some(Outcome::Internal)), &old, 2, &committee).is_err());
    }
}
