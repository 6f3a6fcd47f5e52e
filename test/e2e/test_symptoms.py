# SPDX-License-Identifier: MIT
"""What goes wrong at administrators' (docs/symptoms.md), provoked, and the words that they then read. Rows that other tests provoke are
named there; here is what remained: starts that are refused, and packets and partners of the wrong kind."""
import os
import re
import shutil
import socket
import subprocess

import pytest

import federation as fed
import sip
from lab import EDGE_IN, EDGE_OUT, LOAD, TOP, Proc, conf_merge, conf_read, conf_text, wait_for
from test_admin import bins, ctl, put
from test_federation_certs import revoke

CONF = dict(fed.CONF, federation__discovered_contacts=2, certificates__external_crl="certs/lab/list.pem", federation__crl_fetch=False)


@pytest.fixture(scope="module", autouse=True)
def names(lab):
    fed.addresses(lab)
    shutil.copy(lab.cert("partner.crl.pem"), lab.cert("list.pem"))
    n = fed.Names(lab)
    yield n
    n.stop()


def start(lab, base="lab-remote-user.conf", **over):
    """edged -c as systemd would start it; it must refuse (78) and say why, on stderr."""
    with open(os.path.join(TOP, "config", base)) as f:
        c = conf_merge(conf_read(f.read()), {k.replace("__", "."): v for k, v in over.items()})
    path = lab.path("symptom.conf")
    with open(path, "w") as f:
        f.write(conf_text(c))
    r = subprocess.run(["ip", "netns", "exec", lab.ns("edge"), os.path.join(bins(), "edged"), "-c", path], capture_output=True, text=True,
                       cwd=lab.dir, timeout=60, env=dict(os.environ, EDGED_LIBEXEC=bins()))
    assert r.returncode == 78, r.stdout + r.stderr
    return r.stderr


# -- calls connect without sound: one subnet, one card, two default gateways --

def test_one_card(lab):
    assert re.search(r"^error TOP-01 .*symptom\.conf:\d+ internal\.interface: ext0 is the external interface too; ", start(
        lab, edge__lab=False, internal__interface="ext0"), re.M)


def test_one_subnet(lab):
    lab.ip("edge", "addr", "add", "203.0.113.99/24", "dev", "int0")
    try:
        assert re.search(r"^error TOP-02 .*203\.0\.113\.\d+ on ext0 and 203\.0\.113\.99 on int0 are in one subnet", start(lab, edge__lab=False), re.M)
    finally:
        lab.ip("edge", "addr", "del", "203.0.113.99/24", "dev", "int0")


def test_two_default_gateways(lab):
    lab.ip("edge", "route", "add", "default", "via", "10.30.0.1", "metric", "200")
    try:
        said = start(lab, edge__lab=False)
        assert "error TOP-03" in said and "a default route leads over int0, not ext0" in said and "2 IPv4 default routes" in said
    finally:
        lab.ip("edge", "route", "del", "default", "via", "10.30.0.1", "metric", "200")


# -- no sound with remote users, sign-in fine: the public address of the relay is missing --

def test_relay_without_its_public_address(lab):
    assert re.search(r"^error ADR-05 .*external\.av\.public_address: is not set, and external\.av\.address 192\.168\.7\.7 is private", start(
        lab, "lab-av.conf", external__av__address="192.168.7.7"), re.M)


# -- a service does not start: another program has the port --

def test_another_program_on_443(lab):
    web = Proc(lab, "edge", ["/usr/bin/python3", "-m", "http.server", "-b", "203.0.113.11", "443"], name="web")
    wait_for("the web server", lambda: b":443" in subprocess.run(["ip", "netns", "exec", lab.ns("edge"), "ss", "-ltn"], capture_output=True).stdout)
    try:
        said = start(lab, external__access__address="203.0.113.11", internal__sip_port=6066)
        assert re.search(r"error PORT-03 .*TCP 203\.0\.113\.11:443 .* is taken by python3\S* \(pid \d+\); stop it", said), said
    finally:
        web.stop()


# -- services do not start after renewal; the request showed an internal name: the bindings are mixed up --

def test_bindings_mixed_up(lab):
    said = start(lab, certificates__external={"chain": "certs/lab/internal.pem", "key": "certs/lab/internal.key"},
                 certificates__internal={"chain": "certs/lab/external.pem", "key": "certs/lab/external.key"})
    for want in ("error CERT-EXT-02", "error CERT-INT-01", "warning CERT-INT-09", "carries the public name sip.contoso.com"):
        assert want in said, said


