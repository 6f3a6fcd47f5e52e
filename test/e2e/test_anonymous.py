# SPDX-License-Identifier: MIT
"""A guest without account joins a meeting, from the first INVITE to its BYE (access-edge-sip 3.4, [MS-SIPAE] 3.2.4.3, 4.5)."""
import pytest

import sip
from lab import LOAD
from test_routing import from_inside
from test_signed import tag, uri

CONF = {"access__allow_anonymous_users": True, "access__limits__sign_in_ms": 3000}
GUEST = "0123456789abcdef0123456789abcdef"
FOCUS = "sip:org@contoso.com;gruu;opaque=app:conf:focus:id:5QNY3E0D"
CHALLENGE = ('WWW-Authenticate: Digest realm="org@contoso.com", nonce="h8A4ZW22ygGZozIIGgAAAACF4z6ZvF4A", algorithm=MD5-sess, qop="auth"')
ANSWER = ('Authorization: Digest username="%s", realm="org@contoso.com", qop=auth, algorithm=MD5-sess, uri="%s", '
          'nonce="h8A4ZW22ygGZozIIGgAAAACF4z6ZvF4A", nc=00000001, cnonce="9a7f", opaque="", response="6b1f0dcb51cba3e2c3b0d0a2f7a4c913"' % (GUEST, FOCUS))


@pytest.fixture
def guest(world):
    c = sip.Client(world.lab, GUEST, domain="anonymous.invalid", source=LOAD[1])
    yield c
    c.close()


def focus(world):
    """The meeting inside: a challenge, then 200; what it was asked for comes back as list."""
    def on_request(conn, m):
        if m.method == "INVITE" and not m.all("Authorization"):
            return sip.reply(m, 401, "Unauthorized", CHALLENGE, tag="first")
        if m.method == "ACK":
            return False
        return sip.reply(m, 200, "OK", tag="focus", contact="sip:org@contoso.com;gruu;opaque=app:conf:focus:id:5QNY3E0D")
    world.fe.on_request = on_request


def join(world, guest):
    focus(world)
    m = guest.send("INVITE", FOCUS, body="<addUser/>", extra="Content-Type: application/cccp+xml")
    r = guest.conn.expect(401)
    assert r.h("WWW-Authenticate") == CHALLENGE.partition(": ")[2] and not r.all("ms-user-logon-data")
    ack = ("ACK %s SIP/2.0\r\nVia: %s\r\nFrom: %s\r\nTo: %s\r\nCall-ID: %s\r\nCSeq: %d ACK\r\nMax-Forwards: 70\r\nContent-Length: 0\r\n\r\n" % (
        FOCUS, m.h("Via"), m.h("From"), r.h("To"), m.h("Call-ID"), guest.cseq)).encode()
    guest.conn.send(ack)
    guest.send("INVITE", FOCUS, call_id=m.h("Call-ID"), body="<addUser/>", extra="Content-Type: application/cccp+xml\n" + ANSWER)
    ok = guest.conn.expect(200)
    routes = "\n".join("Route: " + x for x in reversed(ok.all("Record-Route")))
    guest.send("ACK", FOCUS, call_id=m.h("Call-ID"), cseq=guest.cseq, to_tag=tag(ok.h("To")), extra=routes)
    world.fe.wait(lambda x: x.start.startswith("ACK") and "tag=focus" in x.h("To"))
    return m, ok, routes


def test_a_guest_joins_and_leaves(world, guest):
    m, ok, routes = join(world, guest)
    first, second = [x for x in world.fe.seen if not x.is_response and x.method == "INVITE"]
    assert second.h("Authorization") == ANSWER.partition(": ")[2], "credentials must pass as they came"
    for x in (first, second):
        assert x.h("ms-edge-proxy-message-trust") == "ms-source-type=InternetUser;ms-ep-fqdn=edge.int.contoso.net;ms-source-verified-user=verified"
        assert GUEST + "@anonymous.invalid" in x.h("From")
    world.fe.request("ACK", m.h("Call-ID"))
    # In the meeting: both ways, then it hangs up.
    guest.send("INFO", FOCUS, call_id=m.h("Call-ID"), to_tag="focus", extra=routes + "\nContent-Type: application/cccp+xml", body="<userState/>")
    guest.conn.expect(200)
    assert world.fe.request("INFO", m.h("Call-ID")).body == b"<userState/>"
    from_inside(world.fe, "INFO", uri(second.h("Contact")), second.all("Record-Route"), to="sip:%s@anonymous.invalid" % GUEST, frm="sip:org@contoso.com",
                call_id=m.h("Call-ID"), from_tag="focus", to_tag=tag(m.h("From")), extra="Content-Type: application/cccp+xml", body=b"<roster/>")
    got = guest.conn.expect("INFO")
    assert got.body == b"<roster/>"
    guest.conn.send(sip.reply(got))
    world.fe.wait(lambda x: x.is_response and x.method == "INFO" and x.code == 200)
    guest.send("BYE", FOCUS, call_id=m.h("Call-ID"), to_tag="focus", extra=routes)
    guest.conn.expect(200)
    assert world.fe.request("BYE", m.h("Call-ID"))


def test_the_answer_to_the_invite_is_the_sign_in(world, guest):
    """Who has joined stays; who was only challenged is closed after access.limits.sign_in_ms."""
    join(world, guest)
    other = sip.Client(world.lab, GUEST, domain="anonymous.invalid", source=LOAD[2])
    other.send("INVITE", FOCUS)
    other.conn.expect(401)
    other.conn.wait_closed()
    assert guest.conn.is_open()
    world.edged.wait_log("too_slow .*waited_for=sign_in")


ELSEWHERE = [("INVITE", "sip:alice@contoso.com", 403), ("INVITE", "sip:carol@fabrikam.com", 403), ("MESSAGE", FOCUS, 403), ("REGISTER", "sip:contoso.com", 403),
             ("SUBSCRIBE", FOCUS, 403), ("SERVICE", FOCUS, 403), ("REFER", FOCUS, 403),
             ("INVITE", FOCUS.replace("focus", "voicemail"), 403), ("INVITE", FOCUS.replace("contoso.com", "fabrikam.com"), 403)]


@pytest.mark.parametrize("joined", [False, True], ids=["before", "after"])
def test_a_guest_gets_nowhere_else(world, guest, joined):
    """Before it has joined and after: joining one meeting opens nothing else."""
    if joined:
        join(world, guest)
    world.fe.seen.clear()
    for method, target, code in ELSEWHERE:
        guest.ask(method, target, expect=code)
    # A dialog that it has not: its Route is not ours, or names another call.
    guest.ask("INFO", FOCUS, to_tag="focus", expect=403, extra="Route: <sip:fe01.contoso.net:5061;transport=tls;lr>")
    assert not [m for m in world.fe.seen if not m.is_response]
