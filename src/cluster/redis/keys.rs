//! Names of the keys. Braces are the tags of Redis Cluster: what stands under one of them is on one
//! server.

use crate::{
    digest,
    id::{Member, Person},
    topic::Topic,
};

/// The list that older chat servers write into.
const LEGACY_LIST: &str = "MQ";
/// The set of all couriers. The application's, like those of friends, with no prefix of ours.
pub(super) const COURIERS: &str = "DELIVER";
/// Where couriers are.
pub(super) const POSITIONS: &str = "GEO:DELIVER";

/// The friends of somebody.
pub(super) fn friends(of: Person) -> String {
    format!("URS:{of}")
}

/// The keys of one cluster.
#[derive(Clone, Debug)]
pub(super) struct Keys {
    prefix: String,
}

/// The keys of a queue, all but that of the dead on one server.
#[derive(Clone, Debug)]
pub(super) struct QueueKeys {
    /// What is to be done now.
    pub(super) stream: String,
    /// What nothing can be done with.
    pub(super) dead: String,
    /// What is for later, by its time.
    pub(super) later: String,
    /// What it says.
    pub(super) bodies: String,
}

/// The keys of jobs, all but that of the dead letters on one server.
#[derive(Clone, Debug)]
pub(super) struct JobKeys {
    /// Letters of the dead ones.
    pub(super) dead: String,
    /// The dead ones, by their time.
    pub(super) buried: String,
    /// Those that are neither done nor dead, by their time.
    pub(super) open: String,
    /// Beginning of the key of a job.
    pub(super) job: String,
    /// Beginning of the key of when the jobs of a kind may be taken.
    pub(super) due: String,
}

/// The keys of schedules, where the stream of pushes is.
#[derive(Clone, Debug)]
pub(super) struct ScheduleKeys {
    /// The schedules, by their next time.
    pub(super) next: String,
    /// What they say.
    pub(super) all: String,
    /// The stream of pushes.
    pub(super) pushes: String,
}

/// The keys of the journal, all but that of the dead on one server.
#[derive(Clone, Debug)]
pub(super) struct JournalKeys {
    prefix: String,
    /// What was accepted and is in no database yet.
    pub(super) stream: String,
    /// What will never be in one.
    pub(super) dead: String,
    /// The id that was given last.
    pub(super) last: String,
}

/// The list of older chat servers, whose name is theirs, and what was taken out of it.
#[derive(Clone, Debug)]
pub(super) struct LegacyKeys {
    /// The list.
    pub(super) list: String,
    /// A stream of what was taken, on the list's server.
    pub(super) taken: String,
}

impl Keys {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    /// The name of this life of the data.
    pub(super) fn generation(&self) -> String {
        format!("{}generation", self.prefix)
    }

    /// A key that is there while it is tried what is allowed.
    pub(super) fn probe(&self, name: &str) -> String {
        format!("{}probe:{name}", self.prefix)
    }

    /// The set of all members that have announced themselves.
    pub(super) fn members(&self) -> String {
        format!("{}members", self.prefix)
    }

    /// The log that every member reads.
    pub(super) fn log(&self) -> String {
        format!("{}presence", self.prefix)
    }

    /// A member's inbox.
    pub(super) fn inbox(&self, member: &Member) -> String {
        format!("{}inbox:{{{member}}}", self.prefix)
    }

    /// A member's lease.
    pub(super) fn lease(&self, member: &Member) -> String {
        format!("{}node:{{{member}}}", self.prefix)
    }

    /// What a queue consists of.
    pub(super) fn queue(&self, name: &str) -> QueueKeys {
        let stream = format!("{}{name}", self.prefix);
        QueueKeys {
            dead: format!("{stream}:dead"),
            // Where the stream is, which has no tag.
            later: format!("{}later:{{{stream}}}", self.prefix),
            bodies: format!("{}later:{{{stream}}}:bodies", self.prefix),
            stream,
        }
    }

    /// What jobs consist of.
    pub(super) fn jobs(&self) -> JobKeys {
        let queue = format!("{}jobs", self.prefix);
        // Where the stream is, which has no tag.
        JobKeys {
            dead: format!("{queue}:dead"),
            buried: format!("{queue}:buried:{{{queue}}}"),
            open: format!("{queue}:open:{{{queue}}}"),
            job: format!("{queue}:job:{{{queue}}}:"),
            due: format!("{queue}:due:{{{queue}}}:"),
        }
    }

