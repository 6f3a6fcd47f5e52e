# SPDX-License-Identifier: MIT
"""A fresh machine: what is installed, the sample edited until `edged -n` is content, `systemctl start edged`, users signed in.

Without an environment the machine is the host's own root under an overlay and the programs are installed by `cmake --install`. With
EDGED_MACHINE_ROOT=DIR (debootstrap), EDGED_DEB=FILE and EDGED_CONNECTOR_DEB=FILE it is a real fresh one and the packages are
installed by apt: script/package --test does that.
"""
import glob
import json
import os
import re
import resource
import subprocess

import pytest

import sip
from lab import LOAD, TOP, wait_for
from machine import Machine

NAME = "edge.int.contoso.net"
BUILD = os.path.dirname(os.environ.get("EDGED_RELEASE_BIN") or os.path.join(TOP, "build", "bin"))

# What an administrator changes in the sample, in the order in which the findings lead there.
EDITS = [
    ('fqdn = "edge.contoso.net"', 'fqdn = "%s"' % NAME),
    ('interface = "eth0"', 'interface = "ext0"'),
    ('interface = "eth1"', 'interface = "int0"'),
    ('address = "10.0.0.10"', 'address = "10.30.0.5"'),
    ('trusted_servers = [ "fe.contoso.net" ]', 'trusted_servers = [ "fe01.contoso.net" ]'),
    ('fqdn = "fe.contoso.net"', 'fqdn = "fe01.contoso.net"'),
    ('# external_trust = "/etc/ssl/certs/ca-certificates.crt"', 'external_trust = "/etc/edged/external-trust.pem"'),
    ('# next_hop_path = false', 'next_hop_path = true'),
    ('# target = "syslog"', 'target = "journal"'),
    ('# handshakes_per_minute = 20', 'handshakes_per_minute = 0'),
    ('# registers_per_minute = 20', 'registers_per_minute = 0'),
]
FILES = {"external.pem": "external.pem", "external.key": "external.key", "internal.pem": "internal.pem", "internal.key": "internal.key",
         "av-auth.pem": "av_auth.pem", "av-auth.key": "av_auth.key", "internal-ca.pem": "internal-ca.pem",
         "external-trust.pem": "external-trust.pem"}


@pytest.fixture(scope="module")
def stage(tmp_path_factory):
    """The tree that `cmake --install` makes."""
    d = str(tmp_path_factory.mktemp("stage"))
    subprocess.run(["cmake", "--install", BUILD, "--prefix", "/usr"], check=True, capture_output=True, env=dict(os.environ, DESTDIR=d))
    return d


@pytest.fixture(scope="module")
def machine(lab, stage):
    deb = os.environ.get("EDGED_DEB")
    m = Machine(lab, NAME, "" if deb else stage)
    try:
        if deb:
            for path, name in ((deb, "edged"), (os.environ["EDGED_CONNECTOR_DEB"], "edged-connector")):
                with open(path, "rb") as f:
                    subprocess.run(m.argv("sh", "-c", "cat >/srv/%s.deb" % name), stdin=f, check=True)
            # Its network has no way to Debian: the packages it depends on come by the host's.
            subprocess.run(["nsenter", "-t", str(m.init), "-m", "-u", "-i", "-p", "-C", "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
                            "DEBIAN_FRONTEND=noninteractive", "sh", "-ec", RESOLVE], check=True, input=open("/etc/resolv.conf").read(), text=True)
        else:
            m.ok("systemd-sysusers", "edged.conf")
            m.ok("install", "-d", "/etc/edged")
            m.ok("install", "-m", "0640", "-g", "edged", "/usr/share/edged/edged.conf", "/etc/edged/edged.conf")
            m.ok("systemctl", "daemon-reload")
        yield m
    finally:
        m.stop()


RESOLVE = "cp /etc/resolv.conf /srv/resolv.keep; cat >/etc/resolv.conf; apt-get update -qq; apt-get install -y -qq /srv/edged.deb /srv/edged-connector.deb; cp /srv/resolv.keep /etc/resolv.conf"


def findings(m):
    code, out = m.run("edged", "-n", "--json")
    found = json.loads(out)["findings"]
    errors = sorted({f["rule"] for f in found if f["severity"] == "error"})
    assert (code == 0) == (not errors)
    return errors, found


