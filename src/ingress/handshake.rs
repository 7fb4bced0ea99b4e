//! One connection from its acceptance to its session: PROXY header, TLS, HTTP upgrade.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use tokio::time::{self, Instant};
use tokio_rustls::TlsAcceptor;

use super::{
    Ingress, Settings,
    fresh::Fresh,
    linger::Stream,
    pending::PendingPlace,
    proxy,
    upgrade::{Admitted, Connection},
};
use crate::{
    id::Serial,
    recorder::What,
    router::subscriber::Subscriber,
    session::{self, socket::Socket},
    stats::RejectReason,
};

/// hyper takes no smaller bound for what it reads ahead.
const HYPER_BUFFER_MIN: usize = 8 * 1024;
/// Most header fields. hyper's own bound of 100 is less than proxies and cookies come to; each takes
/// some 70 bytes while a head is read.
const HEADERS_MAX: usize = 256;

/// Why a connection ended before its upgrade.
struct Failed {
    /// Absent when that was counted with the answer that was given.
    reason: Option<RejectReason>,
    /// The connection, where the client may still be sending.
    stream: Option<Box<dyn Stream>>,
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
        until: started + settings.handshake_timeout,
    };
    let deadline = time::timeout_at(handshake.until, handshake.run(stream, peer));
    let result = tokio::select! {
        // Counted by whoever took the place.
        () = place.evicted.cancelled() => return,
        result = deadline => result,
    };
    match result {
        Ok(Ok((admitted, socket, read_ahead))) => {
            drop(place);
            let took = started.elapsed();
            ingress.stats.handshake.record(took);
            ingress.stats.upgraded.add(1);
            handshake.note_accepted(admitted.serial, took);
            handshake.begin(admitted, socket, read_ahead);
        }
        Ok(Err(failed)) => {
            drop(place);
            if let Some(reason) = failed.reason {
                ingress.reject(reason);
            }
            if let Some(stream) = failed.stream {
                ingress.lingering.end(stream).await;
            }
        }
        Err(_) => ingress.reject(RejectReason::Timeout),
    }
}

struct Handshake<'a> {
    ingress: &'a Ingress,
    shard: usize,
    settings: &'a Settings,
    /// When its time is over.
    until: Instant,
}

impl Handshake<'_> {
    async fn run(
        &self,
        stream: std::net::TcpStream,
        peer: SocketAddr,
    ) -> Result<(Admitted, Socket, Vec<u8>), Failed> {
        let bad = |_: io::Error| Failed::without_answer(RejectReason::BadRequest);
        let mut stream = Fresh::new(stream);
        let mut address = peer.ip().to_canonical();
        if self.settings.proxy_protocol {
            address = proxy::read(stream.watched().map_err(bad)?, peer)
                .await
                .map_err(|_| Failed::without_answer(RejectReason::ProxyHeader))?;
        }
        let Some(config) = &self.settings.tls else {
            let (admitted, stream, read_ahead) = self.http(stream, address).await?;
            let stream = stream.into_std().map_err(bad)?;
            return Ok((admitted, Socket::plain(stream), read_ahead));
        };
        let tls = TlsAcceptor::from(Arc::clone(config)).accept(stream).await;
        let tls = tls.map_err(|_| Failed::without_answer(RejectReason::Tls))?;
        let (admitted, tls, read_ahead) = self.http(tls, address).await?;
        let (stream, connection) = tls.into_inner();
        let stream = stream.into_std().map_err(bad)?;
        Ok((admitted, Socket::encrypted(stream, connection), read_ahead))
    }

    /// Reads one request and answers it. Gives the connection back when it was upgraded, with what
    /// was read behind the request.
    async fn http<I>(&self, io: I, peer: IpAddr) -> Result<(Admitted, I, Vec<u8>), Failed>
    where
        I: Stream + 'static,
    {
        let admitted = Mutex::new(None);
        let has_answered = Mutex::new(false);
        let connection = Connection {
            ingress: self.ingress,
            shard: self.shard,
            settings: self.settings,
            peer,
            until: self.until,
        };
        let service = service_fn(|request| {
            *has_answered.lock() = true;
            connection.answer(request, &mut admitted.lock())
        });
        let mut serving = http1::Builder::new()
            .max_headers(HEADERS_MAX)
            .max_buf_size(self.settings.header_bytes_max.max(HYPER_BUFFER_MIN))
            .serve_connection(TokioIo::new(io), service);
        let served = poll_fn(|context| serving.poll_without_shutdown(context)).await;
        let http1::Parts { io, read_buf, .. } = serving.into_parts();
        let io = io.into_inner();
        let admitted = admitted.into_inner();
        // Whoever was to be upgraded and could not be told is counted like one who says nothing useful.
        let is_counted = admitted.is_none() && has_answered.into_inner();
        if let (Some(admitted), Ok(())) = (admitted, served) {
            return Ok((admitted, io, read_buf.to_vec()));
        }
        Err(Failed {
            reason: (!is_counted).then_some(RejectReason::BadRequest),
            stream: Some(Box::new(io)),
        })
    }

    fn note_accepted(&self, session: Serial, took: Duration) {
        let recorder = self.ingress.shards[self.shard].context.router.recorder();
        if recorder.minds_sessions() {
            let handshake_ms = took.as_millis() as u64;
            let what = What::Accepted {
                session,
                handshake_ms,
            };
            recorder.note_session(session, what, &[]);
        }
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

impl Failed {
    /// Nothing was said: the client speaks another protocol, or is gone.
    fn without_answer(reason: RejectReason) -> Self {
        Self {
            reason: Some(reason),
            stream: None,
        }
    }
}
