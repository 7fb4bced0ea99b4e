//! Peers: the other members, and of which of them this one may not know every topic.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use super::directory::Directory;
use crate::{envelope::Version, id::Member, peer::NodeInfo, presence::Members};

/// The other members. Read by every publish; written a few times a second.
#[derive(Debug, Default)]
pub(super) struct Peers {
    known: ArcSwap<Known>,
    /// Those of `known` whose topics are not all known. What is sent to anybody goes to them too.
    unsynced: ArcSwap<Vec<Member>>,
    /// Held by whoever writes, from the look to the write.
    writing: Mutex<()>,
}

/// Who is known, and in which versions they can be written to.
#[derive(Debug, Default)]
pub(super) struct Known {
    /// All of them.
    pub(super) nodes: Vec<NodeInfo>,
    tongues: Tongues,
}

/// What is agreed with all of them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Tongues {
    /// The same version, or there is nobody.
    One(Version),
    /// It depends.
    #[default]
    Many,
}

// === impl Known ===

impl Known {
    fn new(nodes: Vec<NodeInfo>) -> Self {
        let mut agreed = nodes.iter().map(|node| node.speech.versions.agreed());
        let first = agreed.next().unwrap_or(Some(Version::MAX));
        let tongues = match first.filter(|_| agreed.all(|other| other == first)) {
            Some(version) => Tongues::One(version),
            None => Tongues::Many,
        };
        Self { nodes, tongues }
    }

    /// The version in which a member is written to. None if there is none that both know. Whoever is
    /// not known is written to in the oldest one.
    pub(super) fn version_of(&self, member: &Member) -> Option<Version> {
        if let Tongues::One(version) = self.tongues {
            return Some(version);
        }
        let node = self.nodes.iter().find(|node| node.member == *member);
        node.map_or(Some(Version::MIN), |node| node.speech.versions.agreed())
    }

    /// The highest version that all of them know. Who knows none of ours is passed over.
    pub(super) fn common(&self) -> Version {
        let agreed = self.nodes.iter();
        let agreed = agreed.filter_map(|node| node.speech.versions.agreed());
        agreed.min().unwrap_or(Version::MAX)
    }
}

// === impl Peers ===

impl Peers {
    /// All of them.
    pub(super) fn known(&self) -> Guard<Arc<Known>> {
        self.known.load()
    }

    /// The names of all of them.
    pub(super) fn members(&self) -> Members {
        let known = self.known.load();
        let nodes = known.nodes.iter();
        nodes.map(|node| node.member.clone()).collect()
    }

    /// Whether a member is one of them.
    pub(super) fn has(&self, member: &Member) -> bool {
        let known = self.known.load();
        known.nodes.iter().any(|node| node.member == *member)
    }

    /// Those that may have topics which are not known here.
    pub(super) fn unsynced(&self) -> Guard<Arc<Vec<Member>>> {
        self.unsynced.load()
    }

    /// Adds these, or what they say of themselves now; the others stay until they are removed.
    pub(super) fn note(&self, nodes: Vec<NodeInfo>, directory: &Directory) {
        self.change(directory, |before| {
            let is_noted = |old: &&NodeInfo| nodes.iter().any(|new| new.member == old.member);
            let others = before.iter().filter(|old| !is_noted(old)).cloned();
            others.chain(nodes.iter().cloned()).collect()
        });
    }

    /// Removes one that is gone.
    pub(super) fn remove(&self, gone: &Member, directory: &Directory) {
        self.change(directory, |before| {
            let others = before.iter().filter(|node| node.member != *gone);
            others.cloned().collect()
        });
    }

    /// Takes note of whose topics are known by now.
    pub(super) fn look(&self, directory: &Directory) {
        let _writing = self.writing.lock();
        let unsynced = unsynced(&self.known.load().nodes, directory);
        if unsynced != **self.unsynced.load() {
            self.unsynced.store(Arc::new(unsynced));
        }
    }

    /// Of nobody are the topics known: the directory is about to be cleared.
    pub(super) fn doubt_all(&self) {
        let _writing = self.writing.lock();
        self.unsynced.store(Arc::new(self.members().into_vec()));
    }

    fn change(&self, directory: &Directory, change: impl FnOnce(&[NodeInfo]) -> Vec<NodeInfo>) {
        let _writing = self.writing.lock();
        let nodes = change(&self.known.load().nodes);
        let nodes: Vec<NodeInfo> = nodes
            .into_iter()
            .filter(|node| !directory.is_removed(&node.member))
            .collect();
        let unsynced = unsynced(&nodes, directory);
        // Whoever finds somebody among the unsynced finds here what that one reads.
        self.known.store(Arc::new(Known::new(nodes)));
        self.unsynced.store(Arc::new(unsynced));
    }
}