def test_sample_is_explained_until_it_is_right(machine, lab):
    """Each round mends what the last one named; nothing is named twice, and in the end nothing is left."""
    seen = [findings(machine)[0]]
    assert {"TOP-01", "TOP-13", "ADR-14", "CERT-ALL-01"} <= set(seen[0]), seen
    text = machine.read("/etc/edged/edged.conf")
    assert machine.run("systemctl", "start", "edged")[0] != 0
    status = dict(x.split("=", 1) for x in machine.ok("systemctl", "show", "-p", "ExecMainStatus,NRestarts,ActiveState", "edged").split())
    assert status == {"ExecMainStatus": "78", "NRestarts": "0", "ActiveState": "failed"}
    assert "will not start with /etc/edged/edged.conf" in machine.journal("edged")

    for old, new in EDITS:
        assert text.count(old) == 1 or old.startswith("fqdn") or old.startswith("interface"), old
        text = text.replace(old, new, 1)
    machine.write("/etc/edged/edged.conf", text, "0640", "edged")
    seen.append(findings(machine)[0])
    assert "TOP-13" not in seen[1] and "ADR-14" not in seen[1] and "CERT-ALL-01" in seen[1], seen

    for name, source in FILES.items():  # as an administrator leaves them: keys for root alone
        with open(lab.cert(source)) as f:
            machine.write("/etc/edged/" + name, f.read(), "0600" if name.endswith(".key") else "0644")
    errors, found = findings(machine)
    assert errors == ["USER-02"], found
    assert {f["key"] for f in found if f["rule"] == "USER-02"} == {"certificates.%s.key" % x for x in ("external", "internal", "av_auth")}

    for f in FILES:
        if f.endswith(".key"):
            machine.ok("chgrp", "edged", "/etc/edged/" + f)
            machine.ok("chmod", "640", "/etc/edged/" + f)
    errors, found = findings(machine)
    assert errors == [], found


def test_start_serves_and_is_locked_in(machine, lab, fe):
    machine.ok("systemctl", "start", "edged")
    show = dict(x.split("=", 1) for x in machine.ok("systemctl", "show", "-p", "ActiveState,MainPID,WatchdogUSec,NotifyAccess", "edged").splitlines())
    assert show["ActiveState"] == "active" and show["WatchdogUSec"] == "30s"
    code, out = machine.run("edgectl", "--json", "status")
    s = json.loads(out)
    assert code == 0 and not s["lab"] and {x["role"] for x in s["services"]} == {"keyd", "access", "webconf", "av", "avauth"}
    warnings = {w for x in s["services"] for w in x["warnings"]}
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < 131072:  # a host that nobody can lift: not the unit's doing
        warnings = {w for w in warnings if not w.startswith("descriptor limit")}
    assert warnings == set(), "degraded by the sandbox of the unit"
    # The helper that asks the DNS starts and reads the files within that sandbox too.
    report = json.loads(machine.run("edgectl", "--json", "check", "--live")[1])
    assert {c["binding"] for c in report["certificates"]} == {"external", "internal", "av_auth"}, report
    assert not {f["rule"] for f in report["findings"]} & {"CHECK", "CERT-ALL-01", "PORT-03"}, report
    users = {}
    for pid in [show["MainPID"]] + [str(x["pid"]) for x in s["services"]]:
        st = dict(x.split(":", 1) for x in machine.read("/proc/%s/status" % pid).splitlines())
        name = machine.ok("stat", "-c", "%U", "/proc/%s" % pid).strip()
        users[st["Name"].strip()] = name
        assert "0" not in st["Uid"].split() + st["Gid"].split() and st["NoNewPrivs"].strip() == "1" and st["Seccomp"].strip() == "2", st
        if pid != show["MainPID"]:
            assert all(int(st[c], 16) == 0 for c in ("CapInh", "CapPrm", "CapEff", "CapAmb")), (name, st)
        else:
            assert int(st["CapEff"], 16) == int(st["CapBnd"], 16) == 1 << 6 | 1 << 7 | 1 << 10 | 1 << 18, st  # setgid setuid bind chroot
    # The name of a process is 15 letters long.
    assert users == {"edged": "edged", "edged-keyd": "edged-keyd", "edged-access": "edged-access", "edged-webconf": "edged-webconf",
                     "edged-av": "edged-av", "edged-avauth": "edged-avauth"}, users

    machine.ok("journalctl", "--sync")
    entry = json.loads(machine.ok("journalctl", "-o", "json", "-n", "1", "EDGED_EVENT=started"))
    assert entry["EDGED_ID"] == "SYS-1001" and entry["_SYSTEMD_UNIT"] == "edged.service" and entry["PRIORITY"] == "5"

    c = sip.Client(lab, "alice", source=LOAD[4])
    c.register()
    c.close()
    lab.tls_to("load", "203.0.113.11", 443, "webconf.contoso.com", source=LOAD[5]).close()


