//! The rows of a network's southbound database, and how they change.
//!
//! Requests are made as text: what it costs to make them is no part of what is measured.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ovsdb_proto::json::Json;

use crate::client::{Client, ClientError, excerpt, succeeded};

/// The database.
pub(crate) const DATABASE: &str = "OVN_Southbound";

/// The table of which rows change.
pub(crate) const CHANGING: &str = "Logical_Flow";

/// Tables with a column of integers by which their contents are compared. Of the others nothing is written but for one row
/// of `SB_Global`.
pub(crate) const COMPARED: [(&str, &str); 3] = [
    ("Datapath_Binding", "tunnel_key"),
    ("Logical_Flow", "priority"),
    ("Port_Binding", "tunnel_key"),
];

/// Rows of one transaction while the database is filled: a multiple of 100.
const ROWS_AT_ONCE: usize = 10_000;

/// Of a hundred rows so many are ports, and one is a datapath; the others are flows.
pub(crate) const PORTS_PER_HUNDRED: usize = 9;

/// The contents of a table: for each row the integer of one column.
pub(crate) type Contents = BTreeMap<String, String>;

/// A flow that there is.
pub(crate) struct Flow {
    pub(crate) uuid: String,
    datapath: String,
}

/// Writes so many rows, and one that tells how far changes have come.
pub(crate) fn fill(client: &mut Client, count: usize) -> Result<(), ClientError> {
    for first in (0..count).step_by(ROWS_AT_ONCE) {
        client.transact(&rows(first, ROWS_AT_ONCE.min(count - first)))?;
    }
    client.transact(&format!(
        "[\"{DATABASE}\",{{\"op\":\"insert\",\"table\":\"SB_Global\",\"row\":{{\"nb_cfg\":0}}}}]"
    ))
}

/// The parameters of a `transact` request that inserts `count` rows, numbered from `first`, which is a multiple of 100.
fn rows(first: usize, count: usize) -> String {
    let mut text = format!("[\"{DATABASE}\"");
    for number in first..first + count {
        let datapath = number / 100;
        let (high, low) = ((datapath >> 8) & 255, datapath & 255);
        // Writing to a String cannot fail.
        let _ = match number % 100 {
            0 => write!(
                text,
                ",{{\"op\":\"insert\",\"table\":\"Datapath_Binding\",\"uuid-name\":\"dp{datapath}\",\"row\":{{\
                 \"tunnel_key\":{},\"external_ids\":[\"map\",[[\"logical-switch\",\
                 \"00000000-0000-4000-8000-{datapath:012x}\"],[\"name\",\"neutron-{datapath:032x}\"],\
                 [\"name2\",\"network{datapath}\"]]]}}}}",
                datapath + 1
            ),
            port @ 1..=PORTS_PER_HUNDRED => write!(
                text,
                ",{{\"op\":\"insert\",\"table\":\"Port_Binding\",\"row\":{{\"logical_port\":\"port-{number:08x}-5a1e\",\
                 \"datapath\":[\"named-uuid\",\"dp{datapath}\"],\"tunnel_key\":{port},\"up\":true,\
                 \"mac\":[\"set\",[\"0a:00:00:{high:02x}:{low:02x}:{port:02x} 10.{high}.{low}.{port}\"]],\
                 \"options\":[\"map\",[[\"requested-chassis\",\"compute-{}\"],[\"vif-plug-type\",\"representor\"]]],\
                 \"external_ids\":[\"map\",[[\"neutron:cidrs\",\"10.{high}.{low}.{port}/24\"],\
                 [\"neutron:device_id\",\"{number:032x}\"],[\"neutron:project_id\",\"{datapath:032x}\"]]]}}}}",
                number % 97,
            ),
            flow => {
                let _ = write!(text, ",");
                write_flow(
                    &mut text,
                    number,
                    &format!("\"named-uuid\",\"dp{datapath}\""),
                    flow,
                )
            }
        };
    }
    text.push(']');
    text
}

fn write_flow(
    text: &mut String,
    number: usize,
    datapath: &str,
    priority: usize,
) -> std::fmt::Result {
    let datapath_number = number / 100;
    let (high, low) = ((datapath_number >> 8) & 255, datapath_number & 255);
    let flow = number % 100;
    write!(
        text,
        "{{\"op\":\"insert\",\"table\":\"Logical_Flow\",\"row\":{{\"logical_datapath\":[{datapath}],\
         \"pipeline\":\"{}\",\"table_id\":{},\"priority\":{priority},\
         \"match\":\"inport == \\\"port-{number:08x}-5a1e\\\" && eth.src == 0a:00:00:00:{low:02x}:{flow:02x} && \
         ip4.dst == 10.{high}.{low}.{flow}\",\"actions\":\"reg0[0] = 1; next(pipeline=ingress, table={});\",\
         \"external_ids\":[\"map\",[[\"source\",\"northd.c:{}\"],[\"stage-hint\",\"{number:08x}\"],\
         [\"stage-name\",\"ls_in_port_sec_ip\"]]]}}}}",
        if flow.is_multiple_of(2) {
            "ingress"
        } else {
            "egress"
        },
        flow % 32,
        flow % 24,
        4000 + flow,
    )
}

