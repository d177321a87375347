//! Consign: zk.
