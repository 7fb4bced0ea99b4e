//! The `device` dialect: any conversation, in both profiles.

#![no_main]

use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::{
    dialect::{
        Profile,
        device::{Device, Settings},
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
        ping_limit: u32::from(choice & 2),
        ..Settings::default()
    };
    play(&Device::new(settings), script);
});
