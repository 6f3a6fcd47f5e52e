# SPDX-License-Identifier: MIT
"""What the Access Edge does with each message, seen from both ends of the wire (access-edge-sip 3 to 9)."""
import re
import time

import pytest

import sip
from lab import EDGE_IN, FE1, LOAD, WAIT
from test_signed import tag, uri

# A name, not four digits of a branch or a token that happen to spell it.
INSIDE = re.compile(rb"contoso\.net|10\.20\.0\.|10\.30\.0\.|(?<![\w-])fe0[12](?![\w-])", re.I)


def routes_of(m):
    return "\n".join("Route: " + r for r in m.all("Record-Route"))


@pytest.fixture
def alice(world):
    c = sip.Client(world.lab, "alice", source=LOAD[0])
    c.register()
    yield c
    c.close()


@pytest.fixture
def bob(world):
    c = sip.Client(world.lab, "bob", source=LOAD[1])
    c.register()
    yield c
    c.close()


def from_inside(fe, method, target, routes=(), to="sip:alice@contoso.com", extra="", body=b"", call_id=None, frm="sip:bob@contoso.com", cseq=1,
                from_tag=None, to_tag=None, via="10.20.0.11:5061"):
    """A request as the front end would send it, on its first link."""
    raw = ("%s %s SIP/2.0\r\nVia: SIP/2.0/TLS %s;branch=z9hG4bK%s\r\nVia: SIP/2.0/TLS 10.20.0.77:5061;branch=z9hG4bKdeep%s\r\nMax-Forwards: 70\r\n"
           % (method, target, via, sip.token(), sip.token(3)) + "".join("Route: %s\r\n" % r for r in routes)
           + "From: <%s>;tag=%s\r\nTo: <%s>%s\r\nCall-ID: %s\r\nCSeq: %d %s\r\n" % (
               frm, from_tag or "in" + sip.token(4), to, ";tag=" + to_tag if to_tag else "", call_id or sip.token(12), cseq, method)
           + "".join(x + "\r\n" for x in extra.split("\n") if x) + "Content-Length: %d\r\n\r\n" % len(body)).encode() + body
    fe.open_conns()[0].send(raw)
    return sip.Msg(raw)


# -- REGISTER --

def test_register_path_and_marks(world, alice):
    m = world.fe.request("REGISTER", alice.reg_call_id)
    assert m.h("Max-Forwards") == "69"
    assert len(m.all("Via")) == 2 and "branched=FALSE" in m.all("Via")[0] and m.all("Via")[0].startswith("SIP/2.0/TLS %s" % EDGE_IN)
    below = m.all("Via")[1]
    assert "ms-received-port=%d" % alice.port in below and re.search(r"ms-received-cid=[0-9A-F]+00\b", below)
    assert re.search(r"rport=%d" % alice.port, below)
    assert m.h("ms-edge-proxy-message-trust").startswith("ms-source-type=InternetUser;ms-ep-fqdn=edge.int.contoso.net")
    for name in ("Record-Route", "Path"):
        assert re.match(r"<sip:edge\.int\.contoso\.net:5061;transport=tls;opaque=state:F:Ci\.R[0-9a-f]+;lr;ms-route-sig=", m.h(name)), m
    assert "path" in m.h("Supported").lower()


def test_register_answer(world, alice):
    r = alice.register()
    assert r.h("ms-user-logon-data") == "RemoteUser" and not r.all("Record-Route") and not r.all("Path")
    assert len(r.all("Via")) == 1


def test_keep_alive_is_ours(world):
    c = sip.Client(world.lab, "alice", source=LOAD[2])
    r = c.register(extra="Expires: 600\nms-keep-alive: UAC;hop-hop=yes")
    assert "timeout=300" in r.h("ms-keep-alive") and r.h("ms-keep-alive").startswith("UAS")
    assert not world.fe.request("REGISTER", c.reg_call_id).all("ms-keep-alive")
    c.conn.send("\r\n\r\n")
    assert c.conn.silent(0.3) and c.conn.is_open()
    c.close()


