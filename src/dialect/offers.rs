//! Offers: what applications have for the clients of a dialect beyond what it says itself.

use std::sync::{
    PoisonError, RwLock,
    atomic::{AtomicBool, Ordering::Relaxed},
};

/// What applications offer to the clients of one dialect. It can change while sessions live.
#[derive(Debug, Default)]
pub struct Offers {
    /// Beginnings of the methods that applications answer.
    methods: RwLock<Vec<Box<str>>>,
    /// Whether there is any: most have none, and find out by one load.
    has_methods: AtomicBool,
    decides_joins: AtomicBool,
}

impl Offers {
    /// Has applications answer the methods that begin with one of `prefixes`.
    pub fn set_methods(&self, prefixes: Vec<Box<str>>) {
        self.has_methods.store(!prefixes.is_empty(), Relaxed);
        *self.methods.write().unwrap_or_else(PoisonError::into_inner) = prefixes;
    }

    /// Whether somebody decides about rooms that clients want to join.
    pub fn set_decides_joins(&self, decides: bool) {
        self.decides_joins.store(decides, Relaxed);
    }

    /// Whether an application answers `method`.
    pub fn answers(&self, method: &str) -> bool {
        self.has_methods.load(Relaxed) && self.is_listed(method)
    }

    /// Whether a client may ask to join a room.
    pub fn decides_joins(&self) -> bool {
        self.decides_joins.load(Relaxed)
    }

    fn is_listed(&self, method: &str) -> bool {
        let prefixes = self.methods.read().unwrap_or_else(PoisonError::into_inner);
        prefixes.iter().any(|prefix| method.starts_with(&**prefix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_method_is_answered_if_it_begins_with_a_prefix() {
        let offers = Offers::default();
        assert!(!offers.answers("shop.order"));
        offers.set_methods(vec!["shop.".into(), "crm:".into()]);
        for (method, expect) in [
            ("shop.order", true),
            ("shop.", true),
            ("crm:who", true),
            ("shop", false),
            ("my.shop.order", false),
            ("Shop.order", false),
        ] {
            assert_eq!(offers.answers(method), expect, "{method}");
        }
        offers.set_methods(Vec::new());
        assert!(!offers.answers("shop.order"));
    }
}
