//! `consign standby`: makes the data folder of a second process for a node that exists.

use clap::Args;
use serde_json::json;

use crate::failure::Failure;
use crate::flags::{Data, NodeFlags};
use crate::found;
use crate::output::{Output, bold};

/// Make the data folder of a second process for a node that exists, to take over when the first one is gone
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  CONSIGN_PASSPHRASE='correct horse battery' consign standby --data ./a2 \\
      --store 'rediss://:PASSWORD@redis.example.org:6379/0?name=alice'

On another machine, with the URL of the store and the passphrase or key file of the node, which may be running. The store is \
opened to see that both are right; nothing in it is changed. Start it with `consign node`: it waits as long as another process \
has the store, and takes over within 10 s of its death.")]
pub(crate) struct Standby {
    #[command(flatten)]
    data: Data,

    #[command(flatten)]
    node: NodeFlags,
}

impl Standby {
    /// Runs the command.
    pub(crate) fn run(&self, out: &Output) -> Result<(), Failure> {
        let beside = found::beside(&self.data.data, &self.node.to_flags(None))?;
        let data = self.data.data.display().to_string();
        let id = beside.validator.to_string();
        let value =
            json!({ "data": data, "validator": id, "name": beside.name, "policy": beside.has_policy });
        out.show(&value, || {
            let policy = if beside.has_policy {
                "\nCopy policy.toml from the other machine first: the node does not start without."
            } else {
                ""
            };
            format!(
                "This folder stands by for validator {} ({}).\n{policy}\nStart it:  {}\n\nIts API has a token of its own; \
                 copy api-token, too, where programs shall use the same.",
                bold(&id),
                beside.name,
                bold(&format!("consign node --data {data}")),
            )
        })
    }
}
