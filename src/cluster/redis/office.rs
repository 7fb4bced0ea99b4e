//! Customer service in Redis: each call is one script, and all keys are on one server.

mod answer;
mod scripts;

use bytes::Bytes;
use redis::Value;

use self::answer::{decided, done, entries, look, view};
use super::{
    errors::from_value,
    keys::Keys,
    script::{Call, Script},
    servers::Servers,
};
use crate::{
    cluster::streams::StreamsError,
    id::{SessionId, UserId},
    office::{
        Ahead, Customer, Decided, Done, End, EntryId, Look, Office, OfficeError, Party, Pending,
        Rules, Strategy, Turn, View, entry::Entry, order::hash,
    },
};

/// The office of a cluster.
#[derive(Clone)]
pub struct RedisOffice {
    servers: Servers,
    /// What all keys begin with.
    prefix: String,
    ahead: Ahead,
}

/// What a script is given beside what all are.
type Arguments = Vec<Bytes>;

// === impl RedisOffice ===

impl RedisOffice {
    pub(super) fn new(servers: Servers, keys: &Keys, ahead: Ahead) -> Self {
        Self {
            servers,
            prefix: keys.service(),
            ahead,
        }
    }

    async fn run(
        &self,
        script: &Script,
        strategy: Option<Strategy>,
        arguments: Arguments,
    ) -> Result<Value, StreamsError> {
        let mut call = Call::default();
        call.key(self.prefix.clone());
        call.arg(self.ahead.ms().to_string());
        call.arg(strategy.map_or("", Strategy::label));
        call.arguments.extend(arguments);
        let (answer, _) = script.run(&self.servers, call).await?;
        Ok(answer)
    }

    /// Runs a script that decides something.
    async fn decide(
        &self,
        script: &Script,
        strategy: Option<Strategy>,
        arguments: Arguments,
    ) -> Result<Decided, OfficeError> {
        let answer = self.run(script, strategy, arguments).await?;
        Ok(decided(answer)?)
    }

    async fn view_of(&self, arguments: Arguments) -> Result<View, OfficeError> {
        let answer = self.run(&scripts::VIEW, None, arguments).await?;
        Ok(view(answer)?)
    }
}

impl Office for RedisOffice {
    fn sit(&self, agent: Party, session: SessionId, rules: Rules) -> Pending<'_, Decided> {
        let arguments = vec![
            user(&agent.id),
            text(&agent.name),
            text(&session.to_string()),
        ];
        Box::pin(self.decide(&scripts::SIT, Some(rules.strategy), arguments))
    }

    fn rise(&self, session: SessionId, end: End) -> Pending<'_, Done> {
        let died = match end {
            End::Died => "1",
            End::Left => "0",
        };
        let arguments = vec![text(&session.to_string()), text(died)];
        Box::pin(async move {
            let answer = self.run(&scripts::RISE, None, arguments).await?;
            Ok(done(answer)?)
        })
    }

    fn ask(&self, customer: Party, data: Bytes, rules: Rules) -> Pending<'_, Decided> {
        let Party { id, name } = customer;
        let arguments = vec![user(&id), text(&name), number(hash(&id)), data];
        Box::pin(self.decide(&scripts::ASK, Some(rules.strategy), arguments))
    }

    fn transfer(&self, by: Option<UserId>, customer: UserId, to: UserId) -> Pending<'_, Decided> {
        let by = by.as_ref().map_or(Bytes::new(), user);
        let arguments = vec![by, user(&customer), user(&to)];
        Box::pin(self.decide(&scripts::TRANSFER, None, arguments))
    }

    fn release(&self, by: Option<UserId>, customer: UserId) -> Pending<'_, Decided> {
        let by = by.as_ref().map_or(Bytes::new(), user);
        Box::pin(self.decide(&scripts::RELEASE, None, vec![by, user(&customer)]))
    }

    fn look(&self, rules: Rules) -> Pending<'_, Look> {
        let millis = |duration: std::time::Duration| text(&duration.as_millis().to_string());
        let arguments = vec![millis(rules.reassign_after), millis(rules.idle)];
        Box::pin(async move {
            let running = self.run(&scripts::LOOK, Some(rules.strategy), arguments);
            Ok(look(running.await?)?)
        })
    }

    fn next(&self, turn: Turn, told: Vec<EntryId>) -> Pending<'_, Option<Vec<(EntryId, Entry)>>> {
        let Turn { lane, number: turn } = turn;
        let mut arguments = vec![lane.as_ref().map_or(Bytes::new(), user), number(turn)];
        arguments.extend(told.iter().map(|EntryId(id)| text(id)));
        Box::pin(async move {
            let answer = self.run(&scripts::NEXT, None, arguments).await?;
            Ok(match from_value::<Option<Value>>(answer)? {
                Some(answer) => Some(entries(lane.as_ref(), answer)?),
                None => None,
            })
        })
    }

    fn view(&self, after: u64, max: usize) -> Pending<'_, View> {
        Box::pin(self.view_of(vec![number(after), number(max as u64)]))
    }

    fn find(&self, customer: UserId) -> Pending<'_, Option<Customer>> {
        let arguments = vec![number(0), number(1), user(&customer)];
        Box::pin(async move { Ok(self.view_of(arguments).await?.customers.pop()) })
    }
}

impl std::fmt::Debug for RedisOffice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedisOffice").finish_non_exhaustive()
    }
}

impl From<StreamsError> for OfficeError {
    fn from(error: StreamsError) -> Self {
        Self(error.to_string().into())
    }
}

fn user(id: &UserId) -> Bytes {
    text(id.as_str())
}

fn number(number: u64) -> Bytes {
    number.to_string().into()
}

fn text(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}
