"""Runs the functional tests that ovsdbapp brings, and tells how each of them ended.

They start servers, a switch, ovn-northd and ovn-controller by their names, found on the path.
"""

import os
import signal
import sys
import unittest

from ovsdbapp.tests.functional import base

# The part of the tests that is run, and over what they connect: "tcp", or Unix sockets if it is empty.
PART = os.environ["OVSDB_TEST_SUITE"]
base.FunctionalTestCase.protocol = os.environ["OVSDB_TEST_PROTOCOL"] or None

# A test that hangs is ended by this signal.
signal.alarm(300)


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
        print(test.id(), text, file=sys.stderr)
        self.note(test, "failed")

    addFailure = addError


folder = os.path.join(os.path.dirname(base.__file__), PART)
top = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(base.__file__))))
results = Results()
unittest.TestLoader().discover(folder, top_level_dir=top).run(results)
for name, end in sorted(results.ends.items()):
    print(name, end)
