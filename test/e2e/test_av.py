# SPDX-License-Identifier: MIT
"""The A/V Edge and A/V Authentication: coturn's turnutils_uclient over UDP and TCP, credentials asked over 5062 as a
Front End would, and these used in the Lync dialect over UDP, bare frames and the hello that looks like TLS."""
import base64
import hashlib
import hmac
import os
import re
import select
import socket
import struct
import subprocess
import xml.etree.ElementTree as ET

import pytest

import lab as lablib

AV_OUT, AV_IN = "203.0.113.12", lablib.EDGE_IN
USER, PASSWORD = "webrtc", "desert-rose"


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

def uclient(lab, *args, password=PASSWORD, peer="198.51.100.24"):
    return subprocess.run(
        ["ip", "netns", "exec", lab.ns("alice"), "turnutils_uclient", "-u", USER, "-w", password, "-e", peer, "-r", "3480",
         "-c", "-z", "5", *args, AV_OUT], capture_output=True, text=True, timeout=90)


@pytest.mark.parametrize("how", [[], ["-s"], ["-t"], ["-t", "-s"]], ids=["udp", "udp-send", "tcp", "tcp-send"])
def test_uclient(lab, av, echo, how):
    r = uclient(lab, "-n", "250", "-m", "8", "-l", "172", *how)
    sent = re.search(r"start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\n", r.stdout)
    assert sent, r.stdout[-800:]
    assert sent.group(1) == sent.group(2) == "2000"
    assert "Total lost packets 0 " in r.stdout


def test_wrong_password(lab, av, echo):
    r = uclient(lab, "-n", "1", "-m", "1", password="guess")
    assert "Cannot complete Allocation" in r.stdout + r.stderr
    av.proc.wait_log(r"AVR-5001 .*reason=integrity")


def test_inside_is_not_reachable(lab, av):
    """The inside, and the Edge's own SIP address, are no peers for a client outside."""
    for peer in ("10.20.0.11", lablib.EDGE_OUT, "127.0.0.1"):
        r = uclient(lab, "-n", "1", "-m", "1", peer=peer)
        assert "403" in r.stdout + r.stderr, r.stdout[-400:]
    for rule in ("inside", "own_address", "loopback"):
        av.proc.wait_log(r"AVR-5005 .*rule=%s" % rule)


# -- A/V Authentication -----------------------------------------------------------------------------------------------

NS = "{http://schemas.microsoft.com/2006/09/sip/mrasp}"


def mras_body(asks=1, location="internet", version="2.0", frm="sip:alice@contoso.com", duration=480):
    ask = "".join('<credentialsRequest credentialsRequestID="c%d"><identity>sip:alice@contoso.com</identity>'
                  "<location>%s</location><duration>%d</duration></credentialsRequest>" % (i, location, duration) for i in range(asks))
    return ('<request requestID="4711" from="%s" version="%s" to="sip:mras@contoso.com" '
            'xmlns="http://schemas.microsoft.com/2006/09/sip/mrasp">%s</request>' % (frm, version, ask))


def service(lab, body, method="SERVICE", cert="fe01", ctype="application/msrtc-media-relay-auth+xml"):
    """One request from the Front End over mutual TLS; (status line, headers, body)."""
    s = lab.tls_to("inside", AV_IN, 5062, "edge.int.contoso.net", ca="internal-ca.pem", cert=cert)
    with s:
        s.sendall(("%s sip:edge.int.contoso.net:5062;grid SIP/2.0\r\n"
                   "Via: SIP/2.0/TLS 10.20.0.11:60353;branch=z9hG4bK%s\r\nMax-Forwards: 69\r\n"
                   "ms-application-via: SIP;ms-server=fe01.contoso.com\r\nVia: SIP/2.0/TLS 10.20.0.57:58674;ms-received-cid=39700\r\n"
                   "From: <sip:alice@contoso.com>;tag=b81a;epid=5a3b\r\nTo: <sip:mras@contoso.com>\r\nCall-ID: %s\r\nCSeq: 1 %s\r\n"
                   "Content-Type: %s\r\nContent-Length: %d\r\n\r\n%s"
                   % (method, os.urandom(4).hex(), os.urandom(6).hex(), method, ctype, len(body), body)).encode())
        got = b""
        while b"\r\n\r\n" not in got or len(got.partition(b"\r\n\r\n")[2]) < int(re.search(rb"Content-Length: (\d+)", got).group(1)):
            part = s.recv(65536)
            if not part:
                break
            got += part
    head, _, body = got.decode().partition("\r\n\r\n")
    return head.split("\r\n")[0], head, body


