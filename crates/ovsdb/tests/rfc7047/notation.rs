//! RFC 7047, section 5.1: values of every type, and every function of a condition.

use std::collections::BTreeMap;

use ovsdb::Value;
use ovsdb::build::{Clause, column, insert, select};

use super::{check, done, transaction};

#[test]
fn section_5_1_values_of_every_type_come_back_as_they_were_sent() {
    check(async |_place, session, _events| {
        let map = BTreeMap::from([("k".to_owned(), "é\u{1F600}\n\"".to_owned())]);
        let all = transaction()
            .with(
                insert("Root")
                    .set("name", "\u{7f}\\/")
                    .set("number", i64::MIN)
                    .set("real", 0.1)
                    .set("flag", true)
                    .set("set", vec![3, 1, 2])
                    .set("map", map.clone()),
            )
            .with(select("Root"));
        let reply = done(&session, &all).await;
        let row = &reply.rows(1).unwrap()[0];
        assert_eq!(row.get::<String>("name").as_deref(), Ok("\u{7f}\\/"));
        assert_eq!(row.get::<i64>("number"), Ok(i64::MIN));
        assert_eq!(row.get::<f64>("real"), Ok(0.1));
        assert_eq!(row.get::<bool>("flag"), Ok(true));
        assert_eq!(row.get::<Vec<u8>>("set"), Ok(vec![1, 2, 3]));
        assert_eq!(row.get::<BTreeMap<String, String>>("map"), Ok(map));
        assert_eq!(row.uuid().ok(), reply.inserted(0));
    });
}

#[test]
fn section_5_1_condition_has_every_function() {
    check(async |_place, session, _events| {
        let rows = (1..=3).fold(transaction(), |transaction, number: i64| {
            let map = (1..=number).map(|n| (n.to_string(), "x"));
            transaction.with(
                insert("Root")
                    .set("name", number.to_string())
                    .set("number", number)
                    .set("set", (1..=number).collect::<Vec<_>>())
                    .set("map", Value::map(map)),
            )
        });
        done(&session, &rows).await;
        let number = || column("number");
        let cases: Vec<(Vec<Clause>, &[i64])> = vec![
            (vec![number().lt(2)], &[1]),
            (vec![number().le(2)], &[1, 2]),
            (vec![number().eq(2)], &[2]),
            (vec![number().ne(2)], &[1, 3]),
            (vec![number().ge(2)], &[2, 3]),
            (vec![number().gt(2)], &[3]),
            (vec![column("set").includes([1, 2])], &[2, 3]),
            (vec![column("set").excludes([2, 9])], &[1]),
            (vec![column("map").includes(Value::map([("3", "x")]))], &[3]),
            (vec![column("map").excludes(Value::map([("2", "x")]))], &[1]),
            (vec![column("set").eq([2, 1])], &[2]),
            (vec![number().gt(1), number().lt(3)], &[2]),
            (vec![true.into()], &[1, 2, 3]),
            (vec![false.into()], &[]),
        ];
        for (clauses, expected) in cases {
            let mut query = select("Root").columns(["number"]).sort(["number"]);
            query.condition.clone_from(&clauses);
            let reply = done(&session, &transaction().with(query)).await;
            let found = reply.rows(0).unwrap().iter();
            let found: Vec<i64> = found.map(|row| row.get("number").unwrap()).collect();
            assert_eq!(found, expected, "{clauses:?}");
        }
    });
}
