# SPDX-License-Identifier: MIT
"""What an administrator does while users talk: reload, renew certificates, drain, look; and what the supervisor does by itself."""
import json
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
import xml.etree.ElementTree

import shapes
import sip
from lab import EDGE_OUT, LOAD, TOP, WAIT, Proc, children, figure, program_of, wait_for

CONF = {"access__workers": 2}


def bins():
    return os.environ.get("EDGED_BIN") or os.path.join(TOP, "build", "bin")


def ctl(lab, *argv, socket="control.sock"):
    r = subprocess.run([os.path.join(bins(), "edgectl"), "-s", lab.path(socket), *argv], capture_output=True, text=True, timeout=60)
    shapes.check(argv, r.returncode, r.stdout)
    return r.returncode, r.stdout, r.stderr


def status(lab):
    code, out, _ = ctl(lab, "--json", "status")
    assert code in (0, 1)  # 1: a service is not ready just now
    return json.loads(out)


def service(lab, role, worker=0):
    return next(s for s in status(lab)["services"] if s["role"] == role and s["worker"] == worker)


def serial_outside(lab):
    """Serial of the certificate that a new client is shown."""
    with lab.tls_to("load", EDGE_OUT, 443, "sip.contoso.com", source=LOAD[3]) as s:
        return s.getpeercert()["serialNumber"]


def new_certificate(lab, days=30):
    """A chain and a key for the external ECDSA binding (what clients are shown) from the external authority; returns paths."""
    ca = lab.cert("ca/external")
    pem, key = lab.path("new.pem"), lab.path("new.key")
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=sip.contoso.com",
                    "-keyout", key, "-out", lab.path("new.csr")], check=True, capture_output=True)
    with open(lab.path("new.ext"), "w") as f:
        f.write("basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth,clientAuth\n"
                "subjectAltName=DNS:sip.contoso.com,DNS:webconf.contoso.com,DNS:sip.adatum.com\n")
    subprocess.run(["openssl", "x509", "-req", "-in", lab.path("new.csr"), "-CA", lab.cert("external-ca.pem"), "-CAkey", ca + "/ca.key",
                    "-set_serial", "0x%x" % int.from_bytes(os.urandom(12), "big"), "-days", str(days), "-extfile", lab.path("new.ext"),
                    "-out", pem], check=True, capture_output=True)
    return pem, key


def put(src, dst):
    shutil.copyfile(src, dst + ".tmp")
    os.rename(dst + ".tmp", dst)


def rewrite(edged, change):
    """Change the configuration file; returns its text before."""
    with open(edged.conf) as f:
        before = f.read()
    with open(edged.conf, "w") as f:
        f.write(change(before))
    return before


class Traffic:
    """A signed-in client that sends a MESSAGE every 20 ms; knows the longest wait and what was lost."""

    def __init__(self, world):
        self.c = sip.Client(world.lab, "steady", source=LOAD[5])
        self.c.register()
        self.sent, self.acked, self.stop = {}, {}, threading.Event()
        self.c.conn.on_message = self.answered
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def answered(self, conn, m):
        self.acked[m.h("Call-ID")] = (m.code, m.at)
        return True

    def run(self):
        n = 0
        while not self.stop.is_set():
            n += 1
            cid = "steady-%d-%s" % (n, sip.token(4))
            self.sent[cid] = time.monotonic()
            self.c.conn.post(self.c.request("MESSAGE", "sip:bob@contoso.com", call_id=cid, extra="Content-Type: text/plain", body="x", contact=False))
            time.sleep(0.02)

    def end(self):
        self.stop.set()
        self.thread.join()
        wait_for("answers", lambda: len(self.acked) >= len(self.sent))
        assert self.c.conn.is_open()
        self.c.close()
        return max(self.acked[i][1] - t for i, t in self.sent.items()), [a for a in self.acked.values() if a[0] != 200]


def test_status_and_exit_codes(world):
    s = status(world.lab)
    assert s["state"] == "serving" and {x["role"] for x in s["services"]} >= {"keyd", "access"}
    assert ctl(world.lab, "status")[0] == 0
    assert ctl(world.lab, "no-such-command")[0] == 2
    assert ctl(world.lab, "status", socket="nobody.sock")[0] == 3
    code, out, _ = ctl(world.lab, "--json", "stats")
    names = [r["name"] for r in json.loads(out)["stats"]]
    assert code == 0 and len(names) == len(set(names)) and any(n.startswith("edged_sip_messages_total") for n in names)
    code, out, _ = ctl(world.lab, "--json", "certs")
    assert {c["binding"] for c in json.loads(out)["certificates"]} >= {"external", "internal"}
    assert json.loads(ctl(world.lab, "--json", "check")[1])["errors"] == 0


