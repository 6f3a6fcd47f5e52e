# SPDX-License-Identifier: MIT
"""Clients of the A/V Edge and A/V Authentication written for the tests: credentials asked as a Front End asks, the Lync
dialect, tokens made from the key alone; and the ways to run turnutils_uclient and libnice, which are not ours."""
import base64
import hashlib
import hmac
import json
import os
import re
import socket
import struct
import subprocess
import xml.etree.ElementTree as ET

import lab as lablib
from test_keys import numbers

AV_OUT, AV_IN = lablib.AV_OUT, lablib.EDGE_IN
AV_NAME = "av.contoso.com"
USER, PASSWORD = "webrtc", "desert-rose"


def beside():
    """What config/lab-av.conf adds, to put the A/V Edge beside another laboratory's configuration."""
    with open(os.path.join(lablib.TOP, "config", "lab-av.conf")) as f:
        c = lablib.conf_read(f.read())
    return {"external__av": c["external"]["av"], "internal__mras_port": c["internal"]["mras_port"],
            "certificates__av_auth": c["certificates"]["av_auth"], "av": c["av"]}


# -- A/V Authentication -----------------------------------------------------------------------------------------------

NS = "{http://schemas.microsoft.com/2006/09/sip/mrasp}"


def mras_body(asks=1, location="internet", version="2.0", frm="sip:alice@contoso.com", duration=480):
    ask = "".join('<credentialsRequest credentialsRequestID="c%d"><identity>sip:alice@contoso.com</identity>'
                  "<location>%s</location><duration>%d</duration></credentialsRequest>" % (i, location, duration) for i in range(asks))
    return ('<request requestID="4711" from="%s" version="%s" to="sip:mras@contoso.com" '
            'xmlns="http://schemas.microsoft.com/2006/09/sip/mrasp">%s</request>' % (frm, version, ask))


def service(lab, body, method="SERVICE", cert="fe01", ctype="application/msrtc-media-relay-auth+xml", server=AV_IN):
    """One request from the Front End over mutual TLS; (status line, headers, body)."""
    s = lab.tls_to("inside", server, 5062, "edge.int.contoso.net", ca="internal-ca.pem", cert=cert)
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


def credentials(lab, server=AV_IN, **kw):
    status, _, body = service(lab, mras_body(**kw), server=server)
    assert status == "SIP/2.0 200 OK"
    root = ET.fromstring(body)
    assert root.get("reasonPhrase") == "OK", body
    c = root.find("%scredentialsResponse/%scredentials" % (NS, NS))
    return base64.b64decode(c.find(NS + "username").text), base64.b64decode(c.find(NS + "password").text), root


