//! The `im` dialect end to end, in both profiles where they differ.

use crate::support::{Client, Closed, Gateway, client::code};

const BAD_TOKEN: &str = r#"{"id":0,"from":0,"type":"E","msg":"Invalidate token"}"#;

#[tokio::test]
async fn a_bad_token_is_answered_after_the_upgrade() {
    for (profile, closed) in [
        ("documented", code(1008, "auth_failed")),
        ("observed", Closed::Empty),
    ] {
        let gateway = Gateway::start(&format!("dialect.im.profile = \"{profile}\""));
        for path in ["/im/", "/im/x", "/im/a.b.c", "/im/a.b.c?x=1", "/a.b.c"] {
            let mut client = Client::connect(&gateway, path).await;
            client.expect(BAD_TOKEN).await;
            assert_eq!(client.closed().await, closed, "{path}");
        }
    }
}
