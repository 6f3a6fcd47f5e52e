# SPDX-License-Identifier: MIT
"""The Web Conferencing Edge with its connector: numbers in names are those of psom-webconf 13."""
import base64
import contextlib
import hashlib
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import threading
import time

import pytest

import sip
import webconf
from lab import EDGE_IN, EDGE_OUT, FE1, LOAD, WAIT, Proc, children, figure, program_of, wait_for
from test_admin import new_certificate, put
from webconf import DMCU, WEBCONF, Connector, Meeting, Server, closed, echo, frame, pour, preface, says

CONF = webconf.conf(admit_ms=4000, slow_s=4, half_open_s=4, tls_handshake_ms=60000)


@pytest.fixture(scope="module")
def edged(lab):
    yield from webconf.edged_up(lab, CONF)


@pytest.fixture(scope="module")
def server(lab):
    s = Server(lab, echo)
    yield s
    s.close()


@pytest.fixture(scope="module")
def connector(lab, edged, server):
    c = Connector(lab).wait_up()
    yield c
    assert c.stop() == 0


@pytest.fixture
def meeting(lab, edged, connector):
    m = Meeting(lab, edged)
    m.wait_server()
    yield m
    wait_for("no client left", lambda: m.ask()["clients"] == 0)


def test_ticket_once(meeting):
    """What script/demo shows: a participant reaches the server with a ticket; the same ticket again is refused."""
    h = meeting.ticket()
    s = meeting.join(h, b"hello")
    says(s, b"hello")
    s.close()
    before = meeting.stat('admissions_refused_total{kind="data"}')
    assert closed(meeting.join(h, b"hello")) == b""
    assert meeting.stat('admissions_refused_total{kind="data"}') == before + 1


def big_server(lab, mode, port):
    tool = webconf.tool()
    return Proc(lab, "inside", [tool, "serve", "--listen", "%s:%d" % (DMCU, port), "--cert", lab.cert("dmcu.pem"), "--key", lab.cert("dmcu.key"),
                                "--mode", mode], name="psomload-" + mode)


@pytest.fixture(scope="module")
def crowd(lab, edged):
    """A server in C for the large cases, on a link of its own; its id is dmcu2."""
    p = big_server(lab, "echo", 8058)
    c = Connector(lab, "connector2", servers=({"id": "dmcu2", "host": DMCU, "port": 8058, "fqdn": "dmcu1.contoso.net"},)).wait_up()
    m = Meeting(lab, edged)
    m.wait_server("dmcu2")
    yield m
    c.stop()
    p.stop()


def crowd_handles(m, n):
    h = bytes.fromhex(m.ask("ticket", "add", "server=dmcu2", "uses=%d" % n)["handle"])
    return [h] * n


def test_1_hundred_megabytes(crowd):
    peak = []
    stop = threading.Event()

    def sample():
        while not stop.wait(0.2):
            peak.append(crowd.ask()["queued"])

    t = threading.Thread(target=sample)
    t.start()
    row = crowd.load(crowd_handles(crowd, 1), "--bytes", "100000000")
    stop.set()
    t.join()
    assert float(row["mb"]) == 200.0
    # 256 KiB a direction for the client, as much for the link, and what one read brings.
    assert max(peak) < 4 * 262144 + 131072, max(peak)


def test_2_thousand_clients(crowd):
    row = crowd.load(crowd_handles(crowd, 1000), "--open-per-s", "250", "--bytes", "20000")
    assert row["admitted"] == "1000"


def test_3_never_reads(lab, edged, meeting):
    c = Connector(lab, "connector3", servers=({"id": "pour", "host": DMCU, "port": 8059, "fqdn": "dmcu1.contoso.net"},)).wait_up()
    meeting.wait_server("pour")
    srv = Server(lab, pour, port=8059)
    bystander = meeting.join(meeting.ticket(), b"x")
    says(bystander, b"x")
    s = meeting.tls()
    s.sendall(preface(bytes.fromhex(meeting.ask("ticket", "add", "server=pour")["handle"])) + b"!")
    before = meeting.ended("slow")
    t = time.monotonic()
    while meeting.ended("slow") == before:
        assert time.monotonic() < t + 60
        bystander.sendall(b"ping")
        says(bystander, b"ping")
        time.sleep(0.05)
    assert meeting.ask()["queued"] < 2 * 262144
    s.close()
    bystander.close()
    srv.close()
    c.stop()


