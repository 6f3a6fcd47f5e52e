# SPDX-License-Identifier: MIT
"""Option A: the Edge dials the meeting server itself; PROXY protocol (psom-webconf 13, test 14). And admission without a preface."""
import pytest

import webconf
from lab import wait_for
from webconf import DMCU, Meeting, Server, closed, echo, pour, reload_with, says

CONF = webconf.conf(buffer_high_mb=1, buffer_low_mb=1, stream_buffer_kb=64, slow_s=20)
CONF["internal__networks"] = ["10.0.0.0/8"]
CONF["webconf__admission"] = "none"
CONF["webconf__inside"] = {
    "mode": "dial", "proxy_protocol": "inside_tls",
    "servers": ({"id": "plain", "address": DMCU + ":8057", "fqdn": "dmcu1.contoso.net", "name": "plain.contoso.com"},
                {"id": "asks", "address": DMCU + ":8058", "fqdn": "dmcu1.contoso.net", "name": "asks.contoso.com"},
                {"id": "wrong", "address": DMCU + ":8059", "fqdn": "dmcu9.contoso.net", "name": "wrong.contoso.com"},
                {"id": "nobody", "address": DMCU + ":8060", "fqdn": "dmcu1.contoso.net", "name": "nobody.contoso.com"})}

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


@pytest.fixture(scope="module")
def edged(lab):
    yield from webconf.edged_up(lab, CONF)


@pytest.fixture(scope="module")
def meeting(lab, edged):
    return Meeting(lab, edged)


def exactly(t, n):
    got = b""
    while len(got) < n:
        b = t.recv(n - len(got))
        assert b
        got += b
    return got


class WithProxy:
    """Reads the header, keeps it, then echoes."""

    def __init__(self):
        self.seen = []

    def __call__(self, t):
        head = exactly(t, 16)
        self.seen.append((head, exactly(t, head[14] << 8 | head[15])))
        echo(t)


def test_14_dial_and_proxy_header(lab, meeting):
    serve = WithProxy()
    srv = Server(lab, serve)
    s = meeting.tls("plain.contoso.com")
    ours = s.getsockname()
    s.sendall(b"hello")
    says(s, b"hello")
    head, body = serve.seen[0]
    assert head[:14] == SIGNATURE + b"\x21\x11"
    assert body[:8] == bytes([198, 51, 100, 50, 203, 0, 113, 11])
    assert body[8:12] == bytes([ours[1] >> 8, ours[1] & 255, 1, 187])
    assert body[12:] == b"\x02\x00\x11plain.contoso.com"
    s.sendall(b"x" * 3000000)
    says(s, b"x" * 3000000)
    s.close()
    srv.close()


class PourWithProxy(WithProxy):
    def __call__(self, t):
        exactly(t, 16 + 12 + 3 + 17)
        pour(t)


def test_a_client_that_reads_late_loses_nothing(lab, meeting):
    """The inside is much faster: the client's buffer is full, one read of the inside comes on top, and it is not closed for that."""
    srv = Server(lab, PourWithProxy())
    slow = meeting.ended("slow")
    s = meeting.tls("plain.contoso.com")
    s.sendall(b"!")
    # It fills to 64 KiB and is refilled when less than half is left; how much it holds when nothing moves any more is chance.
    wait_for("the buffer to fill", lambda: meeting.ask()["queued"] >= 32768)
    got = 0
    while got < 30000000:
        b = s.recv(65536)
        assert b and b == b"x" * len(b)
        got += len(b)
    assert meeting.ended("slow") == slow
    s.close()
    srv.close()


def test_high_water(lab, edged, meeting):
    """Twenty clients that do not read: the servers are not read either once a megabyte is held, and are again when it is gone."""
    srv = Server(lab, PourWithProxy())
    ss = [meeting.tls("plain.contoso.com") for _ in range(20)]
    for s in ss:
        s.sendall(b"!")
    wait_for("throttling", lambda: meeting.ask()["throttling"])
    for _ in range(20):
        assert meeting.ask()["queued"] < (1 << 20) + 131072
    for s in ss[4:]:
        s.close()
    wait_for("no throttling", lambda: not meeting.ask()["throttling"])
    got = 0
    while got < 3000000:  # the others go on
        got += len(ss[0].recv(65536))
    for s in ss[:4]:
        s.close()
    srv.close()
    wait_for("no client left", lambda: meeting.ask()["clients"] == 0)


def test_14_server_asks_for_a_certificate(lab, meeting):
    srv = Server(lab, WithProxy(), port=8058, ask_cert=True)
    s = meeting.tls("asks.contoso.com")
    s.sendall(b"hello")
    says(s, b"hello")
    assert ("commonName", "edge.int.contoso.net") in [x[0] for x in srv.certs[0]["subject"]]
    s.close()
    srv.close()


def test_14_wrong_name_and_nobody_there(lab, meeting):
    srv = Server(lab, WithProxy(), port=8059)
    before = meeting.ended("server_refused")
    assert closed(meeting.tls("wrong.contoso.com")) == b""
    assert closed(meeting.tls("nobody.contoso.com")) == b""
    assert meeting.ended("server_refused") == before + 2
    assert srv.certs == []
    srv.close()


def test_sni_of_nobody(meeting):
    before = meeting.ended("sni_unknown")
    assert closed(meeting.tls("www.contoso.com")) == b""
    assert meeting.ended("sni_unknown") == before + 1


def test_server_that_goes_ends_its_client(lab, meeting):
    srv = Server(lab, lambda t: (exactly(t, 16 + 12 + 3 + 17), t.recv(1)))  # closes after the first octet
    s = meeting.tls("plain.contoso.com")
    s.sendall(b"!")
    closed(s)
    s.close()
    srv.close()
    wait_for("no client left", lambda: meeting.ask()["clients"] == 0)


def test_14_proxy_header_before_tls(lab, edged, meeting):
    """The header stands in clear in front of the handshake; a reload is enough to change it."""
    seen = []

    def header(s):
        head = exactly(s, 16)
        seen.append(head + exactly(s, head[14] << 8 | head[15]))

    reload_with(edged, ('"inside_tls"', '"before_tls"'))
    srv = Server(lab, echo, before_tls=header)
    s = meeting.tls("plain.contoso.com")
    s.sendall(b"hello")
    says(s, b"hello")
    assert seen[0][:14] == SIGNATURE + b"\x21\x11" and seen[0].endswith(b"plain.contoso.com")
    s.close()
    srv.close()


def test_sni_ticket(lab, edged, meeting):
    """The ticket is the host name; once, and no other."""
    reload_with(edged, ('"none"', '"sni-ticket"'))
    srv = Server(lab, echo, before_tls=lambda s: exactly(s, 28 + 3 + 32 + len(".webconf.contoso.com")))
    host = meeting.ask("ticket", "add", "server=plain")["host"]
    assert len(host.split(".")[0]) == 32 and host.endswith(".webconf.contoso.com")
    s = meeting.tls(host)
    s.sendall(b"hello")
    says(s, b"hello")
    s.close()
    used, unknown, bad = meeting.ended("ticket_used"), meeting.ended("ticket_unknown"), meeting.ended("sni_unknown")
    assert closed(meeting.tls(host)) == b""
    assert closed(meeting.tls("a" * 32 + ".webconf.contoso.com")) == b""
    assert closed(meeting.tls("www.webconf.contoso.com")) == b""
    assert (meeting.ended("ticket_used"), meeting.ended("ticket_unknown"), meeting.ended("sni_unknown")) == (used + 1, unknown + 1, bad + 1)
    srv.close()
