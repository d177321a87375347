//! Flags that several commands have.

use std::path::PathBuf;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{ArgAction, Args};
use consign_api::ClusterId;
use consign_node::config::{Flags, StoreText};

/// Where the node keeps its things.
#[derive(Args, Clone, Debug)]
pub(crate) struct Data {
    /// Data folder of the node
    #[arg(long, value_name = "DIR", env = "CONSIGN_DATA", default_value = "./consign-data")]
    pub(crate) data: PathBuf,
}

/// Which node is asked, and in whose name.
#[derive(Args, Clone, Debug)]
pub(crate) struct Call {
    #[command(flatten)]
    pub(crate) data: Data,

    /// Where the API of a node elsewhere is.
    #[arg(
        long,
        value_name = "URL",
        env = "CONSIGN_API_URL",
        help = "Address of the API of a node elsewhere, like https://node1.example.org:7601, instead of --data; needs \
                --client, and --cluster for its first call"
    )]
    pub(crate) api_url: Option<String>,

    /// Certificate (PEM) of the authority behind the certificate of --api-url; if left out, whom this machine trusts
    #[arg(long, value_name = "FILE", env = "CONSIGN_CA")]
    pub(crate) ca: Option<PathBuf>,

    /// Key file of the client that signs what is asked; made by `consign client new`
    #[arg(long, value_name = "FILE", env = "CONSIGN_CLIENT")]
    pub(crate) client: Option<PathBuf>,

    /// The cluster that the client signs for; if left out, the node is believed what it says
    #[arg(long, value_name = "ID", env = "CONSIGN_CLUSTER")]
    pub(crate) cluster: Option<ClusterId>,

    /// What to call the request, so that it can be asked for again: the same name with the same content is the same request,
    /// also after an approval. If left out, each call is a request of its own
    #[arg(long, value_name = "NAME")]
    pub(crate) request: Option<String>,

    /// For how long the client's signature counts, in minutes; more than 10, up to a day, only where the operators of all
    /// nodes that take part approve it
    #[arg(long, value_name = "MINUTES", requires = "client",
          value_parser = clap::value_parser!(u16).range(1..=MAX_MINUTES))]
    pub(crate) valid_for: Option<u16>,
}

/// Longest validity of a signature in minutes: a day.
const MAX_MINUTES: i64 = 24 * 60;

/// Switches the lanes without an argument. Empty is as good as unset.
pub(crate) const LANES_VARIABLE: &str = "CONSIGN_LANES";

/// Switches batch verification without an argument. Empty is as good as unset.
pub(crate) const BATCHES_VARIABLE: &str = "CONSIGN_BATCH_VERIFICATION";

/// Reads the word of a switch.
fn switch() -> impl TypedValueParser<Value = bool> {
    let words = [PossibleValue::new("on"), PossibleValue::new("off"), PossibleValue::new("").hide(true)];
    PossibleValuesParser::new(words).map(|word| word != "off")
}

/// Whether many exponentiations are computed at once.
#[derive(Args, Clone, Debug)]
pub(crate) struct Lanes {
    /// Compute in lanes of AVX512-IFMA if the processor has it: faster, with the same results
    #[arg(long, value_name = "SWITCH", env = LANES_VARIABLE, default_value = "on",
        value_parser = switch(), action = ArgAction::Set)]
    lanes: bool,
}

/// Whether equations of proofs are joined.
#[derive(Args, Clone, Debug)]
pub(crate) struct Batches {
    /// Verify the proofs that another signer sends in a round together where that is safe: faster, and whoever lies is found
    /// as without
    #[arg(long, value_name = "SWITCH", env = BATCHES_VARIABLE, default_value = "on",
        value_parser = switch(), action = ArgAction::Set)]
    pub(crate) batch_verification: bool,
}

impl Lanes {
    /// Switches them for this process.
    pub(crate) fn apply(&self) {
        consign_modexp::set_lanes(self.lanes);
    }
}

/// What a node runs with. A flag wins over its environment variable, that over `config.toml` in the data folder
/// (the variables are read by [`consign_node::config::Config::load`], which knows all three).
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct NodeFlags {
    /// Display name, shown to the other validators [env: CONSIGN_NAME]
    #[arg(long)]
    name: Option<String>,

    /// Address for other nodes, like /ip4/0.0.0.0/tcp/7600; port 0 picks a free one; may be repeated [env: CONSIGN_LISTEN]
    #[arg(long, value_name = "ADDRESS")]
    listen: Vec<String>,

    /// Address told to other nodes, if not the one listened on; may be repeated [env: CONSIGN_ANNOUNCE]
    #[arg(long, value_name = "ADDRESS")]
    announce: Vec<String>,

    /// Address of the HTTP API, like 127.0.0.1:7601; port 0 picks a free one [env: CONSIGN_API]
    #[arg(long, value_name = "IP:PORT")]
    api: Option<String>,

    /// Certificate of the API in PEM, with those between it and an authority's: then it speaks TLS [env:
    /// CONSIGN_TLS_CERTIFICATE]
    #[arg(long, value_name = "FILE")]
    tls_certificate: Option<PathBuf>,

    /// Private key of that certificate, in PEM [env: CONSIGN_TLS_KEY]
    #[arg(long, value_name = "FILE")]
    tls_key: Option<PathBuf>,

    /// What clients may call this node besides its IP addresses and localhost; may be repeated [env: CONSIGN_API_NAMES]
    #[arg(long = "api-name", value_name = "NAME")]
    api_names: Vec<String>,

    /// Let the API listen elsewhere than on loopback without TLS: whoever is on the way reads everything [env:
    /// CONSIGN_ALLOW_PLAIN_HTTP=true]
    #[arg(long)]
    allow_plain_http: bool,

    /// Redis server for the store, like rediss://:PASSWORD@host:6379/0?name=alice, instead of a file [env: CONSIGN_STORE]
    #[arg(long, value_name = "URL")]
    store: Option<StoreText>,

    /// The Redis server hides its settings, and I saw that they are as docs/storage.md wants them
    #[arg(long)]
    assert_redis_settings: bool,

    /// File of 32 random bytes in hex that locks the store, instead of a passphrase [env: CONSIGN_KEY_FILE]
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl NodeFlags {
    /// As the configuration takes them.
    pub(crate) fn to_flags(&self, log: Option<String>) -> Flags {
        Flags {
            name: self.name.clone(),
            listen: self.listen.clone(),
            announce: self.announce.clone(),
            api: self.api.clone(),
            tls_certificate: self.tls_certificate.clone(),
            tls_key: self.tls_key.clone(),
            api_names: self.api_names.clone(),
            allow_plain_http: self.allow_plain_http,
            store: self.store.clone(),
            assert_redis_settings: self.assert_redis_settings,
            key_file: self.key_file.clone(),
            log,
        }
    }
}