def test_key_of_another_request(lab):
    assert re.search(r"error CERT-ALL-01 .*external\.chain: the private key certs/lab/internal\.key does not belong to the certificate with serial \w+",
                     start(lab, certificates__external={"chain": "certs/lab/external.pem", "key": "certs/lab/internal.key"}))


# -- the access service does not start: one FQDN is partner server and provider --

def test_partner_server_and_provider(lab):
    said = start(lab, federation__allowed=({"domain": "push.lync.com", "proxy_fqdn": "sipfed.online.lync.com"},),
                 federation__providers=({"name": "online", "proxy_fqdn": "sipfed.online.lync.com"},))
    assert re.search(r"error FED-02 .*sipfed\.online\.lync\.com is the server of partner push\.lync\.com and of provider online", said), said
    assert "warning FED-09" in said


# -- guests cannot join: what is missing is named --

def test_guests_cannot_join(lab):
    r = subprocess.run(["ip", "netns", "exec", lab.ns("edge"), os.path.join(bins(), "edged"), "-n", "-c",
                        lab.edged_conf(name="guests.conf", access__allow_anonymous_users=True, access__allow_outside_users=False)],
                       capture_output=True, text=True, cwd=lab.dir)
    assert r.stdout.count("warning EXT-04") == 2 and "without an A/V Edge" in r.stdout and "master switch" in r.stdout, r.stdout


# -- media of the inside leaves over the outer card: an outer address answers to the inside --

def test_outer_address_from_inside(world):
    """The kernel takes the packet (weak host model), but the listener is bound to its interface: nobody answers."""
    lab = world.lab
    lab.ip("inside", "route", "add", EDGE_OUT + "/32", "via", EDGE_IN)
    try:
        for host, answers in (("inside", False), ("alice", True)):
            with lab.inside_of(host):
                s = socket.socket()
            s.settimeout(30)
            assert (s.connect_ex((EDGE_OUT, 443)) == 0) == answers, host
            s.close()
    finally:
        lab.ip("inside", "route", "del", EDGE_OUT + "/32")


# -- presence of a big partner stops; why is this partner on the watch list? --

def test_partner_with_too_many_contacts(world):
    n = len(world.edged.log())
    s = fed.Sender(world.lab, cert="bad-wrong-name", domain="example.org", source=fed.CLOUD)
    try:
        for i in range(2):
            s.message("sip:user%d@contoso.com" % i)
        s.ask("MESSAGE", "sip:user2@contoso.com", expect=403, body="x")
        m = world.edged.wait_log(r"FED-3008 partner_contacts .*", since=n).group(0)
        assert "domain=example.org" in m and "limit=2" in m and "federation.allowed" in m, m
        code, out, _ = ctl(world.lab, "partners")
        assert code == 0 and re.search(r"example\.org.*", out), out
        assert ctl(world.lab, "release", "example.org")[0] == 0
        s.message("sip:user2@contoso.com")
    finally:
        s.close()
    sip.outside_heard.clear()


# -- accounts locked from outside: somebody guesses passwords through the Edge --

def test_passwords_are_guessed(world):
    world.fe.on_request = lambda conn, m: sip.reply(m, 401, "Unauthorized", extra='WWW-Authenticate: Digest realm="x", nonce="n"')
    n = len(world.edged.log())
    c = sip.Client(world.lab, "alice", source=LOAD[20])
    for i in range(3):
        c.register(expect=401, extra='Authorization: Digest username="alice", realm="x", nonce="n", uri="sip:contoso.com", response="%032d"' % i)
    m = world.edged.wait_log(r"ACC-2010 authentication_failures .*", since=n).group(0)
    assert LOAD[20] in m, m
    c.close()


# -- a partner's certificate was revoked: the list on disk is taken over without a command --

def test_revocation_list_replaced_on_disk(world, tmp_path):
    s = fed.Sender(world.lab)
    s.message("sip:alice@contoso.com")
    n = len(world.edged.log())
    put(revoke(world.lab, "partner", str(tmp_path)), world.lab.cert("list.pem"))
    s.conn.wait_closed()
    world.edged.wait_log("CRT-1106 partner_certificate_revoked", since=n)
    s.close()