    /// What all keys of customer service begin with. They are on one server.
    pub(super) fn service(&self) -> String {
        let service = format!("{}service", self.prefix);
        format!("{service}:{{{service}}}:")
    }

    /// What schedules consist of.
    pub(super) fn schedules(&self) -> ScheduleKeys {
        let pushes = format!("{}push", self.prefix);
        ScheduleKeys {
            next: format!("{}schedules:{{{pushes}}}", self.prefix),
            all: format!("{}schedules:{{{pushes}}}:all", self.prefix),
            pushes,
        }
    }

    /// What the journal consists of.
    pub(super) fn journal(&self) -> JournalKeys {
        let stream = format!("{}mq", self.prefix);
        JournalKeys {
            prefix: self.prefix.clone(),
            dead: format!("{stream}:dead"),
            last: format!("{}mq:last:{{{stream}}}", self.prefix),
            stream,
        }
    }

    /// Where messages of older chat servers are.
    pub(super) fn legacy(&self) -> LegacyKeys {
        LegacyKeys {
            list: LEGACY_LIST.to_owned(),
            taken: format!("{}mq:legacy:{{{LEGACY_LIST}}}", self.prefix),
        }
    }

    /// Who took an order.
    pub(super) fn taken(&self, order: &str) -> String {
        format!("{}im:taken:{{{order}}}", self.prefix)
    }

    /// A user's mail.
    pub(super) fn mail(&self, user: &str) -> String {
        format!("{}mail:{{{user}}}", self.prefix)
    }

    /// That a token with this digest was used.
    pub(super) fn used_token(&self, digest: &[u8]) -> String {
        format!("{}im:token:{{{}}}", self.prefix, digest::hex(digest))
    }

    /// What came of the publishes of an id with this digest.
    pub(super) fn once(&self, digest: &[u8]) -> String {
        format!("{}once:{{{}}}", self.prefix, digest::hex(digest))
    }

    /// What a member has to tell endpoints.
    pub(super) fn hooks(&self, member: &Member) -> String {
        format!("{}hooks:{{{member}}}", self.prefix)
    }

    /// What endpoints could not be told.
    pub(super) fn hooks_dead(&self) -> String {
        format!("{}hooks:dead", self.prefix)
    }

    /// What the sessions of a member owe, and the rooms that it is in.
    pub(super) fn sessions(&self, member: &Member) -> String {
        format!("{}sessions:{{{member}}}", self.prefix)
    }

    /// Who is in a room. By a digest, since the name may have braces.
    pub(super) fn room(&self, room: &Topic) -> String {
        let digest = digest::of_parts([room.id().as_bytes()]);
        format!("{}room:{{{}}}", self.prefix, digest::hex(&digest))
    }

    /// What waits in a live room, and in which order. By a digest, since the code may have braces.
    pub(super) fn drafts(&self, code: &str) -> [String; 2] {
        let digest = digest::hex(&digest::of_parts([code.as_bytes()]));
        ["pending", "order"].map(|what| format!("{}live:{what}:{{{digest}}}", self.prefix))
    }

    /// That a duty was done, beside the key with this tag that it has changed.
    pub(super) fn done(&self, tag: &str, duty: &str) -> String {
        let digest = digest::of_parts([duty.as_bytes()]);
        format!("{}done:{{{tag}}}:{}", self.prefix, digest::hex(&digest))
    }

    /// Whether a key is one of these, or could be.
    pub(super) fn has_prefix(&self, key: &str) -> bool {
        key.starts_with(&self.prefix)
    }

    /// The right to reap a member.
    pub(super) fn reaping(&self, member: &Member) -> String {
        format!("{}reap:{{{member}}}", self.prefix)
    }
}

// === impl JournalKeys ===

impl JournalKeys {
    /// By what each message was that was accepted on a day since the Unix epoch.
    pub(super) fn seen(&self, day: u64) -> String {
        format!("{}mq:seen:{day}:{{{}}}", self.prefix, self.stream)
    }

    /// The chat messages that somebody has sent or received, and that are in no database yet.
    pub(super) fn of_person(&self, person: Person) -> String {
        format!("{}mq:of:{{{}}}:{person}", self.prefix, self.stream)
    }

    /// What was pushed to a topic, and is in no database yet. The tag comes first, since a topic may have
    /// braces.
    pub(super) fn of_topic(&self, topic: &Topic) -> String {
        format!(
            "{}mq:of:{{{}}}:{}",
            self.prefix,
            self.stream,
            topic.as_str()
        )
    }
}
