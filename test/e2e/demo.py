# SPDX-License-Identifier: MIT
"""What script/demo shows: two baresip phones and a browser outside, Kamailio inside, edged between them, step by step."""
import argparse
import collections
import os
import re
import signal
import sys
import threading
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import av  # noqa: E402
import browser  # noqa: E402
import clients  # noqa: E402
import lab as lablib  # noqa: E402
import sip  # noqa: E402
import webconf  # noqa: E402
from lab import EDGE_IN, EDGE_OUT, FE1, Lab, LabError, children, program_of, wait_for  # noqa: E402

WIDTH = 132
SERVICES = dict({k: webconf.CONF[k] for k in ("external__webconf", "internal__trusted_servers")}, **av.beside())


def say(text=""):
    print(text, flush=True)


class Tap:
    """Reads what the phones and the registrar logged of each message and pairs the two sides of the edge."""

    def __init__(self, phones, kamailio, show):
        self.phones, self.kamailio, self.show = phones, kamailio, show
        self.at = collections.Counter()
        self.outside, self.inside = collections.OrderedDict(), collections.OrderedDict()
        self.passes, self.made, self.leaks = 0, 0, []
        self.stop = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.stop.is_set():
            self.poll()
            time.sleep(0.05)

    def end(self):
        self.stop.set()
        self.thread.join()
        time.sleep(0.3)
        self.poll()
        self.settle(0)

    def news(self, proc):
        with open(proc.logfile, "rb") as f:
            f.seek(self.at[proc.name])
            return f.read()

    def poll(self):
        for phone in self.phones:
            data, last = self.news(phone.proc), 0
            for m in re.finditer(rb"TLS (\S+) -> (\S+)\n(.*?)\x1b\[;m", data, re.S):
                last = m.end()
                out = not m.group(1).decode().startswith(EDGE_OUT)
                self.note(self.outside, phone.user, "in" if out else "out", m.group(3))
            self.at[phone.proc.name] += last
        data, last = self.news(self.kamailio.proc), 0
        for m in re.finditer(rb"tap: (rcv|snd) (\S+) (\S+) ([0-9a-fA-F]+)\n", data):
            last = m.end()
            if m.group(2 if m.group(1) == b"rcv" else 3).decode() == EDGE_IN:
                self.note(self.inside, "fe01", "in" if m.group(1) == b"rcv" else "out", bytes.fromhex(m.group(4).decode()))
        self.at[self.kamailio.proc.name] += last
        self.settle(1.5)

    def note(self, side, who, way, raw):
        """way: "in" toward the company, "out" toward the Internet."""
        raw = re.sub(rb"\r?\n", b"\r\n", raw)
        m = sip.Msg(raw)
        if way == "out" and side is self.outside:
            hit = re.search(rb"contoso\.net|10\.20\.0\.|10\.30\.0\.", raw.partition(b"\r\n\r\n")[0])
            if hit:
                self.leaks.append("%s in %s" % (hit.group(0).decode(), m.start))
        if m.code == 100:
            return  # of one hop only
        key = (way, m.h("Call-ID"), m.h("CSeq"), m.code or m.method)
        other = self.inside if side is self.outside else self.outside
        if key in other:
            w, o, _ = other.pop(key)
            a, b = ((who, m), (w, o)) if side is self.outside else ((w, o), (who, m))
            self.passes += 1
            before, after = (a[1], b[1]) if way == "in" else (b[1], a[1])
            self.ladder(a[0], way, before.start)
            self.changes(before, after)
        else:
            side[key] = (who, m, time.monotonic())

    def settle(self, age):
        """What only one side has seen for a while was made by edged, or ended there."""
        for side in (self.outside, self.inside):
            for key, (who, m, t) in list(side.items()):
                if time.monotonic() - t < age:
                    continue
                del side[key]
                if m.method == "OPTIONS":
                    continue  # edged asking its next hop whether it lives
                self.made += 1
                if side is self.outside:
                    say("  %-6s %s edged            %s  (%s edged)" % (who, "-->" if key[0] == "in" else "<--", m.start, "ends at" if key[0] == "in" else "made by"))
                else:
                    say("                 edged %s fe01   %s  (%s edged)" % ("-->" if key[0] == "in" else "<--", m.start, "made by" if key[0] == "in" else "ends at"))

    def ladder(self, who, way, start):
        a = "-->" if way == "in" else "<--"
        say(("  %-6s %s edged %s fe01   %s" % (who, a, a, start))[:WIDTH])

    def changes(self, before, after):
        if not self.show:
            return
        if before.start != after.start:
            self.line("-", before.start)
            self.line("+", after.start)
        b = ["%s: %s" % (k, v.decode("utf-8", "replace")) for k, v in before.lines]
        a = ["%s: %s" % (k, v.decode("utf-8", "replace")) for k, v in after.lines]
        cb, ca = collections.Counter(b), collections.Counter(a)
        for x in b:
            if cb[x] > ca[x]:
                self.line("-", x)
                cb[x] -= 1
        for x in a:
            if ca[x] > collections.Counter(b)[x]:
                self.line("+", x)
                ca[x] -= 1

    def line(self, sign, text):
        text = "           %s %s" % (sign, text)
        say(text if len(text) <= WIDTH else text[:WIDTH - 3] + "...")


