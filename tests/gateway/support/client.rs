//! A client that is not ours: tokio-tungstenite with its defaults.

use std::net::SocketAddr;

use futures_util::{SinkExt as _, StreamExt as _};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest as _, http::Request},
};

use super::{Gateway, soon};

/// A connected client.
pub(crate) struct Client<S = TcpStream> {
    pub(crate) socket: WebSocketStream<S>,
}

/// What a client sees of the end of its connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Closed {
    /// A Close frame with a code and a text.
    Code(u16, String),
    /// A Close frame without a code: 1005.
    Empty,
    /// No Close frame: 1006.
    Gone,
}

impl Client {
    /// Connects to `path`, which has the query too.
    pub(crate) async fn connect(gateway: &Gateway, path: &str) -> Self {
        Self::with_headers(gateway, path, &[]).await
    }

    pub(crate) async fn with_headers(
        gateway: &Gateway,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Self {
        Self::try_connect(gateway, path, headers).await.unwrap()
    }

    pub(crate) async fn try_connect(
        gateway: &Gateway,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> tungstenite::Result<Self> {
        let address = gateway.public();
        let stream = TcpStream::connect(address).await?;
        let request = request(address, "ws", path, headers);
        let (socket, _) = soon("the upgrade", client_async(request, stream)).await?;
        Ok(Self { socket })
    }

    /// Connects to the `ride` dialect with the credentials in the query, and is logged in.
    pub(crate) async fn ride(gateway: &Gateway, client_id: &str, token: &str) -> Self {
        let path = format!("/ws/?client_id={client_id}&token={token}");
        let mut client = Self::connect(gateway, &path).await;
        client.ping().await;
        gateway.settle().await;
        client
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    /// Sends a text.
    pub(crate) async fn send(&mut self, text: impl Into<String>) {
        self.feed(Message::text(text.into())).await;
    }

    /// Sends any message.
    pub(crate) async fn feed(&mut self, message: Message) {
        soon("sending", self.socket.send(message)).await.unwrap();
    }

    /// The next message, control frames included.
    pub(crate) async fn message(&mut self) -> Message {
        soon("a message", self.socket.next())
            .await
            .unwrap()
            .unwrap()
    }

    /// The next text.
    pub(crate) async fn text(&mut self) -> String {
        match self.message().await {
            Message::Text(text) => text.to_string(),
            other => panic!("{other:?} is no text"),
        }
    }

    /// The next text has to be this one.
    pub(crate) async fn expect(&mut self, text: &str) {
        assert_eq!(self.text().await, text);
    }

    /// Goes once to the `ride` dialect and back: what was said before has been heard.
    pub(crate) async fn ping(&mut self) {
        self.send(r#"{"flag":"ping"}"#).await;
        self.expect("pong").await;
    }

    /// Like [`Self::ping`], of a client that WebSocket Pings come to: no message does.
    pub(crate) async fn ping_among_pings(&mut self) {
        self.send(r#"{"flag":"ping"}"#).await;
        loop {
            match self.message().await {
                Message::Text(text) => return assert_eq!(text, "pong"),
                Message::Ping(_) => {}
                other => panic!("{other:?} is no pong"),
            }
        }
    }

    /// Whether a `ride` session still answers, or has been ended.
    pub(crate) async fn is_served(&mut self) -> bool {
        let ping = Message::text(r#"{"flag":"ping"}"#);
        if soon("sending", self.socket.send(ping)).await.is_err() {
            return false;
        }
        let answer = soon("an answer or the end", self.socket.next()).await;
        matches!(answer, Some(Ok(Message::Text(text))) if text == "pong")
    }

    /// How the connection ends. Nothing else may come before.
    pub(crate) async fn closed(&mut self) -> Closed {
        let mut closed = Closed::Gone;
        loop {
            match soon("the end of the connection", self.socket.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => {
                    closed = Closed::Code(frame.code.into(), frame.reason.to_string());
                }
                Some(Ok(Message::Close(None))) => closed = Closed::Empty,
                Some(Ok(other)) => panic!("{other:?} came before the end"),
                Some(Err(_)) | None => return closed,
            }
        }
    }

    /// Says goodbye, and gives the answer to it.
    pub(crate) async fn close(&mut self) -> Closed {
        soon("sending the goodbye", self.socket.close(None))
            .await
            .unwrap();
        self.closed().await
    }
}

/// A Close frame with this code and text.
pub(crate) fn code(code: u16, text: &str) -> Closed {
    Closed::Code(code, text.to_owned())
}

/// The status of a refused upgrade.
pub(crate) fn status<T>(refused: tungstenite::Result<T>) -> u16 {
    match refused {
        Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the upgrade was not refused"),
    }
}

/// A request to upgrade.
pub(crate) fn request(
    address: SocketAddr,
    scheme: &str,
    path: &str,
    headers: &[(&'static str, &str)],
) -> Request<()> {
    let port = address.port();
    let url = format!("{scheme}://localhost:{port}{path}");
    let mut request = url.into_client_request().unwrap();
    for (name, value) in headers {
        request.headers_mut().append(*name, value.parse().unwrap());
    }
    request
}
