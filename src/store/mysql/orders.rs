//! Orders in MySQL or MariaDB, in tables of the application.

use sqlx::{AssertSqlSafe, Row as _, TypeInfo as _, ValueRef as _, mysql::MySqlRow};

use super::{
    Server,
    errors::{Failure, ILLEGAL_MIX, number},
    in_time,
};
use crate::{
    lookup::{Lookup, Table},
    orders::{Order, Orders},
    store::{
        Pending,
        found::{Found, UNREADABLE, names},
    },
};

/// Orders in the application's database.
#[derive(Clone, Debug)]
pub struct MysqlOrders {
    server: Server,
    /// What is asked.
    statement: Box<str>,
    /// How often the id is bound.
    ids: usize,
}

impl MysqlOrders {
    /// Orders in this database.
    pub fn new(server: Server, lookup: &Lookup) -> Self {
        let (statement, ids) = match lookup {
            Lookup::Table(table) => (of_table(table).into(), 2),
            Lookup::Query(query) => (query.clone(), 1),
        };
        Self {
            server,
            statement,
            ids,
        }
    }

    async fn look(&self, id: &str) -> Result<Option<Order>, Failure> {
        let mut lease = self.server.lease().await?;
        let mut query = sqlx::query(AssertSqlSafe(self.statement.clone()));
        for _ in 0..self.ids {
            query = query.bind(id);
        }
        let row = match query.fetch_optional(lease.connection()).await {
            // The column's characters are not all that there are, and the id has others.
            Err(error) if number(&error) == Some(ILLEGAL_MIX) => None,
            row => row?,
        };
        let order = match row {
            Some(row) => found(&row)?.order(id),
            None => None,
        };
        lease.give_back();
        Ok(order)
    }
}

impl Orders for MysqlOrders {
    fn find<'a>(&'a self, id: &'a str) -> Pending<'a, Option<Order>> {
        Box::pin(in_time(self.look(id)))
    }
}

/// The id is bound as a text. Against a column of numbers the server makes a number of it, and one of
/// 12 from `12abc`; against one of texts it may pass over case and blanks. So that finds the rows by
/// their index, and the bytes of the id that stands there tell whether it is the one.
fn of_table(table: &Table) -> String {
    let [name, id, customer, courier] = names(table, quoted);
    format!(
        "SELECT {customer}, {courier} FROM {name} \
         WHERE {id} = ? AND CAST(CAST({id} AS CHAR) AS BINARY) = CAST(? AS BINARY) LIMIT 1"
    )
}

fn quoted(name: &str) -> String {
    format!("`{name}`")
}

fn found(row: &MySqlRow) -> Result<Found, sqlx::Error> {
    Ok(Found {
        customer: text(row, 0)?,
        courier: text(row, 1)?,
        id: match row.len() {
            0..3 => None,
            _ => text(row, 2)?,
        },
    })
}

/// A number or a text, as a text.
fn text(row: &MySqlRow, column: usize) -> Result<Option<String>, sqlx::Error> {
    let value = row.try_get_raw(column)?;
    if value.is_null() {
        return Ok(None);
    }
    if let Ok(number) = row.try_get::<u64, _>(column) {
        return Ok(Some(number.to_string()));
    }
    if let Ok(number) = row.try_get::<i64, _>(column) {
        return Ok(Some(number.to_string()));
    }
    let is_binary_number = ["FLOAT", "DOUBLE"].contains(&value.type_info().name());
    let text = match is_binary_number {
        true => None,
        false => {
            let bytes: Vec<u8> = row.try_get_unchecked(column)?;
            String::from_utf8(bytes).ok()
        }
    };
    Ok(Some(text.unwrap_or_else(|| UNREADABLE.to_owned())))
}