def credentials(lab, **kw):
    status, _, body = service(lab, mras_body(**kw))
    assert status == "SIP/2.0 200 OK"
    root = ET.fromstring(body)
    assert root.get("reasonPhrase") == "OK", body
    c = root.find("%scredentialsResponse/%scredentials" % (NS, NS))
    return base64.b64decode(c.find(NS + "username").text), base64.b64decode(c.find(NS + "password").text), root


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

COOKIE = bytes.fromhex("000f000472c64bc6")
HELLO = bytes.fromhex("160301002d010000290301" "c1fcd5a36d93dd7e0b45673fec7985fbbc3fd660c2ce8485081b8121bcaa10fb" "0000020018" "0100")


def attr(kind, value):
    return struct.pack(">HH", kind, len(value)) + value


def address(ip, port):
    return struct.pack(">BBH", 0, 1, port) + socket.inet_aton(ip)


class Lync:
    """The client side of ms-turn, written from its rules for this test."""

    def __init__(self, lab, host, server, username, password, how="udp"):
        self.user, self.how, self.seq, self.buf = username, how, 0, b""
        self.password = password
        with lab.inside_of(host):
            self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if how == "udp" else socket.SOCK_STREAM)
            self.s.settimeout(5)
            self.s.connect((server, 3478 if how == "udp" else 443))
        if how == "hello":
            for i in range(0, len(HELLO), 7):  # split as it may come
                self.s.sendall(HELLO[i:i + 7])
            answer = self.s.recv(83)
            assert len(answer) == 83 and answer[:11].hex() == "160301004e020000460301" and answer[76:].hex() == "0018000e000000"

    def tx(self, data, kind=2):
        self.s.sendall(data if self.how == "udp" else struct.pack(">BBH", kind, 0, len(data)) + data)

    def rx(self):
        """(kind, bytes): 2 a control message, 3 data; over UDP data is what has no cookie."""
        if self.how == "udp":
            d = self.s.recv(65536)
            return (2 if d[20:28] == COOKIE else 3), d
        while len(self.buf) < 4 or len(self.buf) < 4 + struct.unpack(">H", self.buf[2:4])[0]:
            part = self.s.recv(65536)
            if not part:
                raise ConnectionError
            self.buf += part
        n = 4 + struct.unpack(">H", self.buf[2:4])[0]
        d, self.buf = self.buf[:n], self.buf[n:]
        return d[0], d[4:]

    def message(self, kind, attrs, sign=True):
        body = COOKIE + b"".join(attrs)
        head = struct.pack(">HH", kind, len(body) + (24 if sign else 0)) + os.urandom(16)
        m = head + body
        if sign:
            m += attr(8, hmac.new(self.key, m + bytes(-len(m) % 64), hashlib.sha1).digest())
        return m

    @staticmethod
    def attrs(m):
        at, out = 20, {}
        while at < len(m):
            kind, n = struct.unpack(">HH", m[at:at + 4])
            out.setdefault(kind, m[at + 4:at + 4 + n])
            at += 4 + n
        return out

    def allocate(self):
        self.tx(self.message(3, [attr(0x8008, struct.pack(">I", 1))], sign=False))
        c = self.attrs(self.rx()[1])
        assert c[9][2:4] == b"\4\1"
        assert 0xe not in c or c[0xe] == address(*self.s.getpeername())  # Alternate Server: what this client dialled
        realm, nonce = c[0x15], c[0x14]
        self.key = hashlib.md5(self.user + b":" + realm + b":" + self.password).digest()
        self.tx(self.message(3, [attr(0x8008, struct.pack(">I", 1)), attr(0x15, realm), attr(0x14, nonce), attr(6, self.user)]))
        m = self.rx()[1]
        a = self.attrs(m)
        if m[:2] != b"\1\3":
            return a[9][2] * 100 + a[9][3]
        self.conn = a[0x8050][:20]
        self.relay = (socket.inet_ntoa(a[1][4:8]), struct.unpack(">H", a[1][2:4])[0])
        return 0

    def sequence(self):
        self.seq += 1
        return attr(0x8050, self.conn + struct.pack(">I", self.seq))

    def send(self, to, data):
        self.tx(self.message(4, [attr(6, self.user), attr(0x11, address(*to)), self.sequence(), attr(0x13, data)]))

    def set_active(self, to):
        self.tx(self.message(6, [attr(6, self.user), self.sequence(), attr(0x11, address(*to))]))
        m = self.rx()[1]
        return m[:2] == b"\1\6"


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
        peer.settimeout(5)
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
    b.send(a.relay, b"open")  # permission of each for the other's relay
    a.send(b.relay, b"hello")
    kind, m = b.rx()
    assert b.attrs(m)[0x13] == b"hello" and b.attrs(m)[0x12] == address(*a.relay)
    b.send(a.relay, b"hello back")
    kind, m = a.rx()
    if a.attrs(m)[0x13] == b"open":
        kind, m = a.rx()
    assert a.attrs(m)[0x13] == b"hello back"
    assert a.set_active(b.relay) and b.set_active(a.relay)
    for i in range(100):
        a.tx(b"\x80a%d" % i)
        assert b.rx() == (3, b"\x80a%d" % i)
        b.tx(b"\x80b%d" % i)
        assert a.rx() == (3, b"\x80b%d" % i)
    sessions = av.ctl("sessions") if hasattr(av, "ctl") else ""
    assert isinstance(sessions, str)


