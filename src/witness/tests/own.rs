//! What the gateway itself owes at the ends of sessions.

use super::*;
use crate::{
    dues::{Done, DuesError, Pending},
    farewell::Farewells,
};

/// Fails at first, as one does whose Redis is away.
#[derive(Debug, Default)]
struct Last {
    done: Mutex<Vec<String>>,
    has_failed: AtomicBool,
}

impl Last {
    fn of(scene: &Scene) -> Arc<Self> {
        let last = Arc::new(Self::default());
        scene.witness.set_farewells(Arc::clone(&last) as Arc<_>);
        last
    }

    fn note(&self, text: String) -> Result<Done, DuesError> {
        if !self.has_failed.swap(true, Relaxed) {
            return Err(DuesError::Unavailable("not yet".into()));
        }
        self.done.lock().push(text);
        Ok(Done::Now)
    }
}

impl Farewells for Last {
    fn say<'a>(
        &'a self,
        id: &'a str,
        to: &'a Topic,
        event: &'a str,
        data: &'a Bytes,
    ) -> Pending<'a, Done> {
        let data = String::from_utf8_lossy(data);
        let text = format!("{id} {} {event} {data}", to.as_str());
        Box::pin(async move { self.note(text) })
    }

    fn rise<'a>(&'a self, session: &'a SessionId) -> Pending<'a, Done> {
        Box::pin(async move { self.note(format!("rise {session}")) })
    }
}

fn leave() -> Duty {
    Duty {
        id: "tidegate:leave".into(),
        deed: Deed::Publish {
            to: Topic::room("walls").unwrap(),
            event: "userOut".into(),
            data: Bytes::from_static(b"7"),
        },
    }
}

fn seat() -> Duty {
    Duty {
        id: "tidegate:seat".into(),
        deed: Deed::Rise,
    }
}

async fn add(scene: &Scene, id: &SessionId, duty: Duty) -> Changed {
    let name = duty.id.clone();
    let changed = scene.witness.change(id, Change::Add(duty)).await;
    scene.witness.while_there(id, &name, || Ok::<_, ()>(()));
    changed
}

#[tokio::test]
async fn what_the_gateway_owes_is_done_at_the_end_and_no_business_of_applications() {
    let scene = Scene::new(&[]).await;
    let last = Last::of(&scene);
    let anna = scene.connect();
    let id = scene.id(&anna);
    let telling = scene.witness.begin(&scene.tasks);
    let nothing = Changed::Kept(Vec::new());
    assert_eq!(add(&scene, &id, leave()).await, nothing);
    assert_eq!(add(&scene, &id, seat()).await, nothing);
    assert_eq!(scene.records().await[0].duties, [leave(), seat()]);
    assert_eq!(scene.witness.owed(&id), nothing);
    // Its own do not count among those that applications may attach.
    for number in 0..crate::duty::DUTIES_MAX {
        let kept = add(&scene, &id, del(&number.to_string())).await;
        assert!(matches!(kept, Changed::Kept(duties) if duties.len() == number + 1));
    }
    assert_eq!(add(&scene, &id, del("more")).await, Changed::TooMany);
    let removed = scene.witness.change(&id, Change::Remove(None)).await;
    assert_eq!(removed, nothing);
    scene.end(&anna);
    let soon = tokio::time::Instant::now() + Duration::from_secs(10);
    telling.end(soon).await;
    let expect = [
        format!("{id}:tidegate:leave room:walls userOut 7"),
        format!("rise {id}"),
    ];
    assert_eq!(*last.done.lock(), expect);
    assert!(scene.records().await.is_empty() && scene.keys.done.lock().is_empty());
}

#[tokio::test]
async fn what_is_taken_back_is_not_done() {
    let scene = Scene::new(&[]).await;
    let last = Last::of(&scene);
    let anna = scene.connect();
    let id = scene.id(&anna);
    let telling = scene.witness.begin(&scene.tasks);
    add(&scene, &id, leave()).await;
    let name = Some("tidegate:leave".into());
    scene.witness.change(&id, Change::Remove(name)).await;
    scene.end(&anna);
    let soon = tokio::time::Instant::now() + Duration::from_secs(10);
    telling.end(soon).await;
    assert!(last.done.lock().is_empty() && scene.records().await.is_empty());
}

#[tokio::test]
async fn the_next_life_does_what_the_one_before_has_owed() {
    let database = Database::of_test();
    let before = Scene::of_life(1, &database, &[]).await;
    let anna = before.connect();
    let id = before.id(&anna);
    let telling = before.witness.begin(&before.tasks);
    add(&before, &id, leave()).await;
    before.witness.give_up.cancel();
    telling.end(tokio::time::Instant::now()).await;
    let after = Scene::of_life(2, &database, &[]).await;
    let last = Last::of(&after);
    after.witness.settle_lives_before(Duration::ZERO).await;
    let expect = [format!("{id}:tidegate:leave room:walls userOut 7")];
    assert_eq!(*last.done.lock(), expect);
    assert!(after.records().await.is_empty());
}

#[tokio::test]
async fn what_puts_an_end_to_nothing_is_not_said() {
    let scene = Scene::new(&[]).await;
    let last = Last::of(&scene);
    let anna = scene.connect();
    let id = scene.id(&anna);
    let telling = scene.witness.begin(&scene.tasks);
    scene.witness.change(&id, Change::Add(leave())).await;
    let owed = || scene.witness.owes(&id, "tidegate:");
    assert_eq!(owed(), Some(("tidegate:leave".into(), false)));
    let failed = scene
        .witness
        .while_there(&id, "tidegate:leave", || Err::<(), _>(1));
    assert_eq!((failed, owed().unwrap().1), (Some(Err(1)), false));
    // The same again is as it was.
    scene.witness.change(&id, Change::Add(leave())).await;
    assert!(!owed().unwrap().1);
    scene.end(&anna);
    assert_eq!(
        scene
            .witness
            .while_there(&id, "tidegate:leave", || Ok::<_, ()>(1)),
        None
    );
    let soon = tokio::time::Instant::now() + Duration::from_secs(10);
    telling.end(soon).await;
    assert!(last.done.lock().is_empty() && scene.records().await.is_empty());
}
