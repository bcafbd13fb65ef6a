"""Each way of monitoring that an IDL knows, and how it comes down to the one that the server has."""

from harness import Raw, Replica, ask, fill, tell

COLUMNS = {"Site": ["name", "hosts", "labels"], "Host": ["name", "addresses", "cores", "backup"]}


class WithoutServerDatabase(Replica):
    """An IDL as it was before there was a _Server database: it begins with monitor_cond."""

    def restart_fsm(self):
        self.sync_conditions()
        self.state = self.IDL_S_INITIAL
        self._Idl__send_monitor_request()


def follow(kind, **options):
    """A replica sees what others change, whatever it is told it by."""
    replica = kind(COLUMNS, **options).connected()
    client = Raw()
    replica.contains("Host", ["alpha", "beta"])
    where = [["name", "==", "alpha"]]
    client.transact(
        {"op": "mutate", "table": "Host", "where": where, "mutations": [["addresses", "insert", ["set", ["10.0.0.1", "10.0.0.2"]]]]},
        {"op": "update", "table": "Site", "where": [], "row": {"labels": ["map", [["a", "1"], ["b", "2"]]]}},
    )
    replica.until("addresses", lambda: len(replica.row("Host", "alpha").addresses) == 2)
    client.transact(
        {"op": "mutate", "table": "Host", "where": where, "mutations": [["addresses", "delete", "10.0.0.1"], ["cores", "+=", 1]]},
        {"op": "mutate", "table": "Site", "where": [], "mutations": [["labels", "delete", ["set", ["a"]]], ["labels", "insert", ["map", [["c", "3"]]]]]},
    )
    replica.until("cores", lambda: replica.row("Host", "alpha").cores == 5)
    replica.tell_contents()
    client.transact(
        {"op": "update", "table": "Host", "where": where, "row": {"addresses": ["set", []], "cores": 4}},
        {"op": "update", "table": "Site", "where": [], "row": {"labels": ["map", []]}},
    )
    replica.until("cores", lambda: replica.row("Host", "alpha").cores == 4)
    replica.tell_contents()
    replica.tell_events()
    tell("sent", *replica.sent)
    tell("received", *replica.methods_received())
    client.close()
    return replica


fill(("north", ["alpha", "beta"]))
since = follow(Replica)
follow(Replica, unknown=["monitor_cond_since"]).close()
follow(Replica, unknown=["monitor_cond_since", "monitor_cond"]).close()
follow(Replica, unknown=["get_schema"]).close()
cond = follow(WithoutServerDatabase)
follow(WithoutServerDatabase, unknown=["monitor_cond"]).close()

# The server is told to forget conditions: it drops its sessions, and their IDLs find another way.
for replica in (since, cond):
    replica.forget()
ask("appctl", "ovsdb-server/disable-monitor-cond")
for replica in (since, cond):
    replica.until("reconnected", lambda: "monitor" in replica.sent)
    replica.connected()
    replica.contains("Host", ["alpha", "beta"])
    tell("sent", *replica.sent)
follow(Replica).close()
# A condition then has no effect, but does no harm.
unconditional = Replica(COLUMNS, {"Host": [["name", "==", "beta"]]}).connected()
unconditional.contains("Host", ["alpha", "beta"])
