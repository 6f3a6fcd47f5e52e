# SPDX-License-Identifier: MIT
"""`edged -n` and `edgectl check [--live]`: what an administrator reads before he starts it, in a network with a DNS of its own."""
import glob
import json
import os
import re
import subprocess
import time

import pytest

from lab import TOP, figure
from test_admin import bins, ctl

CONF = {"access__workers": 1, "access__allow_federated_users": True,
        "federation__allowed": ({"domain": "fabrikam.com"}, {"domain": "nobody.example"})}


def check(lab, *argv, release=False):
    where = os.environ.get("EDGED_RELEASE_BIN", os.path.join(TOP, "build", "bin")) if release else bins()
    return subprocess.run(["ip", "netns", "exec", lab.ns("edge"), os.path.join(where, "edged"), "-n", *argv], capture_output=True, text=True,
                          cwd=lab.dir, timeout=60)


def rules(report):
    return {(f["rule"], f["severity"]) for f in report["findings"]}


def test_live_finds_what_the_dns_lacks(world):
    """The laboratory's DNS has no record for nobody.example, no federation record for adatum.com; all else is there."""
    lab = world.lab
    code, out, err = ctl(lab, "--json", "check", "--live")
    report = json.loads(out)
    assert code == 0, out
    live = {f["text"] for f in report["findings"] if f["rule"] in ("DNS-06", "DNS-07", "FED-07")}
    assert any(t.startswith("nobody.example has no proxy_fqdn") for t in live), live
    assert any(t.startswith("_sipfederationtls._tcp.adatum.com has no SRV record") and "IN SRV 0 0 5061 sip.contoso.com." in t for t in live), live
    assert len(live) == 2, live
    assert not {r for r, _ in rules(report)} & {"DNS-01", "DNS-03", "DNS-04", "DNS-05", "DNS-09", "DNS-13", "PORT-03"}, report
    assert not {r for r, _ in rules(json.loads(ctl(lab, "--json", "check")[1]))} & {"DNS-06", "DNS-07", "FED-07"}
    assert ctl(lab, "--live", "status")[0] == 2


def test_live_without_a_resolver(lab):
    """Silence is told once, not as a record that is missing."""
    conf = lab.edged_conf(name="silent.conf", dns__servers=["203.0.113.99"])
    r = check(lab, "--live", "--json", "-c", conf)
    found = rules(json.loads(r.stdout))
    assert ("DNS-01", "warning") in found and not {x for x, _ in found} & {"DNS-05", "DNS-06", "DNS-07"}, found


def test_certificates_stand_in_the_report(lab):
    """Section 4: for each binding subject, names, issuer, serial, fingerprint, end and key, as openssl tells them."""
    r = check(lab, "--json", "-c", lab.edged_conf(name="certs.conf"))
    by = {c["binding"]: c for c in json.loads(r.stdout)["certificates"]}
    assert set(by) == {"external", "external_ecdsa", "internal"}
    for name, file in (("external", "external.pem"), ("internal", "internal.pem")):
        want = subprocess.run(["openssl", "x509", "-in", lab.cert(file), "-noout", "-serial", "-fingerprint", "-sha256", "-enddate"],
                              capture_output=True, text=True, check=True).stdout
        assert "serial=" + by[name]["serial"] + "\n" in want and by[name]["sha256"].upper() in want.replace(":", "")
        end = re.search("notAfter=(.*)", want).group(1)
        assert time.strptime(end, "%b %d %H:%M:%S %Y GMT")[:6] == time.gmtime(by[name]["not_after"])[:6]
        assert by[name]["issuer"] and by[name]["key"] == "RSA 2048"
    assert by["external"]["names"][:3] == ["sip.contoso.com", "webconf.contoso.com", "sip.adatum.com"] and by["internal"]["names"] == []
    text = check(lab, "-c", lab.path("certs.conf")).stdout
    for c in by.values():
        assert "serial %s" % c["serial"] in text and c["subject"] in text


@pytest.mark.parametrize("name", sorted(os.path.basename(f) for f in glob.glob(os.path.join(TOP, "config", "*.conf")) if "connector" not in f))
def test_each_configuration_is_clean(lab, name):
    """No error in any of config/; nothing beyond what edge.lab lowers and what the laboratory's own authority cannot have; below a second."""
    path = os.path.join(TOP, "config", name)
    argv = ["-c", path]
    if name == "edged.conf":
        sample_host(lab)
    t = time.monotonic()
    r = check(lab, "--json", *argv, release=True) if name != "edged.conf" else sample_check(lab)
    took = time.monotonic() - t
    assert r.stdout, r.stderr
    report = json.loads(r.stdout)
    assert r.returncode == 0 and report["errors"] == 0, r.stdout + r.stderr
    left = {f["rule"] for f in report["findings"] if f["severity"] == "warning" and not f["lowered"]}
    # Of the laboratory: one wide route, a kernel that nobody tuned, a clock that nobody steers, an authority of its own.
    assert left <= {"TOP-04", "TOP-06", "TOP-07", "TOP-09", "TOP-15", "CERT-ALL-08", "CERT-EXT-10", "CERT-EXT-14", "PORT-02", "DNS-02"}, report
    figure("edged -n on %s" % name, took, 1)


