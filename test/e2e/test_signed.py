# SPDX-License-Identifier: MIT
"""A signed-in dialog in NTLM style: what the signatures cover must cross the edge byte for byte.

Client and front end sign as access-edge-sip 7.2 says (version 4), with a MAC of a shared key in place of the NTLM one;
each end verifies what it got before it believes it.
"""
import hashlib
import hmac
import re

import pytest

import sip
from lab import LOAD

KEY = b"session key of the security association"


def par(value, name):
    m = re.search(r'\b%s=(?:"([^"]*)"|([^,\s]*))' % name, value)
    return (m.group(1) if m.group(1) is not None else m.group(2)) if m else ""


def uri(value):
    m = re.search(r"<([^>]*)>", value)
    return m.group(1) if m else value.split(";")[0].strip()


def tag(value):
    m = re.search(r";\s*tag=([^;\s]+)", value.rpartition(">")[2])
    return m.group(1) if m else ""


def signed_string(m, auth):
    """The sixteen fields of 7.2, version 4."""
    ident = m.all("P-Asserted-Identity") or m.all("P-Preferred-Identity")
    sips = [uri(v) for v in ident if "sip:" in v]
    tels = [uri(v) for v in ident if "tel:" in v]
    num, method = m.h("CSeq").split()
    client = "crand=" in auth
    fields = [auth.split(" ")[0], par(auth, "crand" if client else "srand"), par(auth, "cnum" if client else "snum"), par(auth, "realm"),
              par(auth, "targetname"), m.h("Call-ID"), num, method, uri(m.h("From")), tag(m.h("From")), uri(m.h("To")), tag(m.h("To")),
              sips[0] if sips else "", tels[0] if tels else "", m.h("Expires"), str(m.code) if m.is_response else ""]
    return "".join("<%s>" % f for f in fields).encode()


def sign(m, auth):
    return "0100000000000000" + hmac.new(KEY, signed_string(m, auth), hashlib.md5).hexdigest()


def header_of(m):
    return (m.h("Authorization") or m.h("Proxy-Authorization")) if not m.is_response and not m.h("Authentication-Info") else m.h("Authentication-Info")


def verify(m):
    a = header_of(m)
    return hmac.compare_digest(par(a, "rspauth") or par(a, "response"), sign(m, a))


REALM = 'realm="SIP Communications Service", targetname="fe01.contoso.net"'


def stamped(raw, line_without_sig, field):
    """raw with the authentication line added, signed over the message it stands in."""
    head, _, body = raw.partition(b"\r\n\r\n")
    s = sign(sip.Msg(raw), line_without_sig.partition(": ")[2])
    return head + ("\r\n%s, %s=\"%s\"" % (line_without_sig, field, s)).encode() + b"\r\n\r\n" + body


class SignedClient(sip.Client):
    num = 0

    def signed(self, *a, **kw):
        self.num += 1
        raw = self.request(*a, **kw)
        out = stamped(raw, 'Authorization: NTLM qop="auth", opaque="8C2A01F7", %s, crand="1b6d47a1", cnum="%d"' % (REALM, self.num), "response")
        self.conn.send(out)
        return sip.Msg(out)


class SigningFrontEnd:
    """Handshake on the first REGISTERs, then only believes what is signed, and signs all it says."""

    def __init__(self):
        self.bad, self.snum, self.step = [], 0, {}

    def sign(self, raw):
        self.snum += 1
        return stamped(raw, 'Authentication-Info: NTLM qop="auth", opaque="8C2A01F7", srand="2E7A11B0", snum="%d", %s, version=4' % (self.snum, REALM), "rspauth")

    def __call__(self, conn, m):
        if m.method == "REGISTER" and "response=" not in m.h("Authorization"):
            n = self.step[m.h("Call-ID")] = self.step.get(m.h("Call-ID"), 0) + 1
            how = 'NTLM %s, version=4' % REALM if n == 1 else 'NTLM opaque="8C2A01F7", gssapi-data="TlRMTVNTUAACAAAA", %s, version=4' % REALM
            return sip.reply(m, 401, "Unauthorized", "Date: Wed, 01 Jan 2025 09:00:00 GMT\nWWW-Authenticate: " + how)
        if not verify(m):
            self.bad.append(m)
            return sip.reply(m, 403, "Bad signature")
        if m.method == "ACK":
            return False
        if m.method == "REGISTER":
            return self.sign(sip.reply(m, 200, "OK", "Contact: %s;expires=600\nExpires: 600\nAllow-Events: presence\nServer: RTC/6.0" % m.h("Contact")))
        extra = 'P-Asserted-Identity: "Bob" <sip:bob@contoso.com>,<tel:+14255550100>' if m.method == "INVITE" else ""
        return self.sign(sip.reply(m, 200, "OK", extra, contact="sip:bob@contoso.com;opaque=user:epid:Qf0c2w0lY1yPq8rAAyJb1wAA;gruu"))


