//! The ledger in Redis: a string for each id, which expires.
//!
//! It begins with the digits of the content's digest and a letter: `p` for pending, with the node that
//! works on it behind; `o` for open and `d` for done, with what was done.

use std::{sync::LazyLock, time::Duration};

use bytes::Bytes;
use redis::Value;

use super::{
    errors::from_value,
    keys::Keys,
    script::{Call, Script},
    servers::Servers,
};
use crate::{
    cluster::streams::{StreamsError, new_generation},
    digest,
    ledger::{Begun, KEPT, Ledger, LedgerError, Name, PENDING, Pending, Progress},
};

/// Letters of the states.
const DONE: u8 = b'd';
const OPEN: u8 = b'o';
const PENDS: u8 = b'p';

/// Makes the id that of a node, unless it is done, or another's, or of other content. Gives what stood
/// there. The arguments: the digits of the content, what stands there when it is the node's, and how
/// long.
static BEGIN: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local is = redis.call('GET', KEYS[1]) or ''
local state = string.sub(is, #ARGV[1] + 1, #ARGV[1] + 1)
local may = state == 'o' and string.sub(is, 1, #ARGV[1]) == ARGV[1]
if is == '' or is == ARGV[2] or may then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return is",
    )
});

/// Puts something in the place of what stands there when the id is the node's, or of nothing.
static END: LazyLock<Script> = LazyLock::new(|| {
    Script::new(
        "local is = redis.call('GET', KEYS[1]) or ''
if is == '' or is == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1",
    )
});

/// The ledger of a cluster.
#[derive(Debug)]
pub struct RedisLedger {
    servers: Servers,
    keys: Keys,
    /// Names this life of the node among all.
    me: String,
}

// === impl RedisLedger ===

impl RedisLedger {
    pub(super) fn new(servers: Servers, keys: Keys) -> Self {
        let me = new_generation();
        Self { servers, keys, me }
    }

    async fn begin_with(&self, name: Name) -> Result<Begun, StreamsError> {
        let content = digest::hex(&name.content);
        let mine = self.mine(&name);
        let mut call = self.call(&name);
        call.arg(content.clone());
        call.arg(mine.clone());
        call.arg(millis(PENDING));
        let (is, _) = BEGIN.run(&self.servers, call).await?;
        let is: Vec<u8> = from_value(is)?;
        if is.is_empty() || is == mine.as_bytes() {
            return Ok(Begun::Here(None));
        }
        let Some((state, what)) = is
            .strip_prefix(content.as_bytes())
            .and_then(<[u8]>::split_first)
        else {
            return Ok(Begun::Conflict);
        };
        let what = Bytes::copy_from_slice(what);
        Ok(match *state {
            DONE => Begun::Done(what),
            OPEN => Begun::Here(Some(what)),
            _ => Begun::Elsewhere,
        })
    }

    async fn end_with(&self, name: Name, progress: Progress) -> Result<(), StreamsError> {
        let mut call = self.call(&name);
        call.arg(self.mine(&name));
        let state = if progress.is_done { DONE } else { OPEN };
        call.arg(
            [
                digest::hex(&name.content).as_bytes(),
                &[state],
                &progress.what,
            ]
            .concat(),
        );
        call.arg(millis(KEPT));
        let (answer, _): (Value, _) = END.run(&self.servers, call).await?;
        from_value::<u64>(answer).map(drop)
    }

    fn call(&self, name: &Name) -> Call {
        let mut call = Call::default();
        call.key(self.keys.once(&name.id));
        call
    }

    /// What stands there while this node works on it.
    fn mine(&self, name: &Name) -> String {
        format!("{}{}{}", digest::hex(&name.content), PENDS as char, self.me)
    }
}

impl Ledger for RedisLedger {
    fn begin(&self, name: Name) -> Pending<'_, Begun> {
        Box::pin(async move { self.begin_with(name).await.map_err(ledger_error) })
    }

    fn end(&self, name: Name, progress: Progress) -> Pending<'_, ()> {
        Box::pin(async move { self.end_with(name, progress).await.map_err(ledger_error) })
    }
}

fn millis(time: Duration) -> String {
    time.as_millis().to_string()
}

fn ledger_error(error: StreamsError) -> LedgerError {
    LedgerError(error.to_string().into())
}
