//! Calls that carry their client's own signature: HTTP Message Signatures (RFC 9421) in one strict profile, with
//! Ed25519 and, where there is a body, its digest (RFC 9530).
//!
//! Whoever passes such a call on changes nothing about it: the signature covers method, path, body, cluster and
//! `Idempotency-Key` of a POST, and every node checks it by itself with the one parser here. Each call has exactly one
//! writing: whatever RFC 9421 leaves to taste (order, spaces, labels, more components) is fixed, and all else refused.
//!
//! Read next: [`SignedRequest`] (a POST, which travels between nodes), [`read`] (a GET, which does not), [`key`].

mod fields;
pub mod key;
mod profile;
pub mod read;
mod request;

#[cfg(test)]
mod tests;

pub use fields::Fields;
pub use key::{ClientKey, ClientSecret};
pub use profile::{
    ALGORITHM, LABEL, MAX_LONG_VALIDITY_S, MAX_REQUEST_BYTES, MAX_SIGNED_PATH_BYTES, MAX_SIGNED_QUERY_BYTES,
    MAX_SKEW_S, MAX_VALIDITY_S, TAG, Validity,
};
pub use request::{FORM, IdempotencyKey, SignedHead, SignedRequest};

/// Why a call does not count as signed by its client. Each text says what to do.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// A field that the signature needs is not there.
    #[error("the header `{0}` is missing: sign the call as docs/wire.md says")]
    Missing(&'static str),
    /// A field is there twice.
    #[error("the header `{0}` is there more than once: a call has one signature")]
    Repeated(&'static str),
    /// A field that must not be there.
    #[error("a signed call must not have the header `{0}`: leave it out")]
    Unexpected(String),
    /// A field that is not written in the one way that is accepted.
    #[error("the header `{0}` is not written as docs/wire.md says, to the letter")]
    Malformed(&'static str),
    /// A method that is not signed.
    #[error("only GET and POST are signed")]
    Method,
    /// A path that could be read in two ways, or is too long.
    #[error(
        "the path of a signed call is plain ASCII without `%` and without a query, and not longer than any call's"
    )]
    Path,
    /// A query that is too long or not plain.
    #[error("the query of a signed call is plain ASCII of at most {MAX_SIGNED_QUERY_BYTES} bytes")]
    Query,
    /// A body longer than any call's.
    #[error("the body is longer than any call's")]
    Body,
    /// `content-digest` is not that of the body.
    #[error("the header `content-digest` is not the digest of this body: it was changed on the way")]
    Digest,
    /// The key cannot sign.
    #[error("`keyid` is no Ed25519 public key: make one with `consign client new`")]
    Key,
    /// The times are not in order, or too far apart.
    #[error(
        "`expires` must be later than `created`, by at most {MAX_VALIDITY_S} seconds, or by {MAX_LONG_VALIDITY_S} where an operator approves"
    )]
    Validity,
    /// It begins in the future, or is over.
    #[error("the request is not fresh: compare the clocks, then sign it anew")]
    Stale,
    /// Meant for another cluster.
    #[error("the request was signed for another cluster")]
    Cluster,
    /// The signature is somebody else's, or of something else.
    #[error("the signature does not hold: this is not what the client signed")]
    Signature,
    /// Bytes that are no signed request.
    #[error("the bytes are no signed request")]
    Encoding,
}
