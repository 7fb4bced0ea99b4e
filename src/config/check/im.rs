//! What the `im` dialect demands of its keys.

use super::Check;
use crate::{
    config::rsa::{PRIVATE, PUBLIC, PrivateKey, PublicKey},
    lookup::{is_column, is_table},
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
        self.login_hook("dialect.im.orders.hook", im.orders.hook.as_ref());
        self.orders();
    }

    fn orders(&mut self) {
        let orders = &self.config.dialect.im.orders;
        if orders.query.is_some() && orders.lookup().is_err() {
            let problem = "is not usable, expected one query with one ? for the id of the order";
            self.mistake("dialect.im.orders.query", problem);
        }
        for (key, is_good) in [
            ("table", is_table(&orders.table)),
            ("order_column", is_column(&orders.order_column)),
            ("customer_column", is_column(&orders.customer_column)),
            ("courier_column", is_column(&orders.courier_column)),
        ] {
            if !is_good {
                let problem =
                    "is not usable, expected a name of up to 64 letters, digits, _, $ and -";
                self.mistake(format!("dialect.im.orders.{key}"), problem);
            }
        }
    }
}
