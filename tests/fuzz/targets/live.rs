//! The `live` dialect: any conversation, in both profiles.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::{
    dialect::{
        Offers, Profile,
        json::{self, Json},
        live::{Builtin, Live, Party, Passes, Settings},
    },
    script::play,
};

/// Takes an object in the query for the credential itself.
#[derive(Debug)]
struct Open;

impl Passes for Open {
    fn read(&self, auth: &str, _: u64) -> Option<Party> {
        match json::parse(auth)? {
            Json::Object(object) => Party::read(&object, "id"),
            Json::Null | Json::Other => None,
        }
    }
}

// The first byte chooses the settings, the rest is a script.
fuzz_target!(|data: &[u8]| {
    let [choice, script @ ..] = data else {
        return;
    };
    let offers = Offers::default();
    if choice & 4 != 0 {
        offers.set_methods(vec!["shop.".into(), "live.user.".into()]);
    }
    let settings = Settings {
        profile: match choice & 1 {
            0 => Profile::Documented,
            _ => Profile::Observed,
        },
        receipts: choice & 2 == 0,
        passes: Arc::new(Open),
        builtins: vec![
            Builtin {
                controller: "index.index",
                actions: &["index"],
            },
            Builtin {
                controller: "live.user",
                actions: &["join", "say"],
            },
        ],
        offers: Arc::new(offers),
    };
    play(&Live::new(settings), script);
});
