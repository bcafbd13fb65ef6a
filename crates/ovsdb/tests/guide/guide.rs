//! What the guide shows that no example has.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use ovsdb::build::{Rows, Transaction, column, insert, mutate};
use ovsdb::control::Control;
use ovsdb::replica::{Interest, Replica};
use ovsdb::schema::Selection;
use ovsdb::txn::{EditError, Policy};
use ovsdb::typed::{Model as _, Ref};
use ovsdb::{Client, Uuid};
use ovsdb_testkit::programs::Side;
use tokio::time::Instant;

use super::{Northbound, Result, soon};

#[derive(Clone, Debug, ovsdb::Model)]
#[ovsdb(table = "Logical_Switch")]
struct Switch {
    name: String,
    ports: BTreeSet<Ref<SwitchPort>>,
    external_ids: BTreeMap<String, String>,
}

#[derive(Clone, Debug, ovsdb::Model)]
#[ovsdb(table = "Logical_Switch_Port")]
struct SwitchPort {
    name: String,
    addresses: BTreeSet<String>,
    up: Option<bool>,
}

fn follow(client: &Client) -> Replica {
    let selection = SwitchPort::select(Switch::select(Selection::new()));
    client.replica("OVN_Northbound", selection)
}

/// The names of the ports of each switch.
async fn ports_by_switch(replica: &Replica) -> Result<BTreeMap<String, Vec<String>>> {
    let contents = replica.ready(soon()).await?;
    let switches = contents.table::<Switch>()?;
    let ports = contents.table::<SwitchPort>()?;
    let named = switches.rows().map(|switch| {
        let of_switch = switch.get(Switch::PORTS).iter();
        let rows = of_switch.filter_map(|port| ports.get(port));
        let names = rows.map(|port| port.get(SwitchPort::NAME).to_owned());
        (switch.get(Switch::NAME).to_owned(), names.collect())
    });
    Ok(named.collect())
}

async fn add_port(replica: &Replica, switch: &str, name: &str) -> Result<Option<Uuid>> {
    let change = replica.update(Policy::default(), |txn| {
        let Some(switch) = txn.find("Logical_Switch", "name", switch)?.pop() else {
            return Ok(None);
        };
        // Should somebody else change the ports meanwhile, this runs again.
        txn.verify(&switch, "ports")?;
        let port = txn.insert("Logical_Switch_Port")?;
        txn.set(&port, "name", name)?;
        txn.set(&port, "addresses", vec!["dynamic"])?;
        txn.insert_element(&switch, "ports", &port)?;
        txn.comment("a port by the guide");
        Ok::<_, EditError>(Some(port))
    });
    let (port, committed) = change.await?;
    Ok(port.and_then(|port| committed.uuid(&port)))
}

async fn store_switch(replica: &Replica, name: &str, owner: &str) -> Result<()> {
    let change = replica.update(Policy::default(), |txn| {
        let switch = Switch {
            name: name.to_owned(),
            ports: BTreeSet::new(),
            external_ids: BTreeMap::from([("owner".to_owned(), owner.to_owned())]),
        };
        txn.create(&switch)?;
        Ok::<_, EditError>(())
    });
    change.await?;
    Ok(())
}

async fn count_once(client: &Client) -> Result<i64> {
    let selection = Selection::new().columns("NB_Global", ["nb_cfg", "external_ids"]);
    let replica = client.replica("OVN_Northbound", selection);
    let contents = replica.ready(soon()).await?;
    let global = contents
        .table_named("NB_Global")
        .and_then(|table| table.iter().next());
    let global = global.ok_or("there is no NB_Global")?.name();

    // A key that is this program's alone tells which of its transactions was the last.
    let policy = Policy::default();
    let marker = replica
        .marker(&global, "external_ids", "guide-marker", policy)
        .await?;
    let change = replica.update(policy, |txn| {
        txn.once(&marker);
        txn.increment_always(&global, "nb_cfg")
    });
    let (_, committed) = change.await?;
    committed
        .incremented(&global, "nb_cfg")
        .ok_or("it was sent twice".into())
}

async fn announce(client: &Client, replica: &Replica, name: &str) -> Result<()> {
    let lock = client.lock("announcements")?;
    let policy = Policy::until(Instant::now() + Duration::from_secs(30));
    let change = replica.update(policy, |txn| {
        // Sent when the lock is there; and the request says that it must be.
        txn.wait_for_lock(&lock);
        for switch in txn.find("Logical_Switch", "name", name)? {
            txn.set_key(&switch, "external_ids", "announced", "true")?;
        }
        Ok::<_, EditError>(())
    });
    change.await?;
    Ok(())
}

async fn add_port_blindly(client: &Client, switch: &str, name: &str) -> Result<Option<Uuid>> {
    let mut transaction = Transaction::new("OVN_Northbound");
    let port = transaction.insert(insert("Logical_Switch_Port").set("name", name));
    transaction.push(
        mutate("Logical_Switch")
            .filter(column("name").eq(switch))
            .apply(column("ports").insert(port.clone())),
    );
    let reply = client.execute(&transaction, soon()).await?;
    Ok(reply.uuid(&port))
}

