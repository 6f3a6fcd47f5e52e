# SPDX-License-Identifier: MIT
"""sipsak, which speaks TCP, behind a TLS wrapper: a probe and a registration."""
import pytest

import clients
from lab import FE1, Lab


@pytest.fixture(scope="module")
def wrapped(lab):
    k = lab.kamailio(FE1)
    e = lab.edged()
    clients.tls_wrapper(lab, "load")
    yield lab, k
    k.stop()
    assert e.stop() == 0


def test_options(wrapped):
    """Its own OPTIONS speaks as sipsak@address, which is none of ours; so it gets a message to send."""
    lab, _ = wrapped
    with open(lab.path("options.sip"), "w") as f:
        f.write("OPTIONS sip:contoso.com SIP/2.0\nFrom: <sip:carol@contoso.com>;tag=sipsak1\nTo: <sip:contoso.com>\nCall-ID: from-a-file@sipsak\n"
                "CSeq: 7 OPTIONS\nContact: <sip:carol@198.51.100.50:5066>\nMax-Forwards: 70\nContent-Length: 0\n\n")
    argv = ["sipsak", "-vv", "-E", "tcp", "-p", "127.0.0.1:5080", "-s", "sip:contoso.com"]
    status, out = clients.in_ns(lab, "load", argv + ["-f", lab.path("options.sip")])
    assert status == 0 and "200 OK" in out, out
    status, out = clients.in_ns(lab, "load", argv)
    assert status != 0 and "403" in out, out


def test_register_with_digest(wrapped):
    lab, k = wrapped
    status, out = clients.in_ns(lab, "load", ["sipsak", "-v", "-E", "tcp", "-p", "127.0.0.1:5080", "-U", "-x", "60", "-C", "sip:carol@198.51.100.50:5066",
                                              "-a", Lab.USERS["carol"], "-s", "sip:carol@contoso.com"])
    assert status == 0 and "successful" in out, out
    assert "REGISTER" in k.log()


def test_wrong_password_is_refused_inside(wrapped):
    lab, _ = wrapped
    status, out = clients.in_ns(lab, "load", ["sipsak", "-v", "-E", "tcp", "-p", "127.0.0.1:5080", "-U", "-x", "60", "-C", "sip:carol@198.51.100.50:5066",
                                              "-a", "wrong", "-s", "sip:carol@contoso.com"])
    assert status != 0 and "401" in out, out
