//! Clients of the rooms: the document's page, and Python.

use serde_json::json;

use super::{
    address,
    browser::{Browser, expect, site},
    python,
};
use crate::support::{Gateway, Raw, Received, raw::PING};

const PAGE: &str = include_str!("room.html");
/// The tutorial's answer to whatever a client says.
const REPLY: &str = "不要回复不要回复！！！";

#[tokio::test]
async fn the_page_of_the_room_document_works_unchanged() {
    let (mut told, shown) = site();
    let toml = format!(
        "listen.origins = [\"{}\"]\nlimits.idle = \"2s\"\ndialect.room.ping = \"500ms\"",
        told.url("")
    );
    let mut gateway = Gateway::start(&toml);
    let page = PAGE.replace("{host}", &gateway.public().to_string());
    shown.set(page).unwrap();
    let _browser = Browser::open(told.address);
    expect(&mut told, "alert 2").await;
    expect(&mut told, "[连接成功]").await;
    // It never speaks, and the browser answers Pings for it: who does not is gone by now.
    let mut silent = Raw::upgrade(&gateway, "/room/2/").await;
    loop {
        match silent.receive().await {
            Received::Frame { opcode: PING, .. } => {}
            Received::Frame { payload, .. } => break assert_eq!(payload, b"\x03\xe8idle"),
            other => panic!("{other:?} came"),
        }
    }
    for data in [json!({"name": "234"}), json!({"name": "你好"})] {
        let message = json!({"to": "room:2", "event": "send_to_chrome", "data": data});
        gateway.publish(&message).await;
        expect(&mut told, "alert 33").await;
        expect(&mut told, data).await;
        expect(&mut told, "alert 33").await;
        expect(&mut told, REPLY).await;
    }
    gateway.stop();
    expect(&mut told, "[连接断开]").await;
    assert_eq!(gateway.ended().await.sessions_cut, 0);
}

#[tokio::test]
async fn python_clients_of_the_rooms_work_unchanged() {
    for profile in ["documented", "observed"] {
        let toml = format!("dialect.room.mode = \"chat\"\ndialect.room.profile = \"{profile}\"");
        let gateway = Gateway::start(&toml);
        let (one, other) = (address(&gateway), address(&gateway));
        python("room.py", &[profile, &one, &other]).await;
    }
}
