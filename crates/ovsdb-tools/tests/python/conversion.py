"""The schema changes while IDLs are connected."""

import json

from harness import FOLDER, Raw, Replica, ask, fill, host, schema, site, tell

OLD_TABLES = {"Site": ["name", "hosts"], "Host": ["name", "addresses", "cores"]}


def convert(change, version):
    new = schema()
    change(new["tables"])
    new["version"] = version
    path = FOLDER + "/new.ovsschema"
    with open(path, "w") as file:
        json.dump(new, file)
    ask("client", "convert", path)


fill(("north", ["alpha", "beta"]))
old = Replica(OLD_TABLES).connected()
conditional = Replica(OLD_TABLES, {"Host": [["name", "==", "beta"]]}).connected()
unaware = Raw()
unaware.call("monitor", "Inventory", "m", {"Host": {"columns": ["name"]}})


def add(tables):
    tables["Host"]["columns"]["rack"] = {"type": "string"}
    tables["Host"]["columns"]["tags"] = {"type": {"key": "string", "value": "string", "min": 0, "max": "unlimited"}}
    tables["Rack"] = {"isRoot": True, "columns": {"name": {"type": "string"}}}


# A new table and new columns: who knows the old schema goes on with it.
convert(add, "2.0.0")
for replica in (old, conditional):
    replica.until("monitor_canceled", lambda: "monitor_canceled" in replica.methods_received())
    replica.until("monitored again", lambda: replica.sent.count("monitor_cond_since") == 2 and replica.monitoring())
    tell(*replica.names("Host"))
    tell(replica.connection())
unaware.receive_end()
tell("the unaware client has been disconnected")

new = Replica().connected()
tell(new._db.version)
tell(*sorted(new.tables))


def write(transaction):
    new.row("Host", "beta").rack = "r1"
    new.row("Host", "beta").setkey("tags", "a", "1")
    new.row("Host", "beta").cores = 12
    transaction.insert(new.tables["Rack"]).name = "r1"


tell(new.commit(write))
for replica in (old, conditional):
    replica.until("cores", lambda: replica.row("Host", "beta").cores == 12)
new.tell_contents()
client = Raw()
client.transact(host("gamma", rack="r2"), site("south", ["gamma"]))
old.contains("Host", ["alpha", "beta", "gamma"])
conditional.contains("Host", ["beta"])

# A column goes that nobody here monitors, and one becomes wider.
new.close()


def change(tables):
    del tables["Site"]["columns"]["labels"]
    tables["Host"]["columns"]["rack"]["type"] = {"key": "string", "min": 0, "max": 5}


for replica in (old, conditional):
    replica.forget()
convert(change, "3.0.0")
for replica in (old, conditional):
    replica.until("monitored again", lambda: "monitor_cond_since" in replica.sent and replica.monitoring())
    tell(*replica.names("Host"))
newest = Replica().connected()
tell(newest._db.version)
newest.tell_contents()

# The file has it all.
ask("restart")
for replica in (old, conditional, newest):
    replica.forget()
    replica.until("monitored again", lambda: "monitor_cond_since" in replica.sent and replica.monitoring())
newest.tell_contents()
tell(*old.names("Host"))
tell(*conditional.names("Host"))
