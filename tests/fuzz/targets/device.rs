//! The `device` dialect: any conversation, in both profiles.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::{
    dialect::{
        Offers, Profile,
        device::{Device, Settings},
    },
    script::play,
};

// The first byte chooses the settings, the rest is a script.
fuzz_target!(|data: &[u8]| {
    let [choice, script @ ..] = data else {
        return;
    };
    let offers = Offers::default();
    if choice & 4 != 0 {
        offers.set_methods(vec!["shop.".into()]);
        offers.set_decides_joins(true);
    }
    let settings = Settings {
        profile: match choice & 1 {
            0 => Profile::Documented,
            _ => Profile::Observed,
        },
        ping_limit: u32::from(choice & 2),
        offers: Arc::new(offers),
        ..Settings::default()
    };
    play(&Device::new(settings), script);
});