class Steps:
    def __init__(self):
        self.failed = 0

    def __call__(self, what, fn):
        t = time.monotonic()
        say("\n%s" % what)
        try:
            r = fn()
        except Exception as e:  # a step that fails is the result; the demo says so and ends
            self.failed += 1
            say("  FAILED: %s" % str(e)[-1500:])
            raise SystemExit(1)
        say("  ok (%.1f s)" % (time.monotonic() - t))
        return r


def main():
    ap = argparse.ArgumentParser(prog="script/demo")
    ap.add_argument("--keep", action="store_true", help="leave the laboratory running until Enter or a signal")
    ap.add_argument("--quiet", action="store_true", help="no header lines, only the ladder")
    a = ap.parse_args()
    if os.geteuid():
        without_root()
    signal.signal(signal.SIGTERM, lambda *x: sys.exit(143))
    step, lab, tap = Steps(), Lab(), None
    try:
        step("1. Laboratory: the Internet, a dual-homed edge, the inside; certificates", lab.up)
        kam = step("2. Inside: Kamailio as registrar and next hop, mutual TLS on %s:5061" % FE1, lambda: lab.kamailio(FE1, "fe01", "TAP"))
        edged = step("3. The edge: edged -n, then edged with config/lab-remote-user.conf", lambda: start_edged(lab))
        phones = []

        def phone(user, tone):
            p = clients.Baresip(lab, user, user, tone=tone)
            phones.append(p)
            return p
        alice = step("4. Outside: two baresip phones, alice 198.51.100.23 and bob 198.51.100.24", lambda: phone("alice", 440))
        bob = phone("bob", 760)
        tap = Tap(phones, kam, not a.quiet)
        step("5. Both sign in with digest passwords", lambda: (alice.registered(), bob.registered(), time.sleep(0.4)))
        step("6. Messages", lambda: chat(alice, bob))
        step("7. alice calls bob; both talk; bob hangs up", lambda: call(alice, bob))
        tap.end()
        step("8. Nothing of the inside left: all header lines that alice and bob got", lambda: no_leak(tap))
        step("9. No private key in a process that reads from the network", lambda: no_key(lab, edged))
        step("10. A meeting: a participant outside reaches the meeting server inside, with a ticket", lambda: meeting(lab, edged))
        token = step("11. Media: the Front End asks A/V Authentication for credentials over mutual TLS on 5062", lambda: credentials(lab))
        step("12. A relayed call: one client outside, one inside, 1000 packets each way", lambda: relayed_call(lab, edged, token))
        step("13. A browser call: Chromium outside, relay only, through turns:", lambda: browser_call(lab, edged))
        step("14. What edged wrote to its log", lambda: show_log(edged))
        if a.keep:
            keep(lab, edged)
        for p in phones:
            p.stop()
        step("15. SIGTERM: edged ends in order", lambda: in_order(edged))
    finally:
        if tap:
            tap.stop.set()
        lab.down()
    say("\nAll steps ok: %d messages passed the edge in both directions." % tap.passes)


