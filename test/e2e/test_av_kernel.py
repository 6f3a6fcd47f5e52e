# SPDX-License-Identifier: MIT
"""av.kernel_relay: established flows are relayed by the kernel, with everything that user space promises still true: the bytes, the
counts, the ceilings, the moment an allocation ends, a peer that was not permitted, a worker that dies, an edged that stops."""
import json
import os
import re
import signal
import socket
import struct

import pytest

import lab as lablib
from av import AV_OUT, PASSWORD, USER, Lync, b64, credentials, meet, nice_program, sessions, uclient
from test_av import echo  # noqa: F401 (a fixture)
from turn import REFRESH, Turn, attr

PEER = "198.51.100.24"
WIDE = dict(av__limits__allocations_per_user=200, av__limits__kbit_per_port=100000, av__limits__kbit_per_user=1000000)


def running(lab, **over):
    e = lab.edged(base="lab-av.conf", av__kernel_relay=True, **dict(WIDE, **over))
    said = re.findall("AVR-501[12] kernel_relay.*", e.log())
    return e, said[-1] if said else ""


def ended(e):
    status = e.stop()
    assert status == 0, e.log()[-2000:]
    assert "ERROR: AddressSanitizer" not in e.log() and "runtime error:" not in e.log(), e.log()[-4000:]


def attached(lab):
    """What hangs on the Edge's interfaces."""
    return "".join(lablib.run("ip", "netns", "exec", lab.ns("edge"), "tc", "filter", "show", "dev", d, "ingress")
                   for d in ("ext0", "int0"))


@pytest.fixture(scope="module")
def av(lab):
    e, said = running(lab)
    if "refused" in said:
        e.stop()
        pytest.skip("no relay in this kernel: " + said)
    assert "state=on" in said
    assert attached(lab).count("name krelay") == 2
    yield e
    ended(e)
    assert "krelay" not in attached(lab)
    assert "clsact" not in lablib.run("ip", "netns", "exec", lab.ns("edge"), "tc", "qdisc", "show")


def stat(edge, name):
    edge.ctl("sessions")  # the counts of this moment; by themselves they come in once a second
    return sum(int(n) for n in re.findall(r"%s\S* +(\d+)" % re.escape(name), edge.ctl("stats")))


def by_kernel(edge):
    return stat(edge, "edged_av_kernel_packets_total")


def bind(lab, host, address=None, port=0):
    with lab.inside_of(host):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.bind((address or PEER, port))
        s.settimeout(5)
    return s


def quiet(s, t=0.3):
    """Nothing comes: what was sent before would have been here by now."""
    s.settimeout(t)
    try:
        return s.recv(2000)
    except TimeoutError:
        return None
    finally:
        s.settimeout(5)


def channel(number, data):
    return struct.pack(">HH", number, len(data)) + data


def talk(c, peer, number, n=40, size=160):
    """n packets each way over a channel, one after the other; all arrive as they left."""
    for i in range(n):
        data = b"\x80" + bytes([i]) + os.urandom(size + i)
        c.s.sendall(channel(number, data))
        assert peer.recvfrom(2000) == (data, c.relay)
        peer.sendto(data[::-1], c.relay)
        assert c.s.recv(2000) == channel(number, data[::-1])


@pytest.fixture
def call(lab, av):
    """A client with channel 0x4001 to a peer, over the kernel by now."""
    c, peer = Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD), bind(lab, "bob")
    c.allocate()
    assert c.bind(0x4001, peer.getsockname()) == 0
    talk(c, peer, 0x4001)
    yield c, peer
    c.code(REFRESH, attr(0xd, bytes(4)))
    c.close()
    peer.close()


def row(edge, c):
    return sessions(edge)["%s:%d" % c.s.getsockname()]


def test_channel(av, call):
    """The bytes, the counts of the allocation, and that it was the kernel."""
    c, peer = call
    octets = 'edged_av_bytes_total{transport="udp",dir="from_%s",leg="external"}'
    before, had = by_kernel(av), row(av, c)
    sums = [stat(av, octets % who) for who in ("client", "peer")]
    talk(c, peer, 0x4001, n=50)
    assert by_kernel(av) - before == 100
    now = row(av, c)
    assert now["packets_from_client"] - had["packets_from_client"] == 50
    assert now["packets_from_peer"] - had["packets_from_peer"] == 50
    assert now["bytes_from_client"] - had["bytes_from_client"] == sum(162 + i for i in range(50))
    assert [stat(av, octets % who) - n for who, n in zip(("client", "peer"), sums)] == [sum(162 + i for i in range(50))] * 2
    assert stat(av, "edged_av_kernel_flows") == 2


