//! Metrics of what stands in rows: chassis, logical switches and their ports, interfaces.

use ovsdb_daemon::metrics::Kind;

use super::metric::{Metric, Prefix, known, metrics, own};

/// A figure of each interface, which its row holds.
const fn interface(name: &'static str, kind: Kind, help: &'static str) -> Metric {
    known(Prefix::Ovs, name, kind, BY_ROW, help)
}

const BY_ROW: &[&str] = &["system_id", "uuid"];
const BY_PAIR: &[&str] = &["system_id", "uuid", "key", "value"];

metrics! {
    NOT_TOLD = own(
        "metrics_rows_not_told",
        Kind::Gauge,
        &["database", "table"],
        "Rows of a table for which nothing is told in the metrics below because there are more than 4,000 of them, else 0.",
    );
    CHASSIS = known(
        Prefix::Ovn,
        "chassis_info",
        Kind::Gauge,
        &["system_id", "uuid", "name", "ip"],
        "Always 1: this chassis is registered (table Chassis). Its address is that of its first encapsulation.",
    );
    SWITCH = known(
        Prefix::Ovn,
        "logical_switch_info",
        Kind::Gauge,
        &["system_id", "uuid", "name"],
        "Always 1: this logical switch is there.",
    );
    SWITCH_EXTERNAL_ID = known(
        Prefix::Ovn,
        "logical_switch_external_id",
        Kind::Gauge,
        BY_PAIR,
        "Always 1; a key and its value in external_ids of a logical switch.",
    );
    SWITCH_PORT = known(
        Prefix::Ovn,
        "logical_switch_port_binding",
        Kind::Gauge,
        &["system_id", "uuid", "port"],
        "Always 1; the logical switch with this UUID has the logical switch port with that one.",
    );
    SWITCH_TUNNEL_KEY = known(
        Prefix::Ovn,
        "logical_switch_tunnel_key",
        Kind::Gauge,
        BY_ROW,
        "The tunnel key of a logical switch; told where both databases of OVN are served.",
    );
    SWITCH_PORTS = known(
        Prefix::Ovn,
        "logical_switch_ports",
        Kind::Gauge,
        BY_ROW,
        "How many ports a logical switch has.",
    );
    PORT = known(
        Prefix::Ovn,
        "logical_switch_port_info",
        Kind::Gauge,
        &[
            "system_id",
            "uuid",
            "name",
            "chassis",
            "logical_switch",
            "datapath",
            "port_binding",
            "mac_address",
            "ip_address",
        ],
        "Always 1; what is known of a logical switch port: its name, the name of its switch, its first Ethernet and its first IP address, and the UUIDs of its chassis, its datapath and its port binding, which are empty where the southbound database is not served.",
    );
    PORT_TUNNEL_KEY = known(
        Prefix::Ovn,
        "logical_switch_port_tunnel_key",
        Kind::Gauge,
        BY_ROW,
        "The tunnel key of a logical switch port; told where both databases of OVN are served.",
    );
    INTERFACE = known(
        Prefix::Ovs,
        "interface",
        Kind::Gauge,
        &["system_id", "uuid", "name"],
        "Always 1: this interface is there.",
    );
    ADMIN_STATE = interface("interface_admin_state", Kind::Gauge, "Whether the link is administratively down (0) or up (1), or this is not known (2).");
    LINK_STATE = interface("interface_link_state", Kind::Gauge, "Whether the link was seen down (0) or up (1), or this is not known (2).");
    POLICING_BURST = interface("interface_ingress_policing_burst", Kind::Gauge, "Burst that policing of what arrives allows, in kilobits.");
    POLICING_RATE = interface("interface_ingress_policing_rate", Kind::Gauge, "Rate that policing of what arrives allows, in kilobits a second; 0 if all.");
    MAC_IN_USE = known(
        Prefix::Ovs,
        "interface_mac_in_use",
        Kind::Gauge,
        &["system_id", "uuid", "mac_address"],
        "Always 1; the Ethernet address that the interface uses.",
    );
    MTU = interface("interface_mtu", Kind::Gauge, "The largest transmission unit, in bytes; 0 if it is not known.");
    DUPLEX = interface("interface_duplex", Kind::Gauge, "Whether the link is half (1) or full (2) duplex, or this is not known (0).");
    OFPORT = interface("interface_of_port", Kind::Gauge, "The OpenFlow port number; -1 if the interface could not be added, 0 if it has none yet.");
    IFINDEX = interface("interface_if_index", Kind::Gauge, "The index that the system gave the interface; 0 if it is not known.");
    RX_CRC = interface("interface_rx_crc_err", Kind::Counter, "Packets that arrived with a wrong checksum.");
    RX_DROPPED = interface("interface_rx_dropped", Kind::Counter, "Packets that arrived and were dropped.");
    RX_FRAME = interface("interface_rx_frame_err", Kind::Counter, "Packets that arrived with a wrong alignment.");
    RX_OVERRUN = interface("interface_rx_over_err", Kind::Counter, "Packets that arrived faster than they were taken.");
    RX_ERRORS = interface("interface_rx_errors", Kind::Counter, "Packets that arrived with an error.");
    RX_MISSED = interface("interface_rx_missed_errors", Kind::Counter, "Packets that were missed when they arrived.");
    RX_PACKETS = interface("interface_rx_packets", Kind::Counter, "Packets that arrived.");
    RX_BYTES = interface("interface_rx_bytes", Kind::Counter, "Bytes that arrived.");
    RX_MULTICAST = interface("interface_rx_multicast_packets", Kind::Counter, "Multicast packets that arrived.");
    TX_PACKETS = interface("interface_tx_packets", Kind::Counter, "Packets that were sent.");
    TX_BYTES = interface("interface_tx_bytes", Kind::Counter, "Bytes that were sent.");
    TX_DROPPED = interface("interface_tx_dropped", Kind::Counter, "Packets that were to be sent and were dropped.");
    TX_ERRORS = interface("interface_tx_errors", Kind::Counter, "Packets that could not be sent.");
    COLLISIONS = interface("interface_collisions", Kind::Counter, "Collisions of packets.");
    LINK_RESETS = interface("interface_link_resets", Kind::Counter, "How often the state of the link was seen to change.");
    LINK_SPEED = interface("interface_link_speed", Kind::Gauge, "The speed of the link, in bits a second; 0 if it is not known.");
    STATUS = known(
        Prefix::Ovs,
        "interface_status",
        Kind::Gauge,
        BY_PAIR,
        "Always 1; a key and its value in status of an interface.",
    );
    OPTIONS = known(
        Prefix::Ovs,
        "interface_options",
        Kind::Gauge,
        BY_PAIR,
        "Always 1; a key and its value in options of an interface.",
    );
    EXTERNAL_IDS = known(
        Prefix::Ovs,
        "interface_external_ids",
        Kind::Gauge,
        BY_PAIR,
        "Always 1; a key and its value in external_ids of an interface.",
    );
}
