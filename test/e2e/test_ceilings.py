# SPDX-License-Identifier: MIT
"""Ceilings of bandwidth (av.limits.kbit_per_port, kbit_per_user) on what must not be dropped: the stream of a TCP peer waits, in
either direction and dialect, loses nothing, is counted and told, and goes on when a reload lifts the ceiling."""
import os
import re
import socket
import ssl
import threading

import pytest

import lab as lablib
from av import AV_NAME, AV_OUT, PASSWORD, USER, Lync, credentials
from turn import REFRESH, TCP, Turn

MUCH = 1 << 20   # more than all buffers on the way hold
STUCK = 1 << 15  # octets that the edge leaves in a socket
WIDE = dict(av__limits__kbit_per_port=100000, av__limits__kbit_per_user=1000000)


@pytest.fixture(scope="module")
def av(lab):
    e = lab.edged(base="lab-av.conf", av__limits__allocations_per_user=200, av__tcp_allocations=True, **WIDE)
    yield e
    status = e.stop()
    assert status == 0, e.log()[-2000:]
    assert "ERROR: AddressSanitizer" not in e.log() and "runtime error:" not in e.log(), e.log()[-4000:]


@pytest.fixture(autouse=True)
def wide_again(av):
    yield
    ceilings(av)


def ceilings(av, port=WIDE["av__limits__kbit_per_port"], user=WIDE["av__limits__kbit_per_user"]):
    with open(av.conf) as f:
        text = f.read()
    for key, value in (("kbit_per_port", port), ("kbit_per_user", user)):
        text, n = re.subn(key + r" = \d+;", "%s = %d;" % (key, value), text)
        assert n == 1
    with open(av.conf, "w") as f:
        f.write(text)
    av.ctl("reload")


def stat(av, name):
    av.ctl("sessions")  # the counts of this moment; by themselves they come in once a second
    return sum(int(n) for n in re.findall(r"%s\S* +(\d+)" % re.escape(name), av.ctl("stats")))


def throttled(av):
    return stat(av, "edged_av_streams_throttled_total")


def told(av, client):
    """The lines of that client's allocation: what its stream waited for."""
    return re.findall(r"AVR-5004 stream_throttled alloc=\d+ client=%s:%d scope=(\w+) kbit=(\d+)" % client, av.log())


def unread(lab, *ends):
    """Octets of these connections (as their other ends name themselves) that the edge has not read."""
    rows = [r.split() for r in lablib.run("ip", "netns", "exec", lab.ns("edge"), "ss", "-Htn").splitlines()]
    return sum(int(r[1]) for r in rows if r[4] in ["%s:%d" % e for e in ends])


class TlsTurn(Turn):
    def __init__(self, lab, *args):
        super().__init__(lab, *args)
        ctx = ssl.create_default_context(cafile=lab.cert("external-ca.pem"))
        self.s = ctx.wrap_socket(self.s, server_hostname=AV_NAME)


class Relayed:
    """A client, a peer, and a relayed TCP connection between them."""

    def __init__(self, lab, how, host="alice"):
        with lab.inside_of("bob"):
            srv = socket.create_server(("198.51.100.24", 0))
        srv.settimeout(lablib.WAIT)
        self.lync = how == "lync"
        if self.lync:
            self.control = self.client = Lync(lab, host, AV_OUT, *credentials(lab)[:2], how="frames")
            assert self.client.allocate() == 0
            self.client.send(srv.getsockname(), b"\0\5check")
            self.peer = srv.accept()[0]
            assert self.peer.recv(100) == b"\0\5check"
            assert self.client.set_active(srv.getsockname())
        else:
            self.control = (TlsTurn if how == "tls" else Turn)(lab, host, (AV_OUT, 443 if how == "tls" else 3478), USER, PASSWORD, "tcp")
            self.control.allocate(transport=TCP)
            self.client = self.control.data_connection(self.control.connect(srv.getsockname()))
            self.peer = srv.accept()[0]
        self.peer.settimeout(lablib.WAIT)
        self.name = self.control.s.getsockname()
        srv.close()

    def push(self, data, up):
        """Sends it in a thread of its own, as fast as it is taken."""
        def run():
            try:
                if not up:
                    self.peer.sendall(data)
                elif self.lync:
                    for i in range(0, len(data), 20000):
                        self.client.tx(data[i:i + 20000], kind=3)
                else:
                    self.client.s.sendall(data)
            except OSError:
                pass  # the relay has ended
        (self.client.s if up else self.peer).settimeout(None)
        self.thread = threading.Thread(target=run, daemon=True)
        self.thread.start()

    def pull(self, n, up):
        got = b""
        while len(got) < n:
            if up:
                part = self.peer.recv(65536)
            elif self.lync:
                part = self.client.rx()[1]
            else:
                part, self.client.buf = self.client.buf or self.client.s.recv(65536), b""
            assert part
            got += part
        self.thread.join(lablib.WAIT)
        return got

    def ends(self):
        return self.client.s.getsockname(), self.peer.getsockname()

    def close(self):
        for s in (self.client.s, self.control.s, self.peer):
            s.close()


