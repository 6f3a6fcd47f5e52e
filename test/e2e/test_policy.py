# SPDX-License-Identifier: MIT
"""The switches an administrator turns, and what he reads when they say no (edge-reference 13 and 16)."""
import pytest

import sip
from lab import EDGE_OUT, LOAD

CONF = {"access__allow_anonymous_users": True, "access__next_hop_path": False}
ANON = "0123456789abcdef0123456789abcdef"
FOCUS = "sip:carol@contoso.com;gruu;opaque=app:conf:focus:id:5QNY3E0D"


def test_anonymous_joins_a_meeting_only(world):
    c = sip.Client(world.lab, ANON, domain="anonymous.invalid", source=LOAD[1])
    r = c.ask("INVITE", FOCUS, body="v=0\r\n")
    assert world.fe.request("INVITE", r.h("Call-ID")).h("ms-edge-proxy-message-trust").startswith("ms-source-type=InternetUser")
    c.close()
    for method, target in (("INVITE", "sip:carol@contoso.com"), ("MESSAGE", FOCUS), ("REGISTER", "sip:contoso.com")):
        c = sip.Client(world.lab, ANON, domain="anonymous.invalid", source=LOAD[2])
        c.ask(method, target, expect=403)
        c.close()
    c = sip.Client(world.lab, "not-hex", domain="anonymous.invalid", source=LOAD[2])
    c.ask("INVITE", FOCUS, expect=403)
    c.close()


def test_no_path_unless_asked(world):
    c = sip.Client(world.lab, "alice", source=LOAD[3])
    c.register()
    m = world.fe.request("REGISTER", c.reg_call_id)
    assert not m.all("Path") and len(m.all("Record-Route")) == 1 and "path" not in m.h("Supported")
    c.close()


@pytest.mark.parametrize("what", [b"GET / HTTP/1.1\r\nHost: lyncdiscover.contoso.com\r\n\r\n", b"POST /x HTTP/1.0\r\n\r\n"])
def test_http_on_the_sip_port(world, what):
    """Answered with a close that a person can tell from a fault, and a log line that names the host."""
    n = len(world.edged.log())
    s = world.lab.tls_to("load", EDGE_OUT, 443, "sip.contoso.com", source=LOAD[4])
    s.sendall(what)
    got = b""
    try:
        while True:
            d = s.recv(4096)
            if not d:
                break
            got += d
    except OSError:
        pass
    assert got == b"" or got.startswith(b"HTTP/1.1 421"), got
    world.edged.wait_log("http_client_on_sip_port.*", since=n)
    s.close()


def test_partner_port_refuses_what_is_not_configured(world):
    """Federation is off: a partner with a good certificate gets 403, not a fault, and nothing goes inside."""
    n = len(world.fe.seen)
    c = sip.Conn.open(world.lab, "load", EDGE_OUT, 5061, "sip.contoso.com", source=LOAD[5], cert="partner")
    c.send("MESSAGE sip:alice@contoso.com SIP/2.0\nVia: SIP/2.0/TLS sip.fabrikam.com:5061;branch=z9hG4bKp1\nMax-Forwards: 70\n"
           "From: <sip:carol@fabrikam.com>;tag=1\nTo: <sip:alice@contoso.com>\nCall-ID: p1\nCSeq: 1 MESSAGE\nContent-Length: 2\n\nhi")
    r = c.recv()
    assert r.code in (403, 504), r
    assert len(world.fe.seen) == n
    c.close()


@pytest.mark.parametrize("cert", ["bad-expired", "bad-not-yet", "bad-unknown-ca", "bad-self-signed"])
def test_partner_with_a_bad_certificate(world, cert):
    n, seen = len(world.edged.log()), len(world.fe.seen)
    c = None
    try:
        c = sip.Conn.open(world.lab, "load", EDGE_OUT, 5061, "sip.contoso.com", source=LOAD[6], cert=cert)
        c.wait_closed()
    except (OSError, sip.ssl.SSLError):
        pass
    world.edged.wait_log("FED-3006 partner_certificate_", since=n)
    assert len(world.fe.seen) == seen
