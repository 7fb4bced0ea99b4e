//! The `ride` dialect: any conversation, in both profiles, with and without a service that is asked.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::{
    dialect::{
        Profile,
        ride::{Backend, Ride, Settings, Tokens},
    },
    script::play,
};

// The first byte chooses the settings, the rest is a script.
fuzz_target!(|data: &[u8]| {
    let [choice, script @ ..] = data else {
        return;
    };
    let settings = Settings {
        profile: match choice & 1 {
            0 => Profile::Documented,
            _ => Profile::Observed,
        },
        tokens: match choice & 2 {
            0 => Tokens::Any,
            _ => Tokens::Ask,
        },
        realm: (choice & 4 == 0).then(|| "ride".into()),
        backends: vec![Backend {
            client_id: "backend".into(),
            secret: "secret".into(),
        }],
        ..Settings::default()
    };
    play(&Ride::new(settings), script);
});
