//! `[dialect.im]`.

use std::{path::PathBuf, time::Duration};

use super::Mount;
use crate::{
    config::{
        Mistake,
        backend::LoginHook,
        read_text,
        setting::words,
        value::{Ping, Secret},
        visit::{Section, Visitor},
    },
    dialect::im::{Coordinates, Sessions},
    lookup::{Lookup, LookupError, Table},
};

/// Settings of the chat between customers and couriers.
#[derive(Clone, Debug)]
pub struct Im {
    /// What every dialect has.
    pub mount: Mount,
    /// What was said about `enabled`, and then what came of it. Nothing was said: clients are served
    /// where there can be keys.
    pub(in crate::config) wanted: Option<bool>,
    /// Public keys that tokens are checked with, PEM.
    pub public_keys: Vec<String>,
    /// Files of more of them.
    pub public_key_files: Vec<PathBuf>,
    /// What stands in those files.
    pub(in crate::config) file_keys: Vec<String>,
    /// The key that tokens are signed with, PEM; absent: none are issued.
    pub private_key: Option<Secret>,
    /// Whether a second login of a user ends the first.
    pub sessions: Sessions,
    /// Whether a token is good for one login only.
    pub one_time: bool,
    /// Oldest token that is accepted; what `POST /IM/token` gives out lasts as long.
    pub token_max_age: Duration,
    /// How often per second one client address may call `POST /IM/token`; 0 is no limit. An
    /// application that asks for its users needs one token per login.
    pub tokens_per_second: u32,
    /// The coordinates that couriers' phones report.
    pub coordinates: Coordinates,
    /// Who is asked about the application's own tokens at `POST /IM/token`.
    pub hook: Option<LoginHook>,
    /// Where the customer of an order is looked up.
    pub orders: Orders,
    /// Whether the list `MQ` of the original system is drained too.
    pub legacy_mq: bool,
}

/// `dialect.im.orders`: whose order it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Orders {
    /// Who is asked; absent: the table is.
    pub hook: Option<LoginHook>,
    /// A query of the application's own, with one `?` for the id; absent: the table is read.
    pub query: Option<String>,
    /// Table of the orders.
    pub table: String,
    /// Its column with the order's id.
    pub order_column: String,
    /// Its column with the customer's id.
    pub customer_column: String,
    /// Its column with the courier's id.
    pub courier_column: String,
}

words!(Sessions, "single" => Sessions::Single, "multi" => Sessions::Multi);
words!(Coordinates,
    "gcj02" => Coordinates::Gcj02,
    "bd09" => Coordinates::Bd09,
    "none" => Coordinates::None,
);

impl Default for Im {
    fn default() -> Self {
        Self {
            mount: Mount::new(&["/im/{token}", "/{token}"], Ping::Off),
            wanted: None,
            public_keys: Vec::new(),
            public_key_files: Vec::new(),
            file_keys: Vec::new(),
            private_key: None,
            sessions: Sessions::default(),
            one_time: false,
            token_max_age: Duration::from_secs(120),
            tokens_per_second: 10,
            coordinates: Coordinates::default(),
            hook: None,
            orders: Orders::default(),
            legacy_mq: false,
        }
    }
}

impl Im {
    /// Whether keys are configured, so that no others are looked for.
    pub fn has_keys(&self) -> bool {
        let has_public = !self.public_keys.is_empty() || !self.public_key_files.is_empty();
        has_public || self.private_key.is_some()
    }

    /// The public keys that are configured, PEM, those in files too.
    pub fn public_keys(&self) -> impl Iterator<Item = &str> {
        let keys = self.public_keys.iter().chain(&self.file_keys);
        keys.map(String::as_str)
    }

    /// Reads the files of public keys.
    pub(crate) fn read_files(&mut self, mistakes: &mut Vec<Mistake>) {
        self.file_keys.clear();
        for (index, path) in self.public_key_files.iter().enumerate() {
            match read_text(path) {
                Ok(text) => self.file_keys.push(text),
                Err(problem) => {
                    let key = format!("dialect.im.public_key_files[{index}]");
                    let path = path.display();
                    let problem = format!("is {path}, which cannot be read: {problem}");
                    mistakes.push(Mistake::new(key, problem));
                    // Keeps the numbers of those behind it.
                    self.file_keys.push(String::new());
                }
            }
        }
    }
}

impl Orders {
    /// How the database is asked.
    ///
    /// # Errors
    ///
    /// [`LookupError`]; none of a configuration that was read.
    pub fn lookup(&self) -> Result<Lookup, LookupError> {
        match &self.query {
            Some(query) => Lookup::query(query),
            None => Lookup::table(Table {
                table: self.table.as_str().into(),
                order: self.order_column.as_str().into(),
                customer: self.customer_column.as_str().into(),
                courier: self.courier_column.as_str().into(),
            }),
        }
    }
}

impl Default for Orders {
    fn default() -> Self {
        let Table {
            table,
            order,
            customer,
            courier,
        } = Table::default();
        Self {
            hook: None,
            query: None,
            table: table.into(),
            order_column: order.into(),
            customer_column: customer.into(),
            courier_column: courier.into(),
        }
    }
}

impl Section for Im {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.setting("enabled", &mut self.wanted);
        self.mount.visit_others(visitor);
        visitor.setting("public_keys", &mut self.public_keys);
        visitor.setting("public_key_files", &mut self.public_key_files);
        visitor.secret("private_key", &mut self.private_key);
        visitor.setting("sessions", &mut self.sessions);
        visitor.setting("one_time", &mut self.one_time);
        visitor.setting("token_max_age", &mut self.token_max_age);
        visitor.setting("tokens_per_second", &mut self.tokens_per_second);
        visitor.setting("coordinates", &mut self.coordinates);
        visitor.sections("hook", &mut self.hook);
        visitor.section("orders", &mut self.orders);
        visitor.setting("legacy_mq", &mut self.legacy_mq);
    }
}

impl Section for Orders {
    fn visit(&mut self, visitor: &mut dyn Visitor) {
        visitor.sections("hook", &mut self.hook);
        visitor.setting("query", &mut self.query);
        visitor.setting("table", &mut self.table);
        visitor.setting("order_column", &mut self.order_column);
        visitor.setting("customer_column", &mut self.customer_column);
        visitor.setting("courier_column", &mut self.courier_column);
    }
}
