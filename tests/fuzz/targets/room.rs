//! The `room` dialect: any conversation, in both profiles and both modes.

#![no_main]

use std::sync::Arc;

use libfuzzer_sys::fuzz_target;
use tidegate_fuzz::{
    dialect::{
        Offers, Profile,
        room::{Mode, Room, Settings},
    },
    script::play_at,
};

// The first byte chooses the settings and the room, the rest is a script.
fuzz_target!(|data: &[u8]| {
    let [choice, script @ ..] = data else {
        return;
    };
    let has = |bit: u8| choice & bit != 0;
    let offers = Offers::default();
    offers.set_decides_joins(has(16));
    let settings = Settings {
        profile: if has(1) { Profile::Observed } else { Profile::Documented },
        mode: if has(2) { Mode::Chat } else { Mode::Push },
        open: has(4),
        believes: has(8),
        offers: Arc::new(offers),
        ..Settings::default()
    };
    let path = if has(32) { "/room/agents/" } else { "/room/a/" };
    play_at(&Room::new(settings), path, script);
});
