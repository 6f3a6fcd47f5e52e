# SPDX-License-Identifier: MIT
"""Certificates of partners: what is refused, under which name in the log; revocation lists from a file and over HTTP (CERT-ALL-09, CERT-EXT-14)."""
import json
import os
import re
import subprocess

import pytest

import federation as fed
import sip
from lab import EDGE_OUT, PARTNER, wait_for
from test_federation import ALICE, answer_inside, ask_from_inside, partner, sender  # noqa: F401 (fixtures)
from test_routing import from_inside

CONF = dict(fed.CONF)


def der(lab, name):
    return subprocess.run(["openssl", "crl", "-in", lab.cert(name), "-outform", "DER"], check=True, capture_output=True).stdout


@pytest.fixture(scope="module", autouse=True)
def lists(lab):
    fed.addresses(lab)
    names, w = fed.Names(lab), fed.Lists(lab)
    w.files["/partner.crl"] = der(lab, "partner.crl.pem")
    yield w
    w.stop()
    names.stop()


def refused(world, cert, source=PARTNER, domain="fabrikam.com"):
    """A partner with that certificate gets nothing through; returns the log since."""
    n, seen = len(world.edged.log()), len(world.fe.seen)
    s = None
    try:
        s = fed.Sender(world.lab, cert=cert, source=source, domain=domain)
        s.send("MESSAGE", ALICE, body="x")
        s.conn.wait_closed()
    except (OSError, sip.ssl.SSLError):
        pass
    finally:
        if s:
            s.close()
    assert len(world.fe.seen) == seen
    return n


BAD = [
    ("bad-unknown-ca", "FED-3006 partner_certificate_unknown_authority .*unknown CA"),
    ("bad-self-signed", "FED-3006 partner_certificate_unknown_authority .*self-signed"),
    ("bad-expired", "FED-3006 partner_certificate_expired "),
    ("bad-not-yet", "FED-3006 partner_certificate_not_yet_valid "),
    ("bad-revoked", "CRT-1106 partner_certificate_revoked "),
]


@pytest.mark.parametrize("cert,event", BAD, ids=[b[0] for b in BAD])
def test_inward_refused_in_the_handshake(world, cert, event):
    n = refused(world, cert)
    assert "opened_by=partner" in world.edged.wait_log(event + ".*", since=n).group(0)


NAMES = [
    ("bad-wrong-name", 504, "FED-3007 sender_domain_mismatch"),
    ("bad-cn-only", 504, "FED-3007 sender_domain_mismatch"),
    ("bad-wildcard", 504, "FED-3007 sender_domain_mismatch"),
    (None, 403, "FED-3006 partner_without_certificate"),
]


@pytest.mark.parametrize("cert,code,event", NAMES, ids=[str(b[0]) for b in NAMES])
def test_inward_refused_by_name(world, sender, cert, code, event):  # noqa: F811
    s, n = sender(cert=cert), len(world.edged.log())
    s.ask("MESSAGE", ALICE, expect=code, body="x")
    world.edged.wait_log(event, since=n)
    assert not [m for m in world.fe.seen if not m.is_response]


OUT = [
    ("bad-expired", "FED-3006 partner_certificate_expired"), ("bad-not-yet", "FED-3006 partner_certificate_not_yet_valid"),
    ("bad-unknown-ca", "FED-3006 partner_certificate_unknown_authority"), ("bad-wrong-name", "FED-3006 certificate_mismatch"),
    ("bad-wildcard", "FED-3006 certificate_mismatch"), ("bad-revoked", "CRT-1106 partner_certificate_revoked"),
    ("partner-client-only", "FED-3006"),
]


@pytest.mark.parametrize("cert,event", OUT, ids=[o[0] for o in OUT])
def test_outward_refused(world, partner, cert, event):  # noqa: F811
    p = partner(cert=cert)
    n = len(world.edged.log())
    r = ask_from_inside(world.fe, "sip:carol@fabrikam.com", 504, body=b"x")
    assert r.h("ms-diagnostics").startswith("1010") and 'tls-target="sip.fabrikam.com"' in r.h("ms-diagnostics"), r
    world.edged.wait_log(event, since=n)
    assert not p.seen
    p.close()
    # A link that stands ends the pause, so that the next test begins anew.
    p = partner()
    wait_for("the partner to be tried again", lambda: code_from_inside(world) == 200)
    p.close()
    wait_for("its links to end", lambda: not fabrikam(world)["links"])


def code_from_inside(world):
    m = from_inside(world.fe, "MESSAGE", "sip:carol@fabrikam.com", to="sip:carol@fabrikam.com", frm=ALICE, body=b"y")
    return answer_inside(world.fe, m).code


def fabrikam(world):
    return next(x for x in shown(world)["partners"] if x["partner"] == "fabrikam.com")


def shown(world):
    return next(x["answer"] for x in json.loads(world.edged.ctl("--json", "partners"))["services"] if "connections" in x["answer"])


