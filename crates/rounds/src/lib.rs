//! Consign: rounds.