@pytest.fixture
def signed_in(world):
    front = SigningFrontEnd()
    world.fe.on_request = front
    c = SignedClient(world.lab, "alice", source=LOAD[0])
    c.register(expect=401)
    c.register(expect=401, extra='Expires: 600\nAuthorization: NTLM qop="auth", %s, gssapi-data="", version=4' % REALM)
    c.signed("REGISTER", "sip:contoso.com", to=c.aor, call_id=c.reg_call_id, extra="Expires: 600")
    ok = c.conn.expect(200)
    yield world, front, c, ok
    c.close()
    world.fe.on_request = None


def test_sign_in_is_verified_by_both_ends(signed_in):
    world, front, c, ok = signed_in
    assert verify(ok), "the 200 to REGISTER does not verify at the client: %r" % ok
    assert not front.bad
    assert ok.h("Expires") == "600" and ok.h("ms-user-logon-data") == "RemoteUser"


def test_dialog_in_both_directions(signed_in):
    world, front, c, _ = signed_in
    m = c.signed("INVITE", "sip:bob@contoso.com", body="v=0\r\n", extra="Content-Type: application/sdp\nP-Preferred-Identity: <sip:alice@contoso.com>, <tel:+14255550199>")
    ok = c.conn.expect(200)
    assert verify(ok) and ok.all("P-Asserted-Identity")
    seen = world.fe.request("INVITE", m.h("Call-ID"))
    assert signed_string(seen, header_of(seen)) == signed_string(m, header_of(m))
    routes = "\n".join("Route: " + r for r in reversed(ok.all("Record-Route")))
    dlg = dict(to="sip:bob@contoso.com", to_tag=tag(ok.h("To")), call_id=m.h("Call-ID"))
    c.signed("ACK", uri(ok.h("Contact")), cseq=int(m.h("CSeq").split()[0]), extra=routes, **dlg)
    world.fe.request("ACK", m.h("Call-ID"))
    for i in range(5):
        c.signed("MESSAGE", uri(ok.h("Contact")), extra=routes + "\nContent-Type: text/plain", body="signed %d" % i, **dlg)
        r = c.conn.expect(200)
        assert verify(r)
    # The front end speaks in the dialog, signed; the client verifies.
    inv = world.fe.request("INVITE", m.h("Call-ID"))
    raw = ("MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/TLS 10.20.0.11:5061;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\n" % (uri(inv.h("Contact")), sip.token())
           + "".join("Route: %s\r\n" % r for r in inv.all("Record-Route"))
           + "From: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: 1 MESSAGE\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nthere"
           % (ok.h("To"), inv.h("From"), m.h("Call-ID"))).encode()
    world.fe.open_conns()[0].send(front.sign(raw))
    got = c.conn.expect("MESSAGE")
    assert verify(got) and got.body == b"there"
    c.conn.send(sip.reply(got))
    world.fe.wait(lambda x: x.is_response and x.method == "MESSAGE")
    c.signed("BYE", uri(ok.h("Contact")), extra=routes, **dlg)
    assert verify(c.conn.expect(200))
    assert not front.bad


@pytest.mark.parametrize("what", ["Call-ID", "CSeq", "From", "To", "P-Preferred-Identity", "Expires"])
def test_one_changed_byte_is_noticed(signed_in, what):
    """The check of the checks: were the edge to change a byte of a signed field, the tests above would fail."""
    _, _, c, _ = signed_in
    raw = stamped(c.request("SUBSCRIBE", "sip:bob@contoso.com", extra="Expires: 600\nP-Preferred-Identity: <sip:alice@contoso.com>"),
                  'Authorization: NTLM qop="auth", opaque="8C2A01F7", %s, crand="1b6d47a1", cnum="9"' % REALM, "response")
    assert verify(sip.Msg(raw))
    at = raw.index(b"\r\n" + what.encode() + b": ")
    at = raw.index({"CSeq": b" SUBSCRIBE", "Expires": b"00", "Call-ID": b"\r\n"}.get(what, b"@"), at + 3) - 1
    changed = bytearray(raw)
    changed[at] ^= 1
    assert not verify(sip.Msg(bytes(changed)))
