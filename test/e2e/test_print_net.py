# SPDX-License-Identifier: MIT
"""`edged --firewall` and `edged --dns`: what they print is loaded into a kernel and read back, and held against the port tables; and an
edge behind exactly these rules serves."""
import json
import os
import re
import socket
import struct
import subprocess

import pytest

import sip
from lab import EDGE_OUT, LOAD, TOP, conf_merge, conf_read, conf_text

CONF = {"access__workers": 1, "av__workers": 1, "av__realm": "contoso.com",
        "external__webconf": {"address": "203.0.113.11", "fqdn": "webconf.contoso.com"},
        "external__av": {"address": "203.0.113.12"},
        "certificates__av_auth": {"chain": "certs/lab/av_auth.pem", "key": "certs/lab/av_auth.key"}}


def edged(what, path):
    bins = os.environ.get("EDGED_BIN") or os.path.join(TOP, "build", "bin")
    r = subprocess.run([os.path.join(bins, "edged"), what, "-c", path], capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    return r.stdout


@pytest.fixture
def printed(tmp_path):
    def make(what, change):
        with open(os.path.join(TOP, "config", "edged.conf")) as f:
            c = conf_merge(conf_read(f.read()), change)
        path = str(tmp_path / "edged.conf")
        with open(path, "w") as f:
            f.write(conf_text(c))
        return edged(what, path)
    return make


def loaded(text):
    """The rules as the kernel has them: (chain, interface, saddr, daddr, protocol, which port, port or range)."""
    r = subprocess.run(["unshare", "-n", "sh", "-ec", "nft -f - && nft -j list table inet edged"], input=text, capture_output=True, text=True)
    assert r.returncode == 0, r.stderr
    rules, policies = set(), {}
    for o in json.loads(r.stdout)["nftables"]:
        if "chain" in o:
            policies[o["chain"]["name"]] = o["chain"]["policy"]
        if "rule" not in o:
            continue
        rule, row = o["rule"], {}
        for e in rule["expr"]:
            if "match" in e:
                left, right = e["match"]["left"], e["match"]["right"]
                name = left["meta"]["key"] if "meta" in left else left["payload"]["field"] if "payload" in left else left["ct"]["key"]
                if name in ("dport", "sport"):
                    row["proto"] = left["payload"]["protocol"]
                    row["port"] = (name, tuple(right["range"]) if isinstance(right, dict) else right)
                elif isinstance(right, str):
                    row[name] = right
        if "port" in row:
            assert rule["comment"]
            rules.add((rule["chain"], row.get("iifname"), row.get("saddr"), row.get("daddr"), row["proto"], *row["port"]))
    assert policies == {"input": "drop", "forward": "drop", "output": "drop"}
    return rules


A, W, V, I = "203.0.113.10", "203.0.113.11", "203.0.113.12", "10.0.0.10"
RANGE = (50000, 59999)
# Sections 3.1 and 3.2 of the administrator reference, for the sample configuration.
TABLES = {
    ("input", "eth0", None, A, "tcp", "dport", 443),      # PX-01
    ("input", "eth0", None, A, "tcp", "dport", 5061),     # PX-02
    ("input", "eth0", None, W, "tcp", "dport", 443),      # PX-04
    ("input", "eth0", None, V, "udp", "dport", 3478),     # PX-05
    ("input", "eth0", None, V, "tcp", "dport", 443),      # PX-07
    ("input", "eth0", None, V, "tcp", "dport", 3478),     # standard TURN
    ("input", "eth1", None, I, "tcp", "dport", 5061),     # PI-01
    ("input", "eth1", None, I, "tcp", "dport", 5062),     # PI-03
    ("input", "eth1", None, I, "tcp", "dport", 8057),     # PI-04
    ("input", "eth1", None, I, "udp", "dport", 3478),     # PI-05
    ("input", "eth1", None, I, "tcp", "dport", 443),      # PI-06
    ("output", None, I, None, "tcp", "dport", 5061),      # PI-02
    ("output", None, V, None, "udp", "sport", RANGE),     # PX-06, PX-10
    ("output", None, V, None, "tcp", "sport", RANGE),     # PX-08, PX-09
    ("output", None, A, None, "udp", "dport", 53),        # PX-15
    ("output", None, A, None, "tcp", "dport", 53),
}


def test_sample_matches_the_port_tables(printed):
    assert loaded(printed("--firewall", {})) == TABLES


@pytest.mark.parametrize("change,more,less", [
    ({"access.allow_federated_users": True},  # PX-03, PX-14
     {("output", None, A, None, "tcp", "dport", 5061), ("output", None, A, None, "tcp", "dport", 80)}, set()),
    ({"access.allow_federated_users": True, "federation.crl_fetch": False}, {("output", None, A, None, "tcp", "dport", 5061)}, set()),
    ({"external.av.tls_port": 5349}, {("input", "eth0", None, V, "tcp", "dport", 5349)}, set()),
    ({"external.av.standard_tcp_port": 0}, set(), {("input", "eth0", None, V, "tcp", "dport", 3478)}),
    # PX-11 is open only for peers that speak first
    ({"av.shared_secret": "0123456789abcdef"}, {("input", None, None, V, "udp", "dport", RANGE)}, set()),
    ({"external.webconf.address": ""}, set(), {("input", "eth0", None, W, "tcp", "dport", 443), ("input", "eth1", None, I, "tcp", "dport", 8057)}),
    ({"webconf.inside.mode": "dial", "webconf.inside.servers": ({"id": "d", "address": "10.0.0.20:8058", "fqdn": "d.contoso.net"},)},
     {("output", None, I, "10.0.0.20", "tcp", "dport", 8058)}, set()),
    ({"access.next_hop.members": ["10.0.0.21:5061", "10.0.0.22:5071"]},
     {("output", None, I, "10.0.0.21", "tcp", "dport", 5061), ("output", None, I, "10.0.0.22", "tcp", "dport", 5071)},
     {("output", None, I, None, "tcp", "dport", 5061)}),
    ({"dns.servers": ["192.0.2.53", "192.0.2.54:5353"]},
     {("output", None, A, "192.0.2.%d" % n, p, "dport", port) for n, port in ((53, 53), (54, 5353)) for p in ("udp", "tcp")},
     {("output", None, A, None, "udp", "dport", 53), ("output", None, A, None, "tcp", "dport", 53)}),
    ({"external.access.address": [A, "2001:db8::10"]},
     {("input", "eth0", None, "2001:db8::10", "tcp", p, n) for p, n in (("dport", 443), ("dport", 5061))}
     | {("output", None, "2001:db8::10", None, "udp", "dport", 53),
        ("output", None, "2001:db8::10", None, "tcp", "dport", 53)}, set()),
], ids=["federation", "no-crl", "turns", "standard-tcp-off", "turn-users", "no-webconf", "dial", "members", "resolvers", "two-families"])
def test_firewall_follows_the_configuration(printed, change, more, less):
    assert loaded(printed("--firewall", change)) == (TABLES | more) - less


def test_firewall_can_be_loaded_again(printed):
    text = printed("--firewall", {})
    r = subprocess.run(["unshare", "-n", "sh", "-ec", "nft -f - <<'E'\n%s\nE\nnft -f - <<'E'\n%s\nE\nnft list table inet edged | grep -c PX-01" % (text, text)],
                       capture_output=True, text=True)
    assert r.stdout.strip() == "1", r.stderr


def records(text):
    """Records by zone: "public" and "internal"; each line is a record or a comment."""
    zones, zone = {"public": [], "internal": []}, "public"
    for line in text.splitlines():
        if line.startswith(";"):
            zone = "internal" if line.startswith("; internal zone") else zone
            continue
        m = re.fullmatch(r"([\w.*-]+)\. IN (A|AAAA|SRV) (.+)", line)
        assert m, line
        if m[2] == "SRV":
            assert re.fullmatch(r"0 0 \d+ [\w.-]+\.", m[3]), line
        else:
            socket.inet_pton(socket.AF_INET if m[2] == "A" else socket.AF_INET6, m[3])
        zones[zone].append("%s %s %s" % m.groups())
    assert len(zones["public"]) == len(set(zones["public"]))
    return zones


def test_dns_of_both_zones(printed):
    z = records(printed("--dns", {"edge.sip_domains": ["contoso.com", "adatum.com"], "access.allow_federated_users": True,
                                  "external.av.fqdn": "av.contoso.com", "external.av.tls_port": 5349, "av.shared_secret": "0123456789abcdef"}))
    assert sorted(z["public"]) == sorted([
        "sip.contoso.com A 203.0.113.10", "webconf.contoso.com A 203.0.113.11", "av.contoso.com A 203.0.113.12",
        "_sip._tls.contoso.com SRV 0 0 443 sip.contoso.com.", "_sipfederationtls._tcp.contoso.com SRV 0 0 5061 sip.contoso.com.",
        # DNS-09: the sign-in record's target lies in its domain; DNS-17: federation follows to the primary name
        "sip.adatum.com A 203.0.113.10", "_sip._tls.adatum.com SRV 0 0 443 sip.adatum.com.",
        "_sipfederationtls._tcp.adatum.com SRV 0 0 5061 sip.contoso.com.",
        "_turn._udp.contoso.com SRV 0 0 3478 av.contoso.com.", "_turn._tcp.contoso.com SRV 0 0 3478 av.contoso.com.",
        "_turns._tcp.contoso.com SRV 0 0 5349 sip.contoso.com."])
    assert z["internal"] == ["edge.contoso.net A 10.0.0.10"]


def test_dns_without_federation_or_behind_nat(printed):
    text = printed("--dns", {"external.access.address": "192.168.1.10", "external.webconf.address": "192.168.1.11",
                             "external.av.address": "192.168.1.12", "external.av.public_address": "203.0.113.12", "external.av.fqdn": "av.contoso.com",
                             "edge.pool_fqdn": "edgepool.contoso.net"})
    z = records(text)
    assert z["public"] == ["av.contoso.com A 203.0.113.12", "_sip._tls.contoso.com SRV 0 0 443 sip.contoso.com."]
    assert "; sip.contoso.com. IN A (what the NAT shows for 192.168.1.10)" in text and "; _sipfederationtls._tcp.contoso.com." in text
    assert z["internal"] == ["edgepool.contoso.net A 10.0.0.10"] and "lyncdiscover.contoso.com belongs to the reverse proxy" in text


def test_dns_of_tickets(printed):
    z = records(printed("--dns", {"webconf.admission": "sni-ticket", "webconf.ticket_suffix": "meet.contoso.com"}))
    assert "*.meet.contoso.com A 203.0.113.11" in z["public"]


def binding(lab, address):
    """A STUN Binding request from outside; None without an answer within a second."""
    with lab.inside_of("load"):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with s:
        s.settimeout(1)
        s.sendto(struct.pack("!HHI", 1, 0, 0x2112a442) + os.urandom(12), address)
        try:
            return s.recv(1500)
        except OSError:
            return None


def test_an_edge_behind_its_own_rules_serves(world):
    lab = world.lab
    subprocess.run(["ip", "netns", "exec", lab.ns("edge"), "nft", "-f", "-"], input=edged("--firewall", world.edged.conf), text=True, check=True)
    c = sip.Client(lab, "alice", source=LOAD[4])
    c.register()
    c.close()
    lab.tls_to("load", "203.0.113.11", 443, "webconf.contoso.com", source=LOAD[5]).close()
    lab.tcp_to("load", "203.0.113.12", 443).close()
    assert binding(lab, ("203.0.113.12", 3478))
    lab.tcp_to("inside", "10.30.0.5", 5062).close()
    with pytest.raises(OSError):  # an inside port from outside, through the edge's weak host model
        lab.tcp_to("load", EDGE_OUT, 5062, timeout=1)
    with pytest.raises(OSError):  # dropped: not even refused
        lab.tcp_to("load", EDGE_OUT, 22, timeout=1)
