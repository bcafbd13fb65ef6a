//! Metrics of datapaths: what a switch says with `dpif/show` of their bridges and ports, and with `dpctl/show` of their flows.

use ovsdb_daemon::metrics::Samples;

use super::daemons::Report;
use super::table::{self, PORTS_MAX};
use crate::metrics::metric::{Metric, OVS, Writing};

/// What `dpctl/show` tells of one datapath. Of what a version or a kind of datapath does not tell, there is nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Statistics {
    /// Its type and name, such as `system@ovs-system`.
    name: String,
    hit: Option<u64>,
    missed: Option<u64>,
    lost: Option<u64>,
    flows: Option<u64>,
    masks_hit: Option<u64>,
    masks: Option<u64>,
    /// Masks that were looked at for a packet, on average.
    masks_per_packet: Option<f64>,
}

/// Reads the answer to `dpctl/show`. Lines that say nothing of this are passed over.
pub(super) fn parse(text: &str) -> Vec<Statistics> {
    let mut all: Vec<Statistics> = Vec::new();
    for line in text.lines() {
        if let Some(name) = line.strip_suffix(':')
            && !line.starts_with(' ')
        {
            all.push(Statistics {
                name: name.to_owned(),
                ..Statistics::default()
            });
        }
        let Some((heading, rest)) = line.trim_start().split_once(": ") else {
            continue;
        };
        let Some(datapath) = all.last_mut() else {
            continue;
        };
        let field = |name: &str| {
            let words = rest.split_ascii_whitespace();
            let mut pairs = words.filter_map(|word| word.split_once(':'));
            pairs.find_map(|(found, value)| (found == name).then_some(value))
        };
        let number = |name| field(name).and_then(|value| value.parse().ok());
        match heading {
            "lookups" => {
                datapath.hit = number("hit");
                datapath.missed = number("missed");
                datapath.lost = number("lost");
            }
            "flows" => datapath.flows = rest.trim().parse().ok(),
            "masks" => {
                datapath.masks_hit = number("hit");
                datapath.masks = number("total");
                datapath.masks_per_packet = field("hit/pkt").and_then(|value| value.parse().ok());
            }
            _ => {}
        }
    }
    all
}

/// Adds the samples of a metric for one datapath, which has these labels.
type Add<'a> = &'a dyn Fn(&mut Samples<'_>, &[(&str, &str)], &Statistics);

/// Goes on with what switches say of their datapaths.
pub(super) fn write(reports: &[Report], system_id: &str, writing: &mut Writing) {
    let id = ("system_id", system_id);
    let datapaths = || {
        let told = reports
            .iter()
            .filter_map(|report| report.datapaths.as_ref());
        told.flat_map(|told| &told.datapaths)
    };
    if !reports.iter().any(|report| report.datapaths.is_some()) {
        return;
    }
    writing.named(OVS, &table::PORT, |samples| {
        let ports = datapaths().flat_map(|datapath| {
            let of_bridge = datapath.bridges.iter();
            let ports = of_bridge.flat_map(|it| it.ports.iter().map(move |port| (it, port)));
            ports.map(move |(bridge, port)| (datapath, bridge, port))
        });
        for (datapath, bridge, port) in ports.take(PORTS_MAX) {
            let index = port.datapath_port.map(|port| port.to_string());
            let labels = [
                id,
                ("datapath", &datapath.name),
                ("bridge", &bridge.name),
                ("name", &port.name),
                ("ofport", &port.openflow_port.to_string()),
                ("index", index.as_deref().unwrap_or("none")),
                ("port_type", &port.kind),
            ];
            samples.add(&labels, true);
        }
    });
    writing.named(OVS, &table::BRIDGE_PORTS, |samples| {
        for datapath in datapaths() {
            for bridge in &datapath.bridges {
                let labels = [id, ("datapath", &*datapath.name), ("bridge", &*bridge.name)];
                samples.add(&labels, bridge.ports.len());
            }
        }
    });
    let statistics = || reports.iter().flat_map(|report| &report.statistics);
    let mut each = |metric: &Metric, add: Add<'_>| {
        writing.named(OVS, metric, |samples| {
            for datapath in statistics() {
                add(samples, &[id, ("datapath", &datapath.name)], datapath);
            }
        });
    };
    type Figure = fn(&Statistics) -> Option<u64>;
    let figures: [(&Metric, Figure); 6] = [
        (&table::FLOWS, |it| it.flows),
        (&table::LOOKUPS_HIT, |it| it.hit),
        (&table::LOOKUPS_MISSED, |it| it.missed),
        (&table::LOOKUPS_LOST, |it| it.lost),
        (&table::MASKS_HIT, |it| it.masks_hit),
        (&table::MASKS, |it| it.masks),
    ];
    for (metric, figure) in figures {
        each(metric, &|samples, labels, datapath| {
            if let Some(value) = figure(datapath) {
                samples.add(labels, value);
            }
        });
    }
    each(&table::MASKS_RATIO, &|samples, labels, datapath| {
        if let Some(value) = datapath.masks_per_packet {
            samples.add(labels, value);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_of_each_datapath_are_read() {
        let text = "system@ovs-system:\n  lookups: hit:10 missed:3 lost:1\n  flows: 7\n  \
                    masks: hit:22 total:4 hit/pkt:1.69\n  caches:\n    masks-cache: size:256\n  \
                    port 0: ovs-system (internal)\n\
                    netdev@dp1:\n  lookups: hit:0 missed:0 lost:0\n  flows: 0\n";
        let all = parse(text);
        assert_eq!(
            all,
            [
                Statistics {
                    name: "system@ovs-system".to_owned(),
                    hit: Some(10),
                    missed: Some(3),
                    lost: Some(1),
                    flows: Some(7),
                    masks_hit: Some(22),
                    masks: Some(4),
                    masks_per_packet: Some(1.69),
                },
                Statistics {
                    name: "netdev@dp1".to_owned(),
                    hit: Some(0),
                    missed: Some(0),
                    lost: Some(0),
                    flows: Some(0),
                    ..Statistics::default()
                },
            ]
        );
        assert_eq!(parse("nothing\n  flows: 7\n"), []);
    }
}
