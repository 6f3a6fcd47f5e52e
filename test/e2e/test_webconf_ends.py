# SPDX-License-Identifier: MIT
"""How ends are passed on, both ways (psom-webconf 9.3), and the timers of 9.2 that no other file meets. The inside is written by hand."""
import contextlib
import socket
import ssl
import struct
import time

import pytest

import webconf
from lab import WAIT, wait_for
from webconf import CALM, CANCEL, DATA, END, GOAWAY, NO_ERROR, RESET, WEBCONF, HandConnector, Meeting, closed, frame, reload_with, says

CONF = webconf.conf(half_open_s=3, open_ms=4000, tls_handshake_ms=4000, lifetime_s=86400, drain_s=20, ping_s=20)
CONF["webconf__framing"] = "lenprefix size=2 order=big max=1000"


@pytest.fixture(scope="module")
def edged(lab):
    yield from webconf.edged_up(lab, CONF)


@pytest.fixture
def meeting(lab, edged):
    m = Meeting(lab, edged)
    yield m
    wait_for("no client and no link left", lambda: m.ask()["clients"] == 0 and not m.ask()["links"])


@pytest.fixture
def inside(lab, meeting):
    h = HandConnector(lab, "hand")
    meeting.wait_server("hand")
    yield h
    h.close()


def join(meeting, octets=b"\0\1x"):
    return meeting.join(bytes.fromhex(meeting.ask("ticket", "add", "server=hand")["handle"]), octets)


@pytest.fixture
def pair(meeting, inside):
    """A client and its stream, with an octet each way."""
    s = join(meeting)
    stream = inside.accept()
    inside.wait_octets(stream, b"\0\1x")
    inside.say(stream, b"\0\1y")
    says(s, b"\0\1y")
    yield s, stream
    s.close()


def shutdown_write(s):
    """close_notify without waiting for the other's."""
    s.settimeout(0)
    with contextlib.suppress(ssl.SSLError, OSError):
        s.unwrap()
    s.settimeout(WAIT)


def ended(s):
    """The other end said close_notify, and nothing before it; a truncation raises."""
    try:
        return s.recv(1) == b""
    except ssl.SSLZeroReturnError:  # so Python says it when we ended ours before
        return True


def test_close_notify_becomes_end_stream_and_back(meeting, inside, pair):
    s, stream = pair
    before = meeting.ended("closed")
    shutdown_write(s)
    inside.next(DATA, stream, END)
    inside.say(stream, b"\0\1z", END)
    says(s, b"\0\1z")
    assert ended(s)
    meeting.wait_ended("closed", before)


def test_end_stream_first(meeting, inside, pair):
    """The client hears close_notify and still speaks."""
    s, stream = pair
    inside.say(stream, b"", END)
    assert ended(s)
    s.sendall(b"\0\2ab")
    inside.wait_octets(stream, b"\0\1x\0\2ab")
    before = meeting.ended("closed")
    shutdown_write(s)
    inside.next(DATA, stream, END)
    meeting.wait_ended("closed", before)


def test_half_open_has_an_end(meeting, inside, pair):
    before = meeting.ended("half_open")
    shutdown_write(pair[0])
    assert inside.code_of(RESET, pair[1]) == CANCEL
    meeting.wait_ended("half_open", before)


def test_tcp_reset_becomes_cancel(meeting, inside, pair):
    before = meeting.ended("reset")
    pair[0].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.socket.close(pair[0])
    assert inside.code_of(RESET, pair[1]) == CANCEL
    meeting.wait_ended("reset", before)


def test_truncation_becomes_cancel(meeting, inside, pair):
    socket.socket.shutdown(pair[0], socket.SHUT_WR)
    assert inside.code_of(RESET, pair[1]) == CANCEL


@pytest.mark.parametrize("code,name", [(NO_ERROR, "other"), (CANCEL, "cancel"), (7, "refused"), (CALM, "calm"), (2, "other")])
def test_reset_of_the_inside_becomes_close_notify(meeting, inside, pair, code, name):
    before = meeting.ended("inside_reset"), meeting.stat('stream_resets_total{code="%s"}' % name)
    inside.reset(pair[1], code)
    assert ended(pair[0])
    meeting.wait_ended("inside_reset", before[0])
    assert meeting.stat('stream_resets_total{code="%s"}' % name) == before[1] + 1


