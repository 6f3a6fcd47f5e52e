# SPDX-License-Identifier: MIT
"""Chromium, relay only: WebRTC with a data channel, sound and picture through turn: over UDP and TCP and through turns:."""
import re

import pytest

import browser as browserlib
from av import AV_NAME, PASSWORD, USER, refused
from lab import wait_for


@pytest.fixture(scope="module")
def av(lab):
    e = lab.edged(base="lab-av.conf")
    yield e
    assert e.stop() == 0, e.log()[-2000:]
    assert "Sanitizer" not in e.log() and "runtime error:" not in e.log(), e.log()[-4000:]


@pytest.fixture(scope="module")
def browser(lab):
    b = browserlib.Browser(lab, "alice")
    yield b
    b.close()


WAYS = {"udp": ("turn:%s:3478?transport=udp", "udp"), "tcp": ("turn:%s:3478?transport=tcp", "tcp"), "tcp-443": ("turn:%s:443?transport=tcp", "tcp"),
        "turns": ("turns:%s:5349", "tls"), "turns-443": ("turns:%s:443", "tls")}


@pytest.mark.parametrize("way", WAYS)
def test_call(av, browser, way):
    """Both ends behind the relay: 500 numbered packets each way, 50 packets of sound, 10 pictures decoded; and edged saw them pass."""
    url, protocol = WAYS[way][0] % AV_NAME, WAYS[way][1]
    since = len(av.log())
    r = browser.call(url, USER, PASSWORD, packets=500, media=True)
    assert r["end"] == "ok", r
    assert r["candidates"] and all(" typ relay " in c for c in r["candidates"])
    assert r["data"] == [{"received": 500, "corrupted": 0}] * 2
    for s in r["sides"]:
        assert s["pair"]["local"] == s["pair"]["remote"] == "relay" and s["pair"]["relayProtocol"] == protocol
        assert s["inbound"]["audio"]["received"] > 50 and s["inbound"]["video"]["frames"] > 10
        m = av.wait_log(r"allocation_created alloc=(\d+) .*relayed=%s " % re.escape(s["pair"]["relay"]), since=since)
        m = av.wait_log(r"allocation_ended alloc=%s .*packets_from_client=(\d+) packets_from_peer=(\d+) bytes_from_client=(\d+)" % m.group(1), since=since)
        assert int(m.group(1)) >= s["pair"]["sent"] > 100 and int(m.group(3)) > 500 * 160


@pytest.mark.parametrize("way", ["udp", "tcp", "turns"])
def test_wrong_password(av, browser, way):
    url, before = WAYS[way][0] % AV_NAME, refused(av)
    r = browser.call(url, USER, "guess")
    assert r["end"] == "no candidate" and not r["candidates"]
    assert r["errors"] and all(e["code"] == 401 for e in r["errors"])
    wait_for("a refusal to be counted", lambda: refused(av) > before)


def test_unknown_authority(lab, av, browser):
    """turns: is checked against the external certificate: by a name that is not on it there is no relay."""
    r = browser.call("turns:203.0.113.12:5349", USER, PASSWORD)
    assert r["end"] == "no candidate" and not r["candidates"]
