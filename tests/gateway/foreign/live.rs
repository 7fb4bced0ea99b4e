//! A PHP client of the live dialect, with PHP's own cipher.

use std::{path::Path, process::Command};

use tokio::{task, time};

use super::SCRIPT_TIMEOUT;
use crate::support::Gateway;

#[tokio::test]
async fn php_clients_of_the_live_document_work_unchanged() {
    for profile in ["documented", "observed"] {
        let key = "kfw001-websocket";
        let gateway = Gateway::start_alone(&format!(
            "dialect.live.profile = \"{profile}\"\ndialect.live.key = \"{key}\""
        ));
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new("php");
        command
            .arg(root.join("tests/gateway/foreign/live.php"))
            .args([&*gateway.public().to_string(), key, profile]);
        let running = task::spawn_blocking(move || command.output().unwrap());
        let output = time::timeout(SCRIPT_TIMEOUT, running).await.unwrap();
        let output = output.unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        let printed = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{profile}: {errors}{printed}");
    }
}
