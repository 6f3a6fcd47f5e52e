# SPDX-License-Identifier: MIT
"""What nobody may get from the relay: refused peers over UDP, TCP, both dialects and RFC 6062; quotas over all workers;
answers to strangers. Through the real processes; edged/proto/turn/peer_test.c has 828 attempts on the pure code."""
import json
import os
import re
import signal
import socket
import struct

import pytest

import lab as lablib
from av import AV_OUT, PASSWORD, USER, Lync, address as ms_address, attr as ms_attr, credentials
from turn import ALLOCATE, CHANNEL, CONNECT, PERMISSION, REFRESH, TCP, Refused, Turn, attr


REFUSED = [("127.0.0.1", 5000), ("127.255.0.9", 22), ("0.0.0.0", 80), ("0.1.2.3", 80), ("169.254.169.254", 80), ("224.0.0.5", 9),
           ("239.1.1.1", 9), ("255.255.255.255", 9), ("240.0.0.1", 9), ("10.20.0.11", 5061), ("10.30.0.5", 5062), ("172.16.0.1", 80),
           ("192.168.0.1", 80), ("100.64.0.1", 80), ("192.0.0.8", 80), ("198.18.0.1", 80), (lablib.EDGE_OUT, 443), ("203.0.113.11", 443)]
OWN_PORTS = [(AV_OUT, 443), (AV_OUT, 3478), (AV_OUT, 5349), (AV_OUT, 49999), (AV_OUT, 0)]  # a permission names no port
SIX = [("::1", 80), ("::ffff:127.0.0.1", 80), ("64:ff9b::7f00:1", 80), ("2002:7f00:1::", 80), ("fe80::1", 80), ("fd00::1", 80)]


def sessions(av):
    """Of all workers: every allocation they list."""
    out = []

    def walk(v):
        if isinstance(v, dict):
            if "alloc" in v:
                out.append(v)
            for x in v.values():
                walk(x)
        elif isinstance(v, list):
            for x in v:
                walk(x)
    walk(json.loads(av.ctl("--json", "sessions")))
    return out


def rss_kb(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1))


def test_strangers_cost_nothing(lab):
    """3,000 Allocates without credentials from one address: no memory, silence beyond the burst, and the next Binding is
    answered at once. The release build: a sanitizer's memory tells nothing."""
    e = lab.edged(release=True, base="lab-av.conf")
    try:
        with lab.inside_of("load"):
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.bind((lablib.LOAD[1], 0))
            s.connect((AV_OUT, 3478))
            s.settimeout(lablib.WAIT)
        binding = bytes.fromhex("000100002112a442")
        s.sendall(binding + b"before-start")
        while s.recv(2000)[8:20] != b"before-start":
            pass
        before = {p: rss_kb(p) for p in e.pids("edged-av")}
        ask = bytes.fromhex("000300082112a442")
        got = 0
        for i in range(3000):
            s.sendall(ask + os.urandom(12) + attr(0x19, bytes([17, 0, 0, 0])))
            if i % 50 == 49:  # no buffer shall hide one: the Binding behind fifty is answered at once, every time
                tid = b"%012d" % i
                s.sendall(binding + tid)
                while True:
                    m = s.recv(2000)
                    if m[8:20] == tid:
                        break
                    got += 1
                assert m[:2] == b"\1\1"
        assert 500 <= got < 3000  # 500 at once and 100 a second, the rest unanswered
        after = {p: rss_kb(p) for p in e.pids("edged-av")}
        assert after.keys() == before.keys()
        assert sum(after.values()) - sum(before.values()) < 1024, (before, after)
        assert sessions(e) == []
        e.wait_log(r"AVR-5006 rate_limited kind=challenge source=%s" % re.escape(lablib.LOAD[1]))
        print("answers %d, kB %d" % (got, sum(after.values()) - sum(before.values())))
    finally:
        assert e.stop() == 0


def test_no_port_says_who_holds_them(lab):
    """A range of eight ports: the ninth Allocate is refused, the log names the holder, edgectl lists them."""
    e = lab.edged(base="lab-av.conf", av__limits__allocations_per_user=100, external__av__relay_port_min=50000,
                  external__av__relay_port_max=50007, av__workers=1)
    held = []
    try:
        for i in range(9):
            held.append(Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD))
            if i < 8:
                held[-1].allocate()
        with pytest.raises(Refused) as r:
            held[-1].allocate()
        assert r.value.code == 508
        got = sessions(e)
        assert len(got) == 8 and {s["relayed"] for s in got} == {"%s:%d" % (AV_OUT, p) for p in range(50000, 50008)}
        assert len({s["user"] for s in got}) == 1 and {s["client"] for s in got} == {"%s:%d" % c.s.getsockname() for c in held[:8]}
        e.wait_log(r"AVR-5002 no_relay_port range=50000-50007 in_use=8 peer=198\.51\.100\.23 most=%s held=8" % got[0]["user"])
    finally:
        for c in held:
            c.close()
        assert e.stop() == 0


