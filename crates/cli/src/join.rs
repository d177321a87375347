//! `consign join`: makes the data folder of a node that joins a cluster when it starts.

use clap::Args;
use consign_node::config::parse_address;
use consign_node::core::invitation::Invitation;
use consign_node::core::joining::Door;
use consign_node::core::setup;
use consign_node::identity::{ClusterId, NodeId};
use serde_json::json;

use crate::failure::Failure;
use crate::flags::{Data, NodeFlags};
use crate::found;
use crate::init::unix_now;
use crate::output::{Output, bold};

/// Make the data folder of a node that joins a cluster, by invitation or by asking
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  CONSIGN_PASSPHRASE='correct horse battery' consign join --data ./b --name bob consign1...

The invitation is what `consign invite` printed at a founder. The node joins when it starts.

Without one, name the cluster and a member, as `consign validator list` prints them there; then the founders have to \
`consign validator vouch` for the id that this command prints.")]
pub(crate) struct Join {
    /// The invitation, as `consign invite` printed it
    #[arg(value_name = "INVITATION", required_unless_present = "cluster", conflicts_with_all = ["cluster", "peer"])]
    invitation: Option<String>,

    /// The id of the cluster to ask, instead of an invitation
    #[arg(long, value_name = "ID", requires = "peer")]
    cluster: Option<ClusterId>,

    /// A member to ask, like /ip4/192.0.2.1/tcp/7600/p2p/12D3...
    #[arg(long, value_name = "ADDRESS", requires = "cluster", value_parser = peer)]
    peer: Option<(NodeId, String)>,

    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    node: NodeFlags,
}

/// How a node comes in.
enum Way {
    Invited(Invitation),
    Asking(Door),
}

impl Join {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        let way = self.way()?;
        let mut id = None;
        found::folder(&self.data.data, &self.node.to_flags(None), |identity| {
            id = Some(identity.node_id());
            Ok(match &way {
                Way::Invited(invitation) => setup::joiner(identity, invitation),
                Way::Asking(door) => setup::asker(identity, door),
            })
        })?;
        let data = self.data.data.display().to_string();
        let id = id.expect("invariant: the folder was made with an identity").to_string();
        let (cluster, next) = match &way {
            Way::Invited(invitation) => (invitation.cluster, String::new()),
            Way::Asking(door) => {
                let command = bold(&format!("consign validator vouch {id}"));
                (door.cluster, format!("\nLet founders:  {command}"))
            }
        };
        let cluster = cluster.to_string();
        out.show(&json!({ "data": data, "validator": id, "cluster": cluster }), || {
            format!(
                "This node will join as validator {}.\n\nStart it:  {}{next}",
                bold(&id),
                bold(&format!("consign node --data {data}")),
            )
        })
    }

    fn way(&self) -> Result<Way, Failure> {
        match (&self.invitation, self.cluster, &self.peer) {
            (None, Some(cluster), Some((peer, address))) => {
                Ok(Way::Asking(Door { cluster, peer: *peer, addresses: vec![address.clone()] }))
            }
            (Some(text), ..) => {
                let invitation: Invitation = text.parse().map_err(|e| Failure::Usage(format!("{e}")))?;
                if invitation.expires <= unix_now()? {
                    return Err(Failure::Usage(
                        "this invitation is no longer good: ask for a new one (`consign invite`)".to_owned(),
                    ));
                }
                Ok(Way::Invited(invitation))
            }
            (None, ..) => Err(Failure::Usage("give an invitation, or --cluster and --peer".to_owned())),
        }
    }
}

/// An address with the id of who listens there: nobody else can answer in its place.
fn peer(text: &str) -> Result<(NodeId, String), String> {
    let bad = || {
        "must be like /ip4/192.0.2.1/tcp/7600/p2p/12D3..., as `consign validator list` prints it there"
            .to_owned()
    };
    let (address, id) = text.split_once("/p2p/").ok_or_else(bad)?;
    let id = NodeId::from_peer_text(id).map_err(|_| bad())?;
    parse_address(address).ok_or_else(bad)?;
    Ok((id, address.to_owned()))
}

#[cfg(test)]
mod tests {
    use consign_node::identity::Identity;

    use super::*;

    #[test]
    fn an_address_names_who_listens() {
        let id = Identity::from_seed(&[1; 32]).node_id();
        let text = format!("/ip4/192.0.2.1/tcp/7600/p2p/{}", id.to_peer_id());
        assert_eq!(peer(&text).unwrap(), (id, "/ip4/192.0.2.1/tcp/7600".to_owned()));
        for wrong in [
            "",
            "/ip4/192.0.2.1/tcp/7600",
            "/dns4/a/tcp/1/p2p/x",
            &text[..text.len() - 1],
            &format!("{text}/x"),
        ] {
            assert!(peer(wrong).is_err(), "{wrong}");
        }
    }
}
