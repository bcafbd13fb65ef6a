//! Whatever a client writes to a program's own service, others are served, and no call and no monitor of him is left when he
//! has gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use ovsdb_proto::build::{Transaction, insert};
use ovsdb_proto::error::{ErrorTag, OvsdbError};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::Schema;
use ovsdb_server::framework::{
    Call, Database, Engine, Gate, LockWish, MonitorRequest, Proposal, Reply, Service, Snapshot,
};
use tokio::sync::watch;

use super::session::{simulate, talk};

/// See the module's documentation. The input is what the client writes.
pub fn run(input: &[u8]) {
    simulate(serve(input));
}

fn schema(name: &str) -> Schema {
    let text = format!(
        r#"{{"name":"{name}","version":"1.0.0","tables":{{"T":{{"isRoot":true,"columns":{{
            "name":{{"type":"string"}},"n":{{"type":"integer"}}}}}}}}}}"#
    );
    let json = json::parse(text.as_bytes()).expect("the schema is JSON");
    Schema::from_json(&json).expect("the schema is sound")
}

/// Lets through what only reads.
struct Closed;

impl Gate for Closed {
    fn transact(&self, proposal: &Proposal<'_>) -> Result<(), OvsdbError> {
        match proposal.is_read_only() {
            true => Ok(()),
            false => Err(OvsdbError::new(
                ErrorTag::NotAllowed,
                proposal.peer().name(),
            )),
        }
    }
}

/// Something that must come to its end.
struct Under(Arc<AtomicUsize>);

impl Under {
    fn way(count: &Arc<AtomicUsize>) -> Under {
        count.fetch_add(1, Ordering::Relaxed);
        Under(count.clone())
    }
}

impl Drop for Under {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Does all that a service can do.
struct Everything {
    contents: watch::Sender<Snapshot>,
    under_way: Arc<AtomicUsize>,
}

impl Service for Everything {
    fn schemas(&self) -> Vec<Arc<Schema>> {
        vec![self.contents.borrow().schema().clone()]
    }

    async fn transact(&self, call: &Call, _: &str, operations: &[Json]) -> Reply {
        let _under_way = Under::way(&self.under_way);
        match operations.first().and_then(Json::as_str) {
            // Some never end, whether they are waited for or not.
            Some("aside") => {
                call.step_aside();
                std::future::pending().await
            }
            Some("never") => std::future::pending().await,
            Some("later") => tokio::time::sleep(Duration::from_millis(1)).await,
            _ => {}
        }
        Ok(self.contents.borrow().read(operations))
    }

    async fn monitor(&self, call: &Call, request: &MonitorRequest) -> Reply {
        let contents = self.contents.subscribe();
        let told = contents.borrow().clone();
        let watcher = request.watcher(call.peer(), told.schema())?;
        let known = |id| (id == told.id()).then(|| told.clone());
        let initial = watcher.resume(&told, known);
        let under_way = Under::way(&self.under_way);
        tokio::spawn(async move {
            let _under_way = under_way;
            watcher.follow(told, contents).await;
        });
        Ok(initial)
    }

    fn has_locks(&self) -> bool {
        true
    }

    async fn lock(&self, call: &Call, name: &str, _: LockWish) -> Reply {
        // The client may have gone.
        let _ = call.peer().notify("locked", vec![Json::string(name)]).await;
        Ok(Json::Bool(true))
    }

    async fn call(&self, _: &Call, method: &str, params: &[Json]) -> Reply {
        let transaction = Transaction::new("Own").with(insert("T").set("name", method));
        self.contents.send_modify(|contents| {
            *contents = contents.with(&transaction).expect("any text is a name");
        });
        Ok(Json::Array(params.to_vec()))
    }
}

async fn serve(input: &[u8]) {
    let under_way = Arc::<AtomicUsize>::default();
    let service = Everything {
        contents: watch::Sender::new(Snapshot::empty(schema("Own"))),
        under_way: under_way.clone(),
    };
    let engine = Engine::builder()
        .database(Database::in_memory(schema("Kept")).behind(Closed))
        .service(service);
    let engine = engine.start().await.expect("there are threads");
    talk(engine.server(), input).await;
    let kept = engine.snapshot("Kept").expect("it is served");
    assert!(kept.is_empty(), "the gate is closed");
    // Tasks that have been told to end do so when it is their turn.
    while under_way.load(Ordering::Relaxed) > 0 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    engine.close().await;
}