def test_indications(lab, av):
    c, peer = Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD), bind(lab, "bob")
    c.allocate()
    assert c.permit(peer.getsockname()) == 0
    before = by_kernel(av)
    for i in range(60):
        data = os.urandom(1 + i)
        c.send(peer.getsockname(), data)
        assert peer.recvfrom(2000) == (data, c.relay)
        peer.sendto(data[::-1], c.relay)
        m = c.s.recv(2000)
        assert m[:2] == b"\0\x17" and len(m) == 20 + struct.unpack(">H", m[2:4])[0] and len(m) % 4 == 0
        assert m[36:] == data[::-1] + bytes(-len(data) % 4) and m[34:36] == struct.pack(">H", len(data))
    assert by_kernel(av) - before > 100
    c.code(REFRESH, attr(0xd, bytes(4)))


def test_many_peers(lab, av):
    """A client that tries forty peers before it talks to one: what it tried makes room for what it uses."""
    c, peer = Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD), bind(lab, "bob")
    c.allocate()
    assert c.permit(peer.getsockname()) == 0
    tried = [bind(lab, "bob") for _ in range(40)]
    for p in tried:
        c.send(p.getsockname(), b"check")
        assert p.recv(2000) == b"check"
    before = by_kernel(av)
    for i in range(20):
        c.send(peer.getsockname(), b"media")
        assert peer.recv(2000) == b"media"
    assert by_kernel(av) - before == 16  # the first four showed that it was a flow
    for p in tried:
        p.close()
    c.code(REFRESH, attr(0xd, bytes(4)))


def test_end_is_at_once(av, call):
    """Released: not a packet more, in either direction, and the port is not a way to the client."""
    c, peer = call
    assert c.code(REFRESH, attr(0xd, bytes(4))) == 0
    peer.sendto(b"late", c.relay)
    c.s.sendall(channel(0x4001, b"late"))
    assert quiet(peer) is None and quiet(c.s) is None
    line = av.proc.wait_log(r"allocation_ended alloc=\d+ client=%s:%d why=released packets_from_client=40 packets_from_peer=40"
                            % c.s.getsockname())
    assert line


def test_kick(av, call):
    c, peer = call
    av.ctl("kick", "%s:%d" % c.s.getsockname())
    peer.sendto(b"late", c.relay)
    c.s.sendall(channel(0x4001, b"late"))
    assert quiet(peer) is None and quiet(c.s) is None


def test_strangers(lab, av, call):
    """Neither a peer without permission nor another client's port nor a forged channel goes through."""
    c, peer = call
    stranger, other = bind(lab, "bob"), bind(lab, "alice", c.s.getsockname()[0])
    lab.ip("bob", "addr", "add", "198.51.100.77/24", "dev", "eth0")
    third = bind(lab, "bob", "198.51.100.77")
    before = by_kernel(av)
    third.sendto(b"x" * 100, c.relay)
    other.sendto(channel(0x4001, b"x" * 100), (AV_OUT, 3478))
    c.s.sendall(channel(0x4002, b"x" * 100))
    assert quiet(c.s) is None and quiet(peer) is None
    stranger.sendto(b"permitted by its address", c.relay)  # RFC 8656 9: permissions name no port; no channel, so an indication
    assert c.s.recv(2000)[:2] == b"\0\x17"
    assert by_kernel(av) == before
    talk(c, peer, 0x4001)


def test_lync_bare_follows_the_active_destination(lab, av):
    """Bare both ways by the kernel; a new active destination takes effect with the answer, not when a lease ends."""
    username, password, _ = credentials(lab)
    c = Lync(lab, "alice", AV_OUT, username, password)
    assert c.allocate() == 0
    one, two = bind(lab, "bob"), bind(lab, "bob")
    for p in (one, two):
        c.send(p.getsockname(), b"check")
        assert p.recv(2000) == b"check"
    for p, other in ((one, two), (two, one), (one, two)):
        assert c.set_active(p.getsockname())
        before = by_kernel(av)
        for i in range(40):
            c.tx(b"\x80rtp%d" % i)
            assert p.recv(2000) == b"\x80rtp%d" % i
            p.sendto(b"\x80back%d" % i, c.relay)
            assert c.rx() == (3, b"\x80back%d" % i)
        assert by_kernel(av) - before > 60
        assert quiet(other, 0.05) is None
        other.sendto(b"from the side", c.relay)
        kind, m = c.rx()
        assert kind == 2 and c.attrs(m)[0x13] == b"from the side"


def test_two_of_one_edge(lab, av):
    """Allocations that talk to each other go through user space: their packets never leave the machine."""
    username, password, _ = credentials(lab)
    a, b = (Lync(lab, host, AV_OUT, username, password) for host in ("alice", "bob"))
    assert a.allocate() == 0 and b.allocate() == 0
    meet(a, b)
    for i in range(30):
        a.tx(b"\x80a%d" % i)
        assert b.rx() == (3, b"\x80a%d" % i)
        b.tx(b"\x80b%d" % i)
        assert a.rx() == (3, b"\x80b%d" % i)


@pytest.mark.parametrize("how", [[], ["-s"]], ids=["channels", "send"])
def test_uclient(lab, av, echo, how):  # noqa: F811
    before = by_kernel(av)
    out = uclient(lab, "-c", "-n", "250", "-m", "8", "-l", "172", *how).end()
    sent = re.search(r"start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\n", out)
    assert sent and sent.group(1) == "2000", out[-800:]
    assert int(sent.group(2)) >= (2000 if lablib.STRICT else 1000)  # datagrams: see test_av.py
    assert by_kernel(av) - before > 1000


