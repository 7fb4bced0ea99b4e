//! The `im` dialect: any conversation, in both profiles, with every kind of coordinates.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::{
    dialect::{
        Profile,
        im::{Coordinates, Im, Sessions, Settings},
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
        sessions: match choice & 2 {
            0 => Sessions::Single,
            _ => Sessions::Multi,
        },
        coordinates: match choice & 12 {
            0 => Coordinates::Gcj02,
            4 => Coordinates::Bd09,
            _ => Coordinates::None,
        },
    };
    play(&Im::new(settings), script);
});