def test_3_server_that_never_reads(lab, edged, meeting):
    """The other direction: what the server does not take is held up to the windows, and the client is closed as slow."""
    gate = threading.Event()

    def deaf(t):
        t.sendall(t.recv(1))
        gate.wait(2 * WAIT)
    srv = Server(lab, deaf, port=8064)
    c = Connector(lab, "connector3", servers=({"id": "deaf", "host": DMCU, "port": 8064, "fqdn": "dmcu1.contoso.net"},)).wait_up()
    meeting.wait_server("deaf")
    before = meeting.ended("slow")
    s = meeting.join(bytes.fromhex(meeting.ask("ticket", "add", "server=deaf")["handle"]), b"x")
    says(s, b"x")
    with pytest.raises(OSError):
        while True:
            s.sendall(b"d" * 16384)
    meeting.wait_ended("slow", before)
    gate.set()
    s.close()
    srv.close()
    c.stop()


def test_4_one_of_ten_stalls(lab, edged, meeting):
    """Ten streams of one link: nine go on, the stalled one holds its window and no more."""
    c = Connector(lab, "connector4", servers=tuple(
        {"id": i, "host": DMCU, "port": p, "fqdn": "dmcu1.contoso.net"} for i, p in (("pour4", 8062), ("echo4", 8063)))).wait_up()
    meeting.wait_server("pour4")
    meeting.wait_server("echo4")
    servers = Server(lab, pour, port=8062), Server(lab, echo, port=8063)
    handles = [bytes.fromhex(meeting.ask("ticket", "add", "server=" + i)["handle"]) for i in ["pour4"] + 9 * ["echo4"]]
    nine = [meeting.join(h, b"x") for h in handles[1:]]
    for s in nine:
        says(s, b"x")
    stalled = meeting.tls()
    stalled.sendall(preface(handles[0]) + b"!")
    wait_for("the stalled stream to fill its window", lambda: meeting.ask()["queued"] > 100000)
    block = os.urandom(100000)
    for s in nine:
        s.sendall(block)
        says(s, block)
        assert meeting.ask()["queued"] < 2 * 262144
    for s in [stalled] + nine:
        s.close()
    for x in servers:
        x.close()
    c.stop()


def test_5_preface_cut_at_every_octet(meeting):
    for cut in range(1, 28):
        s = meeting.tls()
        whole = preface(meeting.ticket()) + b"data"
        s.sendall(whole[:cut])
        s.sendall(whole[cut:])
        says(s, b"data")
        s.close()


def raw_link(lab, cert="connector", alpn="h2-edged-webconf"):
    ctx = ssl.create_default_context(cafile=lab.cert("internal-ca.pem"))
    ctx.load_cert_chain(lab.cert(cert + ".pem"), lab.cert(cert + ".key"))
    ctx.check_hostname = False
    if alpn:
        ctx.set_alpn_protocols([alpn])
    return ctx.wrap_socket(lab.tcp_to("inside", EDGE_IN, 8057, source="10.20.0.14"), server_hostname="edge.int.contoso.net")


