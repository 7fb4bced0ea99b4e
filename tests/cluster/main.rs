//! The contract of the cluster's server: the same tests for the one in this process and for real
//! servers of every kind, and what befalls real ones.
//!
//! The cases of one server run side by side, each with a prefix of its own; those that wipe it run
//! last, one by one.

#![allow(clippy::unwrap_used)]

mod archive;
mod channels;
mod chat;
mod contacts;
#[path = "../support/contracts/mod.rs"]
#[allow(dead_code, reason = "shared with tests of other databases")]
mod contracts;
mod credentials;
mod drafts;
mod dues;
mod hooks;
mod inboxes;
mod jobs;
mod journal;
mod ledger;
mod legacy;
mod logs;
#[path = "../support/machine.rs"]
mod machine;
mod mail;
mod members;
mod offices;
#[path = "../support/old_redis.rs"]
mod old_redis;
mod place;
#[path = "../support/proxy.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod proxy;
mod queues;
#[path = "../support/redis.rs"]
#[allow(dead_code, reason = "shared with tests that look at more")]
mod redis;
mod refusals;
mod rigs;
mod schedules;
mod silence;
mod wipes;

use std::{future::Future, sync::Arc};

use tidegate::cluster::redis::Redis;
use tokio::{task::JoinSet, time::Instant};

use place::{Place, Rig};

/// Cases that run side by side on one server.
struct Cases<R> {
    rig: Arc<R>,
    running: JoinSet<&'static str>,
    names: Vec<&'static str>,
}

// === impl Cases ===

impl<R: Rig> Cases<R> {
    fn new(rig: R) -> Self {
        Self {
            rig: Arc::new(rig),
            running: JoinSet::new(),
            names: Vec::new(),
        }
    }

    fn start<F>(&mut self, name: &'static str, case: impl FnOnce(Place<R>) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let running = case(Place::new(&self.rig, name));
        self.names.push(name);
        self.running.spawn(async move {
            let begin = Instant::now();
            running.await;
            println!("{:6.2} s  {name}", begin.elapsed().as_secs_f32());
            name
        });
    }

    /// Waits for all that were started. What the failed ones say has been printed.
    async fn end(&mut self) {
        let mut failed = std::mem::take(&mut self.names);
        while let Some(ended) = self.running.join_next().await {
            if let Ok(name) = ended {
                failed.retain(|other| *other != name);
            }
        }
        assert!(failed.is_empty(), "failed: {failed:?}");
    }
}

/// Every case, by its path.
macro_rules! start {
    ($cases:expr, $($module:ident::$case:ident),+ $(,)?) => {
        $($cases.start(stringify!($case), $module::$case);)+
    };
}