fn unsynced(nodes: &[NodeInfo], directory: &Directory) -> Vec<Member> {
    let members = nodes.iter().map(|node| &node.member);
    let unsynced = members.filter(|member| !directory.is_synced(member));
    unsynced.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::envelope::{Delta, Speech, Versions};

    fn node(text: &str) -> NodeInfo {
        NodeInfo {
            member: text.parse().unwrap(),
            address: "".into(),
            sessions: 0,
            lag: 0,
            state: "ready".into(),
            speech: Speech::OWN,
        }
    }

    fn reading(text: &str, min: u8, max: u8) -> NodeInfo {
        let versions = Versions { min, max };
        let speech = Speech {
            versions,
            speaks: min,
        };
        NodeInfo {
            speech,
            ..node(text)
        }
    }

    fn names(peers: &Peers) -> Vec<String> {
        let mut names: Vec<_> = peers.members().iter().map(ToString::to_string).collect();
        names.sort();
        names
    }

    fn sync(directory: &Directory, member: &str) {
        let snapshot = Delta::Snapshot {
            number: 1,
            part: 0,
            last: true,
            topics: Vec::new(),
        };
        directory.apply(&member.parse().unwrap(), 1, &[snapshot]);
    }

    #[test]
    fn who_is_not_listed_any_more_stays_until_it_is_removed() {
        let (peers, directory) = (Peers::default(), Directory::default());
        peers.note(vec![node("a.1"), node("b.1")], &directory);
        let mut busy = node("b.1");
        busy.sessions = 7;
        peers.note(vec![busy], &directory);
        assert_eq!(names(&peers), ["a.1", "b.1"]);
        assert_eq!(
            peers
                .known()
                .nodes
                .iter()
                .map(|node| node.sessions)
                .sum::<u64>(),
            7
        );
        peers.remove(&"a.1".parse().unwrap(), &directory);
        assert_eq!(names(&peers), ["b.1"]);
        assert!(!peers.has(&"a.1".parse().unwrap()));
    }

    #[test]
    fn the_dead_do_not_come_back() {
        let (peers, directory) = (Peers::default(), Directory::default());
        directory.remove(&"a.1".parse().unwrap());
        peers.note(vec![node("a.1")], &directory);
        assert_eq!(names(&peers), [""; 0]);
    }

    #[test]
    fn who_is_not_synced_is_known() {
        let (peers, directory) = (Peers::default(), Directory::default());
        peers.note(vec![node("a.1"), node("b.1")], &directory);
        assert_eq!(peers.unsynced().len(), 2);
        sync(&directory, "a.1");
        peers.look(&directory);
        assert_eq!(**peers.unsynced(), ["b.1".parse().unwrap()]);
        sync(&directory, "b.1");
        peers.look(&directory);
        assert!(peers.unsynced().is_empty());
        peers.doubt_all();
        assert_eq!(peers.unsynced().len(), 2);
    }

    #[test]
    fn each_is_written_to_in_the_version_that_it_knows_and_all_in_what_all_know() {
        let (peers, directory) = (Peers::default(), Directory::default());
        assert_eq!(peers.known().common(), Version::MAX);
        let of = |member: &str| peers.known().version_of(&member.parse().unwrap());
        peers.note(vec![node("a.1"), reading("b.1", 1, 200)], &directory);
        assert_eq!(
            (of("a.1"), of("b.1")),
            (Some(Version::MAX), Some(Version::MAX))
        );
        assert_eq!(peers.known().common(), Version::MAX);
        peers.note(vec![reading("c.1", 1, 1)], &directory);
        assert_eq!(
            (of("a.1"), of("c.1")),
            (Some(Version::MAX), Some(Version::One))
        );
        assert_eq!(of("unknown.1"), Some(Version::MIN));
        assert_eq!(peers.known().common(), Version::One);
        peers.remove(&"c.1".parse().unwrap(), &directory);
        assert_eq!(peers.known().common(), Version::MAX);
        // Whoever reads nothing of ours holds nobody back, and gets nothing.
        peers.note(vec![reading("d.1", 100, 200)], &directory);
        assert_eq!((of("a.1"), of("d.1")), (Some(Version::MAX), None));
        assert_eq!(peers.known().common(), Version::MAX);
    }
}
