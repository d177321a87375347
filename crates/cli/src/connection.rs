//! The way to a running node: its API's address and token lie in its data folder, if that is on this machine; a node
//! elsewhere is opened by a client's signature.

use std::path::{Path, PathBuf};

use consign_api::client::{Client, ClientError, Endpoint, Start};
use consign_api::limits::MAX_PAGE;
use consign_api::{
    CeremonyId, CeremonyView, CharterView, ClusterId, CreateKey, Discard, EvidenceId, EvidenceView,
    HealthView, ImportKey, KeyId, KeyView, MessageQuery, MessageView, NodeView, Page, PageQuery, Presign,
    Refresh, Reshare, SendMessage, Sign, SignedRequest, ValidatorView,
};
use consign_node::config::DataFolder;

use crate::client;
use crate::failure::Failure;
use crate::files;
use crate::flags::Call;
use crate::trust::{self, Trust};

/// Longest address or token that is read from a file, in bytes.
const MAX_FILE_BYTES: u64 = 1024;

/// Longest file with certificates of authorities, in bytes: all that a system trusts.
const MAX_AUTHORITIES_BYTES: usize = 1 << 20;

/// A running node.
pub(crate) struct Connection {
    client: Client,
    address: String,
    /// What the caller calls its request.
    request: Option<String>,
    /// For how many seconds it counts, if that is said.
    valid_for_s: Option<u64>,
    /// What the client in whose name it is asked has seen; none where the node is asked with its own token.
    trust: Option<Trust>,
}

impl From<ClientError> for Failure {
    fn from(error: ClientError) -> Self {
        match error {
            ClientError::Problem(problem) => Self::Refused(problem),
            ClientError::Transport { .. } | ClientError::BadAnswer { .. } | ClientError::Untrusted { .. } => {
                Self::NotRunning(error.to_string())
            }
            ClientError::Endpoint(_) => Self::Usage(error.to_string()),
            ClientError::Unsigned(_) => Self::Failed(error.to_string()),
        }
    }
}

impl Connection {
    /// The node that runs on a data folder. Nothing is said to it yet.
    pub(crate) fn open(data: &Path) -> Result<Self, Failure> {
        let folder = DataFolder::open(data).map_err(|e| Failure::NotRunning(e.to_string()))?;
        let none = || {
            let data = data.display();
            Failure::NotRunning(format!("no node runs on {data}: start it with `consign node --data {data}`"))
        };
        let address = read(&folder.api_address_file())?.ok_or_else(none)?;
        address.parse::<std::net::SocketAddr>().map_err(|_| none())?;
        let token = read(&folder.api_token_file())?.ok_or_else(|| {
            let file = folder.api_token_file();
            Failure::Failed(format!("the API token is missing: restore {} from a backup", file.display()))
        })?;
        Ok(Self {
            client: Client::new(&address, &token),
            address,
            request: None,
            valid_for_s: None,
            trust: None,
        })
    }

    /// The node of a call, which is made in a client's name if that is told.
    pub(crate) fn of(call: &Call) -> Result<Self, Failure> {
        if let Some(url) = &call.api_url {
            return Self::far(url, call);
        }
        let request = call.request.clone();
        let node = Self { request, valid_for_s: valid_for(call), ..Self::open(&call.data.data)? };
        let Some(file) = &call.client else { return Ok(node) };
        let secret = client::read(file)?;
        let pins = trust::seen_by(file)?;
        let cluster = match call.cluster {
            Some(cluster) => cluster,
            None => node.cluster_of(pins.cluster)?,
        };
        let client = node.client.signed_by(secret, cluster);
        let trust = Some(Trust::new(file, pins, client.clone(), cluster)?);
        Ok(Self { client, trust, ..node })
    }

    /// The node's cluster, if it is the one that a client has asked so far.
    fn cluster_of(&self, before: Option<ClusterId>) -> Result<ClusterId, Failure> {
        let cluster = self.node()?.cluster;
        match before {
            Some(before) if before != cluster => Err(Failure::Mistrusted(format!(
                "the node says that it is of the cluster {cluster}, and this client has asked {before} so far: look at \
                 --data, or name the one you mean with --cluster"
            ))),
            Some(_) | None => Ok(cluster),
        }
    }