def test_contact_replace(world):
    c = sip.Client(world.lab, "alice", source=LOAD[3])
    c.ask("REGISTER", "sip:contoso.com", to=c.aor, call_id=c.reg_call_id, extra="Expires: 600",
          contact='<sip:192.168.1.50:51001;transport=tls;ms-opaque=d3470f2e1d>;methods="INVITE, MESSAGE";proxy=replace')
    got = world.fe.request("REGISTER", c.reg_call_id).h("Contact")
    assert "proxy" not in got and got.startswith("<sip:%s:%d;transport=tls;ms-opaque=d3470f2e1d;ms-received-cid=" % (c.ip, c.port)), got
    c.close()


def test_negotiate_is_refused_here(world, alice):
    r = alice.ask("NEGOTIATE", "sip:203.0.113.10:443", expect=405, extra="Compression: LZ77-8K", max_forwards=0)
    assert "NEGOTIATE" not in r.h("Allow") and "INVITE" in r.h("Allow")
    assert not [m for m in world.fe.seen if m.method == "NEGOTIATE"]


# -- what may pass --

def test_register_first(world):
    c = sip.Client(world.lab, "alice", source=LOAD[4])
    c.message("sip:bob@contoso.com", expect=403)
    assert not [m for m in world.fe.seen if m.method == "MESSAGE"]
    c.register()
    c.message("sip:bob@contoso.com")
    c.close()


def test_foreign_domain_is_refused(world, alice):
    n = len(world.edged.log())
    r = alice.message("sip:bob@contoso.com", expect=403, frm="sip:mallory@evil.example")
    assert "InternalServer" not in repr(r)
    world.edged.wait_log("ACC-2005|domain_not_served", since=n)
    assert not [m for m in world.fe.seen if "evil" in m.h("From")]


def test_second_sip_domain(world):
    c = sip.Client(world.lab, "erin", domain="adatum.com", source=LOAD[5], name="sip.adatum.com")
    c.register()
    c.message("sip:bob@contoso.com")
    c.close()


def test_anonymous_is_off(world):
    c = sip.Client(world.lab, "0123456789abcdef0123456789abcdef", domain="anonymous.invalid", source=LOAD[6])
    c.ask("INVITE", "sip:carol@contoso.com;gruu;opaque=app:conf:focus:id:ABC123", expect=403)
    world.edged.wait_log("ACC-2004|anonymous")
    c.close()


def test_max_forwards(world, alice):
    alice.message("sip:bob@contoso.com", expect=483, max_forwards=0)
    assert not [m for m in world.fe.seen if m.method == "MESSAGE"]


FORGED = ["ms-edge-proxy-message-trust: ms-source-type=DirectPartner;ms-ep-fqdn=x;ms-source-verified-user=verified",
          "ms-user-logon-data: RemoteUser", "ms-user-data: ms-publiccloud=TRUE", "ms-application-via: SIP;ms-server=fe01.contoso.net",
          "ms-split-domain-info: ms-traffic-type=SplitIntra", "ms-diagnostics: 1;reason=\"x\"", "ms-diagnostics-public: 1;reason=\"x\"",
          "Remote-Party-ID: <sip:ceo@contoso.com>", "P-Asserted-Identity: <sip:ceo@contoso.com>", "ms-edge-anything: 1", "Path: <sip:evil.example;lr>",
          "WWW-Authenticate: NTLM realm=\"x\"", "Authentication-Info: NTLM rspauth=\"x\"", "P-Dialog-Recovery-Action: x",
          "ms-asserted-verification-level: ms-source-verified-user=verified"]


@pytest.mark.parametrize("line", FORGED, ids=lambda x: x.partition(":")[0])
def test_forged_header_is_stripped(world, alice, line):
    name, _, value = line.partition(":")
    alice.message("sip:bob@contoso.com", extra=line + "\n" + name.upper() + ":" + value)
    m = world.fe.request("MESSAGE")
    left = [v for v in m.all(name) if "InternetUser" not in v]
    assert not left, left
    assert len(m.all("ms-edge-proxy-message-trust")) == 1


