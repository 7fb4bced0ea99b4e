//! The parameters of a query: only those that the call has, so that a slip of the pen is no other question.

use std::{collections::HashMap, sync::LazyLock};

use axum::{
    extract::{FromRequestParts, MatchedPath},
    http::{Method, request},
};
use utoipa::openapi::{
    RefOr,
    path::{Operation, ParameterIn, PathItem},
};

use super::{openapi, problem::Problem};
use crate::dialect::query_pairs;

/// The names of the parameters of each call, by its path and method.
type Names = HashMap<(String, Method), Vec<String>>;

/// As the document has them.
static NAMES: LazyLock<Names> = LazyLock::new(|| {
    let document = openapi::endpoints().into_openapi();
    let paths = document.paths.paths.into_iter();
    paths.flat_map(|(path, item)| of_path(path, item)).collect()
});

/// The query of a request, not decoded; empty if there is none.
#[derive(Debug)]
pub(super) struct Parameters(pub(super) String);

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let path = parts.extensions.get::<MatchedPath>();
        let path = path.map_or("", MatchedPath::as_str);
        let known = NAMES.get(&(path.to_owned(), parts.method.clone()));
        let known = known.map(Vec::as_slice).unwrap_or_default();
        let unknown = query_pairs(query).find(|(name, _)| known.iter().all(|one| one != name));
        match unknown {
            None => Ok(Self(query.to_owned())),
            Some((name, _)) => Err(unknown_parameter(&name, known)),
        }
    }
}

fn unknown_parameter(name: &str, known: &[String]) -> Problem {
    let known = known.join(", ");
    let detail = format!("the query has an unknown parameter {name:?}, expected one of {known}");
    Problem::unprocessable(detail)
}

fn of_path(path: String, item: PathItem) -> impl Iterator<Item = ((String, Method), Vec<String>)> {
    let operations = [
        (Method::GET, item.get),
        (Method::PUT, item.put),
        (Method::POST, item.post),
        (Method::PATCH, item.patch),
        (Method::DELETE, item.delete),
    ];
    operations
        .into_iter()
        .filter_map(move |(method, operation)| Some(((path.clone(), method), names(operation?))))
}

fn names(operation: Operation) -> Vec<String> {
    let parameters = operation.parameters.into_iter().flatten();
    let parameters = parameters.filter_map(|parameter| match parameter {
        RefOr::T(parameter) => Some(parameter),
        RefOr::Ref(_) => None,
    });
    let in_query = parameters.filter(|one| matches!(one.parameter_in, ParameterIn::Query));
    in_query.map(|one| one.name).collect()
}
