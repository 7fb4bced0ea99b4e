//! The ledger in servers of each kind, for the user whose rights are in the documentation.

use bytes::Bytes;
use futures_util::future::join_all;
use tidegate::{
    cluster::redis::Redis,
    ledger::{Begun, Ledger, Name, Progress},
};

use crate::{
    place::Rig,
    rigs::{Alone, Cluster, PASSWORD, redis},
};

fn name(id: u8, content: u8) -> Name {
    Name {
        id: [id; 16],
        content: [content; 16],
    }
}

fn progress(is_done: bool, what: &'static [u8]) -> Progress {
    let what = Bytes::from_static(what);
    Progress { is_done, what }
}

async fn one_works_on_it_at_a_time(nodes: [Redis; 2]) {
    let nodes = nodes.map(|node| node.ledger());
    let many = (0..20).map(|index| nodes[index % 2].begin(name(1, 1)));
    let begun: Vec<_> = join_all(many)
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let here = usize::from(begun[0] != Begun::Here(None));
    for (index, begun) in begun.into_iter().enumerate() {
        let expect = match index % 2 == here {
            true => Begun::Here(None),
            false => Begun::Elsewhere,
        };
        assert_eq!(begun, expect, "{index}");
    }
    let (mine, other) = (&nodes[here], &nodes[1 - here]);
    for node in &nodes {
        assert_eq!(node.begin(name(1, 2)).await, Ok(Begun::Conflict));
    }
    // Whose it is not has nothing to say.
    other.end(name(1, 1), progress(true, b"no")).await.unwrap();
    assert_eq!(other.begin(name(1, 1)).await, Ok(Begun::Elsewhere));
    mine.end(name(1, 1), progress(false, b"\xff\0"))
        .await
        .unwrap();
    assert_eq!(other.begin(name(1, 2)).await, Ok(Begun::Conflict));
    let open = Begun::Here(Some(Bytes::from_static(b"\xff\0")));
    assert_eq!(other.begin(name(1, 1)).await, Ok(open));
    assert_eq!(mine.begin(name(1, 1)).await, Ok(Begun::Elsewhere));
    other.end(name(1, 1), progress(true, b"")).await.unwrap();
    for node in &nodes {
        assert_eq!(node.begin(name(1, 1)).await, Ok(Begun::Done(Bytes::new())));
        assert_eq!(node.begin(name(1, 2)).await, Ok(Begun::Conflict));
        node.end(name(1, 1), progress(false, b"no")).await.unwrap();
    }
    assert_eq!(mine.begin(name(1, 1)).await, Ok(Begun::Done(Bytes::new())));
    // Nobody worked on it any more when the word came.
    mine.end(name(2, 1), progress(true, b"late")).await.unwrap();
    let late = Begun::Done(Bytes::from_static(b"late"));
    assert_eq!(other.begin(name(2, 1)).await, Ok(late));
}

#[tokio::test]
async fn one_works_on_an_id_at_a_time_by_redis_alone() {
    let rig = Alone::start();
    rig.0.allow_documented(PASSWORD, "");
    let url = format!("redis://tidegate:{PASSWORD}@{}", rig.0.host());
    one_works_on_it_at_a_time([(); 2].map(|()| redis(&url, "tg:"))).await;
}

#[tokio::test]
async fn one_works_on_an_id_at_a_time_by_redis_as_a_cluster() {
    let rig = Cluster::start();
    one_works_on_it_at_a_time([(); 2].map(|()| rig.streams("tg:"))).await;
}
