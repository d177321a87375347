//! `consign init`: founds a cluster with this node as its only founder.

use std::time::{SystemTime, UNIX_EPOCH};

use clap::Args;
use consign_node::core::setup;
use serde_json::json;

use crate::failure::Failure;
use crate::flags::{Data, NodeFlags};
use crate::found;
use crate::output::{Output, bold};

/// Found a new cluster: make a data folder with an identity, a sealed store and a configuration
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  CONSIGN_PASSPHRASE='correct horse battery' consign init --data ./a --name alice

The folder must not hold a store yet. An interrupted init can be repeated.")]
pub(crate) struct Init {
    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    node: NodeFlags,
}

impl Init {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        let mut id = None;
        found::folder(&self.data.data, &self.node.to_flags(None), |identity| {
            id = Some(identity.node_id());
            Ok(setup::founder(identity, unix_now()?, *found::random()?))
        })?;
        let data = self.data.data.display().to_string();
        let id = id.expect("invariant: the folder was made with an identity").to_string();
        out.show(&json!({ "data": data, "validator": id }), || {
            format!(
                "Founded a cluster; this node is validator {}.\n\nStart it:            {}\nInvite another one:  {}",
                bold(&id),
                bold(&format!("consign node --data {data}")),
                bold(&format!("consign invite --data {data}")),
            )
        })
    }
}

/// Seconds since 1970.
pub(crate) fn unix_now() -> Result<u64, Failure> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since
        .map(|time| time.as_secs())
        .map_err(|_| Failure::Failed("the clock is before 1970: set it first".to_owned()))
}
