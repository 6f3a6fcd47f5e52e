# SPDX-License-Identifier: MIT
"""SIPp behind a TLS wrapper: 1,000 calls and 10,000 MESSAGEs through the edge, none lost.

One connection carries them all without a REGISTER first, so that rule and the rate limit before sign-in are off here.
"""
import pytest

import clients
from lab import FE1

CONF = {"access__require_registration": False, "access__limits__unsigned_requests_per_s": 0}


@pytest.fixture(scope="module")
def line(lab):
    k = lab.kamailio(FE1)
    e = lab.edged(**CONF)
    clients.tls_wrapper(lab, "load")
    clients.sipp_answering(lab)
    yield lab
    k.stop()
    assert e.stop() == 0


def test_ten_thousand_messages(line):
    good, bad, out = clients.sipp_calling(line, "message", 10000, 400, "echo")
    assert (good, bad) == (10000, 0), out


def test_a_thousand_calls(line):
    good, bad, out = clients.sipp_calling(line, "call", 1000, 50, "sipp")
    assert (good, bad) == (1000, 0), out
