"""What the scripts of this folder share: the server's address, questions to the test, replicas that keep a record.

A script is run by tests/interop_python.rs against the reference's server and ours. What it prints must be the same.
"""

import json
import os
import signal
import sys
import time
import uuid

import ovs.db.data
import ovs.db.error
import ovs.db.idl
import ovs.jsonrpc
import ovs.poller
import ovs.stream
from ovs.db.idl import Transaction

REMOTE = os.environ["OVSDB_TEST_REMOTE"]
FOLDER = os.environ["OVSDB_TEST_FOLDER"]

# True if the server keeps the history of a database in one file across a restart, which the reference does not.
RESUMES = os.environ["OVSDB_TEST_RESUMES"] == "yes"

# Far beyond what anything here takes: what does not come by then fails the test.
DEADLINE_S = 60

# A script that blocks where it does not look at its deadline is ended by this signal.
signal.alarm(4 * DEADLINE_S)


def ask(*words):
    """Asks the test to do something; returns what it answers.

    ("restart"), ("kill"): ends the server, by SIGTERM or SIGKILL, and starts it again.
    ("stop"), ("start"): one half of the above.
    ("switch"): starts ovs-vswitchd on the database.
    ("appctl", ...), ("tool", ...), ("client", COMMAND, ...): calls a program; `client` adds the server's address.
    """
    print("? " + json.dumps(words), flush=True)
    answer = json.loads(sys.stdin.readline())
    if "error" in answer:
        raise AssertionError("%s: %s" % (" ".join(words), answer["error"]))
    return answer["ok"]


def tell(*words):
    """Adds a line to the transcript."""
    print(*words, flush=True)


def show(value):
    """A value in a form that does not depend on the order of sets and maps."""
    return json.dumps(value, sort_keys=True)


def reconnect_at_once(idl):
    """Makes a client of this machine try again after milliseconds. Its interface allows a second at least."""
    reconnect = idl._session.reconnect
    reconnect.min_backoff, reconnect.max_backoff = 10, 100


class Raw:
    """A client without a replica: one connection, requests answered in turn."""

    def __init__(self):
        error, stream = ovs.stream.Stream.open_block(ovs.stream.Stream.open(REMOTE))
        assert not error, os.strerror(error)
        self.rpc = ovs.jsonrpc.Connection(stream)
        self.notifications = []

    def call(self, method, *params):
        """The result of a request. Notifications that arrive before it are kept."""
        request = ovs.jsonrpc.Message.create_request(method, list(params))
        error = self.rpc.send_block(request)
        assert not error, os.strerror(error)
        while True:
            message = self.receive()
            if message.type == ovs.jsonrpc.Message.T_NOTIFY:
                self.notifications.append(message)
                continue
            assert message.id == request.id, message
            assert message.type == ovs.jsonrpc.Message.T_REPLY, message.error
            return message.result

    def transact(self, *operations, database="Inventory"):
        results = self.call("transact", database, *operations)
        assert not any(result and result.get("error") for result in results), results
        return results

    def receive(self):
        error, message = self.rpc.recv_block()
        assert not error, os.strerror(error)
        return message

    def notification(self):
        """The next notification, one that is kept or the next to come."""
        return self.notifications.pop(0) if self.notifications else self.receive()

    def receive_end(self):
        """Waits until the server closes the connection, and passes over all that comes before."""
        while True:
            error, message = self.rpc.recv_block()
            if error:
                return

    def close(self):
        self.rpc.close()


def schema(database="Inventory"):
    client = Raw()
    result = client.call("get_schema", database)
    client.close()
    return result


