//! What the scripts answer.

use bytes::Bytes;
use redis::{FromRedisValue, Value};

use super::super::errors::{from_value, unexpected};
use crate::{
    cluster::streams::StreamsError,
    id::UserId,
    office::{
        Agent, Customer, Decided, Done, EntryId, Figures, Lane, Look, Party, Refusal, Turn, View,
        entry::{Change, Entry},
    },
};

type Parsed<T> = Result<T, StreamsError>;

/// The fields of an entry of a stream.
struct Fields(Vec<Vec<u8>>);

/// Id, name, whether it is there, since when, how many customers.
type AgentRow = (String, String, u64, u64, u64);
/// Id, name, number, agent, its name, place, last word.
type CustomerRow = (String, String, u64, String, String, u64, u64);

/// What came of a call that can be refused.
pub(super) fn decided(answer: Value) -> Parsed<Decided> {
    let parts: Vec<Value> = from_value(answer)?;
    let word: String = part(&parts, 0)?;
    if word == "done" {
        return done_of(&parts).map(Ok);
    }
    let mut refusals = Refusal::ALL.into_iter();
    let refusal = refusals.find(|refusal| refusal.label() == word);
    refusal.map(Err).ok_or_else(unexpected)
}

/// What came of a call that cannot.
pub(super) fn done(answer: Value) -> Parsed<Done> {
    decided(answer)?.map_err(|_| unexpected())
}

/// What came of a look.
pub(super) fn look(answer: Value) -> Parsed<Look> {
    let parts: Vec<Value> = from_value(answer)?;
    Ok(Look {
        done: done(parts.first().cloned().ok_or_else(unexpected)?)?,
        has_more: part::<u64>(&parts, 1)? == 1,
        figures: figures(&parts, 2)?,
    })
}

/// Entries of a lane.
pub(super) fn entries(lane: Option<&UserId>, answer: Value) -> Parsed<Vec<(EntryId, Entry)>> {
    let rows: Vec<(String, Vec<Vec<u8>>)> = from_value(answer)?;
    let entries = rows.into_iter().map(|(id, fields)| {
        let entry = Fields(fields).entry(lane)?;
        Ok((EntryId(id.into()), entry))
    });
    entries.collect()
}

/// Who serves whom.
pub(super) fn view(answer: Value) -> Parsed<View> {
    let parts: Vec<Value> = from_value(answer)?;
    let agents = part::<Vec<AgentRow>>(&parts, 0)?.into_iter().map(|row| {
        let (id, name, online, since_ms, customers) = row;
        Ok(Agent {
            party: party(&id, &name)?,
            is_online: online == 1,
            since_ms,
            customers,
        })
    });
    let customers = part::<Vec<CustomerRow>>(&parts, 1)?.into_iter();
    let customers = customers.map(|row| {
        let (id, name, number, agent, agent_name, place, last_ms) = row;
        let agent = (!agent.is_empty()).then(|| party(&agent, &agent_name));
        Ok(Customer {
            party: party(&id, &name)?,
            number,
            agent: agent.transpose()?,
            position: (place != 0).then_some(place),
            last_ms,
        })
    });
    let mut view = View {
        agents: agents.collect::<Parsed<_>>()?,
        customers: customers.collect::<Parsed<_>>()?,
        figures: figures(&parts, 2)?,
    };
    // Those who are there come before those who are away.
    view.agents
        .sort_by_cached_key(|agent| crate::office::order::AgentKey::new(&agent.party.id));
    Ok(view)
}

fn done_of(parts: &[Value]) -> Parsed<Done> {
    let turns = part::<Vec<(String, u64)>>(parts, 1)?.into_iter();
    let turns = turns.map(|(lane, number)| {
        let lane = lane_of(&lane)?;
        Ok(Turn { lane, number })
    });
    let assigned: Vec<u64> = part(parts, 2)?;
    Ok(Done {
        turns: turns.collect::<Parsed<_>>()?,
        assigned: assigned.try_into().map_err(|_| unexpected())?,
        dropped: part(parts, 3)?,
    })
}

fn figures(parts: &[Value], at: usize) -> Parsed<Figures> {
    let (assigned, waiting, agents, lanes) = part(parts, at)?;
    Ok(Figures {
        assigned,
        waiting,
        agents,
        lanes,
    })
}

// === impl Fields ===

impl Fields {
    fn find(&self, name: &str) -> Parsed<&[u8]> {
        let mut pairs = self.0.chunks_exact(2);
        let found = pairs.find(|pair| pair[0] == name.as_bytes());
        found.map(|pair| &*pair[1]).ok_or_else(unexpected)
    }

    fn text(&self, name: &str) -> Parsed<&str> {
        std::str::from_utf8(self.find(name)?).map_err(|_| unexpected())
    }

    fn party(&self, id: &str, name: &str) -> Parsed<Option<Party>> {
        let (id, name) = (self.text(id)?, self.text(name)?);
        (!id.is_empty()).then(|| party(id, name)).transpose()
    }

    fn entry(&self, lane: Option<&UserId>) -> Parsed<Entry> {
        match self.text("k")? {
            "a" => Ok(Entry::Agent {
                agent: self.party("i", "n")?.ok_or_else(unexpected)?,
                is_online: self.text("o")? == "1",
            }),
            "c" => Ok(Entry::Change(Change {
                customer: Party {
                    id: lane.ok_or_else(unexpected)?.clone(),
                    name: self.text("n")?.into(),
                },
                agent: self.party("a", "an")?,
                former: lane_of(self.text("f")?)?,
                position: self.text("p")?.parse().ok(),
            })),
            "m" => Ok(Entry::Message {
                to: user(self.text("a")?)?,
                data: Bytes::copy_from_slice(self.find("d")?),
                waits: self.find("w").is_ok(),
            }),
            _ => Err(unexpected()),
        }
    }
}

fn part<T: FromRedisValue>(parts: &[Value], at: usize) -> Parsed<T> {
    from_value(parts.get(at).cloned().ok_or_else(unexpected)?)
}

/// A user, or nobody.
fn lane_of(id: &str) -> Parsed<Lane> {
    (!id.is_empty()).then(|| user(id)).transpose()
}

fn party(id: &str, name: &str) -> Parsed<Party> {
    Ok(Party {
        id: user(id)?,
        name: name.into(),
    })
}

fn user(id: &str) -> Parsed<UserId> {
    id.parse().map_err(|_| unexpected())
}
