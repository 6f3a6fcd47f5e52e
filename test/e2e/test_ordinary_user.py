# SPDX-License-Identifier: MIT
"""The supervisor as edged.service starts it, without systemd: an ordinary user with four ambient capabilities, and a tight umask."""
import os
import shutil
import signal
import subprocess
import tempfile

import pytest

import sip
from av import beside
from lab import LOAD, TOP, Proc, children, conf_read, conf_text, program_of, wait_for

CAPS = "+setuid,+setgid,+sys_chroot,+net_bind_service"
ROLES = ("", "-keyd", "-access", "-webconf", "-av", "-avauth", "-xmpp")
FILES = ("external.pem", "external.key", "external-ecdsa.pem", "external-ecdsa.key", "internal.pem", "internal.key", "external-trust.pem", "internal-ca.pem")


def bins():
    return os.environ.get("EDGED_BIN") or os.path.join(TOP, "build", "bin")


@pytest.fixture(scope="module")
def place(lab):
    """Users in a passwd of our own, files for them, a configuration. Not below pytest's folders, which are for their owner alone."""
    d = tempfile.mkdtemp(prefix="edged-user-")
    os.chmod(d, 0o711)
    os.mkdir(os.path.join(d, "run"))
    os.chown(os.path.join(d, "run"), 64200, 64200)
    shutil.copyfile("/etc/passwd", os.path.join(d, "passwd"))
    with open(os.path.join(d, "passwd"), "a") as f:
        for i, role in enumerate(ROLES):
            f.write("edged%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n" % (role, 64200 + i, 64200 + i))
    path = {n: os.path.join(d, n) for n in FILES}
    for name in FILES:
        shutil.copyfile(lab.cert(name), path[name])
        os.chmod(path[name], 0o600 if name.endswith(".key") else 0o644)
    conf = lab.edged_conf(
        name="user.conf", edge__lab=False, edge__pool_secret="", access__workers=1, log__target="stderr", log__level="info",
        control__socket=os.path.join(d, "run", "control.sock"), access__limits__handshakes_per_minute=0,
        certificates={"external": {"chain": path["external.pem"], "key": path["external.key"]},
                      "external_ecdsa": {"chain": path["external-ecdsa.pem"], "key": path["external-ecdsa.key"]},
                      "internal": {"chain": path["internal.pem"], "key": path["internal.key"]},
                      "external_trust": path["external-trust.pem"], "internal_trust": path["internal-ca.pem"]})
    path["conf"] = shutil.copyfile(conf, os.path.join(d, "edged.conf"))
    path["passwd"] = os.path.join(d, "passwd")
    yield path
    shutil.rmtree(d)


def hand_over(place):
    for name in FILES:
        os.chown(place[name], 0, 64200)
        os.chmod(place[name], 0o640)


def as_user(place, conf, caps):
    """argv of edged as the unit starts it."""
    return shell(place["passwd"], "exec setpriv --reuid 64200 --regid 64200 --clear-groups --inh-caps -all,%s --ambient-caps -all,%s "
                                  "--bounding-set -all,%s --no-new-privs %s/edged -c %s" % (caps, caps, caps, bins(), conf))


def shell(passwd, command):
    return ["unshare", "--mount", "--uts", "sh", "-ec", "mount --bind %s /etc/passwd; hostname edge.int.contoso.net; umask 077; %s" % (passwd, command)]


def test_check_sees_with_the_eyes_of_that_user(lab, place):
    """USER-02: root can read everything, the unit's user cannot."""
    def check():
        r = subprocess.run(["ip", "netns", "exec", lab.ns("edge")] + shell(place["passwd"], "%s/edged -n -c %s" % (bins(), place["conf"])), capture_output=True, text=True)
        lines = [x for x in r.stdout.splitlines() if " USER-02 " in x]
        return r.returncode, [x for x in lines if x.startswith("error")], [x for x in lines if x.startswith("warning")]

    code, errors, _ = check()
    assert code == 1 and len(errors) == 3 and all(".key: " in x and "chmod 640" in x and "user edged" in x for x in errors), errors
    hand_over(place)
    code, errors, warnings = check()
    assert code == 0 and errors == [] and len(warnings) == len(FILES), (errors, warnings)  # not below /etc: the unit would not see them


