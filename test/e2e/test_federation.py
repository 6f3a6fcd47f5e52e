# SPDX-License-Identifier: MIT
"""Partners over 5061, seen from both ends of the wire (access-edge-sip 3.2, 9.2, 11; edge-reference 7).

dnsmasq says who is who; the partners' edges are scripted and show what Kamailio (test_federation_kamailio.py) would hide.
"""
import json
import re

import pytest

import federation as fed
import sip
from lab import LOAD, PARTNER, WAIT, wait_for
from test_routing import from_inside
from test_signed import tag, uri

CONF = fed.CONF
ALICE = "sip:alice@contoso.com"


@pytest.fixture(scope="module", autouse=True)
def names(lab):
    fed.addresses(lab)
    n = fed.Names(lab)
    yield n
    n.stop()


@pytest.fixture
def sender(world):
    """Somebody of a partner: sender(cert="partner-northwind", domain=...)."""
    made = []

    def make(**kw):
        made.append(fed.Sender(world.lab, **kw))
        return made[-1]
    yield make
    for s in made:
        s.close()


@pytest.fixture
def partner(world):
    made = []

    def make(**kw):
        made.append(fed.Edge(world.lab, **kw))
        return made[-1]
    yield make
    for p in made:
        p.close()
    # What is tried again after a pause does not meet the next test.
    sip.time.sleep(0.1)


def answer_inside(fe, m, timeout=WAIT):
    return fe.wait(lambda x: x.is_response and x.h("Call-ID") == m.h("Call-ID") and x.code >= 200, timeout)


def ask_from_inside(fe, target, expect, method="MESSAGE", timeout=WAIT, **kw):
    m = from_inside(fe, method, target, to=target, frm=ALICE, **kw)
    r = answer_inside(fe, m, timeout)
    assert r.code == expect, r
    return r


# -- kinds of partners --

KINDS = [
    ("allowed by name", "partner-northwind", "northwind.example", fed.NORTHWIND, "DirectPartner", "verified", "federation"),
    ("allowed, by SRV", "partner", "fabrikam.com", PARTNER, "AutoFederation", "unverified", "federation"),
    ("discovered", "bad-wrong-name", "example.org", fed.CLOUD, "AutoFederation", "unverified", "federation"),
    ("public provider", "bad-wrong-name", "cloud.example", fed.CLOUD, "AuthorizedServer", "verified", "publiccloud;ms-remote-fqdn=sip.example.org"),
]


@pytest.mark.parametrize("what,cert,domain,address,kind,verified,network", KINDS, ids=[k[0] for k in KINDS])
def test_kinds(world, sender, what, cert, domain, address, kind, verified, network):
    s = sender(cert=cert, domain=domain, source=address)
    m = s.send("MESSAGE", ALICE, body="x", extra="ms-edge-proxy-message-trust: ms-source-type=InternetUser\nms-user-logon-data: RemoteUser\n"
               "ms-edge-anything: 1\nP-Asserted-Identity: <sip:%s@%s>\nAuthorization: Digest username=\"x\"" % (s.user, domain))
    s.conn.expect(200)
    got = world.fe.request("MESSAGE", m.h("Call-ID"))
    assert got.all("ms-edge-proxy-message-trust") == [
        "ms-source-type=%s;ms-ep-fqdn=edge.int.contoso.net;ms-source-verified-user=%s;ms-source-network=%s" % (kind, verified, network)]
    assert not [n for n, _ in got.lines if n.lower() in ("ms-user-logon-data", "ms-edge-anything", "authorization")]


def test_source_verification_is_believed_where_asked_for(world, sender):
    """use_source takes the partner's word; always_verifiable does not need it and does not pass it on."""
    for cert, domain, address, passes in (("partner", "fabrikam.com", PARTNER, True), ("partner-northwind", "northwind.example", fed.NORTHWIND, False)):
        s = sender(cert=cert, domain=domain, source=address)
        m = s.send("MESSAGE", ALICE, body="x", extra="ms-asserted-verification-level: ms-source-verified-user=verified")
        s.conn.expect(200)
        got = world.fe.request("MESSAGE", m.h("Call-ID"))
        assert "ms-source-verified-user=verified" in got.h("ms-edge-proxy-message-trust")
        assert bool(got.all("ms-asserted-verification-level")) == passes