/// How many combinations there are of a flow and one of the first `ports` ports of the same datapath, of so many rows.
pub(crate) fn flows_beside(ports: usize, count: usize) -> usize {
    let combinations = |of_datapath: usize| {
        let beside = of_datapath.saturating_sub(1);
        let all_ports = beside.min(PORTS_PER_HUNDRED);
        all_ports.min(ports) * (beside - all_ports)
    };
    count / 100 * combinations(100) + combinations(count % 100)
}

/// The flows that there are.
pub(crate) fn flows(client: &mut Client) -> Result<Vec<Flow>, ClientError> {
    let rows = select(client, CHANGING, "logical_datapath")?;
    let flows = rows.into_iter();
    Ok(flows
        .map(|(uuid, datapath)| Flow { uuid, datapath })
        .collect())
}

/// The contents of a table in the server.
pub(crate) fn contents(
    client: &mut Client,
    table: &str,
    column: &str,
) -> Result<Contents, ClientError> {
    Ok(select(client, table, column)?.into_iter().collect())
}

/// The UUID of each row, and the UUID or the integer in a column.
fn select(
    client: &mut Client,
    table: &str,
    column: &str,
) -> Result<Vec<(String, String)>, ClientError> {
    let params = format!(
        "[\"{DATABASE}\",{{\"op\":\"select\",\"table\":\"{table}\",\"where\":[],\"columns\":[\"_uuid\",\"{column}\"]}}]"
    );
    let result = client.call("transact", &params)?;
    let selected = succeeded(&result, 1)?;
    let rows = selected[0].get("rows").and_then(Json::as_array);
    let rows = rows.unwrap_or_default().iter().map(|row| {
        let word = |column: &str| match row.get(column)? {
            Json::Array(pair) => Some(pair.get(1)?.as_str()?.to_owned()),
            Json::Integer(number) => Some(number.to_string()),
            _ => None,
        };
        let strange = || ClientError::Failed(excerpt(row.to_string().as_bytes(), 0));
        word("_uuid").zip(word(column)).ok_or_else(strange)
    });
    rows.collect()
}

/// The parameters of a `transact` request by which flows get another priority.
pub(crate) fn modify(flows: &[Flow], priority: usize) -> String {
    let updates: String = flows
        .iter()
        .map(|Flow { uuid, .. }| {
            format!(
                ",{{\"op\":\"update\",\"table\":\"{CHANGING}\",\"where\":[[\"_uuid\",\"==\",[\"uuid\",\"{uuid}\"]]],\
                 \"row\":{{\"priority\":{priority}}}}}"
            )
        })
        .collect();
    format!("[\"{DATABASE}\"{updates}]")
}

/// The same request with a comment.
pub(crate) fn commented(mut request: String, comment: &str) -> String {
    // The end of the array of parameters.
    request.pop();
    request += &format!(",{{\"op\":\"comment\",\"comment\":\"{comment}\"}}]");
    request
}

/// The parameters of a `transact` request that has another flow in the place of one. `number` is that of the new one.
pub(crate) fn replace(flow: &Flow, number: usize, priority: usize) -> String {
    let Flow { uuid, datapath } = flow;
    let mut text = format!(
        "[\"{DATABASE}\",{{\"op\":\"delete\",\"table\":\"{CHANGING}\",\"where\":[[\"_uuid\",\"==\",[\"uuid\",\"{uuid}\"]]]}},"
    );
    // Writing to a String cannot fail.
    let _ = write_flow(
        &mut text,
        number,
        &format!("\"uuid\",\"{datapath}\""),
        priority,
    );
    text.push(']');
    text
}

/// The parameters of a `transact` request that tells that changes have come so far.
pub(crate) fn mark(number: usize) -> String {
    format!(
        "[\"{DATABASE}\",{{\"op\":\"update\",\"table\":\"SB_Global\",\"where\":[],\"row\":{{\"nb_cfg\":{number}}}}}]"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flows_beside_ports_are_counted_as_they_are_made() {
        // (rows, flows beside the first port, beside any port)
        let cases = [
            (100, 90, 810),
            (250, 2 * 90 + 40, 2 * 810 + 40 * 9),
            (5, 0, 0),
            (0, 0, 0),
        ];
        for (count, one, all) in cases {
            let found = (
                flows_beside(1, count),
                flows_beside(PORTS_PER_HUNDRED, count),
            );
            assert_eq!(found, (one, all), "{count}");
        }
    }
}