def relay_master(lab, key):
    """(kid, master secret) of an A/V key, computed from mras.md 6.4 apart from the code under test."""
    der = subprocess.run(["openssl", "pkey", "-in", lab.cert(key + ".key"), "-pubout", "-outform", "DER"], capture_output=True, check=True).stdout
    n = numbers(lab, key)
    primes = b"".join(x.to_bytes((x.bit_length() + 7) // 8, "big") for x in sorted((n["prime1"], n["prime2"])))
    return hashlib.sha256(der).digest()[:4], hkdf(b"edged-mras-master-v1", primes, b"master")


def hkdf(salt, secret, info):
    """RFC 5869 with SHA-256, 32 octets."""
    prk = hmac.new(salt, secret, hashlib.sha256).digest()
    return hmac.new(prk, info + b"\1", hashlib.sha256).digest()


def mint(lab, key, expiry, flags=1):
    """A token as the A/V Edge makes them, from the key alone: (username, password)."""
    kid, master = relay_master(lab, key)
    ku, kp = (hkdf(b"edged-mras-v1", master, x) for x in (b"username", b"password"))
    while True:
        blob = struct.pack(">BBH4sQ", 0x45, flags, 36, kid, expiry) + os.urandom(4) + bytes(16)
        u = blob + hmac.new(ku, blob, hashlib.sha256).digest()[:20]
        p = hmac.new(kp, u, hashlib.sha256).digest()[:20]
        if p[0] != 0x22 and p[-1] not in (0, 0x22) and u[-1] not in (0, 0x22):
            return u, p


# -- the Lync dialect -------------------------------------------------------------------------------------------------

COOKIE = bytes.fromhex("000f000472c64bc6")
HELLO = bytes.fromhex("160301002d010000290301" "c1fcd5a36d93dd7e0b45673fec7985fbbc3fd660c2ce8485081b8121bcaa10fb" "0000020018" "0100")


def sessions(edged):
    """edgectl sessions: {client: row} of all allocations."""
    services = json.loads(edged.ctl("--json", "sessions"))["services"]
    return {a["client"]: a for s in services if s["role"] == "av" for a in s["answer"]["allocations"]}


def refused(edged):
    """How many wrong or expired credentials the relay has met."""
    return sum(int(n) for n in re.findall(r"edged_av_authentication_failures_total\S* +(\d+)", edged.ctl("stats")))


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
            self.s.settimeout(lablib.WAIT)
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
        self.realm, self.nonce = realm, nonce
        self.conn = a[0x8050][:20]
        self.relay = (socket.inet_ntoa(a[1][4:8]), struct.unpack(">H", a[1][2:4])[0])
        return 0

    def refresh(self, lifetime=None):
        """0, or the error code; over UDP only. lifetime 0 gives the allocation back."""
        more = [] if lifetime is None else [attr(0xd, struct.pack(">I", lifetime))]
        self.tx(self.message(3, [attr(0x8008, struct.pack(">I", 1))] + more
                             + [attr(0x15, self.realm), attr(0x14, self.nonce), attr(6, self.user)]))
        m = self.rx()[1]
        return 0 if m[:2] == b"\1\3" else self.attrs(m)[9][2] * 100 + self.attrs(m)[9][3]

    def counted(self, edged):
        """What the relay has counted from (client, peer)."""
        a = sessions(edged)["%s:%d" % self.s.getsockname()]
        return a["packets_from_client"], a["packets_from_peer"]

    def sequence(self):
        self.seq += 1
        return attr(0x8050, self.conn + struct.pack(">I", self.seq))

    def send(self, to, data):
        self.tx(self.message(4, [attr(6, self.user), attr(0x11, address(*to)), self.sequence(), attr(0x13, data)]))

    def set_active(self, to):
        self.tx(self.message(6, [attr(6, self.user), self.sequence(), attr(0x11, address(*to))]))
        m = self.rx()[1]
        return m[:2] == b"\1\6"


def meet(a, b):
    """Two Lync clients, each behind an allocation, become each other's active destination. In an order that leaves nothing to chance:
    b's permission stands when it is told of its active destination, and what b sends arrives in the order it was sent."""
    b.send(a.relay, b"open")
    assert b.set_active(a.relay)
    a.send(b.relay, b"hello")
    assert b.rx() == (3, b"hello")
    b.tx(b"hello back")
    while True:
        kind, m = a.rx()
        assert kind == 2 and a.attrs(m)[0x12] == address(*b.relay)
        if a.attrs(m)[0x13] == b"hello back":
            break
    assert a.set_active(b.relay)


# -- programs of others -----------------------------------------------------------------------------------------------

def b64(b):
    return base64.b64encode(b).decode()


class Running:
    """A program in a namespace whose output is read at its end; the laboratory ends it with the namespace otherwise."""

    def __init__(self, lab, host, argv, timeout=90):
        self.timeout = timeout
        self.p = subprocess.Popen(["ip", "netns", "exec", lab.ns(host)] + argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  stdin=subprocess.DEVNULL, text=True)

    def end(self):
        return self.p.communicate(timeout=self.timeout)[0]


def uclient(lab, *args, password=PASSWORD, peer="198.51.100.24", server=AV_OUT, host="alice"):
    return Running(lab, host, ["turnutils_uclient", "-u", USER, "-w", password, "-e", peer, "-r", "3480", "-z", "5", *args, server])


def nice_program(lab):
    """test/e2e/nice/nice_call.c, built for this run; both agents live in alice's namespace on two addresses."""
    exe = lab.path("nice_call")
    flags = subprocess.run(["pkg-config", "--cflags", "--libs", "nice"], capture_output=True, text=True, check=True).stdout.split()
    lablib.run("cc", "-O1", "-Wall", "-o", exe, os.path.join(lablib.HERE, "nice", "nice_call.c"), *flags)
    lab.ip("alice", "addr", "add", "198.51.100.123/24", "dev", "eth0")

    def call(dialect, how, port, user, password, packets):
        return subprocess.run(["ip", "netns", "exec", lab.ns("alice"), exe, dialect, how, AV_OUT, str(port), user, password,
                               "198.51.100.23", "198.51.100.123", str(packets)], capture_output=True, text=True, timeout=90)
    return call
