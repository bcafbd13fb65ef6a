//! `dpif/show`: the datapaths of a switch, with their bridges and ports.

use super::lines::{lines, number};

/// The datapaths of a switch.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Datapaths {
    /// The datapaths, in the switch's order: that of their names.
    pub datapaths: Vec<Datapath>,
    /// Lines that are none of these.
    pub other: Vec<String>,
}

/// What forwards packets for one or more bridges.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Datapath {
    /// Its type and name, such as `system@ovs-system`.
    pub name: String,
    /// Packets for which the datapath had a flow.
    pub hit: u64,
    /// Packets that it asked the switch about.
    pub missed: u64,
    /// Its bridges, in the order of their names.
    pub bridges: Vec<Bridge>,
}

/// A bridge.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Bridge {
    /// Its name.
    pub name: String,
    /// Its ports, in the order of their names.
    pub ports: Vec<Port>,
}

/// A port of a bridge.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Port {
    /// Its name.
    pub name: String,
    /// Its OpenFlow number.
    pub openflow_port: u32,
    /// Its number in the datapath; `None` if it is not there, as patch ports are not.
    pub datapath_port: Option<u32>,
    /// The type of its device.
    pub kind: String,
    /// The configuration of its device: names with their values.
    pub config: Vec<(String, String)>,
}

impl Datapaths {
    /// Reads the answer to `dpif/show`. A switch may have no datapath.
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

    /// All bridges of all datapaths.
    pub fn bridges(&self) -> impl Iterator<Item = &Bridge> {
        self.datapaths.iter().flat_map(|datapath| &datapath.bridges)
    }

    /// Takes one line; `None` if it says nothing that is known.
    fn line(&mut self, line: &str) -> Option<()> {
        if let Some(line) = line.strip_prefix("    ") {
            let bridges = &mut self.datapaths.last_mut()?.bridges;
            bridges.last_mut()?.ports.push(Port::parse(line)?);
        } else if let Some(line) = line.strip_prefix("  ") {
            self.datapaths.last_mut()?.bridges.push(Bridge {
                name: line.strip_suffix(':')?.to_owned(),
                ports: Vec::new(),
            });
        } else {
            let (name, counts) = line.split_once(": hit:")?;
            let (hit, missed) = counts.split_once(" missed:")?;
            self.datapaths.push(Datapath {
                name: name.to_owned(),
                hit: number(hit)?,
                missed: number(missed)?,
                bridges: Vec::new(),
            });
        }
        Some(())
    }
}

impl Port {
    fn parse(line: &str) -> Option<Self> {
        let (left, right) = line.split_once(": (")?;
        let (name, numbers) = left.rsplit_once(' ')?;
        let (openflow_port, datapath_port) = numbers.split_once('/')?;
        let inside = right.strip_suffix(')')?;
        let (kind, config) = inside.split_once(": ").unwrap_or((inside, ""));
        let mut pairs: Vec<(String, String)> = Vec::new();
        for piece in config.split(", ").filter(|piece| !piece.is_empty()) {
            match (piece.split_once('='), pairs.last_mut()) {
                (Some((name, value)), _) => pairs.push((name.to_owned(), value.to_owned())),
                // A comma in the value before.
                (None, Some((_, value))) => {
                    value.push_str(", ");
                    value.push_str(piece);
                }
                (None, None) => return None,
            }
        }
        Some(Self {
            name: name.to_owned(),
            openflow_port: number(openflow_port)?,
            datapath_port: match datapath_port {
                "none" => None,
                port => Some(number(port)?),
            },
            kind: kind.to_owned(),
            config: pairs,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{letters, recorded};
    use super::*;
    use proptest::prelude::*;

    fn port(port: &Port) -> String {
        let number = port.datapath_port.map(|number| number.to_string());
        let pairs = port.config.iter().enumerate();
        let config: String = pairs
            .map(|(nth, (name, value))| {
                format!("{} {name}={value}", if nth == 0 { ':' } else { ',' })
            })
            .collect();
        format!(
            "    {} {}/{}: ({}{config})\n",
            port.name,
            port.openflow_port,
            number.as_deref().unwrap_or("none"),
            port.kind
        )
    }

    fn text_of(datapaths: &Datapaths) -> String {
        let mut text = String::new();
        for datapath in &datapaths.datapaths {
            let Datapath {
                name, hit, missed, ..
            } = datapath;
            text += &format!("{name}: hit:{hit} missed:{missed}\n");
            for bridge in &datapath.bridges {
                text += &format!("  {}:\n", bridge.name);
                text.extend(bridge.ports.iter().map(port));
            }
        }
        text
    }

    #[test]
    fn recorded_answers_are_read_without_loss() {
        for (name, text) in recorded("dpif-show") {
            let datapaths = Datapaths::parse(&text);
            assert_eq!(text_of(&datapaths), text, "{name}");
            let bridges: Vec<&str> = datapaths.bridges().map(|b| b.name.as_str()).collect();
            assert_eq!(bridges, ["br-ex", "br-int"], "{name}");
        }
    }

    #[test]
    fn ports_have_numbers_a_type_and_a_configuration() {
        let text = "netdev@ovs-netdev: hit:7 missed:1\n  br0:\n    \
                    vx0 3/4: (vxlan: csum=true, remote_ip=192.0.2.7)\n    \
                    dpdk0 1/none: (dpdk: queues=1, 2, mtu=9000)\n";
        let datapaths = Datapaths::parse(text);
        assert_eq!(text_of(&datapaths), text);
        let [vxlan, dpdk] = datapaths.datapaths[0].bridges[0].ports.as_slice() else {
            panic!("{datapaths:?}");
        };
        assert_eq!((vxlan.openflow_port, vxlan.datapath_port), (3, Some(4)));
        assert_eq!(vxlan.config[1].1, "192.0.2.7");
        assert_eq!(dpdk.datapath_port, None);
        assert_eq!(dpdk.config[0], ("queues".to_owned(), "1, 2".to_owned()));
    }

    #[test]
    fn other_lines_are_kept() {
        let text = "flows: 2\n    p 1/2: (x)\na@b: hit:1 missed:0\n  br0\n  br1:\n    p 1/2: (\n";
        let datapaths = Datapaths::parse(text);
        assert_eq!(datapaths.datapaths[0].bridges.len(), 1);
        assert_eq!(
            datapaths.other,
            ["flows: 2", "    p 1/2: (x)", "  br0", "    p 1/2: ("]
        );
        assert_eq!(Datapaths::parse(""), Datapaths::default());
    }

    prop_compose! {
        fn ports()(
            name in letters(), openflow_port: u32, datapath_port: Option<u32>, kind in "[a-z-]{1,8}",
            config in prop::collection::vec(("[a-z_]{1,5}", "[a-z0-9.,=]{0,5}"), 0..3),
        ) -> Port {
            Port { name, openflow_port, datapath_port, kind, config }
        }
    }

    prop_compose! {
        fn bridges()(name in letters(), ports in prop::collection::vec(ports(), 0..3)) -> Bridge {
            Bridge { name, ports }
        }
    }

    prop_compose! {
        fn datapaths()(
            name in "(system|netdev)@[a-z-]{1,5}", hit: u64, missed: u64,
            bridges in prop::collection::vec(bridges(), 0..3),
        ) -> Datapath {
            Datapath { name, hit, missed, bridges }
        }
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read(datapaths in prop::collection::vec(datapaths(), 0..3)) {
            let datapaths = Datapaths { datapaths, other: Vec::new() };
            prop_assert_eq!(Datapaths::parse(&text_of(&datapaths)), datapaths);
        }
    }
}