async fn keeps_the_contract<R: Rig>(rig: R) {
    let mut cases = Cases::new(rig);
    start!(
        cases,
        logs::every_reader_reads_all_that_was_appended_in_one_order,
        logs::what_was_appended_before_is_not_read,
        logs::a_log_that_is_opened_again_begins_at_its_end,
        logs::repeats_show_in_their_sequence,
        logs::a_reader_that_waits_delays_no_command,
        inboxes::entries_arrive_in_order_and_are_counted,
        inboxes::an_inbox_is_read_again_until_it_is_acknowledged,
        inboxes::a_reader_acknowledges_and_reads_on_at_once,
        inboxes::a_repeat_is_an_entry_with_the_same_sequence,
        inboxes::where_no_inbox_is_entries_are_gone,
        inboxes::with_entries_nothing_is_removed_and_else_everything,
        inboxes::a_reader_of_what_was_removed_has_lost_it,
        members::a_lease_holds_for_its_time_and_the_place_until_it_is_removed,
        members::a_generation_is_the_same_for_all,
        members::one_may_reap_and_may_ask_again,
        members::two_prefixes_do_not_meet,
        queues::what_was_pushed_is_taken_by_one_and_gone_when_it_is_done,
        queues::what_is_not_done_is_taken_again_and_counted,
        queues::what_is_for_later_is_not_taken_before_its_time,
        queues::what_was_buried_is_not_taken,
        queues::a_taker_waits_for_the_first_entry_and_no_longer_than_it_is_told,
        dues::records_are_there_until_they_are_removed,
        dues::many_records_are_read_page_by_page,
        dues::a_room_is_occupied_by_one_and_vacated_by_one,
        dues::who_dies_in_a_room_is_told_of_by_who_settles_it,
        dues::what_was_told_before_is_entered_quietly,
        hooks::dispatches_are_given_in_order_until_they_are_done,
        hooks::whoever_waits_is_given_what_is_added,
        hooks::what_a_call_that_was_dropped_had_been_given_is_given_again,
        hooks::what_was_buried_is_with_the_dead,
        jobs::each_job_is_taken_by_one_and_known_when_it_is_done,
        jobs::an_id_belongs_to_its_job,
        jobs::what_is_not_held_is_taken_again_with_its_answer,
        jobs::what_is_held_is_nobody_elses,
        jobs::what_has_failed_waits_and_counts,
        jobs::kinds_are_in_nobody_elses_way,
        jobs::the_dead_are_listed_and_can_be_retried_and_forgotten,
        jobs::what_was_forgotten_is_lost_to_whoever_works_on_it,
        schedules::an_occurrence_is_fired_by_one_of_all_and_pushes_once,
        schedules::what_is_due_is_what_has_its_time_behind_it,
        schedules::an_id_belongs_to_its_schedule,
        offices::customers_have_one_agent_or_wait,
        offices::whatever_happens_in_whichever_order,
        mail::letters_are_read_in_order_and_by_the_page,
        mail::every_user_has_mail_of_its_own,
        mail::the_oldest_letters_give_way_and_are_counted,
        mail::what_was_removed_is_not_there,
        mail::expired_letters_are_not_read,
        mail::letters_of_many_members_are_all_there_and_have_names_of_their_own,
    );
    cases.end().await;
    start!(cases, wipes::readers_that_come_back_have_lost_everything);
    cases.end().await;
    start!(cases, wipes::readers_that_wait_have_lost_everything);
    cases.end().await;
}

/// What is only in Redis as it is.
async fn keeps_chat<R: Rig<Streams = Redis>>(rig: R) {
    let mut cases = Cases::new(rig);
    start!(
        cases,
        journal::an_empty_journal,
        journal::ids_grow,
        journal::history_of_what_waits,
        journal::history_of_what_is_moved,
        journal::everybody_reads_at_once,
        journal::repeats,
        journal::repeats_in_one_call,
        journal::repeats_of_pushes,
        journal::no_packet_id,
        journal::many_at_once,
        hooks::what_a_dead_member_has_left_is_taken_over_in_order,
        hooks::another_life_keeps_nothing_of_the_one_before,
        drafts::oldest_first,
        drafts::taken_by_one,
        drafts::rejected_or_cleared,
        drafts::bounded,
    );
    cases.end().await;
    // These have the keys of the application, which have no prefix.
    for case in contacts::names() {
        cases.rig.wipe();
        cases.start(case, |place| contacts::run(case, place));
        cases.end().await;
    }
}

/// A test for each kind of server.
macro_rules! servers {
    ($($name:ident: $rig:expr),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                keeps_the_contract($rig).await;
            }
        )+
    };
}

/// A test of chat for each kind of Redis.
macro_rules! chat_servers {
    ($($name:ident: $rig:expr),+ $(,)?) => {
        $(
            #[tokio::test]
            async fn $name() {
                keeps_chat($rig).await;
            }
        )+
    };
}

chat_servers! {
    chat_in_redis_alone: rigs::Alone::start(),
    chat_in_redis_as_a_cluster: rigs::Cluster::start(),
    chat_in_redis_behind_sentinels: rigs::Sentinels::start(),
    chat_in_redis_with_tls: rigs::Tls::start(),
    chat_in_redis_that_lets_its_user_do_little: rigs::Limited::start(),
}

servers! {
    a_server_in_this_process: rigs::InProcess::start(),
    redis_alone: rigs::Alone::start(),
    redis_as_a_cluster: rigs::Cluster::start(),
    redis_behind_sentinels: rigs::Sentinels::start(),
    redis_with_tls: rigs::Tls::start(),
    redis_that_lets_its_user_do_little: rigs::Limited::start(),
}
