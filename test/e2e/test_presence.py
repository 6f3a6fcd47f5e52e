# SPDX-License-Identifier: MIT
"""A remote user sees presence: SUBSCRIBE and PUBLISH through the edge to Kamailio's presence server, NOTIFY back."""
import hashlib
import re

import pytest

import sip
from lab import FE1, LOAD, WAIT, Lab

PIDF = ('<?xml version="1.0" encoding="UTF-8"?><presence xmlns="urn:ietf:params:xml:ns:pidf" entity="sip:%s@contoso.com">'
        '<tuple id="t1"><status><basic>open</basic></status><note>%s</note></tuple></presence>')


class User(sip.Client):
    """Answers a digest challenge as RFC 2617 says."""

    def with_digest(self, method, uri, **kw):
        call_id = kw.pop("call_id", sip.token(12))
        extra = kw.pop("extra", "")
        self.send(method, uri, call_id=call_id, extra=extra, **kw)
        r = self.final(call_id)
        assert r.code in (401, 407), r
        ch = r.h("WWW-Authenticate") or r.h("Proxy-Authenticate")
        f = dict(re.findall(r'(\w+)="?([^",]+)', ch))

        def md5(*a):
            return hashlib.md5(":".join(a).encode()).hexdigest()
        resp = md5(md5(self.user, f["realm"], Lab.USERS[self.user]), f["nonce"], "00000001", "c1", "auth", md5(method, uri))
        cred = '%s: Digest username="%s", realm="%s", nonce="%s", uri="%s", qop=auth, nc=00000001, cnonce="c1", response="%s"' % (
            "Authorization" if r.code == 401 else "Proxy-Authorization", self.user, f["realm"], f["nonce"], uri, resp)
        self.send(method, uri, call_id=call_id, extra=extra + ("\n" if extra else "") + cred, **kw)
        return self.final(call_id)

    def final(self, call_id):
        while True:
            m = self.conn.recv()
            if m.is_response and m.code >= 200 and m.h("Call-ID") == call_id:
                return m
            if not m.is_response:
                self.requests.append(m)

    def notify(self, timeout=WAIT):
        m = self.requests.pop(0) if self.requests else self.conn.expect("NOTIFY", timeout)
        self.conn.send(sip.reply(m))
        return m

    def __init__(self, *a, **kw):
        super().__init__(*a, **kw)
        self.requests = []


@pytest.fixture(scope="module")
def two(lab):
    k = lab.kamailio(FE1)
    e = lab.edged()
    users = [User(lab, "alice", source=LOAD[0]), User(lab, "bob", source=LOAD[1])]
    for u in users:
        assert u.with_digest("REGISTER", "sip:contoso.com", to=u.aor, extra="Expires: 600").code == 200
    yield users
    for u in users:
        u.close()
    k.stop()
    assert e.stop() == 0


def test_presence(two):
    alice, bob = two
    r = alice.with_digest("SUBSCRIBE", "sip:bob@contoso.com", extra="Event: presence\nExpires: 600\nAccept: application/pidf+xml")
    assert r.code in (200, 202), r
    first = alice.notify()
    assert first.h("Event") == "presence" and "active" in first.h("Subscription-State"), first
    assert not re.search(rb"10\.20\.|10\.30\.|contoso\.net", first.raw.partition(b"\r\n\r\n")[0]), first
    r = bob.with_digest("PUBLISH", "sip:bob@contoso.com", contact=False, body=PIDF % ("bob", "at lunch"),
                        extra="Event: presence\nExpires: 600\nContent-Type: application/pidf+xml")
    assert r.code == 200 and r.h("SIP-ETag"), r
    news = alice.notify()
    assert b"at lunch" in news.body and b"open" in news.body, news
