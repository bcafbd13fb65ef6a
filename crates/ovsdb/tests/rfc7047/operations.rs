//! RFC 7047, section 5.2, one test for each operation.

use std::fs;

use ovsdb::build::{
    abort, assert, column, comment, commit, delete, insert, lock, mutate, row, select, update, wait,
};
use ovsdb::error::ErrorTag;
use ovsdb::reply::OperationReply;
use ovsdb::value::Row;
use ovsdb::{ExecuteError, Session, Uuid, Value};

use super::{check, done, failed, soon, transaction};

/// The names of all rows, sorted.
async fn names(session: &Session) -> Vec<String> {
    let read = transaction().with(select("Root").columns(["name"]).sort(["name"]));
    let reply = done(session, &read).await;
    let rows = reply.rows(0).expect("it is a select");
    rows.iter()
        .map(|row| row.get("name").expect("the column was asked for"))
        .collect()
}

#[test]
fn section_5_2_1_insert_makes_rows_that_the_transaction_can_name() {
    check(async |_place, session, _events| {
        let uuid: Uuid = "0b7bcd4c-8d1f-4f3e-8e0d-6e6f2a1d9c11".parse().unwrap();
        let mut both = transaction();
        let part = both.insert(insert("Part").set("name", "p"));
        let root = both.insert(insert("Root").set("name", "a").set("parts", [part.clone()]));
        let given = both.insert(insert("Root").set("name", "b").uuid(uuid));
        let reply = done(&session, &both).await;
        assert_eq!(reply.uuid(&given), Some(uuid));
        assert_eq!(reply.inserted(1), reply.uuid(&root));
        let read = transaction().with(select("Root").filter(column("name").eq("a")));
        let found = done(&session, &read).await;
        let found = &found.rows(0).unwrap()[0];
        assert_eq!(found.uuid().ok(), reply.uuid(&root));
        assert_eq!(
            found.get::<Option<Uuid>>("parts").ok(),
            Some(reply.uuid(&part))
        );
        // What was not given has the default value of its type.
        assert_eq!(found.get::<i64>("number"), Ok(0));
        assert_eq!(found.get::<Vec<i64>>("set"), Ok(vec![]));

        let again = transaction().with(insert("Root").uuid(uuid));
        assert_eq!(
            failed(&session, &again).await,
            (0, Some(ErrorTag::DuplicateUuid))
        );
        let index = transaction().with(insert("Root").set("name", "a"));
        match session.execute(&index, soon()).await {
            Err(ExecuteError::Failed(error)) => {
                assert_eq!(error.tag(), Some(ErrorTag::ConstraintViolation));
            }
            other => panic!("{other:?}"),
        }
    });
}

#[test]
fn section_5_2_2_select_reads_columns_of_rows_that_meet_a_condition() {
    check(async |_place, session, _events| {
        let rows = [("a", 1), ("b", 2), ("c", 3)];
        let inserts = rows
            .iter()
            .fold(transaction(), |transaction, (name, number)| {
                transaction.with(insert("Root").set("name", *name).set("number", *number))
            });
        done(&session, &inserts).await;
        let some = select("Root")
            .filter(column("number").ge(2))
            .columns(["name", "number"])
            .sort(["name"]);
        let reply = done(&session, &transaction().with(some)).await;
        let expected = [
            Row::new().set("name", "b").set("number", 2),
            Row::new().set("name", "c").set("number", 3),
        ];
        assert_eq!(reply.rows(0), Some(&expected[..]));
        let all = done(&session, &transaction().with(select("Root"))).await;
        // All columns: `_uuid`, `_version`, and those of the schema.
        assert!(all.rows(0).unwrap().iter().all(|row| row.len() == 11));
    });
}

