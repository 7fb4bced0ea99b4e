//! Offers: what applications have for the clients of a dialect beyond what it says itself.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arc_swap::ArcSwapOption;

use super::DialectId;

/// What applications offer to the clients of one dialect. It can change while sessions live.
#[derive(Debug, Default)]
pub struct Offers {
    /// Beginnings of the methods that applications answer; absent if there are none.
    methods: ArcSwapOption<Vec<Box<str>>>,
    decides_logins: AtomicBool,
    decides_joins: AtomicBool,
}

impl Offers {
    /// Has applications answer the methods that begin with one of `prefixes`.
    pub fn set_methods(&self, prefixes: Vec<Box<str>>) {
        let prefixes = (!prefixes.is_empty()).then(|| prefixes.into());
        self.methods.store(prefixes);
    }

    /// Whether somebody decides about clients who are known.
    pub fn set_decides_logins(&self, decides: bool) {
        self.decides_logins.store(decides, Relaxed);
    }

    /// Whether somebody decides about rooms that clients want to join.
    pub fn set_decides_joins(&self, decides: bool) {
        self.decides_joins.store(decides, Relaxed);
    }

    /// Whether an application answers `method` for clients of this dialect.
    pub fn answers(&self, dialect: DialectId, method: &str) -> bool {
        let prefixes = self.methods.load();
        let mut prefixes = prefixes.iter().flat_map(|prefixes| prefixes.iter());
        prefixes.any(|prefix| dialect.begins_with(method, prefix))
    }

    /// Whether somebody is asked about clients who are known, who can let them into rooms.
    pub fn decides_logins(&self) -> bool {
        self.decides_logins.load(Relaxed)
    }

    /// Whether a client may ask to join a room.
    pub fn decides_joins(&self) -> bool {
        self.decides_joins.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_answered_if_it_begins_with_a_prefix() {
        let offers = Offers::default();
        assert!(!offers.answers(DialectId::Device, "shop.order"));
        offers.set_methods(vec!["shop.".into(), "crm:".into()]);
        for (method, expect) in [
            ("shop.order", true),
            ("shop.", true),
            ("crm:who", true),
            ("shop", false),
            ("my.shop.order", false),
            ("Shop.order", false),
        ] {
            assert_eq!(
                offers.answers(DialectId::Device, method),
                expect,
                "{method}"
            );
        }
        assert!(offers.answers(DialectId::Live, "Shop.order"));
        assert!(!offers.answers(DialectId::Live, "shop"));
        assert!(!offers.answers(DialectId::Live, "张op.order"));
        offers.set_methods(Vec::new());
        assert!(!offers.answers(DialectId::Device, "shop.order"));
    }
}
