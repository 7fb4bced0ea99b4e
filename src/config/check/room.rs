//! What the `room` dialect demands: a way in for its clients, and a room in each of its paths.

use super::Check;
use crate::dialect::DialectId;

impl Check<'_> {
    pub(super) fn room(&mut self) {
        let room = &self.config.dialect.room;
        self.token_keys("dialect.room.keys", &room.keys);
        self.login_hook("dialect.room.hook", room.hook.as_ref());
        if !room.mount.enabled {
            return;
        }
        if !self.config.development && !room.has_way_in() && !self.is_decided_about() {
            let problem = "is missing, expected at least one key, or dialect.room.hook, or \
                           dialect.room.open = true, or backend.connect or backend.subscribe for the \
                           dialect: nobody could come in";
            self.mistake("dialect.room.keys", problem);
        }
        for path in &room.mount.paths {
            if !ends_with_placeholder(path) {
                let problem = format!(
                    "has {path:?}, expected paths that end with a placeholder such as {{group}}, \
                     which stands for the room"
                );
                self.mistake("dialect.room.paths", problem);
            }
        }
    }

    /// Whether the application decides about clients of the dialect.
    fn is_decided_about(&self) -> bool {
        let backend = &self.config.backend;
        let mut hooks = [&backend.connect, &backend.subscribe].into_iter().flatten();
        hooks.any(|hook| hook.concerns(DialectId::Room))
    }
}

/// Whether the last segment that is not empty is a placeholder.
fn ends_with_placeholder(path: &str) -> bool {
    let mut segments = path.rsplit('/');
    let last = segments.find(|segment| !segment.is_empty());
    last.is_some_and(|last| last.starts_with('{'))
}
