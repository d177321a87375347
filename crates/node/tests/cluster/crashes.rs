//! Power failures at every transaction.
