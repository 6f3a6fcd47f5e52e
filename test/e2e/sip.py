# SPDX-License-Identifier: MIT
"""SIP over TLS for tests: messages as bytes, connections that remember what came, a Front End that answers.

One asyncio loop in a thread of its own does all the I/O; tests call blocking methods. Nothing here repairs or reorders
what it is given: what a test sends is what goes out, and `Msg.raw` is what came in.
"""
import asyncio
import contextlib
import os
import queue
import socket
import ssl
import threading
import time

from lab import WAIT

COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "k": "supported", "c": "content-type", "l": "content-length", "o": "event"}


outside_heard = []  # every message that came to a connection outside; conftest.py looks for inside names in them


def token(n=8):
    return os.urandom(n).hex()


class Msg:
    """A message that came; header values as text, the bytes in .raw and .lines."""

    def __init__(self, raw):
        self.raw = raw
        head, _, self.body = raw.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        self.start = lines[0].decode("utf-8", "replace")
        self.lines = []  # (name as written, value as bytes)
        for ln in lines[1:]:
            n, _, v = ln.partition(b":")
            self.lines.append((n.decode("latin-1").strip(), v.strip()))
        w = self.start.split(" ", 2)
        self.is_response = w[0] == "SIP/2.0"
        self.code = int(w[1]) if self.is_response else 0
        self.method = self.h("CSeq").split(" ")[-1] if self.is_response else w[0]
        self.uri = "" if self.is_response else w[1]
        self.at = time.monotonic()

    def all(self, name):
        n = name.lower()
        return [v.decode("utf-8", "replace") for k, v in self.lines if COMPACT.get(k.lower(), k.lower()) == n]

    def h(self, name, default=""):
        v = self.all(name)
        return v[0] if v else default

    def __repr__(self):
        return "<%s>" % self.raw.decode("utf-8", "replace").replace("\r\n", " | ")[:400]


class Framer:
    def __init__(self):
        self.buf = b""

    def feed(self, data):
        self.buf += data
        while True:
            self.buf = self.buf.lstrip(b"\r\n")
            end = self.buf.find(b"\r\n\r\n")
            if end < 0:
                return
            n = 0
            for ln in self.buf[:end].split(b"\r\n")[1:]:
                k, _, v = ln.partition(b":")
                if k.strip().lower() in (b"content-length", b"l"):
                    n = int(v)
            if len(self.buf) < end + 4 + n:
                return
            m, self.buf = self.buf[:end + 4 + n], self.buf[end + 4 + n:]
            yield Msg(m)


class _Loop:
    def __init__(self):
        self.loop = asyncio.new_event_loop()
        threading.Thread(target=self.loop.run_forever, daemon=True, name="sip-io").start()

    def call(self, coro, timeout=WAIT):
        return asyncio.run_coroutine_threadsafe(coro, self.loop).result(timeout)


_io = None


def io():
    global _io
    if _io is None:
        _io = _Loop()
    return _io


