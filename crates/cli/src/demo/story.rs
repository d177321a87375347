//! What happens in the demo, in order.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use consign_api::{
    CreateKey, Curve, Invite, KeyView, NodeId, Outcome, PathText, Phase as CeremonyPhase, PhaseTime, Scheme,
    Sign, SignTarget, SignatureView,
};
use consign_cggmp24::derivation::Path;
use consign_node::config::{ApiConfig, Config};
use consign_node::core::invitation::Invitation;
use consign_node::core::misbehave::Misbehaviour;
use consign_node::core::setup;
use consign_node::store::Unlock;

use super::Demo;
use super::cheat::CHEATER;
use super::nodes::{LOOK, Nodes};
use super::report::{HASH, Phase, result, tell};
use crate::connection::Connection;
use crate::failure::Failure;
use crate::follow::{self, PhaseBars};
use crate::found;
use crate::init::unix_now;
use crate::key::signature;
use crate::operator;
use crate::output::{Output, bold};
use crate::verify;

/// How long nodes may take to start, meet, or notice that one is gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// The number of the founder.
const FOUNDER: usize = 1;

/// How long an invitation is good, in seconds: it is used at once.
const INVITATION_S: u32 = 600;

/// Random bytes of a key file.
const KEY_BYTES: usize = 32;

/// The demo while it plays.
pub(super) struct Story<'a> {
    pub(super) demo: &'a Demo,
    pub(super) threshold: u16,
    pub(super) nodes: &'a Nodes,
    pub(super) out: &'a Output,
}