# -- users of our own domain at a provider (access-edge-sip 3.5) --

SPLIT = "ms-split-domain-info: ms-traffic-type=SplitIntra"


def test_split_domain_inward(world, sender):
    """The provider that shares our address space speaks for our domain, and its header passes; nobody else's does."""
    s = sender(cert="partner-hosted", domain="contoso.com", user="dave", source=fed.HOSTED)
    m = s.send("MESSAGE", ALICE, body="x", extra=SPLIT)
    s.conn.expect(200)
    got = world.fe.request("MESSAGE", m.h("Call-ID"))
    assert got.h("ms-split-domain-info") == "ms-traffic-type=SplitIntra"
    assert got.h("ms-edge-proxy-message-trust").startswith("ms-source-type=AuthorizedServer;")
    for cert, domain, address in (("partner", "fabrikam.com", PARTNER), ("partner-northwind", "northwind.example", fed.NORTHWIND),
                                  ("bad-wrong-name", "cloud.example", fed.CLOUD), ("bad-wrong-name", "example.org", fed.CLOUD)):
        s = sender(cert=cert, domain=domain, source=address)
        m = s.send("MESSAGE", ALICE, body="x", extra=SPLIT)
        s.conn.expect(200)
        assert not world.fe.request("MESSAGE", m.h("Call-ID")).all("ms-split-domain-info")
    sender(cert="bad-wrong-name", domain="contoso.com", source=fed.CLOUD).ask("MESSAGE", ALICE, expect=403, body="x", extra=SPLIT)


def test_split_domain_outward(world, partner):
    """Our own domain leaves only where the inside orders it, and only to that provider; its header goes along and comes back."""
    p = partner(address=fed.HOSTED, cert="partner-hosted", on_request=lambda c, m: sip.reply(m, extra=SPLIT + "\nms-user-data: x"))
    route = ["<sip:sipfed.hosted.example;transport=tls;lr>;ms-edge-route"]
    m = from_inside(world.fe, "MESSAGE", "sip:dave@contoso.com", route, to="sip:dave@contoso.com", frm=ALICE, body=b"x", extra=SPLIT)
    r = answer_inside(world.fe, m)
    assert r.code == 200 and r.h("ms-split-domain-info") == "ms-traffic-type=SplitIntra" and not r.all("ms-user-data")
    assert p.request("MESSAGE").h("ms-split-domain-info") == "ms-traffic-type=SplitIntra"
    ask_from_inside(world.fe, "sip:dave@contoso.com", 404, body=b"x")
    other = ["<sip:sip.northwind.example;transport=tls;lr>;ms-edge-route"]
    m = from_inside(world.fe, "MESSAGE", "sip:dave@contoso.com", other, to="sip:dave@contoso.com", frm=ALICE, body=b"x")
    assert answer_inside(world.fe, m).code == 404


# -- who gets nothing through --

REFUSED = [
    ("another's domain", dict(cert="partner-northwind", domain="fabrikam.com", source=fed.NORTHWIND), {}, 504, "FED-3007 sender_domain_mismatch", "3.2-6"),
    ("listed for another host", dict(cert="partner", domain="northwind.example"), {}, 403, "FED-3006 certificate_mismatch", "3.2-4"),
    ("wrong SRV target", dict(cert="partner", domain="victim.example"), {}, 504, "FED-3007 sender_domain_mismatch", "3.2-6"),
    ("SRV outside the domain", dict(cert="partner-northwind", domain="outside.example", source=fed.NORTHWIND), {}, 504,
     "FED-3005 srv_outside_domain", "3.2-6"),
    ("no SRV", dict(domain="nosuch.example"), {}, 504, "FED-3005 no_srv_record", "3.2-6"),
    ("our own domain", dict(domain="contoso.com"), {}, 403, "FED-3007 sender_domain_mismatch", "3.2-1"),
    ("blocked", dict(domain="mail.evil.example"), {}, 403, "FED-3004 partner_blocked", "3.2-2"),
    ("relaying", dict(), {"uri": "sip:x@northwind.example"}, 403, "ACC-2005 domain_not_served", "3.2-7"),
    ("another's identity", dict(), {"extra": "P-Asserted-Identity: <sip:boss@northwind.example>"}, 403, "FED-3006 certificate_mismatch", "3.2-4"),
    ("REGISTER", dict(), {"method": "REGISTER"}, 403, "request_refused", "3.3"),
    ("PUBLISH", dict(), {"method": "PUBLISH"}, 403, "request_refused", "3.3"),
    ("SERVICE", dict(), {"method": "SERVICE"}, 403, "request_refused", "3.3"),
]


