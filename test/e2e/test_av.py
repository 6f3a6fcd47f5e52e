# SPDX-License-Identifier: MIT
"""The A/V Edge and A/V Authentication: coturn's turnutils_uclient over UDP and TCP, credentials asked over 5062 as a
Front End would, and these used in the Lync dialect over UDP, bare frames and the hello that looks like TLS."""
import os
import re
import select
import socket
import struct
import subprocess
import xml.etree.ElementTree as ET

import pytest

import lab as lablib
from av import AV_IN, AV_OUT, NS, PASSWORD, USER, Lync, address, b64, credentials, meet, mras_body, nice_program, refused, service, uclient


@pytest.fixture(scope="module")
def av(lab):
    e = lab.edged(base="lab-av.conf", av__limits__allocations_per_user=200, av__limits__kbit_per_port=100000,
                  av__limits__kbit_per_user=1000000)  # turnutils_uclient leaves its own behind
    yield e
    status = e.stop()
    assert status == 0, e.log()[-2000:]
    assert "ERROR: AddressSanitizer" not in e.log() and "runtime error:" not in e.log(), e.log()[-4000:]


@pytest.fixture(scope="module")
def echo(lab):
    p = subprocess.Popen(["ip", "netns", "exec", lab.ns("bob"), "turnutils_peer", "-L", "198.51.100.24", "-p", "3480"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield p
    p.terminate()
    p.wait()


# -- standard clients -------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def uclients(lab, av, echo):
    """All ways at once, each in a process of its own: they spend their time asleep."""
    lablib.wait_for("the echo to listen", lambda: lab.listens("bob", "198.51.100.24:3480"))
    lab.dropped = lab.datagrams_dropped("bob", "edge")
    ways = {"udp": [], "udp-send": ["-s"], "tcp": ["-t"], "tcp-send": ["-t", "-s"]}
    return {name: uclient(lab, "-c", "-n", "250", "-m", "8", "-l", "172", *how) for name, how in ways.items()}


@pytest.mark.parametrize("how", ["udp", "udp-send", "tcp", "tcp-send"])
def test_uclient(lab, uclients, how):
    out = uclients[how].end()
    sent = re.search(r"start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\n", out)
    assert sent, out[-800:]
    assert sent.group(1) == "2000"
    if lablib.STRICT:
        assert sent.group(2) == "2000" and "Total lost packets 0 " in out
    elif how.startswith("tcp"):  # none but what the kernel threw away between relay and echo
        assert int(sent.group(2)) >= 2000 - (lab.datagrams_dropped("bob", "edge") - lab.dropped), out[-800:]
    else:  # datagrams: a busy machine drops some in front of a program that does not get its turn, most of all the client
        assert int(sent.group(2)) > 1000, out[-800:]


def test_wrong_password(lab, av, echo):
    for how, host in (([], "alice"), (["-t"], "load")):  # who guessed wrong a few times is not answered for a while
        before = refused(av)
        assert "Cannot complete Allocation" in uclient(lab, "-c", "-n", "1", "-m", "1", *how, password="guess", host=host).end()
        lablib.wait_for("a refusal to be counted", lambda: refused(av) > before)
    av.proc.wait_log(r"AVR-5001 .*reason=integrity")


def test_inside_is_not_reachable(lab, av):
    """The inside, and the Edge's own SIP address, are no peers for a client outside."""
    for peer in ("10.20.0.11", lablib.EDGE_OUT, "127.0.0.1"):
        out = uclient(lab, "-c", "-n", "1", "-m", "1", peer=peer).end()
        assert "403" in out, out[-400:]
    for rule in ("inside", "own_address", "loopback"):
        av.proc.wait_log(r"AVR-5005 .*rule=%s" % rule)


# -- A/V Authentication -----------------------------------------------------------------------------------------------

def test_credentials_are_issued(lab, av):
    username, password, root = credentials(lab, asks=3, duration=100000)
    assert len(username) == 56 and len(password) == 20 and username[:1] == b"E"
    assert root.get("requestID") == "4711" and root.get("version") == "2.0" and root.get("serverVersion") == "3.0"
    assert len(root.findall(NS + "credentialsResponse")) == 3
    c = root.find(NS + "credentialsResponse")
    assert c.find("%scredentials/%sduration" % (NS, NS)).text == "480"
    assert c.find("%scredentials/%srealm" % (NS, NS)).text == "contoso.com"
    relays = c.findall("%smediaRelayList/%smediaRelay" % (NS, NS))
    assert [r.find(NS + "hostName").text for r in relays] == ["av.contoso.com"]
    assert relays[0].find(NS + "udpPort").text == "3478" and relays[0].find(NS + "tcpPort").text == "443"


@pytest.mark.parametrize("body,reason", [
    (mras_body(version="4.0"), "Version Mismatch"), (mras_body(frm="sip:x@example.org"), "Forbidden"),
    (mras_body(asks=101), "Request Too Large"), ("<request", "Request Malformed"),
    ('<!DOCTYPE r [<!ENTITY a "b">]>' + mras_body(), "Request Malformed"), ("x" * 70000, "Request Too Large"),
], ids=["version", "domain", "101", "cut", "dtd", "long"])
def test_refusals_are_answers(lab, av, body, reason):
    status, _, answer = service(lab, body)
    assert status == "SIP/2.0 200 OK"
    assert ET.fromstring(answer).get("reasonPhrase") == reason


def test_other_requests(lab, av):
    assert service(lab, "", method="OPTIONS")[0] == "SIP/2.0 200 OK"
    assert service(lab, "", method="MESSAGE")[0].startswith("SIP/2.0 405")
    assert service(lab, "v=0", ctype="application/sdp")[0].startswith("SIP/2.0 415")


def test_untrusted_server_is_not_read(lab, av):
    with pytest.raises(Exception):
        assert service(lab, mras_body(), cert="internal")[0] == ""
        raise ConnectionError
    av.proc.wait_log(r"AVA-4001 peer_not_trusted")


# -- the Lync dialect with these credentials ---------------------------------------------------------------------------

@pytest.mark.parametrize("host,server", [("alice", AV_OUT), ("inside", AV_IN)])
def test_lync_udp(lab, av, host, server):
    """Send, indication, Set Active Destination, bare both ways, from either leg."""
    username, password, _ = credentials(lab, location="internet" if host == "alice" else "intranet")
    c = Lync(lab, host, server, username, password)
    assert c.allocate() == 0
    assert c.relay[0] == AV_OUT
    with lab.inside_of("bob"):
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.bind(("198.51.100.24", 0))
        peer.settimeout(lablib.WAIT)
    at = peer.getsockname()
    c.send(at, b"check")
    assert peer.recvfrom(2000) == (b"check", c.relay)
    peer.sendto(b"answer", c.relay)
    kind, m = c.rx()
    assert kind == 2 and m[:2] == b"\1\x15" and c.attrs(m)[0x13] == b"answer"
    assert c.set_active(at)
    for i in range(200):
        c.tx(b"\x80rtp%d" % i)
        assert peer.recv(2000) == b"\x80rtp%d" % i
        peer.sendto(b"\x80back%d" % i, c.relay)
        assert c.rx() == (3, b"\x80back%d" % i)


def test_the_leg_decides(lab, av):
    """A host inside is a peer for a client of the internal leg, and none for one of the external leg."""
    with lab.inside_of("inside"):
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.bind(("10.20.0.12", 0))
        peer.settimeout(1)
    a = Lync(lab, "alice", AV_OUT, *credentials(lab)[:2])
    assert a.allocate() == 0
    a.send(peer.getsockname(), b"let me in")
    with pytest.raises(TimeoutError):
        peer.recv(100)
    b = Lync(lab, "inside", AV_IN, *credentials(lab, location="intranet")[:2])
    assert b.allocate() == 0
    since = len(av.log())
    b.send(peer.getsockname(), b"hello")
    with pytest.raises(TimeoutError):  # leaves by ext0, where no way leads inside: allowed, not delivered
        peer.recv(100)
    assert "peer_refused" not in av.log()[since:]


def test_inside_meets_outside(lab, av):
    """A call: one client on the internal leg, one outside, each behind an allocation of this Edge."""
    a = Lync(lab, "alice", AV_OUT, *credentials(lab)[:2])
    b = Lync(lab, "inside", AV_IN, *credentials(lab, location="intranet")[:2])
    assert a.allocate() == 0 and b.allocate() == 0
    meet(a, b)
    for i in range(100):
        a.tx(b"\x80a%d" % i)
        assert b.rx() == (3, b"\x80a%d" % i)
        b.tx(b"\x80b%d" % i)
        assert a.rx() == (3, b"\x80b%d" % i)
    for c in (a, b):  # as the relay counted it, leg by leg: a hundred each way, and what opened the way
        assert all(101 <= n <= 102 for n in c.counted(av))


@pytest.mark.parametrize("how", ["frames", "hello"])
def test_lync_tcp(lab, av, how):
    """Bare frames and behind the hello: a peer connection opened by the relay, Set Active, a stream both ways."""
    c = Lync(lab, "alice", AV_OUT, *credentials(lab)[:2], how=how)
    assert c.allocate() == 0
    with lab.inside_of("bob"):
        srv = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        srv.bind(("198.51.100.24", 0))
        srv.listen(4)
        srv.settimeout(lablib.WAIT)
    at = srv.getsockname()
    c.send(at, b"\0\5check")
    peer, came_from = srv.accept()
    peer.settimeout(lablib.WAIT)
    assert came_from[0] == AV_OUT and 50000 <= came_from[1] <= 59999
    assert peer.recv(100) == b"\0\5check"
    peer.sendall(b"\0\6answer")
    kind, m = c.rx()
    assert kind == 2 and c.attrs(m)[0x13] == b"\0\6answer"
    with lab.inside_of("bob"):  # the peer connects as well: its address has a permission
        second = socket.create_connection(c.relay, lablib.WAIT, ("198.51.100.24", 0))
    second.sendall(b"\0\3too")
    kind, m = c.rx()
    assert c.attrs(m)[0x13] == b"\0\3too" and c.attrs(m)[0x12] == address(*second.getsockname())
    assert c.set_active(at)
    blob = os.urandom(300000)
    sent = got = 0
    back = b""
    while got < len(blob) or len(back) < len(blob):
        r, w, _ = select.select([peer, c.s], [c.s] if sent < len(blob) else [], [], lablib.WAIT)
        assert r or w, "nothing moves"
        if w:
            c.tx(blob[sent:sent + 20000], kind=3)
            sent += 20000
        if peer in r:
            part = peer.recv(65536)
            assert part == blob[got:got + len(part)]
            got += len(part)
            peer.sendall(part)
        if c.s in r:
            kind, m = c.rx()
            assert kind == 3
            back += m
            while len(c.buf) >= 4 and len(c.buf) >= 4 + struct.unpack(">H", c.buf[2:4])[0]:
                back += c.rx()[1]
    assert back == blob
    peer.close()  # the active one takes the client along
    with pytest.raises((ConnectionError, OSError)):
        while True:
            c.rx()


def test_tokens_elsewhere(lab, av):
    """A forged or changed token, a wrong password: no allocation."""
    username, password, _ = credentials(lab)
    assert Lync(lab, "alice", AV_OUT, username, b"x" * 20).allocate() == 431
    changed = bytes([username[0]]) + bytes([username[1] ^ 1]) + username[2:]
    assert Lync(lab, "alice", AV_OUT, changed, password).allocate() == 436
    assert Lync(lab, "alice", AV_OUT, b"nobody12", password).allocate() == 436


# -- libnice ----------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def nice_call(lab):
    return nice_program(lab)


WAYS = [("oc2007r2", "udp", 3478), ("oc2007r2", "tcp", 443), ("oc2007r2", "hello", 443), ("rfc5245", "udp", 3478), ("rfc5245", "tcp", 3478)]


@pytest.mark.parametrize("dialect,how,port", WAYS)
def test_libnice(lab, av, nice_call, dialect, how, port):
    """10,000 packets each way through the relay only; the Lync dialect with credentials from A/V Authentication."""
    user, password = (b64(x) for x in credentials(lab)[:2]) if dialect == "oc2007r2" else (USER, PASSWORD)
    r = nice_call(dialect, how, port, user, password, 10000)
    assert r.returncode == 0, r.stdout + r.stderr
    assert "received=10000/10000 corrupted=0 relayed=yes" in r.stdout


@pytest.mark.parametrize("dialect,how,port", WAYS)
def test_libnice_wrong_password(lab, av, nice_call, dialect, how, port):
    before = refused(av)
    user, password = (b64(credentials(lab)[0]), b64(b"x" * 20)) if dialect == "oc2007r2" else (USER, "guess")
    r = nice_call(dialect, how, port, user, password, 10)
    assert r.returncode == 1 and r.stdout.startswith("no relay\n"), r.stdout + r.stderr
    lablib.wait_for("a refusal to be counted", lambda: refused(av) > before)
