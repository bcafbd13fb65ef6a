//! Whatever a server tells a replica, what readers are shown is sound and within its limits.

use std::sync::Arc;

use bytes::Bytes;
use ovsdb_client::replica::{Action, Follower, Input, Limits, Status, Version};
use ovsdb_proto::json::{self, Json};
use ovsdb_proto::schema::{Schema, Selection};
use ovsdb_proto::words::Method;

use crate::world;

const LIMITS: Limits = Limits {
    rows_max: 20,
    bytes_max: 64 << 10,
};

/// What may be done about one input. Nothing that a server sends leads to more.
const ACTIONS_MAX: usize = 8;

/// A transaction's id.
const TXN: &str = "10000000-0000-0000-0000-000000000000";

/// See the module's documentation. Each line is something that happens, named by its first byte: see `World::input`.
pub fn run(input: &[u8]) {
    let mut world = World::new();
    for line in input.split(|byte| *byte == b'\n') {
        if let Some((&kind, rest)) = line.split_first()
            && let Some(input) = world.input(kind, rest)
        {
            world.step(input);
        }
    }
    // Whatever was before: after the next connection to a sound server there is what that one has.
    if matches!(world.follower.status(), Status::Failed(_)) {
        return;
    }
    world.step(Input::Down);
    world.step(Input::Up(Arc::clone(world::database().schema())));
    let found = format!("[false,\"{TXN}\",{{}}]");
    world.step(Input::Reply {
        request: world.last_request,
        result: Ok(found.into()),
    });
    assert!(matches!(world.follower.status(), Status::Live));
    let version = world.follower.version().expect("there are contents");
    assert_eq!(version.n_rows(), 0);
}

struct World {
    follower: Follower,
    now_ms: u64,
    last_request: u64,
    /// The newest monitor, which is asked for by the last request of its kind.
    n_monitors: u64,
    generation: u64,
}

impl World {
    fn new() -> World {
        let monitor_id = |nth: u64| Json::Integer(nth.cast_signed());
        World {
            follower: Follower::new("Fuzz", Selection::all(), LIMITS, monitor_id),
            now_ms: 0,
            last_request: 0,
            n_monitors: 0,
            generation: 0,
        }
    }

    /// What a line says.
    fn input(&mut self, kind: u8, rest: &[u8]) -> Option<Input> {
        let text = || Bytes::copy_from_slice(rest);
        let monitor = self.n_monitors.saturating_sub(1);
        let notification = |method, params: Vec<u8>| Input::Notification {
            method,
            monitor,
            params: params.into(),
        };
        let update = |head: &str| [b"[0,", head.as_bytes(), rest, b"]"].concat();
        Some(match kind {
            b'u' => Input::Up(schema(rest)?),
            b's' => Input::Schema(schema(rest)?),
            b'd' => Input::Down,
            b'x' => Input::Unequal,
            b'r' => Input::Reply {
                request: self.last_request,
                result: Ok(text()),
            },
            // With all that is around updates.
            b'f' | b'o' => {
                let head = format!("[{},\"{TXN}\",", kind == b'f');
                Input::Reply {
                    request: self.last_request,
                    result: Ok([head.as_bytes(), rest, b"]"].concat().into()),
                }
            }
            b'e' => Input::Reply {
                request: self.last_request,
                result: Err(Json::string("no")),
            },
            b'q' => Input::Confirmed {
                monitor,
                result: Ok(text()),
            },
            b'1' => notification(Method::Update, update("")),
            b'2' => notification(Method::Update2, update("")),
            b'3' => notification(Method::Update3, update(&format!("\"{TXN}\","))),
            b'p' => notification(Method::Update3, rest.to_vec()),
            b'c' => notification(Method::MonitorCanceled, b"[0]".to_vec()),
            b'w' => {
                let conditions = json::parse(rest).ok()?;
                let conditions = conditions.as_object()?.iter();
                let conditions =
                    conditions.map(|(table, clauses)| (table.clone(), clauses.clone()));
                Input::Conditions(conditions.collect())
            }
            b't' => {
                self.now_ms = self.follower.wakes_at().unwrap_or(self.now_ms + 1_000);
                Input::Tick
            }
            _ => return None,
        })
    }

    fn step(&mut self, input: Input) {
        let had_failed = matches!(self.follower.status(), Status::Failed(_));
        let actions = self.follower.step(self.now_ms, input);
        assert!(actions.len() <= ACTIONS_MAX, "{actions:?}");
        assert!(!had_failed || actions.is_empty(), "{actions:?}");
        for action in actions {
            match action {
                Action::Request {
                    request,
                    method,
                    params,
                } => {
                    assert!(json::parse(&params).is_ok(), "{method} {params:?}");
                    self.last_request = request;
                    let is_monitor = matches!(
                        method,
                        Method::Monitor | Method::MonitorCond | Method::MonitorCondSince
                    );
                    self.n_monitors += u64::from(is_monitor);
                }
                Action::Publish(version) => {
                    check(&version);
                    assert!(version.generation() > self.generation);
                    self.generation = version.generation();
                }
                _ => {}
            }
        }
    }
}

/// The schema that a text is, or that of the world if there is none.
fn schema(text: &[u8]) -> Option<Arc<Schema>> {
    if text.is_empty() {
        return Some(Arc::clone(world::database().schema()));
    }
    let json = json::parse(text).ok()?;
    Schema::from_json(&json).ok().map(Arc::new)
}

fn check(version: &Version) {
    assert!(version.n_rows() <= LIMITS.rows_max);
    assert!(version.n_bytes() <= LIMITS.bytes_max);
    let mut n = 0;
    for id in version.schema().table_ids() {
        let table = version.schema().table(id);
        for (uuid, row) in version.rows(id).iter() {
            assert_eq!(row.uuid(), *uuid);
            for &column in table.column_ids_by_name() {
                let ty = &table.column(column).ty;
                // It can be written down, and is what it says.
                let text = format!("[{}]", row.get(column).to_json(ty));
                assert!(json::parse(text.as_bytes()).is_ok(), "{text}");
            }
            n += 1;
        }
    }
    assert_eq!(n, version.n_rows());
    assert_eq!(version.digest(), version.digest());
}