def test_framing_violations_become_calm(meeting, inside, pair):
    before = meeting.ended("framing")
    pair[0].sendall(b"\xff\xff")
    assert inside.code_of(RESET, pair[1]) == CALM
    assert ended(pair[0])
    second = join(meeting)
    stream = inside.accept()
    inside.say(stream, b"\0\0")  # the server's own
    assert inside.code_of(RESET, stream) == CALM
    assert closed(second) == b""
    assert meeting.ended("framing") == before + 2


@pytest.mark.parametrize("status", [b"\x8d", b"\x08\x03503"])
def test_not_answered_200(meeting, inside, status):
    before = meeting.ended("server_refused")
    s = join(meeting)
    inside.accept(status, END)
    assert ended(s)
    meeting.wait_ended("server_refused", before)
    s.close()


def test_an_interim_answer_is_none(meeting, inside):
    """RFC 9113 8.1: 1xx come before the answer; the client neither is let in nor goes."""
    s = join(meeting)
    stream = inside.accept(b"\x08\x03103")
    inside.t.sendall(frame(webconf.HEADERS, webconf.END_HEADERS, stream, b"\x88"))
    inside.wait_octets(stream, b"\0\1x")
    s.close()
    assert inside.code_of(RESET, stream) == CANCEL


def test_not_answered_at_all(meeting, inside):
    before = meeting.ended("open_timeout")
    s = join(meeting)
    stream = inside.next(webconf.HEADERS)[2]
    assert inside.code_of(RESET, stream) == CANCEL
    assert ended(s)
    meeting.wait_ended("open_timeout", before)
    s.close()


def test_no_server(meeting):
    before = meeting.ended("no_server")
    assert closed(join(meeting)) == b""
    assert meeting.ended("no_server") == before + 1


def test_no_handshake(lab, meeting):
    before = meeting.ended("handshake_timeout")
    s = lab.tcp_to("load", WEBCONF, 443)
    assert closed(s) == b""
    meeting.wait_ended("handshake_timeout", before)


def test_link_lost_is_spread(meeting, inside):
    """Twenty clients of one link: all close in order within five seconds, not in the same instant."""
    ss = []
    for _ in range(20):
        ss.append(join(meeting))
        inside.accept()
    before = meeting.ended("link_lost")
    inside.close()
    first = wait_for("the first to end", lambda: max(0, meeting.ended("link_lost") - before))
    assert first < 20
    for s in ss:
        assert ended(s)
        s.close()
    wait_for("all of them", lambda: meeting.ended("link_lost") == before + 20)


def test_long_life_ends_at_an_idle_moment(meeting, edged, inside):
    reload_with(edged, ("lifetime_s = 86400", "lifetime_s = 2"))
    before = meeting.ended("lifetime")
    s = join(meeting)
    stream = inside.accept()
    begun = time.monotonic()
    while time.monotonic() < begun + 4:  # twice its life: busy, so it goes on
        inside.say(stream, b"\0\1y")
        says(s, b"\0\1y")
        time.sleep(0.1)
    assert meeting.ended("lifetime") == before
    assert ended(s)
    meeting.wait_ended("lifetime", before)
    assert inside.code_of(RESET, stream) == CANCEL
    s.close()
    reload_with(edged, ("lifetime_s = 2", "lifetime_s = 86400"))


def test_shutdown_drains(lab, meeting, edged, inside, pair):
    """Last: GOAWAY to the inside, no new clients, the old one is served until it goes; then the process ends."""
    s, stream = pair
    edged.ctl("drain", "20")
    assert inside.code_of(GOAWAY, 0) == NO_ERROR
    with pytest.raises(OSError):
        meeting.tls()
    s.sendall(b"\0\1a")
    inside.wait_octets(stream, b"\0\1x\0\1a")
    inside.say(stream, b"\0\1b")
    says(s, b"\0\1b")
    assert edged.proc.alive()
    shutdown_write(s)
    inside.next(DATA, stream, END)
    inside.say(stream, b"", END)
    assert ended(s)
    wait_for("edged to end", lambda: not edged.proc.alive())
    meeting.ask = lambda: {"clients": 0, "links": []}  # nobody is left to ask