    /// What the client has seen, in whose name it is asked.
    pub(crate) fn trust(&self) -> Option<&Trust> {
        self.trust.as_ref()
    }

    /// Whether what the node shows of keys is checked.
    pub(crate) fn believes_nobody(&self) -> bool {
        self.trust.is_some()
    }

    /// A node by its address alone, on whatever machine. No token goes there, and what it says about itself is not believed.
    fn far(url: &str, call: &Call) -> Result<Self, Failure> {
        let needed = || {
            let text = "--api-url needs --client, and for its first call --cluster: a node elsewhere is opened by what a client \
                        signs for its cluster";
            Failure::Usage(text.to_owned())
        };
        let file = call.client.as_ref().ok_or_else(needed)?;
        let pins = trust::seen_by(file)?;
        let cluster = call.cluster.or(pins.cluster).ok_or_else(needed)?;
        let authorities = match &call.ca {
            None => None,
            Some(path) => {
                let pem = files::read(path, MAX_AUTHORITIES_BYTES)?;
                if pem.len() > MAX_AUTHORITIES_BYTES {
                    return Err(Failure::Usage(format!(
                        "{} is larger than {MAX_AUTHORITIES_BYTES} bytes: name a file with certificates",
                        path.display()
                    )));
                }
                Some(pem)
            }
        };
        let endpoint = Endpoint::new(url, authorities.as_deref()).map_err(ClientError::from)?;
        let client = Client::at(&endpoint).signed_by(client::read(file)?, cluster);
        let trust = Some(Trust::new(file, pins, client.clone(), cluster)?);
        let (address, valid_for_s) = (endpoint.url().to_owned(), valid_for(call));
        Ok(Self { client, address, request: call.request.clone(), valid_for_s, trust })
    }

    /// The same for a secret, which leaves this machine in no case: the API must listen on loopback.
    pub(crate) fn open_near(data: &Path) -> Result<Self, Failure> {
        let near = Self::open(data)?;
        let is_near = |address: std::net::SocketAddr| address.ip().is_loopback();
        if near.address.parse().is_ok_and(is_near) {
            Ok(near)
        } else {
            Err(Failure::Failed(format!(
                "the node's API listens at {}, and a private key must not leave this machine: set it to 127.0.0.1, \
                 restart the node, and try again",
                near.address
            )))
        }
    }

    fn start(&self) -> Start {
        Start { idempotency_key: self.request.clone(), valid_for_s: self.valid_for_s, ..Start::default() }
    }

    /// Where the node's API listens.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// Whether it lives.
    pub(crate) fn health(&self) -> Result<HealthView, Failure> {
        Ok(self.client.health()?)
    }

    /// The node itself.
    pub(crate) fn node(&self) -> Result<NodeView, Failure> {
        Ok(self.client.node()?)
    }

    /// The roster.
    pub(crate) fn validators(&self) -> Result<Vec<ValidatorView>, Failure> {
        Ok(self.client.validators()?)
    }

    /// All keys.
    pub(crate) fn keys(&self) -> Result<Vec<KeyView>, Failure> {
        Ok(self.client.keys()?)
    }

    /// One key; for a client as its certificate shows it, if that is what the client has seen before.
    pub(crate) fn key(&self, id: KeyId) -> Result<KeyView, Failure> {
        match &self.trust {
            Some(trust) => trust.key(id),
            None => Ok(self.client.key(&id)?),
        }
    }

    /// The certificate of a key, not judged yet.
    pub(crate) fn certificate(&self, id: KeyId) -> Result<Vec<u8>, Failure> {
        Ok(self.client.certificate(&id)?)
    }

    /// The newest ceremonies, at most `limit`.
    pub(crate) fn ceremonies(&self, limit: u16) -> Result<Vec<CeremonyView>, Failure> {
        Ok(self.client.ceremonies_page(&PageQuery { after: None, limit: limit.min(MAX_PAGE) })?.items)
    }

    /// All ceremonies, newest first.
    pub(crate) fn all_ceremonies(&self) -> Result<Vec<CeremonyView>, Failure> {
        Ok(self.client.ceremonies()?)
    }

    /// One ceremony.
    pub(crate) fn ceremony(&self, id: CeremonyId) -> Result<CeremonyView, Failure> {
        Ok(self.client.ceremony(&id)?)
    }

