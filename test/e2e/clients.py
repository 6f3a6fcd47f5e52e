# SPDX-License-Identifier: MIT
"""Real SIP programs as lab.py processes: baresip, linphone-daemon, sipsak, SIPp behind a TLS wrapper."""
import json
import math
import os
import re
import socket
import struct
import subprocess
import wave

from lab import EDGE_OUT, HERE, WAIT, Lab, LabError, Proc, wait_for

MODULES = "/usr/lib/baresip/modules"


class Baresip:
    """baresip 1.0 with digest credentials, a tone as microphone, and what it hears written to a file. account: more parameters of it."""

    def __init__(self, lab, host, user, tone=440, proxy="sip.contoso.com:443", domain="contoso.com", answer="auto", regint=600, peers=("alice", "bob"),
                 account=""):
        self.lab, self.host, self.user, self.tone = lab, host, user, tone
        self.dir = lab.path("baresip-" + user)
        os.makedirs(self.dir, exist_ok=True)
        with open(os.path.join(self.dir, "config"), "w") as f:
            f.write("\n".join([
                "sip_cafile %s" % lab.cert("external-ca.pem"), "sip_verify_server yes",
                "audio_source aufile,%s" % self._tone_file(), "audio_player aubridge,nil", "audio_alert aubridge,nil",
                "ausrc_srate 8000", "auplay_srate 8000", "audio_channels 1",
                "module_path " + MODULES, "module g711.so", "module aufile.so", "module aubridge.so", "module sndfile.so",
                "module turn.so", "module_tmp uuid.so", "module_tmp account.so", "module_app contact.so", "module_app menu.so", "module_app ctrl_tcp.so",
                "snd_path " + self.dir, "ctrl_tcp_listen 127.0.0.1:4444", "rtp_ports 10000-20000", "call_max_calls 4", ""]))
        with open(os.path.join(self.dir, "accounts"), "w") as f:
            f.write('<sip:%s@%s;transport=tls>;auth_user=%s;auth_pass=%s;outbound="sip:%s;transport=tls";regint=%d;answermode=%s;audio_codecs=PCMU%s\n' % (
                user, domain, user, Lab.USERS[user], proxy, regint, answer, account))
        with open(os.path.join(self.dir, "contacts"), "w") as f:
            f.writelines('"%s" <sip:%s@%s>\n' % (p, p, domain) for p in peers if p != user)
        self.proc = Proc(lab, host, ["baresip", "-s", "-f", self.dir], name="baresip-" + user, env={"HOME": self.dir}, stdin=subprocess.PIPE)
        self.events, self._buf = [], b""
        self.ctl = wait_for("baresip's control port", self._dial)

    def _tone_file(self, seconds=60, rate=8000):
        path = os.path.join(self.dir, "tone.wav")
        with wave.open(path, "w") as w:
            w.setnchannels(1)
            w.setsampwidth(2)
            w.setframerate(rate)
            one = b"".join(struct.pack("<h", int(8000 * math.sin(2 * math.pi * self.tone * i / rate))) for i in range(rate))
            w.writeframes(one * seconds)
        return path

    def _dial(self):
        if not self.proc.alive():
            raise LabError("baresip did not start: " + self.proc.log()[-1500:])
        with self.lab.inside_of(self.host):
            s = socket.socket()
        s.settimeout(0.1)
        try:
            s.connect(("127.0.0.1", 4444))
            return s
        except OSError:
            s.close()
            return None

    def command(self, name, params=""):
        d = json.dumps({"command": name, "params": params, "token": "t"}).encode()
        self.ctl.sendall(b"%d:%s," % (len(d), d))

    def _poll(self):
        try:
            d = self.ctl.recv(65536)
            self._buf += d
        except (socket.timeout, BlockingIOError):
            pass
        while True:
            n, sep, rest = self._buf.partition(b":")
            if not sep or not n.isdigit() or len(rest) < int(n) + 1:
                return
            self._buf = rest[int(n) + 1:]
            self.events.append(json.loads(rest[:int(n)].decode("utf-8", "replace")))

    def event(self, kind, timeout=WAIT, since=0):
        def probe():
            self._poll()
            for e in self.events[since:]:
                if e.get("type") == kind:
                    return e
            return None
        return wait_for(lambda: "%s at %s; events: %s; log: %s" % (
            kind, self.user, [e.get("type") or e.get("data", "")[:60] for e in self.events], self.proc.log()[-500:]), probe, timeout)

    def registered(self, timeout=WAIT):
        """From its log: the event goes only to who is at the control port by then, and a fast edge answers before that."""
        return self.proc.wait_log(r"SIP/2\.0 200 [^\x1b]*?CSeq: \d+ REGISTER", timeout)

    def message(self, text):
        """To the current contact: baresip 1.0 has no other way to send one from outside its keyboard."""
        self.command("message", text)

    def wait_log(self, pattern, timeout=WAIT, since=0):
        return self.proc.wait_log(pattern, timeout, since)

    def heard(self):
        """The strongest frequency (Hz) and its share in what this phone heard: sndfile's dump, complete after the call."""
        files = [f for f in os.listdir(self.dir) if f.startswith("dump-") and f.endswith("dec.wav")]
        if not files:
            return 0, 0.0
        return loudest(os.path.join(self.dir, sorted(files)[-1]))

    def stop(self):
        self.ctl.close()
        self.proc.stop()


