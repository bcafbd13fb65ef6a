//! Which rows are asked for, and when they are there.

use super::check;

#[test]
fn a_monitor_begins_with_the_rows_that_are_wanted() {
    check(
        r#"
        > want {"T":[["i","==",1]]}
        > want {"U":[["n","==","x"]]}
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"],"where":[["i","==",1]]}]},"$0"]
        > reply 0 [false,"$1",{"T":{"$A":{"initial":{"i":1}}}}]
        rows T $A i=1 s=["set",[]]
        confirm 2
        = live
        "#,
    );
}

#[test]
fn other_rows_are_there_when_the_server_has_answered() {
    check(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"]}]},"$0"]
        > reply 0 [false,"$1",{"T":{"$A":{"initial":{"i":1}}}}]
        rows T $A i=1 s=["set",[]]
        > want {"T":[["i","==",2]]}
        1 monitor_cond_change [["m",0],["m",0],{"T":[{"where":[["i","==",2]]}]}]
        > want {"T":[["i","==",3]]}
        > want {"T":[["i","==",4]]}
        > update3 0 [["m",0],"$1",{"T":{"$A":{"delete":null},"$B":{"insert":{"i":2}}}}]
        rows T $B i=2 s=["set",[]]
        > reply 1 {}
        confirm 1
        2 monitor_cond_change [["m",0],["m",0],{"T":[{"where":[["i","==",4]]}]}]
        > update3 0 [["m",0],"$1",{"T":{"$B":{"delete":null}}}]
        rows
        > reply 2 {}
        confirm 3
        > want {"T":[["i","==",4]]}
        confirm 4
        > want {"T":[true]}
        3 monitor_cond_change [["m",0],["m",0],{"T":[{"where":[true]}]}]
        > reply 3 {}
        confirm 5
        > want {"U":[false]}
        confirm 6
        "#,
    );
}

#[test]
fn what_goes_on_after_a_reconnection_begins_with_the_rows_that_the_server_knew() {
    check(
        r#"
        > want {"T":[["i","==",1]]}
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"],"where":[["i","==",1]]}]},"$0"]
        > reply 0 [false,"$1",{}]
        rows
        confirm 1
        > down
        > want {"T":[["i","==",2]]}
        > up
        1 monitor_cond_since ["db",["m",1],{"T":[{"columns":["i","s"],"where":[["i","==",1]]}]},"$1"]
        > reply 1 [true,"$2",{"T":{"$A":{"insert":{"i":1}}}}]
        rows T $A i=1 s=["set",[]]
        2 monitor_cond_change [["m",1],["m",1],{"T":[{"where":[["i","==",2]]}]}]
        > update3 1 [["m",1],"$2",{"T":{"$A":{"delete":null}}}]
        rows
        > reply 2 {}
        confirm 2
        "#,
    );
}

#[test]
fn what_was_cut_off_in_the_middle_of_a_change_is_asked_for_anew() {
    check(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"]}]},"$0"]
        > reply 0 [false,"$1",{}]
        rows
        > want {"T":[["i","==",2]]}
        1 monitor_cond_change [["m",0],["m",0],{"T":[{"where":[["i","==",2]]}]}]
        > down
        > up
        2 monitor_cond_since ["db",["m",1],{"T":[{"columns":["i","s"],"where":[["i","==",2]]}]},"$0"]
        > reply 2 [false,"$1",{}]
        rows
        confirm 1
        "#,
    );
}

#[test]
fn conditions_that_are_refused_leave_what_was_so() {
    check(
        r#"
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"]}]},"$0"]
        > reply 0 [false,"$1",{}]
        rows
        > want {"T":[["none","==",2]]}
        refuse 1..=1 {"details":"No column none in table T.","error":"unknown column","syntax":"[\"none\",\"==\",2]"}
        confirm 1
        > want {"T":[["i","==",1]]}
        1 monitor_cond_change [["m",0],["m",0],{"T":[{"where":[["i","==",1]]}]}]
        > reply 1 {}
        confirm 2
        > want {"T":[["i","==",2]]}
        2 monitor_cond_change [["m",0],["m",0],{"T":[{"where":[["i","==",2]]}]}]
        > want {"T":[["none","==",2]]}
        refuse 4..=4 {"details":"No column none in table T.","error":"unknown column","syntax":"[\"none\",\"==\",2]"}
        > error 2
        refuse 3..=3 "unknown method"
        confirm 4
        > want {"T":[["i","==",1]]}
        confirm 5
        "#,
    );
}

#[test]
fn a_schema_without_the_column_of_a_condition_brings_all_rows() {
    check(
        r#"
        > want {"T":[["j","==",1]]}
        > up newer
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","j","s"],"where":[["j","==",1]]}]},"$0"]
        > reply 0 [false,"$1",{}]
        rows
        confirm 1
        > want {"T":[["j","==",2]]}
        1 monitor_cond_change [["m",0],["m",0],{"T":[{"where":[["j","==",2]]}]}]
        > down
        > up
        refuse 2..=2 {"details":"No column j in table T.","error":"unknown column","syntax":"[\"j\",\"==\",2]"}
        warn table T cannot have the condition that was set: syntax "["j","==",2]": unknown column: No column j in table T.
        2 monitor_cond_since ["db",["m",1],{"T":[{"columns":["i","s"]}]},"$0"]
        > reply 2 [false,"$1",{}]
        rows
        confirm 2
        "#,
    );
}

#[test]
fn a_server_that_knows_no_conditions_sends_all_rows() {
    check(
        r#"
        > want {"T":[["i","==",1]]}
        > up
        0 monitor_cond_since ["db",["m",0],{"T":[{"columns":["i","s"],"where":[["i","==",1]]}]},"$0"]
        > error 0
        1 monitor_cond ["db",["m",1],{"T":[{"columns":["i","s"],"where":[["i","==",1]]}]}]
        > error 1
        2 monitor ["db",["m",2],{"T":[{"columns":["i","s"]}]}]
        > reply 2 {"T":{"$A":{"new":{"i":7,"s":["set",[]]}}}}
        rows T $A i=7 s=["set",[]]
        confirm 1
        > want {"T":[["i","==",2]]}
        confirm 2
        = live
        "#,
    );
}
