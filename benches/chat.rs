//! What stored chat costs without a network: accepting messages, and reading the newest 40 of a million.
//!
//! `cargo bench --bench chat [-- mysql://USER:PASSWORD@HOST/DATABASE]`. With an address, histories are read there and
//! nothing else is done; the database should be empty before. Without a framework, since CPU time is half of it.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tidegate::{
    clock::Clock,
    contacts::Contacts as _,
    id::Person,
    journal::Journal,
    record::{Chat, Content, Of, Query, Record, RecordId},
    store::{
        MessageStore,
        mysql::MysqlMessages,
        sqlite::{Database, Place, SqliteContacts, SqliteJournal, SqliteMessages},
    },
};
use tikv_jemallocator::Jemalloc;
use tokio::{task::JoinSet, time, time::Instant};

#[global_allocator]
static ALLOCATOR: Jemalloc = Jemalloc;

/// Callers at a time. One alone has a commit for each of its messages.
const CALLERS: [u64; 4] = [1, 10, 100, 1000];
const ROUNDS: usize = 3;
const ROUND: Duration = Duration::from_secs(3);
const MESSAGES: u64 = 1_000_000;
/// Messages of the user who has many.
const OF_ONE: u64 = 100_000;
/// Messages of every other user.
const OF_OTHERS: u64 = 20;
const BATCH: u64 = 1000;
/// Of messages that are there already, 100 a second.
const FIRST_MS: u64 = 1_750_000_000_000;
const STEP_MS: u64 = 10;
const MANY: u64 = 1;
const FEW: u64 = 2;
const HISTORY: usize = 40;
const READS: usize = 2000;
/// In `/proc/self/stat`, on Linux.
const TICKS_PER_SECOND: f64 = 100.0;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("there is a runtime");
    let url = std::env::args().find(|argument| argument.starts_with("mysql://"));
    let folder = tempfile::tempdir().expect("there is a disk");
    runtime.block_on(async {
        if let Some(url) = url {
            let messages = MysqlMessages::connect(&url).expect("it is an address");
            return histories(&messages).await;
        }
        let place = |name: &str| Place::File(folder.path().join(name));
        accepting(Database::open(&place("accepted")).expect("there is a file")).await;
        let database = Database::open(&place("histories")).expect("there is a file");
        histories(&SqliteMessages::new(database)).await;
    });
}

/// Messages a second, and CPU time of each, by the number of callers. They take turns, since machines are noisy.
async fn accepting(database: Database) {
    let clock = Clock::start();
    let contacts = SqliteContacts::new(database.clone(), clock);
    for caller in 1..=CALLERS[CALLERS.len() - 1] {
        let friend = contacts.set_friend(person(caller), person(caller + 1), true);
        friend.await.expect("the database works");
    }
    let journal: Arc<dyn Journal> = Arc::new(SqliteJournal::new(database, clock));
    let number = Arc::new(AtomicU64::new(0));
    let mut alone = 0.0;
    for _ in 0..ROUNDS {
        for callers in CALLERS {
            let (cpu, start, before) = (cpu_seconds(), Instant::now(), number.load(Relaxed));
            call(&journal, callers, &number).await;
            let count = (number.load(Relaxed) - before) as f64;
            let per_second = count / start.elapsed().as_secs_f64();
            let micros = (cpu_seconds() - cpu) * 1e6 / count;
            if callers == 1 {
                alone = per_second;
            }
            println!(
                "{callers:5} callers: {per_second:8.0} accepted a second, {:6.1} times one, {micros:6.1} us CPU each",
                per_second / alone
            );
        }
    }
}

async fn call(journal: &Arc<dyn Journal>, callers: u64, number: &Arc<AtomicU64>) {
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for caller in 1..=callers {
        let (journal, number, stop) = (Arc::clone(journal), Arc::clone(number), Arc::clone(&stop));
        tasks.spawn(async move {
            while !stop.load(Relaxed) {
                let packet_id = number.fetch_add(1, Relaxed);
                let content = content(caller, caller + 1, packet_id);
                let accepted = journal.accept(vec![content]).await;
                accepted.expect("the database works");
            }
        });
    }
    time::sleep(ROUND).await;
    stop.store(true, Relaxed);
    while tasks.join_next().await.is_some() {}
}

/// Times of a million messages, of which one user has many and the others few.
async fn histories(store: &dyn MessageStore) {
    for first in (0..MESSAGES).step_by(BATCH as usize) {
        let records = (first..first + BATCH).map(|number| {
            let (from, to) = match number.is_multiple_of(MESSAGES / OF_ONE) {
                true => (MANY, 3 + number % 1000),
                false => (FEW + number / OF_OTHERS, FEW + number / OF_OTHERS + 1),
            };
            let time_ms = FIRST_MS + number * STEP_MS;
            Record {
                id: RecordId::at(time_ms),
                time_ms,
                content: content(from, to, number),
            }
        });
        store
            .insert(records.collect())
            .await
            .expect("the database works");
    }
    let middle_ms = FIRST_MS + MESSAGES / 2 * STEP_MS;
    for (who, of) in [("few", FEW), ("many", MANY)] {
        let newest = Query {
            of: Of::Chat(person(of)),
            after: RecordId::default(),
            before: None,
            since_ms: 0,
            from: None,
            max: HISTORY,
        };
        let by_id = Query {
            after: RecordId::at(middle_ms),
            ..newest.clone()
        };
        let by_time = Query {
            since_ms: middle_ms,
            ..newest.clone()
        };
        let from = Query {
            from: Some(person(of + 1)),
            ..newest.clone()
        };
        for (what, query) in [
            ("newest", newest),
            ("by id", by_id),
            ("by time", by_time),
            ("from one", from),
        ] {
            read(store, &query, who, what).await;
        }
    }
}

async fn read(store: &dyn MessageStore, query: &Query, who: &str, what: &str) {
    let (mut times, cpu) = (Vec::with_capacity(READS), cpu_seconds());
    let mut rows = 0;
    for _ in 0..READS {
        let start = Instant::now();
        let records = store
            .history(query.clone())
            .await
            .expect("the database works");
        times.push(start.elapsed());
        rows = records.len();
    }
    let micros = (cpu_seconds() - cpu) * 1e6 / READS as f64;
    times.sort_unstable();
    let at = |percent: usize| times[READS * percent / 100].as_secs_f64() * 1e3;
    println!(
        "{who:5} {what:8}: {rows:2} rows, p50 {:.3} ms, p99 {:.3} ms, {micros:.0} us CPU of this process",
        at(50),
        at(99)
    );
}

fn content(from: u64, to: u64, number: u64) -> Content {
    Content::Chat(Chat {
        from: person(from),
        to: person(to),
        kind: 't',
        msg: "are you here yet? I am at the door, the bell does not work ......".into(),
        packet_id: Some(number.to_string().into()),
        is_online: true,
    })
}

fn person(number: u64) -> Person {
    Person::new(number).expect("it is one")
}

/// Of all threads of this process.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").expect("this is Linux");
    let fields = stat
        .rsplit(')')
        .next()
        .unwrap_or_default()
        .split_whitespace();
    let ticks: Vec<f64> = fields.skip(11).take(2).flat_map(str::parse).collect();
    ticks.iter().sum::<f64>() / TICKS_PER_SECOND
}
