# SPDX-License-Identifier: MIT
"""Name servers that are slow, silent, wrong, huge or gone: the right error for whom it concerns, no stall for others, bounded memory."""
import time

import pytest

import federation as fed
import sip
from lab import LOAD, children, figure, program_of, wait_for
from test_federation import ALICE, answer_inside, ask_from_inside, partner, sender  # noqa: F401 (fixtures)
from test_limits import rss_kb
from test_routing import from_inside

CONF = dict(fed.CONF, dns__servers=[fed.DNS_ODD])


@pytest.fixture(scope="module", autouse=True)
def odd(lab):
    fed.addresses(lab)
    n = fed.OddNames(lab)
    yield n
    n.stop()


@pytest.fixture
def alice(world):
    c = sip.Client(world.lab, "alice", source=LOAD[0])
    c.register()
    yield c
    c.close()


# What the name server does -> what the inside is told, what the log says of the partner's request.
SLOW = {"silent": ("1008", "FED-3005 srv_lookup_failed"), "garbage": ("1008", "FED-3005 srv_lookup_failed"),
        "other": ("1008", "FED-3005 srv_lookup_failed")}
FAST = {"refuses": ("1008", "FED-3005 srv_lookup_failed"), "missing": ("1008", "FED-3005 no_srv_record"), "loops": ("1008", "FED-3005 "),
        "many": ("1014", "FED-3007 sender_domain_mismatch"), "huge": ("1008", "FED-3005 srv_lookup_failed")}


@pytest.mark.parametrize("moods", [SLOW, FAST], ids=["slow", "at once"])
def test_moods(world, sender, alice, moods):  # noqa: F811
    """Each gets its error; meanwhile all others are served, on the same connection, too."""
    n, waits, out = len(world.edged.log()), {}, {}
    s = sender()
    for mood in moods:
        m = sip.Msg(fed.Sender.request(s, "MESSAGE", ALICE, frm="sip:x@%s.example" % mood, body="x"))
        s.conn.send(m.raw)
        waits[m.h("Call-ID")] = 504
        to = "sip:x@%s.example" % mood
        out[mood] = from_inside(world.fe, "MESSAGE", to, to=to, frm=ALICE, body=b"y")
    alice.message("sip:bob@contoso.com")
    m = s.send("MESSAGE", ALICE, body="z")
    waits[m.h("Call-ID")] = 200
    got = [s.conn.recv() for _ in waits]
    assert {r.h("Call-ID"): r.code for r in got} == waits
    if moods is SLOW:
        assert got[0].code == 200, "who is known waited behind who is not"
    for mood, (diag, event) in moods.items():
        assert mood + ".example" in world.edged.wait_log(event + ".*method=MESSAGE .*domain=\"%s.example\"" % mood, since=n).group(0)
        r = answer_inside(world.fe, out[mood])
        assert r.code == 504 and r.h("ms-diagnostics").startswith(diag), (mood, r)
    assert not [x for x in world.fe.seen if not x.is_response and "sip:x@" in x.h("From")]


def test_late(world, sender, partner):  # noqa: F811
    """An answer that takes its time is an answer: the request waits for it and is not lost, nor is one of the inside."""
    p = partner(cert="partner")
    ask_from_inside(world.fe, "sip:x@late.example", 504, body=b"x")  # the record leads to sip.late.example: not in that certificate
    assert not p.seen
    s = sender(domain="late2.example")
    s.ask("MESSAGE", ALICE, expect=504, body="x")


def test_an_address_that_lies_inside(world):
    """A record of an outsider that sends us to a server of the inside: nothing is dialled there."""
    n = len(world.fe.conns)
    r = ask_from_inside(world.fe, "sip:x@inward.example", 504, body=b"x")
    assert r.h("ms-diagnostics").startswith("1014"), r
    world.edged.wait_log("FED-3001 partner_unreachable .*inward.*the address lies inside")
    assert len(world.fe.conns) == n


def test_memory_under_huge_answers(world, sender):  # noqa: F811
    pid = next(p for p in children(world.edged.proc.pid) if program_of(p) == "edged-access")
    s = sender(domain="many0.example")
    s.ask("MESSAGE", ALICE, expect=504, body="x")
    before = rss_kb(pid)
    for i in range(1, 25):
        s.conn.send(fed.Sender.request(s, "MESSAGE", ALICE, frm="sip:x@%s%d.example" % ("huge" if i % 2 else "many", i), body="x"))
    for i in range(1, 25):
        assert s.conn.recv().code == 504
    assert rss_kb(pid) - before < 24 * 1024, "25 answers of 60 KiB cost %d KiB" % (rss_kb(pid) - before)


def test_questions_of_outsiders_leave_room(world, partner, odd):  # noqa: F811
    """Twenty connections that name silent domains as fast as they can: a partner that comes then is judged, and the inside asks."""
    crowd = [fed.Sender(world.lab) for _ in range(20)]
    try:
        for i, s in enumerate(crowd):
            s.conn.send(b"".join(fed.Sender.request(s, "MESSAGE", ALICE, frm="sip:x@silent.d%d-%d.example" % (i, k), body="x") for k in range(40)))
        wait_for("the questions to be asked", lambda: sum("silent.d" in x for x in odd.asked) >= 60)
        s = fed.Sender(world.lab, cert="partner-northwind", domain="fresh.example", source=fed.NORTHWIND)
        crowd.append(s)
        t = time.monotonic()
        s.ask("MESSAGE", ALICE, expect=504, body="x")  # its record leads elsewhere: it was judged, and soon
        figure("a partner judged beside twenty that name silent domains", time.monotonic() - t, 4)
        world.edged.wait_log("sender_domain_mismatch .*fresh.example")
        p = partner(address=fed.NORTHWIND, cert="partner-northwind")
        t = time.monotonic()
        ask_from_inside(world.fe, "sip:nina@northwind.example", 200, body=b"x")
        figure("a message of the inside beside twenty that name silent domains", time.monotonic() - t, 4)
        assert p.request("MESSAGE")
    finally:
        for s in crowd:
            s.close()


def test_down(world, sender, odd, partner):  # noqa: F811
    """Without any name server: who was known goes on, who was not gets his error."""
    s = sender()
    s.message(ALICE)
    p = partner()
    ask_from_inside(world.fe, "sip:carol@fabrikam.com", 200, body=b"x")
    odd.stop()
    s.message(ALICE)
    sender().message(ALICE)  # a new connection: from the cache
    ask_from_inside(world.fe, "sip:carol@fabrikam.com", 200, body=b"y")
    assert p.seen
    r = ask_from_inside(world.fe, "sip:x@unknown.example", 504, body=b"x")
    assert r.h("ms-diagnostics").startswith("1008")
    sender(domain="unknown2.example").ask("MESSAGE", ALICE, expect=504, body="x")