def test_the_list_is_fetched_once_from_the_access_address(world, lists, sender):  # noqa: F811
    s = sender(cert="partner-northwind", domain="northwind.example", source=fed.NORTHWIND)
    s.message(ALICE)
    assert [a for a in lists.asked if a[0] == "/partner.crl"] == [("/partner.crl", EDGE_OUT)]
    row = next(x for x in shown(world)["revocation_lists"] if x["url"].endswith("/partner.crl"))
    assert row["state"] == "fresh" and row["entries"] == 1 and re.match("20..-", row["next_update"])


def test_server_usage_only_is_enough_on_5061(world, sender, partner):  # noqa: F811
    """CERT-EXT-14: public authorities issue no other certificates any more."""
    s = sender(cert="partner-server-only")
    s.message(ALICE)
    p = partner(cert="partner-server-only")
    ask_from_inside(world.fe, "sip:carol@fabrikam.com", 200, body=b"x")
    assert p.request("MESSAGE")


def test_a_list_that_lies_inside_is_not_fetched(world, lists, sender):  # noqa: F811
    n = len(world.edged.log())
    sender(cert="partner-inward-list").message(ALICE)
    assert "not one outside" in world.edged.wait_log("CRT-1105 revocation_list_failed .*inward.*", since=n).group(0)


def reload(world, **over):
    conf = dict(CONF)
    conf.update(over)
    world.lab.edged_conf(**conf)
    world.edged.ctl("reload")


def test_hard_and_soft(world, lists, sender, tmp_path):  # noqa: F811
    """No list to be had: soft lets in, hard does not; then a list from a file serves hard, and cuts off whom it names."""
    try:
        reload(world, federation__crl_check="hard", federation__crl_fetch=False)
        n = refused(world, "partner")
        world.edged.wait_log("FED-3006 partner_certificate_revocation_unknown", since=n)
        reload(world, federation__crl_check="hard", federation__crl_fetch=False, certificates__external_crl=world.lab.cert("partner.crl.pem"))
        s = sender()
        s.message(ALICE)
        n = refused(world, "bad-revoked")
        world.edged.wait_log("CRT-1106 partner_certificate_revoked", since=n)
        # Whoever is connected while a newer list names it is cut off.
        more = revoke(world.lab, "partner", str(tmp_path))
        n = len(world.edged.log())
        reload(world, federation__crl_check="soft", federation__crl_fetch=False, certificates__external_crl=more)
        s.conn.wait_closed()
        world.edged.wait_log("CRT-1106 partner_certificate_revoked", since=n)
    finally:
        reload(world)


def test_a_common_name_only_where_asked_for(world, sender, partner):  # noqa: F811
    """CERT-INT-04: off by default outside (see test_inward_refused_by_name); an old partner without alternative names can be let in."""
    try:
        reload(world, federation__accept_common_name=True)
        sender(cert="bad-cn-only").message(ALICE)
        p = partner(cert="bad-cn-only")
        wait_for("the partner to be tried", lambda: code_from_inside(world) == 200)
        assert p.request("MESSAGE").h("ms-asserted-verification-level") == "ms-source-verified-user=verified"
        p.close()
        # Where there are names, the common name says nothing.
        sender(cert="bad-wildcard").ask("MESSAGE", ALICE, expect=504, body="x")
    finally:
        reload(world)


def revoke(lab, name, where):
    """A list of the partners' authority that names one certificate more; its own books stay as they are."""
    import shutil
    shutil.copytree(os.path.join(lab.cert("ca")), os.path.join(where, "ca"))
    for f in ("partner-ca.pem", name + ".pem"):
        shutil.copy(lab.cert(f), where)
    run = ["openssl", "ca", "-config", "ca/partner/ca.cnf"]
    subprocess.run(run + ["-revoke", name + ".pem"], cwd=where, check=True, capture_output=True)
    subprocess.run(run + ["-gencrl", "-out", "more.pem"], cwd=where, check=True, capture_output=True)
    os.chmod(where, 0o755)
    return os.path.join(where, "more.pem")


MOODS = [("rubbish", "no revocation list"), ("huge", "larger than a list may be"), ("silent", "[Tt]ime")]


@pytest.mark.parametrize("mood,reason", MOODS, ids=[m[0] for m in MOODS])
def test_a_server_of_lists_in_a_mood(world, lists, sender, mood, reason):  # noqa: F811
    """What comes is none, too large, or nothing: said; it costs the partner its wait and nobody else anything."""
    lists.moods["crl.%s.example" % mood] = {"rubbish": b"no list at all", "huge": 3 << 20, "silent": "silent"}[mood]
    n = len(world.edged.log())
    s = sender(cert="partner-list-" + mood, domain=mood + ".example")
    m = s.send("MESSAGE", ALICE, body="x")
    if mood == "silent":
        sender().message(ALICE)
        assert not [x for x in world.fe.seen if x.h("Call-ID") == m.h("Call-ID")]
    world.edged.wait_log("CRT-1105 revocation_list_failed .*%s.*%s" % (mood, reason), since=n)
    world.fe.request("MESSAGE", m.h("Call-ID"))
    world.edged.wait_log("CRT-1105 revocation_not_checked", since=n)
