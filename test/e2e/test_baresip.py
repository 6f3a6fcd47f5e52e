# SPDX-License-Identifier: MIT
"""Two baresip phones on the Internet: digest sign-in, messages, a call with sound both ways, hang up."""
import time

import pytest

import clients
from lab import FE1

CONF = {}


@pytest.fixture(scope="module")
def phones(lab):
    k = lab.kamailio(FE1)
    e = lab.edged(**CONF)
    a = clients.Baresip(lab, "alice", "alice", tone=440)
    b = clients.Baresip(lab, "bob", "bob", tone=760)
    a.registered()
    b.registered()
    yield a, b, k
    a.stop()
    b.stop()
    k.stop()
    assert e.stop() == 0


def test_registered_through_the_edge(phones):
    _, _, k = phones
    assert "REGISTER sip:contoso.com" in k.log() and "via 10.30.0.5" in k.log()


def test_messages_both_ways(phones):
    a, b, _ = phones
    a.message("hello bob, this is alice")
    b.wait_log("hello bob, this is alice")
    b.message("hello alice, this is bob")
    a.wait_log("hello alice, this is bob")


@pytest.mark.parametrize("who_hangs_up", ["caller", "callee"])
def test_call_with_sound_both_ways(phones, who_hangs_up):
    a, b, _ = phones
    at, bt = len(a.events), len(b.events)
    a.command("dial", "sip:bob@contoso.com")
    a.event("CALL_ESTABLISHED", since=at)
    a.event("CALL_RTPESTAB", since=at)
    b.event("CALL_RTPESTAB", since=bt)
    time.sleep(3)  # what is listened to below: three seconds of talk
    (a if who_hangs_up == "caller" else b).command("hangup")
    a.event("CALL_CLOSED", since=at)
    b.event("CALL_CLOSED", since=bt)
    for phone, tone in ((a, 760), (b, 440)):
        hz, share = clients.wait_for("the recording", phone.heard)
        assert hz == tone and share > 0.9, "%s heard %s" % (phone.user, (hz, share))
