# SPDX-License-Identifier: MIT
"""`edgectl import-topology`: what it prints is a configuration that `edged -n` understands, with the values of the topology in their
places; what it cannot use it says; a hostile file gets no word between our quotes."""
import hashlib
import json
import os
import re
import subprocess

import pytest

import shapes
from lab import TOP, conf_read

CORPUS = os.path.join(TOP, "test", "corpus", "topology")
NS = "urn:schema:Microsoft.Rtc.Management.Deploy.Topology.2008"


def program(name):
    return os.path.join(os.environ.get("EDGED_BIN") or os.path.join(TOP, "build", "bin"), name)


def run(*argv, text=None):
    r = subprocess.run([program("edgectl"), "import-topology", *argv], capture_output=True, input=text, timeout=60)
    return r.returncode, r.stdout.decode(), r.stderr.decode()


def understood(tmp_path, text):
    """Without its comments the fragment is what `edged -n` finds no fault with as a file: every key known, every value in bounds."""
    path = tmp_path / "edged.conf"
    path.write_text(text)
    out = subprocess.run([program("edged"), "-n", "-c", str(path)], capture_output=True, text=True).stdout
    assert "ACC-01" not in out and "CONF-02" not in out and "TOP-14" not in out, out
    return conf_read(text), out


def test_pool_of_topology_builder(tmp_path):
    code, out, err = run(os.path.join(CORPUS, "builder.tbxml"))
    assert code == 1 and out == "" and "name one" in err and "edge1.contoso.net" in err and "edge2.contoso.net" in err
    code, out, err = run(os.path.join(CORPUS, "builder.tbxml"), "EDGE2.contoso.net")
    assert code == 0, err
    c, _ = understood(tmp_path, out)
    assert c["edge"] == {"fqdn": "edge2.contoso.net", "pool_fqdn": "edgepool.contoso.net", "sip_domains": ["contoso.com", "adatum.com"]}
    assert c["external"] == {
        "access": {"address": "192.168.50.60", "fqdn": "sip.contoso.com", "client_port": 443, "federation_port": 5061},
        "webconf": {"address": "192.168.50.61", "fqdn": "webconf.contoso.com", "port": 443},
        "av": {"address": "192.168.50.62", "public_address": "203.0.113.62", "fqdn": "av.contoso.com", "udp_port": 3478, "tcp_port": 443,
               "relay_port_min": 50000, "relay_port_max": 59999}}
    assert c["internal"] == {"address": "10.30.0.6", "sip_port": 5061, "mras_port": 5062, "webconf_port": 8057, "av_udp_port": 3478,
                             "av_tcp_port": 443, "trusted_servers": ["pool01.contoso.net", "fe01.contoso.net", "fe02.contoso.net"],
                             "domains": ["contoso.net"]}
    assert c["access"]["next_hop"] == {"fqdn": "pool01.contoso.net", "port": 5061, "lync_front_end": True}
    assert c["av"] == {"realm": "contoso.com"}
    for said in ("port 5269 of XmppFederationProxy", "2 other services", "certificates", "Get-CsAllowedDomain"):
        assert said in out, said


def test_published_form_and_what_edged_asks_for_next(tmp_path):
    code, out, err = run(os.path.join(CORPUS, "published.xml"))
    assert code == 0, err
    c, found = understood(tmp_path, out)
    assert c["edge"] == {"fqdn": "edge.contoso.net", "sip_domains": ["contoso.com"]}
    assert {k: v["address"] for k, v in c["external"].items()} == {k: "203.0.113.10" for k in ("access", "webconf", "av")}
    assert (c["external"]["access"]["client_port"], c["external"]["webconf"]["port"], c["external"]["av"]["tcp_port"]) == (5061, 444, 443)
    # What it said is to be filled in is what the check misses: the certificates, and the names of the interfaces.
    missing = {m for m in re.findall(r"error CONF-01 (\S+): is not set", found)}
    assert missing and all(m.startswith("certificates.") for m in missing), missing
    assert "TOP-01" in found


