//! Randomness of the operating system, read nowhere else in a running node.

/// The operating system gave no randomness.
#[derive(Debug, thiserror::Error)]
#[error("the operating system gives no randomness: {0}")]
pub struct NoEntropy(getrandom::Error);

/// Fresh random bytes.
///
/// # Errors
/// [`NoEntropy`]; without randomness a node must not run.
pub fn fresh<const N: usize>() -> Result<[u8; N], NoEntropy> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(NoEntropy)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_draws_differ() {
        assert_ne!(fresh::<32>().unwrap(), fresh::<32>().unwrap());
    }
}
