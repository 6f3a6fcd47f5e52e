# SPDX-License-Identifier: MIT
"""How the A/V Edge moves datagrams, in the locked-in process: through io_uring, and with it switched off or refused;
and what a worker that is killed takes with it (only its own allocations)."""
import concurrent.futures
import ctypes
import json
import os
import re
import signal
import socket
import struct

import pytest

import lab as lablib
from av import AV_OUT, Lync, credentials, uclient
from test_av import echo  # noqa: F401 (a fixture)

PEER = "198.51.100.24"


def workers(edge):
    """What each worker says of its sessions, in their order."""
    v = json.loads(edge.ctl("--json", "sessions", check=False))
    return [s["answer"] for s in sorted(v["services"], key=lambda s: s["worker"]) if s["role"] == "av" and "answer" in s]


def refuse_io_uring():
    """From now on this thread, and what it starts, is told EPERM by io_uring_setup: what container runtimes do."""
    class Prog(ctypes.Structure):
        _fields_ = [("n", ctypes.c_ushort), ("code", ctypes.c_char_p)]

    code = b"".join(struct.pack("=HBBI", *i) for i in (
        (0x20, 0, 0, 0),               # the number of the call
        (0x15, 0, 1, 425),             # io_uring_setup, the same on every architecture
        (0x06, 0, 0, 0x00050000 | 1),  # EPERM
        (0x06, 0, 0, 0x7fff0000)))     # allowed
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.prctl(38, 1, 0, 0, 0) == 0                                     # PR_SET_NO_NEW_PRIVS
    assert libc.prctl(22, 2, ctypes.byref(Prog(4, code)), 0, 0) == 0, ctypes.get_errno()  # PR_SET_SECCOMP


@pytest.fixture(scope="module", params=["io_uring", "recvmmsg", "refused"])
def av(lab, request):
    def start():
        if request.param == "refused":
            refuse_io_uring()
        return lab.edged(base="lab-av.conf", av__limits__allocations_per_user=200, av__limits__kbit_per_port=100000,
                         av__limits__kbit_per_user=1000000, av__limits__challenges_per_s=0,
                         av__io_uring=request.param != "recvmmsg")

    log = lab.path("edged.log")  # goes on from one edged of this laboratory to the next
    since = os.path.getsize(log) if os.path.exists(log) else 0
    with concurrent.futures.ThreadPoolExecutor(1) as thread:  # a filter is of the thread that takes it on
        e = thread.submit(start).result()
    lablib.wait_for("two workers that answer", lambda: len(workers(e)) == 2)
    e.how, e.since = request.param, since
    yield e
    status = e.stop()
    assert status == 0, e.log()[-2000:]
    assert "ERROR: AddressSanitizer" not in e.log() and "runtime error:" not in e.log(), e.log()[-4000:]


def test_the_way_is_told(av):
    """edgectl says which way it is; a refusal is one warning, and a choice is none."""
    used = {w["datagrams"] for w in workers(av)}
    refusals = re.findall("AVR-5010 io_uring_refused.*", av.log()[av.since:])
    assert len(used) == 1
    if av.how == "io_uring" and refusals:
        pytest.skip("no io_uring here: " + refusals[0])
    assert used == {"io_uring" if av.how == "io_uring" else "recvmmsg"}
    assert len(refusals) == (2 if av.how == "refused" else 0)  # one of each worker


def test_packets_pass(lab, av, echo):  # noqa: F811
    out = uclient(lab, "-c", "-n", "50", "-m", "8", "-l", "1000").end()
    lost = int(re.search(r"Total lost packets (\d+) ", out)[1])
    assert lost == 0 or (lost < 200 and not lablib.STRICT), out[-800:]  # of 400; a busy machine drops in front of the client


