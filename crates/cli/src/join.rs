//! `consign join`: makes the data folder of a node that joins a cluster when it starts.

use clap::Args;
use consign_node::core::invitation::Invitation;
use consign_node::core::setup;
use serde_json::json;

use crate::failure::Failure;
use crate::flags::{Data, NodeFlags};
use crate::found;
use crate::init::unix_now;
use crate::output::{Output, bold};

/// Make the data folder of a node that joins a cluster by invitation
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  CONSIGN_PASSPHRASE='correct horse battery' consign join --data ./b --name bob consign1...

The invitation is what `consign invite` printed at a founder. The node joins when it starts.")]
pub(crate) struct Join {
    /// The invitation, as `consign invite` printed it
    #[arg(value_name = "INVITATION")]
    invitation: String,

    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    node: NodeFlags,
}

impl Join {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        let invitation: Invitation = self.invitation.parse().map_err(|e| Failure::Usage(format!("{e}")))?;
        if invitation.expires <= unix_now()? {
            return Err(Failure::Usage(
                "this invitation is no longer good: ask for a new one (`consign invite`)".to_owned(),
            ));
        }
        let mut id = None;
        found::folder(&self.data.data, &self.node.to_flags(None), |identity| {
            id = Some(identity.node_id());
            Ok(setup::joiner(identity, &invitation))
        })?;
        let data = self.data.data.display().to_string();
        let id = id.expect("invariant: the folder was made with an identity").to_string();
        let cluster = invitation.cluster.to_string();
        out.show(&json!({ "data": data, "validator": id, "cluster": cluster }), || {
            format!(
                "This node will join as validator {}.\n\nStart it:  {}",
                bold(&id),
                bold(&format!("consign node --data {data}")),
            )
        })
    }
}
