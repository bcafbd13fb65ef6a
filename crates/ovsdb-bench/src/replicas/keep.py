"""Keeps a replica with Python's ovs.db.idl: keep.py METHOD SCHEMA-FILE.

Answers on standard output what it is asked on standard input, a line each; see keeper.rs.
"""

import os
import select
import sys

import ovs.db.idl
import ovs.poller


class Idl(ovs.db.idl.Idl):
    """Counts the changes of one table."""

    changes = 0

    def notify(self, event, row, updates=None):
        if row._table.name == "Logical_Flow":
            self.changes += 1


def main():
    method, schema = sys.argv[1:]
    helper = ovs.db.idl.SchemaHelper(schema)
    helper.register_all()
    idl = Idl(method, helper)
    out = sys.stdout
    asked, until, counted = b"", None, None
    while True:
        idl.run()
        if counted is None and idl.has_ever_connected():
            counted = idl.changes
            out.write("ready\n")
            out.flush()
        if until is not None:
            if any(row.nb_cfg == until for row in idl.tables["SB_Global"].rows.values()):
                out.write("seen %d\n" % (idl.changes - counted))
                out.flush()
                counted, until = idl.changes, None
        poller = ovs.poller.Poller()
        poller.fd_wait(0, ovs.poller.POLLIN)
        idl.wait(poller)
        poller.block()
        if until is None and counted is not None:
            asked += available()
            while b"\n" in asked:
                line, asked = asked.split(b"\n", 1)
                words = line.decode().split()
                if words[0] == "until":
                    until = int(words[1])
                else:
                    table, column = words[1:]
                    for uuid, row in idl.tables[table].rows.items():
                        out.write("%s,%s\n" % (uuid, getattr(row, column)))
                    out.write("end\n")
                    out.flush()


def available():
    """What is on standard input; its end ends the program."""
    if not select.select([0], [], [], 0)[0]:
        return b""
    text = os.read(0, 4096)
    if not text:
        sys.exit(0)
    return text


main()
