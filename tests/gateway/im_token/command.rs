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

#[tokio::test]
async fn a_token_of_the_command_line_is_made_by_the_node_that_has_the_key() {
    let place = Place::new("");
    let text = place.ends("token im --id 42", 1).await;
    assert!(text.contains("no node runs here"), "{text}");
    let node = place.start().await;
    let token = place.ends("token im --id 42", 0).await;
    let mut client = place.connect(&format!("/im/{}", token.trim())).await;
    let welcome = client.text().await;
    assert!(welcome.contains(r#""type":"L""#), "{welcome}");
    // What it says at its start tells how to get one, and nothing it says has one in it.
    let log = place.log();
    assert!(log.contains("tidegate token im --id 42"), "{log}");
    assert!(!log.contains("eyJ") && !log.contains("BEGIN"), "{log}");
    drop(node);
}

#[tokio::test]
async fn a_token_is_made_without_a_node_where_the_key_is_configured() {
    let place = Place::new(BARE);
    place.ends("keys im", 0).await;
    let text = place.ends("token im --id 42", 1).await;
    assert!(text.contains("dialect.im.enabled: is false"), "{text}");
    place.configure(&format!("{BARE}dialect.im.private_key_file = \"im.pem\"\n"));
    let token = place.ends("token im --id 42", 0).await;
    let public = fs::read_to_string(place.file("im.pub.pem")).unwrap();
    assert_eq!(super::claims(token.trim(), &public).unwrap()["id"], 42);
    // Who only checks tokens makes none.
    place.configure(&format!(
        "{BARE}dialect.im.public_key_files = [\"im.pub.pem\"]\n"
    ));
    let text = place.ends("token im --id 42", 1).await;
    assert!(
        text.contains("dialect.im.private_key: is missing"),
        "{text}"
    );
    // Without keys it has to be said that they are missing.
    place.configure(&format!("{BARE}dialect.im.enabled = true\n"));
    let text = place.ends("check", 2).await;
    assert!(
        text.contains("dialect.im.public_keys: is missing"),
        "{text}"
    );
}
