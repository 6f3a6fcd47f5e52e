# SPDX-License-Identifier: MIT
"""Reload and renewal while 20 users talk and 20 streams are relayed, with the build that users get: nothing dropped, lost or late."""
import json
import os
import re
import select
import socket
import struct
import subprocess
import threading
import time

import pytest

import lab as lablib
import sip
from lab import EDGE_OUT, LOAD, WAIT, figure, wait_for
from test_admin import ctl, new_certificate, put, rewrite, status
from turn import Turn

USERS, STREAMS, RELOADS, BROKEN = 20, 20, 20, 5
RELEASED = True
PEER = ("198.51.100.24", 3490)


@pytest.fixture(scope="module")
def edge(lab, fe):
    e = lab.edged(base="lab-av.conf", release=True, av__limits__allocations_per_user=100, access__workers=2,
                  access__limits__connections_per_address=100, access__limits__unsigned_requests_per_s=1000,
                  certificates__external_ecdsa={"chain": lab.cert("external-ecdsa.pem"), "key": lab.cert("external-ecdsa.key")})
    yield e
    assert e.stop() == 0, e.log()[-2000:]


class Talk:
    """USERS signed-in users send 5 messages a second each; remembers what was not answered and the longest wait."""

    def __init__(self, lab):
        self.clients = [sip.Client(lab, "talk%d" % i, source=LOAD[i]) for i in range(USERS)]
        self.sent, self.acked, self.stop = {}, {}, threading.Event()
        for c in self.clients:
            c.register()
            c.conn.on_message = self.answered
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def answered(self, conn, m):
        self.acked[m.h("Call-ID")] = (m.code, m.at)
        return True

    def run(self):
        n, t = 0, time.monotonic()
        while not self.stop.is_set():
            c = self.clients[n % USERS]
            cid = "talk-%d-%s" % (n, sip.token(4))
            self.sent[cid] = time.monotonic()
            c.conn.post(c.request("MESSAGE", "sip:bob@contoso.com", call_id=cid, extra="Content-Type: text/plain", body="x", contact=False))
            n, t = n + 1, t + 0.01
            self.stop.wait(max(0, t - time.monotonic()))

    def end(self):
        self.stop.set()
        self.thread.join()
        wait_for("answers", lambda: len(self.acked) >= len(self.sent))
        dropped = [c for c in self.clients if not c.conn.is_open()]
        for c in self.clients:
            c.close()
        return dropped, [a for a in self.acked.values() if a[0] != 200], max(self.acked[i][1] - t for i, t in self.sent.items())


class Streams:
    """STREAMS allocations, each sending a packet every 40 ms to a peer that sends it back through the relay."""

    def __init__(self, lab):
        with lab.inside_of("bob"):
            self.peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.peer.bind(PEER)
        self.turns = []
        for i in range(STREAMS):
            t = Turn(lab, "alice", ("203.0.113.12", 3478), "webrtc", "desert-rose")
            t.allocate()
            assert t.bind(0x4000, PEER) == 0
            self.turns.append(t)
        self.sent, self.worst, self.stop = [0] * STREAMS, 0.0, threading.Event()
        self.back = [set() for _ in range(STREAMS)]
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def receive(self, wait):
        for s in select.select([self.peer] + [t.s for t in self.turns], [], [], wait)[0]:
            if s is self.peer:
                data, at = s.recvfrom(2048)
                s.sendto(data, at)
                continue
            m = s.recv(2048)
            if m[0] != 0x40:
                continue
            i, n, t = struct.unpack(">HId", m[4:18])
            self.back[i].add(n)
            self.worst = max(self.worst, time.monotonic() - t)

    def run(self):
        due = time.monotonic()
        while not self.stop.is_set():
            for i, t in enumerate(self.turns):
                data = struct.pack(">HId", i, self.sent[i], time.monotonic()) + bytes(158)
                t.s.sendall(struct.pack(">HH", 0x4000, len(data)) + data)
                self.sent[i] += 1
            due += 0.04
            while True:
                left = due - time.monotonic()
                self.receive(max(0, left))
                if left <= 0:
                    break
        end = time.monotonic() + 5
        while time.monotonic() < end and any(len(b) < n for b, n in zip(self.back, self.sent)):
            self.receive(0.1)

    def end(self):
        self.stop.set()
        self.thread.join()
        for t in self.turns:
            assert t.code(4) == 0  # each is alive: it can still be refreshed
            t.close()
        self.peer.close()
        return sum(self.sent), sum(n - len(b) for b, n in zip(self.back, self.sent)), self.worst


