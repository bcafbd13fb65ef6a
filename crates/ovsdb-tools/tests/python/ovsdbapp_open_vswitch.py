"""ovsdbapp on the database of a switch: its commands, its events, and a server that is started again in between."""

import threading

from ovsdbapp.backend.ovs_idl import connection, event
from ovsdbapp.schema.open_vswitch import impl_idl

from harness import DEADLINE_S, REMOTE, RESUMES, Raw, ask, reconnect_at_once, show, tell


class Watcher(event.RowEvent):
    """Keeps a list of what happens to the rows of a table, and lets others wait for it to grow."""

    def __init__(self, table, events, conditions=None):
        self.seen = []
        self.known = set()
        self.grown = threading.Condition()
        super().__init__(events, table, conditions)

    def run(self, event, row, old):
        with self.grown:
            if event == "create" and row.name in self.known:
                # All rows are new to a client that has to load them again.
                assert not RESUMES, row.name
                return
            (self.known.discard if event == "delete" else self.known.add)(row.name)
            self.seen.append((event, row.name))
            self.grown.notify_all()

    def wait_for(self, expected):
        with self.grown:
            assert self.grown.wait_for(lambda: len(self.seen) >= len(expected), DEADLINE_S), self.seen
            tell(*["%s %s" % one for one in sorted(self.seen)])
            assert sorted(self.seen) == sorted(expected), self.seen
            self.seen.clear()


class Idl(connection.OvsdbIdl):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        reconnect_at_once(self)
        self.handler = event.RowEventHandler()

    def notify(self, event, row, updates=None):
        self.handler.notify(event, row, updates)


# A switch has to be there: ovsdbapp waits for it to follow.
raw = Raw()
raw.transact({"op": "insert", "table": "Open_vSwitch", "row": {}}, database="Open_vSwitch")
ask("switch")

idl = Idl.from_server(REMOTE, "Open_vSwitch")
api = impl_idl.OvsdbIdl(connection.Connection(idl, timeout=DEADLINE_S))
bridges = Watcher("Bridge", ("create", "delete"))
ports = Watcher("Port", ("create", "update", "delete"), (("name", "=", "p1"),))
idl.handler.watch_events([bridges, ports])


def run(command):
    return command.execute(check_error=True)


with api.transaction(check_error=True) as transaction:
    transaction.add(api.add_br("br0", datapath_type="dummy"))
    transaction.add(api.add_port("br0", "p1", type="dummy"))
    transaction.add(api.add_port("br0", "p2", type="dummy"))
    transaction.add(api.set_controller("br0", ["ptcp:0:127.0.0.1"]))
    transaction.add(api.set_fail_mode("br0", "secure"))
    transaction.add(api.br_set_external_id("br0", "purpose", "trial"))
    transaction.add(api.iface_set_external_id("p1", "iface-id", "vif1"))
bridges.wait_for([("create", "br0")])
ports.wait_for([("create", "p1")])
tell(run(api.list_br()), sorted(run(api.list_ports("br0"))))
tell(run(api.br_get_external_id("br0", "purpose")), run(api.iface_get_external_id("p1", "iface-id")))
tell(run(api.port_to_br("p2")), run(api.iface_to_br("p2")), run(api.get_controller("br0")))

# What the switch writes comes back.
tell(show(run(api.db_find("Interface", ("name", "=", "p1"), columns=["name", "type", "error", "admin_state"]))))

run(api.db_set("Port", "p1", ("tag", 7)))
ports.wait_for([("update", "p1")])
run(api.db_add("Port", "p1", "trunks", 1, 2, 3))
ports.wait_for([("update", "p1")])
run(api.db_remove("Port", "p1", "trunks", 2))
ports.wait_for([("update", "p1")])
tell(show(run(api.db_list("Port", ["p1"], columns=["name", "tag", "trunks"]))))
run(api.db_clear("Port", "p1", "trunks"))
ports.wait_for([("update", "p1")])

# The server goes and comes; commands and events go on.
ask("restart")
run(api.add_br("br1", datapath_type="dummy"))
bridges.wait_for([("create", "br1")])
run(api.del_port("p1"))
ports.wait_for([("delete", "p1")])
with api.transaction(check_error=True) as transaction:
    transaction.add(api.del_br("br0"))
    transaction.add(api.del_br("br1"))
bridges.wait_for([("delete", "br0"), ("delete", "br1")])
tell(run(api.list_br()))
