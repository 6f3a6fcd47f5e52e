# SPDX-License-Identifier: MIT
"""Peers that never finish, never read or only connect: each has a size and an end, and nobody else pays (section 13)."""
import os
import re
import socket
import time

import pytest

import sip
from lab import EDGE_OUT, LOAD, children, figure, wait_for
from test_signed import uri

CONF = {"access__workers": 1, "access__limits__handshake_ms": 1500, "access__limits__header_ms": 2000, "access__limits__body_ms": 2500,
        "access__limits__first_message_ms": 3000, "access__limits__sign_in_ms": 4000, "access__limits__connections_per_address": 40}


def closed_within(s, low, high, what):
    """Closed by the other side, not before `low` seconds; `high` is a figure."""
    s.settimeout(high * 10)
    t = time.monotonic()
    try:
        while s.recv(4096):
            pass
    except (ConnectionResetError, OSError) as e:
        if isinstance(e, socket.timeout):
            raise AssertionError("still open after %.1f s" % (time.monotonic() - t)) from None
    took = time.monotonic() - t
    assert low <= took, took
    figure(what, took, high)


@pytest.fixture
def bystander(world):
    """A signed-in client; whatever the others do, its messages pass quickly."""
    c = sip.Client(world.lab, "alice", source=LOAD[30])
    c.register()
    yield c
    for _ in range(20):
        t = time.monotonic()
        c.message("sip:bob@contoso.com")
        figure("a message beside peers that misbehave", time.monotonic() - t, 0.5)
    c.close()


def test_only_connects(world, bystander):
    ss = [world.lab.tcp_to("load", EDGE_OUT, 443, source=LOAD[0]) for _ in range(20)]
    closed_within(ss[-1], 1.2, 3.0, "only connects: closed")


def test_handshake_but_no_message(world, bystander):
    closed_within(world.lab.tls_to("load", EDGE_OUT, 443, "sip.contoso.com", source=LOAD[1]), 2.5, 4.0, "handshake but no message: closed")


def test_keep_alive_is_no_message(world, bystander):
    s = world.lab.tls_to("load", EDGE_OUT, 443, "sip.contoso.com", source=LOAD[1])
    t = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - t < 60:
            s.sendall(b"\r\n\r\n")
            time.sleep(0.1)
    figure("only keep-alives: closed", time.monotonic() - t, 5.5)


def test_header_dripped(world, bystander):
    s = world.lab.tls_to("load", EDGE_OUT, 443, "sip.contoso.com", source=LOAD[2])
    t = time.monotonic()
    with pytest.raises(OSError):
        for b in b"REGISTER sip:contoso.com SIP/2.0\r\nVia: SIP/2.0/TLS 1.2.3.4;branch=z9hG4bKslow\r\n" * 9:
            s.sendall(bytes([b]))
            time.sleep(0.05)
    assert 1.5 < time.monotonic() - t
    figure("header dripped: closed", time.monotonic() - t, 4.0)


def test_body_never_finished(world):
    c = sip.Client(world.lab, "alice", source=LOAD[3])
    c.register()
    raw = c.request("MESSAGE", "sip:bob@contoso.com", body=b"x" * 1000)
    c.conn.send(raw[:-10])
    took = c.conn.wait_closed(40)
    assert took > 1.5
    figure("body never finished: closed", took, 4.0)
    assert not [m for m in world.fe.seen if m.method == "MESSAGE"]


def test_never_signs_in(world):
    world.fe.on_request = lambda conn, m: sip.reply(m, 401, "Unauthorized", "WWW-Authenticate: NTLM realm=\"x\", version=4")
    c = sip.Client(world.lab, "alice", source=LOAD[4])
    t = time.monotonic()
    while time.monotonic() - t < 2.5:
        c.register(expect=401)
        time.sleep(0.3)
    c.conn.wait_closed(40)
    assert 3.0 < time.monotonic() - t
    figure("never signs in: closed", time.monotonic() - t, 6.0)