    /// Begins to make a key; for a client with what it has signed, by which [`Trust::made`] knows the key.
    pub(crate) fn create_key(
        &self,
        request: &CreateKey,
    ) -> Result<(CeremonyView, Option<SignedRequest>), Failure> {
        if self.trust.is_none() {
            return Ok((self.client.create_key(request, &self.start())?, None));
        }
        let asked = self.client.signed_create_key(request, &self.start())?;
        Ok((self.client.bring(&asked, 0)?, Some(asked)))
    }

    /// Begins to import a key.
    pub(crate) fn import_key(&self, request: &ImportKey) -> Result<CeremonyView, Failure> {
        Ok(self.client.import_key(request, &Start::default())?)
    }

    /// Gives up an imported key.
    pub(crate) fn discard_key(&self, discard: &Discard) -> Result<KeyView, Failure> {
        Ok(self.client.discard_key(discard)?)
    }

    /// Begins to sign.
    pub(crate) fn sign(&self, request: &Sign) -> Result<CeremonyView, Failure> {
        Ok(self.client.sign(request, &self.start())?)
    }

    /// Begins to make presignatures.
    pub(crate) fn presign(&self, request: &Presign) -> Result<CeremonyView, Failure> {
        Ok(self.client.presign(&request.key, &request.terms, &self.start())?)
    }

    /// Begins to renew the shares of a key.
    pub(crate) fn refresh(&self, request: &Refresh) -> Result<CeremonyView, Failure> {
        Ok(self.client.refresh(&request.key, &request.terms, &self.start())?)
    }

    /// Begins to move the shares of a key.
    pub(crate) fn reshare(&self, request: &Reshare) -> Result<CeremonyView, Failure> {
        Ok(self.client.reshare(&request.key, &request.terms, &self.start())?)
    }

    /// The charter, and what may follow it.
    pub(crate) fn charter(&self) -> Result<CharterView, Failure> {
        Ok(self.client.charter()?)
    }

    /// Sends a message.
    pub(crate) fn send_message(&self, message: &SendMessage) -> Result<MessageView, Failure> {
        Ok(self.client.send_message(message, &Start::default())?)
    }

    /// A page of messages, oldest first.
    pub(crate) fn messages(&self, query: &MessageQuery) -> Result<Page<MessageView>, Failure> {
        Ok(self.client.messages_page(query)?)
    }

    /// All evidence the node keeps, newest first.
    pub(crate) fn evidence(&self) -> Result<Vec<EvidenceView>, Failure> {
        Ok(self.client.evidence()?)
    }

    /// An evidence file.
    pub(crate) fn evidence_file(&self, id: EvidenceId) -> Result<Vec<u8>, Failure> {
        Ok(self.client.evidence_file(&id)?)
    }

    /// Follows a ceremony until it is over, well or badly; `show` sees it now and after each change.
    pub(crate) fn follow(
        &self,
        started: CeremonyView,
        mut show: impl FnMut(&CeremonyView) -> Result<(), Failure>,
    ) -> Result<CeremonyView, Failure> {
        let mut now = started;
        show(&now)?;
        if now.state.is_over() {
            return Ok(now);
        }
        for event in self.client.events(&now.id) {
            let next = event?.ceremony;
            // The stream begins with the state that is known already, as a rule.
            if next != now {
                show(&next)?;
                now = next;
            }
        }
        // A stream that ends early says that the node knows no more; it is asked once again.
        if now.state.is_over() { Ok(now) } else { self.ceremony(now.id) }
    }
}

/// For how long the signature of a call counts, in seconds.
fn valid_for(call: &Call) -> Option<u64> {
    call.valid_for.map(|minutes| u64::from(minutes) * 60)
}

/// The content of a short file; nothing if there is none.
fn read(path: &PathBuf) -> Result<Option<String>, Failure> {
    use std::io::Read as _;
    let failed = |e: std::io::Error| Failure::Failed(format!("cannot read {}: {e}", path.display()));
    let file = match std::fs::File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed(e)),
    };
    let mut text = String::new();
    file.take(MAX_FILE_BYTES).read_to_string(&mut text).map_err(failed)?;
    Ok(Some(text.trim().to_owned()))
}