def without_root():
    """Go on as root of a user namespace of our own, where network namespaces may be made; /run and /etc are ours there."""
    prelude = ("set -e; d=$(mktemp -d); mount -t tmpfs tmpfs $d; mkdir $d/up $d/work; mount -t tmpfs tmpfs /run; "
               "mount -t overlay overlay -o lowerdir=/etc,upperdir=$d/up,workdir=$d/work /etc; exec \"$@\"")
    os.environ["EDGED_ROOTLESS"] = "1"
    say("No root rights: the laboratory lives in a user namespace, and edged runs under one user (edge.lab).")
    os.execvp("unshare", ["unshare", "--user", "--map-root-user", "--net", "--mount", "--propagation", "private",
                          "sh", "-c", prelude, "sh", sys.executable] + sys.argv)


def start_edged(lab):
    conf = lab.edged_conf(log__target="stderr", control__socket=lab.path("control.sock"), edge__run_dir=lab.path("run"), **SERVICES)
    status, out = clients.in_ns(lab, "edge", [os.path.join(lablib.TOP, "build", "bin", "edged"), "-n", "-c", conf])
    for ln in out.strip().splitlines()[:12]:
        say("  " + ln[:WIDTH])
    if status:
        raise LabError("edged -n: %d" % status)
    e = lab.edged(release=True, **SERVICES)
    for pid in children(e.proc.pid):
        say("  pid %d %s" % (pid, program_of(pid)))
    return e


def chat(alice, bob):
    alice.message("Are you in? This goes through the edge.")
    bob.wait_log(r'Are you in\? This goes through the edge')
    bob.message("I am. So does this.")
    alice.wait_log(r'I am\. So does this')
    time.sleep(0.4)


def call(alice, bob):
    at = len(alice.events)
    alice.command("dial", "sip:bob@contoso.com")
    alice.event("CALL_ESTABLISHED", since=at)
    alice.event("CALL_RTPESTAB", since=at)
    time.sleep(3)
    bob.command("hangup")
    alice.event("CALL_CLOSED", since=at)
    bob.event("CALL_CLOSED")
    time.sleep(0.4)
    for p, tone in ((alice, bob.tone), (bob, alice.tone)):
        hz, share = wait_for("the recording", p.heard)
        say("  %s heard a tone of %d Hz (%.0f %% of the sound); %s sent %d Hz" % (p.user, hz, 100 * share, "bob" if p is alice else "alice", tone))
        if hz != tone:
            raise LabError("%s should have heard %d Hz" % (p.user, tone))


def meeting(lab, edged):
    server, connector = webconf.Server(lab, webconf.echo), webconf.Connector(lab).wait_up()
    m = webconf.Meeting(lab, edged)
    m.wait_server()
    say("  inside: a TLS server on %s:8057; edged-connector dials the edge on %s:8057 and says `server dmcu1`" % (webconf.DMCU, EDGE_IN))
    handle = m.ticket()
    say("  edgectl webconf ticket add server=dmcu1: a handle of 20 octets for one participant; the edge keeps its hash")
    s = m.join(handle, b"next slide, please")
    webconf.says(s, b"next slide, please")
    say("  outside: TLS to %s:443, ticket, 18 octets; the server inside answered them" % webconf.WEBCONF)
    s.close()
    if webconf.closed(m.join(handle, b"me too"), 5):
        raise LabError("the same ticket worked twice")
    say("  the same ticket again: closed without a word; edged_psom_admissions_refused_total{kind=\"data\"} %d"
        % m.stat('admissions_refused_total{kind="data"}'))
    connector.stop()
    server.close()


def credentials(lab):
    username, password, root = av.credentials(lab)
    relay = root.find(".//%smediaRelay" % av.NS)
    duration = root.find(".//%scredentials/%sduration" % (av.NS, av.NS)).text
    say("  fe01: SERVICE for sip:alice@contoso.com: 200, a token of %d octets that begins with %s, good for %s minutes" % (len(username), username[:8].hex(), duration))
    say("  use it at %s, udp %s, tcp %s" % tuple(relay.find(av.NS + x).text for x in ("hostName", "udpPort", "tcpPort")))
    return username, password


