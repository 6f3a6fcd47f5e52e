# SPDX-License-Identifier: MIT
"""What the tests of the Web Conferencing Edge share: a meeting server inside, the connector beside it, participants outside."""
import contextlib
import fcntl
import json
import os
import select
import socket
import ssl
import struct
import subprocess
import threading
import time

from lab import EDGE_IN, TOP, WAIT, Proc, children, conf_text, program_of, wait_for

WEBCONF = "203.0.113.11"
DMCU = "10.20.0.13"
EDGE_NAME = "edge.int.contoso.net"
LOAD_TOOL = os.path.join(TOP, "test", "bench", "psomload")

# The access role is in the laboratory too: it shows that nothing of this disturbs it.
CONF = {
    "external__webconf": {"address": WEBCONF, "fqdn": "webconf.contoso.com", "port": 443},
    "internal__trusted_servers": ["fe01.contoso.net", "fe02.contoso.net", "pool01.contoso.net", "connector.contoso.net"],
    "webconf__limits": {"rate_kbit": 0, "rate_down_kbit": 0, "clients_per_address": 2000, "connections_per_s": 1000,
                        "connections_burst": 1000, "connections_per_minute": 0, "failures_per_minute": 1000},
}


def conf(**limits):
    c = dict(CONF)
    c["webconf__limits"] = dict(CONF["webconf__limits"], **limits)
    return c


def tool():
    where = os.path.dirname(LOAD_TOOL)
    with open(os.path.join(where, "Makefile")) as f:
        fcntl.flock(f, fcntl.LOCK_EX)  # two runs may come at once
        subprocess.run(["make", "-s", "-C", where, "psomload"], check=True)
    return LOAD_TOOL


class Server:
    """A TLS server inside; each connection runs serve(tls_socket, raw_socket) in a thread."""
    standing = {}  # by address, so that one of a test that failed is not in the way of the next

    def __init__(self, lab, serve, address=DMCU, port=8057, cert="dmcu", ask_cert=False, before_tls=None, receive=None):
        self.serve, self.before_tls, self.certs = serve, before_tls, []
        self.ctx = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.ctx.load_cert_chain(lab.cert(cert + ".pem"), lab.cert(cert + ".key"))
        if ask_cert:
            self.ctx.load_verify_locations(lab.cert("internal-ca.pem"))
            self.ctx.verify_mode = ssl.CERT_REQUIRED
        before = self.standing.get((lab.id, address, port))
        if before:
            with contextlib.suppress(OSError):
                before.close()
        self.standing[lab.id, address, port] = self
        with lab.inside_of("inside"):
            self.s = socket.socket()
        self.s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive:  # as little as that, so that the other end has to wait
            self.s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        self.s.bind((address, port))
        self.s.listen(2000)
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        while True:
            try:
                s, _ = self.s.accept()
            except OSError:
                return
            threading.Thread(target=self._one, args=(s,), daemon=True).start()

    def _one(self, s):
        try:
            if self.before_tls:
                self.before_tls(s)
            t = self.ctx.wrap_socket(s, server_side=True, suppress_ragged_eofs=False)
            self.certs.append(t.getpeercert())
            self.serve(t)
        except (OSError, ValueError):
            pass
        finally:
            s.close()

    def close(self):
        self.s.shutdown(socket.SHUT_RDWR)  # the thread in accept() leaves, and with it the port
        self.s.close()


def echo(t):
    while True:
        b = t.recv(65536)
        if not b:
            t.unwrap()
            return
        t.sendall(b)


def swallow(t):
    while t.recv(65536):
        pass


def pour(t):
    """Sends for ever to whoever said a word."""
    t.recv(1)
    while True:
        t.sendall(b"x" * 16384)


