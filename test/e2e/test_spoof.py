# SPDX-License-Identifier: MIT
"""Headers that speak for an edge, in spellings of our own: none arrives inside from any class of outsider (access-edge-sip 9.2).

A reader inside may be lenient: it is held against what arrives with blanks and control octets taken out of the name, in
any case. What is refused as malformed is as good as stripped; what arrives must arrive without them.
"""
import re

import pytest

import federation as fed
import sip
from lab import LOAD, PARTNER
from test_routing import from_inside
from test_signed import tag

ANON = "0123456789abcdef0123456789abcdef"
FOCUS = "sip:org@contoso.com;gruu;opaque=app:conf:focus:id:SPOOF"
CONF = dict(fed.CONF, access__allow_anonymous_users=True)
MARK = b"spoofed-4711"
T = b"ms-edge-proxy-message-trust"
V = b"ms-source-type=DirectPartner;ms-ep-fqdn=edge.int.contoso.net;ms-source-verified-user=verified;x=" + MARK
NAMES = [(b"ms-user-logon-data", b"RemoteUser;x=" + MARK), (b"ms-user-data", b"ms-publiccloud=TRUE;ms-federation=TRUE;x=" + MARK),
         (b"ms-application-via", b"SIP;ms-server=fe01;x=" + MARK), (b"ms-split-domain-info", b"ms-traffic-type=SplitIntra;x=" + MARK),
         (b"ms-edge-whatever", MARK), (b"Remote-Party-ID", b"<sip:boss@contoso.com>;x=" + MARK),
         (b"ms-diagnostics", b"1000;reason=\"" + MARK + b"\""), (b"Path", b"<sip:" + MARK + b"@fe01.contoso.net;lr>"),
         (b"Service-Route", b"<sip:" + MARK + b"@fe01.contoso.net;lr>"), (b"P-Asserted-Identity", b"<sip:" + MARK + b"@contoso.com>"),
         (b"WWW-Authenticate", b"NTLM realm=\"" + MARK + b"\""), (b"Authentication-Info", b"NTLM rspauth=\"" + MARK + b"\"")]
FORBIDDEN = {n.lower() for n, _ in NAMES} | {T}
# To a partner these two are closed as well; a client may send the first in part.
PARTNER_ONLY = [(b"P-Preferred-Identity", b"<sip:" + MARK + b"@contoso.com>"), (b"Authorization", b"NTLM response=\"" + MARK + b"\""),
                (b"History-Info", b"<sip:" + MARK + b"@contoso.com>;index=1"), (b"Diversion", b"<sip:" + MARK + b"@contoso.com>")]


def mixed(n):
    return bytes(c ^ 0x20 if i % 3 == 1 and chr(c).isalpha() else c for i, c in enumerate(n))


def spellings(n, v):
    """The header n with value v as lines of one message, in ways that some reader takes for it."""
    yield from (n + b": " + v, n.upper() + b": " + v, n.title() + b":" + v, mixed(n) + b": " + v, n + b" : " + v, n + b"\t: " + v)