def test_second_edged_is_refused(world):
    p = Proc(world.lab, "edge", [os.path.join(bins(), "edged"), "-c", world.edged.conf], name="second", env={"EDGED_LIBEXEC": bins()})
    assert p.p.wait(60) == 78
    assert status(world.lab)["state"] == "serving"


def test_reload_under_traffic(world):
    """Changes and broken files in turn: nothing is dropped, lost or late; a broken file says where."""
    t = Traffic(world)
    try:
        for i in range(10):
            if i % 3 == 2:
                before = rewrite(world.edged, lambda s: s.replace("next_hop_path", "next_hop_paht", 1) if "next_hop_path" in s else s + "acess = { };\n")
                code, _, err = ctl(world.lab, "reload")
                assert code == 1 and "did you mean" in err and ".conf:" in err, err
                rewrite(world.edged, lambda s: before)
            else:
                rewrite(world.edged, lambda s: s.replace('level = "info"', 'level = "notice"') if i % 2 else s.replace('level = "notice"', 'level = "info"'))
                code, out, err = ctl(world.lab, "reload")
                assert code == 0, err
    finally:
        worst, bad = t.end()
    assert not bad and len(t.acked) == len(t.sent)
    # The figure (goal: 500 ms) is for a machine with nothing else to do and a build without sanitizers; here it only must not hang.
    print("longest wait %.0f ms" % (worst * 1000))
    assert worst < 10


def test_reload_names_what_waits_for_a_restart(world):
    before = rewrite(world.edged, lambda s: s.replace("workers = 2", "workers = 3"))
    code, out, _ = ctl(world.lab, "reload")
    assert code == 0 and "access.workers" in out
    assert len([s for s in status(world.lab)["services"] if s["role"] == "access"]) == 2
    rewrite(world.edged, lambda s: before)


def test_certificate_replaced_on_disk(world):
    """No command: new connections have it within 5 s, the old one goes on, the log has both serials."""
    old = serial_outside(world.lab)
    c = sip.Client(world.lab, "stays", source=LOAD[6])
    c.register()
    mark = len(world.edged.log())
    pem, key = new_certificate(world.lab)
    put(pem, world.lab.cert("external-ecdsa.pem"))
    put(key, world.lab.cert("external-ecdsa.key"))
    t = time.monotonic()
    wait_for("the new certificate", lambda: serial_outside(world.lab) != old, 50, 0.1)
    figure("certificate replaced on disk: shown to a new connection", time.monotonic() - t, 5)
    assert old.lstrip("0") in world.edged.log()[mark:]
    c.register()
    c.close()


def test_certificate_without_its_key_is_refused(world):
    now = serial_outside(world.lab)
    keep = world.lab.path("keep.pem")
    shutil.copyfile(world.lab.cert("external-ecdsa.pem"), keep)
    put(new_certificate(world.lab)[0], world.lab.cert("external-ecdsa.pem"))
    code, _, err = ctl(world.lab, "reload")
    assert code == 1 and "CERT-ALL-01" in err
    assert serial_outside(world.lab) == now
    put(keep, world.lab.cert("external-ecdsa.pem"))
    assert ctl(world.lab, "reload")[0] == 0


def test_sighup_reloads(world):
    n = status(world.lab)["reloads"]
    supervisor = next(p for p in children(world.edged.proc.pid) + [world.edged.proc.pid] if program_of(p) == "edged")
    os.kill(supervisor, signal.SIGHUP)
    wait_for("the reload", lambda: status(world.lab)["reloads"] > n)