class Connector:
    def __init__(self, lab, name="connector", edges=(EDGE_NAME,), servers=None, **over):
        bins = os.environ.get("EDGED_BIN") or os.path.join(TOP, "build", "bin")
        self.lab = lab
        self.socket = lab.path(name + ".sock")
        c = {"edges": list(edges), "certificate": {"chain": lab.cert("connector.pem"), "key": lab.cert("connector.key")},
             "edge_trust": lab.cert("internal-ca.pem"), "control": self.socket, "retry_ms": 200,
             "servers": servers or ({"id": "dmcu1", "host": DMCU, "port": 8057, "fqdn": "dmcu1.contoso.net", "name": "webcon.contoso.com"},)}
        c.update(over)
        path = lab.path(name + ".conf")
        with open(path, "w") as f:
            f.write(conf_text({"connector": c, "log": {"target": "stderr", "level": "info"}}))
        self.proc = Proc(lab, "inside", [os.path.join(bins, "edged-connector"), "-c", path], name=name)

    def wait_up(self):
        self.proc.wait_log("edge_up")
        return self

    def say(self, line, timeout=WAIT):
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(timeout)
        s.connect(self.socket)
        s.sendall(line.encode() + b"\n")
        answer = s.makefile().readline().strip()
        s.close()
        return answer

    def stop(self, timeout=WAIT):
        status = self.proc.stop(timeout)
        if self.proc in self.lab.procs:
            self.lab.procs.remove(self.proc)
        assert "ERROR: AddressSanitizer" not in self.proc.log() and "runtime error:" not in self.proc.log(), self.proc.log()[-4000:]
        return status


class Meeting:
    """The Edge as the tests see it."""

    def __init__(self, lab, edged):
        self.lab, self.edged = lab, edged

    def ask(self, *words):
        v = json.loads(self.edged.ctl("--json", "webconf", *words))
        return next(s["answer"] for s in v["services"] if s["role"] == "webconf")

    def ticket(self, *words):
        """A handle (bytes) made at the Edge."""
        return bytes.fromhex(self.ask("ticket", "add", "server=dmcu1", *words)["handle"])

    def stat(self, name):
        v = self.edged.ctl("stats")
        for line in v.splitlines():
            if line.startswith("edged_psom_" + name):
                return float(line.split()[-1])
        return 0.0

    def wait_server(self, name="dmcu1", links=1):
        """Until so many links announce that server."""
        wait_for("%d links with %s" % (links, name),
                 lambda: sum(name in x["servers"] and not x["going"] for x in self.ask().get("links", [])) == links)

    def ended(self, reason):
        """Clients that ended so. (Log lines of one kind and source are folded; counters are not.)"""
        return self.stat('clients_disconnected_total{reason="%s"}' % reason)

    def wait_ended(self, reason, before):
        wait_for("a client to end: " + reason, lambda: self.ended(reason) > before)

    def context(self, version=None):
        ctx = ssl.create_default_context(cafile=self.lab.cert("external-ca.pem"))
        if version:
            ctx.minimum_version = ctx.maximum_version = version
        return ctx

    def tls(self, sni="webconf.contoso.com", host="load", ctx=None, session=None, **kw):
        ctx = ctx or self.context()
        ctx.check_hostname = sni == "webconf.contoso.com"
        s = self.lab.tcp_to(host, WEBCONF, 443, **kw)
        return ctx.wrap_socket(s, server_hostname=sni, suppress_ragged_eofs=False, session=session)

    def join(self, handle, first=b""):
        s = self.tls()
        s.sendall(preface(handle) + first)
        return s

    def pid(self):
        return next(p for p in children(self.edged.proc.pid) if program_of(p) == "edged-webconf")

    def load(self, handles, *argv, check=True):
        path = self.lab.path("handles")
        with open(path, "w") as f:
            f.writelines(h.hex() + "\n" for h in handles)
        r = subprocess.run(["ip", "netns", "exec", self.lab.ns("load"), tool(), "load", "--target", WEBCONF + ":443", "--handles", path,
                            "--conns", str(len(handles)), *argv], capture_output=True, text=True, timeout=150)
        row = dict(w.split("=", 1) for w in r.stdout.split())
        assert row, r.stderr
        assert not check or row["errors"] == "0", (row, r.stderr)
        return row


def frame(kind, flags, stream, body=b""):
    return struct.pack("!I", len(body))[1:] + bytes([kind, flags]) + struct.pack("!I", stream) + body


DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
NO_ERROR, CANCEL, CALM = 0, 8, 11
END, ACK, END_HEADERS = 1, 1, 4