class Conn:
    """One TLS connection. recv() and expect() take from what came, in order."""

    def __init__(self, reader, writer, on_message=None):
        self.r, self.w, self.on_message = reader, writer, on_message
        self.inbox, self.framer, self.closed_at = queue.Queue(), Framer(), None
        self.bytes_in, self.heard = 0, None
        self.local, self.peer = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
        self.task = asyncio.ensure_future(self._read())

    async def _read(self):
        try:
            while True:
                d = await self.r.read(65536)
                if not d:
                    break
                self.bytes_in += len(d)
                for m in self.framer.feed(d):
                    m.conn = self
                    if self.heard is not None:
                        self.heard.append(m)
                    if self.on_message is None or not self.on_message(self, m):
                        self.inbox.put(m)
        except (OSError, ssl.SSLError, asyncio.CancelledError):
            pass
        finally:
            self.closed_at = time.monotonic()
            self.inbox.put(None)
            with contextlib.suppress(Exception):
                self.w.close()

    @classmethod
    def open(cls, lab, host, address, port, server_name, source=None, ca="external-ca.pem", cert=None, on_message=None, timeout=WAIT,
             version=None):
        ctx = ssl.create_default_context(cafile=lab.cert(ca))
        ctx.check_hostname = server_name is not None  # None: the chain only
        if cert:
            ctx.load_cert_chain(lab.cert(cert + ".pem"), lab.cert(cert + ".key"))
        if version:
            ctx.minimum_version = ctx.maximum_version = version
        s = lab.tcp_to(host, address, port, source, timeout)
        s.setblocking(False)

        async def go():
            r, w = await asyncio.open_connection(sock=s, ssl=ctx, server_hostname=server_name or address, limit=1 << 20)
            c = cls(r, w, on_message)
            c.heard = outside_heard if host != "inside" else None
            return c
        return io().call(go(), timeout)

    @property
    def version(self):
        return self.w.get_extra_info("ssl_object").version()

    def send(self, data):
        """Bytes or text, as they are; LF in text becomes CRLF."""
        if isinstance(data, str):
            data = data.replace("\r\n", "\n").replace("\n", "\r\n").encode()

        async def go():
            if self.closed_at is not None:
                raise ConnectionResetError("the other side has closed")
            try:
                self.w.write(data)
            except AttributeError:  # asyncio's way of saying that the TLS transport has gone just now
                raise ConnectionResetError("the other side has closed") from None
        io().call(go())

    def post(self, data):
        """send() without waiting, for load."""
        io().loop.call_soon_threadsafe(self.w.write, data)

    def recv(self, timeout=WAIT):
        """The next message; None when the connection has closed; TimeoutError when nothing came."""
        try:
            m = self.inbox.get(timeout=timeout)
        except queue.Empty:
            raise TimeoutError("nothing came within %g s" % timeout) from None
        if m is None:
            self.inbox.put(None)
        return m

    def expect(self, what, timeout=WAIT, skip=(100,)):
        """The next message but those in skip, which must be of code or method `what`."""
        end = time.monotonic() + timeout
        while True:
            m = self.recv(max(0.01, end - time.monotonic()))
            if m is None:
                raise AssertionError("connection closed while waiting for %s" % (what,))
            if m.is_response and m.code in skip and m.code != what:
                continue
            got = m.code if m.is_response else m.method
            if got != what:
                raise AssertionError("waited for %s, got %r" % (what, m))
            return m

    def silent(self, seconds=0.5):
        """True when nothing (but the end) comes for that long."""
        try:
            return self.recv(seconds) is None
        except TimeoutError:
            return True

    def wait_closed(self, timeout=WAIT):
        """Seconds until the other side closed."""
        t0 = time.monotonic()
        while self.closed_at is None:
            if time.monotonic() - t0 > timeout:
                raise TimeoutError("still open after %g s" % timeout)
            time.sleep(0.005)
        return self.closed_at - t0

    def is_open(self):
        return self.closed_at is None

    def close(self):
        async def go():
            self.task.cancel()
            self.w.close()
        with contextlib.suppress(Exception):
            io().call(go())

    def abort(self):
        async def go():
            self.w.transport.abort()
        with contextlib.suppress(Exception):
            io().call(go())


def reply(m, code=200, reason="OK", extra="", tag=None, body="", contact=None, record_route=True):
    """A response to m as bytes: Vias, Record-Routes and identity lines exactly as they came."""
    out = ["SIP/2.0 %d %s" % (code, reason)]
    for k, v in m.lines:
        n = COMPACT.get(k.lower(), k.lower())
        v = v.decode("utf-8", "surrogateescape")
        if n in ("via", "from", "call-id", "cseq") or (n == "record-route" and record_route):
            out.append("%s: %s" % (k, v))
        elif n == "to":
            out.append("%s: %s" % (k, v if ";tag=" in v or code == 100 else v + ";tag=" + (tag or "fe" + token(4))))
    if contact:
        out.append("Contact: <%s>" % contact)
    text = "\r\n".join(out) + "\r\n" + "".join(x + "\r\n" for x in extra.split("\n") if x)
    b = body.encode() if isinstance(body, str) else body
    return text.encode("utf-8", "surrogateescape") + b"Content-Length: %d\r\n\r\n" % len(b) + b


class FrontEnd:
    """A mutual-TLS server inside. Answers 200 unless on_request(conn, msg) returns bytes (sent), True (done) or False (none)."""

    def __init__(self, lab, address, cert="fe01", port=5061, on_request=None, host="inside", ca="internal-ca.pem", require=True):
        self.lab, self.address, self.port, self.on_request = lab, address, port, on_request
        self.seen, self.conns, self._cv = [], [], threading.Condition()
        self.probes, self.deaf = 0, False  # deaf: who connects from now on is not read from
        self.closed = False
        ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ctx.load_cert_chain(lab.cert(cert + ".pem"), lab.cert(cert + ".key"))
        ctx.load_verify_locations(lab.cert(ca))
        if require:
            ctx.verify_mode = ssl.CERT_REQUIRED
        with lab.inside_of(host):
            s = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        s.bind((address, port))
        s.listen(128)
        s.setblocking(False)

        async def accepted(r, w):
            if self.closed:  # it was in its handshake
                w.transport.abort()
                return
            c = Conn(r, w, self._on_message)
            c.cert = w.get_extra_info("peercert")
            if self.deaf:
                w.transport.pause_reading()
            self.conns.append(c)

        async def go():
            return await asyncio.start_server(accepted, sock=s, ssl=ctx, limit=1 << 20)
        self.server = io().call(go())

    def _on_message(self, conn, m):
        if not m.is_response and m.method == "OPTIONS" and "@" not in m.uri.split(";")[0]:
            self.probes += 1  # edged asks whether we live; not part of what a test looks at
            conn.w.write(reply(m))
            return True
        with self._cv:
            self.seen.append(m)
            self._cv.notify_all()
        if m.is_response:
            return False
        r = self.on_request(conn, m) if self.on_request else None
        if r is None:
            r = False if m.method in ("ACK", "BENOTIFY") else reply(m, contact="sip:server@%s:%d;transport=tls" % (self.address, self.port))
        if isinstance(r, (bytes, bytearray)):
            conn.w.write(r)
        return True

    def wait(self, pick, timeout=WAIT, since=0):
        """The first message seen since index `since` for which pick(msg) holds."""
        end = time.monotonic() + timeout
        with self._cv:
            while True:
                for m in self.seen[since:]:
                    if pick(m):
                        return m
                if not self._cv.wait(end - time.monotonic()) and time.monotonic() >= end:
                    raise TimeoutError("the front end saw only: %s" % [x.start for x in self.seen[since:]][-12:])

    def request(self, method, call_id=None, timeout=WAIT, since=0):
        return self.wait(lambda m: not m.is_response and m.method == method and (call_id is None or m.h("Call-ID") == call_id), timeout, since)

    def open_conns(self):
        return [c for c in self.conns if c.is_open()]

    def close(self, kill=True):
        async def go():
            self.closed = True
            self.server.close()
            if kill:
                for c in self.conns:
                    c.task.cancel()
                    with contextlib.suppress(AttributeError):  # asyncio: gone already
                        c.w.transport.abort()
        io().call(go())