async fn only_of(replica: &Replica, owner: &str) -> Result<()> {
    let rows = Rows::any([column("external_ids").includes(BTreeMap::from([("owner", owner)]))]);
    replica.set_conditions([("Logical_Switch", rows)]).await?;
    Ok(())
}

async fn until_up(replica: &Replica, name: &str) -> Result<()> {
    let is_up = |contents: &std::sync::Arc<ovsdb::replica::Version>| {
        let ports = contents.table_named("Logical_Switch_Port")?;
        let port = ports.find("name", name).next()?;
        port.get::<Option<bool>>("up").ok()?.filter(|is_up| *is_up)
    };
    replica.wait_for(soon(), is_up).await?;
    Ok(())
}

fn without_async(server: &str) -> Result<Vec<String>> {
    let timeout = Some(Duration::from_secs(10));
    let client = ovsdb::blocking::Client::connect(Client::builder(server), timeout)?;
    Ok(client.list_dbs(timeout)?)
}

async fn sessions(socket: &str) -> Result<u64> {
    let mut server = Control::connect(socket).await?;
    Ok(server.memory().await?.get("sessions").unwrap_or(0))
}

#[tokio::test]
async fn what_the_guide_shows_works() {
    for side in Side::BOTH {
        check(side)
            .await
            .unwrap_or_else(|error| panic!("{side:?}: {error}"));
    }
}

async fn check(side: Side) -> Result<()> {
    let northbound = Northbound::start(side);
    northbound.nbctl(&["ls-add", "s0", "--", "lsp-add", "s0", "first"]);
    let client = northbound.client().await;
    let replica = follow(&client);
    let names = |names: &[&str]| {
        names
            .iter()
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>()
    };
    let sorted = |mut ports: BTreeMap<String, Vec<String>>| {
        ports.values_mut().for_each(|names| names.sort());
        ports
    };
    let found = ports_by_switch(&replica).await?;
    assert_eq!(
        found,
        BTreeMap::from([("s0".to_owned(), names(&["first"]))])
    );

    let port = add_port(&replica, "s0", "second").await?.ok_or("no port")?;
    let shown = northbound.nbctl(&["get", "Logical_Switch_Port", "second", "_uuid"]);
    assert_eq!(shown.trim(), port.to_string());
    let found = sorted(ports_by_switch(&replica).await?);
    assert_eq!(found["s0"], names(&["first", "second"]));
    assert_eq!(add_port(&replica, "nowhere", "third").await?, None);

    let port = add_port_blindly(&client, "s0", "third")
        .await?
        .ok_or("no port")?;
    let shown = northbound.nbctl(&["get", "Logical_Switch_Port", "third", "_uuid"]);
    assert_eq!(shown.trim(), port.to_string());

    store_switch(&replica, "s1", "me").await?;
    let shown = northbound.nbctl(&["get", "Logical_Switch", "s1", "external_ids"]);
    assert_eq!(shown.trim(), "{owner=me}");
    only_of(&replica, "me").await?;
    let found = ports_by_switch(&replica).await?;
    assert_eq!(found.keys().collect::<Vec<_>>(), ["s1"]);

    // Somebody else has the lock, and then has it no more.
    let other = northbound.client().await;
    let held = other.lock("announcements")?;
    held.held(soon()).await?;
    let announced = announce(&client, &replica, "s1");
    let lets_go = async {
        let mut changes = replica.watch(Interest::all());
        northbound.nbctl(&["set", "Logical_Switch", "s1", "external_ids:seen=yes"]);
        changes.next().await?;
        let shown = northbound.nbctl(&["get", "Logical_Switch", "s1", "external_ids"]);
        assert_eq!(shown.trim(), "{owner=me, seen=yes}");
        drop(held);
        Result::Ok(())
    };
    let (announced, lets_go) = tokio::join!(announced, lets_go);
    announced.and(lets_go)?;
    let shown = northbound.nbctl(&["get", "Logical_Switch", "s1", "external_ids:announced"]);
    assert_eq!(shown.trim(), "\"true\"");

    let before = count_once(&client).await?;
    assert_eq!(count_once(&client).await?, before + 1);

    let set_up = ["set", "Logical_Switch_Port", "first", "up=true"];
    northbound.nbctl(&set_up);
    until_up(&replica, "first").await?;

    assert!(sessions(&northbound.server.control().display().to_string()).await? >= 1);
    let remote = northbound.server.remote();
    // A runtime does not wait for a call of this kind.
    let thread = std::thread::spawn(move || without_async(&remote).map_err(|it| it.to_string()));
    let databases = thread.join().map_err(|_| "a panic")??;
    assert_eq!(databases, ["OVN_Northbound", "_Server"]);
    Ok(())
}