@pytest.mark.parametrize("dialect", ["oc2007r2", "rfc5245"])
def test_libnice(lab, av, dialect):
    """Both of its ends stand behind this edge, so user space carries them: nothing is spoilt by what else the kernel looks at."""
    call = nice_program(lab) if not hasattr(lab, "nice") else lab.nice
    lab.nice = call
    if dialect == "oc2007r2":
        username, password, _ = credentials(lab)
        r = call(dialect, "udp", 3478, b64(username), b64(password), 1000)
    else:
        r = call(dialect, "udp", 3478, USER, PASSWORD, 1000)
    assert r.returncode == 0, r.stdout[-1500:] + r.stderr[-500:]
    assert "received=1000/1000 corrupted=0 relayed=yes" in r.stdout


def workers(edge):
    return {c["pid"]: c for c in json.loads(edge.ctl("--json", "status"))["services"] if c["role"] == "av"}


def test_a_worker_dies(lab, av, call):
    """What it had entered is void before its successor starts: the old port leads nowhere."""
    c, peer = call
    owner = [s["worker"] for s in json.loads(av.ctl("--json", "sessions"))["services"] if s["role"] == "av"
             and any(a["client"] == "%s:%d" % c.s.getsockname() for a in s["answer"]["allocations"])]
    pid, = [p for p, w in workers(av).items() if [w["worker"]] == owner]
    os.kill(pid, signal.SIGKILL)
    av.proc.wait_log(r"SYS-1015 .*pid=%d " % pid)
    peer.sendto(b"late", c.relay)
    c.s.sendall(channel(0x4001, b"late"))
    assert quiet(peer) is None and quiet(c.s) is None
    lablib.wait_for("both workers", lambda: pid not in workers(av) and len(workers(av)) == 2
                    and all(w["state"] == "ready" for w in workers(av).values()), timeout=30)


def test_a_reload_forgets(lab, av, call):
    """After a reload each flow is judged again by what is in force now."""
    c, peer = call
    av.ctl("reload")
    lablib.wait_for("no flow in the kernel", lambda: stat(av, "edged_av_kernel_flows") == 0)
    talk(c, peer, 0x4001)
    assert stat(av, "edged_av_kernel_flows") == 2


# -- other configurations, after the one above has stopped --------------------------------------------------------------

@pytest.fixture(scope="module")
def narrow(lab, av):
    av.stop()
    e, said = running(lab, av__limits__kbit_per_port=64)
    yield e
    ended(e)


def burst(c, peer, n=80):  # what a socket holds
    """How many of n packets of 1,000 octets at once arrive."""
    for i in range(n):
        c.s.sendall(channel(0x4001, b"\x80" + bytes(999)))
    came = 0
    while quiet(peer, 0.5):
        came += 1
    return came


def test_ceiling(lab, narrow):
    """64 kbit/s are 8,000 octets a second: of 80 packets of 1,000 octets at once most are dropped, whoever relays, and counted. A
    ceiling that a reload lifts is lifted in the kernel too."""
    c, peer = Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD), bind(lab, "bob")
    c.allocate()
    assert c.bind(0x4001, peer.getsockname()) == 0
    dropped = 'edged_av_packets_dropped_total{transport="udp",reason="bandwidth"}'
    assert 4 <= burst(c, peer) < 40
    assert stat(narrow, dropped) > 40
    assert stat(narrow, "edged_av_sessions_over_peak_bandwidth") == 1
    assert stat(narrow, "edged_av_sessions_over_average_bandwidth") == 0  # not for a minute yet
    with open(narrow.conf) as f:
        text = f.read()
    assert "kbit_per_port = 64;" in text
    with open(narrow.conf, "w") as f:
        f.write(text.replace("kbit_per_port = 64;", "kbit_per_port = 100000;"))
    narrow.ctl("reload")
    lablib.wait_for("the kernel to have forgotten", lambda: stat(narrow, "edged_av_kernel_flows") == 0)
    before, by = stat(narrow, dropped), by_kernel(narrow)
    talk(c, peer, 0x4001)  # one by one: a burst may be in user space's socket, all of it, before the flow is in the kernel
    assert by_kernel(narrow) > by
    assert burst(c, peer) > 60
    assert stat(narrow, dropped) == before


def test_without_interfaces(lab, narrow):
    """It needs to know where packets leave: without, one warning, and user space relays."""
    narrow.stop()
    e, said = running(lab, external__interface="")
    assert "AVR-5011 kernel_relay_refused" in said and "external.interface" in said and "instead=" in said
    c, peer = Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD), bind(lab, "bob")
    c.allocate()
    assert c.bind(0x4001, peer.getsockname()) == 0
    talk(c, peer, 0x4001)
    assert by_kernel(e) == 0
    ended(e)