def loudest(path):
    with wave.open(path) as w:
        rate, n = w.getframerate(), w.getnframes()
        if w.getsampwidth() != 2 or n < rate:
            raise LabError("%s holds %d samples of %d bytes" % (path, n, w.getsampwidth()))
        x = struct.unpack("<%dh" % n, w.readframes(n))
    x = x[(n - rate) // 2:][:rate]  # a second from the middle
    total = sum(v * v for v in x) or 1
    best = (0, 0.0)
    for hz in range(200, 1300, 20):  # Goertzel
        c = 2 * math.cos(2 * math.pi * hz / rate)
        a = b = 0.0
        for v in x:
            a, b = v + c * a - b, a
        p = 2 * (a * a + b * b - c * a * b) / len(x) / total
        if p > best[1]:
            best = (hz, p)
    return best


class Linphone:
    """linphone-daemon, driven over its standard input."""

    def __init__(self, lab, host, user, domain="contoso.com", proxy="sip.contoso.com:443"):
        self.lab, self.user, self.domain, self.proxy = lab, user, domain, proxy
        d = lab.path("linphone-" + user)
        os.makedirs(os.path.join(d, ".local", "share", "linphone"), exist_ok=True)
        os.makedirs(os.path.join(d, "linphone"), exist_ok=True)
        rc = os.path.join(d, "linphonerc")
        with open(rc, "w") as f:
            f.write("\n".join([
                "[sip]", "verify_server_certs=1", "verify_server_cn=1", "root_ca=" + lab.cert("external-ca.pem"),
                "sip_port=-1", "sip_tcp_port=-1", "sip_tls_port=-1", "default_proxy=0", "register_only_when_network_is_up=0",
                "[auth_info_0]", "username=" + user, "passwd=" + Lab.USERS[user], "realm=" + domain, "domain=" + domain,
                "[proxy_0]", "reg_proxy=<sip:%s;transport=tls>" % proxy, "reg_route=<sip:%s;transport=tls>" % proxy,
                "reg_identity=sip:%s@%s" % (user, domain), "reg_expires=600", "reg_sendregister=1", "publish=0", ""]))
        self.proc = Proc(lab, host, ["linphone-daemon", "--config", rc, "--log", os.path.join(d, "log")], name="linphone-" + user,
                         env={"HOME": d, "XDG_DATA_HOME": d, "XDG_CONFIG_HOME": d}, stdin=subprocess.PIPE, cwd=d)
        self.proc.wait_log("daemon-linphone>")

    def say(self, line):
        at = len(self.proc.log())
        self.proc.p.stdin.write(line.encode() + b"\n")
        self.proc.p.stdin.flush()
        self.proc.wait_log(r"Status: \w+", since=at)
        return self.proc.log()[at:]

    def registered(self, timeout=WAIT):
        wait_for(lambda: "registration of %s: %s" % (self.user, self.proc.log()[-800:]),
                 lambda: "LinphoneRegistrationOk" in self.say("register-status ALL"), timeout, 0.2)

    def message(self, to, text):
        return self.say("message %s %s" % (to, text))

    def events(self):
        """All that has happened so far."""
        self.say("pop-event")
        return self.proc.log()

    def wait_event(self, pattern, timeout=WAIT):
        return wait_for(lambda: "/%s/ at %s: %s" % (pattern, self.user, self.proc.log()[-800:]), lambda: re.search(pattern, self.events()), timeout, 0.2)

    def stop(self):
        try:
            self.proc.p.stdin.write(b"quit\n")
            self.proc.p.stdin.close()
            self.proc.p.wait(3)
        except (OSError, subprocess.TimeoutExpired):
            pass
        self.proc.stop()


def tls_wrapper(lab, host, port=5080, name="sip.contoso.com", to=None):
    """A plain TCP port on host's loopback whose connections leave as TLS, for programs without it."""
    p = Proc(lab, host, ["socat", "TCP-LISTEN:%d,bind=127.0.0.1,reuseaddr,fork,nodelay" % port,
                         "OPENSSL:%s,cafile=%s,commonname=%s,snihost=%s,verify=1,nodelay" % (to or "%s:443" % EDGE_OUT, lab.cert("external-ca.pem"), name, name)],
             name="socat-%s-%d" % (host, port))
    wait_for("socat to listen", lambda: _listening(lab, host, port))
    return p


def _listening(lab, host, port):
    return re.search(r"127\.0\.0\.1:%d\b" % port, lab_ss(lab, host)) is not None


def lab_ss(lab, host):
    return subprocess.run(["ip", "netns", "exec", lab.ns(host), "ss", "-Hltn"], capture_output=True, text=True).stdout


def in_ns(lab, host, argv, timeout=60, **kw):
    """Run a program to its end; returns (status, output)."""
    kw.setdefault("cwd", lab.dir)
    r = subprocess.run(["ip", "netns", "exec", lab.ns(host)] + argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout, **kw)
    return r.returncode, r.stdout


def sipp_answering(lab, address="10.20.0.13", port=5090):
    """SIPp inside, behind the next hop, answering calls."""
    d = lab.path("sipp-answer")
    os.makedirs(d, exist_ok=True)
    p = Proc(lab, "inside", ["sipp", "-sf", os.path.join(HERE, "sipp", "answer.xml"), "-i", address, "-p", str(port), "-t", "t1", "-nostdin", "-trace_err"],
             name="sipp-answer", env={"TERM": "dumb"}, cwd=d)
    wait_for("SIPp inside to listen", lambda: ("%s:%d" % (address, port)) in lab_ss(lab, "inside"))
    return p


def sipp_calling(lab, scenario, n, rate, service, port=5080, host="load", timeout=180):
    """SIPp outside through tls_wrapper(): n calls of the scenario. Returns (successful, failed, output)."""
    d = lab.path("sipp-" + scenario)
    os.makedirs(d, exist_ok=True)
    status, out = in_ns(lab, host, ["sipp", "127.0.0.1:%d" % port, "-sf", os.path.join(HERE, "sipp", scenario + ".xml"), "-s", service, "-i", "127.0.0.1",
                                    "-t", "t1", "-m", str(n), "-r", str(rate), "-l", "2000", "-nostdin", "-timeout", str(timeout), "-trace_err",
                                    "-recv_timeout", "20000", "-trace_stat", "-fd", "600", "-stf", os.path.join(d, "stat.csv")],
                        timeout=timeout + 30, env=dict(os.environ, TERM="dumb"), cwd=d)
    with open(os.path.join(d, "stat.csv")) as f:
        rows = [ln.split(";") for ln in f.read().splitlines() if ln]
    last = dict(zip(rows[0], rows[-1]))
    errors = "".join(open(os.path.join(d, x)).read()[:2000] for x in os.listdir(d) if x.endswith("errors.log"))
    return int(last["SuccessfulCall(C)"]), int(last["FailedCall(C)"]), "status %d; %s %s" % (status, errors, out[-500:])
