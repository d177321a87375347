//! The operator's way to the running node of a data folder.

use std::path::Path;

use consign_api::client::operator::Operator;
use consign_node::config::DataFolder;

use crate::failure::Failure;

/// The node that runs on a data folder. Nothing is said to it yet.
pub(crate) fn open(data: &Path) -> Result<Operator, Failure> {
    let folder = DataFolder::open(data).map_err(|e| Failure::NotRunning(e.to_string()))?;
    let socket = folder.operator_socket();
    if socket.exists() {
        return Ok(Operator::new(&socket));
    }
    let data = data.display();
    Err(Failure::NotRunning(format!(
        "no node takes orders on {data}: start it with `consign node --data {data}`, and see its log if it runs"
    )))
}
