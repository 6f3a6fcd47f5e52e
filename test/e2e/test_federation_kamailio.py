# SPDX-License-Identifier: MIT
"""A partner with Kamailio as its edge: messages, calls and presence, both ways, however the partner is known to us (edge-reference 7.1)."""
import types

import pytest

import federation as fed
import sip
from test_federation import ALICE, answer_inside
from test_presence import PIDF
from test_routing import from_inside
from test_signed import tag, uri

CONF = fed.CONF
OTHERS = fed.ROWS[1:]
AS = {
    "allowed, found by SRV": ({}, "AutoFederation", "unverified", "federation"),
    "allowed by name": ({"federation__allowed": OTHERS + ({"domain": "fabrikam.com", "proxy_fqdn": "sip.fabrikam.com"},)},
                        "DirectPartner", "unverified", "federation"),
    "discovered": ({"federation__allowed": OTHERS}, "AutoFederation", "unverified", "federation"),
    "hosting provider": ({"federation__allowed": OTHERS, "federation__providers": (
        {"name": "fabrikam", "proxy_fqdn": "sip.fabrikam.com", "domains": ["fabrikam.com"]},)}, "AuthorizedServer", "verified", "federation"),
    "public provider": ({"federation__allowed": OTHERS, "federation__providers": (
        {"name": "fabrikam", "proxy_fqdn": "sip.fabrikam.com", "domains": [], "public": True},)},
        "AuthorizedServer", "verified", "publiccloud;ms-remote-fqdn=sip.fabrikam.com"),
}


@pytest.fixture(scope="module", autouse=True)
def names(lab):
    fed.addresses(lab)
    n = fed.Names(lab)
    yield n
    n.stop()


@pytest.fixture(scope="module", params=list(AS))
def how(lab, edged, request):
    over, source, verified, network = AS[request.param]
    lab.edged_conf(**dict(CONF, **over))
    edged.ctl("reload")
    return types.SimpleNamespace(source=source, verified=verified, network=network)


@pytest.fixture(scope="module")
def fabrikam(lab):
    k = fed.Kamailio(lab)
    yield k
    k.stop()


@pytest.fixture
def carol(world, fabrikam, how):
    u = fed.PlainUser(world.lab)
    u.register()
    yield u
    u.register(extra="Expires: 0")  # or Kamailio forks to all who ever were carol
    u.close()


def test_message_both_ways(world, carol, how):
    r = carol.message(ALICE, "hello contoso")
    got = world.fe.request("MESSAGE")
    assert got.body == b"hello contoso"
    trust = got.h("ms-edge-proxy-message-trust")
    assert trust == "ms-source-type=%s;ms-ep-fqdn=edge.int.contoso.net;ms-source-verified-user=%s;ms-source-network=%s" % (
        how.source, how.verified, how.network)
    assert len(r.all("Via")) == 1
    m = from_inside(world.fe, "MESSAGE", "sip:carol@fabrikam.com", to="sip:carol@fabrikam.com", frm=ALICE, body=b"hello fabrikam",
                    extra="ms-user-data: ms-publiccloud=FALSE\nms-application-via: SIP;ms-server=fe01.contoso.net")
    got = carol.conn.expect("MESSAGE")
    assert got.body == b"hello fabrikam" and not got.all("ms-user-data") and not got.all("ms-application-via")
    assert "sip.contoso.com" in got.all("Via")[1] and "10.20" not in got.all("Via")[1]
    carol.conn.send(sip.reply(got))
    assert answer_inside(world.fe, m).code == 200


