# SPDX-License-Identifier: MIT
"""The relay for standard clients beyond test_av.py: TLS, TCP allocations, reservations, quotas, abuse."""
import base64
import hashlib
import hmac
import os
import re
import socket
import ssl
import struct
import subprocess
import threading
import time

import pytest

import lab as lablib
from av import sessions
from turn import CONNECT, REFRESH, TCP, Refused, Turn, address_of, attr, attrs

AV_OUT, AV_IN = "203.0.113.12", lablib.EDGE_IN
USER, PASSWORD = "webrtc", "desert-rose"


BINDING = bytes.fromhex("000100002112a442") + b"123456789012"


@pytest.fixture(scope="module")
def av(lab):
    e = lab.edged(base="lab-av.conf", av__limits__allocations_per_user=200, av__limits__kbit_per_port=100000,
                  av__limits__kbit_per_user=1000000, av__tcp_allocations=True)
    e.silent = lab.tcp_to("alice", AV_OUT, 443)  # for test_who_only_waits_is_put_out
    e.idle = lab.tcp_to("alice", AV_OUT, 3478)
    e.idle.sendall(BINDING)
    e.since = time.monotonic()
    yield e
    status = e.stop()
    assert status == 0, e.log()[-2000:]
    assert "Sanitizer" not in e.log() and "runtime error:" not in e.log(), e.log()[-4000:]


