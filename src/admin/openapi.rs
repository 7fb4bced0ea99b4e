//! The OpenAPI document: made from the same table as the routes, so that neither has what the other
//! lacks.

use std::sync::{Arc, LazyLock};

use axum::{
    body::Bytes,
    http::header,
    response::{IntoResponse, Response},
};
use utoipa::{
    Modify, OpenApi,
    openapi::{
        self,
        security::{HttpAuthScheme, HttpBuilder, SecurityScheme},
    },
};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    State,
    access::AnyCaller,
    contacts, health, history, hooks, jobs, nodes, on_close,
    problem::{AccessProblems, ProblemDocument},
    process, publish, rooms, say, schedules, service, sessions, topics, traces,
};

/// Every endpoint, with its documentation.
pub(super) fn endpoints() -> OpenApiRouter<Arc<State>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(health::livez))
        .routes(routes!(health::readyz))
        .routes(routes!(health::metrics))
        .routes(routes!(publish::publish))
        .routes(routes!(publish::batch::publish_batch))
        .routes(routes!(traces::explain::explain))
        .routes(routes!(traces::explain::explain_trace))
        .routes(routes!(traces::tail::tail))
        .routes(routes!(say::say))
        .routes(routes!(history::history))
        .routes(routes!(jobs::jobs, jobs::add))
        .routes(routes!(jobs::job, jobs::remove))
        .routes(routes!(jobs::retry))
        .routes(routes!(schedules::schedules, schedules::add))
        .routes(routes!(schedules::schedule, schedules::remove))
        .routes(routes!(contacts::friends))
        .routes(routes!(contacts::add_friend, contacts::remove_friend))
        .routes(routes!(contacts::couriers))
        .routes(routes!(contacts::add_courier, contacts::remove_courier))
        .routes(routes!(topics::topic))
        .routes(routes!(sessions::user))
        .routes(routes!(sessions::kick_user))
        .routes(routes!(sessions::list::sessions))
        .routes(routes!(sessions::list::session, sessions::kick_session))
        .routes(routes!(
            sessions::data::read,
            sessions::data::replace,
            sessions::data::merge
        ))
        .routes(routes!(
            on_close::attached,
            on_close::attach,
            on_close::detach
        ))
        .routes(routes!(rooms::rooms))
        .routes(routes!(rooms::room, rooms::empty))
        .routes(routes!(rooms::join))
        .routes(routes!(rooms::quit_user))
        .routes(routes!(rooms::quit_session))
        .routes(routes!(service::service))
        .routes(routes!(service::customer, service::release))
        .routes(routes!(service::transfer))
        .routes(routes!(nodes::nodes))
        .routes(routes!(nodes::drain))
        .routes(routes!(hooks::hooks))
        .routes(routes!(hooks::test))
        .routes(routes!(hooks::dead::dead, hooks::dead::forget))
        .routes(routes!(hooks::dead::retry))
        .routes(routes!(document))
        .routes(routes!(process::status))
        .routes(routes!(process::stop))
        .routes(routes!(process::reload))
        .routes(routes!(process::sockets))
        .routes(routes!(process::token))
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Tidegate",
        description = "The HTTP API of the admin listener.\n\nErrors are problem details of RFC \
            9457. Unknown paths are answered with 404, and bodies may have at most 1 MiB.",
    ),
    components(schemas(ProblemDocument)),
    modifiers(&Security),
    tags(
        (name = "messages", description = "Messages to users, rooms and sessions"),
        (name = "jobs", description = "Work that applications do for one another, now or at a time"),
        (name = "contacts", description = "Who may write to whom, and who is a courier"),
        (name = "sessions", description = "Who is connected"),
        (name = "rooms", description = "Who is in which room"),
        (name = "service", description = "Which agent serves which customer"),
        (name = "hooks", description = "What applications are told, and what they could not be told"),
        (name = "nodes", description = "The members of the cluster"),
        (name = "health", description = "For probes and scrapers, without a key"),
        (name = "process", description = "For the command line on the same machine"),
    ),
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, document: &mut openapi::OpenApi) {
        let bearer = |description| {
            let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer);
            SecurityScheme::Http(scheme.description(Some(description)).build())
        };
        let components = document.components.get_or_insert_default();
        let key = "An API key of the configuration. Publishing, jobs and schedules need the scope publish; asking who is \
                   where, and what was kept, read; ending sessions, changing what rooms they are in, what is kept \
                   with them and what is done when they end, draining, retrying and dropping jobs, changing contacts, \
                   giving customers to agents, looking after webhooks, and asking what happened to messages and what \
                   happens to sessions, admin, which includes the other two.";
        components.add_security_scheme("key", bearer(key));
        let control = "The secret of the running process, which stands in its pid file.";
        components.add_security_scheme("control", bearer(control));
    }
}

/// This document
#[utoipa::path(
    get,
    path = "/api/openapi.json",
    tag = "health",
    security(("key" = [])),
    responses(
        (status = 200, description = "An OpenAPI 3.1 document", body = serde_json::Value),
        AccessProblems,
    ),
)]
pub(super) async fn document(_: AnyCaller) -> Response {
    static TEXT: LazyLock<Bytes> = LazyLock::new(|| {
        let document = endpoints().into_openapi();
        Bytes::from(document.to_json().expect("the document is JSON"))
    });
    let content_type = [(header::CONTENT_TYPE, "application/json")];
    (content_type, TEXT.clone()).into_response()
}
