//! `tidegate keys im` and `tidegate token im`.

use std::fs;

use crate::support::process::Place;

/// A node outside development mode, without other dialects.
const BARE: &str = "development = false\ndialect.ride.enabled = false\n\
                    dialect.device.enabled = false\n";

#[tokio::test]
async fn keys_are_made_once_and_can_be_configured() {
    let place = Place::new(BARE);
    let text = place.ends("keys im --out .", 0).await;
    assert!(text.contains("private_key_file = \"./im.pem\""), "{text}");
    assert!(!text.contains("BEGIN"), "{text}");
    let private = fs::read_to_string(place.file("im.pem")).unwrap();
    let text = place.ends("keys im", 1).await;
    assert!(text.contains("im.pem is there already"), "{text}");
    assert_eq!(fs::read_to_string(place.file("im.pem")).unwrap(), private);
    place.ends("keys im --bits 1000 --out /", 2).await;
    let keys = "dialect.im.private_key_file = \"im.pem\"\n\
                dialect.im.public_key_files = [\"im.pub.pem\"]\n";
    place.configure(&format!("{BARE}{keys}"));
    place.ends("check", 0).await;
    fs::write(place.file("im.pub.pem"), "hunter2").unwrap();
    let text = place.ends("check", 2).await;
    assert!(
        text.contains("dialect.im.public_key_files[0]: is im.pub.pem"),
        "{text}"
    );
    assert!(!text.contains("hunter2"), "{text}");
}

#[tokio::test]
async fn a_token_is_for_a_user_that_can_be() {
    let place = Place::new(BARE);
    for line in ["token im --id 0", "token im --id x", "token im"] {
        place.ends(line, 2).await;
    }
}