@pytest.fixture(scope="module")
def echo(lab):
    p = subprocess.Popen(["ip", "netns", "exec", lab.ns("bob"), "turnutils_peer", "-L", "198.51.100.24", "-p", "3480"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield p
    p.terminate()
    p.wait()


def uclient(lab, *args, password=PASSWORD, host="alice"):
    return subprocess.run(
        ["ip", "netns", "exec", lab.ns(host), "turnutils_uclient", "-u", USER, "-w", password, "-e", "198.51.100.24",
         "-r", "3480", "-z", "5", *args, AV_OUT], capture_output=True, text=True, timeout=90)


def counts(r):
    m = re.search(r"start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\n", r.stdout)
    assert m, r.stdout[-800:] + r.stderr[-400:]
    return int(m.group(1)), int(m.group(2))


# -- TLS --------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("port,how", [("5349", []), ("443", ["-s"])], ids=["tls-port", "beside-lync-send"])
def test_uclient_tls(lab, av, echo, port, how):
    """turns: on its own port; and where the first bytes tell a ClientHello from the hello that only looks like one."""
    lablib.wait_for("the echo to listen", lambda: lab.listens("bob", "198.51.100.24:3480"))
    before = lab.datagrams_dropped("bob", "edge")
    r = uclient(lab, "-c", "-S", "-t", "-p", port, "-n", "100", "-m", "4", "-l", "172", *how)
    sent, came = counts(r)
    # None is lost but what the kernel threw away between relay and echo.
    assert sent == 400 and came >= 400 - (lab.datagrams_dropped("bob", "edge") - before) * (not lablib.STRICT), r.stdout[-800:]


@pytest.mark.parametrize("how,host", [(["-S", "-p", "5349"], "alice"), (["-T", "-y"], "load")], ids=["tls", "tcp-allocation"])
def test_wrong_password(lab, av, echo, how, host):
    """From two sources: who guessed wrong a few times is not answered for a while."""
    r = uclient(lab, "-c", "-t", "-n", "1", "-m", "1", *how, password="guess", host=host)
    assert "Cannot complete Allocation" in r.stdout + r.stderr


def test_tls_is_verified_and_speaks_turn_only(lab, av):
    """The external certificate; the Lync dialect has no business in it; plain bytes have none on that port."""
    with lab.tls_to("alice", AV_OUT, 5349, "av.contoso.com") as s:
        s.sendall(bytes.fromhex("02000024" "00030010") + bytes(32))
        assert s.recv(100) == b""
    s = lab.tcp_to("alice", AV_OUT, 5349)
    s.sendall(bytes.fromhex("000100002112a442") + bytes(12))
    s.settimeout(lablib.WAIT)
    first = s.recv(100)  # an alert, or nothing
    assert first[:1] in (b"", b"\x15")
    with pytest.raises((ssl.SSLError, OSError)):  # no certificate for the inside
        lab.tls_to("inside", AV_IN, 443, "edge.int.contoso.net", ca="internal-ca.pem")


def test_tls_hello_in_pieces(lab, av):
    """A ClientHello that drips in byte by byte on the shared port is still one."""
    ctx = ssl.create_default_context(cafile=lab.cert("external-ca.pem"))
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ctx.wrap_bio(into, out, server_hostname="av.contoso.com")
    s = lab.tcp_to("alice", AV_OUT, 443)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = out.read()
    for i in range(8):
        s.sendall(hello[i:i + 1])
    s.sendall(hello[8:])
    while True:
        try:
            into.write(s.recv(65536))
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            s.sendall(out.read())
    s.sendall(out.read())
    tls.write(bytes.fromhex("000100002112a442") + b"123456789012")
    s.sendall(out.read())
    while True:
        into.write(s.recv(65536))
        try:
            answer = tls.read(100)
            break
        except ssl.SSLWantReadError:
            pass
    assert answer[:2] == b"\1\1" and answer[8:20] == b"123456789012"


def test_google_hello_is_refused(lab, av):
    s = lab.tcp_to("alice", AV_OUT, 443)
    s.sendall(bytes.fromhex("8046010301002d0000001001008003008007"))
    assert s.recv(10) == b""
    av.wait_log("client_refused why=google_hello")


# -- TCP allocations (RFC 6062) ---------------------------------------------------------------------------------------

class TcpEcho:
    """What turnutils_peer is over UDP, over TCP."""

    def __init__(self, lab, host, address):
        with lab.inside_of(host):
            self.s = socket.create_server(address, backlog=64)
        self.seen = []
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                c, at = self.s.accept()
            except OSError:
                return
            self.seen.append(at)
            threading.Thread(target=self._echo, args=(c,), daemon=True).start()

    @staticmethod
    def _echo(c):
        with c:
            while True:
                try:
                    d = c.recv(65536)
                    if not d:
                        return
                    c.sendall(d)
                except OSError:
                    return

    def close(self):
        self.s.close()


def test_tcp_peers(lab, av):
    """Connect to an echo, from the relayed address itself; bytes both ways, more than any buffer holds; both ends."""
    e = TcpEcho(lab, "bob", ("198.51.100.24", 3481))
    with Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD, "tcp") as c:
        c.allocate(transport=TCP)
        at = ("198.51.100.24", 3481)
        d = c.data_connection(c.connect(at))
        assert c.code(CONNECT, peer=at) == 446
        data = os.urandom(3 << 20)
        threading.Thread(target=d.s.sendall, args=(data,), daemon=True).start()
        got = bytearray(d.buf)
        while len(got) < len(data):
            got += d.s.recv(65536)
        assert got == data
        assert e.seen == [c.relay]  # from the relayed address itself
        assert c.code(CONNECT, peer=("198.51.100.24", 9)) == 447
        # a peer comes: only with a permission
        with pytest.raises(OSError):
            with lab.inside_of("bob"):
                s = socket.create_connection(c.relay, lablib.WAIT)
            s.settimeout(lablib.WAIT)
            assert s.recv(1) == b""
            raise OSError
        assert c.permit(at) == 0
        with lab.inside_of("bob"):
            peer = socket.create_connection(c.relay, lablib.WAIT)
        peer.sendall(b"before it is bound")
        m = c.rx()
        a = attrs(m)
        assert m[:2] == b"\0\x1c" and address_of(a[0x12], m[8:20]) == peer.getsockname()
        f = c.data_connection(a[0x2a])
        assert (f.buf or f.s.recv(100)) == b"before it is bound"  # may come with the answer
        f.s.sendall(b"hello")
        peer.settimeout(lablib.WAIT)
        assert peer.recv(100) == b"hello"
        peer.close()
        assert f.s.recv(1) == b""
    assert d.s.recv(1) == b""  # the allocation has gone with its control connection
    e.close()


def test_uclient_tcp_allocations(lab, av):
    """turnutils_uclient -T: two relays of this Edge, one connects to the other, which hears of it by ConnectionAttempt."""
    r = uclient(lab, "-c", "-t", "-T", "-y", "-n", "50", "-m", "4", "-l", "172")
    assert counts(r) == (200, 200)


# -- reservations, fragments ------------------------------------------------------------------------------------------

def test_pair_of_ports(lab, av):
    """EVEN-PORT with R: the port above is kept for the same user, and nobody can bind or take it meanwhile."""
    with Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD) as c, Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD) as d:
        token = c.allocate(attr(0x18, b"\x80"))[0x22]
        assert c.relay[1] % 2 == 0
        d.allocate(attr(0x22, token))
        assert d.relay == (c.relay[0], c.relay[1] + 1)
        with lab.inside_of("bob"):
            peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            peer.bind(("198.51.100.24", 0))
            peer.settimeout(lablib.WAIT)
        assert d.permit(peer.getsockname()) == 0
        d.send(peer.getsockname(), b"rtcp")
        assert peer.recvfrom(100) == (b"rtcp", d.relay)


def test_dont_fragment(lab, av):
    """What a client wants whole leaves with DF, or not at all."""
    with lab.inside_of("bob"):
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
        raw.bind(("198.51.100.24", 0))
        raw.settimeout(lablib.WAIT)
    with Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD, "tcp") as c:
        c.allocate(attr(0x1a, b""))
        at = ("198.51.100.24", 4444)
        assert c.permit(at) == 0
        c.send(at, b"x" * 1473, attr(0x1a, b""))
        c.send(at, b"y" * 1472, attr(0x1a, b""))
        while True:
            p = raw.recv(2000)
            if p[20:22] == struct.pack(">H", c.relay[1]):
                break
        assert p[28:30] == b"yy" and len(p) == 1500 and p[6] & 0x40
    raw.close()


