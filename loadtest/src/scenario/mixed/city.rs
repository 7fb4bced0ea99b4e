//! The clients of a city: how many there are of each kind, and what they do.

use std::path::Path;

use crate::cli::{ChatArgs, Clients, Common, MixedArgs, PushArgs, RoomFrames, Share};
use crate::engine::Engine;
use crate::scenario::crowd::Crowd;
use crate::scenario::room::{self, Layout};
use crate::scenario::{RunError, chat, push, unicast};

/// A kind with fewer clients has nobody to talk to.
const CLIENTS_MIN: usize = 2;
/// Programs that push side by side.
const PUSHERS: usize = 2;
/// Pushes that have not come, at most.
const UNDER_WAY_MAX: usize = 10_000;

/// How many connections each kind has that there is; always an even number, but for the first kind.
///
/// # Errors
/// One line, when one has not enough to begin with.
pub(super) fn shares(arguments: &MixedArgs) -> Result<Vec<(Clients, usize)>, String> {
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
    let connections = arguments.common.connections;
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

/// Connects everybody, kind by kind, and waits until each client has been reached.
///
/// # Errors
/// Those of the kinds.
pub(in crate::scenario) fn settle<'a>(
    arguments: &MixedArgs,
    engine: &mut Engine,
) -> Result<Crowd<'a>, RunError> {
    let mut crowd = Crowd::new(arguments.common.ramp);
    for (clients, connections) in shares(arguments).map_err(RunError::Usage)? {
        engine.io.rebase(crowd.connections());
        let common = Common {
            connections,
            ..arguments.common.clone()
        };
        let added = add(&mut crowd, clients, arguments, common, engine);
        engine.io.rebase(0);
        added?;
    }
    Ok(crowd)
}

/// Sets a kind of clients up.
fn add(
    crowd: &mut Crowd<'_>,
    clients: Clients,
    arguments: &MixedArgs,
    common: Common,
    engine: &mut Engine,
) -> Result<(), RunError> {
    let connections = common.connections;
    match clients {
        Clients::Ride => {
            let (part, drivers) = unicast::part(&common, engine)?;
            let rate = arguments.positions * drivers as f64;
            crowd.add("ride", connections, Some(rate), part);
        }
        Clients::Im => {
            let key = arguments.im_key.as_deref().unwrap_or(Path::new(""));
            let chat = chat_arguments(arguments, common, key);
            let part = chat::part(&chat, engine)?;
            crowd.add("im", connections, Some(arguments.chat_rate), part);
        }
        Clients::Room => {
            let layout = Layout::new(&[], connections)?;
            let rate = arguments.room_rate * layout.count() as f64;
            let frames = RoomFrames::of_room(arguments.bytes);
            let part = room::fill(engine, &common, &frames, &layout, (None, &[]))?;
            crowd.add("room", connections, Some(rate), Box::new(part));
        }
        Clients::Push | Clients::Queue => {
            let (kind, rate) = match clients {
                Clients::Queue => ("queue", arguments.queue_rate),
                _ => ("push", arguments.push_rate),
            };
            let mut pushes = push_arguments(arguments, common, rate);
            pushes.redis = arguments.redis.filter(|_| clients == Clients::Queue);
            let part = push::part(&pushes, engine)?;
            // The pushers have times of their own.
            crowd.add(kind, connections, None, part);
        }
    }
    Ok(())
}

fn chat_arguments(arguments: &MixedArgs, common: Common, key: &Path) -> ChatArgs {
    ChatArgs {
        common,
        im_key: key.to_owned(),
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
        common,
        admin: arguments.admin.clone(),
        key: arguments.key.clone(),
        redis: None,
        pushers: PUSHERS,
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

    fn shared(options: &str) -> Result<Vec<(Clients, usize)>, String> {
        let line = format!("loadtest mixed --to 127.0.0.1:1 {options}");
        let Ok(cli::Command::Mixed(arguments)) = cli::parse(line.split(' ').map(Into::into)) else {
            panic!("{line}");
        };
        shares(&arguments)
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
}