def test_reload_while_another_is_under_way(world):
    """Whoever asks meanwhile, edgectl or SIGHUP, is not turned away: one more reload follows, with what the file says by then."""
    def ask():
        s = socket.socket(socket.AF_UNIX)
        s.settimeout(30)
        s.connect(world.lab.path("control.sock"))
        s.sendall(b"reload\n")
        return s

    def verdict(s):
        with s, s.makefile() as f:
            return json.load(f)
    before = status(world.lab)
    slow = service(world.lab, "access", 0)["pid"]
    os.kill(slow, signal.SIGSTOP)  # it says neither yes nor no
    try:
        first = ask()
        gone = ask()
        status(world.lab)  # answered in the order that they came in
        kept = rewrite(world.edged, lambda s: s.replace("registers_per_minute = 0", "registers_per_minute = 100000"))
        gone.close()
        others = [ask() for _ in range(3)]
        os.kill(world.edged.supervisor(), signal.SIGHUP)
        status(world.lab)
    finally:
        os.kill(slow, signal.SIGCONT)
    answer = verdict(first)
    assert answer["ok"] and answer["changed"] == [], answer
    for s in others:
        answer = verdict(s)
        assert answer["ok"] and answer["changed"] == ["access.limits.registers_per_minute"], answer
    after = status(world.lab)
    # Two, or three where the signal came to the ears of the supervisor when the second had begun.
    assert before["reloads"] + 2 <= after["reloads"] <= before["reloads"] + 3
    assert [s["pid"] for s in after["services"]] == [s["pid"] for s in before["services"]]
    rewrite(world.edged, lambda s: kept)
    assert ctl(world.lab, "reload")[0] == 0


def test_diagram(world):
    """The picture is well-formed XML and shows this edge: both interfaces, each listener, certificates, the next hop and its state."""
    wait_for("the next hop link", lambda: "up" in ctl(world.lab, "nexthop")[1])
    code, out, err = ctl(world.lab, "diagram")
    assert code == 0, err
    texts = [t.text for t in xml.etree.ElementTree.fromstring(out).iter("{http://www.w3.org/2000/svg}text")]
    for want in ("edge.int.contoso.net", "ext0", "int0", "Access Edge", "2 of 2 ready", "fe01.contoso.net", "10.20.0.11:5061 up"):
        assert want in texts, (want, texts)
    for listener in status(world.lab)["listeners"]:
        assert any(listener["address"] in (t or "") for t in texts), listener
    assert any(re.match(r"certificate external: \d+ days left", t or "") for t in texts), texts
    code, out, _ = ctl(world.lab, "--json", "diagram")
    assert code == 0 and set(json.loads(out)) == {"ok", "status", "certs", "next_hop"}


def test_sessions_and_kick(world):
    """A filter finds one connection of many; kick ends that one and no other, whichever worker holds it."""
    cs = [sip.Client(world.lab, "kick%d" % i, source=LOAD[10 + i]) for i in range(4)]
    for c in cs:
        c.register()

    def listed(word):
        answer = json.loads(ctl(world.lab, "--json", "sessions", word)[1])
        return [s for svc in answer["services"] if svc["role"] == "access" for s in svc["answer"]["sessions"]]
    assert len(listed('"kind":"client"')) >= 4
    mine = listed(LOAD[11] + ":")
    assert len(mine) == 1 and mine[0]["signed_in"] is True, mine
    code, out, err = ctl(world.lab, "kick", mine[0]["flow"])
    assert code == 0, err
    cs[1].conn.wait_closed()
    world.edged.wait_log("session_kicked flow=" + mine[0]["flow"])
    for c in (cs[0], cs[2], cs[3]):
        c.message("sip:bob@contoso.com")
        c.close()
    assert ctl(world.lab, "kick", mine[0]["flow"])[0] == 1  # gone
    inside = listed('"kind":"next_hop"')
    assert inside and ctl(world.lab, "kick", inside[0]["flow"])[0] == 1  # not ours to end
    for nonsense in ("", "xyz", "0", "f" * 40):
        assert ctl(world.lab, "kick", nonsense)[0] == 1


