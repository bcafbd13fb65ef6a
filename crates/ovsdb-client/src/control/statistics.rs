//! `dpctl/show`: what the datapaths of a switch have looked up, how many flows they have, and their ports.

use super::lines::{lines, number};

/// What the datapaths of a switch tell of themselves.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DatapathStatistics {
    /// The datapaths, in the switch's order.
    pub datapaths: Vec<DatapathStatus>,
    /// Lines that are none of these.
    pub other: Vec<String>,
}

/// A datapath. What its kind or its version does not tell, is `None`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DatapathStatus {
    /// Its type and name, such as `system@ovs-system`.
    pub name: String,
    /// Where packets found their flows.
    pub lookups: Option<Lookups>,
    /// Flows that it has.
    pub flows: Option<u64>,
    /// What it cost to find flows by masks.
    pub masks: Option<Masks>,
    /// How often a cache told the mask.
    pub cache: Option<CacheHits>,
    /// Its caches: names and how many entries each may have.
    pub caches: Vec<(String, u64)>,
    /// Its ports, in the order of their numbers.
    pub ports: Vec<DatapathPort>,
}

/// Where packets found their flows.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Lookups {
    /// Packets for which there was a flow.
    pub hit: u64,
    /// Packets that the switch was asked about.
    pub missed: u64,
    /// Packets that the switch could not be asked about.
    pub lost: u64,
}

/// What it cost to find flows by masks.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Masks {
    /// Masks that were looked at.
    pub hit: u64,
    /// Masks that there are.
    pub total: u64,
    /// Masks that were looked at for a packet, on average.
    pub hit_per_packet: f64,
}

/// How often a cache told the mask (Open vSwitch 2.15 and later).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct CacheHits {
    /// Packets whose mask it told.
    pub hit: u64,
    /// Those of a hundred packets.
    pub percent: f64,
}

/// A port of a datapath.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DatapathPort {
    /// Its number.
    pub number: u32,
    /// Its name.
    pub name: String,
    /// The type of its device; `None` of one of the system's.
    pub kind: Option<String>,
    /// The configuration of its device, or why it is not known, as the switch words it; empty if there is none.
    pub config: String,
}

impl DatapathStatistics {
    /// Reads the answer to `dpctl/show` without further options. A switch may have no datapath.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut out = Self::default();
        for line in lines(text) {
            if out.line(line).is_none() {
                out.other.push(line.to_owned());
            }
        }
        out
    }

    /// Takes one line; `None` if it says nothing that is known.
    fn line(&mut self, line: &str) -> Option<()> {
        if !line.starts_with(' ') {
            self.datapaths.push(DatapathStatus {
                name: line.strip_suffix(':')?.to_owned(),
                ..DatapathStatus::default()
            });
            return Some(());
        }
        let datapath = self.datapaths.last_mut()?;
        if let Some(line) = line.strip_prefix("    ") {
            let (name, size) = line.split_once(": size:")?;
            datapath.caches.push((name.to_owned(), number(size)?));
            return Some(());
        }
        let line = line.strip_prefix("  ")?;
        match line.split_once(": ") {
            Some(("lookups", rest)) => {
                let [hit, missed, lost] = fields(rest, ["hit", "missed", "lost"])?;
                datapath.lookups = Some(Lookups {
                    hit: number(hit)?,
                    missed: number(missed)?,
                    lost: number(lost)?,
                });
            }
            Some(("flows", rest)) => datapath.flows = Some(number(rest)?),
            Some(("masks", rest)) => {
                let [hit, total, average] = fields(rest, ["hit", "total", "hit/pkt"])?;
                datapath.masks = Some(Masks {
                    hit: number(hit)?,
                    total: number(total)?,
                    hit_per_packet: figure(average)?,
                });
            }
            Some(("cache", rest)) => {
                let [hit, rate] = fields(rest, ["hit", "hit-rate"])?;
                datapath.cache = Some(CacheHits {
                    hit: number(hit)?,
                    percent: figure(rate.strip_suffix('%')?)?,
                });
            }
            None if line == "caches:" => {}
            _ => datapath.ports.push(DatapathPort::parse(line)?),
        }
        Some(())
    }
}

impl DatapathPort {
    fn parse(line: &str) -> Option<Self> {
        let (port, rest) = line.strip_prefix("port ")?.split_once(": ")?;
        let (name, device) = match rest.split_once(" (") {
            Some((name, device)) => (name, Some(device.strip_suffix(')')?)),
            None => (rest, None),
        };
        // The type ends where something is said of the device, or of why nothing is.
        let end = device.and_then(|device| device.find([':', ',']));
        let (kind, config) = match (device, end) {
            (Some(device), Some(end)) => (Some(&device[..end]), &device[end + 1..]),
            (device, _) => (device, ""),
        };
        Some(Self {
            number: number(port)?,
            name: name.to_owned(),
            kind: kind.map(str::to_owned),
            config: config.trim_start().to_owned(),
        })
    }
}