def test_an_ordinary_user_starts_serves_and_ends(lab, fe, place):
    hand_over(place)
    p = Proc(lab, "edge", as_user(place, place["conf"], CAPS), name="edged-user", env={"EDGED_LIBEXEC": bins(), "ASAN_OPTIONS": "detect_leaks=0"})
    try:
        p.wait_log("SYS-1001 started")
        for pid in [p.pid] + children(p.pid):
            with open("/proc/%d/status" % pid) as f:
                s = dict(x.split(":", 1) for x in f.read().splitlines())
            name = program_of(pid)
            uid = 64200 + ROLES.index(name.replace("edged", "", 1))
            assert s["Uid"].split() == s["Gid"].split() == [str(uid)] * 4 and s["Groups"].split() == [], (name, s)
            caps = [int(s[c], 16) for c in ("CapInh", "CapPrm", "CapEff", "CapAmb")]
            want = 1 << 6 | 1 << 7 | 1 << 10 | 1 << 18
            assert caps == ([want] * 4 if name == "edged" else [0] * 4), (name, caps)
            assert int(s["CapBnd"], 16) == want
        # Roles resolve names by the copy of /etc/hosts, also after their sandbox has closed: the umask must not hide it.
        run = os.path.join(os.path.dirname(place["conf"]), "run")
        modes = {x: os.stat(os.path.join(run, x)).st_mode & 0o777 for x in ("root", "resolve", "resolve/etc", "resolve/etc/hosts")}
        assert modes == {"root": 0o755, "resolve": 0o755, "resolve/etc": 0o755, "resolve/etc/hosts": 0o644}
        c = sip.Client(lab, "alice", source=LOAD[4])
        c.register()
        c.close()
        # A service that hangs is ended by who has no right to signal it.
        keyd = next(k for k in children(p.pid) if program_of(k) == "edged-keyd")
        os.kill(keyd, signal.SIGSTOP)
        wait_for(lambda: "keyd to be started again; the log: " + p.log()[-3000:], lambda: any(program_of(k) == "edged-keyd" and k != keyd for k in children(p.pid)), every=0.5)
    finally:
        assert p.stop(30) == 0, p.log()[-2000:]
    assert "AddressSanitizer" not in p.log() and "runtime error" not in p.log()


@pytest.mark.parametrize("more", ["", ",+bpf,+perfmon,+net_admin"], ids=["as-shipped", "kernel-relay.conf"])
def test_relay_in_the_kernel(lab, fe, place, more):
    """av.kernel_relay with the rights of edged.service alone is refused with the reason; with those of kernel-relay.conf it is on, and
    no service has any of them."""
    hand_over(place)
    with open(os.path.join(TOP, "deploy", "systemd", "kernel-relay.conf")) as f:
        shipped = f.read()
    assert all("CAP_" + c.strip("+").upper() in shipped for c in more.split(",") if c)
    with open(place["conf"]) as f:
        text = f.read()
    conf = place["conf"] + ".av"
    av = beside()
    cert = {k: shutil.copyfile(lab.cert("av_auth" + v), os.path.join(os.path.dirname(conf), "av_auth" + v)) for k, v in (("chain", ".pem"), ("key", ".key"))}
    for path in cert.values():
        os.chown(path, 0, 64200)
        os.chmod(path, 0o640)
    over = conf_read(text)
    over["external"]["av"] = av["external__av"]
    over["internal"]["mras_port"] = av["internal__mras_port"]
    over["certificates"]["av_auth"] = cert
    over["av"] = dict(av["av"], kernel_relay=True)
    with open(conf, "w") as f:
        f.write(conf_text(over))
    p = Proc(lab, "edge", as_user(place, conf, CAPS + more), name="edged-av" + ("-more" if more else ""), env={"EDGED_LIBEXEC": bins(), "ASAN_OPTIONS": "detect_leaks=0"})
    try:
        p.wait_log("SYS-1001 started", 30)
        if not more:
            assert "AVR-5011 kernel_relay_refused why=\"it needs CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN\"" in p.log()
        elif "AVR-5011" in p.log():
            pytest.skip("no relay in this kernel: " + p.log())
        else:
            assert "AVR-5012 kernel_relay state=on" in p.log()
        for pid in children(p.pid):
            with open("/proc/%d/status" % pid) as f:
                s = dict(x.split(":", 1) for x in f.read().splitlines())
            assert [int(s[c], 16) for c in ("CapInh", "CapPrm", "CapEff", "CapAmb")] == [0] * 4
        with open("/proc/%d/status" % p.pid) as f:
            s = dict(x.split(":", 1) for x in f.read().splitlines())
        assert int(s["CapEff"], 16) == 1 << 6 | 1 << 7 | 1 << 10 | 1 << 18 | (1 << 12 if more else 0)
    finally:
        assert p.stop(8.0) == 0, p.log()[-2000:]
    assert "AddressSanitizer" not in p.log() and "runtime error" not in p.log()
