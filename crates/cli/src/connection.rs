//! Temporary.
use crate::failure::Failure;
use consign_api::*;
use std::net::SocketAddr;
use std::path::Path;
pub(crate) struct Connection;
type R<T> = Result<T, Failure>;
fn no<T>() -> R<T> {
    Err(Failure::NotRunning("x".into()))
}
impl Connection {
    pub(crate) fn open(_: &Path) -> R<Self> {
        no()
    }
    pub(crate) fn address(&self) -> SocketAddr {
        ([127, 0, 0, 1], 1).into()
    }
    pub(crate) fn node(&self) -> R<NodeView> {
        no()
    }
    pub(crate) fn validators(&self) -> R<Vec<ValidatorView>> {
        no()
    }
    pub(crate) fn keys(&self) -> R<Vec<KeyView>> {
        no()
    }
    pub(crate) fn key(&self, _: KeyId) -> R<KeyView> {
        no()
    }
    pub(crate) fn ceremonies(&self, _: usize) -> R<Vec<CeremonyView>> {
        no()
    }
    pub(crate) fn ceremony(&self, _: CeremonyId) -> R<CeremonyView> {
        no()
    }
    pub(crate) fn create_key(&self, _: &CreateKey) -> R<CeremonyView> {
        no()
    }
    pub(crate) fn sign(&self, _: &Sign) -> R<CeremonyView> {
        no()
    }
    pub(crate) fn invite(&self, _: &Invite) -> R<InvitationView> {
        no()
    }
    pub(crate) fn follow(&self, _: CeremonyView, _: impl FnMut(&CeremonyView) -> R<()>) -> R<CeremonyView> {
        no()
    }
}
