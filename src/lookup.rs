//! Lookups: how a database finds an order.

/// Longest name of a table or a column, in characters.
pub const NAME_CHARS_MAX: usize = 64;

/// How a database finds an order.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Lookup {
    /// In a table.
    Table(Table),
    /// By a query of the application's own, with one `?` for the id, which is bound as a text. It gives
    /// customer and courier, and may give the id after them: another one than was asked for is no
    /// order.
    Query(Box<str>),
}

/// A table of orders. Names are checked when a [`Lookup`] is made of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Table {
    /// Its name; may have that of its database and a dot before it.
    pub table: Box<str>,
    /// Its column with the order's id.
    pub order: Box<str>,
    /// Its column with the customer's id.
    pub customer: Box<str>,
    /// Its column with the courier's id.
    pub courier: Box<str>,
}

/// Why orders cannot be found so.
#[allow(missing_docs)] // The messages say it.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum LookupError {
    #[error("is not the name of a table or a column: up to 64 letters, digits, `_`, `$` and `-`")]
    Name,
    #[error("has to be one query with one `?`, for the id of the order")]
    Query,
}

// === impl Lookup ===

impl Lookup {
    /// Looks into this table.
    ///
    /// # Errors
    ///
    /// [`LookupError::Name`].
    pub fn table(table: Table) -> Result<Self, LookupError> {
        let columns = [&table.order, &table.customer, &table.courier];
        let is_good = is_table(&table.table) && columns.iter().all(|column| is_column(column));
        match is_good {
            true => Ok(Self::Table(table)),
            false => Err(LookupError::Name),
        }
    }

    /// Asks this query.
    ///
    /// # Errors
    ///
    /// [`LookupError::Query`].
    pub fn query(query: &str) -> Result<Self, LookupError> {
        let is_good = query.matches('?').count() == 1 && !query.contains([';', '\0']);
        match is_good {
            true => Ok(Self::Query(query.into())),
            false => Err(LookupError::Query),
        }
    }
}

impl Default for Lookup {
    fn default() -> Self {
        Self::Table(Table::default())
    }
}

impl Default for Table {
    fn default() -> Self {
        Self {
            table: "orders".into(),
            order: "id".into(),
            customer: "customer_id".into(),
            courier: "courier_id".into(),
        }
    }
}

/// Whether it can be the name of a table, with that of a database before it or without.
pub fn is_table(text: &str) -> bool {
    text.split('.').count() <= 2 && text.split('.').all(is_column)
}

/// Whether it can be the name of a column. Nothing in it ends a name that stands in quotes.
pub fn is_column(text: &str) -> bool {
    let is_good = |c: char| c.is_alphanumeric() || "_$-".contains(c);
    !text.is_empty() && text.chars().count() <= NAME_CHARS_MAX && text.chars().all(is_good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_have_nothing_in_them_that_ends_a_name() {
        let of = |name: &str| {
            let table = name.into();
            Lookup::table(Table {
                table,
                ..Table::default()
            })
        };
        for name in ["orders", "shop.orders", "b-2$_", "\u{8ba2}\u{5355}"] {
            assert!(of(name).is_ok(), "{name}");
        }
        let long = "a".repeat(65);
        for name in [
            "", ".", "a.", "a.b.c", "a`", "a\"", "a b", "a;", "a\0", &long,
        ] {
            assert_eq!(of(name), Err(LookupError::Name), "{name}");
        }
        let order = "a.b".into();
        let dotted = Table {
            order,
            ..Table::default()
        };
        assert_eq!(Lookup::table(dotted), Err(LookupError::Name));
    }

    #[test]
    fn a_query_has_one_place_for_the_id() {
        assert!(Lookup::query("SELECT a, b FROM c WHERE d = ?").is_ok());
        for query in ["", "SELECT 1", "SELECT ?, ?", "SELECT ?; DROP TABLE a"] {
            assert_eq!(Lookup::query(query), Err(LookupError::Query), "{query}");
        }
    }
}
