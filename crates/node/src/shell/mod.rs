//! Everything of a node that touches the world: files, sockets, clock, threads.

pub mod lock;
