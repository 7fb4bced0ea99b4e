//! Customer service, as the contract has it, on every kind of server.

use std::sync::{Arc, atomic::AtomicUsize, atomic::Ordering::Relaxed};

use tidegate::office::Ahead;

use crate::{
    contracts::office::{self, Make},
    place::{Place, Rig},
};

pub(crate) async fn customers_have_one_agent_or_wait<R: Rig>(place: Place<R>) {
    office::holds(places(place)).await;
}

pub(crate) async fn whatever_happens_in_whichever_order<R: Rig>(place: Place<R>) {
    office::whatever_happens_in_whichever_order(places(place)).await;
}

/// Another place each time.
fn places<R: Rig>(place: Place<R>) -> impl Fn() -> Make + Send + 'static {
    let (place, numbers) = (Arc::new(place), AtomicUsize::new(0));
    move || {
        let (place, number) = (Arc::clone(&place), numbers.fetch_add(1, Relaxed));
        Arc::new(move |ahead: Ahead| place.offices(number, ahead))
    }
}
