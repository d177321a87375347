//! `consign verify-certificate`: an outsider sees what a key is, with nothing but the file.

use std::path::PathBuf;

use clap::Args;
use consign_api::{Certified, ClientKey, ClusterId, KeyId, Member, NodeId};
use consign_node::core::certificate::{MAX_FILE_BYTES, judge};

use crate::failure::Failure;
use crate::files;
use crate::output::{Output, bold, facts};

/// Judge the certificate of a key: what is it, who asked for it, who holds it?
#[derive(Args, Debug)]
#[command(after_help = "\
Examples:
  consign verify-certificate pay.certificate
  consign verify-certificate pay.certificate --public-key 02c6047f9441ed7d6d3045406e95c07cd85c778e4b8cef3ca7abac09b95c709ee5

Needs no node, no network and no secret: the file holds what the holders of the key have signed. It proves what the key
was in the epoch it ends with, and that the validators it names made it; whether these are the right ones is for you to
compare (--member, --owner, --cluster). It cannot show that no later epoch exists. Exit code 0: it holds; 6: it proves
nothing, or something else than you named.")]
pub(crate) struct VerifyCertificate {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// It must be the key with this id
    #[arg(long, value_name = "ID")]
    key: Option<KeyId>,

    /// It must have this public key (compressed, hexadecimal)
    #[arg(long, value_name = "HEX")]
    public_key: Option<String>,

    /// It must be of this cluster
    #[arg(long, value_name = "ID")]
    cluster: Option<ClusterId>,

    /// This client must have asked for it
    #[arg(long, value_name = "CLIENT")]
    owner: Option<ClientKey>,

    /// The validators that made it, by their full ids, in order; repeated for each of them
    #[arg(long = "member", value_name = "ID")]
    members: Vec<NodeId>,
}

impl VerifyCertificate {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        let shown = self.judge(&files::read(&self.file, MAX_FILE_BYTES)?)?;
        out.show(&shown, || format!("{}\n{}", bold("The certificate holds."), told(&shown)))
    }

    fn judge(&self, bytes: &[u8]) -> Result<Certified, Failure> {
        let proven = judge(bytes);
        let shown =
            proven.map_err(|why| Failure::NotProven(format!("the certificate proves nothing: {why}")))?;
        let other = |wanted: bool, what| {
            let text = || format!("the certificate holds, but it is of another {what} than you named");
            if wanted { Ok(()) } else { Err(Failure::NotProven(text())) }
        };
        let pin = &shown.pin;
        other(self.key.is_none_or(|key| key == pin.key), "key")?;
        other(self.public_key.as_ref().is_none_or(|key| *key == pin.public_key), "public key")?;
        other(self.cluster.is_none_or(|cluster| cluster == pin.cluster), "cluster")?;
        other(self.owner.is_none_or(|owner| Some(owner) == pin.owner), "owner")?;
        other(self.members.is_empty() || self.members == shown.first_committee, "committee")?;
        Ok(shown)
    }
}

/// What a certificate shows, for people: with full ids, since names are what nodes say.
pub(crate) fn told(shown: &Certified) -> String {
    let pin = &shown.pin;
    let owner =
        pin.owner.map_or_else(|| "nobody: asked for with a node's token".to_owned(), |o| o.to_string());
    let made = match pin.imported {
        None => format!("in shares, any {} of {}", shown.first_threshold, shown.first_committee.len()),
        Some(dealer) => format!("imported by {dealer}: the private key was in one place"),
    };
    let holders = |members: &[Member]| {
        let member = |m: &Member| format!("{} ({})", m.validator, m.index);
        members.iter().map(member).collect::<Vec<_>>().join(", ")
    };
    let makers = shown.first_committee.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    let mut rows = vec![
        ("key", pin.key.to_string()),
        ("label", pin.label.to_string()),
        ("kind", format!("{} on {}, level {}", pin.scheme, pin.curve, pin.level)),
        ("public key", pin.public_key.clone()),
        ("owner", owner),
        ("cluster", pin.cluster.to_string()),
        ("made", made),
        ("made by", makers),
        ("epoch", pin.epoch.to_string()),
        ("signers", format!("any {} of {}", pin.threshold, pin.committee.len())),
        ("holders", holders(&pin.committee)),
    ];
    let more = [
        ("chain code", &pin.chain_code),
        ("xpub", &shown.xpub),
        ("ethereum", &shown.ethereum_address),
        ("bitcoin", &shown.bitcoin_address),
    ];
    rows.extend(more.into_iter().filter_map(|(what, value)| Some((what, value.clone()?))));
    facts(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_proves_nothing() {
        let command = VerifyCertificate {
            file: PathBuf::new(),
            key: None,
            public_key: None,
            cluster: None,
            owner: None,
            members: Vec::new(),
        };
        for bytes in [&[][..], b"consign certificate 1\n", b"consign certificate 1\n\xff\xff\xff", &[0; 4096]]
        {
            assert!(matches!(command.judge(bytes), Err(Failure::NotProven(_))));
        }
        let error = command.judge(&vec![0; MAX_FILE_BYTES + 1]).unwrap_err();
        assert!(error.to_string().contains("longer than a certificate"), "{error}");
        assert_eq!(error.exit_code(), 6);
    }
}
