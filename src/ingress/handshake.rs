//! One connection from its acceptance to its session: PROXY header, TLS, HTTP upgrade.

use std::{
    convert::Infallible,
    future::ready,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use hyper::{server::conn::http1, service::service_fn, upgrade::Upgraded};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::{self, Instant},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{
    Ingress, Settings, proxy,
    slots::PendingPlace,
    upgrade::{Admitted, Connection},
};
use crate::{
    router::subscriber::Subscriber,
    session::{self, socket::Socket},
    stats::RejectReason,
};

/// hyper takes no smaller bound for what it reads ahead.
const HYPER_BUFFER_MIN: usize = 8 * 1024;

/// Why a connection ended before its upgrade.
enum Failed {
    /// An answer was given, and counted.
    Answered,
    Rejected(RejectReason),
}

/// Serves a connection until it is a session of `shard`, or refused, or out of time.
pub(super) async fn run(
    ingress: Arc<Ingress>,
    shard: usize,
    settings: Arc<Settings>,
    stream: std::net::TcpStream,
    peer: SocketAddr,
    place: PendingPlace,
) {
    let started = Instant::now();
    let handshake = Handshake {
        ingress: &ingress,
        shard,
        settings: &settings,
    };
    let deadline = time::timeout(settings.handshake_timeout, handshake.run(stream, peer));
    let result = tokio::select! {
        // Counted by whoever took the place.
        () = place.evicted.cancelled() => return,
        result = deadline => result,
    };
    match result {
        Ok(Ok((admitted, socket, read_ahead))) => {
            drop(place);
            ingress.stats.handshake.record(started.elapsed());
            ingress.stats.upgraded.add(1);
            handshake.begin(admitted, socket, read_ahead);
        }
        Ok(Err(Failed::Rejected(reason))) => ingress.reject(reason),
        Ok(Err(Failed::Answered)) => {}
        Err(_) => ingress.reject(RejectReason::Timeout),
    }
}

struct Handshake<'a> {
    ingress: &'a Ingress,
    shard: usize,
    settings: &'a Settings,
}

impl Handshake<'_> {
    async fn run(
        &self,
        stream: std::net::TcpStream,
        peer: SocketAddr,
    ) -> Result<(Admitted, Socket, Vec<u8>), Failed> {
        let bad = |_: io::Error| Failed::Rejected(RejectReason::BadRequest);
        stream.set_nonblocking(true).map_err(bad)?;
        // What is written is coalesced already; waiting for more would only delay it.
        stream.set_nodelay(true).map_err(bad)?;
        let mut stream = TcpStream::from_std(stream).map_err(bad)?;
        let mut address = peer.ip().to_canonical();
        if self.settings.proxy_protocol {
            address = proxy::read(&mut stream, peer)
                .await
                .map_err(|_| Failed::Rejected(RejectReason::ProxyHeader))?;
        }
        let Some(config) = &self.settings.tls else {
            let (admitted, upgraded) = self.http(stream, address).await?;
            let (io, read_ahead) = downcast::<TcpStream>(upgraded)?;
            return Ok((admitted, Socket::plain(io), read_ahead));
        };
        let tls = TlsAcceptor::from(Arc::clone(config)).accept(stream).await;
        let tls = tls.map_err(|_| Failed::Rejected(RejectReason::Tls))?;
        let (admitted, upgraded) = self.http(tls, address).await?;
        let (io, read_ahead) = downcast::<TlsStream<TcpStream>>(upgraded)?;
        let (stream, connection) = io.into_inner();
        Ok((admitted, Socket::encrypted(stream, connection), read_ahead))
    }

    /// Reads one request and answers it.
    async fn http<I>(&self, io: I, peer: IpAddr) -> Result<(Admitted, Upgraded), Failed>
    where
        I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let admitted = Mutex::new(None);
        let has_answered = Mutex::new(false);
        let connection = Connection {
            ingress: self.ingress,
            shard: self.shard,
            settings: self.settings,
            peer,
        };
        let service = service_fn(|request| {
            *has_answered.lock() = true;
            let response = connection.answer(request, &mut admitted.lock());
            ready(Ok::<_, Infallible>(response))
        });
        let served = http1::Builder::new()
            .max_buf_size(self.settings.header_bytes_max.max(HYPER_BUFFER_MIN))
            .serve_connection(TokioIo::new(io), service)
            .with_upgrades()
            .await;
        let Some(mut admitted) = admitted.into_inner() else {
            return Err(match has_answered.into_inner() {
                true => Failed::Answered,
                false => Failed::Rejected(RejectReason::BadRequest),
            });
        };
        if served.is_err() {
            return Err(Failed::Rejected(RejectReason::BadRequest));
        }
        let upgraded = (&mut admitted.upgrade).await;
        let upgraded = upgraded.map_err(|_| Failed::Rejected(RejectReason::BadRequest))?;
        Ok((admitted, upgraded))
    }

    fn begin(&self, admitted: Admitted, socket: Socket, read_ahead: Vec<u8>) {
        let context = &self.ingress.shards[self.shard].context;
        let socket = Arc::new(socket);
        let subscriber = Subscriber::new(
            admitted.serial,
            Arc::clone(&context.shard),
            admitted.dialect,
            Arc::clone(&socket) as Arc<_>,
            admitted.remote,
            context.clock.now().unix_ms,
        );
        let upgraded = session::Upgraded {
            subscriber,
            socket,
            conversation: admitted.conversation,
            read_ahead,
            slot: admitted.slot,
        };
        session::spawn(context, upgraded);
    }
}

/// Takes the connection back from hyper, with what it had read behind the request.
fn downcast<I>(upgraded: Upgraded) -> Result<(I, Vec<u8>), Failed>
where
    I: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let parts = upgraded.downcast::<TokioIo<I>>();
    let parts = parts.map_err(|_| Failed::Rejected(RejectReason::BadRequest))?;
    Ok((parts.io.into_inner(), parts.read_buf.to_vec()))
}
