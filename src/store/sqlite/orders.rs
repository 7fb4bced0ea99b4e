//! Orders in SQLite.

use rusqlite::{Connection, OptionalExtension as _, Row, types::ValueRef};

use super::Database;
use crate::{
    lookup::{Lookup, Table},
    orders::{Order, Orders},
    store::{
        Pending,
        found::{Found, UNREADABLE, names},
    },
};

/// Orders in a table of the store's own file: the one that every file has, or another that the
/// application has put there.
#[derive(Clone, Debug)]
pub struct SqliteOrders {
    database: Database,
    /// What is asked, with one `?1` or `?`.
    statement: Box<str>,
}

impl SqliteOrders {
    /// Orders in this database.
    pub fn new(database: Database, lookup: &Lookup) -> Self {
        let statement = match lookup {
            Lookup::Table(table) => of_table(table).into(),
            Lookup::Query(query) => query.clone(),
        };
        Self {
            database,
            statement,
        }
    }
}

impl Orders for SqliteOrders {
    fn find<'a>(&'a self, id: &'a str) -> Pending<'a, Option<Order>> {
        let (statement, asked) = (self.statement.clone(), id.to_owned());
        let reading = self
            .database
            .read(move |connection| find(connection, &statement, asked));
        Box::pin(async move { Ok(reading.await?.and_then(|found| found.order(id))) })
    }
}

/// An index finds the order however its column is declared. Where that makes a number of a text, or
/// passes over case, the bytes of the id that stands there tell whether it is the one.
fn of_table(table: &Table) -> String {
    let [name, id, customer, courier] = names(table, quoted);
    format!(
        "SELECT {customer}, {courier} FROM {name}
        WHERE {id} = ?1 AND CAST({id} AS TEXT) = ?1 COLLATE BINARY LIMIT 1"
    )
}

fn quoted(name: &str) -> String {
    format!("\"{name}\"")
}

fn find(connection: &Connection, statement: &str, id: String) -> rusqlite::Result<Option<Found>> {
    let mut select = connection.prepare_cached(statement)?;
    let has_id = 3 <= select.column_count();
    let found = select.query_row([id], |row| {
        Ok(Found {
            customer: text(row, 0)?,
            courier: text(row, 1)?,
            id: match has_id {
                true => text(row, 2)?,
                false => None,
            },
        })
    });
    found.optional()
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    let unreadable = || UNREADABLE.to_owned();
    Ok(match row.get_ref(column)? {
        ValueRef::Null => None,
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Text(text) | ValueRef::Blob(text) => {
            Some(String::from_utf8(text.to_vec()).unwrap_or_else(|_| unreadable()))
        }
        ValueRef::Real(_) => Some(unreadable()),
    })
}
