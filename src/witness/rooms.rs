//! Rooms: which of them this node has told others that it is in, and under which name.

use std::{
    collections::{BTreeSet, HashMap},
    mem,
    time::Duration,
};

use super::Witness;
use crate::{
    happening::{Happening, What},
    id::Member,
    occupancy::Left,
    router::announcer::Announcer,
    topic::Topic,
};

/// Most rooms of one call.
const ROOMS_PER_CALL: usize = 256;

/// The rooms of this node.
#[derive(Debug)]
pub(super) struct Rooms {
    /// In which rooms it is to be: where it has subscribers, or has had some a while ago.
    pub(super) announcer: Announcer,
    /// In which it is, and which of its lives has entered them.
    entered: HashMap<Topic, Member>,
    /// To be entered or left, whichever it is.
    todo: BTreeSet<Topic>,
    /// To be entered again, since the data were lost.
    again: BTreeSet<Topic>,
    was_wanted: bool,
}

/// What is to be done with some rooms, for one life of the node.
enum Step {
    Enter(Member, Vec<Topic>, bool),
    Leave(Member, Vec<Topic>),
}

// === impl Rooms ===

impl Rooms {
    pub(super) fn new(linger: Duration) -> Self {
        Self {
            announcer: Announcer::new(linger),
            entered: HashMap::new(),
            todo: BTreeSet::new(),
            again: BTreeSet::new(),
            was_wanted: false,
        }
    }

    /// What is kept of this member is gone, or it is another one than before.
    pub(super) fn doubt(&mut self, me: &Member) {
        for (room, member) in &self.entered {
            match member == me {
                true => self.again.insert(room.clone()),
                false => self.todo.insert(room.clone()),
            };
        }
    }

    /// What is to be done next; the rooms that want the same go together.
    fn next_step(&mut self, me: &Member) -> Option<Step> {
        if !self.again.is_empty() {
            let mut rooms = take(&mut self.again);
            rooms.retain(|room| self.entered.get(room) == Some(me));
            return Some(Step::Enter(me.clone(), rooms, true));
        }
        let mut step = None;
        let mut others = BTreeSet::new();
        for room in mem::take(&mut self.todo) {
            let entered = self.entered.get(&room);
            let is_wanted = self.announcer.has(&room);
            match (&mut step, entered) {
                // It is as it has to be.
                (_, None) if !is_wanted => {}
                (_, Some(member)) if is_wanted && member == me => {}
                (None, None) => step = Some(Step::Enter(me.clone(), vec![room], false)),
                (None, Some(member)) => step = Some(Step::Leave(member.clone(), vec![room])),
                (Some(Step::Enter(_, rooms, _)), None) if rooms.len() < ROOMS_PER_CALL => {
                    rooms.push(room);
                }
                (Some(Step::Leave(same, rooms)), Some(member))
                    if member == same && rooms.len() < ROOMS_PER_CALL =>
                {
                    rooms.push(room);
                }
                (Some(_), _) => {
                    others.insert(room);
                }
            }
        }
        self.todo = others;
        step
    }
}

fn take(rooms: &mut BTreeSet<Topic>) -> Vec<Topic> {
    let mut taken = Vec::new();
    while taken.len() < ROOMS_PER_CALL
        && let Some(room) = rooms.pop_first()
    {
        taken.push(room);
    }
    taken
}

impl Witness {
    /// Looks at rooms whose subscribers may have come or gone.
    pub(super) fn look_at_rooms(&self) {
        let changed = mem::take(&mut self.book.lock().changed);
        let now = self.parts.clock.uptime();
        let router = &self.parts.router;
        let mut rooms = self.rooms.lock();
        let is_wanted = self.wants_rooms();
        if is_wanted && !mem::replace(&mut rooms.was_wanted, true) {
            // Nobody has looked at those that are there already.
            for room in router.rooms(None, usize::MAX) {
                rooms.announcer.look(&room, true, now);
                rooms.todo.insert(room);
            }
        }
        if !is_wanted && mem::replace(&mut rooms.was_wanted, false) {
            // Nobody would look at them when they empty.
            rooms.announcer.forget();
            let entered: Vec<_> = rooms.entered.keys().cloned().collect();
            rooms.todo.extend(entered);
        }
        for room in changed {
            if rooms
                .announcer
                .look(&room, router.has_subscribers(&room), now)
            {
                rooms.todo.insert(room);
            }
        }
        let left = rooms.announcer.take_left(now);
        rooms.todo.extend(left);
    }