def test_unknown_headers_and_body_pass_untouched(world, alice):
    odd = "X-Odd:  two  blanks , and;stuff=\"q,\\\"\"\nms-client-diagnostics: 51007;reason=\"Callee\"\nSupported: ms-sender\nSupported: timer"
    body = bytes(range(256)) * 4
    raw = alice.request("MESSAGE", "sip:bob@contoso.com", extra=odd + "\nContent-Type: application/octet-stream", body=body)
    alice.conn.send(raw)
    alice.conn.expect(200)
    m = world.fe.request("MESSAGE")
    for ln in odd.split("\n"):
        assert (ln + "\r\n").encode() in m.raw
    assert m.body == body
    sent, came = raw.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:], m.raw.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    kept = [x for x in sent if not x.startswith((b"Via", b"Max-Forwards"))]
    assert [x for x in came if x in kept] == kept, "lines changed their order or bytes"


# -- dialogs and hiding --

def test_dialog_from_outside(world, alice):
    """Example 1 of 6.3: the inside's route set is sealed into one entry, and comes back opened."""
    f1, f2 = "<sip:pool01.contoso.net:5061;transport=tls;ms-fe=fe01.contoso.net;lr>", "<sip:10.20.0.77:5061;transport=tls;lr>"

    def answer(conn, m):
        if m.method == "ACK":
            return False
        extra = "" if m.h("To").count("tag=") else "Record-Route: %s\nRecord-Route: %s" % (f2, f1)
        raw = sip.reply(m, contact="sip:bob@10.20.0.50:5061;transport=tls", record_route=False,
                        extra="\n".join([x for x in extra.split("\n") if x] + ["Record-Route: " + r for r in m.all("Record-Route")])
                        + "\nServer: RTC/6.0 fe01.contoso.net\nms-diagnostics: 1;source=\"fe01.contoso.net\"\nWarning: 399 fe01.contoso.net \"x\"")
        return raw

    world.fe.on_request = answer
    m = alice.send("INVITE", "sip:bob@contoso.com", extra="Content-Type: application/sdp", body="v=0\r\n")
    ok = alice.conn.expect(200)
    head = ok.raw.partition(b"\r\n\r\n")[0]
    assert not INSIDE.search(head), head
    rr = ok.all("Record-Route")
    assert len(rr) == 1 and re.match(r"<sip:sip\.contoso\.com:443;transport=tls;opaque=state:F:Ci\.R[0-9a-f]+;lr;ms-edged=[\w-]+>$", rr[0]), rr
    target = uri(ok.h("Contact"))
    assert re.match(r"sip:c@contoso\.com;transport=tls;ms-edged=[\w-]+$", target), target
    inv = world.fe.request("INVITE", m.h("Call-ID"))
    mine, outer = inv.all("Record-Route")
    assert mine.startswith("<sip:edge.int.contoso.net:5061;transport=tls;opaque=state:T;lr;ms-route-sig=")
    assert outer.startswith("<sip:sip.contoso.com:443;transport=tls;opaque=state:F:Ci.R")

    dlg = dict(to="sip:bob@contoso.com", to_tag=tag(ok.h("To")), call_id=m.h("Call-ID"), extra="Route: " + rr[0])
    alice.send("ACK", target, cseq=alice.cseq, **dlg)
    ack = world.fe.request("ACK", m.h("Call-ID"))
    assert ack.uri == "sip:bob@10.20.0.50:5061;transport=tls" and ack.all("Route") == [f1, f2], ack
    # and from inside, in the dialog
    from_inside(world.fe, "INFO", uri(inv.h("Contact")), inv.all("Record-Route"), call_id=m.h("Call-ID"), from_tag=tag(ok.h("To")), to_tag=alice.tag)
    info = alice.conn.expect("INFO")
    assert len(info.all("Via")) == 1 and not info.all("Route") and not INSIDE.search(info.raw), info
    alice.conn.send(sip.reply(info))
    back = world.fe.wait(lambda x: x.is_response and x.method == "INFO")
    assert len(back.all("Via")) == 2 and "deep" in back.all("Via")[1]
    alice.ask("BYE", target, **dlg)
    assert world.fe.request("BYE", m.h("Call-ID")).all("Route") == [f1, f2]