class Client:
    """A user agent on the Internet: one connection, its user, requests that a client would make."""

    def __init__(self, lab, user="alice", domain="contoso.com", host="load", source=None, port=443, name="sip.contoso.com", version=None,
                 address="203.0.113.10", on_message=None):
        self.user, self.aor = user, "sip:%s@%s" % (user, domain)
        self.domain, self.tag, self.epid = domain, token(5), token(6)
        self.conn = Conn.open(lab, host, address, port, name, source, version=version, on_message=on_message)
        self.ip, self.port = self.conn.local[:2]
        self.cseq = 0
        self.reg_call_id = token(12)

    @property
    def contact(self):
        return "sip:%s@%s:%d;transport=tls" % (self.user, self.ip, self.port)

    def request(self, method, uri=None, to=None, call_id=None, cseq=None, to_tag=None, extra="", body="", via=None, contact=True, frm=None,
                max_forwards=70, tag=None):
        self.cseq = cseq if cseq is not None else self.cseq + 1
        to = to or uri or self.aor
        b = body.encode() if isinstance(body, str) else body
        lines = ["%s %s SIP/2.0" % (method, uri or to),
                 "Via: " + (via or "SIP/2.0/TLS %s:%d;branch=z9hG4bK%s;rport" % (self.ip, self.port, token(8))),
                 "Max-Forwards: %d" % max_forwards,
                 "From: <%s>;tag=%s;epid=%s" % (frm or self.aor, tag or self.tag, self.epid),
                 "To: <%s>%s" % (to, ";tag=" + to_tag if to_tag else ""),
                 "Call-ID: " + (call_id or token(12)),
                 "CSeq: %d %s" % (self.cseq, method)]
        if contact:
            lines.append("Contact: <%s>" % self.contact if contact is True else "Contact: " + contact)
        lines += [x for x in extra.split("\n") if x]
        return ("\r\n".join(lines) + "\r\nContent-Length: %d\r\n\r\n" % len(b)).encode() + b

    def send(self, *a, **kw):
        raw = self.request(*a, **kw)
        self.conn.send(raw)
        return Msg(raw)

    def ask(self, *a, expect=200, timeout=WAIT, **kw):
        """Send a request, return its final response, which must be `expect`."""
        m = self.send(*a, **kw)
        while True:
            r = self.conn.expect(expect, timeout)
            if r.h("Call-ID") == m.h("Call-ID"):
                return r

    def code(self, *a, timeout=WAIT, **kw):
        """Send a request, return the code of its final response, whatever it is."""
        m = self.send(*a, **kw)
        while True:
            r = self.conn.recv(timeout)
            if r is None:
                raise ConnectionResetError("the other side has closed")
            if r.is_response and r.code >= 200 and r.h("Call-ID") == m.h("Call-ID"):
                return r.code

    def register(self, expect=200, extra="Expires: 600", **kw):
        kw.setdefault("call_id", self.reg_call_id)
        return self.ask("REGISTER", "sip:" + self.domain, to=self.aor, expect=expect, extra=extra, **kw)

    def message(self, to, text="hello", expect=200, timeout=WAIT, extra="", **kw):
        return self.ask("MESSAGE", to, expect=expect, timeout=timeout, extra="Content-Type: text/plain" + ("\n" + extra if extra else ""),
                        body=text, contact=False, **kw)

    def close(self):
        self.conn.close()
