# SPDX-License-Identifier: MIT
"""Two baresip phones that sign in and call through the Access Edge and speak through the A/V Edge: medianat=turn."""
import re

import pytest

import av as avlib
import clients
from lab import FE1


@pytest.fixture(scope="module")
def edge(lab):
    k = lab.kamailio(FE1)
    e = lab.edged(**avlib.beside())
    yield e
    assert e.stop() == 0, e.log()[-2000:]
    assert "Sanitizer" not in e.log() and "runtime error:" not in e.log(), e.log()[-4000:]
    k.stop()


def relayed(password):
    return ";medianat=turn;stunserver=turn:%s:3478;stunuser=%s;stunpass=%s" % (avlib.AV_OUT, avlib.USER, password)


def test_call(lab, edge):
    """Both phones name relay addresses only, hear each other's tone, and the relay counted the packets of both."""
    a = clients.Baresip(lab, "alice", "alice", tone=440, account=relayed(avlib.PASSWORD))
    b = clients.Baresip(lab, "bob", "bob", tone=760, account=relayed(avlib.PASSWORD))
    a.registered()
    b.registered()
    a.command("dial", "sip:bob@contoso.com")
    a.event("CALL_RTPESTAB")
    b.event("CALL_RTPESTAB")

    def talked():
        """As the relay counted it: more than 120 packets of 20 ms each way, at both."""
        rows = avlib.sessions(edge).items()
        return all(any(r["packets_from_client"] > 120 and r["packets_from_peer"] > 120 for c, r in rows if c.startswith(who))
                   for who in ("198.51.100.23:", "198.51.100.24:"))
    clients.wait_for("three seconds of talk", talked)
    b.command("hangup")
    a.event("CALL_CLOSED")
    b.event("CALL_CLOSED")
    for phone, tone in ((a, 760), (b, 440)):
        hz, share = clients.wait_for("the recording", phone.heard)
        assert hz == tone and share > 0.9, "%s heard %s" % (phone.user, (hz, share))
        named = re.findall(r"^m=audio \d+ [^\n]*\nc=IN IP4 ([\d.]+)", phone.proc.log(), re.M)
        assert len(named) >= 2 and set(named) == {avlib.AV_OUT}
    a.stop()
    b.stop()


def test_wrong_password(lab, edge):
    a = clients.Baresip(lab, "alice", "alice", tone=440, account=relayed("guess"))
    a.registered()
    before = avlib.refused(edge)
    a.command("dial", "sip:bob@contoso.com")
    clients.wait_for("a refusal to be counted", lambda: avlib.refused(edge) > before)
    a.event("CALL_CLOSED")
    assert not [c for c in avlib.sessions(edge) if c.startswith("198.51.100.23:")]
    assert not [e for e in a.events if e.get("type") == "CALL_ESTABLISHED"]
    a.stop()