class StrangeEdge:
    """Listens where the connector expects an Edge, and speaks HTTP/2 by hand."""

    def __init__(self, lab, port=8099):
        self.ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ctx.load_cert_chain(lab.cert("fe01.pem"), lab.cert("fe01.key"))
        self.ctx.set_alpn_protocols(["h2-edged-webconf"])
        with lab.inside_of("inside"):
            self.s = socket.create_server((FE1, port))
        self.s.settimeout(WAIT)
        self.got = b""

    def accept(self):
        t, _ = self.s.accept()
        t.settimeout(WAIT)
        return self.ctx.wrap_socket(t, server_side=True)

    def frames(self, t):
        self.got = b""
        while True:
            self.got += t.recv(65536) or pytest.fail("the connector ended")
            while len(self.got) >= 9 and len(self.got) >= 9 + int.from_bytes(self.got[:3], "big"):
                n = int.from_bytes(self.got[:3], "big")
                f, self.got = (self.got[3], int.from_bytes(self.got[5:9], "big"), self.got[9:9 + n]), self.got[9 + n:]
                yield f

    def answers(self, t, wanted):
        """What each stream in wanted got: its status, or that it was reset."""
        table = {0x88: b"200", 0x8d: b"404", 0xbe: b"405"}  # RFC 7541 A; 0xbe: what was last put into the dynamic table
        got = {}
        for kind, stream, body in self.frames(t):
            if kind == 1:
                got[stream] = table.get(body[0]) or body[-3:] if body[0] & 0x80 or body[-3:].isdigit() else body
            elif kind == 3 and stream not in got:
                got[stream] = b"reset"
            if set(wanted) <= set(got):
                return got

    def until(self, t, octets):
        news = b""
        for kind, _, body in self.frames(t):
            news += body if kind == 0 else b""
            if octets in news:
                return


@pytest.fixture
def connector_of_a_stranger(lab):
    edge = StrangeEdge(lab)
    con = Connector(lab, "connector9", edges=("fe01.contoso.net:8099",))
    yield con, edge
    edge.s.close()
    assert con.stop() == 0


SETTINGS = frame(4, 0, 0)
OK_200 = frame(1, 4, 1, b"\x88")
def goaway_of(octets):
    """The error code of the last GOAWAY in what the Edge said after its preface; None without one."""
    at, code = 24, None
    while at + 9 <= len(octets):
        n = int.from_bytes(octets[at:at + 3], "big")
        if octets[at + 3] == 7 and at + 17 <= len(octets):
            code = int.from_bytes(octets[at + 13:at + 17], "big")
        at += 9 + n
    return code