@pytest.mark.parametrize("what,who,request_,code,event,rule", REFUSED, ids=[r[0] for r in REFUSED])
def test_refused(world, sender, what, who, request_, code, event, rule):
    s = sender(**who)
    n = len(world.edged.log())
    kw = dict(request_)
    r = s.ask(kw.pop("method", "MESSAGE"), kw.pop("uri", ALICE), expect=code, body="x", **kw)
    assert not r.all("ms-diagnostics") and "source=" not in r.h("ms-diagnostics-public")
    if rule == "3.3":
        assert "1027" in r.h("ms-diagnostics-public")
    line = world.edged.wait_log("%s .*rule=%s .*" % (event, rule), since=n).group(0)
    assert "certificate=" in line
    assert not [m for m in world.fe.seen if not m.is_response]


def test_a_dialog_belongs_to_its_partner(world, sender):
    """Route, Contact token, tags and Call-ID of somebody else's call are of no use on another connection, whatever From says."""
    carol = sender()
    m = carol.send("INVITE", ALICE, body="v=0\r\n", extra="Content-Type: application/sdp")
    ok = carol.conn.expect(200)
    routes = "\n".join("Route: " + x for x in reversed(ok.all("Record-Route")))
    kw = dict(to=ALICE, call_id=m.h("Call-ID"), to_tag=tag(ok.h("To")), tag=carol.tag)
    carol.send("ACK", uri(ok.h("Contact")), extra=routes, cseq=carol.cseq, **kw)
    world.fe.request("ACK", m.h("Call-ID"))
    n = len(world.fe.seen)
    thief = sender(cert="partner-northwind", domain="northwind.example", source=fed.NORTHWIND, user="nina")
    users = [sip.Client(world.lab, "bob", source=LOAD[3]) for _ in range(2)]  # five foreign Routes, and a client is shown out
    for u in users:
        u.register()
    for who, frm, codes in ((thief, None, (403, 504)), (thief, carol.aor, (403, 504)), (users[0], None, (403,)), (users[1], carol.aor, (403,))):
        for method, extra in (("BYE", routes), ("INFO", routes), ("REFER", routes + "\nRefer-To: <sip:x@northwind.example>")):
            x = who.request(method, uri(ok.h("Contact")), extra=extra, frm=frm, **kw)
            who.conn.send(x)
            while True:
                r = who.conn.recv()
                if r.code >= 200 and r.h("CSeq") == sip.Msg(x).h("CSeq"):
                    break
            assert r.code in codes, (frm, method, r)
    # Without Route it is no dialog of ours, and an own one is not for sale: the token of another call in this one's Route set.
    carol.ask("BYE", uri(ok.h("Contact")), expect=481, **kw)
    carol.ask("BYE", uri(ok.h("Contact")), expect=504, extra=routes, **dict(kw, call_id="another-" + sip.token()))
    assert not [x for x in world.fe.seen[n:] if not x.is_response and x.method != "REGISTER"]
    carol.ask("BYE", uri(ok.h("Contact")), extra=routes, **kw)
    for u in users:
        u.close()


def test_unproven_identities_never_pass(world, sender):
    s = sender()
    m = s.send("MESSAGE", ALICE, body="x", extra="P-Asserted-Identity: <sip:carol@fabrikam.com>\nP-Preferred-Identity: <sip:root@contoso.com>\n"
               "Remote-Party-ID: <sip:root@contoso.com>")
    s.conn.expect(200)
    got = world.fe.request("MESSAGE", m.h("Call-ID"))
    assert not got.all("P-Preferred-Identity") and not got.all("Remote-Party-ID")
    s.ask("MESSAGE", ALICE, expect=403, body="x", extra="P-Asserted-Identity: <sip:alice@contoso.com>")


