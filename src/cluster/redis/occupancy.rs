//! Occupancy in Redis: a hash for each room that some member is in, with a field for each of them.
//!
//! Beside these, `#` counts the members, `!` what is not told yet, and `>` or `<` before a member's name
//! holds the number under which the room was occupied or vacated by it, until that is told.

use bytes::Bytes;
use redis::{Cmd, Value, cmd};

use super::{
    dues::{RedisDues, room_field},
    errors::from_value,
};
use crate::{
    dues::{DuesError, Pending},
    id::Member,
    occupancy::{Left, Occupancy},
    topic::Topic,
};

/// Enters a room. Gives the number under which it is occupied by the member, or an empty text. Numbers are
/// microseconds, and no two are the same.
const ENTER: &str = "local me = ARGV[1]
if redis.call('HGET', KEYS[1], me) then return redis.call('HGET', KEYS[1], '>' .. me) or '' end
redis.call('HSET', KEYS[1], me, '1')
if redis.call('HINCRBY', KEYS[1], '#', 1) > 1 or ARGV[2] == 'quiet' then return '' end
local now = redis.call('TIME')
local number = string.format('%.0f', now[1] * 1000000 + now[2])
redis.call('HSET', KEYS[1], '>' .. me, number)
redis.call('HINCRBY', KEYS[1], '!', 1)
return number";
/// Leaves a room. Gives the numbers under which it was occupied, if that is not told yet, and is vacated.
const LEAVE: &str = "local me = ARGV[1]
if redis.call('HDEL', KEYS[1], me) == 1 and redis.call('HINCRBY', KEYS[1], '#', -1) < 1 then
local now = redis.call('TIME')
redis.call('HSET', KEYS[1], '<' .. me, string.format('%.0f', now[1] * 1000000 + now[2]))
redis.call('HINCRBY', KEYS[1], '!', 1) end
return {redis.call('HGET', KEYS[1], '>' .. me) or '', redis.call('HGET', KEYS[1], '<' .. me) or ''}";
/// What was to be told for a member is. Says whether it is in the room. A room without members and without
/// anything to tell is gone.
const TOLD: &str = "local me = ARGV[1]
local told = redis.call('HDEL', KEYS[1], '>' .. me, '<' .. me)
local is_in = redis.call('HGET', KEYS[1], me) and 1 or 0
if told > 0 then redis.call('HINCRBY', KEYS[1], '!', -told) end
local open = tonumber(redis.call('HGET', KEYS[1], '!') or '0')
local members = tonumber(redis.call('HGET', KEYS[1], '#') or '0')
if open < 1 and members < 1 then redis.call('DEL', KEYS[1]) end
return is_in";

impl RedisDues {
    /// Runs a script for each room, in one round.
    async fn for_each(
        &self,
        script: &'static str,
        rooms: &[Topic],
        arguments: &[&str],
    ) -> Result<Vec<Value>, DuesError> {
        if rooms.is_empty() {
            return Ok(Vec::new());
        }
        let commands = rooms.iter().map(|room| {
            let key = self.keys.room(room);
            let mut run: Cmd = cmd("EVAL");
            run.arg(script).arg(1).arg(&key).arg(arguments);
            (key, run)
        });
        Ok(self.servers.call_in_time(commands.collect()).await?)
    }

    async fn enter_all(
        &self,
        me: Member,
        rooms: Vec<Topic>,
        is_quiet: bool,
    ) -> Result<Vec<Option<u64>>, DuesError> {
        // First where it is looked for when the member has died.
        let fields = rooms.iter().map(|room| (room_field(room), Bytes::new()));
        self.put(&me, fields).await?;
        let how = if is_quiet { "quiet" } else { "" };
        let answers = self.for_each(ENTER, &rooms, &[me.as_str(), how]).await?;
        answers.into_iter().map(number).collect()
    }

    async fn leave_all(&self, member: Member, rooms: Vec<Topic>) -> Result<Vec<Left>, DuesError> {
        let answers = self.for_each(LEAVE, &rooms, &[member.as_str()]).await?;
        let lefts = answers.into_iter().map(|answer| {
            let (occupied, vacated): (Value, Value) = from_value(answer)?;
            Ok(Left {
                occupied: number(occupied)?,
                vacated: number(vacated)?,
            })
        });
        lefts.collect()
    }

    async fn told_all(&self, member: Member, rooms: Vec<Topic>) -> Result<(), DuesError> {
        let answers = self.for_each(TOLD, &rooms, &[member.as_str()]).await?;
        let mut left = Vec::new();
        for (room, is_in) in rooms.iter().zip(answers) {
            if from_value::<u64>(is_in)? == 0 {
                left.push(room_field(room));
            }
        }
        self.take(&member, left).await
    }
}

impl Occupancy for RedisDues {
    fn enter(
        &self,
        me: &Member,
        rooms: Vec<Topic>,
        is_quiet: bool,
    ) -> Pending<'_, Vec<Option<u64>>> {
        Box::pin(self.enter_all(me.clone(), rooms, is_quiet))
    }

    fn leave(&self, member: &Member, rooms: Vec<Topic>) -> Pending<'_, Vec<Left>> {
        Box::pin(self.leave_all(member.clone(), rooms))
    }

    fn told(&self, member: &Member, rooms: Vec<Topic>) -> Pending<'_, ()> {
        Box::pin(self.told_all(member.clone(), rooms))
    }
}

/// A number in a text; none in an empty one.
fn number(answer: Value) -> Result<Option<u64>, DuesError> {
    let text: String = from_value(answer)?;
    Ok(text.parse().ok())
}
