# SPDX-License-Identifier: MIT
"""Handshakes by the thousand: nothing crashes, descriptors stay flat, memory stops growing.

20,000 here, with the released build; EDGED_CHURN=200000 (or script/bench churn) makes the long run.
"""
import os
import ssl
import threading

import sip
from lab import EDGE_OUT, LOAD, children, program_of, wait_for
from test_limits import rss_kb

HANDSHAKES = int(os.environ.get("EDGED_CHURN", "20000"))
CLIENTS = 12


def fds(pids):
    return sum(len(os.listdir("/proc/%d/fd" % p)) for p in pids)


def test_handshakes(lab):
    fe = sip.FrontEnd(lab, "10.20.0.11")
    e = lab.edged(release=True, access__workers=2, access__limits__connections_per_address=1000)
    pids = sorted(children(e.proc.pid))
    bad, done, lock = [], [0], threading.Lock()

    def worker(i, n):
        ctx = ssl.create_default_context(cafile=lab.cert("external-ca.pem"))
        if i % 3 == 0:
            ctx.maximum_version = ssl.TLSVersion.TLSv1_2
        session = None
        for k in range(n):
            try:
                s = ctx.wrap_socket(lab.tcp_to("load", EDGE_OUT, 443, LOAD[i]), server_hostname="sip.contoso.com",
                                    session=session if k % 2 else None)
                session = s.session if ctx.maximum_version == ssl.TLSVersion.TLSv1_2 else None
                s.close()
            except OSError as x:
                with lock:
                    bad.append("client %d, handshake %d: %r" % (i, k, x))
                if len(bad) > 20:
                    return
            with lock:
                done[0] += 1

    def round_of(n):
        ts = [threading.Thread(target=worker, args=(i, n // CLIENTS)) for i in range(CLIENTS)]
        for t in ts:
            t.start()
        for t in ts:
            t.join()

    def held():
        return fds(pids), sum(rss_kb(p) for p in pids if program_of(p) in ("edged-access", "edged-keyd"))

    wait_for("both workers' links", lambda: len(fe.open_conns()) >= 2)
    idle = fds(pids)

    def held_after(n):
        round_of(n)
        wait_for(lambda: "the last connections to be gone, now %d descriptors, %d before" % (fds(pids), idle), lambda: fds(pids) <= idle + 4)
        return held()
    first = held_after(HANDSHAKES // 4)  # warm up: caches, arenas, session keys
    middle = held_after(HANDSHAKES // 4)
    last = held_after(HANDSHAKES // 2)
    print("after a quarter, a half, all (descriptors, KB): %s %s %s" % (first, middle, last))
    assert not bad, bad[:5]
    assert done[0] >= HANDSHAKES - 3 * CLIENTS  # what the divisions leave over
    assert sorted(children(e.proc.pid)) == pids, "a process died"
    assert abs(last[0] - first[0]) <= 4, "descriptors %d -> %d" % (first[0], last[0])
    assert last[1] - middle[1] < 1500, "memory %d -> %d KB" % (middle[1], last[1])
    assert e.stop() == 0
    fe.close()
