//! Clients that say nothing: they are cut, and those who send `2` are not.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{PROFILES, login, start_with};
use crate::support::{Closed, client::code};

#[tokio::test]
async fn a_silent_client_is_cut_and_one_with_a_heartbeat_is_not() {
    for profile in PROFILES {
        let gateway = start_with(profile, "limits.idle = \"1s\"");
        let mut silent = login(&gateway, "1", "wechatUser", "r1").await;
        let mut alive = login(&gateway, "2", "wechatUser", "r1").await;
        let begin = Instant::now();
        let beating = async {
            while begin.elapsed() < Duration::from_secs(3) {
                alive.heartbeat().await;
                sleep(Duration::from_millis(200)).await;
            }
        };
        let (closed, ()) = tokio::join!(silent.closed(), beating);
        let expect = match profile {
            "documented" => code(1000, "idle"),
            _ => Closed::Gone,
        };
        assert_eq!(closed, expect);
        alive.heartbeat().await;
    }
}
