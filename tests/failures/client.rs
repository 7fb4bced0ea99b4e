//! A client of the `ride` dialect, on a library that is not ours.

use std::{net::SocketAddr, time::Duration};

use futures_util::{SinkExt as _, StreamExt as _};
use serde_json::Value;
use tokio::{net::TcpStream, time};
use tokio_tungstenite::{WebSocketStream, client_async, tungstenite::Message};

use crate::soon;

/// A client that is logged in.
pub(crate) struct Client {
    socket: WebSocketStream<TcpStream>,
    pub(crate) token: String,
    /// Letters that came before the answer to a ping.
    early: Vec<u64>,
}

impl Client {
    /// Connects with its token in the query, and is logged in.
    pub(crate) async fn ride(address: SocketAddr, token: &str) -> Self {
        Self::with_id(address, &format!("client-of-{token}"), token).await
    }

    pub(crate) async fn with_id(address: SocketAddr, client_id: &str, token: &str) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        let url = format!("ws://{address}/ws/?client_id={client_id}&token={token}");
        let (socket, _) = soon("the upgrade", client_async(url, stream))
            .await
            .unwrap();
        let mut client = Self {
            socket,
            token: token.to_owned(),
            early: Vec::new(),
        };
        client.ping().await;
        client
    }

    /// Goes once to the node and back.
    pub(crate) async fn ping(&mut self) {
        let ping = Message::text(r#"{"flag":"ping"}"#);
        soon("sending", self.socket.send(ping)).await.unwrap();
        loop {
            match soon("a pong", self.socket.next()).await {
                Some(Ok(Message::Text(text))) if text == "pong" => return,
                Some(Ok(Message::Text(text))) => self.early.extend(number(&text)),
                Some(Ok(_)) => {}
                other => panic!("{other:?} is no pong"),
            }
        }
    }

    /// Sends a numbered message to whoever has this token.
    pub(crate) async fn say(&mut self, to: &str, number: u64) {
        let from = &self.token;
        let text = format!(
            r#"{{"flag":"travel","target_token":"{to}","token":"{from}","number":{number}}}"#
        );
        soon("sending", self.socket.send(Message::text(text)))
            .await
            .unwrap();
    }

    /// The number of the next message, if one comes in time.
    pub(crate) async fn hears(&mut self, limit: Duration) -> Option<u64> {
        match time::timeout(limit, self.socket.next()).await {
            Ok(Some(Ok(Message::Text(text)))) => number(&text),
            Ok(other) => panic!("{other:?} is no message"),
            Err(_) => None,
        }
    }

    /// The numbers of letters, until `count` have come or the connection ends. Pings are answered.
    pub(crate) async fn reads(&mut self, count: usize) -> Vec<u64> {
        let mut numbers = std::mem::take(&mut self.early);
        while numbers.len() < count {
            match soon("a letter", self.socket.next()).await {
                Some(Ok(Message::Text(text))) => numbers.push(number(&text).unwrap()),
                Some(Ok(Message::Ping(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => break,
                Some(Ok(other)) => panic!("{other:?} is no letter"),
            }
        }
        numbers
    }

    /// The code of the Close that ends the connection; what comes before is passed over.
    pub(crate) async fn closed(&mut self) -> Option<u16> {
        loop {
            match soon("the end of the connection", self.socket.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => return Some(frame.code.into()),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return None,
            }
        }
    }
}

fn number(text: &str) -> Option<u64> {
    let message: Value = serde_json::from_str(text).unwrap();
    message["number"].as_u64()
}
