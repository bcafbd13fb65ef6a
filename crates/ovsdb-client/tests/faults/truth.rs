//! What must hold of a world when its faults are over.

use std::sync::Arc;

use ovsdb_client::Builder;
use ovsdb_client::replica::{Verdict, Version};
use ovsdb_client::txn::Txn;
use ovsdb_proto::build::{Transaction, insert};
use ovsdb_proto::uuid::Uuid;
use tokio::time::Instant;

use super::actor::{Actor, Counters, SHARED, counter};
use super::schemas::DATABASE;

/// Clients of a world.
pub(crate) const CLIENTS: usize = 8;

/// Makes the rows that there are from the beginning, without faults.
pub(crate) async fn furnish(direct: Builder, deadline: Instant) {
    let deadline = Some(deadline);
    let client = direct.connect(deadline).await.expect("the servers run");
    let mut transaction = Transaction::new(DATABASE);
    let names = (0..CLIENTS).map(counter).chain([SHARED.to_owned()]);
    for name in names {
        transaction.push(insert("Counter").set("name", name));
    }
    let furnished = client.execute(&transaction, deadline).await;
    furnished.expect("the servers run");
}

/// Holds what there is against what clients were told, and their replicas against the servers.
pub(crate) async fn check(direct: Builder, actors: &[Actor], deadline: Instant) {
    let client = direct.connect(Some(deadline)).await;
    let client = client.expect("the servers run");
    let replica = client.replica(DATABASE, ovsdb_proto::schema::Selection::all());
    let version = match replica.check(Some(deadline)).await {
        Ok(Verdict::Equal(version)) => version,
        other => panic!("a replica that has seen no fault: {other:?}"),
    };
    for (nth, actor) in actors.iter().enumerate() {
        match actor.replica.check(Some(deadline)).await {
            Ok(Verdict::Equal(_)) => {}
            other => panic!("client {nth}: {other:?}; {}", actor.standing()),
        }
        let same = actor.replica.wait_for(Some(deadline), |other| {
            (other.digest() == version.digest()).then_some(())
        });
        if let Err(error) = same.await {
            panic!(
                "client {nth} has another database: {error}; {}",
                actor.standing()
            );
        }
    }
    let counters = Counters::of(&version);
    counters.check();
    let items = items(&version);
    for (nth, actor) in actors.iter().enumerate() {
        let (marked, plain) = counters.0[&counter(nth)];
        let ledger = &actor.ledger;
        assert!(
            ledger.marked.allows(marked),
            "client {nth}: {marked}, {:?}",
            ledger.marked
        );
        assert!(
            ledger.plain.allows(plain),
            "client {nth}: {plain}, {:?}",
            ledger.plain
        );
        for (name, told) in &ledger.items {
            let times = items.iter().filter(|item| *item == name).count();
            assert!(
                told.allows(times),
                "{name} is there {times} times, and was told: {told:?}"
            );
        }
    }
    let known = actors.iter().map(|actor| actor.ledger.items.len());
    assert!(known.sum::<usize>() > 0, "nobody did anything");
}

fn items(version: &Arc<Version>) -> Vec<String> {
    let txn = Txn::on(Arc::clone(version), Uuid::ZERO);
    let rows = txn.rows("Item").expect("both schemas have the table");
    let name = |row| txn.get::<String>(&row, "name").expect("a text");
    rows.into_iter().map(name).collect()
}