#[test]
fn section_5_2_3_update_gives_columns_of_rows_that_meet_a_condition_values() {
    check(async |_place, session, _events| {
        let both = transaction()
            .with(insert("Root").set("name", "a"))
            .with(insert("Root").set("name", "b"))
            .with(
                update("Root")
                    .set("number", 5)
                    .set("map", Value::map([("k", "v")])),
            )
            .with(
                update("Root")
                    .filter(column("name").eq("a"))
                    .set("flag", true),
            )
            .with(
                update("Root")
                    .filter(column("name").eq("z"))
                    .set("flag", true),
            )
            .with(
                select("Root")
                    .filter(column("flag").eq(true))
                    .columns(["name", "number", "map"]),
            );
        let reply = done(&session, &both).await;
        assert_eq!(
            [2, 3, 4].map(|at| reply.count(at)),
            [Some(2), Some(1), Some(0)]
        );
        let expected = Row::new()
            .set("name", "a")
            .set("number", 5)
            .set("map", Value::map([("k", "v")]));
        assert_eq!(reply.rows(5), Some(&[expected][..]));
        let fixed = transaction().with(update("Root").set("fixed", "x"));
        assert_eq!(
            failed(&session, &fixed).await,
            (0, Some(ErrorTag::ConstraintViolation))
        );
    });
}

#[test]
fn section_5_2_4_mutate_changes_columns_by_what_they_hold() {
    check(async |_place, session, _events| {
        let row = insert("Root")
            .set("number", 7)
            .set("real", 1.5)
            .set("set", [1, 2, 3])
            .set("map", Value::map([("a", "1"), ("b", "2"), ("c", "3")]));
        let change = mutate("Root")
            .apply(column("number").add(3))
            .apply(column("number").subtract(1))
            .apply(column("number").multiply(4))
            .apply(column("number").divide(5))
            .apply(column("number").remainder(5))
            .apply(column("real").divide(2.0))
            .apply(column("set").delete([1, 9]))
            .apply(column("set").insert([3, 4]))
            .apply(column("set").multiply(10))
            .apply(column("map").delete(Value::set(["a"])))
            .apply(column("map").delete(Value::map([("b", "2"), ("c", "9")])))
            .apply(column("map").insert(Value::map([("c", "4"), ("d", "4")])));
        let read = select("Root").columns(["number", "real", "set", "map"]);
        let all = transaction().with(row).with(change).with(read);
        let reply = done(&session, &all).await;
        assert_eq!(reply.count(1), Some(1));
        let expected = Row::new()
            // (((7 + 3) - 1) * 4) / 5 % 5
            .set("number", 2)
            .set("real", 0.75)
            .set("set", [20, 30, 40])
            // A key that is there keeps its value.
            .set("map", Value::map([("c", "3"), ("d", "4")]));
        assert_eq!(reply.rows(2), Some(&[expected][..]));
        let zero = transaction().with(mutate("Root").apply(column("number").divide(0)));
        assert_eq!(
            failed(&session, &zero).await,
            (0, Some(ErrorTag::DomainError))
        );
        let far = transaction()
            .with(update("Root").set("number", i64::MAX))
            .with(mutate("Root").apply(column("number").add(1)));
        assert_eq!(
            failed(&session, &far).await,
            (1, Some(ErrorTag::RangeError))
        );
    });
}

#[test]
fn section_5_2_5_delete_removes_rows_that_meet_a_condition() {
    check(async |_place, session, _events| {
        let some = ["a", "b", "c"]
            .iter()
            .fold(transaction(), |transaction, name| {
                transaction.with(insert("Root").set("name", *name))
            });
        done(&session, &some).await;
        let one = transaction()
            .with(delete("Root").filter(column("name").eq("b")))
            .with(delete("Root").filter(column("name").eq("b")));
        let reply = done(&session, &one).await;
        assert_eq!([0, 1].map(|at| reply.count(at)), [Some(1), Some(0)]);
        assert_eq!(names(&session).await, ["a", "c"]);
        let reply = done(&session, &transaction().with(delete("Root"))).await;
        assert_eq!(reply.count(0), Some(2));
    });
}

