//! The clients of a city: how many there are of each kind, and what they do.

use crate::cli::{ChatArgs, Clients, Common, MixedArgs, Part, PushArgs, RoomFrames, Share, Sizes};
use crate::engine::Engine;
use crate::scenario::crowd::Crowd;
use crate::scenario::room::{self, Layout};
use crate::scenario::{RunError, Scenario as _, chat, push, unicast};

/// A kind with fewer clients has nobody to talk to.
const CLIENTS_MIN: usize = 2;
/// Programs that push side by side in each process.
const PUSHERS: usize = 2;
/// Pushes that have not come, at most.
const UNDER_WAY_MAX: usize = 10_000;

/// How many of all connections each kind has that there is; always an even number, but for the first kind.
///
/// # Errors
/// One line, when one has not enough to begin with.
fn shares(arguments: &MixedArgs, connections: usize) -> Result<Vec<(Clients, usize)>, String> {
    let is_there = |share: &&Share| {
        0.0 < share.part
            && match share.clients {
                Clients::Ride | Clients::Room => true,
                Clients::Im => arguments.im_key.is_some(),
                Clients::Push => !arguments.admin.is_empty(),
                Clients::Queue => arguments.redis.is_some(),
            }
    };
    let shares: Vec<&Share> = arguments.shares.iter().filter(is_there).collect();
    let whole: f64 = shares.iter().map(|share| share.part).sum();
    let even = |part: f64| 2 * (connections as f64 * part / whole / 2.0) as usize;
    let mut counts: Vec<_> = shares
        .iter()
        .map(|share| (share.clients, even(share.part)))
        .collect();
    let rest = connections - counts.iter().map(|(_, count)| count).sum::<usize>();
    if let Some((_, count)) = counts.first_mut() {
        *count += rest - rest % 2;
    }
    if let Some((clients, count)) = counts.iter().find(|(_, count)| *count < CLIENTS_MIN) {
        return Err(format!(
            "of {connections} connections (-n) {clients} has {count}, and needs {CLIENTS_MIN}"
        ));
    }
    match counts.is_empty() {
        true => Err("--shares has no kind that could be run".to_owned()),
        false => Ok(counts),
    }
}

/// The clients of one kind: those of all processes, or those that this one has of them.
#[derive(Debug)]
enum Kind {
    Ride(Common),
    Im(ChatArgs),
    Room(Sizes, Common),
    Push(PushArgs),
}

/// What one of several processes does: of each kind as much as any other, and so many other connections beside.
///
/// # Errors
/// One line, when there is nothing for it to do.
pub(in crate::scenario) fn share(
    arguments: &MixedArgs,
    part: Part,
    beside: usize,
) -> Result<MixedArgs, String> {
    let whole = &arguments.common;
    let mut shared = MixedArgs {
        common: whole.apart(part, whole.connections + beside)?,
        whole: Some((part, Box::new(whole.clone()))),
        ..arguments.clone()
    };
    let kinds = kinds(&shared)?;
    shared.common.connections = kinds
        .iter()
        .map(|(_, kind)| kind.common().connections)
        .sum();
    Ok(shared)
}

/// Connects everybody, kind by kind, and waits until each client has been reached.
///
/// # Errors
/// Those of the kinds.
pub(in crate::scenario) fn settle<'a>(
    arguments: &MixedArgs,
    engine: &mut Engine,
) -> Result<Crowd<'a>, RunError> {
    let mut crowd = Crowd::new(arguments.common.ramp);
    for (clients, kind) in kinds(arguments).map_err(RunError::Usage)? {
        engine.io.rebase(crowd.connections());
        let added = kind.settle(clients, arguments, &mut crowd, engine);
        engine.io.rebase(0);
        added?;
    }
    Ok(crowd)
}

/// The clients of all kinds that this process has.
fn kinds(arguments: &MixedArgs) -> Result<Vec<(Clients, Kind)>, String> {
    let (part, whole) = match &arguments.whole {
        Some((part, whole)) => (Some(*part), &**whole),
        None => (None, &arguments.common),
    };
    let kind = |(clients, connections): (Clients, usize)| {
        let common = Common {
            connections,
            ..whole.clone()
        };
        let mut kind = Kind::new(clients, arguments, common);
        if let Some(part) = part {
            let own = kind.share(part);
            kind = own.map_err(|error| format!("{clients}: {error}"))?;
        }
        // Kinds may have fewer addresses, but not those of another process.
        kind.common_mut().source = arguments.common.source;
        Ok((clients, kind))
    };
    let shares = shares(arguments, whole.connections)?;
    shares.into_iter().map(kind).collect()
}

impl Kind {
    fn new(clients: Clients, arguments: &MixedArgs, common: Common) -> Self {
        match clients {
            Clients::Ride => Self::Ride(common),
            Clients::Im => Self::Im(chat_arguments(arguments, common)),
            Clients::Room => Self::Room(Sizes::default(), common),
            Clients::Push => Self::Push(push_arguments(arguments, common, arguments.push_rate)),
            Clients::Queue => Self::Push(PushArgs {
                redis: arguments.redis,
                ..push_arguments(arguments, common, arguments.queue_rate)
            }),
        }
    }

    /// What one of several processes has of these.
    fn share(self, part: Part) -> Result<Self, String> {
        Ok(match self {
            Self::Ride(common) => Self::Ride(common.share(part, 2)?),
            Self::Im(chat) => Self::Im(chat.share(part)?),
            Self::Room(sizes, common) => {
                let (sizes, common, _) = Layout::split(&sizes, &common, part)?;
                Self::Room(sizes, common)
            }
            Self::Push(push) => Self::Push(push.share(part)?),
        })
    }