/// The values of these fields, which are all there are, in this order: `NAME:VALUE NAME:VALUE`.
fn fields<'a, const N: usize>(text: &'a str, names: [&str; N]) -> Option<[&'a str; N]> {
    let mut words = text.split(' ');
    let mut values = [""; N];
    for (name, value) in names.into_iter().zip(&mut values) {
        let (found, text) = words.next()?.split_once(':')?;
        *value = (found == name).then_some(text)?;
    }
    words.next().is_none().then_some(values)
}

/// A number with decimals, none of the words for what is no number.
fn figure(text: &str) -> Option<f64> {
    let is_plain = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || byte == b'.');
    is_plain.then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(statistics: &DatapathStatistics) -> String {
        let mut text = String::new();
        for datapath in &statistics.datapaths {
            text += &format!("{}:\n", datapath.name);
            if let Some(Lookups { hit, missed, lost }) = datapath.lookups {
                text += &format!("  lookups: hit:{hit} missed:{missed} lost:{lost}\n");
            }
            if let Some(flows) = datapath.flows {
                text += &format!("  flows: {flows}\n");
            }
            if let Some(masks) = datapath.masks {
                let (hit, total, average) = (masks.hit, masks.total, masks.hit_per_packet);
                text += &format!("  masks: hit:{hit} total:{total} hit/pkt:{average:.2}\n");
            }
            if let Some(CacheHits { hit, percent }) = datapath.cache {
                text += &format!("  cache: hit:{hit} hit-rate:{percent:.2}%\n");
            }
            if !datapath.caches.is_empty() {
                text += "  caches:\n";
            }
            for (name, size) in &datapath.caches {
                text += &format!("    {name}: size:{size}\n");
            }
            for port in &datapath.ports {
                text += &format!("  port {}: {}", port.number, port.name);
                if let Some(kind) = &port.kind {
                    let colon = if port.config.is_empty() { "" } else { ": " };
                    text += &format!(" ({kind}{colon}{})", port.config);
                }
                text += "\n";
            }
        }
        text
    }

    const KERNEL: &str = "system@ovs-system:\n  lookups: hit:10 missed:3 lost:1\n  flows: 7\n  \
        masks: hit:22 total:4 hit/pkt:1.69\n  cache: hit:9 hit-rate:69.23%\n  caches:\n    \
        masks-cache: size:256\n  port 0: ovs-system (internal)\n  port 1: eth0\n  \
        port 2: vxlan_sys_4789 (vxlan: packet_type=ptap, csum=true)\n  \
        port 3: gone (internal: open failed (No such device))\n\
        netdev@dp1:\n  lookups: hit:0 missed:0 lost:0\n  flows: 0\n";

    #[test]
    fn what_is_shown_is_read_without_loss() {
        let read = DatapathStatistics::parse(KERNEL);
        assert_eq!(text_of(&read), KERNEL);
        assert_eq!(read.other, [""; 0]);
        let [kernel, user] = read.datapaths.as_slice() else {
            panic!("{read:?}");
        };
        assert_eq!(kernel.masks.map(|masks| masks.hit_per_packet), Some(1.69));
        assert_eq!(kernel.cache.map(|cache| cache.percent), Some(69.23));
        let kinds: Vec<Option<&str>> = kernel.ports.iter().map(|it| it.kind.as_deref()).collect();
        assert_eq!(
            kinds,
            [Some("internal"), None, Some("vxlan"), Some("internal")]
        );
        assert_eq!(kernel.ports[3].config, "open failed (No such device)");
        assert_eq!((user.flows, user.masks, user.cache), (Some(0), None, None));
    }

    #[test]
    fn other_lines_are_kept() {
        let text = "flows: 7\n  flows: 7\na@b:\n  lookups: hit:1\n  masks: hit:1 total:1 hit/pkt:nan\n  \
                    port x: y\n  flows: 1\n";
        let read = DatapathStatistics::parse(text);
        assert_eq!(
            read.other,
            [
                "flows: 7",
                "  flows: 7",
                "  lookups: hit:1",
                "  masks: hit:1 total:1 hit/pkt:nan",
                "  port x: y"
            ]
        );
        assert_eq!(read.datapaths[0].flows, Some(1));
        assert_eq!(DatapathStatistics::parse(""), DatapathStatistics::default());
    }
}
