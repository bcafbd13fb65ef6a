"""The _Server database: what IDLs make of it, and what happens when databases come and go."""

from harness import FOLDER, Raw, Replica, ask, fill, show, tell

fill(("north", ["alpha"]))
replica = Replica().connected()
tell(*replica.sent)
for leader_only in (True, False):
    other = Replica(leader_only=leader_only).connected()
    tell(*other.names("Host"))
    other.close()

watcher = Raw()
requests = {"Database": {"columns": ["name", "model", "connected", "leader", "cid", "sid", "index"]}}
initial = watcher.call("monitor_cond", "_Server", "m", requests)


def tell_databases(update):
    for row in sorted(update["Database"].values(), key=show):
        tell(show(row))


tell_databases(initial)
tell(show(sorted(watcher.call("get_schema", "_Server")["tables"]["Database"]["columns"])))
assert watcher.call("set_db_change_aware", True) == {}

# A database is added: those who watch are told, those who do not care stay connected if they are aware of changes.
unaware = Raw()
unaware.call("list_dbs")
ask("tool", "create", FOLDER + "/second.db", FOLDER + "/second.ovsschema")
ask("appctl", "ovsdb-server/add-db", FOLDER + "/second.db")
message = watcher.notification()
tell(message.method, message.params[0])
tell_databases(message.params[1])
unaware.receive_end()
tell("the unaware client has been disconnected")
second = Replica(database="Second").connected()
client = Raw()
client.transact({"op": "insert", "table": "Thing", "row": {"name": "one"}}, database="Second")
second.contains("Thing", ["one"])
replica.run()
tell(replica.monitoring())
client.close()

# It is removed: its monitors are cancelled, its IDL looks for it elsewhere and finds it when it is back.
second.forget()
ask("appctl", "ovsdb-server/remove-db", "Second")
message = watcher.notification()
tell(message.method, message.params[0])
tell_databases({"Database": {uuid: row for uuid, row in message.params[1]["Database"].items()}})
second.until("the database is gone", lambda: not second.monitoring())
tell(*second.names("Thing"))
ask("appctl", "ovsdb-server/add-db", FOLDER + "/second.db")
second.connected()
second.contains("Thing", ["one"])
replica.run()
tell(replica.monitoring(), *replica.names("Host"))

# A transaction of an IDL whose database has been removed comes to an end.
ask("appctl", "ovsdb-server/remove-db", "Second")


def insert(transaction):
    transaction.insert(second.tables["Thing"]).name = "two"


tell(second.commit(insert))

# What is not a database of users cannot be written.
[result] = watcher.call("transact", "_Server", {"op": "delete", "table": "Database", "where": []})
tell(result["error"])