def test_call_from_partner(world, carol):
    m = carol.send("INVITE", ALICE, body="v=0\r\n", extra="Content-Type: application/sdp")
    ok = carol.conn.expect(200)
    inv = world.fe.request("INVITE", m.h("Call-ID"))
    assert inv.h("Record-Route").startswith("<sip:edge.int.contoso.net:5061")
    routes = "\n".join("Route: " + x for x in reversed(ok.all("Record-Route")))
    for method, seq in (("ACK", carol.cseq), ("MESSAGE", None), ("BYE", None)):
        carol.send(method, uri(ok.h("Contact")), to=ALICE, call_id=m.h("Call-ID"), cseq=seq, to_tag=tag(ok.h("To")), extra=routes)
        assert world.fe.request(method, m.h("Call-ID")).uri == "sip:server@10.20.0.11:5061;transport=tls"
        if method != "ACK":
            carol.conn.expect(200)


def test_call_to_partner(world, carol):
    m = from_inside(world.fe, "INVITE", "sip:carol@fabrikam.com", to="sip:carol@fabrikam.com", frm=ALICE, body=b"v=0\r\n",
                    extra="Contact: <sip:alice@10.20.0.11:5061;transport=tls>\nContent-Type: application/sdp")
    inv = carol.conn.expect("INVITE")
    carol.conn.send(sip.reply(inv, 180, "Ringing", tag="carol", contact=carol.contact))
    carol.conn.send(sip.reply(inv, 200, "OK", tag="carol", contact=carol.contact))
    ok = answer_inside(world.fe, m)
    assert ok.code == 200 and tag(ok.h("To")) == "carol"
    routes = list(reversed(ok.all("Record-Route")))
    from_inside(world.fe, "ACK", uri(ok.h("Contact")), routes, to="sip:carol@fabrikam.com", frm=ALICE, call_id=m.h("Call-ID"),
                from_tag=tag(m.h("From")), to_tag="carol")
    carol.conn.expect("ACK")
    # The partner's user ends it: its Route set leads through both edges.
    back = "\n".join("Route: " + x for x in inv.all("Record-Route"))
    carol.send("BYE", uri(inv.h("Contact")), to=ALICE, call_id=m.h("Call-ID"), to_tag=tag(m.h("From")), tag="carol", extra=back)
    bye = world.fe.request("BYE", m.h("Call-ID"))
    assert bye.uri == "sip:alice@10.20.0.11:5061;transport=tls"
    carol.conn.expect(200)


def test_presence_of_the_partner(world, carol, how):
    carol.ask("PUBLISH", carol.aor, extra="Event: presence\nExpires: 600\nContent-Type: application/pidf+xml",
              body=(PIDF % ("carol", "at work")).replace("carol@contoso.com", "carol@fabrikam.com"))
    m = from_inside(world.fe, "SUBSCRIBE", carol.aor, to=carol.aor, frm=ALICE,
                    extra="Event: presence\nExpires: 300\nAccept: application/pidf+xml\nContact: <sip:alice@10.20.0.11:5061;transport=tls>")
    assert answer_inside(world.fe, m).code in (200, 202)
    n = world.fe.request("NOTIFY", m.h("Call-ID"))
    assert b"at work" in n.body and n.h("ms-edge-proxy-message-trust").startswith("ms-source-type=" + how.source)


def test_subscription_of_a_partner(world, carol):
    m = carol.send("SUBSCRIBE", ALICE, extra="Event: presence\nExpires: 300\nAccept: application/pidf+xml")
    ok = carol.conn.expect(200)
    sub = world.fe.request("SUBSCRIBE", m.h("Call-ID"))
    from_inside(world.fe, "NOTIFY", uri(sub.h("Contact")), sub.all("Record-Route"), to=carol.aor, frm=ALICE, call_id=m.h("Call-ID"),
                from_tag=tag(ok.h("To")), to_tag=tag(m.h("From")), extra="Event: presence\nSubscription-State: active", body=b"<presence/>")
    n = carol.conn.expect("NOTIFY")
    assert n.body == b"<presence/>"
    carol.conn.send(sip.reply(n))
    assert world.fe.wait(lambda x: x.is_response and x.method == "NOTIFY").code == 200
