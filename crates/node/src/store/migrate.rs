//! How a store of an older schema becomes one of this: one step from each schema to the next.
//!
//! A step reads the open store and returns what is to be written; that and the new number are one transaction. It must
//! not depend on anything but the store, and never be changed once a program with it was released.

use super::{Store, StoreError, Write, sealed};

/// The oldest schema there ever was.
pub(super) const FIRST_SCHEMA: u32 = 1;

/// What to write for the next schema: at most [`MAX_WRITES`](super::MAX_WRITES) less one.
pub(super) type Step = fn(&dyn Store) -> Result<Vec<Write>, StoreError>;

/// The steps: the first leads from [`FIRST_SCHEMA`] to the one after it.
pub(super) const STEPS: [Step; (sealed::SCHEMA_VERSION - FIRST_SCHEMA) as usize] = [];