class Replica(ovs.db.idl.Idl):
    """An IDL that keeps a record of what goes over its connection and of what it is told of rows."""

    def __init__(self, tables=None, conditions=None, database="Inventory", like=None, unknown=(), **options):
        """`tables`: columns by table, all of the schema if left out. `conditions`: clauses by table.
        `like`: the schema, the server's if left out. `unknown`: methods that the server is made not to know."""
        helper = ovs.db.idl.SchemaHelper(schema_json=like or schema(database))
        if tables is None:
            helper.register_all()
        else:
            for table, columns in tables.items():
                helper.register_columns(table, columns)
        self.sent = []
        self.received = []
        self.events = []
        super().__init__(REMOTE, helper, **options)
        reconnect_at_once(self)
        for table, clauses in (conditions or {}).items():
            self.cond_change(table, clauses)
        send, receive = self._session.send, self._session.recv

        def send_and_record(message):
            self.sent.append(message.method or "reply")
            if message.method in unknown:
                message.method = "unknown_" + message.method
            return send(message)

        def receive_and_record():
            message = receive()
            if message is not None:
                self.received.append(message)
            return message

        self._session.send = send_and_record
        self._session.recv = receive_and_record

    def notify(self, event, row, updates=None):
        self.events.append((event, row._table.name, getattr(row, "name", None)))

    def until(self, what, holds):
        """Runs until `holds()` is true."""
        deadline = time.monotonic() + DEADLINE_S
        while True:
            self.run()
            if holds():
                return self
            left = deadline - time.monotonic()
            assert left > 0, "not in %d s: %s" % (DEADLINE_S, what)
            poller = ovs.poller.Poller()
            self.wait(poller)
            poller.timer_wait(int(left * 1000))
            poller.block()

    def connected(self):
        """Runs until the contents are there; after a reconnection, until they are there again."""
        return self.until("connected", self.monitoring)

    def monitoring(self):
        return self.state == self.IDL_S_MONITORING and self._monitor_request_id is None

    def conditions_hold(self):
        """True if the server has answered all changes of conditions."""
        states = [table.condition_state for table in self.tables.values()]
        return all(state.new is None and state.requested is None for state in states)

    def contains(self, table, expected):
        """Runs until the names of the rows of `table` are `expected`, and tells so."""
        self.until("%s has %s" % (table, expected), lambda: self.names(table) == sorted(expected))
        tell(table, *self.names(table))
        return self

    def names(self, table):
        return sorted(row.name for row in self.tables[table].rows.values())

    def row(self, table, name):
        [row] = [row for row in self.tables[table].rows.values() if row.name == name]
        return row

    def contents(self):
        """Everything, by table and row, without what is chosen by chance."""
        return {
            name: sorted((self.values(table, row) for row in table.rows.values()), key=show)
            for name, table in self.tables.items()
        }

    def values(self, table, row):
        return {
            column: plain(getattr(row, column))
            for column in sorted(table.columns)
        }

    def tell_contents(self):
        for name, rows in sorted(self.contents().items()):
            tell(name)
            for row in rows:
                tell(" ", show(row))

    def commit(self, change):
        """Commits the transaction that `change(transaction)` fills; returns how it ended."""
        transaction = Transaction(self)
        change(transaction)
        status = transaction.commit_block()
        if status == Transaction.ERROR:
            tell("error", transaction.get_error())
        return Transaction.status_to_string(status)

    def disconnect(self):
        """Drops the connection. The next run makes a new one."""
        self.force_reconnect()
        self._session.run()
        assert not self._session.is_connected()

    def connection(self):
        """A number that is another one on each connection; the old one until the new one is in use."""
        return self._last_seqno

    def methods_received(self):
        return [m.method for m in self.received if m.type == ovs.jsonrpc.Message.T_NOTIFY]

    def tell_events(self):
        """Tells what has happened to rows since the record was started, in the order of their names."""
        tell("events", *["%s %s %s" % event for event in sorted(self.events, key=lambda event: event[1:])])

    def forget(self):
        """Starts the record anew."""
        self.sent.clear()
        self.received.clear()
        self.events.clear()


def plain(value):
    """A value of a column without UUIDs: a reference becomes the name of its row."""
    if isinstance(value, ovs.db.idl.Row):
        return "-> " + value.name
    if isinstance(value, uuid.UUID):
        return "uuid"
    if isinstance(value, list):
        return sorted(plain(element) for element in value)
    if isinstance(value, dict):
        return {plain(key): plain(element) for key, element in value.items()}
    return value


def host(name, **columns):
    """An operation that inserts a host, with the name of its row for references."""
    row = {"name": name, "cores": 4, "state": "running", **columns}
    return {"op": "insert", "table": "Host", "uuid-name": "h_" + name, "row": row}


def site(name, hosts=(), **columns):
    """An operation that inserts a site with hosts of the same transaction."""
    references = ["set", [["named-uuid", "h_" + host] for host in hosts]]
    return {"op": "insert", "table": "Site", "row": {"name": name, "hosts": references, **columns}}


def fill(*sites):
    """Makes sites: (name, [names of hosts])."""
    client = Raw()
    for name, hosts in sites:
        client.transact(*[host(h) for h in hosts], site(name, hosts))
    client.close()
