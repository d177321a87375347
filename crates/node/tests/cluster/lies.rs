//! Hijacked proposers, strangers, garbage.