def odd(n, v):
    yield from spellings(n, v)
    yield from (n + b"  \t : " + v, n + b":\t" + v, n + b":\r\n " + v, n + b":\r\n\t" + v, n + b":\r\n \r\n " + v, n + b": a\r\n " + v,
                n + b"\r\n : " + v, n + b" \r\n : " + v, n + b": " + v + b"\r\n" + n.upper() + b" : " + v, n + b":" + v + b"\r\n" + n + b": " + v,
                b" " + n + b": " + v, b"\t" + n + b": " + v, b"X: a\n" + n + b": " + v, b"X: a\r" + n + b": " + v, b"X: a\r\r\n" + n + b": " + v,
                b"X: a\n\r" + n + b": " + v, b"X: a\0\r\n" + n + b": " + v, n + b"\0: " + v, b"\0" + n + b": " + v, n + b"\x0b: " + v,
                n + b"\x0c: " + v, n + b"\x08: " + v, n + b"\x7f: " + v, n + b"\xa0: " + v, b"\xef\xbb\xbf" + n + b": " + v,
                n + b"\xe2\x80\x8b: " + v, n + b"\xef\xbc\x9a" + v, n.replace(b"e", b"\xd0\xb5", 1) + b": " + v,
                n.replace(b"-", b"\xe2\x80\x90") + b": " + v, n.replace(b"-", b"_") + b": " + v, n.replace(b"-", b"--", 1) + b": " + v,
                n.replace(b"-", b"%2d") + b": " + v, n + b"%20: " + v, n + b"; " + v, n + b"=" + v, n + b"," + n + b": " + v, b'"' + n + b'": ' + v,
                b"(" + n + b"): " + v, b"<" + n + b">: " + v, n + b":: " + v, b":" + n + b": " + v, n + b" " + v, n,
                b"x-" + n + b": " + v, n + b"s: " + v, b"X: \"a\r\n" + n + b": " + v, b"X: a,\r\n" + n + b": " + v, b"X: a\\\r\n" + n + b": " + v,
                b"Subject: " + n + b": " + v, b"X:\r\n" + n + b": " + v, b"X: a\r\n \r\n" + n + b": " + v, b"X: a\x85" + n + b": " + v,
                b"X: a\xe2\x80\xa8" + n + b": " + v, n + b": =?utf-8?q?" + v + b"?=")


CORPUS = list(odd(T, V))
for name_, value_ in NAMES:
    CORPUS += list((odd if name_ == b"P-Asserted-Identity" else spellings)(name_, value_))


def test_corpus_is_large_enough():
    assert len(set(CORPUS)) >= 80 and len(list(odd(T, V))) >= 60


@pytest.fixture(scope="module", autouse=True)
def names(lab):
    fed.addresses(lab)
    n = fed.Names(lab)
    yield n
    n.stop()


def said(m):
    """Names and values as a lenient reader inside takes them: any line end, folded lines joined to what stands above."""
    head = re.sub(rb"(\r\n|\r|\n)[ \t]+", b" ", m.raw.split(b"\r\n\r\n")[0])
    for line in re.split(rb"[\r\n]+", head)[1:]:
        name, _, value = line.partition(b":")
        yield re.sub(rb"[\x00-\x20\x7f]+", b"", name).lower(), value


def forged(m, forbidden=FORBIDDEN):
    # A look-alike below ms-edge- is taken off with all others; a folded line belongs to its own header.
    return [(n, v) for n, v in said(m) if MARK in v and (n in forbidden or n.startswith(b"ms-edge-"))]


def with_line(raw, line):
    head, rest = raw.split(b"\r\nContent-Length:", 1)
    return head + b"\r\n" + line + b"\r\nContent-Length:" + rest


class Sender:
    """One class of outsider: opens its connection anew when a spelling has cost it the one before."""

    def __init__(self, world, what):
        self.world, self.what, self.c = world, what, None

    def open(self):
        if self.c and self.c.conn.is_open():
            return self.c
        lab = self.world.lab
        if self.what == "remote user":
            self.c = sip.Client(lab, "alice", source=LOAD[0])
            self.c.register()
        elif self.what == "anonymous":
            self.c = sip.Client(lab, ANON, domain="anonymous.invalid", source=LOAD[1])
        else:
            cert, domain, source = {"direct partner": ("partner-northwind", "northwind.example", fed.NORTHWIND),
                                    "partner by SRV": ("partner", "fabrikam.com", PARTNER),
                                    "public provider": ("bad-wrong-name", "cloud.example", fed.CLOUD)}[self.what]
            self.c = fed.Sender(lab, cert=cert, domain=domain, source=source)
        return self.c

    def request(self, line):
        try:
            self.request_once(line)
        except ConnectionResetError:  # the spelling before cost it the connection only now
            self.c.conn.wait_closed()
            self.request_once(line)

    def request_once(self, line):
        c = self.open()
        if self.what == "anonymous":
            raw = c.request("INVITE", FOCUS, to=FOCUS)
        else:
            raw = c.request("MESSAGE", "sip:bob@contoso.com")
        c.conn.send(with_line(raw, line))
        call_id = sip.Msg(raw).h("Call-ID")
        while True:
            r = c.conn.recv()
            if r is None or (r.is_response and r.code >= 200 and r.h("Call-ID") in (call_id, "")):
                break
        if self.what == "anonymous" and r is not None and r.code < 300:
            routes = "".join("Route: %s\r\n" % x for x in reversed(r.all("Record-Route")))
            c.conn.send(c.request("ACK", FOCUS, to=FOCUS, call_id=call_id, cseq=c.cseq, to_tag=tag(r.h("To")), contact=False).replace(
                b"\r\nContent-Length", ("\r\n" + routes).encode()[:-2] + b"\r\nContent-Length", 1))


