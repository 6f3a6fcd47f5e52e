# SPDX-License-Identifier: MIT
"""The client side of RFC 8656 and RFC 6062, written from these for the tests: says what a browser never would."""
import hashlib
import hmac
import os
import socket
import struct

from lab import WAIT

COOKIE = b"\x21\x12\xa4\x42"
ALLOCATE, REFRESH, PERMISSION, CHANNEL, CONNECT, CONNECTION_BIND, SEND = 3, 4, 8, 9, 0xa, 0xb, 0x16
UDP, TCP = 17, 6


def attr(kind, value):
    return struct.pack(">HH", kind, len(value)) + value + bytes(-len(value) % 4)


def attrs(m):
    at, out = 20, {}
    while at < len(m):
        kind, n = struct.unpack(">HH", m[at:at + 4])
        out.setdefault(kind, m[at + 4:at + 4 + n])
        at += 4 + n + (-n % 4)
    return out


def address(to, tid):
    """XOR-...-ADDRESS of (ip, port), IPv4 or IPv6."""
    ip, port = to[:2]
    six = ":" in ip
    raw = socket.inet_pton(socket.AF_INET6 if six else socket.AF_INET, ip)
    mask = COOKIE + tid
    return struct.pack(">BBH", 0, 2 if six else 1, port ^ 0x2112) + bytes(a ^ b for a, b in zip(raw, mask))


def address_of(v, tid):
    port, = struct.unpack(">H", v[2:4])
    raw = bytes(a ^ b for a, b in zip(v[4:], COOKIE + tid))
    return socket.inet_ntop(socket.AF_INET6 if v[1] == 2 else socket.AF_INET, raw), port ^ 0x2112


class Refused(Exception):
    def __init__(self, code):
        super().__init__(code)
        self.code = code


class Turn:
    def __init__(self, lab, host, server, user, password, how="udp", source=None):
        self.lab, self.host, self.server, self.how = lab, host, server, how
        self.user, self.password, self.realm, self.nonce, self.key = user.encode(), password.encode(), None, None, None
        self.relay, self.buf, self.others = None, b"", []
        with lab.inside_of(host):
            self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM if how == "udp" else socket.SOCK_STREAM)
            if source:
                self.s.bind((source, 0))
            self.s.settimeout(WAIT)
            self.s.connect(server)

    def close(self):
        self.s.close()

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()

    def rx(self):
        """One message or ChannelData."""
        if self.how == "udp":
            return self.s.recv(65536)
        while True:
            if len(self.buf) >= 4:
                n, = struct.unpack(">H", self.buf[2:4])
                n = 20 + n if self.buf[0] < 0x40 else 4 + n + (-n % 4)
                if len(self.buf) >= n:
                    m, self.buf = self.buf[:n], self.buf[n:]
                    return m
            part = self.s.recv(65536)
            if not part:
                raise ConnectionError
            self.buf += part

    def message(self, kind, body, tid, sign):
        if sign:
            body += attr(6, self.user) + attr(0x14, self.realm) + attr(0x15, self.nonce)
            m = struct.pack(">HH", kind, len(body) + 24) + COOKIE + tid + body
            return m + attr(8, hmac.new(self.key, m, hashlib.sha1).digest())
        return struct.pack(">HH", kind, len(body)) + COOKIE + tid + body

    def answer(self, tid):
        while True:
            m = self.rx()
            if m[4:20] == COOKIE + tid:
                return m
            self.others.append(m)

    def request(self, kind, *parts, peer=None):
        """Attributes of the answer; Refused. Authenticates itself as asked."""
        for _ in range(3):
            tid = os.urandom(12)
            body = b"".join(parts) + b"".join(attr(0x12, address(p, tid)) for p in ([peer] if isinstance(peer, tuple) else peer or []))
            self.s.sendall(self.message(kind, body, tid, self.key is not None))
            m = self.answer(tid)
            a = attrs(m)
            if not struct.unpack(">H", m[:2])[0] & 0x10:
                self.tid = tid
                return a
            code = a[9][2] * 100 + a[9][3]
            if code not in (401, 438) or (code == 401 and self.key):
                raise Refused(code)
            self.realm, self.nonce = a[0x14], a[0x15]
            self.key = hashlib.md5(self.user + b":" + self.realm + b":" + self.password).digest()
        raise Refused(code)

    def code(self, kind, *parts, peer=None):
        """0, or the error code."""
        try:
            self.request(kind, *parts, peer=peer)
            return 0
        except Refused as e:
            return e.code

    def allocate(self, *parts, transport=UDP):
        a = self.request(ALLOCATE, attr(0x19, bytes([transport, 0, 0, 0])), *parts)
        self.relay = address_of(a[0x16], self.tid)
        return a

    def permit(self, *peers):
        return self.code(PERMISSION, peer=list(peers))

    def bind(self, number, peer):
        return self.code(CHANNEL, attr(0xc, struct.pack(">HH", number, 0)), peer=peer)

    def send(self, peer, data, *parts):
        tid = os.urandom(12)
        self.s.sendall(self.message(SEND, b"".join(parts) + attr(0x12, address(peer, tid)) + attr(0x13, data), tid, False))

    def connect(self, peer):
        return self.request(CONNECT, peer=peer)[0x2a]

    def data_connection(self, connection_id):
        """A socket that carries that connection's bytes (RFC 6062 4.3)."""
        d = type(self)(self.lab, self.host, self.server, self.user.decode(), self.password.decode(), self.how)
        d.realm, d.nonce, d.key = self.realm, self.nonce, self.key
        d.request(CONNECTION_BIND, attr(0x2a, connection_id))
        return d