def test_reload_says_yes_or_why_not(machine, lab, fe):
    c = sip.Client(lab, "bob", source=LOAD[6])
    c.register()
    text = machine.read("/etc/edged/edged.conf")
    machine.write("/etc/edged/edged.conf", text.replace('# level = "info"', 'level = "notice"'), "0640", "edged")
    machine.ok("systemctl", "reload", "edged")
    assert json.loads(machine.ok("edgectl", "--json", "status"))["reloads"] == 1
    machine.write("/etc/edged/edged.conf", text.replace("sip_domains", "sip_domain", 1), "0640", "edged")
    assert machine.run("systemctl", "reload", "edged")[0] != 0
    out = machine.journal("edged")
    assert "did you mean edge.sip_domains" in out and "/etc/edged/edged.conf:" in out, out[-2000:]
    assert machine.ok("systemctl", "is-active", "edged").strip() == "active"
    machine.write("/etc/edged/edged.conf", text, "0640", "edged")
    machine.ok("systemctl", "reload", "edged")
    c.register()
    c.close()


def test_hung_service_is_ended_without_the_right_to_signal(machine):
    """edged.service has no CAP_KILL; the watchdog of a service works all the same (in every run: test_ordinary_user.py)."""
    if not os.environ.get("EDGED_DEB"):
        pytest.skip("takes ten seconds: script/package --test")
    before = next(x for x in json.loads(machine.ok("edgectl", "--json", "status"))["services"] if x["role"] == "avauth")
    machine.ok("kill", "-STOP", str(before["pid"]))

    def again():
        now = next(x for x in json.loads(machine.run("edgectl", "--json", "status")[1])["services"] if x["role"] == "avauth")
        return now["pid"] != before["pid"] and now["state"] == "ready"
    wait_for("avauth to be started again", again, 60, 0.5)


def guide_commands():
    """Every line of every sh block of the administrator's guide."""
    with open(os.path.join(TOP, "docs", "admin-guide.md")) as f:
        return [line for block in re.findall(r"^```sh\n(.*?)^```", f.read(), re.S | re.M) for line in block.splitlines()]


def test_commands_of_the_guide(machine, lab):
    """In their order, on a machine that has what the guide says it has by then."""
    commands = guide_commands()
    assert len(commands) > 25
    machine.ok("install", "-d", "-m", "0700", "/srv/edged")
    with open(os.path.join(TOP, "test", "corpus", "topology", "published.xml")) as f:
        machine.write("/srv/edged/topology.xml", f.read())
    machine.write("/srv/edged/pfx.password", "secret\n", "0600")
    machine.ok("openssl", "pkcs12", "-export", "-in", "/etc/edged/external.pem", "-inkey", "/etc/edged/external.key",
               "-passout", "file:/srv/edged/pfx.password", "-out", "/srv/edged/external.pfx")
    machine.ok("systemctl", "stop", "edged")
    for c in commands:
        code, out = machine.run("bash", "-euc", c)
        assert code == 0, (c, out)
        if c.startswith("systemctl enable"):
            wait_for("services to be ready", lambda: machine.run("edgectl", "status")[0] == 0, 60)
        if c == "edged -n":
            assert "0 errors" in out, out
    # What came out of them is what goes in.
    assert machine.ok("openssl", "x509", "-noout", "-serial", "-in", "/srv/edged/external.pem") == \
        machine.ok("openssl", "x509", "-noout", "-serial", "-in", "/etc/edged/external.pem")
    code, out = machine.run("edged", "-n", "-c", "/srv/edged/edged.conf.new")
    assert code == 1 and "ACC-01" not in out


def test_stop(machine):
    machine.ok("systemctl", "stop", "edged")
    show = machine.ok("systemctl", "show", "-p", "ActiveState,Result,ExecMainStatus", "edged").split()
    assert sorted(show) == ["ActiveState=inactive", "ExecMainStatus=0", "Result=success"]
    assert "core-dump" not in machine.journal("edged")


