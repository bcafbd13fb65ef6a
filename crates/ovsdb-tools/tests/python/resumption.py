"""What a replica gets after a lost connection, a restart and a crash of the server: what it missed."""

import uuid

from harness import RESUMES, Raw, Replica, ask, fill, host, site, tell

NUMBER = 200
NAMES = ["h%03d" % number for number in range(NUMBER)]
# Without `load`, which the file does not hold.
TABLES = {"Site": ["name", "hosts"], "Host": ["name", "addresses", "cores", "state"]}


def rows(update):
    return sum(len(table) for table in update.values())


def resumed(replica, missed, kept=RESUMES):
    """Runs a replica that has lost its server. It must get the `missed` rows alone if the server has `kept` history."""
    last = replica.last_id
    replica.forget()
    replica.until("asked to go on", lambda: "monitor_cond_since" in replica.sent)
    replica.connected()
    [(found, last_id, update)] = [
        message.result
        for message in replica.received
        if isinstance(message.result, list) and len(message.result) == 3
    ]
    assert found == kept, "found: %s" % found
    if kept:
        assert rows(update) == missed, "%d rows of %d" % (rows(update), missed)
        assert (last_id == last) == (missed == 0), (last, last_id)
    full = Replica(TABLES, CONDITIONS.get(replica)).connected()
    assert replica.contents() == full.contents()
    full.close()
    tell("rows", {name: len(table.rows) for name, table in sorted(replica.tables.items())})


def change():
    """Five rows inserted, one changed, one deleted that the conditional replica has; one changed that it has not."""
    client = Raw()
    global turn
    turn += 1
    new = ["new%d%d" % (turn, number) for number in range(5)]
    gone, changed, other = NAMES[turn], NAMES[40 + turn], NAMES[160 + turn]
    [row] = client.transact({"op": "select", "table": "Host", "where": [["name", "==", gone]], "columns": ["_uuid"]})[0]["rows"]
    client.transact(*[host(name) for name in new], site("site%d" % turn, new))
    client.transact(
        {"op": "mutate", "table": "Site", "where": [["name", "==", "big"]], "mutations": [["hosts", "delete", row["_uuid"]]]},
        {"op": "update", "table": "Host", "where": [["name", "==", changed]], "row": {"addresses": ["set", ["a", "b"]]}},
    )
    client.transact({"op": "update", "table": "Host", "where": [["name", "==", other]], "row": {"cores": 7}})
    client.close()


turn = 0
# Two sites and hosts: one site new, one changed, five hosts new, two changed, one gone.
ALL = 2 + 8
# The conditional replica has no sites and a part of the hosts: one changed and one gone.
SOME = 2

fill(("big", NAMES))
everything = Replica(TABLES).connected()
some = Replica(TABLES, {"Site": [False], "Host": [["name", "==", name] for name in NAMES[:120]]}).connected()
CONDITIONS = {some: {"Site": [False], "Host": [["name", "==", name] for name in NAMES[:120]]}}



def disconnect():
    for replica in (everything, some):
        replica.disconnect()


# Nothing has happened.
disconnect()
resumed(everything, 0)
resumed(some, 0)

# The connection is lost, by the client and by the server.
disconnect()
change()
resumed(everything, ALL)
resumed(some, SOME)
ask("appctl", "ovsdb-server/reconnect")
change()
resumed(everything, ALL)
resumed(some, SOME)

# The server is started again after a clean end and after a crash, and once with a compacted file. The replicas
# have left before, so that nothing of the changes can have reached them.
for way in ("restart", "kill"):
    disconnect()
    change()
    ask(way)
    resumed(everything, ALL)
    resumed(some, SOME)
disconnect()
ask("appctl", "ovsdb-server/compact", "Inventory")
change()
ask("kill")
resumed(everything, ALL)
resumed(some, SOME)

# A compacted file holds its contents, and nothing of how they came to be.
disconnect()
change()
ask("appctl", "ovsdb-server/compact", "Inventory")
ask("restart")
for replica in (everything, some):
    resumed(replica, None, kept=False)

# Changes of condition while there is no server: the old condition resumes, the new one follows.
change()
ask("stop")
some.until("the connection is lost", lambda: not some._session.is_connected())
NEW = {"Site": [False], "Host": [["name", "==", name] for name in NAMES[80:160]]}
some.cond_change("Host", NEW["Host"])
ask("start")
some.until("the new condition", lambda: NAMES[159] in some.names("Host") and NAMES[60] not in some.names("Host"))
CONDITIONS[some] = NEW
full = Replica(TABLES, NEW).connected()
assert some.contents() == full.contents()
everything.connected()

# An id that never was: everything comes anew.
everything.disconnect()
everything.last_id = str(uuid.uuid4())
resumed(everything, None, kept=False)

# Columns that the file does not hold: whatever the server makes of it, the contents are right.
client = Raw()
live = Replica().connected()
client.transact({"op": "update", "table": "Host", "where": [], "row": {"load": 0.5}})
live.until("load", lambda: all(row.load == [0.5] for row in live.tables["Host"].rows.values()))
client.close()
live.forget()
ask("restart")
live.until("asked to go on", lambda: "monitor_cond_since" in live.sent)
live.connected()
full = Replica().connected()
assert live.contents() == full.contents()
tell("load", sorted({str(row.load) for row in live.tables["Host"].rows.values()}))
