//! Clients of the dialects, as far as traffic needs them.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::net::{TcpSocket, TcpStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message},
};

use crate::{lab::Node, soon};

/// Bytes that the system keeps for a client who does not read.
const NARROW: u32 = 4096;

/// A connected client.
pub(crate) struct Client(WebSocketStream<TcpStream>);

impl Client {
    /// Connects to a path, which has the query too.
    pub(crate) async fn try_connect(
        address: SocketAddr,
        path: &str,
        is_narrow: bool,
    ) -> tungstenite::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        if is_narrow {
            socket.set_recv_buffer_size(NARROW)?;
        }
        let stream = socket.connect(address).await?;
        let url = format!("ws://{address}{path}");
        let (socket, _) = soon("the upgrade", client_async(url, stream)).await?;
        Ok(Self(socket))
    }

    /// A client of `ride` who is logged in.
    pub(crate) async fn ride(node: &Node, user: &str, is_narrow: bool) -> Self {
        let path = format!("/ws/?client_id={user}&token={user}");
        let connecting = Self::try_connect(node.public, &path, is_narrow);
        let mut client = connecting.await.unwrap();
        client.send(r#"{"flag":"ping"}"#).await;
        assert_eq!(client.text().await, "pong");
        client
    }

    /// A client of `device` who is logged in.
    pub(crate) async fn device(node: &Node, user: &str) -> Self {
        let mut client = Self::try_connect(node.public, "/ws", false).await.unwrap();
        let auth = json!({"type": "auth", "data": {"token": node.device_token(user)}});
        let welcome = client.ask(&auth).await;
        assert_eq!(welcome["data"]["status"], "ok", "{welcome}");
        client
    }

    /// A client of `im` who is logged in.
    pub(crate) async fn im(node: &Node, user: u64) -> Self {
        let path = format!("/im/{}", node.im_token(user).await);
        let mut client = Self::try_connect(node.public, &path, false).await.unwrap();
        let welcome = client.text().await;
        assert!(welcome.contains(r#""L""#), "{welcome}");
        client
    }

    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        let message = Message::text(text.into());
        soon("sending", self.0.send(message)).await.unwrap();
    }

    /// The next text.
    pub(crate) async fn text(&mut self) -> String {
        loop {
            match soon("a message", self.0.next()).await {
                Some(Ok(Message::Text(text))) => return text.to_string(),
                Some(Ok(Message::Ping(_))) => {}
                other => panic!("{other:?} is no text"),
            }
        }
    }

    /// Sends a frame, and gives the next one.
    pub(crate) async fn ask(&mut self, frame: &Value) -> Value {
        self.send(frame.to_string()).await;
        serde_json::from_str(&self.text().await).unwrap()
    }

    /// Reads until a text contains this.
    pub(crate) async fn hears(&mut self, part: &str) {
        while !self.text().await.contains(part) {}
    }

    /// Says goodbye.
    pub(crate) async fn close(mut self) {
        let _ = self.0.close(None).await;
        // What comes before the end matters to nobody.
        while let Some(Ok(_)) = soon("the end", self.0.next()).await {}
    }
}