def test_dialog_to_a_client(world, alice):
    """A call from inside over the REGISTER path; the client answers and later hangs up."""
    reg = world.fe.request("REGISTER", alice.reg_call_id)
    inv = from_inside(world.fe, "INVITE", uri(reg.h("Contact")), [reg.h("Record-Route")], extra=(
        "Record-Route: <sip:pool01.contoso.net:5061;transport=tls;lr>\nContact: <sip:bob@10.20.0.50:5061;transport=tls>\nUser-Agent: fe01.contoso.net"))
    got = alice.conn.expect("INVITE")
    assert not INSIDE.search(got.raw.partition(b"\r\n\r\n")[0]), got
    assert len(got.all("Record-Route")) == 1 and ";ms-edged=" in got.h("Record-Route") and len(got.all("Via")) == 1
    alice.conn.send(sip.reply(got, 180, "Ringing", contact=alice.contact, tag="callee"))
    alice.conn.send(sip.reply(got, 200, "OK", contact=alice.contact, tag="callee"))
    ok = world.fe.wait(lambda x: x.is_response and x.code == 200 and x.h("Call-ID") == inv.h("Call-ID"))
    rr = ok.all("Record-Route")
    assert len(rr) == 3 and rr[2] == "<sip:pool01.contoso.net:5061;transport=tls;lr>" and "edge.int.contoso.net" in rr[1] and "sip.contoso.com" in rr[0], rr
    assert len(ok.all("Via")) == 2
    from_inside(world.fe, "ACK", uri(ok.h("Contact")), list(reversed(rr))[1:], call_id=inv.h("Call-ID"), from_tag=tag(inv.h("From")), to_tag="callee")
    alice.conn.expect("ACK")
    alice.ask("BYE", uri(got.h("Contact")), to="sip:bob@contoso.com", to_tag=tag(inv.h("From")), call_id=inv.h("Call-ID"), tag="callee",
              extra="Route: " + got.h("Record-Route"))
    bye = world.fe.request("BYE", inv.h("Call-ID"))
    assert bye.uri == "sip:bob@10.20.0.50:5061;transport=tls" and bye.all("Route") == ["<sip:pool01.contoso.net:5061;transport=tls;lr>"]


def test_cancel(world, alice):
    world.fe.on_request = lambda conn, m: True if m.method == "INVITE" else None
    m = alice.send("INVITE", "sip:bob@contoso.com", body="v=0\r\n")
    alice.conn.expect(100, skip=())
    inv = world.fe.request("INVITE", m.h("Call-ID"))
    inv.conn.send(sip.reply(inv, 180, "Ringing", tag="callee"))
    alice.conn.expect(180)
    alice.send("CANCEL", "sip:bob@contoso.com", call_id=m.h("Call-ID"), cseq=alice.cseq, via=m.h("Via"))
    alice.conn.expect(200)
    c = world.fe.request("CANCEL", m.h("Call-ID"))
    assert len(c.all("Via")) == 1 and c.h("Via").split(";branch=")[1] == inv.h("Via").split(";branch=")[1]
    inv.conn.send(sip.reply(inv, 487, "Request Terminated", tag="callee"))
    alice.conn.expect(487)
    world.fe.request("ACK", m.h("Call-ID"))
    alice.ask("CANCEL", "sip:bob@contoso.com", expect=481)


KID = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


