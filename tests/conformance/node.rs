//! A node that echoes: the real one, with one dialect of the test's own.

use std::{collections::BTreeMap, net::SocketAddr, sync::Arc};

use tidegate::{
    app::{App, Extras},
    config::{Config, Generated, ReloadSource, Source},
    dialect::{Actions, Conversation, Dialect, DialectId, Hello, Incoming, Now, Refusal},
    frame::Frame,
    message::Message,
};
use tokio::runtime::Builder;
use tokio_util::sync::CancellationToken;

/// The limits let the suite's largest messages pass, which have 16 MiB, and nothing of the drain has
/// to be waited for.
const CONFIG: &str = r#"
    development = true
    [listen]
    public = "127.0.0.1:0"
    admin = "127.0.0.1:0"
    [limits]
    message_bytes_max = 67108864
    outbox_bytes_max = 134217728
    message_timeout = "60s"
    [drain]
    delay = "0s"
    grace = "1s"
"#;

/// Runs `client` on a thread of its own while a node serves, which is told where.
pub(crate) fn serve<R: Send + 'static>(client: impl FnOnce(SocketAddr) -> R + Send) -> R {
    let config = Config::from_source(&Source::from_text(CONFIG), &Generated::new()).unwrap();
    let source = ReloadSource::new(None, BTreeMap::new());
    let mounted: (String, Arc<dyn Dialect>) = ("/echo".to_owned(), Arc::new(Echo));
    let extras = Extras {
        mounted: vec![mounted],
        ..Extras::default()
    };
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let app = App::build_with(config, source, extras).unwrap();
    let address = app.addresses().public[0];
    let stop = CancellationToken::new();
    std::thread::scope(|scope| {
        let client = scope.spawn({
            let stop = stop.clone();
            move || {
                // Also when the client panics, or nobody would ever stop the node.
                let _stopping = stop.drop_guard();
                client(address)
            }
        });
        runtime.block_on(app.run(stop, CancellationToken::new()));
        client
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

/// Sends back every message as it came.
#[derive(Debug)]
struct Echo;

impl Dialect for Echo {
    fn id(&self) -> DialectId {
        DialectId::Ride
    }

    fn accept(&self, _: &Hello<'_>) -> Result<Box<dyn Conversation>, Refusal> {
        Ok(Box::new(Self))
    }

    fn encode(&self, message: &Message) -> Frame {
        Frame::text(&message.data)
    }
}

impl Conversation for Echo {
    fn open(&mut self, _: Now, _: &mut Actions) {}

    fn receive(&mut self, message: Incoming<'_>, _: Now, out: &mut Actions) {
        out.reply_frame(match message {
            Incoming::Text(text) => Frame::text(text.as_bytes()),
            Incoming::Binary(bytes) => Frame::binary(bytes),
        });
    }
}
