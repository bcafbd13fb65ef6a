//! What a metric is: its names, its kind, its labels and its meaning; and the page as it is written.
//!
//! Which metrics there are stands in the tables of the programs.

use ovsdb_daemon::metrics::{Kind, Samples, Text};

/// What stands before the name of a metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Prefix {
    /// Of the program itself.
    Own,
    /// Of the process, as clients of Prometheus have them.
    Process,
    /// As dashboards for OVN's databases know them.
    OvnDatabase,
    /// As dashboards for OVN know them.
    Ovn,
    /// As dashboards for Open vSwitch know them.
    Ovs,
    /// As dashboards for OVN and for Open vSwitch know them.
    OvnAndOvs,
    /// The same; and beginning like names of this project, of what is neither.
    Any,
}

impl Prefix {
    /// What is put before names: the first before one, the second before another.
    pub(crate) fn words(self) -> &'static [&'static str] {
        match self {
            Prefix::Own => &[OWN],
            Prefix::Process => &["process_"],
            Prefix::OvnDatabase => &["ovn_db_"],
            Prefix::Ovn => &[OVN],
            Prefix::Ovs => &[OVS],
            Prefix::OvnAndOvs => &[OVN, OVS],
            Prefix::Any => &[OVN, OVS, OWN],
        }
    }
}

/// Before names of this project.
pub(crate) const OWN: &str = "ovsdb_";
/// Before names that dashboards for OVN know.
pub(crate) const OVN: &str = "ovn_";
/// Before names that dashboards for Open vSwitch know.
pub(crate) const OVS: &str = "ovs_";

/// A metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// What stands before its name.
    pub prefix: Prefix,
    /// Its name. What it counts in is its last word, or the last but `total`; without one it counts things.
    pub name: &'static str,
    /// What its values are.
    pub kind: Kind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it means.
    pub help: &'static str,
}

impl Metric {
    /// The whole names.
    pub fn names(&self) -> Vec<String> {
        let prefixes = self.prefix.words().iter();
        prefixes
            .map(|prefix| format!("{prefix}{}", self.name))
            .collect()
    }
}

pub(crate) const fn own(
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        prefix: Prefix::Own,
        name,
        kind,
        labels,
        help,
    }
}

pub(crate) const fn process(name: &'static str, kind: Kind, help: &'static str) -> Metric {
    Metric {
        prefix: Prefix::Process,
        name,
        kind,
        labels: &[],
        help,
    }
}

pub(crate) const fn known(
    prefix: Prefix,
    name: &'static str,
    kind: Kind,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        prefix,
        name,
        kind,
        labels,
        help,
    }
}

/// A table of metrics: a constant for each, and one for all in their order.
macro_rules! metrics {
    ($($constant:ident = $metric:expr;)*) => {
        $(pub(crate) const $constant: $crate::metrics::metric::Metric = $metric;)*
        /// All metrics, in the order of the page.
        pub const METRICS: &[$crate::metrics::metric::Metric] = &[$($constant),*];
    };
}
pub(crate) use metrics;

/// The page as far as it has been written.
#[derive(Debug, Default)]
pub(crate) struct Writing {
    pub(crate) text: Text,
}

impl Writing {
    /// Writes one of the names of a metric.
    pub(crate) fn named(
        &mut self,
        prefix: &str,
        metric: &Metric,
        write: impl FnOnce(&mut Samples<'_>),
    ) {
        let name = format!("{prefix}{}", metric.name);
        write(&mut self.text.metric(&name, metric.kind, metric.help));
    }

    /// Writes a metric under each of its names.
    pub(crate) fn metric(&mut self, metric: &Metric, write: impl Fn(&mut Samples<'_>)) {
        for prefix in metric.prefix.words() {
            self.named(prefix, metric, &write);
        }
    }
}
