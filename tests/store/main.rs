//! The contracts of what is kept in a database, on every kind of one, and what befalls databases.

#![allow(clippy::unwrap_used)]

mod arrivals;
#[path = "../support/contracts/mod.rs"]
mod contracts;
mod files;
mod legacy;
mod looks;
#[path = "../support/machine.rs"]
mod machine;
#[path = "../support/mariadb.rs"]
mod mariadb;
mod mysql;
mod offices;
mod outages;
mod refusals;
mod sqlite;
mod tls;

use std::{future::Future, sync::Arc};

use tidegate::{sayings::Sayings, store::MessageStore};
use tokio::task::JoinSet;

/// Cases that run side by side.
#[derive(Default)]
struct Cases {
    running: JoinSet<&'static str>,
    names: Vec<&'static str>,
}

// === impl Cases ===

impl Cases {
    fn start(&mut self, name: &'static str, case: impl Future<Output = ()> + Send + 'static) {
        self.names.push(name);
        self.running.spawn(async move {
            case.await;
            name
        });
    }

    /// Waits for all that were started. What the failed ones say has been printed.
    async fn end(mut self) {
        let mut failed = std::mem::take(&mut self.names);
        while let Some(ended) = self.running.join_next().await {
            if let Ok(name) = ended {
                failed.retain(|other| *other != name);
            }
        }
        assert!(failed.is_empty(), "failed: {failed:?}");
    }
}

/// Each case on what `$make` makes for it by its name.
macro_rules! start {
    ($cases:expr, $make:expr, $($module:ident::$case:ident),+ $(,)?) => {
        $(
            let made = $make(stringify!($case));
            $cases.start(stringify!($case), contracts::$module::$case(made));
        )+
    };
}
use start;

/// Every case of a store of messages.
async fn stores_keep_the_contract(make: impl Fn(&str) -> Arc<dyn MessageStore>) {
    let mut cases = Cases::default();
    start!(
        cases,
        make,
        store::all_that_was_inserted_is_found_by_every_query,
        store::what_is_there_already_is_passed_over,
        store::several_insert_the_same_at_once,
        store::a_whole_batch_is_inserted,
        store::what_is_old_is_removed_little_by_little,
    );
    cases.end().await;
}

/// Every case of what is published in live rooms.
async fn sayings_keep_the_contract(make: impl Fn(&str) -> Arc<dyn Sayings>) {
    let mut cases = Cases::default();
    start!(
        cases,
        make,
        sayings::pages_are_of_a_room_and_a_voice_newest_first,
        sayings::a_name_is_published_once,
        sayings::what_a_wall_said_is_recalled_once,
        sayings::what_was_said_long_ago_is_removed,
    );
    cases.end().await;
}