def test_topology_inside_another_document():
    with open(os.path.join(CORPUS, "published.xml")) as f:
        text = f.read()
    plain = run(os.path.join(CORPUS, "published.xml"))[1]
    wrapped = "<?xml version='1.0'?><Set xmlns='urn:other'><Item>%s</Item></Set>" % text.split("\n", 1)[1]
    assert run("-", text=wrapped.encode()) == (0, plain, "")
    for declared in ('encoding="utf-8"', 'encoding="utf-16"', ""):  # PowerShell's > writes UTF-16 whatever is declared
        for coding in ("utf-16", "utf-8-sig"):
            if coding == "utf-16" or declared != 'encoding="utf-16"':
                assert run("-", text=text.replace('encoding="utf-8"', declared).encode(coding)) == (0, plain, "")


def test_a_sip_domain_is_not_hidden(tmp_path):
    with open(os.path.join(CORPUS, "published.xml")) as f:
        code, out, err = run("-", text=f.read().replace("contoso.net", "Contoso.com").encode())
    assert code == 0, err
    c, _ = understood(tmp_path, out)
    assert "domains" not in c["internal"] and "names to hide" in out


def test_what_is_no_value_is_left_out(tmp_path):
    """Text of the file never gets between quotes, nor onto a line of its own."""
    with open(os.path.join(CORPUS, "published.xml")) as f:
        text = f.read()
    evil = 'x&quot;; }; av: { shared_secret = &quot;y&#10;edge: { lab = true; };'
    text = text.replace('ConfiguredFqdn="sip.contoso.com"', 'ConfiguredFqdn="%s"' % evil)
    text = text.replace('IPAddress="203.0.113.10"', 'IPAddress="0.0.0.0"').replace('Port="5062"', 'Port="70000"')
    text = text.replace('<InternalDomain Name="contoso.com" />', '<InternalDomain Name="contoso.com" /><InternalDomain Name="%s" />' % evil)
    code, out, err = run("-", text=text.encode())
    assert code == 0, err
    c, _ = understood(tmp_path, out)
    assert "lab" not in c["edge"] and c["av"] == {"realm": "contoso.com"} and "address" not in c["external"]["access"]
    assert c["edge"]["sip_domains"] == ["contoso.com"] and "mras_port" not in c["internal"]
    for said in ("external.access.address: no address", "external.access.fqdn: no host name", "internal.mras_port: no port", "edge.sip_domains: no domain"):
        assert said in out, out


@pytest.mark.parametrize("text,why", [
    (b"", "no element found"),
    (b"PK\x03\x04" + b"\0" * 100, "zip archive"),
    (b"<html/>", "no topology"),
    (b"<!DOCTYPE x [<!ENTITY a 'a'><!ENTITY b '&a;&a;&a;'>]><Topology xmlns='" + NS.encode() + b"'>&b;</Topology>", "document type declaration"),
    (b"<!DOCTYPE x SYSTEM 'file:///etc/hostname'><x/>", "document type declaration"),
    (b"<a>" * 5000, "64 deep"),
    (b"<Topology xmlns='" + NS.encode() + b"'>" + b"<Cluster/>" * 70000 + b"</Topology>", "too many"),
    (b"<Topology xmlns='" + NS.encode() + b"'/>", "no edge"),
    (b" " * (16 << 20) + b"<x/>", "16 MiB"),
], ids=["empty", "zip", "html", "entities", "external-entity", "deep", "many", "no-edge", "large"])
def test_refused_with_a_reason(text, why):
    code, out, err = run("-", text=text)
    assert code == 1 and out == "" and why in err, (code, err)


def test_no_file():
    code, _, err = run("/nonexistent")
    assert code == 1 and "cannot be read" in err


def test_as_json(tmp_path):
    """What asks no daemon has a documented shape, too: a topology, a refusal, a TURN user's key (MD5 of name:realm:password)."""
    def ask(*words, text=None):
        r = subprocess.run([program("edgectl"), "--json", *words], capture_output=True, text=True, input=text, timeout=60)
        shapes.check(["--json", *words], r.returncode, r.stdout)
        return r.returncode, json.loads(r.stdout)
    code, a = ask("import-topology", os.path.join(CORPUS, "published.xml"))
    assert code == 0 and a["conf"] + "\n" == run(os.path.join(CORPUS, "published.xml"))[1]
    code, a = ask("import-topology", "/nonexistent")
    assert code == 1 and "/nonexistent" in a["why"]
    code, a = ask("turn-key", "kay", "contoso.com", text="sesame\n")
    assert code == 0 and a["key"] == hashlib.md5(b"kay:contoso.com:sesame").hexdigest()
    code, a = ask("turn-key", "kay", "contoso.com", text="\n")
    assert code == 1 and "no password" in a["why"]
