//! What the notes on migration show: what programs do with libovsdb and with Python's `ovs`, done with this library.

use ovsdb::build::{Transaction, column, select};
use ovsdb::replica::{ChangeKind, Index, Interest, Replica, Watcher};
use ovsdb::schema::Selection;
use ovsdb::txn::{CommitError, EditError, Policy, Refusal, UpdateError};
use ovsdb::{Client, Datum};
use ovsdb_testkit::programs::Side;

use super::{Northbound, Result, soon};

async fn connect(server: &str) -> Result<(Client, Replica)> {
    let client = Client::builder(server)
        .database("OVN_Northbound")
        .connect(soon())
        .await?;
    let selection = Selection::new().columns("Logical_Switch", ["name", "ports", "other_config"]);
    let replica = client.replica("OVN_Northbound", selection);
    replica.ready(soon()).await?;
    Ok((client, replica))
}

fn list(replica: &Replica) -> Result<Vec<String>> {
    let contents = replica.snapshot().ok_or("there is nothing yet")?;
    let switches = contents
        .table_named("Logical_Switch")
        .ok_or("no such table")?;
    let names = switches.iter().map(|switch| switch.get("name"));
    Ok(names.collect::<std::result::Result<_, _>>()?)
}

async fn create(replica: &Replica, name: &str) -> Result<()> {
    let change = replica.update(Policy::default(), |txn| {
        let switch = txn.insert("Logical_Switch")?;
        txn.set(&switch, "name", name)
    });
    change.await?;
    Ok(())
}

async fn configure(replica: &Replica, name: &str, key: &str, value: &str) -> Result<usize> {
    let change = replica.update(Policy::default(), |txn| {
        let switches = txn.find("Logical_Switch", "name", name)?;
        for switch in &switches {
            txn.set_key(switch, "other_config", key, value)?;
        }
        Ok::<_, EditError>(switches.len())
    });
    let (n, _) = change.await?;
    Ok(n)
}

async fn delete(replica: &Replica, name: &str) -> Result<()> {
    let change = replica.update(Policy::default(), |txn| {
        for switch in txn.find("Logical_Switch", "name", name)? {
            txn.delete(&switch)?;
        }
        Ok::<_, EditError>(())
    });
    change.await?;
    Ok(())
}

async fn find_by_key(replica: &Replica, key: &str, value: &str) -> Result<Vec<String>> {
    let index = Index::on("Logical_Switch").value_of("other_config", key);
    let index = replica.add_index(index).await?;
    let contents = replica.snapshot().ok_or("there is nothing yet")?;
    let key = [Datum::from_atoms([value.into()])];
    let rows = contents.find(&index, &key);
    let switches = contents
        .table_named("Logical_Switch")
        .ok_or("no such table")?;
    let names = rows
        .filter_map(|row| switches.row(row.uuid()))
        .map(|row| row.get("name"));
    Ok(names.collect::<std::result::Result<_, _>>()?)
}

async fn select_on_the_server(client: &Client, name: &str) -> Result<Vec<String>> {
    let query = select("Logical_Switch")
        .filter(column("name").eq(name))
        .columns(["name"]);
    let transaction = Transaction::new("OVN_Northbound").with(query);
    let reply = client.execute(&transaction, soon()).await?;
    let rows = reply.rows(0).unwrap_or_default();
    let names = rows.iter().map(|row| row.get("name"));
    Ok(names.collect::<std::result::Result<_, _>>()?)
}

async fn next_events(changes: &mut Watcher) -> Result<Vec<String>> {
    let news = changes.next().await?;
    let events = news.iter(changes.interest()).map(|change| {
        let value = change.new_value("name").or(change.old_value("name"));
        let name: String = value.ok_or("no such column")?.to()?;
        Ok(match change.kind() {
            ChangeKind::Insert => format!("created {name}"),
            ChangeKind::Modify => format!("updated {name}"),
            ChangeKind::Delete => format!("deleted {name}"),
        })
    });
    events.collect()
}

/// What `Transaction.commit_block()` of Python tells, and what happened to try again.
async fn commit_once(replica: &Replica, name: &str) -> Result<&'static str> {
    let mut txn = replica.begin().ok_or("there is nothing yet")?;
    for switch in txn.find("Logical_Switch", "name", name)? {
        txn.verify(&switch, "other_config")?;
        txn.set_key(&switch, "other_config", "seen", "yes")?;
    }
    Ok(match replica.commit(&txn, soon()).await {
        Ok(committed) if committed.unchanged => "unchanged",
        Ok(_) => "success",
        Err(CommitError::Refused(Refusal::Conflict(_))) => "try again",
        Err(CommitError::Refused(Refusal::NotLocked(_))) => "not locked",
        Err(CommitError::Refused(_)) => "error",
        Err(error) => return Err(error.into()),
    })
}

async fn create_unless_there(replica: &Replica, name: &str) -> Result<bool> {
    let change = replica.update(Policy::default(), |txn| {
        if !txn.find("Logical_Switch", "name", name)?.is_empty() {
            return Ok(false);
        }
        // Should somebody make one meanwhile, this is a conflict, and runs again.
        txn.verify_none("Logical_Switch", [column("name").eq(name)])?;
        let switch = txn.insert("Logical_Switch")?;
        txn.set(&switch, "name", name)?;
        Ok(true)
    });
    match change.await {
        Ok((made, _)) => Ok(made),
        Err(UpdateError::<EditError>::Commit(error)) => Err(error.into()),
        Err(error) => Err(error.to_string().into()),
    }
}

#[tokio::test]
async fn what_the_notes_on_migration_show_works() {
    for side in Side::BOTH {
        check(side)
            .await
            .unwrap_or_else(|error| panic!("{side:?}: {error}"));
    }
}

async fn check(side: Side) -> Result<()> {
    let northbound = Northbound::start(side);
    let (client, replica) = connect(&northbound.server.remote()).await?;
    assert_eq!(list(&replica)?, [""; 0]);
    let interest = Interest::all().columns("Logical_Switch", ["name", "other_config"]);
    let mut changes = replica.watch_all(interest);
    create(&replica, "foo").await?;
    assert_eq!(list(&replica)?, ["foo"]);
    assert_eq!(next_events(&mut changes).await?, ["created foo"]);
    assert_eq!(configure(&replica, "foo", "key", "value").await?, 1);
    assert_eq!(next_events(&mut changes).await?, ["updated foo"]);
    let shown = northbound.nbctl(&["get", "Logical_Switch", "foo", "other_config"]);
    assert_eq!(shown.trim(), "{key=value}");
    assert_eq!(find_by_key(&replica, "key", "value").await?, ["foo"]);
    assert_eq!(find_by_key(&replica, "key", "other").await?, [""; 0]);
    assert_eq!(select_on_the_server(&client, "foo").await?, ["foo"]);
    assert_eq!(commit_once(&replica, "foo").await?, "success");
    assert_eq!(commit_once(&replica, "nothing").await?, "unchanged");
    assert!(!create_unless_there(&replica, "foo").await?);
    assert!(create_unless_there(&replica, "bar").await?);
    delete(&replica, "foo").await?;
    assert_eq!(list(&replica)?, ["bar"]);
    Ok(())
}
