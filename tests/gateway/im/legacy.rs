//! What the application has in its Redis under its own names counts, and is kept up for it.

use serde_json::{Value, json};

use super::{error, login, orders::enlist, says};
use crate::support::{Gateway, redis::Redis};

/// Where a phone reports to be by GCJ-02, and where that is by WGS-84, longitude first: the place in
/// Shanghai that the tests of the package `eviltransform` have.
const REPORTED: (f64, f64) = (121.531_541_932_555_54, 31.175_303_947_687_105);
const PLACE: (f64, f64) = (121.527_210_6, 31.177_427_6);
/// Metres per degree of latitude; of longitude it is less.
const DEGREE: f64 = 111_320.0;
/// Redis keeps 52 bits of a place, which is 0.6 m at most.
const OFF_MAX: f64 = 1.0;

fn start(redis: &Redis) -> Gateway {
    Gateway::start(&format!("cluster.redis = \"{}\"", redis.url()))
}

#[tokio::test]
async fn a_courier_is_in_redis_where_it_is_by_wgs84() {
    let redis = Redis::start();
    let gateway = start(&redis);
    redis.ask(&["SADD", "DELIVER", "8"]);
    enlist(&gateway, 7).await;
    assert_eq!(redis.ask(&["SISMEMBER", "DELIVER", "7"]), "1");
    for courier in [7, 8] {
        let mut client = login(&gateway, courier).await;
        let msg = json!({"longtitude": REPORTED.0, "latitude": REPORTED.1});
        let here = json!({"id": 1, "to": 0, "type": "S", "msg": msg});
        assert_eq!(client.ask(&here).await["msg"], "updated position");
        let answer = redis.ask(&["GEOPOS", "GEO:DELIVER", &courier.to_string()]);
        let found: Vec<f64> = answer.lines().map(|line| line.parse().unwrap()).collect();
        let east = (found[0] - PLACE.0) * DEGREE * PLACE.1.to_radians().cos();
        let north = (found[1] - PLACE.1) * DEGREE;
        assert!(east.hypot(north) < OFF_MAX, "{found:?}");
    }
    redis.ask(&["SREM", "DELIVER", "8"]);
    let answer = gateway.api("GET", "/api/im/couriers", &Value::Null).await;
    assert_eq!(answer.body, r#"{"couriers":[7]}"#);
}

#[tokio::test]
async fn friends_that_the_application_changes_in_redis_count_at_once() {
    let redis = Redis::start();
    let gateway = start(&redis);
    let mut client = login(&gateway, 7).await;
    let packet = says("1", 42, "hi");
    let refused = error("1", "You are not friends");
    for _ in 0..3 {
        assert_eq!(client.ask(&packet).await, refused);
        // Of the sender alone it is asked.
        redis.ask(&["SADD", "URS:42", "7"]);
        assert_eq!(client.ask(&packet).await, refused);
        redis.ask(&["SADD", "URS:7", "42"]);
        client.say("1", 42, "hi").await;
        redis.ask(&["DEL", "URS:7", "URS:42"]);
    }
    assert_eq!(gateway.history("user:42").await.len(), 1);
}
