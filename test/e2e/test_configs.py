# SPDX-License-Identifier: MIT
"""Every config/lab-*.conf is accepted by edged -n and starts; a broken one is refused before anything has moved."""
import glob
import os
import subprocess

import pytest

import lab as lablib
from lab import TOP, LabError, conf_read, conf_text

FILES = sorted(os.path.basename(f) for f in glob.glob(os.path.join(TOP, "config", "lab-*.conf")))


def edged(lab, *argv):
    bins = os.environ.get("EDGED_BIN") or os.path.join(TOP, "build", "bin")
    r = subprocess.run(["ip", "netns", "exec", lab.ns("edge"), os.path.join(bins, "edged"), *argv], capture_output=True, text=True, cwd=lab.dir, timeout=120)
    return r.returncode, r.stdout + r.stderr


def test_there_are_some():
    assert FILES


def test_reader_and_writer_agree():
    for f in FILES:
        with open(os.path.join(TOP, "config", f)) as fh:
            c = conf_read(fh.read())
        assert conf_read(conf_text(c)) == c


@pytest.mark.parametrize("name", FILES)
def test_check_accepts(lab, name):
    status, out = edged(lab, "-n", "-c", os.path.join(TOP, "config", name))
    assert status == 0, out


@pytest.mark.parametrize("name", FILES)
def test_starts_as_it_stands(lab, name):
    with open(os.path.join(TOP, "config", name)) as f:
        access = conf_read(f.read())["external"]["access"]
    os.makedirs("/run/edged", exist_ok=True)
    bins = os.environ.get("EDGED_BIN") or os.path.join(TOP, "build", "bin")
    # A /run/edged of its own (`ip netns exec` gives it mounts of its own): that of the host may be somebody's.
    shell = 'mount -t tmpfs tmpfs /run/edged && exec "$0" -c "$1"'
    p = lablib.Proc(lab, "edge", ["sh", "-c", shell, os.path.join(bins, "edged"), os.path.join(TOP, "config", name)], name="edged-" + name)
    host = "edge" if access["address"].startswith("127.") else "load"

    def up():
        if not p.alive():
            raise LabError("%s: edged ended with %s: %s" % (name, p.p.returncode, p.log()[-1500:]))
        try:
            lab.tls_to(host, access["address"], access["client_port"], access["fqdn"], timeout=2).close()
            return True
        except OSError:
            return False
    lablib.wait_for(lambda: "edged with %s; its log: %s" % (name, p.log()[-1500:]), up, every=0.1)
    assert p.stop(lablib.WAIT) == 0, p.log()[-1500:]


@pytest.mark.parametrize("change,expect", [
    ({"edge": {"sip_domain": ["x"]}}, "sip_domain"),
    ({"external": {"access": {"client_port": 70000}}}, "client_port"),
    ({"certificates": {"external": {"chain": "certs/lab/nowhere.pem"}}}, "nowhere.pem"),
    ({"certificates": {"external": {"key": "certs/lab/internal.key"}}}, "CERT-ALL-01"),
    ({"certificates": {"external": {"chain": "certs/lab/internal.pem", "key": "certs/lab/internal.key"}}}, "CERT-"),
], ids=["unknown-key", "port", "no-file", "key-mismatch", "same-certificate"])
def test_check_refuses(lab, change, expect):
    with open(os.path.join(TOP, "config", "lab-remote-user.conf")) as f:
        c = lablib.conf_merge(conf_read(f.read()), change)
    path = lab.path("broken.conf")
    with open(path, "w") as f:
        f.write(conf_text(c))
    status, out = edged(lab, "-n", "-c", path)
    assert status == 1 and expect in out, (status, out)
    status, out = edged(lab, "-c", path)
    assert status == 78 and expect in out, (status, out)
