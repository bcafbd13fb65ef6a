"""What IDLs write: whole values and parts of them, many rows at once, conflicts, and what other IDLs see of it."""

import uuid

from harness import Raw, Replica, fill, host, show, site, tell

writer, reader = Replica(), Replica()
writer.connected()
reader.connected()


def step(what, change):
    """One transaction; then the reader has what the writer has."""
    reader.forget()
    status = writer.commit(change)
    tell(what, status)
    if status == "success":
        reader.until(what, lambda: reader.contents() == writer.contents())
        reader.tell_events()


def first(transaction):
    new = transaction.insert(writer.tables["Host"])
    new.name, new.cores, new.state, new.addresses = "alpha", 4, "running", ["10.0.0.1"]
    there = transaction.insert(writer.tables["Site"])
    there.name, there.hosts, there.labels = "north", [new], {"a": "1", "b": "2"}
    transaction.add_comment("the first one")


step("insert", first)
reader.tell_contents()


def partial(transaction):
    row = writer.row("Host", "alpha")
    for address in ("10.0.0.2", "10.0.0.3", "10.0.0.4"):
        row.addvalue("addresses", address)
    row.delvalue("addresses", "10.0.0.1")
    there = writer.row("Site", "north")
    there.setkey("labels", "c", "3")
    there.setkey("labels", "a", "changed")
    there.delkey("labels", "b")


step("parts", partial)
reader.tell_contents()


def partial_again(transaction):
    there = writer.row("Site", "north")
    there.delkey("labels", "a", "not this value")
    there.delkey("labels", "c", "3")
    there.setkey("labels", "d", "")


step("parts again", partial_again)
reader.tell_contents()


def number(transaction):
    row = writer.row("Host", "alpha")
    row.state = "retired"
    row.increment("cores")


step("increment", number)
step("nothing", lambda transaction: None)


def optional(transaction):
    row = writer.row("Host", "alpha")
    row.load = [0.25]
    row.backup = [row]


step("optional", optional)
reader.tell_contents()


def twice(transaction):
    transaction.insert(writer.tables["Site"]).name = "north"


step("twice", twice)

# A thousand rows in one transaction, then a change of each, then all of them gone.
NUMBER = 1000


def many(transaction):
    there = transaction.insert(writer.tables["Site"])
    there.name = "big"
    hosts = []
    for index in range(NUMBER):
        new = transaction.insert(writer.tables["Host"])
        new.name, new.cores, new.state = "h%04d" % index, 1 + index % 64, "planned"
        new.addresses = ["%d-%d" % (index, n) for n in range(index % 5)]
        hosts.append(new)
    there.hosts = hosts


def quiet(what, change):
    """A step whose rows are too many to be told."""
    reader.forget()
    tell(what, writer.commit(change))
    reader.until(what, lambda: len(reader.events) >= NUMBER)
    assert reader.contents() == writer.contents()
    tell("  ", len(reader.events), sorted({event for event, _, _ in reader.events}))


def each(transaction):
    for row in writer.tables["Host"].rows.values():
        row.state = "retired"
        row.addvalue("addresses", "new")


quiet("many", many)
quiet("each", each)

# One element of a set of a thousand references.
def remove_one(transaction):
    writer.row("Site", "big").delvalue("hosts", writer.row("Host", "h0500").uuid)


step("one of many", remove_one)
tell(len(reader.row("Site", "big").hosts), "h0500" in reader.names("Host"))
quiet("all gone", lambda transaction: writer.row("Site", "big").delete())

# A conflict: the writer has looked at what somebody else has changed.
client = Raw()
client.transact({"op": "update", "table": "Host", "where": [], "row": {"cores": 40}})


def conflict(transaction):
    row = writer.row("Host", "alpha")
    row.verify("cores")
    row.cores += 1


tell("conflict", writer.commit(conflict))
for one in (writer, reader):
    one.until("the change", lambda: one.row("Host", "alpha").cores == 40)
step("again", conflict)
tell(reader.row("Host", "alpha").cores)

# A UUID of the client's choice.
chosen = "11111111-2222-4333-8444-555555555555"


def choose(transaction):
    new = transaction.insert(writer.tables["Site"], new_uuid=uuid.UUID(chosen), persist_uuid=True)
    new.name = "chosen"


step("chosen", choose)
tell(chosen in map(str, reader.tables["Site"].rows))
