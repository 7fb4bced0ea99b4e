//! Mounts: which dialect is at which path.

use std::{collections::HashMap, sync::Arc};

use crate::dialect::{Dialect, DialectId, query_pairs};

/// Which dialect is at which path.
#[derive(Debug, Default)]
pub struct Mounts {
    exact: HashMap<String, Arc<dyn Dialect>>,
    patterns: Vec<(Pattern, Arc<dyn Dialect>)>,
    by_query: Vec<QueryRule>,
}

/// A path with placeholders: `{name}` stands for one segment that is not empty. A token of `im` may be
/// any segment, since whoever comes with a bad one is told so after the upgrade; but where it is the
/// whole path, only one with two dots, which is what a JWT looks like, so that the top is not full.
#[derive(Debug)]
struct Pattern(Vec<Segment>);

#[derive(Debug, Eq, PartialEq)]
enum Segment {
    /// One that is not empty.
    Any,
    /// One with two dots.
    Jwt,
    Text(String),
    /// Any one, an empty one too.
    Token,
}

/// A dialect whose clients are known by a key in the query.
#[derive(Debug)]
struct QueryRule {
    key: &'static str,
    any_path: bool,
    dialect: Arc<dyn Dialect>,
}

// === impl Mounts ===

impl Mounts {
    /// Mounts a dialect at a path. A later one at the same path takes its place; the configuration
    /// refuses that.
    pub fn mount(&mut self, path: &str, dialect: Arc<dyn Dialect>) {
        if path.contains('{') {
            let is_token = dialect.id() == DialectId::Im;
            self.patterns
                .push((Pattern::parse(path, is_token), dialect));
        } else {
            self.exact.insert(path.to_owned(), dialect);
        }
    }

    /// Mounts a dialect at `/`, or at any path, for requests whose query has `key`.
    pub fn mount_by_query(&mut self, key: &'static str, any_path: bool, dialect: Arc<dyn Dialect>) {
        self.by_query.push(QueryRule {
            key,
            any_path,
            dialect,
        });
    }

    /// The dialect at `path`. What stands there exactly goes before placeholders, and those before
    /// what the query says.
    pub fn find(&self, path: &str, query: &str) -> Option<&Arc<dyn Dialect>> {
        if let Some(dialect) = self.exact.get(path) {
            return Some(dialect);
        }
        let mut patterns = self.patterns.iter();
        if let Some((_, dialect)) = patterns.find(|(pattern, _)| pattern.matches(path)) {
            return Some(dialect);
        }
        let mut rules = self.by_query.iter();
        let rule = rules.find(|rule| {
            (rule.any_path || path == "/") && query_pairs(query).any(|(key, _)| key == rule.key)
        });
        rule.map(|rule| &rule.dialect)
    }
}

// === impl Pattern ===

impl Pattern {
    fn parse(path: &str, is_token: bool) -> Self {
        let is_alone = path.matches('/').count() == 1;
        let segments = path.split('/').map(|segment| {
            match segment.starts_with('{') && segment.ends_with('}') {
                true if is_token && is_alone => Segment::Jwt,
                true if is_token => Segment::Token,
                true => Segment::Any,
                false => Segment::Text(segment.to_owned()),
            }
        });
        Self(segments.collect())
    }

    fn matches(&self, path: &str) -> bool {
        let mut segments = path.split('/');
        let all = self.0.iter().all(|expect| {
            segments.next().is_some_and(|segment| match expect {
                Segment::Any => !segment.is_empty(),
                Segment::Jwt => segment.split('.').count() == 3,
                Segment::Text(text) => text == segment,
                Segment::Token => true,
            })
        });
        all && segments.next().is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialect::{Conversation, Hello, Refusal},
        frame::Frame,
        message::Message,
    };

    #[derive(Debug)]
    struct Named(DialectId);

    impl Dialect for Named {
        fn id(&self) -> DialectId {
            self.0
        }

        fn accept(&self, _: &Hello<'_>) -> Result<Box<dyn Conversation>, Refusal> {
            Err(Refusal {
                status: 403,
                header: None,
            })
        }

        fn encode(&self, _: &Message) -> Frame {
            Frame::ping(&[])
        }
    }

    fn mounts() -> Mounts {
        let mut mounts = Mounts::default();
        for (path, dialect) in [
            ("/ws/", DialectId::Ride),
            ("/ws", DialectId::Device),
            ("/{token}", DialectId::Im),
            ("/im/{token}", DialectId::Im),
            ("/room/{group}/", DialectId::Room),
            ("/live", DialectId::Live),
        ] {
            mounts.mount(path, Arc::new(Named(dialect)));
        }
        mounts.mount_by_query("client_id", false, Arc::new(Named(DialectId::Ride)));
        mounts.mount_by_query("auth", false, Arc::new(Named(DialectId::Live)));
        mounts
    }

    #[track_caller]
    fn check(path: &str, query: &str, expect: Option<DialectId>) {
        assert_eq!(
            mounts().find(path, query).map(|dialect| dialect.id()),
            expect
        );
    }

    #[test]
    fn a_path_is_exact() {
        check("/ws/", "", Some(DialectId::Ride));
        check("/ws", "", Some(DialectId::Device));
        check("/ws/x", "", None);
        check("/WS", "", None);
        check("", "", None);
    }

    #[test]
    fn a_placeholder_is_one_segment() {
        check("/room/a/", "", Some(DialectId::Room));
        check("/room//", "", None);
        check("/room/a/b/", "", None);
    }

    #[test]
    fn a_token_that_is_the_whole_path_has_two_dots() {
        check("/a.b.c", "", Some(DialectId::Im));
        check("/a.b.c", "x=1", Some(DialectId::Im));
        check("/..", "", Some(DialectId::Im));
        for path in ["/", "/a.b", "/a.b.c.d", "/a.b.c/", "/favicon.ico"] {
            check(path, "", None);
        }
    }

    #[test]
    fn a_token_behind_its_mount_is_anything() {
        for path in ["/im/a.b.c", "/im/a", "/im/"] {
            check(path, "", Some(DialectId::Im));
        }
        for path in ["/im", "/im//", "/im/a/b", "/IM/a"] {
            check(path, "", None);
        }
    }

    #[test]
    fn at_the_root_the_query_decides() {
        check("/", "client_id=1&token=2", Some(DialectId::Ride));
        check("/", "auth=x", Some(DialectId::Live));
        check("/", "xclient_id=1", None);
        check("/other", "client_id=1", None);
    }

    #[test]
    fn any_path_is_any_path_that_nobody_else_has() {
        let mut mounts = mounts();
        mounts.mount_by_query("client_id", true, Arc::new(Named(DialectId::Ride)));
        let found = |path: &str| mounts.find(path, "client_id=1").map(|dialect| dialect.id());
        assert_eq!(found("/other"), Some(DialectId::Ride));
        assert_eq!(found("/live"), Some(DialectId::Live));
    }
}
