//! Bodies on their way. Whoever has a key that the policy names may send one, and take its time: so these take up only a part
//! of the places for calls, and one client only a part of that. Operators, and other clients, get in all the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use consign_api::ClientKey;

/// Bodies of clients that may be on their way at a time: half of the places for calls.
const MAX_BODIES: usize = super::MAX_CALLS / 2;
/// Those of one client: more than a busy one has, since a body follows its head at once.
const MAX_OF_ONE: usize = 64;

/// How many bodies of each client are on their way.
#[derive(Clone, Default)]
pub(super) struct Bodies(Arc<Mutex<HashMap<ClientKey, usize>>>);

/// A body on its way; dropped when it has come, or will not.
pub(super) struct Arriving {
    bodies: Bodies,
    client: ClientKey,
}

impl Bodies {
    /// A place for a body, if there is one. It may be passed on in a request.
    pub(super) fn begin(&self, client: ClientKey) -> Option<Arc<Arriving>> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let own = counts.get(&client).copied().unwrap_or(0);
        if own >= MAX_OF_ONE || counts.values().sum::<usize>() >= MAX_BODIES {
            return None;
        }
        counts.insert(client, own + 1);
        Some(Arc::new(Arriving { bodies: self.clone(), client }))
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        let mut counts = self.bodies.0.lock().unwrap_or_else(PoisonError::into_inner);
        match counts.get_mut(&self.client) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(counts.remove(&self.client)),
        }
    }
}

#[cfg(test)]
mod tests {
    use consign_api::ClientSecret;

    use super::*;

    #[test]
    fn one_client_leaves_places_to_others_and_all_to_the_operator() {
        let bodies = Bodies::default();
        let [anna, bert, carl] = [1, 2, 3].map(|seed| ClientSecret::from_seed(&[seed; 32]).public());
        let mut held: Vec<_> = (0..MAX_OF_ONE).map(|_| bodies.begin(anna).unwrap()).collect();
        assert!(bodies.begin(anna).is_none());
        held.extend((0..MAX_BODIES - MAX_OF_ONE).map(|_| bodies.begin(bert).unwrap()));
        assert!(bodies.begin(carl).is_none());
        drop(held.remove(0));
        assert!(bodies.begin(anna).is_some() && bodies.begin(carl).is_some());
        drop(held);
        assert!(bodies.0.lock().unwrap().is_empty());
    }
}