@pytest.mark.parametrize("up", [True, False], ids=["up", "down"])
@pytest.mark.parametrize("how", ["tcp", "tls", "lync"])
def test_a_stream_waits(lab, av, how, up):
    """At 1 kbit/s one read has spent minutes: the rest stays where it is, whatever time goes by, until a reload lifts the ceiling.
    Then all of it arrives."""
    r, data = Relayed(lab, how), os.urandom(MUCH)
    ceilings(av, port=1)
    before, carried = throttled(av), stat(av, "edged_av_bytes_total")
    r.push(data, up)
    lablib.wait_for("the stream to wait", lambda: throttled(av) > before)
    lablib.wait_for("octets to pile up unread", lambda: unread(lab, *r.ends()) > STUCK)
    assert stat(av, "edged_av_bytes_total") - carried < MUCH // 4
    if not r.lync:  # the control connection is not a stream
        assert r.control.code(REFRESH) == 0
    assert told(av, r.name) == [("port", "1")]
    ceilings(av)
    assert r.pull(MUCH, up) == data
    assert told(av, r.name) == [("port", "1")]
    r.close()


def test_one_user_two_allocations(lab, av):
    """What one allocation spends, the other one waits for, at another worker too."""
    a, b = Relayed(lab, "tcp"), Relayed(lab, "tcp", host="load")
    ceilings(av, port=0, user=1)
    before, data = throttled(av), os.urandom(MUCH)
    a.push(data, True)
    lablib.wait_for("the first to wait", lambda: throttled(av) == before + 1)
    b.push(data, False)
    lablib.wait_for("the second to wait", lambda: throttled(av) == before + 2)
    assert told(av, a.name) == told(av, b.name) == [("user", "1")]
    ceilings(av)
    assert a.pull(MUCH, True) == data and b.pull(MUCH, False) == data
    a.close()
    b.close()


def test_it_goes_on_by_itself(lab, av):
    """At 2,000 kbit/s a megabyte takes several rests: each is counted, the first one is told, and nothing is lost."""
    r, data = Relayed(lab, "tcp"), os.urandom(MUCH)
    ceilings(av, port=2000)
    before = throttled(av)
    r.push(data, True)
    assert r.pull(MUCH, True) == data
    assert throttled(av) >= before + 2
    assert told(av, r.name) == [("port", "2000")]
    r.close()


def test_who_ends_while_it_waits(lab, av):
    """Either end, or the allocation by hand: nothing is left that would be read later."""
    relays = [Relayed(lab, how) for how in ("tcp", "tls", "lync")]
    ceilings(av, port=1)
    before = throttled(av)
    for r in relays:
        r.push(os.urandom(MUCH), False)
    lablib.wait_for("all to wait", lambda: throttled(av) == before + len(relays))
    for r in relays:
        av.ctl("kick", "%s:%d" % r.name)
        with pytest.raises((ConnectionError, OSError)):
            while r.client.s.recv(65536):
                pass
            raise ConnectionError
        r.close()


def test_datagrams_behind_a_tcp_client_are_dropped(lab, av):
    """A client over TCP with a UDP peer: what it sends are datagrams, and these do not wait."""
    with lab.inside_of("bob"):
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.bind(("198.51.100.24", 0))
    with Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD, "tcp") as c:
        c.allocate()
        assert c.permit(peer.getsockname()) == 0
        ceilings(av, port=64)
        dropped = 'edged_av_packets_dropped_total{transport="tcp",reason="bandwidth"}'
        lost, waits = stat(av, dropped), throttled(av)
        for i in range(80):
            c.send(peer.getsockname(), bytes(1000))
        assert c.code(REFRESH) == 0  # all of them have been read
        assert stat(av, dropped) > lost + 40
        assert throttled(av) == waits
    peer.close()