def test_sizes_and_bursts(lab, av):
    """Empty, small, large and fragmented datagrams, and a burst that the sender gives to the kernel as one piece."""
    c = Lync(lab, "alice", AV_OUT, *credentials(lab)[:2])
    assert c.allocate() == 0
    with lab.inside_of("bob"):
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.bind((PEER, 0))
        peer.settimeout(lablib.WAIT)
    c.send(peer.getsockname(), b"open")
    assert peer.recv(100) == b"open"
    assert c.set_active(peer.getsockname())
    for n in (1, 2, 3, 1200, 1472, 1473, 4000, 4096):
        data = b"\x80" + os.urandom(n - 1)
        c.tx(data)
        assert peer.recv(65536) == data
        peer.sendto(data, c.relay)
        assert c.rx() == (3, data)
    c.tx(b"\x80" + bytes(4096))  # one byte beyond av.max_datagram: lost, and nothing with it
    for sock, other in ((c.s, peer), (peer, c.s)):
        if sock is peer:
            sock.connect(c.relay)
        sock.setsockopt(socket.SOL_UDP, 103, 500)  # UDP_SEGMENT
        burst = [b"\x80" + os.urandom(499) for _ in range(20)] + [b"\x80end"]
        sock.send(b"".join(burst))
        assert [other.recv(65536) for _ in burst] == burst


def test_worker_killed(lab, av):
    """kill -9 of one of two workers amid packets: its allocations are lost, their clients allocate again from the same
    port; no packet of the others is lost, and their allocations are the same."""
    username, password, _ = credentials(lab)
    with lab.inside_of("bob"):
        peer = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        peer.bind((PEER, 0))
        peer.settimeout(lablib.WAIT)
    clients = [LoadClient(lab, source, username, password) for source in lablib.LOAD[:12]]
    for c in clients:
        assert c.allocate() == 0
        c.send(peer.getsockname(), b"open")
        assert peer.recv(100) == b"open"
        assert c.set_active(peer.getsockname())

    def round_trips(who, n):
        for i in range(n):
            for c in who:
                c.tx(b"\x80%d" % i)
                assert peer.recv(2000) == b"\x80%d" % i
                peer.sendto(b"\x81%d" % i, c.relay)
                assert c.rx() == (3, b"\x81%d" % i)

    def owners():
        """The allocations of each worker, by the address of their client."""
        return [{a["client"].split(":")[0]: (a["alloc"], a["relayed"]) for a in s["allocations"]
                 if a["client"].split(":")[0] in lablib.LOAD} for s in workers(av)]

    round_trips(clients, 100)
    before = owners()
    assert len(before) == 2 and all(before), before  # the addresses spread over both
    pids, since = av.pids("edged-av"), len(av.log())
    os.kill(pids[-1], signal.SIGKILL)
    dead = lablib.wait_for("the worker to be replaced", lambda: re.search(r"SYS-1015 service_died role=av worker=(\d)", av.log()[since:]))
    dead = int(dead.group(1))
    kept = [c for c in clients if c.source in before[1 - dead]]
    gone = [c for c in clients if c.source in before[dead]]
    assert len(kept) + len(gone) == len(clients)
    round_trips(kept, 100)  # while the other one starts
    lablib.wait_for("two workers that answer", lambda: len(workers(av)) == 2)
    assert owners()[1 - dead] == before[1 - dead]
    for c in gone:
        c.seq = 0
        c.forget()
        assert c.allocate() == 0
        c.send(peer.getsockname(), b"open")
        assert peer.recv(100) == b"open"
        assert c.set_active(peer.getsockname())
    round_trips(clients, 50)
    assert set(pids) - set(av.pids("edged-av")) == {pids[-1]}
    assert av.log()[since:].count("service_died") == 1


class LoadClient(Lync):
    """One of many, each with an address of its own: the address decides which worker it meets."""

    def __init__(self, lab, source, username, password):
        self.user, self.how, self.seq, self.buf = username, "udp", 0, b""
        self.password, self.source = password, source
        with lab.inside_of("load"):
            self.s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.s.bind((source, 0))
            self.s.settimeout(lablib.WAIT)
            self.s.connect((AV_OUT, 3478))

    def forget(self):
        """What came for the lost allocation is of no use any more."""
        self.s.settimeout(0)
        try:
            while True:
                self.s.recv(65536)
        except (BlockingIOError, ConnectionError):
            pass
        self.s.settimeout(lablib.WAIT)