# -- outward --

def test_outward_to_a_configured_proxy_and_provider(world, partner):
    for address, cert, who in ((fed.NORTHWIND, "partner-northwind", "sip:nina@northwind.example"), (fed.CLOUD, "bad-wrong-name", "sip:x@cloud.example")):
        p = partner(address=address, cert=cert)
        ask_from_inside(world.fe, who, 200, body=b"x")
        got = p.request("MESSAGE")
        assert got.h("Via").startswith("SIP/2.0/TLS sip.contoso.com:5061") and len(got.all("Via")) == 1
        assert got.conn.cert["subjectAltName"][0] == ("DNS", "sip.contoso.com")
        assert not [n for n, _ in got.lines if n.lower().startswith("ms-edge")]


def test_identities_in_a_partners_answer(world, partner):
    """A partner's answer may say who answered, of the domain that was asked; nobody else's name comes in that way."""
    said = "P-Asserted-Identity: <sip:%s>\nP-Preferred-Identity: <sip:boss@contoso.com>\nRemote-Party-ID: <sip:boss@contoso.com>"
    p = partner(address=fed.NORTHWIND, cert="partner-northwind")
    for who, passes in (("nina@northwind.example", True), ("NINA@Northwind.Example", True), ("boss@contoso.com", False), ("carol@fabrikam.com", False),
                        ("nina@northwind.example>, <sip:boss@contoso.com", False), ("nina@northwind.example>\nP-Asserted-Identity: <sip:x@contoso.com", False),
                        ("@", False), ("nina@northwind.example>, <tel:+1", True)):
        p.on_request = lambda c, m, who=who: sip.reply(m, extra=said % who)
        r = ask_from_inside(world.fe, "sip:nina@northwind.example", 200, body=b"x")
        assert bool(r.all("P-Asserted-Identity")) == passes, who
        assert not r.all("P-Preferred-Identity") and not r.all("Remote-Party-ID")


def test_a_partner_that_refuses_us(world, partner):
    """FED-3002: whoever asks why messages to a partner fail finds its status and its reason; a user who is not there is no refusal."""
    p = partner(address=fed.NORTHWIND, cert="partner-northwind")
    for code, extra, said in ((403, 'ms-diagnostics-public: 1003;reason="User does not exist"', '1003;reason='), (404, "", None), (486, "", None),
                              (504, "", 'diagnostic=""')):
        p.on_request = lambda c, m, code=code, extra=extra: sip.reply(m, code, "No", extra=extra)
        n = len(world.edged.log())
        ask_from_inside(world.fe, "sip:nina@northwind.example", code, body=b"x")
        if said is None:
            assert "FED-3002" not in world.edged.log()[n:]
            continue
        line = world.edged.wait_log("FED-3002 partner_refused_us .*", since=n).group(0)
        assert 'domain="northwind.example" status=%d' % code in line and said in line, line


def test_up_to_four_links(world, partner):
    """federation.outgoing_tls_count: one link at first, more while work waits on all of them; a dialog keeps to one."""
    p = partner(address=fed.NORTHWIND, cert="partner-northwind")
    wait_for("the link of an earlier test to end", lambda: not any(x["links"] for x in partners(world)["partners"] if x["partner"] == "sip.northwind.example"))
    p.on_request = lambda c, m: False
    p.deaf = True
    # Small buffers below TLS, or it takes megabytes until anything waits.
    world.lab.sysctl("edge", net__ipv4__tcp_wmem="4096 16384 65536")
    world.lab.sysctl("load", net__ipv4__tcp_rmem="4096 32768 65536")
    body = b"x" * 30000

    def pressed():
        for _ in range(4):
            from_inside(world.fe, "MESSAGE", "sip:nina@northwind.example", to="sip:nina@northwind.example", frm=ALICE, body=body)
        return row(world)["links"] == 4
    ask = from_inside(world.fe, "MESSAGE", "sip:nina@northwind.example", to="sip:nina@northwind.example", frm=ALICE, body=b"x")
    wait_for("the first link", lambda: row(world)["links"] == 1)
    wait_for("four links", pressed, 2 * WAIT, 0.05)
    assert len([c for c in partners(world)["connections"] if c["opened_by"] == "us" and "sip.northwind.example" in c["certificate"]]) == 4
    world.lab.sysctl("edge", net__ipv4__tcp_wmem="4096 16384 4194304")
    world.lab.sysctl("load", net__ipv4__tcp_rmem="4096 131072 6291456")
    assert ask