    fn common(&self) -> &Common {
        match self {
            Self::Ride(common) | Self::Room(_, common) => common,
            Self::Im(ChatArgs { common, .. }) | Self::Push(PushArgs { common, .. }) => common,
        }
    }

    fn common_mut(&mut self) -> &mut Common {
        match self {
            Self::Ride(common) | Self::Room(_, common) => common,
            Self::Im(ChatArgs { common, .. }) | Self::Push(PushArgs { common, .. }) => common,
        }
    }

    /// Sets them up.
    fn settle(
        &self,
        clients: Clients,
        arguments: &MixedArgs,
        crowd: &mut Crowd<'_>,
        engine: &mut Engine,
    ) -> Result<(), RunError> {
        let connections = self.common().connections;
        let (rate, part) = match self {
            Self::Ride(common) => {
                let (part, drivers) = unicast::part(common, engine)?;
                (Some(arguments.positions * drivers as f64), part)
            }
            Self::Im(chat) => (chat.rate, chat::part(chat, engine)?),
            Self::Room(sizes, common) => {
                let layout = Layout::of(sizes, connections)?;
                let rate = arguments.room_rate * layout.count() as f64;
                let frames = RoomFrames::of_room(arguments.bytes);
                let part = room::fill(engine, common, &frames, &layout, (None, &[]))?;
                (Some(rate), Box::new(part) as Box<_>)
            }
            // The pushers have times of their own.
            Self::Push(push) => (None, push::part(push, engine)?),
        };
        crowd.add(clients.name(), connections, rate, part);
        Ok(())
    }
}

fn chat_arguments(arguments: &MixedArgs, common: Common) -> ChatArgs {
    ChatArgs {
        common,
        im_key: arguments.im_key.clone().unwrap_or_default(),
        first_user: arguments.first_user,
        rate: Some(arguments.chat_rate),
        outstanding: None,
        bytes: arguments.bytes,
        packet: None,
        warmup: arguments.warmup,
        admin: arguments.admin.first().copied(),
        key: arguments.key.clone(),
    }
}

fn push_arguments(arguments: &MixedArgs, common: Common, rate: f64) -> PushArgs {
    PushArgs {
        pushers: PUSHERS * common.processes,
        pushers_before: 0,
        common,
        admin: arguments.admin.clone(),
        key: arguments.key.clone(),
        redis: None,
        batch: 1,
        rate: Some(rate),
        under_way: UNDER_WAY_MAX,
        bytes: arguments.bytes,
        warmup: arguments.warmup,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli;

    fn arguments(options: &str) -> MixedArgs {
        let line = format!("loadtest mixed --to 127.0.0.1:1 {options}");
        let Ok(cli::Command::Mixed(arguments)) = cli::parse(line.split(' ').map(Into::into)) else {
            panic!("{line}");
        };
        arguments
    }

    fn shared(options: &str) -> Result<Vec<(Clients, usize)>, String> {
        let arguments = arguments(options);
        shares(&arguments, arguments.common.connections)
    }

    #[test]
    fn kinds_that_lack_something_leave_their_part_to_the_others() {
        let some = shared("-n 100").unwrap();
        assert_eq!(some, [(Clients::Ride, 68), (Clients::Room, 32)]);
        let all = "-n 101 --im-key k --admin 127.0.0.1:2 --redis 127.0.0.1:3";
        let counts: Vec<_> = shared(all)
            .unwrap()
            .iter()
            .map(|(_, count)| *count)
            .collect();
        assert_eq!(counts, [40, 20, 20, 10, 10]);
    }

    #[test]
    fn nobody_is_alone() {
        let error = shared("-n 8 --shares ride=9,room=1").unwrap_err();
        assert!(error.contains("room has 0"), "{error}");
        assert!(shared("-n 8 --shares im=1").is_err());
        assert!("rides=1".parse::<Share>().is_err() && "im=-1".parse::<Share>().is_err());
    }

    #[test]
    fn processes_have_each_kind_and_all_of_it_together() {
        let all = "--im-key k --admin 127.0.0.1:2 --redis 127.0.0.1:3";
        let whole = arguments(&format!("-n 1000 --processes 3 --push-rate 30 {all}"));
        let part = |number| Part { number, count: 3 };
        let shares = [0, 1, 2].map(|number| share(&whole, part(number), 0).unwrap());
        let connections = shares.iter().map(|it| it.common.connections);
        assert_eq!(connections.sum::<usize>(), 1000);
        let mut first = [0; 5];
        for shared in &shares {
            for (first, (_, kind)) in first.iter_mut().zip(kinds(shared).unwrap()) {
                let common = kind.common();
                assert_eq!(common.source, shared.common.source);
                if let Kind::Im(chat) = &kind {
                    assert_eq!(chat.first_user, 1 + *first);
                } else {
                    assert_eq!(common.first, *first, "{kind:?}");
                }
                if let Kind::Push(push) = &kind {
                    let rate = if push.redis.is_some() { 10.0 } else { 30.0 };
                    assert_eq!(push.pushers, PUSHERS);
                    let error = push.rate.unwrap() - rate / 3.0;
                    assert!(error.abs() < 1e-9, "{push:?}");
                }
                *first += common.connections;
            }
        }
        assert_eq!(first, [400, 200, 200, 100, 100]);
        let error = share(&arguments("-n 100 --processes 3"), part(0), 0).unwrap_err();
        assert!(error.starts_with("room: --processes 3: 1 rooms"), "{error}");
    }
}
