//! The listener's loop: connections of the admin listener, within bounds.

use std::{collections::VecDeque, pin::pin, sync::Arc, time::Duration};

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::{AbortHandle, JoinSet},
    time,
};
use tokio_util::sync::CancellationToken;
use tracing::{debug, warn};

use super::{State, router};

/// Most connections: pools of a few applications, scrapers and probes.
const CONNECTIONS_MAX: usize = 1024;
/// For the head of a request, and between two requests. Longer than pools keep idle connections (60
/// s), so that theirs are the ends and no request meets one of ours.
const HEAD_TIMEOUT: Duration = Duration::from_secs(75);
/// Longest head of a request. It is measured between two reads, so that one may be as long again.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// Between a failed accept and the next one: for want of open files it would fail at once again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// For requests that are under way when the listener stops.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// Serves until `stop`, then finishes the requests that are under way.
pub async fn serve(listener: TcpListener, state: Arc<State>, stop: CancellationToken) {
    let service = router(state);
    let mut connections = JoinSet::new();
    // In the order of their coming. The oldest gives way when there are too many, so that idle ones
    // cannot keep health checks out.
    let mut order: VecDeque<AbortHandle> = VecDeque::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => {
                match accepted {
                    Ok((stream, _)) => {
                        let served = serve_one(stream, service.clone(), stop.clone());
                        order.push_back(connections.spawn(served));
                        give_way(&mut order);
                    }
                    Err(error) => {
                        warn!(%error, "the admin listener cannot accept");
                        time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        }
    }
    drop(listener);
    let finish = async { while connections.join_next().await.is_some() {} };
    // What is left then ends with the set.
    let _ = time::timeout(STOP_GRACE, finish).await;
}

/// Ends the oldest connection if there are too many.
fn give_way(order: &mut VecDeque<AbortHandle>) {
    if order.len() <= CONNECTIONS_MAX {
        return;
    }
    order.retain(|connection| !connection.is_finished());
    if CONNECTIONS_MAX < order.len()
        && let Some(oldest) = order.pop_front()
    {
        oldest.abort();
    }
}

async fn serve_one(stream: TcpStream, service: Router, stop: CancellationToken) {
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(HEAD_BYTES_MAX)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(service));
    let mut connection = pin!(connection);
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        debug!(%error, "a connection to the admin listener broke");
    }
}