#[test]
fn section_5_2_6_wait_holds_a_transaction_back_until_rows_are_as_expected() {
    check(async |place, session, _events| {
        let is_there = wait("Root")
            .filter(column("name").eq("a"))
            .until_equal([Row::new().set("name", "a")]);
        let now = transaction().with(is_there.clone().timeout_ms(0));
        assert_eq!(failed(&session, &now).await, (0, Some(ErrorTag::TimedOut)));
        let soon_enough = transaction()
            .with(is_there)
            .with(
                wait("Root")
                    .columns(["name"])
                    .until_not_equal([])
                    .timeout_ms(0),
            )
            .with(insert("Root").set("name", "b"));
        let (other, _events) = place.session().await;
        let (waited, inserted) = tokio::join!(done(&session, &soon_enough), async {
            // The reply to a later request shows that the other one is held back.
            session.list_dbs(soon()).await.expect("it answers");
            done(&other, &transaction().with(insert("Root").set("name", "a"))).await
        });
        assert_eq!(waited.operations().len(), 3);
        assert_eq!(inserted.operations().len(), 1);
        assert_eq!(names(&session).await, ["a", "b"]);
    });
}

#[test]
fn section_5_2_7_commit_answers_when_the_transaction_is_on_disk() {
    check(async |place, session, _events| {
        let durable = transaction()
            .with(insert("Root").set("name", "durable"))
            .with(commit(true));
        let reply = done(&session, &durable).await;
        assert_eq!(reply.operations()[1], OperationReply::Done);
        let file = fs::read(place.sandbox.path("test.db")).expect("the server has written it");
        assert!(String::from_utf8_lossy(&file).contains("durable"));
        let quick = transaction().with(commit(false));
        assert_eq!(
            done(&session, &quick).await.operations(),
            [OperationReply::Done]
        );
    });
}

#[test]
fn section_5_2_8_abort_undoes_what_was_before_it() {
    check(async |_place, session, _events| {
        let undone = transaction()
            .with(insert("Root").set("name", "a"))
            .with(abort())
            .with(insert("Root").set("name", "b"));
        assert_eq!(
            failed(&session, &undone).await,
            (1, Some(ErrorTag::Aborted))
        );
        assert!(names(&session).await.is_empty());
    });
}

#[test]
fn section_5_2_9_comment_is_written_to_the_file() {
    check(async |place, session, _events| {
        let noted = transaction()
            .with(insert("Root"))
            .with(comment("why it was done"))
            .with(commit(true));
        done(&session, &noted).await;
        let file = fs::read(place.sandbox.path("test.db")).expect("the server has written it");
        assert!(String::from_utf8_lossy(&file).contains("why it was done"));
    });
}

#[test]
fn section_5_2_10_assert_fails_unless_the_client_has_the_lock() {
    check(async |_place, session, _events| {
        let guarded = transaction()
            .with(assert("leader"))
            .with(insert("Root").set("name", "a"));
        assert_eq!(
            failed(&session, &guarded).await,
            (0, Some(ErrorTag::NotOwner))
        );
        let locked = session.request(lock("leader").unwrap(), soon()).await;
        assert!(ovsdb::reply::locked(&locked.expect("it answers")).unwrap());
        done(&session, &guarded).await;
        assert_eq!(names(&session).await, ["a"]);
    });
}

#[test]
fn one_row_can_be_named_by_its_uuid_or_by_the_name_of_its_insert() {
    check(async |_place, session, _events| {
        let mut both = transaction();
        let made = both.insert(insert("Root").set("name", "a"));
        both.push(update("Root").filter(row(made.clone())).set("number", 1));
        let reply = done(&session, &both).await;
        assert_eq!(reply.count(1), Some(1));
        let uuid = reply.uuid(&made).expect("it was inserted");
        let read = transaction().with(select("Root").filter(row(uuid)).columns(["number"]));
        let reply = done(&session, &read).await;
        assert_eq!(reply.rows(0).unwrap()[0].get::<i64>("number"), Ok(1));
    });
}
