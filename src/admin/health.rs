//! Health and metrics: for probes and scrapers, without a key.

use std::sync::Arc;

use axum::{
    extract,
    http::{StatusCode, header},
    response::IntoResponse,
};

use super::{Phase, State, problem::Problem};

/// Whether the process lives
#[utoipa::path(
    get,
    path = "/livez",
    tag = "health",
    responses(
        (status = 200, description = "It does", body = String, content_type = "text/plain"),
    ),
)]
pub(super) async fn livez() -> &'static str {
    "ok\n"
}

/// Whether the node wants clients
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "health",
    responses(
        (status = 200, description = "It does", body = String, content_type = "text/plain"),
        (status = 503, description = "It does not, for this reason", body = super::problem::ProblemDocument,
            content_type = "application/problem+json"),
    ),
)]
pub(super) async fn readyz(
    extract::State(state): extract::State<Arc<State>>,
) -> Result<&'static str, Problem> {
    match state.parts.process.phase() {
        Phase::Ready => Ok("ok\n"),
        phase @ (Phase::Starting(_) | Phase::Draining(_)) => {
            let reason = phase.reason().unwrap_or_default();
            let detail = format!("{}: {reason}", phase.label());
            Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail))
        }
    }
}

/// The metrics, in the Prometheus text format
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "health",
    responses(
        (status = 200, description = "One scrape", body = String, content_type = "text/plain"),
    ),
)]
pub(super) async fn metrics(
    extract::State(state): extract::State<Arc<State>>,
) -> impl IntoResponse {
    let ready = state.parts.process.phase() == Phase::Ready;
    let content_type = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (content_type, state.parts.telemetry.render(ready))
}
