//! Whose an order is, asked of the application.

use bytes::Bytes;
use hyper::StatusCode;
use serde::{Deserialize, Serialize};

use super::hook::{Hook, HookError};
use crate::{
    clock::Clock,
    id::Person,
    orders::{Order, Orders},
    store::{Pending, StoreError},
};

/// An application that knows orders.
///
/// It is posted `{"event":"order","order":<id>,"time":<unix seconds>}` and answers
/// `{"customer":<id>,"courier":<id or null>}`, ids as numbers or texts, or with status 404 if there is
/// no such order.
#[derive(Debug)]
pub struct OrderHook {
    hook: Hook,
    clock: Clock,
}

#[derive(Serialize)]
struct Question<'a> {
    event: &'static str,
    order: &'a str,
    time: u64,
}

#[derive(Deserialize)]
struct Answer {
    customer: User,
    #[serde(default)]
    courier: Option<User>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum User {
    Number(u64),
    Text(String),
}

impl OrderHook {
    /// Asks by this hook.
    pub fn new(hook: Hook, clock: Clock) -> Self {
        Self { hook, clock }
    }

    async fn ask(&self, id: &str) -> Result<Option<Order>, StoreError> {
        let time = self.clock.now().unix_seconds();
        let question = Question {
            event: "order",
            order: id,
            time,
        };
        let body = serde_json::to_vec(&question).expect("texts and numbers are JSON");
        match self.hook.ask(Bytes::from(body), time).await {
            Ok(answer) => read(&answer).map(Some),
            Err(HookError::Status(StatusCode::NOT_FOUND)) => Ok(None),
            Err(error) => Err(unavailable(&error.to_string())),
        }
    }
}

impl Orders for OrderHook {
    fn find<'a>(&'a self, id: &'a str) -> Pending<'a, Option<Order>> {
        Box::pin(self.ask(id))
    }
}

fn read(answer: &[u8]) -> Result<Order, StoreError> {
    let answer: Answer = serde_json::from_slice(answer)
        .map_err(|_| unavailable("the service answered something else than whose it is"))?;
    let person = |user: User| {
        let person = match user {
            User::Number(number) => Person::new(number),
            User::Text(text) => text.parse().ok(),
        };
        person.ok_or_else(|| unavailable("the service named somebody who is no chat user"))
    };
    Ok(Order {
        customer: person(answer.customer)?,
        courier: answer.courier.map(person).transpose()?,
    })
}

fn unavailable(reason: &str) -> StoreError {
    StoreError::Unavailable(format!("orders: {reason}").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(answer: &str, expect: Option<(u64, Option<u64>)>) {
        let found = read(answer.as_bytes()).ok();
        let found = found.map(|order| (order.customer.number(), order.courier.map(Person::number)));
        assert_eq!(found, expect, "{answer}");
    }

    #[test]
    fn an_answer_names_people_by_number_or_text() {
        check(
            r#"{"customer":42,"courier":"7","more":1}"#,
            Some((42, Some(7))),
        );
        check(r#"{"customer":"42","courier":null}"#, Some((42, None)));
        check(r#"{"customer":42}"#, Some((42, None)));
        for answer in [
            "",
            "{}",
            r#"{"customer":0}"#,
            r#"{"customer":"anna"}"#,
            r#"{"customer":42,"courier":-1}"#,
            r#"{"courier":7}"#,
        ] {
            check(answer, None);
        }
    }
}
