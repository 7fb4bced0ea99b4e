//! Peers: the other members, and of which of them this one may not know every topic.

use std::sync::Arc;

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;

use super::directory::Directory;
use crate::{id::Member, peer::NodeInfo, presence::Members};

/// The other members. Read by every publish; written a few times a second.
#[derive(Debug, Default)]
pub(super) struct Peers {
    nodes: ArcSwap<Vec<NodeInfo>>,
    /// Those of `nodes` whose topics are not all known. What is sent to anybody goes to them too.
    unsynced: ArcSwap<Vec<Member>>,
    /// Held by whoever writes, from the look to the write.
    writing: Mutex<()>,
}

impl Peers {
    /// All of them.
    pub(super) fn nodes(&self) -> Guard<Arc<Vec<NodeInfo>>> {
        self.nodes.load()
    }

    /// The names of all of them.
    pub(super) fn members(&self) -> Members {
        let nodes = self.nodes.load();
        nodes.iter().map(|node| node.member.clone()).collect()
    }

    /// Whether a member is one of them.
    pub(super) fn has(&self, member: &Member) -> bool {
        self.nodes.load().iter().any(|node| node.member == *member)
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
        let nodes = self.nodes.load();
        let unsynced = unsynced(&nodes, directory);
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
        let nodes = change(&self.nodes.load());
        let nodes: Vec<NodeInfo> = nodes
            .into_iter()
            .filter(|node| !directory.is_removed(&node.member))
            .collect();
        self.unsynced.store(Arc::new(unsynced(&nodes, directory)));
        self.nodes.store(Arc::new(nodes));
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
    use crate::envelope::Delta;

    fn node(text: &str) -> NodeInfo {
        NodeInfo {
            member: text.parse().unwrap(),
            address: "".into(),
            sessions: 0,
            lag: 0,
            state: "ready".into(),
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
            peers.nodes().iter().map(|node| node.sessions).sum::<u64>(),
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
}