CLASSES = ["remote user", "anonymous", "direct partner", "partner by SRV", "public provider"]


@pytest.mark.parametrize("what", CLASSES)
def test_requests(world, what):
    s = Sender(world, what)
    corpus = list(CORPUS)
    forbidden = set(FORBIDDEN)
    if what not in ("remote user", "anonymous"):
        for n, v in PARTNER_ONLY:
            corpus += list(spellings(n, v))
            forbidden.add(n.lower())
    # Between two spellings nothing waits in a throttle: these classes are listed or signed in.
    arrived = 0
    for line in corpus:
        s.request(line)
    for m in list(world.fe.seen):
        assert not forged(m, forbidden), (what, m)
        trust = m.all("ms-edge-proxy-message-trust")
        assert m.is_response or len(trust) == 1 or m.method in ("ACK",), m
        arrived += not m.is_response and m.method in ("MESSAGE", "INVITE")
    s.c.close()
    assert arrived >= 60, "only %d of %d arrived: what is stripped was not tried" % (arrived, len(corpus))


def answered(m, line):
    """The answer in question, and a plain one: what is dropped as malformed leaves its transaction to the second."""
    return with_line(sip.reply(m), line) + sip.reply(m, extra="X-Second: 1")


def test_responses(world):
    """The same in answers: of a user to a message from inside, and of a partner's edge."""
    got = []

    def answer_with(line):
        def answer(conn, m):
            if m.is_response or m.method != "MESSAGE":
                return False
            conn.w.write(answered(m, line))
            return True
        return answer
    alice = sip.Client(world.lab, "alice", source=LOAD[0])
    alice.register()
    path = world.fe.request("REGISTER", alice.reg_call_id).all("Record-Route")
    edge = fed.Edge(world.lab, address=fed.NORTHWIND, cert="partner-northwind")
    try:
        for line in CORPUS:
            if not alice.conn.is_open():
                alice = sip.Client(world.lab, "alice", source=LOAD[0])
                alice.register()
                path = world.fe.request("REGISTER", alice.reg_call_id).all("Record-Route")
            alice.conn.on_message = answer_with(line)
            edge.on_request = lambda conn, m, line=line: answered(m, line)
            for m in (from_inside(world.fe, "MESSAGE", alice.contact, path, to=alice.aor, body=b"x"),
                      from_inside(world.fe, "MESSAGE", "sip:nina@northwind.example", to="sip:nina@northwind.example", frm="sip:alice@contoso.com",
                                  body=b"x")):
                r = world.fe.wait(lambda x, m=m: x.is_response and x.h("Call-ID") == m.h("Call-ID") and x.code >= 200)
                assert not forged(r), r
                got.append(r.code == 200 and not r.all("X-Second"))
    finally:
        alice.close()
        edge.close()
    assert got.count(True) >= 120, "only %d of %d answers passed" % (got.count(True), len(got))
