# SPDX-License-Identifier: MIT
"""The key of A/V Authentication (CERT-AV-04, -06): a token holds on every member of the pool and nowhere else, ends when it
says, and a rolled key takes no call away."""
import os
import signal
import time

import pytest

import lab as lablib
from av import AV_OUT, Lync, credentials, mint, relay_master

OTHER = "203.0.113.14"


@pytest.fixture(scope="module")
def av(lab):
    e = lab.edged(base="lab-av.conf", access__workers=1, av__workers=1)
    yield e
    assert e.stop() == 0, e.log()[-2000:]
    assert "Sanitizer" not in e.log() and "runtime error:" not in e.log(), e.log()[-4000:]


@pytest.fixture
def second(lab, av):
    """Another edged beside the first, with addresses of its own."""
    for dev, a in (("ext0", "203.0.113.13/24"), ("ext0", OTHER + "/24"), ("int0", "10.30.0.6/24")):
        lab.ip("edge", "addr", "replace", a, "dev", dev)
    made = []

    def start(key):
        e = lab.edged(base="lab-av.conf", name="second.conf", program="edged-second", ready=False,
                      control__socket=lab.path("second.sock"), edge__run_dir=lab.path("run2"), external__access__address="203.0.113.13",
                      external__av__address=OTHER, internal__address="10.30.0.6", av__workers=1,
                      **{"certificates.av_auth": {"chain": "certs/lab/%s.pem" % key, "key": "certs/lab/%s.key" % key}})
        made.append(e)

        def probe():
            try:
                lab.tcp_to("alice", OTHER, 443, timeout=1.0).close()
                return True
            except OSError:
                return False
        lablib.wait_for(lambda: "the second edged; its log: " + e.log()[-1000:], probe)
        return e
    yield start
    assert [e.stop() for e in made] == [0] * len(made)


def test_second_edge_with_the_same_key(lab, av, second):
    """Issued by one, honoured by the other, both ways."""
    e = second("av_auth")
    assert Lync(lab, "alice", OTHER, *credentials(lab)[:2]).allocate() == 0
    assert Lync(lab, "alice", AV_OUT, *credentials(lab, server="10.30.0.6")[:2]).allocate() == 0
    e.wait_log("allocation_created")


def test_second_edge_with_another_key(lab, av, second):
    e = second("av_auth_next")
    token = credentials(lab)[:2]
    assert Lync(lab, "alice", AV_OUT, *token).allocate() == 0
    assert Lync(lab, "alice", OTHER, *token).allocate() == 436
    e.wait_log(r"AVR-5001 .*reason=unknown_user")
    assert Lync(lab, "alice", AV_OUT, *credentials(lab, server="10.30.0.6")[:2]).allocate() == 436


def test_token_ends(lab, av):
    """Tokens made from the key alone, by other code: good to the end and the skew after it, no longer."""
    now = int(time.time())
    assert Lync(lab, "alice", AV_OUT, *mint(lab, "av_auth", now + 60)).allocate() == 0
    assert Lync(lab, "alice", AV_OUT, *mint(lab, "av_auth", now - 20)).allocate() == 0
    since = len(av.log())
    assert Lync(lab, "alice", AV_OUT, *mint(lab, "av_auth", now - 61)).allocate() == 436
    av.wait_log(r"AVR-5001 .*reason=expired", since=since)
    assert Lync(lab, "alice", AV_OUT, *mint(lab, "av_auth_next", now + 60)).allocate() == 436


@pytest.mark.skipif(not os.environ.get("E2E_LONG"), reason="two minutes; E2E_LONG=1")
def test_issued_token_ends(lab, av):
    """The same by the clock: the shortest token there is, asked over 5062."""
    token = credentials(lab, duration=1)[:2]
    end = time.time() + 60
    assert Lync(lab, "alice", AV_OUT, *token).allocate() == 0
    time.sleep(end + 62 - time.time())
    assert Lync(lab, "alice", AV_OUT, *token).allocate() == 436


def kid(token):
    return token[0][4:8]


def reload_with(lab, av, **over):
    since = len(av.log())
    lab.edged_conf(base="lab-av.conf", log__target="stderr", control__socket=lab.path("control.sock"), edge__run_dir=lab.path("run"),
                   access__workers=1, av__workers=1, **over)
    os.kill(av.supervisor(), signal.SIGHUP)
    av.wait_log("reload_done", since=since)


def pem(name, **more):
    return dict({"chain": "certs/lab/%s.pem" % name, "key": "certs/lab/%s.key" % name}, **more)


def test_port_range_waits(lab, av):
    """The relay range is dealt out at the start: a reload says that it waits, and what is handed out is of the old one."""
    since = len(av.log())
    reload_with(lab, av, **{"external.av.relay_port_min": 59990})
    av.wait_log(r"reload_done .*needs_restart=1\b", since=since)
    c = Lync(lab, "alice", AV_OUT, *credentials(lab)[:2])
    assert c.allocate() == 0 and '"ports":10000,' in av.ctl("--json", "sessions")


def test_rolled_key(lab, av):
    """Staged, in force, alone: tokens follow, and what runs goes on under the key that made it."""
    old, new = relay_master(lab, "av_auth")[0], relay_master(lab, "av_auth_next")[0]
    token = credentials(lab)[:2]
    call = Lync(lab, "alice", AV_OUT, *token)
    assert kid(token) == old and call.allocate() == 0

    reload_with(lab, av, **{"certificates.av_auth_next": pem("av_auth_next", effective="2040-01-01T00:00:00Z")})
    assert kid(credentials(lab)) == old
    early = mint(lab, "av_auth_next", int(time.time()) + 600)  # a member whose clock is ahead
    assert Lync(lab, "alice", AV_OUT, *early).allocate() == 0

    reload_with(lab, av, **{"certificates.av_auth_next": pem("av_auth_next", effective="2026-01-01T00:00:00Z")})
    fresh = credentials(lab)[:2]
    assert kid(fresh) == new
    for t in (fresh, token):
        assert Lync(lab, "alice", AV_OUT, *t).allocate() == 0
    assert call.refresh() == 0

    reload_with(lab, av, **{"certificates.av_auth": pem("av_auth_next")})
    assert kid(credentials(lab)) == new
    assert Lync(lab, "alice", AV_OUT, *fresh).allocate() == 0
    assert Lync(lab, "alice", AV_OUT, *token).allocate() == 436
    peer = Lync(lab, "alice", AV_OUT, *fresh)
    assert peer.allocate() == 0 and call.refresh() == 0
    call.send(peer.relay, b"x")
    peer.send(call.relay, b"still here")
    assert call.attrs(call.rx()[1])[0x13] == b"still here"
