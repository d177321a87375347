//! Schemathesis makes calls out of the description that a node serves of itself, good ones and bad ones, and looks whether
//! each answer is one that is described. Needs Python 3 with `venv`, and a package index to install from.

use std::path::Path;
use std::process::Command;

use consign_api::{CeremonyKind, ClientKey};

use crate::asking::{Answer, bring_to_the_end, request};
use crate::cluster::{CLIENT_SEED, Cluster, PATIENCE};
use crate::fault::ensure;
use crate::{Fault, Outcome, Setup};

/// The versions that are installed: a new one may find more, but not on its own.
const PACKAGES: [&str; 2] = ["schemathesis==4.32.5", "cryptography==50.0.2"];
/// What runs inside Schemathesis.
const HOOKS: &str = include_str!("schemathesis_hooks.py");
/// What is looked at: every status, media type, header and body is as described. `no_fault_of_the_node` is the hooks' own.
const CHECKS: &str = "no_fault_of_the_node,status_code_conformance,content_type_conformance,\
                      response_headers_conformance,response_schema_conformance";
/// In which ways calls are made: by a client that signs, with the token of the node, with neither.
const WAYS: [&str; 3] = ["signed", "token", "open"];

/// Runs it with so many examples for each call, once in each way.
///
/// # Errors
/// [`Fault`], if an answer is not as described, or Schemathesis cannot be installed.
pub fn run(setup: &Setup, examples: usize, python: &Path) -> Outcome {
    let cluster = Cluster::start(setup, &["anna", "bert", "carl"])?;
    let key = cluster.create_key("described", setup.level)?;
    let anna = cluster.node(0)?;
    let signed = request(cluster.id, &key, "an example", "an-example")?;
    let made = cluster.at(anna, |client| bring_to_the_end(client, &signed, &key, "an example", PATIENCE))?;
    ensure(matches!(made.answer, Answer::Signature(_)), || "no signature to begin with".to_owned())?;
    let ceremonies = cluster.at(anna, consign_api::client::Client::ceremonies)?;
    let ceremony = ceremonies.iter().find(|view| view.kind == CeremonyKind::Sign).map(|view| view.id);
    let ceremony = ceremony.ok_or_else(|| Fault::new("the signature is in no list"))?;

    let tools = cluster.place().join("python");
    done(Command::new(python).args(["-m", "venv"]).arg(&tools), "make a virtual environment")?;
    let pip = tools.join("bin/pip");
    done(Command::new(pip).args(["install", "--quiet"]).args(PACKAGES), "install Schemathesis")?;
    std::fs::write(cluster.place().join("trial_hooks.py"), HOOKS)?;
    let client: ClientKey = crate::cluster::client_secret().public();
    println!("{}; the client is {client}", PACKAGES.join(", "));
    let mut failed = Vec::new();
    for way in WAYS {
        println!("\ncalls that are {way}:");
        let mut run = Command::new(tools.join("bin/st"));
        run.current_dir(cluster.place()).arg("run");
        let node = format!("http://127.0.0.1:{}", anna.host.api);
        // Calls for the operator's socket go there too: over TCP they are refused, as described.
        run.arg(format!("{node}/openapi.json")).args(["--url", &node]);
        run.args(["--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples"]);
        run.arg(examples.to_string()).args(["--seed", &setup.seed.to_string(), "--no-color"]);
        run.args(["--continue-on-failure", "--request-timeout", "40", "--suppress-health-check", "all"]);
        run.args(["--generation-database", "none", "--warnings", "off"]);
        run.env("SCHEMATHESIS_HOOKS", "trial_hooks").env("PYTHONPATH", cluster.place());
        run.env("TRIAL_WAY", way).env("TRIAL_CLUSTER", cluster.id.to_string());
        run.env("TRIAL_TOKEN", anna.token()?.trim()).env("TRIAL_CLIENT_SEED", hex::encode(CLIENT_SEED));
        run.env("TRIAL_LEVEL", setup.level.to_string());
        run.env("TRIAL_KEY", key.id.to_string()).env("TRIAL_CEREMONY", ceremony.to_string());
        if !run.status()?.success() {
            failed.push(way);
        }
    }
    ensure(failed.is_empty(), || {
        format!("answers that are not as described, of calls that are {}", failed.join(", "))
    })
}

fn done(command: &mut Command, what: &str) -> Outcome {
    let status = command.status()?;
    ensure(status.success(), || format!("cannot {what}"))
}