impl Story<'_> {
    /// Everything, from nothing to three verified signatures.
    pub(super) fn play(&self) -> Result<(), Failure> {
        self.open()?;
        let founder = self.start()?;
        self.join()?;
        let key = self.create(&founder)?;
        let first = self.sign(&founder, &key, "sign", "signed by")?;
        let killed = self.kill(&founder, &key, &first)?;
        let second = self.sign(&founder, &key, "sign-again", "signed again by")?;
        let last_key = self.change(&founder, &key, killed)?;
        let third = self.sign(&founder, &last_key, "sign-changed", "with new shares, signed by")?;
        self.verify(&key, [&first, &second], killed)?;
        self.verify_changed(&last_key, [&first, &second], &third)?;
        result(self.out, &self.demo.text, &last_key, &[first, second], Some(&third), None)?;
        if self.demo.keep { self.keep() } else { self.goodbye() }
    }

    /// What this is.
    pub(super) fn open(&self) -> Result<(), Failure> {
        let cheat = if self.demo.cheat { format!("; node {CHEATER} will cheat") } else { String::new() };
        self.out.text(&format!(
            "{}: {} nodes, any {} of them sign, level {}{cheat}\n",
            bold("Consign demo"),
            self.demo.parties,
            self.threshold,
            self.demo.level
        ))
    }

    /// The first node founds a cluster.
    pub(super) fn start(&self) -> Result<Connection, Failure> {
        let phase = Phase::begin(self.out, "start");
        phase.waits("a first node founds a cluster".to_owned());
        self.make(1, None)?;
        self.nodes.start(1)?;
        let founder = self.reach(FOUNDER)?;
        phase.done("a first node has founded a cluster")?;
        Ok(founder)
    }

    /// All others join it, and everybody meets everybody.
    pub(super) fn join(&self) -> Result<(), Failure> {
        let phase = Phase::begin(self.out, "join");
        let count = usize::from(self.demo.parties);
        for number in 2..=count {
            self.let_in(&phase, number)?;
        }
        self.all_meet(&phase, count)?;
        phase.done(&format!("{} more nodes have joined by invitation, all are connected", count - 1))
    }

    /// Invites a node and starts it.
    pub(super) fn let_in(&self, phase: &Phase<'_>, number: usize) -> Result<(), Failure> {
        phase.waits(format!("node {number}"));
        let founder = operator::open(&self.nodes.data(FOUNDER))?;
        let view = founder.invite(&Invite { valid_for: INVITATION_S })?;
        let invitation = view.invitation.parse().map_err(Failure::from_error)?;
        self.make(number, Some(&invitation))?;
        if self.demo.cheat && number == CHEATER {
            return self.nodes.start_cheating(number, Misbehaviour::WrongDelta);
        }
        self.nodes.start(number)
    }

    /// Waits until each of the first `count` nodes is connected with all others.
    pub(super) fn all_meet(&self, phase: &Phase<'_>, count: usize) -> Result<(), Failure> {
        for number in 1..=count {
            phase.waits(format!("node {number} meets the others"));
            let node = self.reach(number)?;
            self.until(&format!("node {number} to meet all others"), || {
                let validators = node.validators()?;
                let met = validators.iter().filter(|v| v.member && (v.connected || v.this_node)).count();
                Ok((met == count && node.node()?.member).then_some(()))
            })?;
        }
        Ok(())
    }

    /// Makes the data folder of a node.
    fn make(&self, number: usize, invitation: Option<&Invitation>) -> Result<(), Failure> {
        let loopback = |text: &str| text.parse().expect("invariant: the address is valid");
        let key_file = self.nodes.key_file(number);
        private_file(&key_file, hex::encode(found::random::<KEY_BYTES>()?.as_slice()).as_bytes())?;
        let config = Config {
            name: format!("node{number}"),
            listen: vec![loopback("/ip4/127.0.0.1/tcp/0")],
            announce: Vec::new(),
            api: ApiConfig::at((Ipv4Addr::LOCALHOST, 0).into()),
            store: None,
            assert_redis_settings: false,
            key_file: Some(key_file.clone()),
            passphrase_variable: consign_node::config::PASSPHRASE_VARIABLE.to_owned(),
            log: "info".to_owned(),
            keep_presignatures: 0,
            accept_policy: false,
            batch_verification: true,
        };
        found::folder_with(&self.nodes.data(number), &config, &Unlock::KeyFile(key_file), |identity| {
            Ok(match invitation {
                None => setup::founder(identity, unix_now()?, *found::random()?),
                Some(invitation) => setup::joiner(identity, invitation),
            })
        })
    }

    /// Waits until a node answers.
    pub(super) fn reach(&self, number: usize) -> Result<Connection, Failure> {
        self.until(&format!("node {number} to start"), || {
            let answering = Connection::open(&self.nodes.data(number)).and_then(|c| c.node().map(|_| c));
            match answering {
                Ok(connection) => Ok(Some(connection)),
                Err(Failure::NotRunning(_)) => Ok(None),
                Err(other) => Err(other),
            }
        })
    }

    /// The nodes make a key together; its phases are told one by one.
    pub(super) fn create(&self, node: &Connection) -> Result<KeyView, Failure> {
        let committee = self.validators(node, self.demo.parties.into())?;
        let request = CreateKey {
            label: "demo".parse().map_err(Failure::Failed)?,
            scheme: Scheme::Cggmp24,
            curve: Curve::Secp256k1,
            level: self.demo.level,
            threshold: self.threshold,
            committee,
        };
        let request = request.checked().map_err(Failure::Usage)?;
        let mut bars = PhaseBars::new(self.out, |time| self.tell_ceremony(time));
        let (begun, _) = node.create_key(&request)?;
        let over = follow::done(node.follow(begun, |view| bars.update(view))?)?;
        match over.outcome {
            Some(Outcome::Key(key)) => Ok(*key),
            Some(Outcome::Signature(_) | Outcome::Internal) | None => Err(follow::odd_outcome(&over)),
        }
    }

    /// The first `count` nodes, in order.
    pub(super) fn validators(&self, node: &Connection, count: usize) -> Result<Vec<NodeId>, Failure> {
        let roster = node.validators()?;
        let member = |number| {
            let name = format!("node{number}");
            let member = roster.iter().find(|v| v.name.as_ref().is_some_and(|n| n.as_str() == name));
            member.map(|v| v.id).ok_or_else(|| Failure::Failed(format!("{name} has no name yet")))
        };
        (1..=count).map(member).collect()
    }

    /// Tells a phase of the key's making.
    pub(super) fn tell_ceremony(&self, time: &PhaseTime) -> Result<(), Failure> {
        let what = match time.phase {
            // A few milliseconds, nobody's concern.
            CeremonyPhase::Accept => return Ok(()),
            CeremonyPhase::Primes => "every node has found its own secret primes",
            CeremonyPhase::Aux => "every node has proved its moduli to the others",
            CeremonyPhase::Keygen => "the key exists, in shares only",
            CeremonyPhase::Presign => "a presignature is ready",
            CeremonyPhase::Sign => "a signature is made",
            CeremonyPhase::Refresh => "all shares are new, the public key is the same",
            CeremonyPhase::Reshare => "the key has other holders, and the same public key",
        };
        tell(self.out, time.phase.word(), Duration::from_millis(time.ms), what)
    }

    /// As many nodes as needed sign the text.
    pub(super) fn sign(
        &self,
        node: &Connection,
        key: &KeyView,
        name: &'static str,
        what: &str,
    ) -> Result<SignatureView, Failure> {
        let phase = Phase::begin(self.out, name);
        let request = Sign { key: key.id, path: PathText::root(), target: self.target() };
        let over = node.follow(node.sign(&request)?, |view| {
            phase.waits(view.phase.to_string());
            Ok(())
        })?;
        let signature = signature(&follow::done(over)?)?.clone();
        let signers: Vec<_> = signature.signers.iter().map(|m| format!("node {}", m.index)).collect();
        phase.signed(&self.demo.text, &signature, &format!("{what} {}", signers.join(" and ")))?;
        Ok(signature)
    }

    /// What is signed, each time.
    pub(super) fn target(&self) -> SignTarget {
        SignTarget::Message { bytes: self.demo.text.as_bytes().to_vec(), hash: HASH }
    }

    /// Kills a node that has just signed (not the one that is asked), and waits until the others notice.
    fn kill(&self, node: &Connection, key: &KeyView, first: &SignatureView) -> Result<usize, Failure> {
        let phase = Phase::begin(self.out, "kill");
        let me = node.node()?.id;
        let victim = first.signers.iter().chain(&key.committee).find(|member| member.validator != me);
        let victim = victim.ok_or_else(|| Failure::Failed("nobody else signed".to_owned()))?;
        let number = usize::from(victim.index);
        self.nodes.kill(number)?;
        self.until("the others to notice that a node is gone", || {
            let gone = node.validators()?.iter().any(|v| v.id == victim.validator && !v.connected);
            Ok(gone.then_some(()))
        })?;
        phase.done(&format!("node {number}, which has just signed, is killed"))?;
        Ok(number)
    }

    /// The signatures of the first epoch, by a library that has nothing to do with this one.
    fn verify(&self, key: &KeyView, signatures: [&SignatureView; 2], killed: usize) -> Result<(), Failure> {
        for signature in signatures {
            verify::check(key, &Path::root(), &self.target().digest(), signature)?;
        }
        let [_, second] = signatures;
        if second.signers.iter().any(|member| usize::from(member.index) == killed) {
            return Err(Failure::Failed(format!("node {killed} has signed although it was dead")));
        }
        Ok(())
    }

    /// The signature with new shares, in the same way; all of them have nonces of their own.
    fn verify_changed(
        &self,
        key: &KeyView,
        [first, second]: [&SignatureView; 2],
        third: &SignatureView,
    ) -> Result<(), Failure> {
        let phase = Phase::begin(self.out, "verify");
        verify::check(key, &Path::root(), &self.target().digest(), third)?;
        if first.r == second.r || first.r == third.r || second.r == third.r {
            return Err(Failure::Failed("two signatures have one nonce: the key is lost".to_owned()));
        }
        phase.done("libsecp256k1 accepts all three, and recovers public key and Ethereum address")
    }

    /// Leaves everything as it is.
    pub(super) fn keep(&self) -> Result<(), Failure> {
        self.settle_ports()?;
        self.nodes.keep()?;
        let data = |number| self.nodes.data(number).display().to_string();
        let (one, two, folder) = (data(1), data(2), self.nodes.folder().display());
        let evidence =
            if self.demo.cheat { format!("\n  consign evidence list --data {one}") } else { String::new() };
        self.out.text(&format!(
            "\n{}\n  consign key list --data {one}\n  consign key sign --data {two} demo \"another text\"\n  \
             consign ceremony list --data {one}\n  consign validator list --data {two}{evidence}\n\n\
             Stop the nodes:   kill $(cat {folder}/node*/lock)\n\
             Start one again:  consign node --data {one}\n\
             Remove all:       rm -r {folder}",
            bold("The nodes go on running. Try:"),
        ))?;
        self.out.note(&format!("Everything lies in {folder}."));
        Ok(())
    }

    /// Writes the ports that the running nodes picked into their configurations, so that they find each other after a
    /// restart of all.
    fn settle_ports(&self) -> Result<(), Failure> {
        use consign_node::config::{DataFolder, Flags};
        for number in 1..=self.all() {
            let node = self.reach(number)?;
            let folder = DataFolder::open(&self.nodes.data(number))?;
            let flags = Flags {
                listen: node.node()?.addresses,
                api: Some(node.address().to_string()),
                ..Flags::default()
            };
            folder.write_file(&folder.config_file(), Config::load(&folder, &flags)?.to_file().as_bytes())?;
        }
        Ok(())
    }

    /// What to try next.
    pub(super) fn goodbye(&self) -> Result<(), Failure> {
        self.out.text(&format!(
            "\n{}\n  consign demo --keep                            leaves the nodes running, to play with\n  \
             consign demo --cheat                           one node cheats, and is caught\n  \
             consign demo --parties 5 --threshold 3         more nodes\n  \
             consign init --data ./a && consign node --data ./a   a cluster of your own; then `consign invite`",
            bold("Try next:")
        ))
    }

    /// Looks again and again until there is something, all nodes being well.
    pub(super) fn until<T>(
        &self,
        what: &str,
        look: impl Fn() -> Result<Option<T>, Failure>,
    ) -> Result<T, Failure> {
        let begun = Instant::now();
        loop {
            self.nodes.check()?;
            if let Some(found) = look()? {
                return Ok(found);
            }
            if begun.elapsed() > PATIENCE {
                return Err(Failure::Failed(format!("waited {} s in vain for {what}", PATIENCE.as_secs())));
            }
            std::thread::sleep(LOOK);
        }
    }
}

/// Writes a file that only its owner can read.
fn private_file(path: &std::path::Path, content: &[u8]) -> Result<(), Failure> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(content)?;
    Ok(())
}