def test_trace(world, tmp_path):
    """A call is traced in whichever worker it passes, on both sides, masked; as text and as a capture that others read."""
    a, b = sip.Client(world.lab, "alice", source=LOAD[12]), sip.Client(world.lab, "carol", source=LOAD[13])
    a.register()
    b.register()
    text, pcap = str(tmp_path / "call.txt"), str(tmp_path / "call.pcap")
    begun = len(world.edged.log())
    ps = [subprocess.Popen([os.path.join(bins(), "edgectl"), "-s", world.lab.path("control.sock"), "trace", "sip:alice@contoso.com", f], stderr=subprocess.PIPE, text=True) for f in (text,)]
    wait_for("both workers to trace", lambda: world.edged.log()[begun:].count("trace_started on=yes") == 2)
    a.message("sip:bob@contoso.com", text="the secret of the body", extra='Authorization: NTLM qop="auth", realm="R", response="0100SECRET", crand="SECRET"')
    b.message("sip:bob@contoso.com", text="another secret")
    a.message("sip:bob@contoso.com", text="the secret of the body")

    def wrote():
        with open(text) as f:
            return f.read().count("\nCSeq: ") >= 8  # two requests and two answers, each on both sides
    wait_for("the trace", wrote)
    ps[0].send_signal(signal.SIGINT)
    assert ps[0].wait(WAIT) == 0, ps[0].stderr.read()
    with open(text) as f:
        out = f.read()
    assert "secret" not in out.lower(), out
    assert 'response="**********"' in out and "sip:carol@" not in out
    ways = re.findall(r"^---- \S+Z (in |out) (\S+) -> (\S+) (external|internal)", out, re.M)
    assert {(w[0].strip(), w[3]) for w in ways} == {("in", "external"), ("out", "internal"), ("in", "internal"), ("out", "external")}, ways
    assert ways[0][0].strip() == "in" and ways[0][1].startswith(LOAD[12] + ":") and ways[0][2] == EDGE_OUT + ":443", ways

    p = subprocess.Popen([os.path.join(bins(), "edgectl"), "-s", world.lab.path("control.sock"), "trace", "sip:alice@contoso.com", pcap, "30"], stderr=subprocess.PIPE, text=True)
    wait_for("both workers to trace", lambda: world.edged.log()[begun:].count("trace_started on=yes") == 4)
    # Other limits of partners take the place of the old ones; the trace is none of them.
    kept = rewrite(world.edged, lambda s: s.replace("federation: {", "federation: { discovered_rate = 19;", 1) if "federation: {" in s else
                   s + "\nfederation: { discovered_rate = 19; };\n")
    assert "federation.discovered_rate" in ctl(world.lab, "reload")[1]
    a.message("sip:bob@contoso.com", text="x" * 700)

    def answers():
        with open(pcap, "rb") as f:
            return f.read().count(b"SIP/2.0 200") == 2
    wait_for("the answer on both sides", answers)
    p.send_signal(signal.SIGINT)
    assert p.wait(WAIT) == 0 and ", some lost" not in p.stderr.read()
    r = subprocess.run(["tcpdump", "-nn", "-vv", "-A", "-r", pcap], capture_output=True, text=True)
    assert r.returncode == 0 and r.stdout.count("MESSAGE sip:bob@contoso.com SIP/2.0") == 2 and r.stdout.count("SIP/2.0 200") == 2, r.stdout + r.stderr
    assert "bad" not in r.stdout and "incorrect" not in r.stdout and "udp sum ok" in r.stdout, r.stdout
    assert LOAD[12] + "." in r.stdout and "x" * 20 not in r.stdout

    def talk_when_traced():
        wait_for("both workers to trace", lambda: world.edged.log()[begun:].count("trace_started on=yes") == 6)
        a.message("sip:bob@contoso.com")
    talk = threading.Thread(target=talk_when_traced)
    talk.start()
    code, out, err = ctl(world.lab, "--json", "trace", "sip:alice@contoso.com", "-", "5")  # held against its shape line by line
    talk.join()
    assert code == 0 and len(out.splitlines()) == 4, (out, err)
    assert ctl(world.lab, "trace")[0] == 2 and ctl(world.lab, "trace", "x", pcap)[0] == 1  # no word; the file is there
    a.close()
    b.close()


def test_top(world):
    """On a terminal: services and figures, until q. As JSON: one sample, with the load that there is."""
    c = sip.Client(world.lab, "alice", source=LOAD[6])
    c.register()
    env = dict(os.environ, TERM="xterm", LINES="50", COLUMNS="110")
    pid, fd = pty.fork()
    if pid == 0:
        os.execve(os.path.join(bins(), "edgectl"), ["edgectl", "-s", world.lab.path("control.sock"), "top"], env)
    screen = b""
    try:
        while b"on the watch list" not in screen:
            assert select.select([fd], [], [], WAIT)[0], screen
            screen += os.read(fd, 65536)
        os.write(fd, b"q")
        ended, status_ = os.waitpid(pid, 0)
    finally:
        os.close(fd)
    assert status_ == 0
    text = re.sub(rb"\x1b[()][0AB]|\x1b\[[0-9;?]*[a-zA-Z]", b" ", screen).decode(errors="replace")
    for want in ("edge.int.contoso.net", "access", "ready", "external:", "connections of clients", "signed in"):
        assert want in text, (want, text)
    stop = threading.Event()

    def chat():
        while not stop.is_set():
            c.message("sip:bob@contoso.com")
    t = threading.Thread(target=chat)
    t.start()
    try:
        code, out, err = ctl(world.lab, "--json", "top")
    finally:
        stop.set()
        t.join()
    f = json.loads(out)["figures"]["access"]
    assert code == 0 and f["clients"] >= 1 and f["signed_in"] >= 1 and f["messages_from_outside"] > 0 and f["next_hop_links"] >= 1, f
    c.close()
    assert ctl(world.lab, "top")[0] == 2  # no terminal