    /// When there may be something to do although nobody says so.
    pub(super) fn next_leave(&self) -> Option<Duration> {
        self.rooms.lock().announcer.next_due()
    }

    /// Whether it is in no room, and has none to enter.
    pub(super) fn has_left_all(&self) -> bool {
        let rooms = self.rooms.lock();
        rooms.entered.is_empty() && rooms.todo.is_empty() && rooms.again.is_empty()
    }

    /// Enters or leaves some rooms, and has it told. Says whether it has.
    pub(super) async fn walk(&self) -> bool {
        let me = self.parts.router.member();
        let step = self.rooms.lock().next_step(&me);
        match step {
            Some(Step::Enter(member, rooms, is_quiet)) => {
                self.enter(member, rooms, is_quiet).await.is_some()
            }
            Some(Step::Leave(member, rooms)) => self.leave(member, rooms).await.is_some(),
            None => false,
        }
    }

    async fn enter(&self, member: Member, rooms: Vec<Topic>, is_quiet: bool) -> Option<()> {
        let occupancy = &self.parts.occupancy;
        let entering = || occupancy.enter(&member, rooms.clone(), is_quiet);
        let Ok(numbers) = self.until_done(entering).await? else {
            // It is another member by now, or will be told that it is one again.
            self.rooms.lock().todo.extend(rooms);
            return None;
        };
        {
            let mut state = self.rooms.lock();
            let entered = rooms.iter().map(|room| (room.clone(), member.clone()));
            state.entered.extend(entered);
            // Somebody may have left meanwhile.
            state.todo.extend(rooms.iter().cloned());
        }
        let lefts = numbers.into_iter().map(|occupied| Left {
            occupied,
            vacated: None,
        });
        self.tell_of_rooms(&member, &rooms, lefts).await
    }

    async fn leave(&self, member: Member, rooms: Vec<Topic>) -> Option<()> {
        let occupancy = &self.parts.occupancy;
        let leaving = || occupancy.leave(&member, rooms.clone());
        let lefts = self.until_done(leaving).await?;
        // What is lost was left for this member by somebody else.
        let lefts = lefts.unwrap_or_else(|_| vec![Left::default(); rooms.len()]);
        {
            let mut state = self.rooms.lock();
            for room in &rooms {
                state.entered.remove(room);
            }
            // Somebody may have come meanwhile.
            state.todo.extend(rooms.iter().cloned());
        }
        self.tell_of_rooms(&member, &rooms, lefts.into_iter()).await
    }

    async fn tell_of_rooms(
        &self,
        member: &Member,
        rooms: &[Topic],
        lefts: impl Iterator<Item = Left>,
    ) -> Option<()> {
        let news: Vec<Happening> = rooms
            .iter()
            .zip(lefts)
            .flat_map(|(room, left)| self.room_news(member, room, left))
            .collect();
        self.keep_all(news).await?;
        let occupancy = &self.parts.occupancy;
        let telling = self.until_done(|| occupancy.told(member, rooms.to_vec()));
        telling.await.map(drop)
    }

    /// What is to be told of a room that a member has entered or left.
    pub(super) fn room_news(
        &self,
        member: &Member,
        room: &Topic,
        left: Left,
    ) -> impl Iterator<Item = Happening> + use<> {
        let Left { occupied, vacated } = left;
        let (member, time_ms) = (member.clone(), self.parts.clock.now().unix_ms);
        let occupied = occupied.map(|number| {
            let what = What::RoomOccupied { room: room.clone() };
            ("occupied", number, what)
        });
        let vacated = vacated.map(|number| {
            let what = What::RoomVacated { room: room.clone() };
            ("vacated", number, what)
        });
        let name = room.id().to_owned();
        let news = occupied.into_iter().chain(vacated);
        news.map(move |(kind, number, what)| Happening {
            id: format!("{kind}:{number}:{name}").into(),
            time_ms,
            member: member.clone(),
            what,
        })
    }
}
