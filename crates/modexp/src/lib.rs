//! Consign: modexp.