def test_too_many_connections_from_one_address(world, bystander):
    n = len(world.edged.log())
    ss = []
    for _ in range(50):
        s = world.lab.tcp_to("load", EDGE_OUT, 443, source=LOAD[5])
        ss.append(s)
    time.sleep(0.3)
    dead = 0
    for s in ss:
        s.setblocking(False)
        try:
            dead += s.recv(1) == b""
        except BlockingIOError:
            pass
        except OSError:
            dead += 1
    assert 8 <= dead <= 12, dead
    world.edged.wait_log("ACC-2012|per_address", since=n)
    for s in ss:
        s.close()


def never_reads(world):
    """16 MB for a peer that does not read: its output is bounded, then its connection goes. Returns by how many KB the worker grew."""
    c = sip.Client(world.lab, "deaf", source=LOAD[6])
    c.register()
    reg = world.fe.request("REGISTER", c.reg_call_id)
    io = sip.io()
    io.loop.call_soon_threadsafe(c.conn.w.transport.pause_reading)
    pid = world.edged.pids()[0]
    before, begun = rss_kb(pid), len(world.edged.log())
    body = b"y" * 8000
    link = world.fe.open_conns()[0]
    n = 0
    for i in range(2000):
        raw = ("BENOTIFY %s SIP/2.0\r\nVia: SIP/2.0/TLS 10.20.0.11:5061;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\nRoute: %s\r\nFrom: <sip:bob@contoso.com>;tag=1\r\n"
               "To: <sip:deaf@contoso.com>\r\nCall-ID: %s\r\nCSeq: %d BENOTIFY\r\nContent-Length: %d\r\n\r\n" % (
                   uri(reg.h("Contact")), sip.token(), reg.h("Record-Route"), sip.token(6), i + 1, len(body))).encode() + body
        link.post(raw)
        n += 1
        if i % 100 == 99:
            time.sleep(0.02)
    world.edged.wait_log(r"output|never_reads|too_slow|ACC-2012", 20, since=begun)
    time.sleep(1.0)
    io.loop.call_soon_threadsafe(c.conn.w.transport.resume_reading)
    c.conn.wait_closed(5)
    return rss_kb(pid) - before


def test_never_reads(world, bystander):
    """Its memory is held by test_memory.py: the sanitizers keep what is freed."""
    never_reads(world)


def rss_kb(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def asan(pid):
    with open("/proc/%d/maps" % pid) as f:
        return "libasan" in f.read()


def test_body_too_large(world):
    c = sip.Client(world.lab, "alice", source=LOAD[7])
    c.register()
    n = len(world.edged.log())
    head = c.request("MESSAGE", "sip:bob@contoso.com").replace(b"Content-Length: 0", b"Content-Length: 300000")
    c.conn.send(head)
    r = c.conn.recv(3)
    assert r is not None and r.code == 513, r
    c.conn.wait_closed(3)
    world.edged.wait_log("ACC-2009", since=n)


def test_rate_before_sign_in(world):
    world.fe.on_request = lambda conn, m: sip.reply(m, 401, "Unauthorized", "WWW-Authenticate: NTLM realm=\"x\", version=4")
    c = sip.Client(world.lab, "flood", source=LOAD[8])
    t = time.monotonic()
    for i in range(60):
        c.send("REGISTER", "sip:contoso.com", to=c.aor)
    time.sleep(1.0)
    passed = len([m for m in world.fe.seen if m.method == "REGISTER"])
    assert passed <= 10 * (time.monotonic() - t) + 25, "%d REGISTERs before sign-in within %.1f s" % (passed, time.monotonic() - t)
    c.close()


def test_descriptors_and_processes_after_all_that(world):
    """Everything above is over: no connection of theirs is held any more."""
    def count():
        return sum(len(os.listdir("/proc/%d/fd" % p)) for p in children(world.edged.proc.pid))
    wait_for(lambda: "descriptors to go, now %d" % count(), lambda: count() < 100, 8, 0.2)
