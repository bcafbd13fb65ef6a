"""Conditions: rows come and go when a condition or the row changes."""

from harness import Raw, Replica, fill, host, show, site, tell

fill(("north", ["alpha", "beta"]), ("south", ["gamma"]))
client = Raw()

# At the start: only what matches is ever sent.
tables = {"Site": ["name", "hosts"], "Host": ["name", "cores", "state"]}
replica = Replica(tables, {"Host": [["name", "==", "alpha"]], "Site": []})
replica.connected()
tell(*replica.sent)
replica.contains("Host", ["alpha"])
replica.contains("Site", [])

# A row moves into the condition and out of it again, without a word about the rest of it.
replica.cond_change("Host", [["state", "==", "planned"], ["cores", ">", 8]])
replica.contains("Host", [])
for change in [{"state": "planned"}, {"state": "running", "cores": 9}, {"state": "retired"}]:
    where = [["name", "==", "beta"]]
    client.transact({"op": "update", "table": "Host", "where": where, "row": change})
    replica.contains("Host", ["beta"])
client.transact({"op": "update", "table": "Host", "where": where, "row": {"cores": 8}})
replica.contains("Host", [])
replica.tell_events()

# An update of a row outside the condition is no message at all. What comes next is the one inside.
replica.forget()
client.transact({"op": "update", "table": "Host", "where": [["name", "==", "gamma"]], "row": {"cores": 7}})
client.transact({"op": "update", "table": "Host", "where": where, "row": {"cores": 16}})
replica.contains("Host", ["beta"])
tell("messages", len(replica.received))

# When the server has answered a change of condition, its rows are there.
for table, clauses in [
    ("Host", [True]),
    ("Host", [["cores", ">=", 7], ["cores", "<=", 8]]),
    ("Host", [["state", "!=", "running"]]),
    ("Host", [False]),
    ("Host", [["name", "==", "alpha"], ["name", "==", "beta"], ["name", "==", "gamma"]]),
    ("Site", [["hosts", "includes", ["set", []]]]),
    ("Site", [["name", "==", "south"]]),
    ("Site", [True]),
    ("Host", [["cores", "==", 4], False]),
    ("Host", [True, ["cores", "==", 4]]),
]:
    replica.cond_change(table, clauses)
    replica.until("the answer", replica.conditions_hold)
    tell(show(clauses), *replica.names(table))

# Two changes before the server has answered the first one: the last one holds.
replica.cond_change("Host", [["name", "==", "alpha"]])
replica.run()
replica.cond_change("Host", [["name", "==", "gamma"]])
replica.contains("Host", ["gamma"])

# Transactions and conditions mixed: the row is there when it matches, whoever comes first.
replica.cond_change("Host", [["name", "==", "delta"]])
client.transact(host("delta"), site("west", ["delta"]))
replica.contains("Host", ["delta"])
client.transact({"op": "delete", "table": "Site", "where": [["name", "==", "west"]]})
replica.contains("Host", [])
replica.contains("Site", ["north", "south"])

# Two hundred clauses, of which each replica has its own.
names = ["h%03d" % number for number in range(300)]
client.transact(*[host(name) for name in names], site("big", names))
replica.cond_change("Host", [["name", "==", name] for name in names[:200]])
replica.until("all rows of 200 clauses", lambda: replica.names("Host") == names[:200])
other = Replica(tables, {"Host": [["name", "==", name] for name in names[100:]]}).connected()
tell(len(replica.names("Host")), len(other.names("Host")))
client.transact({"op": "update", "table": "Host", "where": [], "row": {"cores": 33}})
for one in (replica, other):
    one.until("every row has changed", lambda: all(row.cores == 33 for row in one.tables["Host"].rows.values()))
client.transact({"op": "update", "table": "Host", "where": [["name", "==", "h050"]], "row": {"name": "h999"}})
replica.until("one row has left", lambda: len(replica.names("Host")) == 199)
tell("h050" in replica.names("Host"), "h999" in replica.names("Host"))