@pytest.fixture(scope="module")
def av(lab):
    e = lab.edged(base="lab-av.conf", av__limits__allocations_per_user=6, av__tcp_allocations=True)
    yield e
    status = e.stop()
    assert status == 0, e.log()[-2000:]
    assert "Sanitizer" not in e.log() and "runtime error:" not in e.log(), e.log()[-4000:]


def refused_by_policy(av):
    sessions(av)  # the workers bring their counters up to date for it
    m = re.findall(r'edged_av_packets_dropped_total\{[^}]*reason="peer_policy"[^}]*\}\s+(\d+)', av.ctl("stats"))
    return sum(int(x) for x in m)


@pytest.mark.parametrize("how", ["udp", "tcp"])
def test_refused_peers_standard(lab, av, how):
    n = 0
    with Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD, how) as c:
        c.allocate()
        for i, p in enumerate(REFUSED + OWN_PORTS):
            if p in REFUSED:
                assert c.code(PERMISSION, peer=p) == 403, p
                n += 1
            assert c.bind(0x4000 + i, p) == 403, p
            c.send(p, b"let me in")
            n += 2
        for p in SIX:
            assert c.code(PERMISSION, peer=p) == 443, p  # another family than the relay's
            n += 1
        assert c.permit(("198.51.100.24", 0), REFUSED[0]) == 403  # all or none
        assert [s["permissions"] for s in sessions(av)] == [0]
        assert c.code(REFRESH, attr(0xd, struct.pack(">I", 0))) == 0
    assert n == 18 + 2 * 23 + 6


def test_refused_peers_tcp_allocation(lab, av):
    with Turn(lab, "alice", (AV_OUT, 3478), USER, PASSWORD, "tcp") as c:
        c.allocate(transport=TCP)
        for p in REFUSED + OWN_PORTS:
            assert c.code(CONNECT, peer=p) == 403, p
        assert [s["permissions"] for s in sessions(av)] == [0]


@pytest.mark.parametrize("how", ["udp", "frames"])
def test_refused_peers_lync(lab, av, how):
    """A Send has no answer: the counter and the permissions tell. Set Active Destination: 400 each."""
    c = Lync(lab, "alice", AV_OUT, *credentials(lab)[:2], how=how)
    assert c.allocate() == 0
    before, n = refused_by_policy(av), 0
    for p in REFUSED + OWN_PORTS:
        c.send(p, b"let me in")
        c.tx(c.message(6, [ms_attr(6, c.user), c.sequence(), ms_attr(0x11, ms_address(*p))]))
        m = c.rx()[1]
        assert m[:2] == b"\1\x16" and c.attrs(m)[9][2:4] == b"\4\0", p
        n += 2
    assert refused_by_policy(av) - before == n == 46
    assert {s["permissions"] for s in sessions(av)} == {0}
    c.s.close()


def allocations(lab, sources, ports=2):
    """One after the other from many addresses, so that both workers are asked: those that stand, codes of the others."""
    held, codes = [], []
    for i in range(ports):
        for src in sources:
            c = Turn(lab, "load", (AV_OUT, 3478), USER, PASSWORD, source=src)
            try:
                c.allocate()
                held.append(c)
            except Refused as e:
                codes.append(e.code)
                c.close()
    return held, codes


def test_quota_of_a_user_over_all_workers(lab, av):
    sources = lablib.LOAD[1:9]
    held, codes = allocations(lab, sources)
    assert len(held) == 6 and codes == [486] * 10
    workers = {m for m in re.findall(r"edged-av\[(\d)\] info: allocation_created .*client=198\.51\.100\.(?!23:)", av.log())}
    assert workers == {"0", "1"}
    av.wait_log(r"AVR-5003 port_limit limit=user")
    # a worker dies: what it held is free again, what the other holds still counts
    before = {s["relayed"] for s in sessions(av)}
    pid = av.pids("edged-av")[0]
    since = len(av.log())
    os.kill(pid, signal.SIGKILL)
    av.wait_log(r"service_ready role=av", since=since)
    left = {s["relayed"] for s in sessions(av)}
    assert 0 < len(left) < 6 and left < before
    more, codes = allocations(lab, sources)
    assert len(more) == 6 - len(left) and set(codes) == {486}
    for c in held + more:
        if "%s:%d" % c.relay in left or c in more:
            assert c.code(REFRESH, attr(0xd, struct.pack(">I", 0))) == 0
        c.close()
    assert sessions(av) == [] or {s["relayed"] for s in sessions(av)} & left == set()
    again, codes = allocations(lab, sources, 1)
    assert len(again) == 6 and codes == [486] * 2
    for c in again:
        assert c.code(REFRESH, attr(0xd, struct.pack(">I", 0))) == 0
