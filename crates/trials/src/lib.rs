//! Trials of the product as a whole: real `consign node` processes under load, killed, cut off and fed with garbage. No
//! part of the product; `docs/trials.md` says how to run them and what they showed.
//!
//! Each trial prints plain figures and fails with a [`Fault`] that says what did not hold. Read next: [`cluster`] (the
//! processes), [`asking`] (a client and what it checks), then the trials: [`pool`], [`copied_back`], [`hosts`], [`latency`],
//! [`garbage`], [`schema`], [`standby`].

#![allow(
    clippy::too_many_lines,
    clippy::wildcard_enum_match_arm,
    reason = "a trial is one story, and whatever is not the awaited answer fails it or is counted"
)]

pub mod asking;
pub mod chance;
pub mod cluster;
pub mod copied_back;
pub mod fault;
pub mod figures;
pub mod garbage;
pub mod hosts;
pub mod latency;
pub mod pool;
pub mod records;
pub mod schema;
pub mod standby;

pub use fault::Fault;

/// What a trial comes to.
pub type Outcome<T = ()> = Result<T, Fault>;

/// What every trial needs.
#[derive(Clone, Debug)]
pub struct Setup {
    /// The program under trial.
    pub consign: std::path::PathBuf,
    /// The security level of the keys.
    pub level: consign_api::Level,
    /// What chance starts from.
    pub seed: u64,
}