def relayed_call(lab, edged, token, n=1000):
    """The Lync dialect on both legs; as Windows clients do, first through Send, then bare once the peer is set."""
    ends = {"alice": av.Lync(lab, "alice", av.AV_OUT, *token), "inside": av.Lync(lab, "inside", av.AV_IN, *token)}
    a, b = ends["alice"], ends["inside"]
    for who, c in ends.items():
        if c.allocate():
            raise LabError("no allocation for " + who)
        say("  %-6s %-21s asks %s:3478 and gets %s:%d" % ((who, "%s:%d" % c.s.getsockname(), c.s.getpeername()[0]) + c.relay))
    av.meet(a, b)
    got = {"alice": 0, "inside": 0}
    for i in range(n):
        for x, y, who in ((a, b, "inside"), (b, a, "alice")):
            packet = b"\x80" + bytes([i & 255]) * 171
            x.tx(packet)
            got[who] += y.rx() == (3, packet)
    say("  alice got %d, inside got %d, whole and in order" % (got["alice"], got["inside"]))
    for who, c in ends.items():
        counted = c.counted(edged)
        say("  edgectl sessions: leg of %-6s %d packets from the client, %d from the peer" % ((who,) + counted))
        if min(counted) < n or c.refresh(0):
            raise LabError("%s: %s" % (who, counted))
    if set(got.values()) != {n}:
        raise LabError("lost: %s" % got)


def browser_call(lab, edged):
    b = browser.Browser(lab, "alice")
    url = "turns:%s:5349" % av.AV_NAME
    try:
        r = b.call(url, av.USER, av.PASSWORD, packets=1000, media=True)
        if r["end"] != "ok" or r["data"] != [{"received": 1000, "corrupted": 0}] * 2:
            raise LabError(str(r))
        for s in r["sides"]:
            p, sound, picture = s["pair"], s["inbound"]["audio"], s["inbound"]["video"]
            if (p["local"], p["remote"], p["relayProtocol"]) != ("relay", "relay", "tls"):
                raise LabError(str(p))
            say("  %s: relay %s over %s; 1000 numbered packets whole; %d packets of sound, %d pictures decoded"
                % (url, p["relay"], p["relayProtocol"], sound["received"], picture["frames"]))
        r = b.call(url, av.USER, "guess")
        if r["candidates"] or {e["code"] for e in r["errors"]} != {401}:
            raise LabError("a wrong password got a relay: %s" % r)
        say("  with a wrong password: 401, and no relay")
    finally:
        b.close()


def no_leak(tap):
    if tap.leaks:
        raise LabError("; ".join(tap.leaks[:5]))
    if tap.passes < 20:
        raise LabError("only %d messages were seen on both sides" % tap.passes)
    say("  %d messages were compared on both sides of the edge, %d were made or ended there" % (tap.passes, tap.made))


def no_key(lab, edged):
    from test_keys import forms, found, numbers
    needles = {}
    for name in ("external", "external-ecdsa", "internal", "av_auth"):
        for what, n in numbers(lab, name).items():
            needles["%s %s" % (name, what)] = forms(n)
    for pid in children(edged.proc.pid):
        name = program_of(pid)
        try:
            hits = found(pid, needles)
        except PermissionError:
            if "EDGED_ROOTLESS" not in os.environ:
                raise
            say("  pid %d %-13s not looked at: without root rights the kernel shows its memory to nobody" % (pid, name))
            continue
        say("  pid %d %-13s %s" % (pid, name, "holds " + ", ".join(sorted(hits)) if hits else "no secret number found"))
        if hits and name != "edged-keyd":
            raise LabError("%s holds %s" % (name, sorted(hits)))


def show_log(edged):
    lines = edged.log().splitlines()
    for ln in lines[-40:]:
        say("  " + ln[:WIDTH])
    if not lines:
        raise LabError("the log is empty")


def keep(lab, edged):
    say("\nThe laboratory stays. Namespaces: %s" % " ".join(lab.ns(h) for h in lab.hosts))
    say("  a shell at the edge      ip netns exec %s bash" % lab.ns("edge"))
    say("  a shell outside          ip netns exec %s bash" % lab.ns("alice"))
    say("  status                   %s -s %s status" % (os.path.join(edged.bin, "edgectl"), lab.path("control.sock")))
    say("  configuration, logs      %s" % lab.dir)
    say("  users                    %s" % ", ".join("%s:%s" % x for x in lab.USERS.items()))
    say("Press Enter (or interrupt) to take it down.")
    try:
        if sys.stdin.isatty():
            sys.stdin.readline()
        else:
            while True:
                time.sleep(3600)
    except KeyboardInterrupt:
        pass


def in_order(edged):
    status = edged.stop()
    if status != 0:
        raise LabError("edged ended with %r: %s" % (status, edged.log()[-800:]))


if __name__ == "__main__":
    main()