def test_log_level_at_run_time(world):
    def told_of(source):
        """Whether the log tells of a client that comes now: its worker has heard of the level before."""
        c = sip.Client(world.lab, "alice", source=source)
        c.register()
        c.close()
        return "peer=%s:%d" % (c.ip, c.port) in world.edged.log()
    assert ctl(world.lab, "log", "loud")[0] == 1
    assert ctl(world.lab, "log", "error")[0] == 0
    assert not told_of(LOAD[14])
    assert ctl(world.lab, "log", "debug")[0] == 0
    assert ctl(world.lab, "log", "info")[0] == 0
    assert told_of(LOAD[15])


def test_nothing_secret_in_the_log(world):
    """At the loudest level, through good, refused and broken messages: no body, no credential, no token of a route."""
    begun = len(world.edged.log())
    assert ctl(world.lab, "log", "debug")[0] == 0
    try:
        c = sip.Client(world.lab, "alice", source=LOAD[15])
        secrets = 'Authorization: NTLM qop="auth", realm="R", targetname="fe", response="SECRET-response", crand="SECRET-crand"\nX-Unknown: plain'
        c.register(extra="Expires: 600\n" + secrets)
        c.message("sip:bob@contoso.com", text="SECRET-body", extra=secrets)
        c.message("sip:bob@nowhere.example", text="SECRET-body", extra=secrets)
        c.message("sip:bob@contoso.com", expect=403, text="SECRET-body", extra=secrets + "\nRoute: <sip:evil.example;lr>")
        raw = c.request("MESSAGE", "sip:bob@contoso.com", body="SECRET-body", extra=secrets)
        c.conn.send(raw.replace(b"CSeq: ", b"CSeq: x"))  # a parser says no and quotes
        assert c.conn.recv().code == 400
        assert ctl(world.lab, "log", "debug")[0] == 0
        c.close()
        world.edged.wait_log("ACC-2008 malformed_message", since=begun)
    finally:
        assert ctl(world.lab, "log", "info")[0] == 0
    said = world.edged.log()[begun:]
    assert "request_refused" in said or "foreign" in said, said  # it did talk
    assert "SECRET" not in said, [x for x in said.splitlines() if "SECRET" in x]


def test_watchdog(world):
    """A worker that hangs is killed and started again; the other goes on."""
    before = service(world.lab, "access", 1)
    os.kill(before["pid"], signal.SIGSTOP)
    after = wait_for("the restart", lambda: (lambda s: s["pid"] != before["pid"] and s["state"] == "ready" and s)(service(world.lab, "access", 1)), 60, 0.5)
    assert after["restarts"] == before["restarts"] + 1
    assert service(world.lab, "access", 0)["state"] == "ready"


def test_metrics(lab, fe, edged):
    path = lab.path("metrics.sock")
    e = lab.edged_conf(name="metrics.conf", access__workers=1, log__target="stderr", control__socket=lab.path("m", "control.sock"),
                       metrics__listen="unix:" + path, external__access__address="203.0.113.11", internal__sip_port=6061)
    os.makedirs(lab.path("m"), exist_ok=True)
    p = Proc(lab, "edge", [os.path.join(bins(), "edged"), "-c", e], name="edged-metrics", env={"EDGED_LIBEXEC": bins()})
    p.wait_log("SYS-1001 started")
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.settimeout(WAIT)
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        text = b""
        while chunk := s.recv(65536):
            text += chunk
    assert text.startswith(b"HTTP/1.1 200") and b"edged_build_info{version=" in text
    lines = [x for x in text.decode().split("\r\n\r\n", 1)[1].splitlines() if x and x[0] != "#"]
    assert len(lines) == len({x.rsplit(" ", 1)[0] for x in lines}) and all(x.startswith("edged_") for x in lines)
    assert p.stop(WAIT) == 0


