//! Consign: cggmp24.
