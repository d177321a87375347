//! `consign policy drop`: a node without a policy again.

use clap::Args;
use consign_node::core::audit::entries_of;
use consign_node::core::governing::ungoverned;
use consign_node::store::Store as _;
use serde_json::json;

use crate::failure::Failure;
use crate::init::unix_now;
use crate::output::Output;
use crate::stopped::Stopped;

/// Let a stopped node do without a policy again: it then takes part in whatever a member of its cluster proposes
#[derive(Args, Debug)]
#[command(after_help = "\
Example:
  consign policy drop --data ./a --without-policy

The node remembers that it had a policy, so that no lost file and no restored backup opens it. This command makes it
forget; policy.toml itself you remove before.")]
pub(super) struct Drop {
    /// Say that this is meant: whoever takes over one member of a key's committee can then have messages signed here
    #[arg(long)]
    without_policy: bool,

    #[command(flatten)]
    node: Stopped,
}

impl Drop {
    /// Runs the command.
    pub(super) fn run(&self, out: &Output) -> Result<(), Failure> {
        if !self.without_policy {
            let text =
                "this opens the node to every member of its cluster: say --without-policy if you mean it";
            return Err(Failure::Usage(text.to_owned()));
        }
        let mut node = self.node.open()?;
        if node.folder.policy_text()?.is_some() {
            let file = node.folder.policy_file();
            return Err(Failure::Failed(format!("remove {} first: it is still a policy", file.display())));
        }
        let mut writes = Vec::from(ungoverned());
        writes.extend(entries_of(&node.store, &writes, unix_now()?).map_err(Failure::from_error)?);
        node.store.apply(&writes)?;
        out.show(&json!({ "policy": false }), || "This node has no policy any more.".to_owned())
    }
}