def test_an_allocation_is_kicked(lab, av):
    """edgectl kick ADDRESS:PORT ends that client's allocation, whichever worker holds it, and no other."""
    for how in ("udp", "tcp"):
        with Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD, how) as a, Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD) as b:
            a.allocate()
            b.allocate()
            one, other = ("%s:%d" % x.s.getsockname() for x in (a, b))
            assert {one, other} <= set(sessions(av))
            av.ctl("kick", one)
            held = sessions(av)
            assert one not in held and other in held
            av.wait_log("session_kicked alloc=.* client=" + re.escape(one))
            with pytest.raises(lablib.LabError):
                av.ctl("kick", one)
            if how == "tcp":
                with pytest.raises((ConnectionError, OSError)):
                    a.rx()
            else:
                assert a.code(REFRESH) == 437
            assert b.code(REFRESH) == 0


def test_who_only_waits_is_put_out(lab, av):
    """10 s to the first byte, 30 s to an allocation (ms-turn 5.9); both began with the first test of this file."""
    av.silent.settimeout(lablib.WAIT)
    assert av.silent.recv(10) == b""
    av.idle.settimeout(2 * lablib.WAIT)
    assert av.idle.recv(100)[:2] == b"\1\1"
    assert av.idle.recv(10) == b""
    assert time.monotonic() - av.since > 29  # not before its time


# -- standard credentials ---------------------------------------------------------------------------------------------

def timed(secret, user="alice", life=3600):
    name = "%d:%s" % (time.time() + life, user)
    return name, base64.b64encode(hmac.new(secret.encode(), name.encode(), hashlib.sha1).digest()).decode()


def code_of(lab, user, password, source=None):
    with Turn(lab, "load", (AV_OUT, 3478), user, password, source=source) as c:
        try:
            c.allocate()
            c.request(REFRESH, attr(0xd, bytes(4)))
            return 0
        except Refused as e:
            return e.code


def test_standard_credentials(lab, av):
    """A user by key as edgectl makes it; time-limited names by either of two secrets, one after a rotation; what is wrong is
    counted and slowed. The last test of this file: it reloads."""
    key = subprocess.run([os.path.join(av.bin, "edgectl"), "turn-key", "kay", "contoso.com"], input="sesame\n", text=True,
                         capture_output=True, check=True).stdout.strip()
    assert re.fullmatch("[0-9a-f]{32}", key)

    def reload(secrets):
        lab.edged_conf(base="lab-av.conf", av__users=({"name": "kay", "key": key},), av__shared_secret=secrets,
                       log__target="stderr", control__socket=lab.path("control.sock"), edge__run_dir=lab.path("run"))
        av.ctl("reload")

    with Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD) as running:
        running.allocate()
        reload("north-star pole-star")
        assert code_of(lab, "kay", "sesame") == 0
        for secret in ("north-star", "pole-star"):
            assert code_of(lab, *timed(secret)) == 0
        assert code_of(lab, *timed("dog-star")) == 401
        assert code_of(lab, *timed("north-star", life=-60)) == 401
        assert code_of(lab, *timed("north-star", life=11 * 366 * 86400)) == 401  # absurdly far
        name, password = timed("north-star")
        assert code_of(lab, name[:-1] + "f", password) == 401
        assert code_of(lab, USER, PASSWORD) == 401  # no user of the file any more
        reload("pole-star")
        assert code_of(lab, *timed("pole-star")) == 0
        assert code_of(lab, *timed("north-star")) == 401
        assert running.code(REFRESH) == 0  # who has an allocation keeps it
    # guessing: answers stop, for that address only, and the right password is no way around it
    source = lablib.LOAD[20]
    failed = len(re.findall("AVR-5001", av.log()))
    answers = 0
    with Turn(lab, "load", (AV_OUT, 3478), "kay", "guess", source=source) as c:
        c.s.settimeout(2)
        try:
            for i in range(200):
                c.key = None
                assert c.code(3, attr(0x19, bytes([17, 0, 0, 0]))) == 401
                answers += 1
        except TimeoutError:
            pass
    assert 50 <= answers < 150
    assert len(re.findall("AVR-5001", av.log())) > failed
    with pytest.raises(TimeoutError):
        with Turn(lab, "load", (AV_OUT, 3478), "kay", "sesame", source=source) as c:
            c.s.settimeout(0.1)
            c.allocate()
    assert code_of(lab, "kay", "sesame", source=lablib.LOAD[21]) == 0
    av.ctl("sessions")  # the workers bring their counters up to date for it
    counted = sum(int(x) for x in re.findall(r"edged_av_authentication_failures_total\S*\s+(\d+)", av.ctl("stats")))
    assert counted >= 50
