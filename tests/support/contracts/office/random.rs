//! The contract as a property: whatever happens in whichever order, nobody is forgotten, nobody has two
//! agents, and everything is told.

use std::{collections::BTreeMap, env, time::Duration};

use proptest::{
    prelude::*,
    sample::select,
    test_runner::{Config, TestCaseError, TestRunner},
};
use tidegate::{
    id::UserId,
    office::{End, LEASE, Refusal, Strategy as Choice, entry::Entry, order::AgentKey},
};
use tokio::runtime::Handle;

use super::{
    model::{May, Model, given},
    scene::{AWAY, Make, Scene, user},
};

/// Agents, in no order.
const AGENTS: [&str; 4] = ["10", "9", "b", "a"];
/// Some of which are numbers, and one an agent.
const CUSTOMERS: [&str; 6] = ["1", "2", "6", "zo\u{eb}", "x", "a"];
/// Sessions are numbers of it.
const NODE: &str = "n.1.";
/// How many runs: with `TG_TEST_LONG=1` in the environment more.
fn cases() -> u32 {
    match env::var("TG_TEST_LONG").as_deref() {
        Ok("1") => 1000,
        _ => 16,
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Step {
    Sit(&'static str, u8),
    Rise(u8, bool),
    Ask(&'static str),
    Transfer(Option<&'static str>, &'static str, &'static str),
    Release(Option<&'static str>, &'static str),
    Pass(u64),
    /// Whoever has turns from now on tells, does not tell, or dies in the middle of it.
    Tell(bool, bool),
}

fn step() -> impl Strategy<Value = Step> {
    let agent = || select(&AGENTS[..]);
    let customer = || select(&CUSTOMERS[..]);
    let by = || prop::option::of(agent());
    prop_oneof![
        4 => (agent(), 0..12_u8).prop_map(|(agent, seat)| Step::Sit(agent, seat)),
        3 => (0..12_u8, any::<bool>()).prop_map(|(seat, died)| Step::Rise(seat, died)),
        8 => customer().prop_map(Step::Ask),
        2 => (by(), customer(), agent()).prop_map(|(by, one, to)| Step::Transfer(by, one, to)),
        1 => (by(), customer()).prop_map(|(by, one)| Step::Release(by, one)),
        4 => (0..12_u64).prop_map(Step::Pass),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(tells, dies)| Step::Tell(tells, dies)),
    ]
}

/// What one run has seen.
struct Run {
    scene: Scene,
    model: Model,
    /// What was accepted of each customer since it came, as numbers.
    asked: BTreeMap<UserId, Vec<u64>>,
    count: u64,
}

pub(crate) async fn whatever_happens_in_whichever_order(make: impl Fn() -> Make + Send + 'static) {
    let handle = Handle::current();
    let running = tokio::task::spawn_blocking(move || {
        let mut runner = TestRunner::new(Config {
            cases: cases(),
            max_shrink_iters: 200,
            failure_persistence: None,
            ..Config::default()
        });
        let choice = select(vec![Choice::Hash, Choice::LeastLoaded, Choice::RoundRobin]);
        let steps = prop::collection::vec(step(), 1..60);
        let ran = runner.run(&(choice, steps), |(choice, steps)| {
            let scene = Scene::new(make(), choice);
            let task = handle.spawn(run(scene, choice, steps));
            let ended = handle.block_on(task);
            ended.map_err(|error| TestCaseError::fail(error.to_string()))
        });
        ran.unwrap();
    });
    running.await.unwrap();
}

async fn run(scene: Scene, choice: Choice, steps: Vec<Step>) {
    let mut run = Run {
        scene,
        model: Model::default(),
        asked: BTreeMap::new(),
        count: 0,
    };
    for step in steps {
        let may = run.take(step).await;
        let view = run.scene.view().await;
        run.model.check(&view, choice, may);
    }
    run.end(choice).await;
}

// === impl Run ===

impl Run {
    async fn take(&mut self, step: Step) -> May {
        match step {
            Step::Sit(agent, seat) => {
                // A session is one user's.
                let session = format!(
                    "{NODE}{}{seat:x}",
                    AGENTS.iter().position(|a| *a == agent).unwrap() + 1
                );
                let sat = self.scene.try_sit(agent, &session).await;
                assert_eq!(sat.is_ok(), self.model.can_sit(&session));
                if sat.is_ok() {
                    self.model.sit(&key(agent), &session);
                }
            }
            Step::Rise(seat, died) => {
                let end = if died { End::Died } else { End::Left };
                let session = format!("{NODE}{}{:x}", seat % 4 + 1, seat / 4);
                self.scene.rise(&session, end).await;
                self.model.rise(&session, end);
            }
            Step::Ask(customer) => self.ask(customer).await,
            Step::Transfer(by, customer, to) => return self.transfer(by, customer, to).await,
            Step::Release(by, customer) => self.release(by, customer).await,
            Step::Pass(seconds) => {
                let time = Duration::from_secs(seconds);
                self.model.pass(time);
                self.scene.pass(time).await;
                return May::GiveUp;
            }
            Step::Tell(tells, dies) => {
                self.scene.tells = tells;
                self.scene.dies_while_telling = dies;
            }
        }
        May::Nothing
    }

    async fn ask(&mut self, customer: &str) {
        self.count += 1;
        let data = format!("\"{customer}/{}\"", self.count);
        let id = user(customer);
        match self.scene.ask(customer, &data).await {
            Ok(()) => {
                self.model.come(&id);
                self.asked.entry(id).or_default().push(self.count);
            }
            Err(refusal) => assert_eq!(refusal, Refusal::TooMany),
        }
    }

    async fn transfer(&mut self, by: Option<&str>, customer: &str, to: &str) -> May {
        let transferred = self.scene.transfer(by, customer, to).await;
        let (customer, to) = (user(customer), key(to));
        let expected = match self.owner(by, &customer) {
            Ok(()) if !self.model.online().contains(&to) => Err(Refusal::NoAgent),
            checked => checked,
        };
        assert_eq!(transferred, expected);
        match expected {
            Ok(()) => May::Give(customer, to),
            Err(_) => May::Nothing,
        }
    }

    async fn release(&mut self, by: Option<&str>, customer: &str) {
        let released = match by {
            Some(by) => self.scene.release_by(by, customer).await,
            None => self.scene.release(customer).await,
        };
        let customer = user(customer);
        let expected = self.owner(by, &customer);
        assert_eq!(released, expected);
        if expected.is_ok() {
            self.model.leave(&customer);
            // What was not passed on may be dropped with it.
            self.asked.remove(&customer);
        }
    }

    fn owner(&self, by: Option<&str>, customer: &UserId) -> Result<(), Refusal> {
        match (self.model.agent_of(customer), by.map(key)) {
            (None, _) => Err(Refusal::NoCustomer),
            (Some(agent), Some(by)) if *agent != Some(by.clone()) => Err(Refusal::NotYours),
            _ => Ok(()),
        }
    }

    /// Somebody is there, and everything is told: nothing is missing, and all in order.
    async fn end(mut self, choice: Choice) {
        self.scene.tells = true;
        self.scene.dies_while_telling = false;
        self.scene.sit("10", "m.1.1").await;
        self.model.sit(&key("10"), "m.1.1");
        for _ in 0..3 {
            self.model.pass(AWAY.max(LEASE));
            self.scene.pass(AWAY.max(LEASE)).await;
        }
        let view = self.scene.view().await;
        self.model.check(&view, choice, May::GiveUp);
        let given = given(&self.scene.told);
        for (customer, asked) in &self.asked {
            let mut first = given.get(customer.as_str()).cloned().unwrap_or_default();
            first.retain(|number| asked.contains(number));
            assert_eq!(first, *asked, "what {} has said", customer.as_str());
        }
        for customer in view.customers {
            let last = self.scene.told.iter().rev().find_map(|entry| match entry {
                Entry::Change(change) if change.customer.id == customer.party.id => Some(change),
                _ => None,
            });
            let told = last.map(|change| (change.agent.clone(), change.position));
            assert_eq!(
                told,
                Some((customer.agent, customer.position)),
                "as it was told"
            );
        }
    }
}

fn key(agent: &str) -> AgentKey {
    AgentKey::new(&user(agent))
}