def own_route(days_ago):
    kid = KID[(int(time.time()) // 86400 - days_ago) % 64]
    return "<sip:sip.contoso.com:443;transport=tls;opaque=state:F:Ci.R100;lr;ms-route-sig=%s%s>" % (kid, "A" * 22)


def test_foreign_route_is_refused(world, alice):
    alice.message("sip:bob@contoso.com", expect=403, extra="Route: <sip:evil.example;lr>")
    # Ours by its looks. The first character names the day of the key (access-edge-sip 6.2): one of long ago is a route set that
    # has expired, today's with a proof that does not hold is forged.
    alice.message("sip:bob@contoso.com", expect=481, to_tag="x", extra="Route: " + own_route(days_ago=30))
    alice.message("sip:bob@contoso.com", expect=403, to_tag="x", extra="Route: " + own_route(days_ago=0))
    assert not [m for m in world.fe.seen if m.method == "MESSAGE"]


def test_redirect_contact_is_hidden(world, alice):
    world.fe.on_request = lambda conn, m: sip.reply(m, 302, "Moved Temporarily", contact="sip:bob@10.20.0.51:5061;transport=tls")
    r = alice.ask("MESSAGE", "sip:bob@contoso.com", expect=302, body="x")
    assert "ms-edged=" in r.h("Contact") and not INSIDE.search(r.raw)
    world.fe.on_request = None
    n = len(world.fe.seen)
    alice.message(uri(r.h("Contact")))
    assert world.fe.request("MESSAGE", since=n).uri == "sip:bob@10.20.0.51:5061;transport=tls"


def test_benotify_has_no_answer(world, alice):
    reg = world.fe.request("REGISTER", alice.reg_call_id)
    from_inside(world.fe, "BENOTIFY", uri(reg.h("Contact")), [reg.h("Record-Route")], extra="Event: presence")
    alice.conn.expect("BENOTIFY")
    n = len(world.fe.seen)
    from_inside(world.fe, "BENOTIFY", "sip:198.51.100.99:5061", ["<sip:edge.int.contoso.net:5061;transport=tls;opaque=state:F:Ci.R7700;lr;ms-route-sig=xAAAAAAAAAAAAAAAAAAAAAA>"])
    with pytest.raises(TimeoutError):
        world.fe.wait(lambda x: x.is_response, 0.5, n)


def test_connection_gone(world):
    c = sip.Client(world.lab, "alice", source=LOAD[7])
    c.register()
    reg = world.fe.request("REGISTER", c.reg_call_id)
    c.close()
    world.edged.wait_log("ACC-2001 closed .*peer=%s:%d " % (c.ip, c.port))
    n = len(world.fe.seen)
    from_inside(world.fe, "MESSAGE", uri(reg.h("Contact")), [reg.h("Record-Route")], body=b"x")
    r = world.fe.wait(lambda x: x.is_response, since=n)
    assert r.code == 481 and "1004" in r.h("ms-diagnostics"), r
    n = len(world.fe.seen)
    from_inside(world.fe, "MESSAGE", uri(reg.h("Contact")), [reg.h("Record-Route")], body=b"x", extra="Supported: Ms-Dialog-Route-Set-Update")
    r = world.fe.wait(lambda x: x.is_response, since=n)
    assert r.code == 430 and "Registration-Route-Set-Update" in r.h("P-Dialog-Recovery-Action"), r


def test_two_users_outside(world, alice, bob):
    """A call between two outside users turns at the front end; both passes of the edge keep apart."""
    paths = {u: world.fe.request("REGISTER", c.reg_call_id) for u, c in (("alice", alice), ("bob", bob))}

    def proxy(conn, m):
        """A front end that proxies: its own Via and Record-Route on top, the target's path as Route."""
        if m.method == "REGISTER":
            return None
        who = re.search(r"sip:(\w+)@", m.h("To") if m.method != "MESSAGE" else m.uri).group(1)
        reg = paths[who]
        head, _, body = m.raw.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        lines[0] = ("%s %s SIP/2.0" % (m.method, uri(reg.h("Contact")))).encode()
        lines[1:1] = [b"Via: SIP/2.0/TLS 10.20.0.11:5061;branch=z9hG4bKproxy" + sip.token().encode(), b"Route: " + reg.h("Record-Route").encode()]
        conn.w.write(b"\r\n".join(x for x in lines if not x.lower().startswith(b"ms-edge")) + b"\r\n\r\n" + body)
        return True

    world.fe.on_request = proxy
    m = alice.send("MESSAGE", "sip:bob@contoso.com", body="over the front end")
    got = bob.conn.expect("MESSAGE")
    assert len(got.all("Via")) == 1 and got.body == b"over the front end" and not INSIDE.search(got.raw.partition(b"\r\n\r\n")[0])
    bob.conn.send(sip.reply(got))
    r = world.fe.wait(lambda x: x.is_response and x.h("Call-ID") == m.h("Call-ID"))
    assert len(r.all("Via")) == 3
    lines = r.raw.split(b"\r\n")
    top = next(i for i, ln in enumerate(lines) if ln.lower().startswith(b"via:"))
    del lines[top]  # what a proxy does with its own Via
    r.conn.send(b"\r\n".join(lines))
    ok = alice.conn.expect(200)
    assert len(ok.all("Via")) == 1


# -- workers --

def test_requests_from_inside_find_the_worker(world):
    """Twelve clients or more, of both workers; each is reached over the one link the front end picks."""
    cs, slots = [], set()
    while len(cs) < 12 or len(slots) < 2:  # chance decides who comes to which worker
        c = sip.Client(world.lab, "user%d" % len(cs), source=LOAD[len(cs)])
        cs.append(c)
        c.register()
        c.reg = world.fe.request("REGISTER", c.reg_call_id)
        slots.add(int(re.search(r"Ci\.R([0-9a-f]+)", c.reg.h("Record-Route")).group(1), 16) >> 48)
    for c in cs:
        reg = c.reg
        from_inside(world.fe, "MESSAGE", uri(reg.h("Contact")), [reg.h("Record-Route")], to=c.aor, body=b"for " + c.user.encode())
        got = c.conn.expect("MESSAGE")
        assert got.body == b"for " + c.user.encode()
        n = len(world.fe.seen)
        c.conn.send(sip.reply(got))
        r = world.fe.wait(lambda x: x.is_response and x.method == "MESSAGE" and x.code == 200 and x.h("Call-ID") == got.h("Call-ID"))
        assert len(r.all("Via")) == 2, (n, r)
    for c in cs:
        c.close()


def test_front_end_opens_its_own_connection(world, alice):
    """Inside may also dial us: mutual TLS to the internal port."""
    reg = world.fe.request("REGISTER", alice.reg_call_id)
    own = open_inside(world.lab)
    raw = ("MESSAGE %s SIP/2.0\r\nVia: SIP/2.0/TLS 10.20.0.11:5061;branch=z9hG4bK%s\r\nMax-Forwards: 70\r\nRoute: %s\r\nFrom: <sip:bob@contoso.com>;tag=1\r\n"
           "To: <sip:alice@contoso.com>\r\nCall-ID: %s\r\nCSeq: 1 MESSAGE\r\nContent-Length: 2\r\n\r\nhi" % (
               uri(reg.h("Contact")), sip.token(), reg.h("Record-Route"), sip.token(12)))
    own.send(raw)
    got = alice.conn.expect("MESSAGE")
    alice.conn.send(sip.reply(got))
    assert len(own.expect(200).all("Via")) == 1
    own.close()


def open_inside(lab, cert="fe01"):
    """A front end's connection to the internal port. The certificate there has a CN only, which Python no longer reads."""
    return sip.Conn.open(lab, "inside", EDGE_IN, 5061, None, source=FE1, ca="internal-ca.pem", cert=cert)


@pytest.mark.parametrize("cert", [None, "stranger", "bad-fe-expired", "bad-fe-wrong-name", "bad-fe-unknown-ca", "external"])
def test_internal_port_wants_a_trusted_server(world, cert):
    c = None
    try:
        c = open_inside(world.lab, cert)
        c.send("OPTIONS sip:contoso.com SIP/2.0\nVia: SIP/2.0/TLS 10.20.0.11:5061;branch=z9hG4bKx\nMax-Forwards: 0\nFrom: <sip:a@contoso.com>;tag=1\n"
               "To: <sip:a@contoso.com>\nCall-ID: x\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n")
        c.wait_closed()
        assert c.inbox.get(timeout=WAIT) is None, "it was answered"
    except (OSError, TimeoutError) as e:
        assert not isinstance(e, TimeoutError), "connection stays open"


def test_cn_only_front_end_is_trusted_inside(world):
    c = open_inside(world.lab, "fe-cn-only")
    c.send("OPTIONS sip:edge.int.contoso.net SIP/2.0\nVia: SIP/2.0/TLS 10.20.0.11:5061;branch=z9hG4bKcn\nMax-Forwards: 0\nFrom: <sip:a@contoso.com>;tag=1\n"
           "To: <sip:a@contoso.com>\nCall-ID: cn\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n")
    assert c.recv().is_response
    c.close()
