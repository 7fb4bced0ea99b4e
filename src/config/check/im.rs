//! What the `im` dialect demands of its keys.

use super::Check;
use crate::{
    config::rsa::{PRIVATE, PUBLIC, PrivateKey, PublicKey},
    orders::{Lookup, Table},
};

impl Check<'_> {
    pub(super) fn im(&mut self) {
        let im = &self.config.dialect.im;
        self.login_hook("dialect.im.hook", im.hook.as_ref());
        for (index, pem) in im.public_keys.iter().enumerate() {
            if PublicKey::from_pem(pem).is_none() {
                let problem = format!("is not usable, expected {PUBLIC}");
                self.mistake(format!("dialect.im.public_keys[{index}]"), problem);
            }
        }
        let files = im.public_key_files.iter().zip(&im.file_keys);
        for (index, (path, pem)) in files.enumerate() {
            // One that could not be read has been named.
            if !pem.is_empty() && PublicKey::from_pem(pem).is_none() {
                let path = path.display();
                let problem = format!("is {path}, which does not hold {PUBLIC}");
                self.mistake(format!("dialect.im.public_key_files[{index}]"), problem);
            }
        }
        if let Some(pem) = &im.private_key
            && PrivateKey::from_pem(pem.expose()).is_none()
        {
            let problem = format!("is not usable, expected {PRIVATE}");
            self.mistake("dialect.im.private_key", problem);
        }
        let may_be_elsewhere = self.config.development || self.config.cluster.redis.is_some();
        if im.mount.enabled && !im.has_keys() && !may_be_elsewhere {
            let problem = format!(
                "is missing, expected {PUBLIC}, or dialect.im.private_key, or cluster.redis, whose \
                 strings publicKey and privateKey are used then"
            );
            self.mistake("dialect.im.public_keys", problem);
        }
        self.orders();
    }

    fn orders(&mut self) {
        let orders = &self.config.dialect.im.orders;
        self.login_hook("dialect.im.orders.hook", orders.hook.as_ref());
        if let Some(query) = &orders.query
            && let Err(error) = Lookup::query(query)
        {
            self.mistake("dialect.im.orders.query", error.to_string());
        }
        for (key, name) in [
            ("order_column", &orders.order_column),
            ("customer_column", &orders.customer_column),
            ("courier_column", &orders.courier_column),
            ("table", &orders.table),
        ] {
            let mut table = Table::default();
            match key {
                "table" => table.table = name.as_str().into(),
                _ => table.order = name.as_str().into(),
            }
            if let Err(error) = Lookup::table(table) {
                self.mistake(format!("dialect.im.orders.{key}"), error.to_string());
            }
        }
    }
}