def sample_host(lab):
    """A host as the sample wants it: its addresses on eth0 and eth1, its certificates and users."""
    d = lab.path("sample")
    os.makedirs(d + "/etc-edged", exist_ok=True)
    ca = lab.cert("ca")

    def issue(which, cn, names, out):
        ext = "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\ncrlDistributionPoints=URI:http://crl.contoso.com/x.crl\n"
        if names:
            ext += "subjectAltName=" + ",".join("DNS:" + n for n in names) + "\n"
        with open(d + "/ext", "w") as f:
            f.write(ext)
        for argv in (["req", "-new", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=" + cn, "-keyout", out + ".key", "-out", d + "/csr"],
                     ["x509", "-req", "-in", d + "/csr", "-CA", lab.cert(which + "-ca.pem"), "-CAkey", "%s/%s/ca.key" % (ca, which),
                      "-set_serial", "0x%x" % int.from_bytes(os.urandom(12), "big"), "-days", "90", "-extfile", d + "/ext", "-out", out + ".pem"]):
            subprocess.run(["openssl"] + argv, check=True, capture_output=True)
    issue("external", "sip.contoso.com", ["sip.contoso.com", "webconf.contoso.com"], d + "/etc-edged/external")
    issue("internal", "edge.contoso.net", [], d + "/etc-edged/internal")
    issue("internal", "av", [], d + "/etc-edged/av-auth")
    subprocess.run(["cp", lab.cert("internal-ca.pem"), d + "/etc-edged/internal-ca.pem"], check=True)
    subprocess.run(["cp", lab.cert("partner.crl.pem"), d + "/etc-edged/partners.crl.pem"], check=True)
    with open(d + "/etc-edged/external.pem", "a") as f, open(lab.cert("external-ca.pem")) as root:  # no bundle of the world knows it
        f.write(root.read())


def sample_check(lab):
    d = lab.path("sample")
    users = "".join("edged-%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n" % (r, 64200 + i, 64200 + i)
                    for i, r in enumerate(("keyd", "access", "av", "avauth", "webconf", "xmpp")))
    with open("/etc/passwd") as f:
        passwd = f.read() + users + "edged:x:64250:64250::/nonexistent:/usr/sbin/nologin\n"
    with open(d + "/passwd", "w") as f:
        f.write(passwd)
    with open(d + "/group", "w") as f:
        f.write(open("/etc/group").read() + "edged:x:64250:\n")
    where = os.environ.get("EDGED_RELEASE_BIN", os.path.join(TOP, "build", "bin"))
    script = """set -e
ip link add eth0 type veth peer name p0; ip link add eth1 type veth peer name p1; ip link set p0 up; ip link set p1 up; ip link set lo up; ip link set eth0 up; ip link set eth1 up
for i in 10 11 12; do ip addr add 203.0.113.$i/24 dev eth0; done
ip addr add 10.0.0.10/24 dev eth1
ip route add default via 203.0.113.1 dev eth0; ip route add 10.0.0.0/8 via 10.0.0.1 dev eth1
sysctl -q -w net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0 net.ipv4.ip_local_reserved_ports=50000-59999 \
  net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2
hostname edge.contoso.net
mount --bind %(d)s/passwd /etc/passwd; mount --bind %(d)s/group /etc/group
mount -t tmpfs none /etc/opt; mkdir /etc/opt/edged; cp -a %(d)s/etc-edged/. /etc/opt/edged/
chown -R root:edged /etc/opt/edged; chmod 640 /etc/opt/edged/*.key; chmod 644 /etc/opt/edged/*.pem; chmod 755 /etc/opt /etc/opt/edged
sed s:/etc/edged:/etc/opt/edged: %(conf)s >/etc/opt/edged/edged.conf; chmod 644 /etc/opt/edged/edged.conf
exec %(bin)s/edged -n --json -c /etc/opt/edged/edged.conf
""" % {"d": d, "conf": os.path.join(TOP, "config", "edged.conf"), "bin": where}
    return subprocess.run(["unshare", "--net", "--mount", "--uts", "sh", "-c", script], capture_output=True, text=True, timeout=60)
