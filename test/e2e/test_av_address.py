# SPDX-License-Identifier: MIT
"""Where the A/V Edge's addresses are not the plain ones: IPv6 beside IPv4, and an address translated by a NAT in front."""
import re
import subprocess
import xml.etree.ElementTree as ET

import pytest

import av as avlib
from av import AV_OUT, NS, Lync, credentials, mras_body, service, uclient
from lab import STRICT, Proc, run, wait_for

OUT6, BOB6 = "2001:db8:3::12", "2001:db8:1::24"
PUBLIC = "198.18.0.12"


def stopped(e):
    assert e.stop() == 0, e.log()[-2000:]
    assert "Sanitizer" not in e.log() and "runtime error:" not in e.log(), e.log()[-4000:]


def echo(lab, address):
    p = Proc(lab, "bob", ["turnutils_peer", "-L", address, "-p", "3480"], name="peer-" + address.replace(":", "-"))
    wait_for("the echo to listen", lambda: lab.listens("bob", ("[%s]:3480" if ":" in address else "%s:3480") % address))
    return p


def dropped(lab):
    return 0 if STRICT else lab.datagrams_dropped("alice", "bob", "edge")


def all_back(lab, before, out, n):
    """But what the kernel threw away since `before` for a program that did not get its turn."""
    m = re.search(r"start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\n", out)
    assert m, out[-1200:]
    assert int(m.group(1)) == n and int(m.group(2)) >= n - (dropped(lab) - before), out[-1200:]


# -- IPv6 -------------------------------------------------------------------------------------------------------------

@pytest.fixture(scope="class")
def six(lab):
    for host, dev, a in (("net", "br0", "2001:db8:1::1"), ("net", "edge0", "2001:db8:3::1"), ("edge", "ext0", OUT6),
                         ("alice", "eth0", "2001:db8:1::23"), ("bob", "eth0", BOB6)):
        lab.ip(host, "addr", "add", a + "/64", "dev", dev, "nodad")
    lab.sysctl("net", net__ipv6__conf__all__forwarding=1)
    for host, via in (("edge", "2001:db8:3::1"), ("alice", "2001:db8:1::1"), ("bob", "2001:db8:1::1")):
        lab.ip(host, "-6", "route", "add", "default", "via", via)
    e = lab.edged(base="lab-av.conf", **{"external.av.address": [AV_OUT, OUT6],
                                         "av.allowed_peers": ["198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32"]})
    echo(lab, BOB6)
    echo(lab, "198.51.100.24")
    yield e
    stopped(e)


class TestSix:
    def test_six(self, lab, six):
        """turnutils_uclient: both legs IPv6 over UDP and TCP, and either family in front of the other; what the relay gave is of the family asked for."""
        before = dropped(lab)
        ways = {"6 to 6 udp": uclient(lab, "-c", "-x", "-n", "50", "-m", "2", server=OUT6, peer=BOB6),
                "6 to 6 tcp": uclient(lab, "-c", "-x", "-t", "-n", "50", "-m", "2", server=OUT6, peer=BOB6),
                "4 to 6 udp": uclient(lab, "-c", "-x", "-n", "50", "-m", "2", peer=BOB6),
                "6 to 4 udp": uclient(lab, "-c", "-X", "-n", "50", "-m", "2", server=OUT6)}
        for r in ways.values():
            all_back(lab, before, r.end(), 100)
        assert "relayed=[%s]:" % OUT6 in six.log() and "relayed=%s:" % AV_OUT in six.log()

    def test_six_wrong_password(self, lab, six):
        assert "Cannot complete Allocation" in uclient(lab, "-c", "-x", "-n", "1", "-m", "1", server=OUT6, peer=BOB6, password="guess").end()

    def test_six_peers_are_judged(self, lab, six):
        """Loopback, link-local and our own addresses stay refused, also when they come dressed as IPv6."""
        for peer, rule in (("::1", "loopback"), ("fe80::1", "link_local"), ("::ffff:127.0.0.1", "loopback"), ("64:ff9b::a14:b", "inside")):
            since = len(six.log())
            assert "403" in uclient(lab, "-c", "-x", "-n", "1", "-m", "1", server=OUT6, peer=peer).end() or "peer_refused" in six.log()[since:], peer
            six.wait_log(r"AVR-5005 .*rule=%s" % rule, since=since)

    def test_six_is_named_by_mras(self, lab, six):
        """directip: one relay for each address."""
        body = mras_body().replace("<request ", '<request route="directip" ')
        root = ET.fromstring(service(lab, body)[2])
        assert [x.text for x in root.iter(NS + "directIPAddress")] == [AV_OUT, OUT6], ET.tostring(root)


# -- behind a NAT -----------------------------------------------------------------------------------------------------

@pytest.fixture(scope="class")
def nat(lab):
    """The router translates 198.18.0.12 to the A/V Edge, one to one, as a firewall before a perimeter does."""
    rules = ("table ip nat { chain pre { type nat hook prerouting priority -100; ip daddr %s dnat to %s; }\n"
             "chain post { type nat hook postrouting priority 100; ip saddr %s snat to %s; }\n}\n" % (PUBLIC, AV_OUT, AV_OUT, PUBLIC))
    subprocess.run(["ip", "netns", "exec", lab.ns("net"), "nft", "-f", "-"], input=rules, text=True, check=True)
    e = lab.edged(base="lab-av.conf", **{"external.av.public_address": PUBLIC,
                                         "av.allowed_peers": ["198.51.100.0/24", "203.0.113.0/24", PUBLIC + "/32"]})
    yield e
    stopped(e)
    run("ip", "netns", "exec", lab.ns("net"), "nft", "delete", "table", "ip", "nat")


class TestNat:
    def test_behind_nat(self, lab, nat):
        """turnutils_uclient dials the public address; the relay names it, and the echo's answers come back to it."""
        before = dropped(lab)
        for r in [uclient(lab, "-c", "-n", "50", "-m", "2", "-v", *how, server=PUBLIC) for how in ([], ["-t"])]:
            out = r.end()
            all_back(lab, before, out, 100)
            assert re.search(r"relay addr: %s:5\d{4}" % re.escape(PUBLIC), out), out[:1500]
            assert AV_OUT not in out

    def test_behind_nat_lync(self, lab, nat):
        """A/V Authentication names the public address; the relayed address and a peer's view are public; two allocations meet by public names."""
        body = mras_body().replace("<request ", '<request route="directip" ')
        assert [x.text for x in ET.fromstring(service(lab, body)[2]).iter(NS + "directIPAddress")] == [PUBLIC]
        a, b = (Lync(lab, host, PUBLIC, *credentials(lab)[:2]) for host in ("alice", "bob"))
        assert a.allocate() == 0 and b.allocate() == 0
        assert a.relay[0] == b.relay[0] == PUBLIC
        avlib.meet(a, b)
        a.tx(b"over the public address")
        assert b.rx() == (3, b"over the public address")

    def test_behind_nat_wrong_password(self, lab, nat):
        assert Lync(lab, "alice", PUBLIC, credentials(lab)[0], b"x" * 20).allocate() == 431