def test_upgrade_and_purge(machine):
    """Of the package: an upgrade keeps the configuration and brings a running edge back; removal stops it; purge takes the sample along."""
    if not os.environ.get("EDGED_DEB"):
        pytest.skip("not installed from a package: script/package --test")
    machine.ok("systemctl", "start", "edged")
    pid, text = machine.ok("systemctl", "show", "-p", "MainPID", "edged"), machine.read("/etc/edged/edged.conf")
    machine.ok("dpkg", "-i", "/srv/edged.deb")
    assert machine.read("/etc/edged/edged.conf") == text
    assert machine.ok("systemctl", "is-active", "edged").strip() == "active" and machine.ok("systemctl", "show", "-p", "MainPID", "edged") != pid
    machine.ok("dpkg", "-r", "edged")
    assert machine.run("pgrep", "-c", "edged")[1].strip() == "0"  # a PID namespace of its own
    assert machine.read("/etc/edged/edged.conf") == text
    machine.ok("dpkg", "-P", "edged")
    left = machine.ok("ls", "/etc/edged").split()
    assert "edged.conf" not in left and "external.key" in left
    assert machine.run("ls", "-R", "/usr/lib/edged")[0] != 0  # systemd made no mount point of its own there


def test_connector_runs_under_its_unit(machine, lab):
    """The other package's unit: its own user, signs of life, SIGHUP, an orderly end."""
    if not os.environ.get("EDGED_DEB"):
        machine.ok("systemd-sysusers", "edged-connector.conf")
        machine.ok("install", "-m", "0640", "-g", "edged-connector", "/usr/share/edged/connector.conf", "/etc/edged/connector.conf")
    for f in ("connector.pem", "connector.key", "internal-ca.pem"):
        with open(lab.cert(f)) as fh:
            machine.write("/etc/edged/" + f, fh.read(), "0640", "edged-connector")
    assert machine.ok("stat", "-c", "%U %G %a", "/etc/edged/connector.conf").split() == ["root", "edged-connector", "640"]
    sample = machine.read("/etc/edged/connector.conf")
    machine.write("/etc/edged/connector.conf", sample.replace("edge_trust", "egde_trust"), "0640", "edged-connector")
    assert machine.run("systemctl", "start", "edged-connector")[0] != 0
    assert machine.ok("systemctl", "show", "-p", "ExecMainStatus", "-p", "NRestarts", "edged-connector").split() == ["NRestarts=0", "ExecMainStatus=78"]
    machine.write("/etc/edged/connector.conf", sample, "0640", "edged-connector")
    machine.ok("systemctl", "start", "edged-connector")
    show = dict(x.split("=", 1) for x in machine.ok("systemctl", "show", "-p", "ActiveState,MainPID,User,WatchdogUSec", "edged-connector").split())
    assert show["ActiveState"] == "active" and show["WatchdogUSec"] == "30s"
    assert machine.ok("stat", "-c", "%U %G", "/proc/" + show["MainPID"]).split() == ["edged-connector"] * 2
    machine.ok("systemctl", "reload", "edged-connector")
    machine.ok("systemctl", "stop", "edged-connector")
    assert machine.ok("systemctl", "show", "-p", "Result", "edged-connector").strip() == "Result=success"


@pytest.mark.parametrize("unit", ["edged", "edged-connector"])
def test_units(stage, unit):
    """systemd calls the exposure 2.0 or less."""
    path = os.path.join(stage, "usr/lib/systemd/system", unit + ".service")
    out = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=20", path], capture_output=True, text=True)
    assert out.returncode == 0, out.stdout[-300:] + out.stderr
    exposure = float(re.search(r"Overall exposure level for \S+: ([\d.]+)", out.stdout).group(1))
    assert exposure <= 2.0


def test_units_say_what_systemd_understands(machine):
    for unit in ("edged", "edged-connector"):
        if machine.run("systemctl", "cat", unit)[0] == 0:
            code, out = machine.run("systemd-analyze", "verify", "--man=no", unit + ".service")
            assert code == 0 and unit not in out, out


def test_packages_have_everything(stage):
    """debian/*.install names each installed file once, and nothing that is not there."""
    wanted = []
    for f in glob.glob(os.path.join(TOP, "debian", "*.install")):
        with open(f) as fh:
            wanted += [x.split()[0] for x in fh.read().splitlines() if x.strip()]
    wanted = [re.sub(r"^lib/systemd", "usr/lib/systemd", w) for w in wanted]
    for w in wanted:
        assert os.path.lexists(os.path.join(stage, w)), w
    for top, dirs, files in os.walk(stage):
        for f in files:
            path = os.path.relpath(os.path.join(top, f), stage)
            assert len([w for w in wanted if path == w or path.startswith(w + "/")]) == 1, path
