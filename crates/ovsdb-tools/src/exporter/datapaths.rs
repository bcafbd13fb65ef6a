//! Metrics of datapaths: what a switch says with `dpif/show` of their bridges and ports, and with `dpctl/show` of their flows.

use ovsdb_client::control::DatapathStatus;
use ovsdb_daemon::metrics::Samples;

use super::daemons::Report;
use super::table::{self, PORTS_MAX};
use crate::metrics::metric::{Metric, OVS, Writing};

/// Adds the samples of a metric for one datapath, which has these labels.
type Add<'a> = &'a dyn Fn(&mut Samples<'_>, &[(&str, &str)], &DatapathStatus);

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
    let statistics = || {
        reports
            .iter()
            .flat_map(|report| &report.statistics.datapaths)
    };
    let mut each = |metric: &Metric, add: Add<'_>| {
        writing.named(OVS, metric, |samples| {
            for datapath in statistics() {
                add(samples, &[id, ("datapath", &datapath.name)], datapath);
            }
        });
    };
    type Figure = fn(&DatapathStatus) -> Option<u64>;
    let figures: [(&Metric, Figure); 6] = [
        (&table::FLOWS, |it| it.flows),
        (&table::LOOKUPS_HIT, |it| Some(it.lookups?.hit)),
        (&table::LOOKUPS_MISSED, |it| Some(it.lookups?.missed)),
        (&table::LOOKUPS_LOST, |it| Some(it.lookups?.lost)),
        (&table::MASKS_HIT, |it| Some(it.masks?.hit)),
        (&table::MASKS, |it| Some(it.masks?.total)),
    ];
    for (metric, figure) in figures {
        each(metric, &|samples, labels, datapath| {
            if let Some(value) = figure(datapath) {
                samples.add(labels, value);
            }
        });
    }
    each(&table::MASKS_RATIO, &|samples, labels, datapath| {
        if let Some(masks) = datapath.masks {
            samples.add(labels, masks.hit_per_packet);
        }
    });
}
