//! Rooms: which one a path names, and which ones have a meaning.

use percent_encoding::percent_decode_str;

use crate::{id::UserId, topic::Topic};

/// Longest name of a room that a client can choose, in characters: that of the original's groups.
pub const NAME_CHARS_MAX: usize = 99;

/// Where agents wait for customers.
const AGENTS: &str = "agents";
/// The room of a user is this and the user's id.
const OF_USER: &str = "user_";

/// The room that a path names: its last segment that is not empty, percent-decoded.
pub(super) fn room_of(path: &str, chars_max: usize) -> Option<Topic> {
    let mut segments = path.rsplit('/');
    let segment = segments.find(|segment| !segment.is_empty())?;
    let name = percent_decode_str(segment).decode_utf8().ok()?;
    // Characters are bytes: none but those of ASCII are allowed.
    let is_usable = is_name(&name) && name.len() <= chars_max;
    is_usable.then(|| Topic::room(&name).ok()).flatten()
}

/// Whether a client may choose this name: what the original allows its groups.
pub(super) fn is_name(text: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=NAME_CHARS_MAX).contains(&text.len()) && text.bytes().all(is_allowed)
}

/// Whether the room is where agents wait.
pub(super) fn is_of_agents(room: &Topic) -> bool {
    room.id() == AGENTS
}

/// Whether the room is this user's own.
pub(super) fn is_of_user(room: &Topic, user: &UserId) -> bool {
    room.id().strip_prefix(OF_USER) == Some(user.as_str())
}

/// Whether the room has a meaning, so that its name alone opens it to nobody. Others with one have a `/`,
/// which no client can choose.
pub(super) fn is_reserved(room: &Topic) -> bool {
    is_of_agents(room) || room.id().starts_with(OF_USER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, expect: Option<&str>) {
        let room = room_of(path, NAME_CHARS_MAX);
        assert_eq!(room.as_ref().map(Topic::id), expect, "{path}");
    }

    #[test]
    fn a_path_names_a_room_with_or_without_a_slash_at_its_end() {
        check("/room/x1/", Some("x1"));
        check("/room/x1", Some("x1"));
        check("/chat/x/", Some("x"));
        check("/room/a-b_c.D9/", Some("a-b_c.D9"));
        check("/room/%78%31/", Some("x1"));
        check(&format!("/room/{}/", "x".repeat(99)), Some(&"x".repeat(99)));
    }

    #[test]
    fn other_characters_and_a_hundred_of_them_name_none() {
        for path in [
            "",
            "/",
            "/room/中文/",
            "/room/%E4%B8%AD/",
            "/room/a%2Fb/",
            "/room/live%2Fx/",
            "/room/a b/",
            "/room/a%20b/",
            "/room/a%00/",
            "/room/%FF/",
            "/room/a:b/",
            "/room/a+b/",
            "/room/a%/",
        ] {
            check(path, None);
        }
        check(&format!("/room/{}/", "x".repeat(100)), None);
    }

    #[test]
    fn a_shorter_limit_holds() {
        assert!(room_of("/room/xxxx/", 4).is_some());
        assert!(room_of("/room/xxxxx/", 4).is_none());
    }

    #[test]
    fn rooms_with_a_meaning_are_known() {
        let room = |name: &str| Topic::room(name).unwrap();
        for name in ["agents", "user_", "user_5", "user_x.y"] {
            assert!(is_reserved(&room(name)), "{name}");
        }
        for name in ["agent", "agents2", "Agents", "user", "user-5", "xuser_5"] {
            assert!(!is_reserved(&room(name)), "{name}");
        }
        let five: UserId = "5".parse().unwrap();
        assert!(is_of_user(&room("user_5"), &five));
        for name in ["user_55", "user_", "user_6", "5"] {
            assert!(!is_of_user(&room(name), &five), "{name}");
        }
    }
}
