//! Which controller and which of its methods the client's `method` names.

/// Where a method leads that names none, or more than there can be.
pub(super) const INDEX: (&str, &str) = ("index.index", "index");

/// What a method names, in small letters.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Path {
    /// Module and controller: `live.user`.
    pub(super) controller: String,
    /// The method: `join`.
    pub(super) action: String,
    /// It is not named, but where everything leads that names nothing.
    pub(super) is_fallback: bool,
}

/// Dots at the ends do not count. One part is a method of `index.index`, two are one of a controller in
/// the module `index`, three are complete; anything else leads to `index.index.index`.
pub(super) fn path(method: &str) -> Path {
    let trimmed = trimmed(method).to_ascii_lowercase();
    // Not collected: a client can send any number of dots.
    let mut parts = trimmed.splitn(4, '.');
    let path = |controller: String, action: &str| Path {
        controller,
        action: action.to_owned(),
        is_fallback: false,
    };
    match (parts.next(), parts.next(), parts.next(), parts.next()) {
        (Some(action), None, ..) if !action.is_empty() => path(INDEX.0.to_owned(), action),
        (Some(controller), Some(action), None, _) => path(format!("index.{controller}"), action),
        (Some(module), Some(controller), Some(action), None) => {
            path(format!("{module}.{controller}"), action)
        }
        _ => Path {
            controller: INDEX.0.to_owned(),
            action: INDEX.1.to_owned(),
            is_fallback: true,
        },
    }
}

/// The method without dots at its ends.
pub(super) fn trimmed(method: &str) -> &str {
    method.trim_matches('.')
}
