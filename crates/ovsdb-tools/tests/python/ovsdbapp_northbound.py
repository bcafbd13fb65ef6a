"""ovsdbapp on OVN's northbound database with conditions: two views of one database."""

import threading

from ovsdbapp.backend.ovs_idl import connection, event
from ovsdbapp.schema.ovn_northbound import impl_idl

from harness import DEADLINE_S, REMOTE, ask, reconnect_at_once, show, tell


class Appeared(event.WaitEvent):
    """A row with this name is created or deleted."""

    def __init__(self, what, table, name):
        super().__init__((what,), table, (("name", "=", name),), timeout=DEADLINE_S)


class Idl(connection.OvsdbIdl):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        reconnect_at_once(self)
        self.handler = event.RowEventHandler()

    def notify(self, event, row, updates=None):
        self.handler.notify(event, row, updates)


class View:
    """A connection, with conditions by table."""

    def __init__(self, conditions=()):
        self.idl = Idl.from_server(REMOTE, "OVN_Northbound")
        for table, clauses in conditions:
            self.idl.cond_change(table, clauses)
        self.connection = connection.Connection(self.idl, timeout=DEADLINE_S)
        # The class keeps the connection, so each connection needs a class.
        kind = type("Api", (impl_idl.OvnNbApiIdlImpl,), {"_ovsdb_connection": None})
        self.api = kind(self.connection)

    def run(self, command):
        return command.execute(check_error=True)

    def expect(self, what, table, name):
        """An event to wait for, watched from now on."""
        one = Appeared(what, table, name)
        self.idl.handler.watch_event(one)
        return one

    def names(self, table):
        with self.connection.lock:
            return sorted(row.name for row in self.idl.tables[table].rows.values())


def happened(*events):
    for one in events:
        assert one.wait(), one


full = View()
part = View([("Logical_Switch_Port", [["type", "==", "router"]]), ("Logical_Switch", [["name", "==", "sw0"], ["name", "==", "sw1"]])])
nb = full.api

seen = [full.expect("create", "Logical_Switch", "sw0"), part.expect("create", "Logical_Switch", "sw0")]
with nb.transaction(check_error=True) as transaction:
    for number in range(3):
        transaction.add(nb.ls_add("sw%d" % number, external_ids={"number": str(number)}))
        for port in range(4):
            name = "sw%d-p%d" % (number, port)
            transaction.add(nb.lsp_add("sw%d" % number, name))
            transaction.add(nb.lsp_set_addresses(name, ["50:54:00:00:%02x:%02x 10.0.%d.%d" % (number, port, number, port)]))
happened(*seen)
for view in (full, part):
    tell(view.names("Logical_Switch"), view.names("Logical_Switch_Port"))

# A port becomes one that the other view wants, and ceases to be.
seen = part.expect("create", "Logical_Switch_Port", "sw1-p1")
full.run(nb.lsp_set_type("sw1-p1", "router"))
happened(seen)
tell(part.names("Logical_Switch_Port"))
seen = part.expect("delete", "Logical_Switch_Port", "sw1-p1")
full.run(nb.lsp_set_type("sw1-p1", ""))
happened(seen)
tell(part.names("Logical_Switch_Port"))

# The rest of the commands that a cloud's driver sends.
full.run(nb.lr_add("lr0"))
full.run(nb.lrp_add("lr0", "lr0-sw0", "00:00:00:00:ff:01", ["10.0.0.254/24"]))
full.run(nb.lr_route_add("lr0", "192.168.0.0/16", "10.0.0.1"))
full.run(nb.lr_nat_add("lr0", "snat", "172.16.0.1", "10.0.0.0/24"))
full.run(nb.pg_add("pg0"))
ports = [full.run(nb.lsp_get("sw0-p%d" % port)).uuid for port in range(4)]
full.run(nb.pg_add_ports("pg0", ports[:3]))
full.run(nb.pg_del_ports("pg0", ports[1:2]))
full.run(nb.pg_acl_add("pg0", "from-lport", 1001, "inport == @pg0 && ip4", "allow-related"))
full.run(nb.address_set_add("as0", ["10.0.0.1"]))
full.run(nb.address_set_add_addresses("as0", ["10.0.0.2", "10.0.0.3"]))
full.run(nb.address_set_remove_addresses("as0", ["10.0.0.1"]))
full.run(nb.lb_add("lb0", "30.0.0.1:80", ["10.0.0.1:80", "10.0.0.2:80"]))
full.run(nb.ls_lb_add("sw0", "lb0"))
full.run(nb.dhcp_options_add("10.0.0.0/24", owner="test"))
dns = full.run(nb.dns_add(external_ids={"owner": "test"}))
full.run(nb.dns_add_record(dns.uuid, "host", "10.0.0.1"))
full.run(nb.ls_add_dns_record(full.run(nb.ls_get("sw0")).uuid, dns.uuid))


def tell_all():
    group = full.run(nb.pg_get("pg0"))
    tell(len(group.ports), [(acl.priority, acl.match) for acl in group.acls])
    tell(sorted(full.run(nb.address_set_get("as0")).addresses))
    tell(show(full.run(nb.lb_get("lb0")).vips))
    tell([(route.ip_prefix, route.nexthop) for route in full.run(nb.lr_route_list("lr0"))])
    tell(show(full.run(nb.dns_get(dns.uuid)).records))
    tell([port.name for port in sorted(full.run(nb.lsp_list("sw0")), key=lambda port: port.name)])


tell_all()

# After a crash of the server both go on, and a change of condition as well.
ask("kill")
seen = full.expect("delete", "Logical_Switch", "sw1"), part.expect("delete", "Logical_Switch", "sw1")
full.run(nb.ls_del("sw1"))
happened(*seen)
seen = part.expect("create", "Logical_Switch", "sw2")
with part.connection.lock:
    part.idl.cond_change("Logical_Switch", [["name", "==", "sw2"]])
part.connection.txns.alert_notify()
happened(seen)
for view in (full, part):
    tell(view.names("Logical_Switch"), view.names("Logical_Switch_Port"))
tell_all()
