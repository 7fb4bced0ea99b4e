//! stub
use crate::{envelope::Delta, id::Member, presence::Members, topic::Topic};
use parking_lot::RwLock;
use std::collections::HashMap;
use std::ops::Range;
#[derive(Debug, Default)]
pub struct Directory(RwLock<State>);
#[derive(Debug, Default)]
struct State {
    topics: HashMap<Member, HashMap<u64, u32>>,
    removed: Vec<Member>,
    synced: Vec<Member>,
    next: HashMap<Member, u64>,
}
#[derive(Debug, Default)]
pub struct Applied {
    pub gap: Option<Range<u64>>,
}
#[derive(Debug)]
pub struct TopicHasher(u64);
impl TopicHasher {
    pub fn of_generation(_: &str) -> Self {
        Self(1)
    }
    pub fn hash(&self, topic: &Topic) -> u64 {
        use std::hash::Hasher;
        let mut h = siphasher::sip::SipHasher13::new_with_keys(self.0, 2);
        h.write(topic.as_str().as_bytes());
        h.finish()
    }
}
impl Directory {
    pub fn members(&self, hash: u64) -> Members {
        self.0
            .read()
            .topics
            .iter()
            .filter(|(_, t)| t.contains_key(&hash))
            .map(|(m, _)| m.clone())
            .collect()
    }
    pub fn apply(&self, member: &Member, sequence: u64, deltas: &[Delta]) -> Applied {
        let mut s = self.0.write();
        if s.removed.contains(member) {
            return Applied::default();
        }
        let next = s.next.insert(member.clone(), sequence + 1);
        let mut out = Applied::default();
        if let Some(n) = next {
            if n < sequence {
                out.gap = Some(n..sequence);
            }
        }
        for d in deltas {
            match d {
                Delta::Topics { joined, left } => {
                    let t = s.topics.entry(member.clone()).or_default();
                    for h in joined {
                        *t.entry(*h).or_default() += 1;
                    }
                    for h in left {
                        if let Some(c) = t.get_mut(h) {
                            *c -= 1;
                            if *c == 0 {
                                t.remove(h);
                            }
                        }
                    }
                }
                Delta::Snapshot {
                    part, last, topics, ..
                } => {
                    if *part == 0 {
                        s.topics.insert(member.clone(), HashMap::new());
                    }
                    let t = s.topics.entry(member.clone()).or_default();
                    for h in topics {
                        *t.entry(*h).or_default() += 1;
                    }
                    if *last {
                        s.synced.push(member.clone());
                    }
                }
                _ => {}
            }
        }
        out
    }
    pub fn remove(&self, member: &Member) {
        let mut s = self.0.write();
        s.topics.remove(member);
        s.removed.push(member.clone());
    }
    pub fn is_removed(&self, member: &Member) -> bool {
        self.0.read().removed.contains(member)
    }
    pub fn is_synced(&self, member: &Member) -> bool {
        self.0.read().synced.contains(member)
    }
    pub fn clear(&self) {
        *self.0.write() = State::default();
    }
    pub fn topics(&self) -> usize {
        self.0.read().topics.values().map(|t| t.len()).sum()
    }
}
