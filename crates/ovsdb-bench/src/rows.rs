//! The rows that are written: small ones, and a mixture like that of a network's southbound database.
//!
//! Requests are made as text: what it costs to make them is no part of what is measured.

use std::fmt::Write as _;

/// The database of all workloads.
pub(crate) const DATABASE: &str = "Bench";

/// Its schema.
pub(crate) const SCHEMA: &str = include_str!("bench.ovsschema");

/// How the name of a row of the table Item begins, where it is told. The numbers of its client and its own follow.
pub(crate) const ITEM_MARK: &str = "\"item-";

/// Of a hundred rows of [`network`], so many are ports, and one is a datapath; the others are flows.
const PORTS_PER_HUNDRED: usize = 9;

/// The parameters of a `transact` request that inserts the small row `number` of `client`; `durable` asks for it to be
/// on the disk before the reply.
pub(crate) fn item(client: usize, number: usize, durable: bool) -> String {
    let commit = if durable {
        ",{\"op\":\"commit\",\"durable\":true}"
    } else {
        ""
    };
    format!(
        "[\"{DATABASE}\",{{\"op\":\"insert\",\"table\":\"Item\",\"row\":{{\"name\":\"item-{client}-{number}\",\
         \"value\":{number},\"tags\":[\"set\",[\"bench\",\"client-{client}\"]]}}}}{commit}]"
    )
}

/// The parameters of a `transact` request that inserts the small row `number` of `client` with this value.
pub(crate) fn valued(client: usize, number: usize, value: usize) -> String {
    format!("[\"{DATABASE}\",{}]", valued_row(client, number, value))
}

/// The parameters of a `transact` request that inserts `count` small rows of `client`, numbered from `first`. Their values
/// are their numbers, modulo `distinct`.
pub(crate) fn valued_rows(client: usize, first: usize, count: usize, distinct: usize) -> String {
    let rows = first..first + count;
    let rows = rows.map(|number| valued_row(client, number, number % distinct));
    format!("[\"{DATABASE}\",{}]", rows.collect::<Vec<_>>().join(","))
}

fn valued_row(client: usize, number: usize, value: usize) -> String {
    format!(
        "{{\"op\":\"insert\",\"table\":\"Item\",\"row\":{{\"name\":\"item-{client}-{number}\",\"value\":{value},\
         \"tags\":[\"set\",[\"bench\",\"client-{client}\"]]}}}}"
    )
}

/// The parameters of a `transact` request that inserts `count` rows of a network, numbered from `first`, which is a
/// multiple of 100.
pub(crate) fn network(first: usize, count: usize) -> String {
    let mut text = format!("[\"{DATABASE}\"");
    for number in first..first + count {
        let datapath = number / 100;
        // Writing to a String cannot fail.
        let _ = match number % 100 {
            0 => write!(
                text,
                ",{{\"op\":\"insert\",\"table\":\"Datapath\",\"uuid-name\":\"dp{datapath}\",\"row\":{{\
                 \"tunnel_key\":{},\"external_ids\":[\"map\",[[\"logical-switch\",\"switch-{datapath}\"],\
                 [\"name\",\"neutron-{datapath:032x}\"],[\"name2\",\"network{datapath}\"]]]}}}}",
                datapath + 1
            ),
            port @ 1..=PORTS_PER_HUNDRED => write!(
                text,
                ",{{\"op\":\"insert\",\"table\":\"Port\",\"row\":{{\"logical_port\":\"port-{number:08x}-5a1e\",\
                 \"type\":\"\",\"datapath\":[\"named-uuid\",\"dp{datapath}\"],\"tunnel_key\":{port},\
                 \"mac\":\"0a:00:{:02x}:{:02x}:{:02x}:{port:02x} 10.{}.{}.{port}\",\"options\":[\"map\",\
                 [[\"requested-chassis\",\"compute-{}\"],[\"vif-plug-type\",\"representor\"]]],\"up\":true,\
                 \"external_ids\":[\"map\",[[\"neutron:cidrs\",\"10.{}.{}.{port}/24\"],\
                 [\"neutron:device_id\",\"{number:032x}\"],[\"neutron:project_id\",\"{datapath:032x}\"]]]}}}}",
                (datapath >> 16) & 255,
                (datapath >> 8) & 255,
                datapath & 255,
                (datapath >> 8) & 255,
                datapath & 255,
                number % 97,
                (datapath >> 8) & 255,
                datapath & 255,
            ),
            flow => write!(
                text,
                ",{{\"op\":\"insert\",\"table\":\"Flow\",\"row\":{{\"datapath\":[\"named-uuid\",\"dp{datapath}\"],\
                 \"pipeline\":\"{}\",\"stage\":{},\"priority\":{},\"match\":\"inport == \\\"port-{number:08x}-5a1e\\\" \
                 && eth.src == {{0a:00:00:00:{:02x}:{:02x}}} && ip4.dst == 10.{}.{}.{flow}\",\"actions\":\
                 \"reg0[0] = 1; next(pipeline=ingress, table={});\",\"external_ids\":[\"map\",\
                 [[\"source\",\"northd.c:{}\"],[\"stage-name\",\"ls_in_port_sec_ip\"]]]}}}}",
                if flow % 2 == 0 { "ingress" } else { "egress" },
                flow % 32,
                flow * 10,
                datapath & 255,
                flow,
                (datapath >> 8) & 255,
                datapath & 255,
                flow % 24,
                4000 + flow,
            ),
        };
    }
    text.push(']');
    text
}

/// The tables that [`network`] writes to.
pub(crate) const NETWORK_TABLES: [&str; 3] = ["Datapath", "Flow", "Port"];

#[cfg(test)]
mod tests {
    use ovsdb_proto::json::{self, Json};
    use ovsdb_proto::schema::Schema;

    use super::*;

    #[test]
    fn rows_fit_the_schema() {
        let schema = json::parse(SCHEMA.as_bytes()).expect("the schema is JSON");
        let schema = Schema::from_json(&schema).expect("the schema is valid");
        for (params, operations) in [
            (item(3, 4, false), 1),
            (item(3, 4, true), 2),
            (valued(3, 4, 5), 1),
            (valued_rows(3, 4, 5, 6), 5),
            (network(0, 250), 250),
            (network(300, 7), 7),
        ] {
            let Ok(Json::Array(params)) = json::parse(params.as_bytes()) else {
                panic!("{params}")
            };
            let mut number = 0_u8;
            let mut fresh = || {
                number = number.wrapping_add(1);
                ovsdb_proto::uuid::Uuid::from_bytes([number; 16])
            };
            let transaction =
                ovsdb_proto::operation::parse_transact(&schema, &params[1..], &mut fresh);
            assert_eq!(transaction.parse_error.map(|error| error.to_string()), None);
            assert_eq!(transaction.operations.len(), operations);
        }
    }
}
