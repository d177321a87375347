//! Consign: node.
