//! What is done with customers and agents in one step. The scripts stand beside this file.

use std::sync::LazyLock;

use super::super::script::Script;

macro_rules! scripts {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)+) => {
        $(
            $(#[$doc])*
            pub(super) static $name: LazyLock<Script> = LazyLock::new(|| {
                Script::new(concat!(include_str!("prelude.lua"), include_str!($file)))
            });
        )+
    };
}

scripts! {
    /// See [`crate::office::Office::sit`].
    SIT = "sit.lua";
    /// See [`crate::office::Office::rise`].
    RISE = "rise.lua";
    /// See [`crate::office::Office::ask`].
    ASK = "ask.lua";
    /// See [`crate::office::Office::transfer`].
    TRANSFER = "transfer.lua";
    /// See [`crate::office::Office::release`].
    RELEASE = "release.lua";
    /// See [`crate::office::Office::look`].
    LOOK = "look.lua";
    /// See [`crate::office::Office::next`].
    NEXT = "next.lua";
    /// See [`crate::office::Office::view`] and [`crate::office::Office::find`].
    VIEW = "view.lua";
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use crate::office::{
        AGENTS_MAX, CUSTOMERS_MAX, ENTRIES_MAX, LEASE, MESSAGE_BYTES_MAX, MESSAGES_MAX, QUEUE_MAX,
        RISEN, STEP, TOLD_MAX, TURNS_MAX, WINDOW, WINDOW_MESSAGES_MAX,
    };

    #[test]
    fn the_bounds_of_the_scripts_are_those_of_the_office() {
        let ms = |duration: Duration| duration.as_millis();
        let expected = format!(
            "local LEASE, WINDOW, WINDOW_MESSAGES_MAX, RISEN_KEPT = {}, {}, {WINDOW_MESSAGES_MAX}, {}
local QUEUE_MAX, CUSTOMERS_MAX, AGENTS_MAX = {QUEUE_MAX}, {CUSTOMERS_MAX}, {AGENTS_MAX}
local MESSAGES_MAX, MESSAGE_BYTES_MAX = {MESSAGES_MAX}, {MESSAGE_BYTES_MAX}
local TOLD_MAX, STEP, TURNS_MAX, ENTRIES_MAX = {TOLD_MAX}, {STEP}, {TURNS_MAX}, {ENTRIES_MAX}
",
            ms(LEASE),
            ms(WINDOW),
            ms(RISEN)
        );
        assert!(
            include_str!("prelude.lua").contains(&expected),
            "{expected}"
        );
    }
}
