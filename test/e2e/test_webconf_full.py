# SPDX-License-Identifier: MIT
"""A Web Conferencing Edge that holds too much, and strangers inside that take its places (psom-webconf 7.1, 9.4)."""
import time

import pytest

import webconf
from lab import EDGE_IN, wait_for
from webconf import DMCU, Connector, HandConnector, Meeting, Server, closed, echo, pour, preface, says

CONF = webconf.conf(buffer_high_mb=1, buffer_low_mb=1, ping_s=2, slow_s=30, idle_s=0, first_octet_ms=2000, admit_ms=2000, links=3,
                    failures_per_minute=2)
SERVERS = ({"id": "dmcu1", "host": DMCU, "port": 8057, "fqdn": "dmcu1.contoso.net"},
           {"id": "pour", "host": DMCU, "port": 8059, "fqdn": "dmcu1.contoso.net"})


@pytest.fixture(scope="module")
def edged(lab):
    yield from webconf.edged_up(lab, CONF)


@pytest.fixture(scope="module")
def meeting(lab, edged):
    servers = Server(lab, echo), Server(lab, pour, port=8059)
    c = Connector(lab, servers=SERVERS, ping_s=2).wait_up()
    m = Meeting(lab, edged)
    m.wait_server("pour")
    m.connector = c
    yield m
    c.stop()
    for s in servers:
        s.close()


def test_a_link_lives_through_throttling(meeting, edged):
    """Nobody's octets are read for longer than a silent link lives; PING still passes, and newcomers are judged, not timed out."""
    link = meeting.ask()["links"][0]["link"]
    h = bytes.fromhex(meeting.ask("ticket", "add", "server=pour", "uses=12")["handle"])
    held = []
    for _ in range(12):
        s = meeting.tls()
        s.sendall(preface(h) + b"!")
        held.append(s)
    wait_for("throttling", lambda: meeting.ask()["throttling"])
    newcomers = [meeting.join(meeting.ticket(), b"patience") for _ in range(3)]
    begun = time.monotonic()
    while time.monotonic() < begun + 6:  # a link that nobody reads is given up after four seconds, a mute client after two
        now = meeting.ask()
        assert now["throttling"] and [x["link"] for x in now["links"]] == [link]
        assert now["queued"] < 12 * 262144 + 262144
        time.sleep(0.1)
    for s in held:
        s.close()
    for s in newcomers:
        says(s, b"patience")
        s.close()
    wait_for("no client left", lambda: meeting.ask()["clients"] == 0)
    assert [x["link"] for x in meeting.ask()["links"]] == [link]
    assert "link_silent" not in edged.log() and "edge_silent" not in meeting.connector.proc.log()
    assert meeting.stat('connections_refused_total{reason="failed_before"}') == 0


def idle_strangers(lab, n):
    return [lab.tcp_to("inside", EDGE_IN, 8057, source="10.20.0.14") for _ in range(n)]


def test_strangers_take_no_link(lab, meeting, edged):
    """A hundred connections to 8057 that say nothing: the oldest go, and a connector still comes in at its first try."""
    mute = idle_strangers(lab, 100)
    edged.wait_log("inside_unknown_peer .*why=too_many_handshakes")
    c = Connector(lab, "connector2", servers=({"id": "second", "host": DMCU, "port": 8057, "fqdn": "dmcu1.contoso.net"},)).wait_up()
    meeting.wait_server("second")
    assert "edge_down" not in c.proc.log()
    for s in mute:
        s.close()
    c.stop()
    wait_for("one link", lambda: len(meeting.ask()["links"]) == 1)


def test_links_have_an_end(lab, meeting, edged):
    before = meeting.stat('server_connections_refused_total{reason="unknown_peer"}')
    more = [HandConnector(lab, "more%d" % n) for n in range(2)]
    with pytest.raises(OSError):
        HandConnector(lab, "one too many")
    assert meeting.stat('server_connections_refused_total{reason="unknown_peer"}') == before + 1
    for s in more:
        s.close()
    wait_for("one link", lambda: len(meeting.ask()["links"]) == 1)
    meeting.wait_server()


def test_the_other_ends_limit_is_met(lab, meeting, edged):
    """A connector that allows two streams: the announcements and one client; the next is told at once, not after open_ms."""
    s = HandConnector(lab, "few", settings=b"\0\3\0\0\0\2")
    meeting.wait_server("few")
    h = bytes.fromhex(meeting.ask("ticket", "add", "server=few", "uses=2")["handle"])
    full = meeting.ended("links_full")
    first = meeting.join(h, b"x")
    wait_for("a stream", lambda: any(x["clients"] == 1 for x in meeting.ask()["links"]))
    assert closed(meeting.join(h, b"x")) == b""
    assert meeting.ended("links_full") == full + 1
    first.close()
    s.close()
    wait_for("no client left", lambda: meeting.ask()["clients"] == 0)