def row(world):
    return next((x for x in partners(world)["partners"] if x["partner"] == "sip.northwind.example"), {"links": 0})


OUTWARD = [
    ("no SRV", "sip:x@nosuch.example", 504, "1008", "FED-3005 no_srv_record"),
    ("SRV outside the domain", "sip:x@outside.example", 504, "1009", "FED-3005 srv_outside_domain"),
    ("no address", "sip:x@noaddress.example", 504, "1014", "FED-3001 partner_unreachable"),
    ("blocked", "sip:x@evil.example", 403, "1002", "FED-3004 partner_blocked"),
    ("nobody listens", "sip:x@down.example", 504, "1046", "FED-3001 partner_unreachable"),
]


@pytest.mark.parametrize("what,target,code,diag,event", OUTWARD, ids=[o[0] for o in OUTWARD])
def test_outward_refused(world, what, target, code, diag, event):
    n = len(world.edged.log())
    r = ask_from_inside(world.fe, target, code, body=b"x")
    assert r.h("ms-diagnostics").startswith(diag) and 'source="sip.contoso.com"' in r.h("ms-diagnostics"), r
    assert "EdgeProxyGenerated" in r.h("ms-edge-proxy-message-trust")
    world.edged.wait_log(event, since=n)


def test_outward_wrong_certificate(world, partner):
    """Somebody else answers at the address of northwind.example."""
    p = partner(address=fed.NORTHWIND, cert="partner")
    wait_for("the link of an earlier test to end", lambda: "sip.northwind.example" not in world.edged.ctl("--json", "partners")
             or not any(x["links"] for x in partners(world)["partners"] if x["partner"] == "sip.northwind.example"))
    n = len(world.edged.log())
    r = ask_from_inside(world.fe, "sip:nina@northwind.example", 504, body=b"x")
    assert r.h("ms-diagnostics").startswith("1010") and "sip.northwind.example" in r.h("ms-diagnostics")
    assert "sip.fabrikam.com" in world.edged.wait_log("FED-3006 certificate_mismatch .*", since=n).group(0)
    assert not p.seen
    p.close()
    partner(address=fed.NORTHWIND, cert="partner-northwind")

    def again():
        m = from_inside(world.fe, "MESSAGE", "sip:nina@northwind.example", to="sip:nina@northwind.example", frm=ALICE, body=b"y")
        return answer_inside(world.fe, m).code == 200
    wait_for("the partner to be tried again", again, every=0.3)


def partners(world):
    return next(x["answer"] for x in json.loads(world.edged.ctl("--json", "partners"))["services"] if "connections" in x["answer"])


def test_edgectl_shows_partners(world, sender):
    s = sender(cert="bad-wrong-name", domain="example.org", source=fed.CLOUD)
    s.message(ALICE)
    ask_from_inside(world.fe, "sip:x@nosuch.example", 504, body=b"x")
    a = partners(world)
    c = next(x for x in a["connections"] if "sip.example.org" in x["certificate"])
    assert c["opened_by"] == "partner" and "Fabrikam lab CA" in c["issuer"] and re.fullmatch("[0-9A-Fa-f]+", c["serial"])
    w = next(x for x in a["watch"] if x["domain"] == "example.org")
    assert w["state"] == "normal" and w["contacts"] >= 1
    bad = next(x for x in a["partners"] if x["partner"] == "nosuch.example")
    assert bad["state"] == "failed" and "SRV" in bad["why"] and bad["todo"]
    text = world.edged.ctl("partners")
    assert "nosuch.example" in text and "sip.example.org" in text
