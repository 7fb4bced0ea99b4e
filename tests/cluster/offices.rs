//! Customer service, as the contract has it, on every kind of server.

use std::sync::Arc;

use tidegate::office::Ahead;

use crate::{
    contracts::office,
    place::{Place, Rig},
};

/// The cases of the contract, each in a place of its own.
macro_rules! cases {
    ($($name:ident),+ $(,)?) => {
        $(
            pub(crate) async fn $name<R: Rig>(place: Place<R>) {
                office::$name(Arc::new(move |ahead: Ahead| place.offices(0, ahead))).await;
            }
        )+
    };
}

cases! {
    a_customer_keeps_its_agent_and_is_told_who_it_is,
    round_robin_is_the_tutorials_table,
    the_hash_is_stable,
    who_finds_nobody_waits_and_is_served_in_order,
    an_agent_who_is_back_in_time_keeps_its_customers,
    who_loses_its_agent_waits_at_its_old_place,
    a_transfer_is_told_to_all_and_only_the_agents_own,
    a_release_ends_it,
    too_much_is_refused,
    a_seat_that_was_given_up_is_not_taken,
    what_a_dead_node_was_given_last_is_given_again,
    what_nobody_has_told_is_told_by_the_next,
    many_at_once_have_one_agent_each,
}

pub(crate) async fn whatever_happens_in_whichever_order<R: Rig>(place: Place<R>) {
    let place = Arc::new(place);
    let mut numbers = 0..;
    let numbers = std::sync::Mutex::new(move || numbers.next().unwrap());
    let make = move || {
        let (place, number) = (Arc::clone(&place), (numbers.lock().unwrap())());
        Arc::new(move |ahead: Ahead| place.offices(number, ahead)) as office::Make
    };
    office::whatever_happens_in_whichever_order(make).await;
}