@pytest.mark.parametrize("how", ["frames", "hello"])
def test_lync_tcp(lab, av, how):
    """Bare frames and behind the hello: a peer connection opened by the relay, Set Active, a stream both ways."""
    c = Lync(lab, "alice", AV_OUT, *credentials(lab)[:2], how=how)
    assert c.allocate() == 0
    with lab.inside_of("bob"):
        srv = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        srv.bind(("198.51.100.24", 0))
        srv.listen(4)
        srv.settimeout(5)
    at = srv.getsockname()
    c.send(at, b"\0\5check")
    peer, came_from = srv.accept()
    peer.settimeout(10)
    assert came_from[0] == AV_OUT and 50000 <= came_from[1] <= 59999
    assert peer.recv(100) == b"\0\5check"
    peer.sendall(b"\0\6answer")
    kind, m = c.rx()
    assert kind == 2 and c.attrs(m)[0x13] == b"\0\6answer"
    with lab.inside_of("bob"):  # the peer connects as well: its address has a permission
        second = socket.create_connection(c.relay, 5, ("198.51.100.24", 0))
    second.sendall(b"\0\3too")
    kind, m = c.rx()
    assert c.attrs(m)[0x13] == b"\0\3too" and c.attrs(m)[0x12] == address(*second.getsockname())
    assert c.set_active(at)
    blob = os.urandom(300000)
    sent = got = 0
    back = b""
    while got < len(blob) or len(back) < len(blob):
        r, w, _ = select.select([peer, c.s], [c.s] if sent < len(blob) else [], [], 10)
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
    """test/e2e/nice/nice_call.c, built for this run; both agents live in alice's namespace on two addresses."""
    exe = lab.path("nice_call")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "nice"], capture_output=True, text=True, check=True).stdout.split()
    lablib.run("cc", "-O1", "-Wall", "-o", exe, os.path.join(lablib.HERE, "nice", "nice_call.c"), *flags)
    lab.ip("alice", "addr", "add", "198.51.100.123/24", "dev", "eth0")

    def call(dialect, how, port, user, password, packets):
        return subprocess.run(["ip", "netns", "exec", lab.ns("alice"), exe, dialect, how, AV_OUT, str(port), user, password,
                               "198.51.100.23", "198.51.100.123", str(packets)], capture_output=True, text=True, timeout=90)
    return call


def b64(b):
    return base64.b64encode(b).decode()


@pytest.mark.parametrize("how,port", [("udp", 3478), ("tcp", 443), ("hello", 443)])
def test_libnice_lync(lab, av, nice_call, how, port):
    username, password, _ = credentials(lab)
    r = nice_call("oc2007r2", how, port, b64(username), b64(password), 10000)
    assert r.returncode == 0, r.stdout + r.stderr
    assert "received=10000/10000 corrupted=0 relayed=yes" in r.stdout


def test_libnice_standard(lab, av, nice_call):
    r = nice_call("rfc5245", "udp", 3478, USER, PASSWORD, 10000)
    assert r.returncode == 0, r.stdout + r.stderr
    assert "received=10000/10000 corrupted=0 relayed=yes" in r.stdout


def test_libnice_wrong_password(lab, av, nice_call):
    username, _, _ = credentials(lab)
    assert nice_call("oc2007r2", "udp", 3478, b64(username), b64(b"x" * 20), 10).returncode != 0