def test_without_laboratory_mode(lab):
    """Real users, two interfaces, the host's own name: edged -n finds no error, each role has its own user."""
    passwd = lab.path("passwd")
    shutil.copyfile("/etc/passwd", passwd)
    with open(passwd, "a") as f:
        for i, role in enumerate(("keyd", "access", "av", "avauth", "webconf", "xmpp")):
            f.write("edged-%s:x:%d:%d::/nonexistent:/usr/sbin/nologin\n" % (role, 64100 + i, 64100 + i))
    os.makedirs(lab.path("real"), exist_ok=True)
    conf = lab.edged_conf(name="real.conf", edge__lab=False, access__workers=1, log__target="stderr", log__level="info",
                          control__socket=lab.path("real", "control.sock"), external__access__address="203.0.113.12", internal__sip_port=7061)
    shell = "mount --bind %s /etc/passwd && hostname edge.int.contoso.net && exec %s -c %s" % (passwd, os.path.join(bins(), "edged"), conf)
    p = Proc(lab, "edge", ["unshare", "--mount", "--uts", "sh", "-c", shell], name="edged-real", env={"EDGED_LIBEXEC": bins()})
    p.wait_log("SYS-1001 started")
    uids = {program_of(k): os.stat("/proc/%d" % k).st_uid for k in children(p.pid) + [p.pid]}
    with open("/proc/%d/status" % next(k for k in children(p.pid) if program_of(k) == "edged-access")) as f:
        s = dict(x.split(":", 1) for x in f.read().splitlines())
    assert s["Uid"].split() == ["64101"] * 4 and s["Seccomp"].strip() == "2" and s["NoNewPrivs"].strip() == "1" and int(s["CapEff"], 16) == 0, s
    assert "edged-keyd" in uids
    code, out, _ = ctl(lab, "--json", "status", socket="real/control.sock")
    assert code == 0 and not json.loads(out)["lab"]
    assert p.stop(WAIT) == 0


def test_drain_ends_it(lab):
    os.makedirs(lab.path("d"), exist_ok=True)
    conf = lab.edged_conf(name="drain.conf", access__workers=1, log__target="stderr", control__socket=lab.path("d", "control.sock"),
                          external__access__address="203.0.113.12", internal__sip_port=7062)
    p = Proc(lab, "edge", [os.path.join(bins(), "edged"), "-c", conf], name="edged-drain", env={"EDGED_LIBEXEC": bins()})
    p.wait_log("SYS-1001 started")
    assert ctl(lab, "drain", "10", socket="d/control.sock")[0] == 0
    assert p.p.wait(WAIT) == 0
    assert "drain_ended" in p.log()

def test_every_service_starts_and_is_locked_in(lab):
    """All rooms at once: each ready, no root, no capability, seccomp on; a reload passes through all of them."""
    os.makedirs(lab.path("all"), exist_ok=True)
    conf = lab.edged_conf(name="all.conf", access__workers=1, av__workers=2, av__realm="contoso.com", log__target="stderr",
                          control__socket=lab.path("all", "control.sock"), external__access__address="203.0.113.11", internal__sip_port=7063,
                          external__webconf={"address": "203.0.113.12", "fqdn": "webconf.contoso.com", "port": 8443},
                          external__av={"address": "203.0.113.12"},
                          certificates__av_auth={"chain": lab.cert("av_auth.pem"), "key": lab.cert("av_auth.key")})
    p = Proc(lab, "edge", [os.path.join(bins(), "edged"), "-c", conf], name="edged-all", env={"EDGED_LIBEXEC": bins()})
    p.wait_log("SYS-1001 started")
    code, out, _ = ctl(lab, "--json", "status", socket="all/control.sock")
    s = json.loads(out)["services"]
    assert sorted(x["role"] for x in s) == ["access", "av", "av", "avauth", "keyd", "webconf"]
    for x in s:
        assert x["state"] == "ready", x
        with open("/proc/%d/status" % x["pid"]) as f:
            st = dict(line.split(":", 1) for line in f.read().splitlines())
        assert "0" not in st["Uid"].split() and st["Seccomp"].strip() == "2" and int(st["CapEff"], 16) == 0, (x["role"], st)
        assert os.readlink("/proc/%d/root" % x["pid"]).startswith(lab.path("")), x["role"]
    assert ctl(lab, "reload", socket="all/control.sock")[0] == 0
    assert ctl(lab, "--json", "sessions", socket="all/control.sock")[0] == 0
    assert p.stop(WAIT) == 0
    assert "service_died" not in p.log()
