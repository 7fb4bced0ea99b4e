//! What queries cost a database that has much in it.

use tidegate::{
    lookup::{Lookup, Table},
    orders::Orders,
    store::{
        MessageStore, Of, Prunes, Query, RecordId,
        mysql::{MysqlMessages, MysqlOrders, Server},
    },
};

use super::{
    contracts::{all, all_of, person, store::BEGIN_MS},
    mariadb::Mariadb,
};

/// Rows that the server has looked at since it was asked before.
struct Looks<'a> {
    server: &'a Mariadb,
    last: u64,
    /// What the asking itself costs.
    own: u64,
}

impl<'a> Looks<'a> {
    fn new(server: &'a Mariadb) -> Self {
        let mut looks = Self {
            server,
            last: 0,
            own: 0,
        };
        looks.since_last();
        looks.own = looks.since_last();
        looks
    }

    fn since_last(&mut self) -> u64 {
        let looks = self.server.ask(
            "SELECT CAST(SUM(variable_value) AS UNSIGNED) FROM information_schema.global_status
            WHERE variable_name LIKE 'HANDLER_READ_%'",
        );
        let now = looks.parse().unwrap();
        let looks = now - self.last;
        self.last = now;
        looks.saturating_sub(self.own)
    }
}

/// Rows of each kind.
const COUNT: u64 = 200_000;

/// Messages of the original program and of Tidegate, and orders.
fn fill(server: &Mariadb) {
    let RecordId(first) = RecordId::at(BEGIN_MS);
    server.ask(&format!(
        "INSERT INTO a.message SELECT seq * 1024 + {first}, 1 + seq % 7, 1 + seq % 11, 't', 'x', 0,
            FROM_UNIXTIME({BEGIN_MS} / 1000 + seq / 1000), NULL FROM a.seq_0_to_{COUNT};
        INSERT INTO a.message SELECT seq, 1 + seq % 7, 1 + seq % 11, 't', 'x', 0,
            FROM_UNIXTIME({BEGIN_MS} / 1000 - {COUNT} - 1 + seq), NULL FROM a.seq_1_to_{COUNT};
        INSERT INTO a.topic_message SELECT seq * 1024 + {first}, CONCAT('user:', seq % 7), seq, 'e',
            '1', NULL, FROM_UNIXTIME({BEGIN_MS} / 1000 + seq / 1000) FROM a.seq_0_to_{COUNT};
        CREATE TABLE a.orders (id VARCHAR(20) PRIMARY KEY, customer_id INT, courier_id INT);
        INSERT INTO a.orders SELECT seq, 1, 2 FROM a.seq_1_to_{COUNT};
        CREATE TABLE a.numbers (id INT PRIMARY KEY, customer_id INT, courier_id INT);
        INSERT INTO a.numbers SELECT seq, 1, 2 FROM a.seq_1_to_{COUNT};
        ANALYZE TABLE a.message, a.topic_message, a.orders, a.numbers;"
    ));
}

/// Each of them finds something.
fn queries() -> Vec<Query> {
    let RecordId(first) = RecordId::at(BEGIN_MS);
    let middle = RecordId(first + COUNT / 2 * 1024);
    let chat = Query {
        max: 40,
        ..all_of(1)
    };
    let from = |number: u64| Query {
        from: Some(person(number)),
        ..chat.clone()
    };
    vec![
        chat.clone(),
        from(1),
        from(2),
        Query {
            after: middle,
            ..chat.clone()
        },
        Query {
            before: Some(middle),
            ..chat.clone()
        },
        Query {
            since_ms: BEGIN_MS + 100_000,
            ..chat.clone()
        },
        // The new ones are too few, and none of the others is so new.
        Query {
            since_ms: BEGIN_MS,
            before: Some(RecordId(first + 1024)),
            ..chat.clone()
        },
        Query {
            before: Some(RecordId(1000)),
            ..chat
        },
        Query {
            max: 40,
            ..all(Of::Topic("user:1".parse().unwrap()))
        },
    ]
}

/// It costs as many looks as it gives rows, however many there are.
#[tokio::test]
async fn a_query_looks_at_no_more_rows_than_it_gives() {
    let server = Mariadb::start();
    let url = server.database("a");
    MysqlMessages::connect(&url).unwrap().check().await.unwrap();
    fill(&server);
    // As if the rows had been there before the tables were made.
    server.ask("DELETE FROM a.tidegate_migration");
    let store = MysqlMessages::connect(&url).unwrap();
    store.check().await.unwrap();
    let mut looks = Looks::new(&server);
    for query in queries() {
        let found = store.history(query.clone()).await.unwrap();
        assert!(!found.is_empty(), "{query:?}");
        let looks = looks.since_last();
        assert!(looks <= 3 * (40 + 10), "{looks} looks: {query:?}");
    }
    let database = Server::connect(&url).unwrap();
    for table in ["orders", "numbers"] {
        let table = Table {
            table: table.into(),
            ..Table::default()
        };
        let orders = MysqlOrders::new(database.clone(), &Lookup::table(table).unwrap());
        for id in ["777", "777abc"] {
            let found = orders.find(id).await.unwrap();
            assert_eq!(found.is_some(), id == "777");
            let looks = looks.since_last();
            assert!(looks <= 10, "{looks} looks: {id}");
        }
    }
    assert_eq!(store.prune(BEGIN_MS + 1000, 100).await, Ok(100));
    // To find a row, to delete it, and the ones before it that were deleted.
    let pruned = looks.since_last();
    assert!(pruned <= 10 * 100, "{pruned} looks");
}
