# SPDX-License-Identifier: MIT
"""Partners under load: one that floods costs others nothing (11.6); one that restarts loses nothing that was acknowledged.

Short here. The figures of the closing notes: EDGED_FEDERATION_FULL=1, which takes the released build, 500 messages a second for
half a minute and 5,000 messages each way over 20 restarts, and prints what it measured.
"""
import json
import os
import sys
import threading
import time

import pytest

import federation as fed
import sip
from lab import EDGE_OUT, HERE, LOAD, Proc, wait_for
from test_federation import ALICE, partners
from test_routing import from_inside

FULL = bool(os.environ.get("EDGED_FEDERATION_FULL"))
RELEASED = FULL
CONF = dict(fed.CONF)
MESSAGES, RESTARTS = (5000, 20) if FULL else (150, 3)


@pytest.fixture(scope="module", autouse=True)
def names(lab):
    fed.addresses(lab)
    n = fed.Names(lab)
    yield n
    n.stop()


def p99(values):
    return sorted(values)[int(len(values) * 0.99)]


def talk(user, n, pause):
    """Round trips of a signed-in user, in ms."""
    out = []
    for _ in range(n):
        t = time.monotonic()
        user.message("sip:bob@contoso.com")
        out.append((time.monotonic() - t) * 1000)
        time.sleep(pause)
    return out


def flood(world, cert, domain, source, seconds, rate=500):
    lab = world.lab
    return Proc(lab, "load", [sys.executable, os.path.join(HERE, "flood.py"), lab.cert(cert + ".pem"), lab.cert(cert + ".key"),
                              lab.cert("external-ca.pem"), source, EDGE_OUT, domain, str(rate), str(seconds)], name="flood")


WHO = [("discovered", "bad-wrong-name", "example.org", fed.CLOUD), ("listed", "partner-northwind", "northwind.example", fed.NORTHWIND)]


@pytest.mark.parametrize("what,cert,domain,source", WHO, ids=[w[0] for w in WHO])
def test_a_flood_costs_others_nothing(world, what, cert, domain, source, capsys):
    alice = sip.Client(world.lab, "alice", source=LOAD[0])
    alice.register()
    n, pause = (1000, 0.02) if FULL else (40, 0)
    talk(alice, 50, pause)
    idle = talk(alice, n, pause)
    f = flood(world, cert, domain, source, n * pause + 5 if FULL else 8)
    f.wait_log("begun", 10)
    got = world.fe.request("MESSAGE", "flood99", 10) if what == "discovered" else world.fe.request("MESSAGE", "flood200", 10)
    busy = talk(alice, n, pause)
    if what == "discovered":
        w = wait_for("the watch list to name it", lambda: [x for x in partners(world)["watch"] if x["domain"] == domain and x["state"] != "normal"])
        assert w[0]["state"] == "throttled" and "discovered_rate" in w[0]["why"] and "federation.allowed" in w[0]["todo"] and w[0]["waited"] > 0
        assert "FED-3009 partner_throttled domain=" + domain in world.edged.log()
    else:
        assert not [x for x in partners(world)["watch"] if x["domain"] == domain]
    assert got.h("ms-edge-proxy-message-trust").count("federation") == 1
    if FULL:
        f.wait_log("sent|closed", 60)
        with capsys.disabled():
            print("\n%s: p50 %.2f -> %.2f ms, p99 idle %.2f ms, under the flood %.2f ms; the flood: %s" % (
                what, sorted(idle)[n // 2], sorted(busy)[n // 2], p99(idle), p99(busy), f.log().strip().replace("\n", " ")))
        assert p99(busy) <= 2 * p99(idle)
    f.stop()
    alice.close()


# -- restarts --

class Inward(threading.Thread):
    """Users of the partner write to us until each message was acknowledged."""

    def __init__(self, world, n):
        super().__init__(daemon=True)
        self.world, self.n, self.acked, self.tries = world, n, set(), 0
        self.user = None

    def once(self, text):
        if self.user is None or not self.user.conn.is_open():
            self.user = fed.PlainUser(self.world.lab, "dave")
        self.tries += 1
        return self.user.ask_code("MESSAGE", ALICE, body=text) == 200

    def run(self):
        for i in range(self.n):
            while True:
                try:
                    if self.once("in-%d" % i):
                        break
                except (OSError, TimeoutError):
                    pass
                if self.user:
                    self.user.close()
                self.user = None
                time.sleep(0.05)
            self.acked.add("in-%d" % i)


class Outward(threading.Thread):
    """The inside writes to carol until each message was acknowledged."""

    def __init__(self, world, n):
        super().__init__(daemon=True)
        self.world, self.n, self.acked, self.tries = world, n, set(), 0

    def run(self):
        fe = self.world.fe
        for i in range(self.n):
            while True:
                since = len(fe.seen)
                self.tries += 1
                m = from_inside(fe, "MESSAGE", "sip:carol@fabrikam.com", to="sip:carol@fabrikam.com", frm=ALICE, body=b"out-%d" % i)
                r = fe.wait(lambda x, m=m: x.is_response and x.h("Call-ID") == m.h("Call-ID") and x.code >= 200, 45, since)
                if r.code == 200:
                    break
                time.sleep(0.05)
            self.acked.add("out-%d" % i)


def test_nothing_acknowledged_is_lost_over_restarts(world, capsys):
    kamailio = fed.Kamailio(world.lab)
    got = set()

    def on_message(conn, m):
        if m.is_response or m.method != "MESSAGE":
            return False
        got.add(m.body.decode())
        conn.w.write(sip.reply(m))
        return True

    def carol():
        u = fed.PlainUser(world.lab, "carol", on_message=on_message)
        u.register()
        return u
    user, inward, outward = carol(), Inward(world, MESSAGES), Outward(world, MESSAGES)
    inward.start()
    outward.start()
    restarts = 0
    while inward.is_alive() or outward.is_alive():
        done = min(len(inward.acked), len(outward.acked))
        if restarts < RESTARTS and done >= (restarts + 1) * MESSAGES // (RESTARTS + 1):
            kamailio.crash()
            user.close()
            kamailio.start()
            user = carol()
            restarts += 1
        inward.join(0.02)
    seen = {m.body.decode() for m in world.fe.seen if not m.is_response and m.method == "MESSAGE"}
    assert restarts == RESTARTS
    assert len(inward.acked) == len(outward.acked) == MESSAGES
    lost = (inward.acked - seen) | (outward.acked - got)
    if FULL:
        with capsys.disabled():
            print("\n%d acknowledged each way over %d restarts, %d lost; sent %d inward and %d outward" % (
                MESSAGES, restarts, len(lost), inward.tries, outward.tries))
    assert not lost, sorted(lost)[:10]
    p = next(x for x in partners(world)["partners"] if x["partner"] == "fabrikam.com")
    assert p["attempts"] > 1 and p["waiting"] == 0 and json.dumps(p)
    user.close()
    kamailio.stop()
