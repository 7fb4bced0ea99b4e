//! A client that is not ours, with an address of its own, over TLS.

use std::{fs, net::IpAddr, sync::Arc};

use futures_util::{SinkExt as _, StreamExt as _};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};

use crate::{lab::Lab, soon};

pub(crate) type Socket = WebSocketStream<TlsStream<TcpStream>>;

/// A way to the balancer.
#[derive(Clone)]
pub(crate) struct Dialer {
    front: std::net::SocketAddr,
    from: IpAddr,
    tls: TlsConnector,
}

/// A client that is logged in.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) socket: Socket,
}

impl Dialer {
    /// For clients with the address that is `10.0.0.{host}` in `deploy/`.
    pub(crate) fn new(lab: &Lab, host: u8) -> Self {
        let mut roots = RootCertStore::empty();
        let pem = fs::read(lab.file("tidegate.crt")).unwrap();
        roots
            .add(CertificateDer::from_pem_slice(&pem).unwrap())
            .unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Self {
            front: lab.front(),
            from: lab.host(host).into(),
            tls: TlsConnector::from(Arc::new(config)),
        }
    }

    /// Logs in to the `ride` dialect as `user`, who is the client id too.
    pub(crate) async fn connect(&self, user: &str) -> Client {
        let mut client = self.try_connect(user).await.unwrap();
        assert!(client.is_served().await);
        client
    }

    pub(crate) async fn try_connect(&self, user: &str) -> tungstenite::Result<Client> {
        let connecting = async {
            let socket = TcpSocket::new_v4()?;
            socket.bind((self.from, 0).into())?;
            let stream = socket.connect(self.front).await?;
            let name = ServerName::try_from("localhost").unwrap();
            let stream = self.tls.connect(name, stream).await?;
            let url = format!("wss://localhost/ws/?client_id={user}&token={user}");
            let mut request = url.into_client_request()?;
            // What nobody may believe.
            for name in ["x-forwarded-for", "x-real-ip"] {
                let value = "203.0.113.9".parse().unwrap();
                request.headers_mut().insert(name, value);
            }
            let value = "for=203.0.113.9".parse().unwrap();
            request.headers_mut().insert("forwarded", value);
            let (socket, _) = client_async(request, stream).await?;
            Ok(Client { socket })
        };
        soon("a connection", connecting).await
    }
}

impl Client {
    /// Says something to the sessions of another user.
    pub(crate) async fn say(&mut self, me: &str, you: &str, text: &str) {
        let text =
            format!(r#"{{"flag":"say","target_token":"{you}","token":"{me}","text":"{text}"}}"#);
        self.socket.send(Message::text(text)).await.unwrap();
    }

    /// The next text.
    pub(crate) async fn hears(&mut self) -> String {
        match soon("a message", self.socket.next()).await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("{other:?} is no text"),
        }
    }

    /// The code of the Close that ends the connection.
    pub(crate) async fn told(&mut self) -> Option<u16> {
        match soon("a Close", self.socket.next()).await {
            Some(Ok(Message::Close(frame))) => frame.map(|frame| frame.code.into()),
            other => panic!("{other:?} is no Close"),
        }
    }

    /// Whether the session still answers.
    pub(crate) async fn is_served(&mut self) -> bool {
        self.socket.send(ping()).await.unwrap();
        self.hears().await == "pong"
    }
}

fn ping() -> Message {
    Message::text(r#"{"flag":"ping"}"#)
}
