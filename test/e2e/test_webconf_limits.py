# SPDX-License-Identifier: MIT
"""Limits of the Web Conferencing Edge, made small enough to be met (psom-webconf 9.2, 9.4; test 7: table full)."""
import os
import time

import pytest

import webconf
from lab import LOAD, wait_for
from webconf import DMCU, Connector, Meeting, Server, closed, echo, preface, reload_with, says

LIMITS = dict(tickets=20, failures_per_minute=5, refuse_s=5, clients_per_address=8, idle_s=8, first_octet_ms=2000, slow_s=20,
              buffer_high_mb=1, buffer_low_mb=1, ticket_life_s=5, rate_kbit=800, connections_burst=1000)
CONF = webconf.conf(**LIMITS)
CONF["webconf__framing"] = "lenprefix size=2 order=big max=65000"


@pytest.fixture(scope="module")
def edged(lab):
    yield from webconf.edged_up(lab, CONF)


@pytest.fixture(scope="module")
def meeting(lab, edged):
    srv, src = Server(lab, echo), Server(lab, pour_frames, port=8059)
    c = Connector(lab, servers=({"id": "dmcu1", "host": DMCU, "port": 8057, "fqdn": "dmcu1.contoso.net"},
                                {"id": "pour", "host": DMCU, "port": 8059, "fqdn": "dmcu1.contoso.net"})).wait_up()
    m = Meeting(lab, edged)
    m.wait_server("pour")
    m.connector = c
    yield m
    c.stop()
    srv.close()
    src.close()


def pour_frames(t):
    t.recv(1)
    while True:
        t.sendall(b"\x40\x00" + b"x" * 16384)


@pytest.fixture(autouse=True)
def nobody_left(meeting):
    yield
    wait_for("no client left", lambda: meeting.ask()["clients"] == 0)


def test_table_full(meeting):
    """As many live tickets as the table holds and no more; a live one is never evicted; dead ones make room."""
    t = time.monotonic()
    meeting.ask()
    # They live until twenty are made, however long one takes on this machine today.
    end = "not-after=%d" % (time.time() + 10 + 40 * (time.monotonic() - t))
    good = meeting.ticket(end)
    made = 0
    while "ticket" in meeting.ask("ticket", "add", "ticket=%064x" % made, "server=dmcu1", end):
        made += 1
        assert made <= 20
    assert made == 19
    # Announced by a connector it is refused as well, and counted; the signalling side hears that the Edge has read it.
    full = meeting.stat('tickets_refused_total{reason="full"}')
    assert meeting.connector.say("ticket %s server=dmcu1 %s" % ("f" * 64, end)) == "ok"
    assert meeting.stat('tickets_refused_total{reason="full"}') == full + 1
    s = meeting.join(good, b"\0\1x")
    says(s, b"\0\1x")
    s.close()
    wait_for("dead tickets to make room", lambda: "ticket" in meeting.ask("ticket", "add", "ticket=" + "e" * 64, "server=dmcu1"), 60)


def ticket(meeting, *words):
    """The table is small: wait for a place."""
    return bytes.fromhex(wait_for("room for a ticket", lambda: meeting.ask("ticket", "add", *(words or ("server=dmcu1",))).get("handle")))


def test_per_address(meeting):
    h = ticket(meeting, "server=dmcu1", "uses=9")
    ss = [meeting.join(h, b"\0\1x") for _ in range(8)]
    for s in ss:
        says(s, b"\0\1x")
    before = meeting.stat('connections_refused_total{reason="per_address"}')
    with pytest.raises(OSError):
        closed(meeting.join(h, b"\0\1x"))
        raise OSError("closed without a word, as it should be")
    assert meeting.stat('connections_refused_total{reason="per_address"}') == before + 1
    other = meeting.tls(source=LOAD[7])
    other.sendall(preface(h) + b"\0\1x")
    says(other, b"\0\1x")
    for s in ss + [other]:
        s.close()


def test_connections_of_one_address(meeting, edged):
    """One address that connects and goes, over and over, uses up its own share and nobody else's."""
    reload_with(edged, ("connections_per_minute = 0", "connections_per_minute = 5"))
    before = meeting.stat('connections_refused_total{reason="rate"}')
    for _ in range(5):
        meeting.tls(source=LOAD[8]).close()
    with pytest.raises(OSError):
        meeting.tls(source=LOAD[8])
    assert meeting.stat('connections_refused_total{reason="rate"}') == before + 1
    meeting.tls(source=LOAD[7]).close()
    reload_with(edged, ("connections_per_minute = 5", "connections_per_minute = 0"))


def test_address_with_many_failures(meeting):
    for _ in range(5):
        s = meeting.tls(source=LOAD[9])
        s.sendall(preface(os.urandom(20)))
        assert closed(s) == b""
    before = meeting.stat('connections_refused_total{reason="failed_before"}')
    with pytest.raises(OSError):
        meeting.tls(source=LOAD[9])
    assert meeting.stat('connections_refused_total{reason="failed_before"}') == before + 1
    h = ticket(meeting)
    wait_for("the address to be forgiven", lambda: forgiven(meeting))
    s = meeting.tls(source=LOAD[9])
    s.sendall(preface(h) + b"\0\1x")
    says(s, b"\0\1x")
    s.close()


def forgiven(meeting):
    try:
        meeting.tls(source=LOAD[9]).close()
        return True
    except OSError:
        return False


def test_idle_and_silent(meeting):
    before = meeting.ended("idle"), meeting.ended("first_octet_timeout")
    s = meeting.join(ticket(meeting), b"\0\1x")
    says(s, b"\0\1x")
    mute = meeting.join(ticket(meeting))
    closed(mute)
    closed(s)
    assert (meeting.ended("idle"), meeting.ended("first_octet_timeout")) == (before[0] + 1, before[1] + 1)


def test_framing(meeting):
    before = meeting.ended("framing")
    s = meeting.join(ticket(meeting), b"\0\3abc\0\1d")
    says(s, b"\0\3abc\0\1d")
    s.sendall(b"\xff\xff")
    closed(s)
    s = meeting.join(ticket(meeting), b"\0\0")
    closed(s)
    assert meeting.ended("framing") == before + 2


def test_rate_makes_wait_and_closes_nobody(meeting):
    """800 kbit/s and a bucket of 64 KiB: 300,000 octets take two seconds and more, but for the last read, which may be ahead of its rate."""
    s = meeting.join(ticket(meeting), b"\0\1x")
    says(s, b"\0\1x")
    t = time.monotonic()
    s.sendall((b"\x10\x00" + b"r" * 4096) * 73)
    says(s, (b"\x10\x00" + b"r" * 4096) * 73)
    assert time.monotonic() - t > 1.2
    s.close()


def test_high_and_low_water(meeting):
    """Six readers that do not read hold more than a megabyte: nobody is read until some of it is gone."""
    h = ticket(meeting, "server=pour", "uses=8")
    ss = []
    for _ in range(7):
        s = meeting.tls()
        s.sendall(preface(h) + b"\0\1x")
        ss.append(s)
    wait_for("throttling", lambda: meeting.ask()["throttling"])
    wait_for("the gauge of it", lambda: meeting.stat("throttling") == 1)
    assert meeting.ask()["queued"] < (1 << 20) + 7 * 262144
    for s in ss[:5]:
        s.close()
    wait_for("no throttling", lambda: not meeting.ask()["throttling"])
    for s in ss[5:]:
        s.close()