PROTOCOL_ERROR, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, COMPRESSION_ERROR, CALM = 1, 3, 6, 9, 11
# Octets that are in order, octets that are not, and the code that the GOAWAY may carry; None: the link is closed without one, since what
# it would be an answer to is not read to its end.
HOSTILE = {
    "no settings first": (b"", frame(6, 0, 0, b"12345678"), [PROTOCOL_ERROR]),
    "oversized frame": (SETTINGS + OK_200, frame(0, 0, 1, b"a" * 20000), [FRAME_SIZE_ERROR]),
    "continuation flood": (SETTINGS, frame(1, 0, 1, b"\x88") + frame(9, 0, 1, b"") * 5000, [PROTOCOL_ERROR, CALM]),
    "window overflow": (SETTINGS + OK_200, frame(8, 0, 0, b"\x7f\xff\xff\xff") * 2, [FLOW_CONTROL_ERROR]),
    "window of nothing": (SETTINGS + OK_200, frame(8, 0, 0, b"\0\0\0\0"), [PROTOCOL_ERROR]),
    "settings flood": (SETTINGS, frame(4, 0, 0) * 5000, [None, PROTOCOL_ERROR, CALM]),
    "settings of a wrong size": (SETTINGS, frame(4, 0, 0, b"12345"), [FRAME_SIZE_ERROR]),
    "ping flood": (SETTINGS, frame(6, 0, 0, b"12345678") * 20000, [None, PROTOCOL_ERROR, CALM]),
    "ping on a stream": (SETTINGS + OK_200, frame(6, 0, 1, b"12345678"), [PROTOCOL_ERROR]),
    "push": (SETTINGS + frame(4, 1, 0) + OK_200, frame(5, 4, 1, b"\x00\x00\x00\x02\x82"), [PROTOCOL_ERROR]),
    "data on stream 0": (SETTINGS, frame(0, 0, 0, b"abc"), [PROTOCOL_ERROR]),
    "data on a stream that is not": (SETTINGS, frame(0, 0, 7, b"abc"), [PROTOCOL_ERROR]),
    "data before the answer": (SETTINGS, frame(0, 0, 1, b"server dmcu1\n"), [PROTOCOL_ERROR]),
    "a stream of its own": (SETTINGS, frame(1, 4, 2, b"\x88"), [PROTOCOL_ERROR]),
    "reset of a stream that is not": (SETTINGS + OK_200, frame(3, 0, 9, b"\0\0\0\x08"), [PROTOCOL_ERROR]),
    "headers that are no HPACK": (SETTINGS, frame(1, 4, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff"), [COMPRESSION_ERROR]),
    "padding longer than the frame": (SETTINGS + OK_200, frame(0, 8, 1, b"\xffabc"), [PROTOCOL_ERROR]),
    "not HTTP/2 at all": (b"", b"OPTIONS sip:x SIP/2.0\r\n\r\n" * 100, [None, PROTOCOL_ERROR, FRAME_SIZE_ERROR]),
    "a line of 1 MiB": (SETTINGS + OK_200, b"".join(frame(0, 0, 1, b"a" * 16000) for _ in range(66)), [CALM]),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_6_hostile_connector(lab, meeting, name):
    bystander = meeting.join(meeting.ticket(), b"x")
    says(bystander, b"x")
    faulty = lambda: meeting.stat('server_connections_refused_total{reason="protocol"}')
    before = faulty()
    s = raw_link(lab)
    ok, bad, codes = HOSTILE[name]
    try:
        s.sendall(ok + bad)
    except OSError:
        pass
    got = closed(s)
    assert got.startswith(b"PRI * HTTP/2.0")
    assert goaway_of(got) in codes, (goaway_of(got), got[-60:])
    assert len(got) < 500000 and meeting.ask()["queued"] < 100000
    assert faulty() == before + 1
    bystander.sendall(b"still")
    says(bystander, b"still")
    bystander.close()
    meeting.wait_server()


def test_6_a_header_that_would_forge_a_log_line(lab, meeting, edged):
    """What the library says about a bad header quotes it; the log escapes that. The announcements end with it, and so does the link."""
    forged = b"x\n2026-01-01T00:00:00Z edged-webconf[0] notice: WEB-6017 forged"
    header = b"\x00\x01x" + bytes([len(forged)]) + forged
    s = raw_link(lab)
    at = len(edged.log())
    s.sendall(SETTINGS + frame(1, 4, 1, b"\x88" + header) + frame(0, 0, 0, b"ends the link"))
    closed(s)
    meeting.wait_server()
    edged.wait_log(r"link_faulty .*value: \[x.x0a2026-01-", since=at)
    assert not [line for line in edged.log().splitlines() if line.startswith("2026-01-")]


def test_6_hostile_edge(lab, connector_of_a_stranger):
    """The connector, dialled into something that is no Edge: what it is asked beside the protocol is refused, and it goes on."""
    con, edge = connector_of_a_stranger
    t = edge.accept()
    t.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS)
    # GET /, GET /announcements, the same again, CONNECT to a server that is not, and one with a blank in a value
    get = b"\x82\x87\x01\x01x"
    blank = b"\x00\x0cedged-client\x03a b"
    connect = b"\x02\x07CONNECT\x01\x06nobody"
    for n, block in enumerate((get + b"\x84", get + b"\x04\x0e/announcements", get + b"\x04\x0e/announcements", connect, connect + blank)):
        t.sendall(frame(1, 4 | (n < 3), 2 * n + 1, block))
    want = {1: b"405", 3: b"200", 5: b"405", 7: b"404", 9: b"reset"}
    assert edge.answers(t, want) == want
    # A ticket that the signalling side gives while this edge acknowledges nothing, and then goes: nobody has read it.
    said = []
    line = "ticket %s server=dmcu1 not-after=%d" % ("ab" * 32, time.time() + 60)
    asks = threading.Thread(target=lambda: said.append(con.say(line)))
    asks.start()
    edge.until(t, b"ticket " + b"ab" * 32)
    t.close()
    asks.join()
    assert said == ["error no_link"]
    # Rapid reset, far above any rate of an Edge: that link ends, the connector does not.
    t = edge.accept()
    t.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + SETTINGS)
    try:
        for n in range(6000):
            t.sendall(frame(1, 4, 2 * n + 1, connect) + frame(3, 0, 2 * n + 1, b"\0\0\0\x08"))
    except OSError:
        pass
    con.proc.wait_log("edge_faulty")
    t.close()
    # One that closes behind the handshake is not dialled ever faster: the pause grows.
    for _ in range(3):
        edge.accept().close()
    con.proc.wait_log("edge_down .*again_ms=400")


def test_7_tickets(meeting):
    refused = lambda kind: meeting.stat('admissions_refused_total{kind="%s"}' % kind)
    data, late = refused("data"), refused("time")
    assert closed(meeting.join(os.urandom(20), b"x")) == b""
    assert refused("data") == data + 1
    revoked = meeting.ticket()
    s = meeting.tls()  # its handshake is done when the ticket goes
    meeting.ask("ticket", "revoke", hashlib.sha256(revoked).hexdigest())
    s.sendall(preface(revoked) + b"x")
    assert closed(s) == b""
    assert refused("data") == data + 2
    end = int(time.time()) + 4
    old = meeting.ticket("not-after=%d" % end)
    wait_for("the ticket's end", lambda: time.time() >= end + 1.2)  # the Edge's clock counts whole seconds and may lag some ms
    assert closed(meeting.join(old, b"x")) == b""
    assert refused("time") == late + 1


def test_8_preface_forms(meeting):
    s = meeting.tls()
    for b in preface(meeting.ticket()):
        s.sendall(bytes([b]))
    s.sendall(b"one record later")
    says(s, b"one record later")
    s.close()
    t = time.monotonic()
    assert closed(meeting.tls()) == b""
    assert time.monotonic() - t >= 3.9
    assert closed(meeting.join(b"x" * 20, b""), 1.2) == b""
    s = meeting.tls()
    s.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert closed(s, 1.2) == b""


def test_half_close_both_ways(lab, meeting, edged):
    """close_notify of the client reaches the server; what the server says after it still arrives."""
    gone = threading.Event()  # Python's unwrap drops octets that come while it runs

    def late(t):
        got = b""
        while True:
            b = t.recv(65536)
            if not b:
                break
            got += b
        gone.wait(WAIT)
        t.sendall(b"you said %d octets" % len(got))
        t.unwrap()
    srv = Server(lab, late, port=8060)
    c = Connector(lab, "connector4", servers=({"id": "late", "host": DMCU, "port": 8060, "fqdn": "dmcu1.contoso.net"},)).wait_up()
    meeting.wait_server("late")
    s = meeting.tls()
    s.sendall(preface(bytes.fromhex(meeting.ask("ticket", "add", "server=late")["handle"])) + b"a" * 10000)
    before = meeting.ended("closed")
    raw_shutdown_write(s)
    gone.set()
    says(s, b"you said 10000 octets")
    s.close()
    meeting.wait_ended("closed", before)
    srv.close()
    c.stop()


def raw_shutdown_write(s):
    """close_notify without waiting for the other's."""
    s.settimeout(0)
    try:
        s.unwrap()
    except (ssl.SSLError, OSError):
        pass
    s.settimeout(WAIT)


def test_truncation_is_no_end(lab, meeting, edged):
    s = meeting.join(meeting.ticket(), b"x")
    says(s, b"x")
    before = meeting.ended("reset")
    socket.socket.shutdown(s, socket.SHUT_WR)  # a FIN, and no close_notify
    meeting.wait_ended("reset", before)
    s.close()


def test_9_connector_killed(lab, edged):
    m = Meeting(lab, edged)
    srv = Server(lab, echo, port=8061)
    c = Connector(lab, "connector5", servers=({"id": "nine", "host": DMCU, "port": 8061, "fqdn": "dmcu1.contoso.net"},)).wait_up()
    m.wait_server("nine")
    h = bytes.fromhex(m.ask("ticket", "add", "server=nine", "uses=20")["handle"])
    ss = [m.join(h, b"x") for _ in range(20)]
    for s in ss:
        says(s, b"x")
    at = len(edged.log())
    os.kill(next(p for p in [c.proc.pid] + children(c.proc.pid) if program_of(p) == "edged-connector"), signal.SIGKILL)
    t = time.monotonic()
    for s in ss:
        closed(s)
    figure("webconf: all clients of a lost link closed", time.monotonic() - t, 6)
    assert edged.log()[at:].count("inside_down") == 1
    c.stop()
    srv.close()


def test_10_two_connectors_one_leaves(lab, edged, meeting):
    """SIGTERM makes it say GOAWAY: new clients go to the other one, its own finish."""
    srv = Server(lab, echo, port=8062)
    row = ({"id": "ten", "host": DMCU, "port": 8062, "fqdn": "dmcu1.contoso.net"},)
    a, b = Connector(lab, "connector6", servers=row).wait_up(), Connector(lab, "connector7", servers=row).wait_up()
    meeting.wait_server("ten", 2)
    h = bytes.fromhex(meeting.ask("ticket", "add", "server=ten", "uses=40")["handle"])
    old = [meeting.join(h, b"x") for _ in range(10)]
    for s in old:
        says(s, b"x")
    spread = sorted(x["clients"] for x in meeting.ask()["links"] if "ten" in x["servers"])
    assert spread == [5, 5]
    at = len(edged.log())
    os.kill(next(p for p in [a.proc.pid] + children(a.proc.pid) if program_of(p) == "edged-connector"), signal.SIGTERM)
    edged.wait_log("link_goaway", since=at)
    new = [meeting.join(h, b"y") for _ in range(10)]
    for s in new:
        says(s, b"y")
    for s in old:
        s.sendall(b"z")
        says(s, b"z")
    for s in old + new:
        s.close()
    wait_for("the leaving connector to end", lambda: not a.proc.alive())
    assert a.proc.p.returncode == 0
    b.stop()
    a.stop()
    srv.close()


def test_10_the_last_octets_of_a_leaving_connector(lab, edged):
    """Its last client has ended and the server has not read yet: the process waits until that has gone out, too."""
    gate, got = threading.Event(), []

    def late(t):
        t.sendall(t.recv(1))
        raw_shutdown_write(t)  # it has nothing more to say: the client's end is the stream's
        gate.wait(WAIT)
        n = 0
        with contextlib.suppress(ssl.SSLZeroReturnError):  # so Python says an end in order when we ended ours before
            while b := t.recv(65536):
                n += len(b)
            n = "%d octets and no close_notify" % n
        got.append(n)
    # Small buffers below TLS, or they take all of it.
    lab.sysctl("inside", net__ipv4__tcp_wmem="4096 8192 8192")
    srv = Server(lab, late, port=8065, receive=4096)
    c = Connector(lab, "connector10", servers=({"id": "late10", "host": DMCU, "port": 8065, "fqdn": "dmcu1.contoso.net"},)).wait_up()
    m = Meeting(lab, edged)
    m.wait_server("late10")
    s = m.join(bytes.fromhex(m.ask("ticket", "add", "server=late10")["handle"]), b"x")
    says(s, b"x")
    assert s.recv(1) == b""
    os.kill(next(p for p in [c.proc.pid] + children(c.proc.pid) if program_of(p) == "edged-connector"), signal.SIGTERM)
    c.proc.wait_log("connector_leaving clients=1")
    s.sendall(b"d" * 200000)
    raw_shutdown_write(s)
    c.proc.wait_log("edge_down")
    with pytest.raises(subprocess.TimeoutExpired):
        c.proc.p.wait(0.5)
    gate.set()
    wait_for("the connector to end", lambda: not c.proc.alive())
    assert c.proc.p.returncode == 0, c.proc.log()[-2000:]
    wait_for("the server to hear the end", lambda: got)
    lab.sysctl("inside", net__ipv4__tcp_wmem="4096 16384 4194304")
    assert got == [200000]
    s.close()
    c.stop()
    srv.close()


def test_11_strangers(lab, meeting, edged):
    s = lab.tcp_to("load", WEBCONF, 443)
    s.sendall(b"EDWC" + b"x" * 200)
    assert b"EDWC" not in closed(s)
    ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    ctx.check_hostname, ctx.verify_mode = False, ssl.CERT_NONE
    ctx.set_ciphers("ALL:@SECLEVEL=0")
    ctx.minimum_version = ctx.maximum_version = ssl.TLSVersion.TLSv1
    with pytest.raises((ssl.SSLError, OSError)):
        ctx.wrap_socket(lab.tcp_to("load", WEBCONF, 443)).do_handshake()
    at = len(edged.log())
    closed(raw_link(lab, "stranger"))
    edged.wait_log("inside_unknown_peer .*name_not_trusted", since=at)
    at = len(edged.log())
    closed(raw_link(lab, alpn=None))
    edged.wait_log("inside_unknown_peer .*no_alpn", since=at)
    with pytest.raises((ssl.SSLError, OSError)):
        closed(raw_link(lab, alpn="h2"))
        raise OSError("an ALPN of others was not refused")
    at = len(edged.log())
    ctx = ssl.create_default_context(cafile=lab.cert("internal-ca.pem"))
    ctx.check_hostname = False
    s = ctx.wrap_socket(lab.tcp_to("inside", EDGE_IN, 8057, source="10.20.0.14"), server_hostname="edge.int.contoso.net")
    closed(s)
    edged.wait_log("inside_unknown_peer", since=at)


def test_first_flight_is_bounded(lab, meeting, edged):
    srv = Server(lab, webconf.swallow, port=8063)
    c = Connector(lab, "connector8", servers=({"id": "mute", "host": DMCU, "port": 8063, "fqdn": "dmcu1.contoso.net"},)).wait_up()
    meeting.wait_server("mute")
    before = meeting.ended("first_flight")
    s = meeting.tls()
    s.sendall(preface(bytes.fromhex(meeting.ask("ticket", "add", "server=mute")["handle"])) + b"a" * 16385)
    closed(s)
    meeting.wait_ended("first_flight", before)
    c.stop()
    srv.close()


def test_connector_control(meeting, connector, edged):
    """The signalling side announces inside; `ok` means that the Edge has read it; a second Edge could not use it again."""
    h = os.urandom(20)
    line = "ticket %s server=dmcu1 not-after=%d uses=1 conference=BE92" % (hashlib.sha256(h).hexdigest(), time.time() + 60)
    assert connector.say(line) == "ok"
    s = meeting.join(h, b"x")
    says(s, b"x")
    s.close()
    assert connector.say("revoke " + hashlib.sha256(h).hexdigest()) == "ok"
    assert connector.say("ticket nonsense") == "error malformed"
    assert connector.say(line.replace("dmcu1", "nobody")) == "error no_such_server"
    assert connector.say("server x") == "error unsupported"
    assert connector.say(line.replace("not-after=%s" % line.split("not-after=")[1].split()[0], "not-after=5")) == "error gone"
    # Used up at the connector although this Edge never saw it: a ticket is good once over all Edges.
    meeting.ask("ticket", "add", "ticket=" + hashlib.sha256(b"z" * 20).hexdigest(), "server=dmcu1", "uses=2")
    line = "ticket %s server=dmcu1 not-after=%d uses=1" % (hashlib.sha256(b"z" * 20).hexdigest(), time.time() + 60)
    assert connector.say(line) == "ok"
    s = meeting.join(b"z" * 20, b"x")
    says(s, b"x")
    s.close()
    before = meeting.ended("server_refused")
    assert closed(meeting.join(b"z" * 20, b"x")) == b""
    meeting.wait_ended("server_refused", before)


def test_13_reload_with_new_certificate(lab, meeting, edged, crowd):
    """Twenty clients move octets all the while; a running one lives on; a new one sees the new certificate."""
    running = meeting.join(meeting.ticket(), b"x")
    says(running, b"x")
    first = running.getpeercert()["serialNumber"]
    bound = lab.cert("external-ecdsa.pem"), lab.cert("external-ecdsa.key")
    for path in bound:
        shutil.copyfile(path, path + ".old")
    rows, admitted = [], crowd.stat("clients_admitted_total")
    load = threading.Thread(target=lambda: rows.append(crowd.load(crowd_handles(crowd, 20), "--bytes", "2000000", check=False)))
    load.start()
    wait_for("the load to flow", lambda: crowd.stat("clients_admitted_total") >= admitted + 20)
    try:
        for new, path in zip(new_certificate(lab), bound):
            put(new, path)
        edged.ctl("reload")
        after = meeting.join(meeting.ticket(), b"y")
        says(after, b"y")
        assert after.getpeercert()["serialNumber"] != first
        running.sendall(b"still here")
        says(running, b"still here")
        after.close()
        running.close()
        load.join()
        assert rows and rows[0]["errors"] == "0" and rows[0]["admitted"] == "20", rows
    finally:
        load.join()
        for path in bound:
            put(path + ".old", path)
        edged.ctl("reload")


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_sessions_resume(meeting, version):
    """Its keys are keyd's, so a session outlives the process that gave it; a ticket is still needed, and its bad end is no other's."""
    ctx = meeting.context(version)
    s = meeting.tls(ctx=ctx)
    s.sendall(preface(meeting.ticket()) + b"x")
    says(s, b"x")
    assert not s.session_reused
    session = s.session
    s.close()
    os.kill(meeting.pid(), signal.SIGKILL)
    s = meeting.tls(ctx=ctx, session=session)
    assert s.session_reused
    s.close()
    meeting.wait_server()
    h = meeting.ticket()
    s = meeting.tls(ctx=ctx, session=session)
    assert s.session_reused
    s.sendall(preface(h) + b"again")
    says(s, b"again")
    s.close()
    s = meeting.tls(ctx=ctx, session=session)
    s.sendall(preface(h) + b"replayed")
    assert closed(s) == b""


def test_killed_role_comes_back(lab, meeting, edged):
    """kill -9: the Access Edge's processes stay, callers queue, serving again within a second."""
    others = edged.pids("edged-access")
    access = lab.tls_to("load", EDGE_OUT, 443, "sip.contoso.com", source=LOAD[3])
    s = meeting.join(meeting.ticket(), b"x")
    says(s, b"x")
    os.kill(meeting.pid(), signal.SIGKILL)
    t = time.monotonic()
    s2 = meeting.tls()  # queued at the listener, then served
    figure("webconf killed: a new client is served", time.monotonic() - t, 1.5)
    s2.close()
    closed(s)
    assert edged.pids("edged-access") == others
    access.sendall(b"\r\n\r\n")
    access.close()
    meeting.wait_server()
    s = meeting.join(meeting.ticket(), b"again")
    says(s, b"again")
    s.close()


def test_a_guest_is_listed_and_kicked(lab, meeting):
    """edgectl sessions shows guests, with a filter; kick ends that one and leaves the other."""
    a, b = meeting.join(meeting.ticket(), b"a"), meeting.join(meeting.ticket(), b"b")
    assert says(a, b"a") and says(b, b"b")

    def listed(word):
        answer = json.loads(meeting.edged.ctl("--json", "sessions", word))
        return [s for svc in answer["services"] if svc["role"] == "webconf" for s in svc["answer"]["sessions"]]
    mine = listed('%s:%d"' % a.getsockname()[:2])
    assert len(mine) == 1 and mine[0]["state"] == "meeting" and mine[0]["octets_in"] >= 1, mine
    assert len(listed('"kind":"guest"')) >= 2
    before = meeting.ended("kicked")
    meeting.edged.ctl("kick", mine[0]["flow"])
    closed(a)
    meeting.wait_ended("kicked", before)
    meeting.edged.wait_log("guest_kicked flow=" + mine[0]["flow"])
    b.sendall(b"c")
    assert says(b, b"c")
    b.close()
    meeting.edged.ctl("kick", mine[0]["flow"], check=False)  # gone
    meeting.wait_ended("kicked", before)