BREAK = [
    (lambda s: s + "acess = { };\n", "did you mean"),
    (lambda s: s.replace("client_port = 443", "client_port = 70000"), "client_port"),
    (lambda s: s.replace('fqdn = "sip.contoso.com"', 'fqdn = "sip.contoso.org"'), "CERT-EXT-02"),
    (lambda s: s.replace("external.pem", "nowhere.pem"), "nowhere.pem"),
    (lambda s: s.replace("edge = {", "edge = {{"), "syntax"),
]


def test_reload_under_load(lab, fe, edge):
    """20 reloads with and without changes, one of them with another certificate, and 5 broken files in between."""
    before = status(lab)
    talk, streams = Talk(lab), Streams(lab)
    good, refused, slowest = 0, 0, 0.0
    try:
        wait_for("traffic", lambda: len(talk.acked) > 20)
        for i in range(RELOADS):
            if i % 4 == 1:
                rewrite(edge, lambda s: s.replace('level = "info"', 'level = "notice"') if 'level = "info"' in s else s.replace('level = "notice"', 'level = "info"'))
            if i % 4 == 2:
                rewrite(edge, lambda s: re.sub(r"allocations_per_user = \d+", "allocations_per_user = %d" % (100 + i), s))
            if i == 7:
                pem, key = new_certificate(lab)
                put(pem, lab.cert("external-ecdsa.pem"))
                put(key, lab.cert("external-ecdsa.key"))
            t = time.monotonic()
            code, _, err = ctl(lab, "reload")
            slowest = max(slowest, time.monotonic() - t)
            mark = len(talk.acked)
            wait_for("traffic to go on", lambda: len(talk.acked) > mark + 20)
            assert code == 0, err
            good += 1
            if i == 7:  # the edge sees the files for itself as well, and takes them over once more
                wait_for("the reload for the new files", lambda: status(lab)["reloads"] == before["reloads"] + good + 1)
            if i % 4 == 3:
                breaks, says = BREAK[refused]
                kept = rewrite(edge, breaks)
                code, _, err = ctl(lab, "reload")
                with open(edge.conf, "w") as f:
                    f.write(kept)
                assert code == 1 and says in err and re.search(r"edged\.conf:\d+", err), (refused, err)
                assert not status(lab)["last_reload"]["ok"]
                refused += 1
    finally:
        dropped, bad, wait = talk.end()
        packets, lost, late = streams.end()
    assert (good, refused) == (RELOADS, BROKEN)
    after = status(lab)
    assert [s["pid"] for s in after["services"]] == [s["pid"] for s in before["services"]]  # nobody died or was replaced
    assert edge.log().count("reload_refused") == BROKEN
    assert re.search(r"error: (SYS-1005 rule_violated|CRT-1104 certificate_rule_violated) rule=\S+ option=\S+ place=\S*edged\.conf:\d+ found=", edge.log())
    assert not dropped and not bad and len(talk.acked) == len(talk.sent)
    assert lost == 0, "%d of %d packets" % (lost, packets)
    print("%d messages, %d packets, longest wait %.0f and %.0f ms, slowest reload %.0f ms" % (len(talk.sent), packets, wait * 1e3, late * 1e3, slowest * 1e3))
    figure("reload under load: longest wait of a message", wait, 0.5)
    figure("reload under load: longest way of a relayed packet and back", late, 0.5)


def short_lived(lab, seconds):
    """The external certificate once more, with an end in a few seconds; returns its serial."""
    ca = lab.path("shortca")
    os.makedirs(ca, exist_ok=True)
    open(ca + "/index", "w").close()
    serial = os.urandom(8).hex().upper()
    serial = "4" + serial[1:]
    with open(ca + "/serial", "w") as f:
        f.write(serial + "\n")
    with open(ca + "/cnf", "w") as f:
        f.write("[ca]\ndefault_ca=c\n[c]\ndatabase=%s/index\nserial=%s/serial\nnew_certs_dir=%s\ndefault_md=sha256\npolicy=p\nunique_subject=no\n"
                "[p]\ncommonName=supplied\n[e]\nbasicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n"
                "subjectAltName=DNS:sip.contoso.com,DNS:webconf.contoso.com,DNS:sip.adatum.com\n" % (ca, ca, ca))
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=sip.contoso.com",
                    "-keyout", ca + "/key", "-out", ca + "/csr"], check=True, capture_output=True)
    when = lambda t: time.strftime("%Y%m%d%H%M%SZ", time.gmtime(t))  # noqa: E731
    subprocess.run(["openssl", "ca", "-batch", "-notext", "-config", ca + "/cnf", "-extensions", "e", "-cert", lab.cert("external-ca.pem"),
                    "-keyfile", lab.cert("ca/external") + "/ca.key", "-in", ca + "/csr", "-out", ca + "/pem",
                    "-startdate", when(time.time() - 3600), "-enddate", when(time.time() + seconds)], check=True, capture_output=True)
    return ca + "/pem", ca + "/key", serial


