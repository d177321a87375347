//! Consign: node.

pub mod age;
pub mod config;
pub mod core;
pub mod identity;
pub mod shell;
pub mod store;
