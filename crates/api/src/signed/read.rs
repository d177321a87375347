//! A signed GET. It is answered by the node that gets it, from what it knows, so it goes no further.

use super::fields::{CLUSTER, Fields, SIGNATURE, SIGNATURE_INPUT, signature_field};
use super::profile::{COVERED_BY_GET, LABEL, MAX_SIGNED_QUERY_BYTES, is_plain_path, params, parse_input};
use super::{ClientKey, ClientSecret, NotSigned, Validity};
use crate::ClusterId;

/// Signs a GET of `path`, which may end in `?query`: the header fields that make it a signed call.
///
/// # Errors
/// [`NotSigned::Path`] or [`NotSigned::Query`] if no node would take them.
pub fn sign(
    secret: &ClientSecret,
    cluster: &ClusterId,
    path: &str,
    validity: &Validity,
) -> Result<[(&'static str, String); 3], NotSigned> {
    let (path, query) = path.split_once('?').map_or((path, None), |(path, query)| (path, Some(query)));
    let client = secret.public();
    let base = base(path, query, cluster, &client, validity)?;
    let signature = secret.sign(base.as_bytes());
    Ok([
        (CLUSTER, cluster.to_string()),
        (SIGNATURE_INPUT, format!("{LABEL}={}", params(COVERED_BY_GET, &client, validity))),
        (SIGNATURE, signature_field(&signature)),
    ])
}

/// Who has signed a GET, if it counts now and in this cluster.
///
/// # Errors
/// [`NotSigned`] for everything that is not exactly as the profile says.
pub fn verify(
    path: &str,
    query: Option<&str>,
    fields: &Fields<'_>,
    cluster: &ClusterId,
    now_unix: u64,
) -> Result<ClientKey, NotSigned> {
    let (client, validity) = parse_input(fields.input()?, COVERED_BY_GET)?;
    let signature = fields.signature()?;
    if fields.has_digest() {
        return Err(NotSigned::Unexpected("content-digest".to_owned()));
    }
    if fields.cluster()? != *cluster {
        return Err(NotSigned::Cluster);
    }
    // No operator approves what is only looked at.
    if validity.is_long() {
        return Err(NotSigned::Validity);
    }
    validity.is_fresh(now_unix)?;
    client.verify(base(path, query, cluster, &client, &validity)?.as_bytes(), &signature)?;
    Ok(client)
}

/// The signature base (RFC 9421, 2.5). The query has its `?`, also where there is none (2.2.7).
fn base(
    path: &str,
    query: Option<&str>,
    cluster: &ClusterId,
    client: &ClientKey,
    validity: &Validity,
) -> Result<String, NotSigned> {
    if !is_plain_path(path) {
        return Err(NotSigned::Path);
    }
    let query = query.unwrap_or_default();
    if query.len() > MAX_SIGNED_QUERY_BYTES || !query.bytes().all(|b| b.is_ascii_graphic() && b != b'#') {
        return Err(NotSigned::Query);
    }
    let params = params(COVERED_BY_GET, client, validity);
    Ok(format!(
        "\"@method\": GET\n\"@path\": {path}\n\"@query\": ?{query}\n\"{CLUSTER}\": {cluster}\n\
         \"@signature-params\": {params}"
    ))
}