def serial_now(lab):
    with lab.tls_to("load", EDGE_OUT, 443, "sip.contoso.com", source=LOAD[3]) as s:
        return s.getpeercert()["serialNumber"].lstrip("0")


def test_expired_certificate_is_replaced_on_disk(lab, fe, edge):
    """Served until nobody verifies it any more; new files on disk and no command: new handshakes verify within 5 s, those who are in
    stay, and are counted under the certificate that they came with."""
    pem, key, old = short_lived(lab, 12)
    put(pem, lab.cert("external-ecdsa.pem"))
    put(key, lab.cert("external-ecdsa.key"))
    assert ctl(lab, "reload")[0] == 0
    assert serial_now(lab) == old
    c = sip.Client(lab, "stays", source=LOAD[6])
    c.register()

    def expired():
        try:
            serial_now(lab)
            return False
        except OSError as e:
            return "expired" in str(e)
    wait_for("the end of the certificate", expired, 60, 0.2)
    mark = len(edge.log())
    pem, key = new_certificate(lab)
    put(pem, lab.cert("external-ecdsa.pem"))
    put(key, lab.cert("external-ecdsa.key"))
    t = time.monotonic()

    def verifies():
        try:
            return serial_now(lab)
        except OSError:
            return None
    new = wait_for("a handshake that verifies", verifies, 50, 0.1)
    figure("expired certificate replaced on disk: until a new handshake verifies", time.monotonic() - t, 5)
    m = edge.wait_log(r"CRT-1103 certificate_replaced.*binding=external_ecdsa old_serial=(\w+) new_serial=(\w+)", since=mark)
    assert (m.group(1).lstrip("0"), m.group(2).lstrip("0")) == (old, new)
    c.register()
    n = sip.Client(lab, "comes", source=LOAD[7])
    n.register()
    answer = json.loads(ctl(lab, "--json", "certs")[1])
    by = {x["serial"].lstrip("0"): x["connections"] for x in answer["connections"]}
    assert by[old] == 1 and by[new] >= 1, by
    assert re.search(r"1 connections live under 0?%s, which was replaced" % old, ctl(lab, "certs")[1])
    c.close()
    n.close()


def test_systemd_is_told(lab, fe):
    """The order that Type=notify-reload asks for: RELOADING with the clock of the moment, then READY; also after a refusal."""
    path = lab.path("notify.sock")
    s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    s.bind(path)
    os.chmod(path, 0o777)
    s.settimeout(2 * WAIT)
    os.makedirs(lab.path("n"), exist_ok=True)
    conf = lab.edged_conf(name="notify.conf", access__workers=1, log__target="stderr", control__socket=lab.path("n", "control.sock"),
                          external__access__address="203.0.113.11", internal__sip_port=6064)
    bins = os.environ["EDGED_RELEASE_BIN"] if "EDGED_RELEASE_BIN" in os.environ else os.path.join(lablib.TOP, "build", "bin")
    p = lablib.Proc(lab, "edge", [os.path.join(bins, "edged"), "-c", conf], name="edged-notify", env={"EDGED_LIBEXEC": bins, "NOTIFY_SOCKET": path})

    def told(want):
        while True:
            m = s.recv(4096).decode()
            if not m.startswith(("WATCHDOG", "STATUS")):
                assert re.match(want, m), m
                return m
    told("READY=1")
    for text in ("", "acess = { };\n"):
        with open(conf, "a") as f:
            f.write(text)
        at = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        ctl(lab, "reload", socket="n/control.sock")
        usec = int(re.search(r"MONOTONIC_USEC=(\d+)", told("RELOADING=1")).group(1))
        assert at <= usec <= time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        told("READY=1")
    assert p.stop(WAIT) == 0
    told("STOPPING=1")
    s.close()
