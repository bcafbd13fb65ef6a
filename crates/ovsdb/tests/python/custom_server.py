"""A client in Python of the example `custom_server`: replicas of both databases, a transaction, and locks.

Run by tests/custom_server.rs, which says what is to come out.
"""

import os
import signal

import ovs.db.idl
import ovs.poller

REMOTE = os.environ["REMOTE"]

# Far beyond what this takes.
signal.alarm(120)


def replica(schema, table, columns, lock=None):
    """An IDL of one table, with what there is."""
    helper = ovs.db.idl.SchemaHelper(schema_json=schema)
    helper.register_columns(table, columns)
    idl = ovs.db.idl.Idl(REMOTE, helper)
    until(idl, lambda: idl.change_seqno != 0)
    if lock:
        # Only now: what becomes of a lock counts as a change, too.
        idl.set_lock(lock)
    return idl


def until(idl, condition):
    while True:
        idl.run()
        if condition():
            return
        poller = ovs.poller.Poller()
        idl.wait(poller)
        poller.block()


def table(database, name, columns):
    return {"name": database, "version": "1.0.0", "tables": {name: {"columns": columns}}}


FACTS = table("Facts", "Fact", {"name": {"type": "string"}, "value": {"type": "string"}})
INVENTORY = table(
    "Inventory",
    "Host",
    {
        "name": {"type": "string", "mutable": False},
        "cores": {"type": "integer"},
        "asset": {"type": {"key": "integer", "min": 0, "max": 1}},
    },
)
HOST = ["name", "cores", "asset"]

facts = replica(FACTS, "Fact", ["name", "value"])
print("Facts:", *sorted(row.name for row in facts.tables["Fact"].rows.values()))

first = replica(INVENTORY, "Host", HOST, "the_lock")
# Without it an IDL that wants it sends nothing.
until(first, lambda: first.has_lock)
transaction = ovs.db.idl.Transaction(first)
host = transaction.insert(first.tables["Host"])
host.name, host.cores = "py", 2
assert transaction.commit_block() == ovs.db.idl.Transaction.SUCCESS, transaction.get_error()


def hosts(idl):
    return list(idl.tables["Host"].rows.values())


# The program gives it a number.
until(first, lambda: hosts(first) and hosts(first)[0].asset)
host = hosts(first)[0]
print("Inventory:", host.name, "cores", host.cores, "asset", host.asset[0])

print("locked by the first")
second = replica(INVENTORY, "Host", HOST, "the_lock")
until(second, lambda: second.is_lock_contended)
first.close()
until(second, lambda: second.has_lock)
print("locked by the second")

transaction = ovs.db.idl.Transaction(second)
hosts(second)[0].asset = 7
status = transaction.commit_block()
assert status == ovs.db.idl.Transaction.ERROR, status
print("refused:", "permission error" if "permission error" in transaction.get_error() else transaction.get_error())
