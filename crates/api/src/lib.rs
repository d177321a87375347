//! Consign: api.