class HandConnector:
    """A connector whose every frame is written by hand; it sees what the Edge passes on, frame by frame."""

    def __init__(self, lab, server, settings=b""):
        ctx = ssl.create_default_context(cafile=lab.cert("internal-ca.pem"))
        ctx.load_cert_chain(lab.cert("connector.pem"), lab.cert("connector.key"))
        ctx.set_alpn_protocols(["h2-edged-webconf"])
        self.t = ctx.wrap_socket(lab.tcp_to("inside", EDGE_IN, 8057, source="10.20.0.14"), server_hostname=EDGE_NAME)
        self.got, self.data, self.kept = b"", {}, []
        self.t.sendall(frame(SETTINGS, 0, 0, settings) + frame(SETTINGS, ACK, 0))
        while len(self.got) < 24:
            self._more()
        self.got = self.got[24:]
        assert self.next(HEADERS)[2] == 1
        self.t.sendall(frame(HEADERS, END_HEADERS, 1, b"\x88") + frame(DATA, 0, 1, b"server %s\n" % server.encode()))

    def _more(self):
        b = self.t.recv(65536)
        if not b:
            raise ConnectionResetError("the Edge ended the link")
        self.got += b

    def _read(self):
        while len(self.got) < 9 or len(self.got) < 9 + int.from_bytes(self.got[:3], "big"):
            self._more()
        n = int.from_bytes(self.got[:3], "big")
        f = self.got[3], self.got[4], int.from_bytes(self.got[5:9], "big"), self.got[9:9 + n]
        self.got = self.got[9 + n:]
        if f[0] == PING and not f[1] & ACK:
            self.t.sendall(frame(PING, ACK, 0, f[3]))
        elif f[0] == DATA:
            self.data[f[2]] = self.data.get(f[2], b"") + f[3]
        return f

    def next(self, kind, stream=None, flags=0):
        """The next frame of that kind, as (kind, flags, stream, body); octets of streams gather in data meanwhile."""
        while True:
            f = self._read()
            if f[0] == kind and stream in (None, f[2]) and f[1] & flags == flags:
                return f

    def accept(self, status=b"\x88", flags=0):
        """The stream of the next client, answered."""
        stream = self.next(HEADERS)[2]
        self.t.sendall(frame(HEADERS, END_HEADERS | flags, stream, status))
        return stream

    def wait_octets(self, stream, octets):
        while self.data.get(stream) != octets:
            self._read()

    def say(self, stream, octets, flags=0):
        self.t.sendall(frame(DATA, flags, stream, octets))

    def reset(self, stream, code):
        self.t.sendall(frame(RESET, 0, stream, struct.pack("!I", code)))

    def code_of(self, kind, stream):
        """The code of the next RST_STREAM or GOAWAY."""
        return int.from_bytes(self.next(kind, stream)[3][-4:], "big")

    def close(self):
        self.t.close()


def edged_up(lab, c):
    """edged with that configuration, until the end of the fixture that yields from here."""
    e = lab.edged(ready=False, **c)
    wait_for(lambda: "webconf to serve; the log: " + e.log()[-1500:], lambda: serves(lab, e), every=0.1)
    yield e
    status = e.stop()
    assert status == 0, "edged ended with %r: %s" % (status, e.log()[-2000:])
    assert "ERROR: AddressSanitizer" not in e.log() and "runtime error:" not in e.log(), e.log()[-4000:]


def reload_with(edged, *changes):
    """Changes the file, pairs of old and new text, and has it read again."""
    with open(edged.conf) as f:
        text = f.read()
    for old, new in changes:
        assert old in text, text
        text = text.replace(old, new)
    with open(edged.conf, "w") as f:
        f.write(text)
    edged.ctl("reload")


def serves(lab, edged):
    assert edged.proc.alive(), edged.log()[-1500:]
    try:
        lab.tls_to("load", WEBCONF, 443, "webconf.contoso.com", timeout=2.0).close()
        return True
    except OSError:
        return False


def preface(handle):
    return struct.pack("!4sBBH", b"EDWC", 1, len(handle), 0) + handle


def closed(s, within=WAIT):
    """Nothing but the end arrives. Returns the octets that came before it."""
    got, end = b"", time.monotonic() + within
    s.settimeout(within)
    try:
        while True:
            b = s.recv(65536)
            if not b:
                return got
            got += b
            assert time.monotonic() < end
    except (ConnectionResetError, BrokenPipeError, ssl.SSLError):
        return got
    except socket.timeout:
        raise AssertionError("still open after %g s" % within) from None


def says(s, octets, timeout=WAIT):
    s.settimeout(timeout)
    got = b""
    while len(got) < len(octets):
        b = s.recv(65536)
        assert b, "ended after %r" % got
        got += b
    assert got == octets
    return True


def quiet(s):
    """No octet and no end just now."""
    return not s.pending() and not select.select([s], [], [], 0)[0]
