//! What a database of an application says of an order, and whether that can be.

use crate::{id::Person, lookup::Table, orders::Order};

/// Stands for a value that is no text.
pub(super) const UNREADABLE: &str = "?";

/// The columns of an order, as texts.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) customer: Option<String>,
    /// Absent: nobody's.
    pub(super) courier: Option<String>,
    /// The order's id, if that was asked for too.
    pub(super) id: Option<String>,
}

/// The names of a table and of its columns for the order, the customer and the courier, each put into
/// quotes.
pub(super) fn names(table: &Table, quoted: fn(&str) -> String) -> [String; 4] {
    let name: Vec<_> = table.table.split('.').map(quoted).collect();
    let Table {
        order,
        customer,
        courier,
        ..
    } = table;
    [
        name.join("."),
        quoted(order),
        quoted(customer),
        quoted(courier),
    ]
}

impl Found {
    /// The order, if it is the one that was asked for, and of somebody who can be.
    pub(super) fn order(self, asked: &str) -> Option<Order> {
        if self.id.is_some_and(|id| id != asked) {
            return None;
        }
        let person = |text: &str| text.parse::<Person>().ok();
        let customer = self.customer.as_deref().and_then(person);
        let courier = match self.courier.as_deref().map(person) {
            None => Some(None),
            Some(None) => None,
            Some(courier) => Some(courier),
        };
        let order = customer.zip(courier);
        if order.is_none() {
            tracing::warn!("an order has a customer or a courier who is none; it is none, too");
        }
        let (customer, courier) = order?;
        Some(Order { customer, courier })
    }
}
