//! The contract of orders. The rig fills in what the case says.

use std::sync::Arc;

use tidegate::orders::{ORDER_BYTES_MAX, Order, Orders};

use super::person;

/// The rows that have to be there: the order's id, its customer and its courier.
pub(crate) const ROWS: [(&str, Option<&str>, Option<&str>); 5] = [
    ("12", Some("7"), Some("9")),
    ("13", Some("7"), None),
    ("14", None, Some("9")),
    ("15", Some("0"), Some("9")),
    ("16", Some("7"), Some("0")),
];

/// More of them where ids are texts.
pub(crate) const TEXT_ROWS: [(&str, Option<&str>, Option<&str>); 2] =
    [("ab", Some("8"), Some("9")), ("012", Some("6"), Some("9"))];

pub(crate) async fn orders_are_found_by_their_ids(orders: Arc<dyn Orders>) {
    let (customer, courier) = (person(7), Some(person(9)));
    assert_eq!(
        orders.find("12").await,
        Ok(Some(Order { customer, courier }))
    );
    let nobodys = Order {
        customer,
        courier: None,
    };
    assert_eq!(orders.find("13").await, Ok(Some(nobodys)));
}

/// Where a text is compared with a number, a database may look at its beginning only.
pub(crate) async fn what_only_looks_like_an_id_is_none(orders: Arc<dyn Orders>) {
    let long = "1".repeat(ORDER_BYTES_MAX);
    let zeros = format!("{}12", "0".repeat(ORDER_BYTES_MAX - 2));
    for id in [
        "12abc",
        " 12",
        "12 ",
        "12.0",
        "+12",
        "1.2e1",
        "0x0c",
        "'12'",
        "12\0",
        "",
        "1",
        "?",
        "1 OR 1=1",
        "-12",
        "\u{ff11}\u{ff12}",
        &long,
        &zeros,
    ] {
        assert_eq!(orders.find(id).await, Ok(None), "{id:?}");
    }
}

pub(crate) async fn an_order_of_nobody_who_can_be_is_none(orders: Arc<dyn Orders>) {
    for id in ["14", "15", "16"] {
        assert_eq!(orders.find(id).await, Ok(None), "{id}");
    }
}

pub(crate) async fn ids_that_are_texts_are_compared_by_their_bytes(orders: Arc<dyn Orders>) {
    let courier = Some(person(9));
    for (id, customer) in [("ab", 8), ("012", 6), ("12", 7)] {
        let customer = person(customer);
        let order = Some(Order { customer, courier });
        assert_eq!(orders.find(id).await, Ok(order), "{id}");
    }
    for id in ["AB", "ab ", "\u{e1}b", "0012"] {
        assert_eq!(orders.find(id).await, Ok(None), "{id:?}");
    }
}
