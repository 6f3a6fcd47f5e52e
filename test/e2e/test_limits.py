# SPDX-License-Identifier: MIT
"""Peers that never finish, never read or only connect: each has a size and an end, and nobody else pays (section 13)."""
import contextlib
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


def closed_within(s, begun, low, high, what):
    """Closed by the other side, not before `low` seconds after it was `begun`; `high` is a figure."""
    s.settimeout(high * 10)
    try:
        while s.recv(4096):
            pass
    except (ConnectionResetError, OSError) as e:
        if isinstance(e, socket.timeout):
            raise AssertionError("still open after %.1f s" % (time.monotonic() - begun)) from None
    took = time.monotonic() - begun
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
    ss = [world.lab.tcp_to("load", EDGE_OUT, 443, source=LOAD[0]) for _ in range(19)]
    t = time.monotonic()
    ss.append(world.lab.tcp_to("load", EDGE_OUT, 443, source=LOAD[0]))
    closed_within(ss[-1], t, 1.2, 3.0, "only connects: closed")


def test_handshake_but_no_message(world, bystander):
    t = time.monotonic()
    closed_within(world.lab.tls_to("load", EDGE_OUT, 443, "sip.contoso.com", source=LOAD[1]), t, 2.5, 4.0, "handshake but no message: closed")


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
    t = time.monotonic()
    c.conn.send(raw[:-10])
    c.conn.wait_closed(40)
    took = c.conn.closed_at - t
    assert took > 1.5
    figure("body never finished: closed", took, 4.0)
    assert not [m for m in world.fe.seen if m.method == "MESSAGE"]


def test_never_signs_in(world):
    world.fe.on_request = lambda conn, m: sip.reply(m, 401, "Unauthorized", "WWW-Authenticate: NTLM realm=\"x\", version=4")
    t = time.monotonic()
    c = sip.Client(world.lab, "alice", source=LOAD[4])
    asked = 0
    with contextlib.suppress(ConnectionResetError):  # it tries until it is shown out
        while True:
            assert c.code("REGISTER", "sip:contoso.com", to=c.aor) == 401
            asked += 1
            time.sleep(0.3)
    assert asked > 1
    c.conn.wait_closed(40)
    assert 3.0 < time.monotonic() - t
    figure("never signs in: closed", time.monotonic() - t, 6.0)


def refused(world):
    text = world.edged.ctl("stats")
    return int(re.search(r'edged_sip_connections_refused_total\{reason="per_address"\S* +(\d+)', text).group(1))


def test_too_many_connections_from_one_address(world, bystander):
    n, before, ss = len(world.edged.log()), refused(world), []
    for _ in range(50):
        with world.lab.inside_of("load"):
            s = socket.socket()
        s.setblocking(False)
        s.bind((LOAD[5], 0))
        ss.append(s)
    for s in ss:  # all at once: those that are let in are put out again after 1.5 s without a handshake
        s.connect_ex((EDGE_OUT, 443))
    wait_for("the tenth to be refused", lambda: refused(world) >= before + 10)
    world.edged.wait_log("ACC-2012|per_address", since=n)
    for s in ss:
        s.close()
    assert refused(world) <= before + 12


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
    world.edged.wait_log(r"output|never_reads|too_slow|ACC-2012", since=begun)
    time.sleep(1.0)
    io.loop.call_soon_threadsafe(c.conn.w.transport.resume_reading)
    c.conn.wait_closed()
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
    r = c.conn.recv()
    assert r is not None and r.code == 513, r
    c.conn.wait_closed()
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
    wait_for(lambda: "descriptors to go, now %d" % count(), lambda: count() < 100, every=0.2)
