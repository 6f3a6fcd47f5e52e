#!/usr/bin/env python3
"""run.py - run edged and its peers side by side and print medians (called by script/bench).

  ./run.py sip|handshake|idle|drip|storm|turn|alloc|webconf|kill|micro|speed|churn|all [--runs N] [--secs S] [--only a,b]
  ./run.py report            tables (Markdown) of everything in results/

Peers run in turn inside every round, so that drift of the machine hits all of them alike. Everything runs in a
network namespace of its own with only a loopback device; only processes started here are stopped, by pid.
edged is taken from build/bin; --sip-cmd / --turn-cmd put another command in its place.
"""
import argparse, json, os, resource, shlex, signal, statistics, subprocess, sys, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
os.chdir(HERE)
BIN = os.path.join(os.path.dirname(os.path.dirname(HERE)), "build", "bin")
SIP, NH, TURN = "127.0.0.1:5061", "127.0.0.1:6061", "127.0.0.1:3478"

def enter_netns():
    if os.environ.get("EDGEBENCH_NS") != "1":
        os.environ["EDGEBENCH_NS"] = "1"
        os.execvp("unshare", ["unshare", "-n", sys.executable, os.path.join(HERE, "run.py")] + sys.argv[1:])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)

def fill(src, dst, **kw):
    s = open(src).read()
    for k, v in kw.items():
        s = s.replace("@%s@" % k, v)
    open(dst, "w").write(s)

class Server:
    def __init__(self, name, argv, wait=1.0):
        self.name = name
        self.log = open("run/%s.log" % name, "w")
        self.p = subprocess.Popen(["taskset", "-c", str(A.server_cpu)] + argv, stdout=self.log, stderr=self.log)
        time.sleep(wait)
        if self.p.poll() is not None:
            raise RuntimeError("%s did not start, see run/%s.log" % (name, name))
    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        try:
            self.p.wait(8)
        except subprocess.TimeoutExpired:
            self.p.kill()
            self.p.wait()
        self.log.close()
        time.sleep(0.2)

def kamailio(defs, cert, mm):
    """mm: memory manager. The distribution's default (qm) checks every block and costs 2x; fm and tlsf are the fair peers."""
    fill("conf/kamailio-tls.cfg.in", "run/kamailio-tls.cfg", CERT=cert)
    a = ["kamailio", "-DD", "-E", "-f", "conf/kamailio.cfg", "-w", ".", "-Y", "run", "-m", "1024", "-M", "16"] + (["-x", mm, "-X", mm] if mm else [])
    for d in defs:
        a += ["-A", d]
    return a
def haproxy(cert, more=""):
    fill("conf/haproxy.cfg.in", "run/haproxy.cfg", CERT=cert, GLOBAL="", MORE=more)
    return ["haproxy", "-db", "-f", "run/haproxy.cfg"]

def edged(cert, hide="all"):
    fill("conf/edged.conf.in", "run/edged-%s.conf" % hide, CERT=cert, CERTS=HERE + "/certs", RUN=HERE + "/run", HIDE=hide)
    return [BIN + "/edged", "-c", "run/edged-%s.conf" % hide]

def sip_peers():
    p = {
        "kamailio-stateless": (lambda c: kamailio(["TCPC=1"], c, "tlsf"), 2.0, []),
        "kamailio-tm": (lambda c: kamailio(["TCPC=1", "STATEFUL"], c, "fm"), 2.0, []),
        "haproxy-raw": (lambda c: haproxy(c), 1.0, ["--raw"]),
        "floor-sip": (lambda c: ["floor/sipfloor", SIP, NH, "certs/%s.pem" % c, "certs/%s.key" % c, "certs/ca.pem", "certs/edge-rsa.pem", "certs/edge-rsa.key"], 0.5, []),
    }
    if A.sip_cmd:
        p["edged"] = (lambda c: shlex.split(A.sip_cmd.replace("@CERT@", c)), 1.5, [])
    elif os.path.exists(BIN + "/edged-access"):
        p["edged"] = (lambda c: edged(c), 1.5, [])
    return pick(p)
def turn_peers():
    p = {
        "coturn": (["turnserver", "-c", "conf/turnserver.conf", "--pidfile", "run/turn.pidfile", "--db", "run/turndb"], 1.5, []),
        "direct": ("127.2.0.1:7001", 0, []),
        "floor-plain": (["floor/udpfwd", "plain", TURN], 0.3, ["--raw"]),
        "floor-mmsg": (["floor/udpfwd", "mmsg", TURN], 0.3, ["--raw"]),
        "floor-gso": (["floor/udpfwd", "gso", TURN], 0.3, ["--raw"]),
        "floor-uring": (["floor/udpfwd", "uring", TURN], 0.3, ["--raw"]),
    }
    if "uring250" in A.only:
        p["floor-uring250"] = (["floor/udpfwd", "uring250", TURN], 0.3, ["--raw"])
    if os.path.exists("peers/pionturn"):
        p["pion"] = (["peers/pionturn", TURN], 0.6, [])
    if A.turn_cmd:
        p["edged"] = (shlex.split(A.turn_cmd), 1.5, [])
    elif os.path.exists(BIN + "/edged-av"):
        p["edged"] = (edged_av("edged"), 2.0, [])
        for name, more in EDGED_AV.items():  # the other ways it can work: only when asked for
            if name in A.only.split(",") or name == "edged-kernel" and not A.only:
                p[name] = (edged_av(name, more), 2.0, [])
    return pick(p)
EDGED_AV = {"edged-mmsg": "io_uring = false;", "edged+250us": "coalesce_us = 250;", "edged-kernel": "kernel_relay = true;"}
def edged_av(name, more="", workers=1):
    fill("conf/edged-av.conf.in", "run/%s-av.conf" % name, CERTS=HERE + "/certs", RUN=HERE + "/run", MORE=more, WORKERS=str(workers), DEVICE="lo" if "kernel" in more else "")
    return [BIN + "/edged", "-c", "run/%s-av.conf" % name]
def pick(p):
    return {k: v for k, v in p.items() if not A.only or k in A.only.split(",")}

def load(table, argv, tag, more=lambda: {}, how=[]):
    """more: called when the load is over, says what else belongs into its row; how: what the load is started with"""
    r = subprocess.run(["taskset", "-c", str(A.load_cpu), "timeout", "150"] + how + argv + ["--tag", tag], capture_output=True, text=True)
    row = {}
    for w in r.stdout.split():
        k, _, v = w.partition("=")
        try:
            row[k] = float(v)
        except ValueError:
            row[k] = v
    row.update(more())
    if "gen_s_per_mpkt" in row:
        # What the kernel does for a packet on its way is on the account of whoever sent it: a relay's whole cost is this sum less
        # that of "direct", where nothing relays.
        row["total"] = row.get("cpu_s_per_mpkt", 0) + row["gen_s_per_mpkt"]
    if not row.get("tag"):
        print("  %s: no result: %s" % (tag, r.stderr.strip()[-200:]), flush=True)
        return {}
    row["table"], row["t"] = table, time.time()
    with open("results/%s.jsonl" % table, "a") as f:
        f.write(json.dumps(row) + "\n")
    return row

def sipload(table, peer, scen, pid, extra, more=lambda: {}, how=[]):
    r = load(table, ["./sipload", "--target", SIP, "--nexthop", NH, "--cert", "certs/nexthop.pem", "--key", "certs/nexthop.key", "--ca", "certs/ca.pem", "--pids", str(pid)] + extra, peer + "/" + scen, more, how)
    if r:
        print("  %-32s %s" % (peer + "/" + scen, " ".join("%s=%g" % (k, r[k]) for k in ("per_s", "cpu_us", "p50_us", "p99_us", "errors", "pss_kb_per_conn", "cpu_us_per_conn", "reused", "gen_util", "drips_per_s", "drip_late_p99_us", "drip_errors", "drip_gen_util") if k in r)), flush=True)
    return r
def turnload(table, peer, scen, pid, extra, server=TURN):
    r = load(table, ["./turnload", "--server", server] + (["--pids", str(pid)] if pid else []) + extra, peer + "/" + scen)
    if r:
        print("  %-32s %s" % (peer + "/" + scen, " ".join("%s=%g" % (k, r[k]) for k in ("per_s", "cpu_s_per_mpkt", "total", "cpu_us", "pss_kb_per_alloc", "failed", "loss_pct", "p50_us", "p99_us", "cpu_util", "gen_util") if k in r)), flush=True)

def rounds(peers, fn):
    for i in range(A.runs):
        print("round %d/%d" % (i + 1, A.runs), flush=True)
        for name, spec in peers.items():
            try:
                fn(name, spec)
            except RuntimeError as e:
                print("  " + str(e), flush=True)

S = lambda: ["--secs", str(A.secs), "--warm", "1"]
def t_sip():
    peers = sip_peers()
    peers.update(pick({"kamailio-default-qm": (lambda c: kamailio(["TCPC=1"], c, ""), 2.0, [])}))
    def fn(name, spec):
        mk, wait, x = spec
        s = Server(name, mk("edge-rsa"), wait)
        try:
            for scen, e in (("message", ["--mode", "message"]), ("options", ["--mode", "options"]), ("dialog", ["--mode", "dialog"]), ("message-2k/s", ["--mode", "message", "--rate", "2000"])):
                sipload("sip", name, scen, s.p.pid, x + e + ["--conns", "100"] + S())
        finally:
            s.stop()
    rounds(peers, fn)
def t_handshake():
    peers = sip_peers()
    peers.pop("kamailio-tm", None)
    # Whoever leaves after the handshake costs haproxy-raw a try to connect inside (some 5 % of a handshake), and this one none.
    peers.update(pick({"haproxy-reject": (lambda c: haproxy(c, "\ttcp-request content reject"), 1.0, ["--raw"])}))
    def fn(name, spec):
        mk, wait, x = spec
        for cert, list_ in (("edge-rsa", (("rsa-tls12", ["--cipher", "ECDHE-RSA-AES128-GCM-SHA256"]), ("rsa-tls13", ["--tls13"]), ("rsa-tls12-resume", ["--resume"]), ("rsa-tls13-resume", ["--tls13", "--resume"]))),
                            ("edge-ec", (("ecdsa-tls12", ["--cipher", "ECDHE-ECDSA-AES128-GCM-SHA256"]), ("ecdsa-tls13", ["--tls13"])))):
            s = Server(name, mk(cert), wait)
            try:
                for scen, e in list_:
                    sipload("handshake", name, scen, s.p.pid, x + ["--mode", "hs", "--no-sink"] + e + S())
            finally:
                s.stop()
    rounds(peers, fn)
def t_idle():
    peers = sip_peers()
    peers.pop("kamailio-tm", None)
    def fn(name, spec):
        mk, wait, x = spec
        s = Server(name, mk("edge-ec"), wait)
        try:
            sipload("idle", name, "idle-%d" % A.idle, s.p.pid, x + ["--mode", "idle", "--idle", str(A.idle)])
        finally:
            s.stop()
    rounds(peers, fn)
def t_drip():
    """Clients at 1000/s beside 400 slow writers. These are a process of their own on the load's core. All are in the real-time class,
    so that nothing else on the machine is in their way; clients and server before the writers. quiet: the writers are
    connected and send nothing; drip: an octet each every 50 ms, spread over that time; together: all at its start."""
    peers, seen = sip_peers(), {}
    def fn(name, spec):
        mk, wait, x = spec
        s = Server(name, mk("edge-ec"), wait)
        try:
            for scen, e in (("quiet", ["--silent"]), ("drip", []), ("together", ["--together"])):
                if A.scen and scen not in A.scen.split(","):
                    continue
                d = subprocess.Popen(["taskset", "-c", str(A.load_cpu), "chrt", "-r", "1", "./sipload", "--target", SIP, "--mode", "drip", "--drips", "400", "--drip-ms", "50", "--secs", "120"] + e, stdout=subprocess.PIPE, text=True)
                def dripped():
                    d.terminate()
                    return {k: float(v) for k, v in (w.split("=") for w in d.communicate()[0].split())}
                up = d.stdout.readline().strip()
                if up != "up=400":
                    raise RuntimeError("%s: not all of 400 slow writers could connect: %s %s" % (name, up, dripped()))
                for p in proc_tree(s.p.pid):  # no handshake is measured, so it does no harm that keyd is no longer behind
                    os.sched_setscheduler(p, os.SCHED_RR, os.sched_param(2))
                threading.Timer(1, d.send_signal, [signal.SIGUSR1]).start()  # by then the next hop listens
                r = sipload("drip", name, scen, s.p.pid, x + ["--mode", "message", "--rate", "1000", "--secs", str(A.secs), "--warm", "2"], dripped, ["chrt", "-r", "2"])
                if r:
                    seen.setdefault(name, {}).setdefault(scen, []).append(r["p99_us"])
        finally:
            s.stop()
    rounds(peers, fn)
    med = statistics.median
    for name, by in seen.items():
        q = by.get("quiet")
        for scen in by:
            if q and scen != "quiet" and len(by[scen]) == len(q):
                each = sorted(a / b for a, b in zip(by[scen], q))
                print("drip: %-20s p99 ms quiet %.3f, %s %.3f: medians %.2f, by round %.2f (%.2f to %.2f)" % (name, med(q) / 1e3, scen, med(by[scen]) / 1e3, med(by[scen]) / med(q), med(each), each[0], each[-1]))
def t_storm():
    """established clients at 500/s while new clients keep 64 full RSA handshakes going"""
    peers = sip_peers()
    peers.pop("kamailio-tm", None)
    def fn(name, spec):
        mk, wait, x = spec
        s = Server(name, mk("edge-rsa"), wait)
        try:
            for scen in ("quiet", "storm"):
                hs = None
                if scen == "storm":
                    hs = subprocess.Popen(["taskset", "-c", str(A.load_cpu), "timeout", "60", "./sipload", "--target", SIP, "--mode", "hs", "--hsconc", "64", "--secs", str(A.secs + 5), "--warm", "0"], stdout=subprocess.PIPE, text=True)
                sipload("storm", name, scen, s.p.pid, x + ["--mode", "message", "--rate", "500", "--conns", "100"] + S())
                if hs:
                    print("    " + " ".join(w for w in hs.communicate()[0].split() if w.startswith(("units", "per_s", "p50", "conn_fail"))), flush=True)
        finally:
            s.stop()
    rounds(peers, fn)
TURN_RAW = [("172B", ["--window", "128", "--allocs", "100"]), ("1200B", ["--window", "128", "--allocs", "100", "--size", "1200"]),
            ("172B-40kpps-400", ["--rate", "20000", "--allocs", "400"]), ("172B-10kpps-100", ["--rate", "5000", "--allocs", "100"]),
            ("1200B-burst8gso", ["--window", "256", "--allocs", "100", "--size", "1200", "--burst", "8", "--gso"])]
TURN_MORE = [("172B-sendind", ["--window", "128", "--allocs", "100", "--send-ind"]), ("172B-tcp", ["--window", "128", "--allocs", "100", "--tcp"])]
TURN_LYNC = [("172B-lync-bare", ["--window", "128", "--allocs", "100", "--lync"]),  # no other server speaks it
             ("172B-lync-send", ["--window", "128", "--allocs", "100", "--lync", "--send-ind"])]
def t_turn():
    def wanted(scenarios):
        return [(s, e) for s, e in scenarios if not A.scen or s in A.scen.split(",")]
    def fn(name, spec):
        argv, wait, x = spec
        if name == "direct":  # client to peer and back with no relay: what the generator itself costs
            for scen, e in wanted(TURN_RAW):
                turnload("turn", name, scen, 0, ["--raw"] + e + S(), argv)
            return
        s = Server(name, argv, wait)
        # what the relay costs: its workers and the keys, not the Access Edge that stands idle
        pids = ",".join(str(p) for p in proc_tree(s.p.pid) if not name.startswith("edged") or program_of(p) in ("edged-av", "edged-keyd"))
        try:
            # a new allocation set per scenario; the raw forwarders learn clients, so restart is not needed either
            for scen, e in wanted(TURN_RAW + (TURN_MORE if "--raw" not in x else []) + (TURN_LYNC if name.startswith("edged") else [])):
                turnload("turn", name, scen, pids, x + e + S())
        finally:
            s.stop()
    rounds(turn_peers(), fn)
def t_alloc():
    peers = {k: v for k, v in turn_peers().items() if not k.startswith("floor") and k != "direct"}
    def fn(name, spec):
        argv, wait, x = spec
        s = Server(name, argv, wait)
        pids = ",".join(str(p) for p in proc_tree(s.p.pid) if not name.startswith("edged") or program_of(p) in ("edged-av", "edged-keyd"))
        try:
            turnload("alloc", name, "udp", pids, ["--mode", "alloc", "--allocs", "3000"])
            turnload("alloc", name, "tcp", pids, ["--mode", "alloc", "--allocs", "2000", "--tcp"])
        finally:
            s.stop()
    rounds(peers, fn)
def sessions():
    a = [BIN + "/edgectl", "-s", "run/edged-av-control.sock", "--json", "sessions"]
    v = json.loads(subprocess.run(a, capture_output=True, text=True, check=True).stdout)
    return [(x["worker"], x["answer"]["allocations"]) for x in v["services"] if x["role"] == "av"]
def t_kill():
    """10 million relayed packets over two workers, one of them killed in between: what is lost, and who notices."""
    s = Server("edged", edged_av("edged-kill", "", workers=2), 2.0)
    try:
        before = {p for p in proc_tree(s.p.pid) if program_of(p) == "edged-av"}
        p = subprocess.Popen(["taskset", "-c", str(A.load_cpu), "timeout", "290", "./turnload", "--server", TURN, "--allocs", "100", "--window", "1024", "--revive", "--packets", str(A.packets), "--secs", "280", "--warm", "0"], stdout=subprocess.PIPE, text=True)
        while p.poll() is None and sum(a["packets_from_client"] + a["packets_from_peer"] for _, l in sessions() for a in l) < A.packets / 2:
            time.sleep(0.5)
        had = {w: {a["client"]: a["relayed"] for a in l} for w, l in sessions()}
        victim = max(before)
        os.kill(victim, signal.SIGKILL)
        out = p.communicate()[0]
        after = {x for x in proc_tree(s.p.pid) if program_of(x) == "edged-av"}
        print(out.strip())
        print("kill: allocations of the workers before: %s; workers of before still there: %d of 2, workers now: %d" % (sorted(len(v) for v in had.values()), len(after & before), len(after)))
    finally:
        s.stop()
def program_of(pid):
    try:
        return os.readlink("/proc/%d/exe" % pid).rsplit("/", 1)[1]
    except OSError:
        return ""
def proc_tree(pid):
    """pid and all its descendants"""
    kids = {}
    for d in os.listdir("/proc"):
        if d.isdigit():
            try:
                kids.setdefault(int(open("/proc/%s/stat" % d).read().rsplit(")", 1)[1].split()[1]), []).append(int(d))
            except OSError:
                pass
    out, todo = [], [pid]
    while todo:
        p = todo.pop()
        out.append(p)
        todo += kids.get(p, [])
    return out
def held(pid):
    """descriptors and own memory (KB: anonymous and written pages, not those of libraries, whose share hangs on who else maps them)"""
    fds = pss = 0
    for p in proc_tree(pid):
        try:
            fds += len(os.listdir("/proc/%d/fd" % p))
            pss += sum(int(l.split()[1]) for l in open("/proc/%d/smaps_rollup" % p) if l.startswith(("Private_Dirty:", "Swap:")))
        except OSError:
            pass
    return fds, pss
def t_churn():
    """200,000 full handshakes by 12 clients: no crash, descriptors flat, memory slope after warm-up"""
    s = Server("edged", edged("edge-ec"), 1.5)
    try:
        pids, seen, done = proc_tree(s.p.pid), [], 0
        t0 = time.time()
        while done < A.handshakes:
            r = subprocess.run(["taskset", "-c", str(A.load_cpu), "./sipload", "--target", SIP, "--mode", "hs", "--hsconc", "12", "--no-sink", "--secs", "10", "--warm", "0"], capture_output=True, text=True)
            row = dict(w.split("=", 1) for w in r.stdout.split() if "=" in w)
            if not row:
                sys.exit("churn: the load did not run: " + r.stderr)
            done += int(row["units"])
            time.sleep(1)
            seen.append((time.time() - t0, done) + held(s.p.pid))
            print("  %6d s  handshakes=%d failed=%s fds=%d own_kb=%d" % (seen[-1][0], done, row["conn_fail"], seen[-1][2], seen[-1][3]), flush=True)
        same = proc_tree(s.p.pid) == pids
        warm = seen[len(seen) // 3:]
        n, mt, mp = len(warm), sum(r[0] for r in warm) / len(warm), sum(r[3] for r in warm) / len(warm)
        var = sum((r[0] - mt) ** 2 for r in warm)
        slope = sum((r[0] - mt) * (r[3] - mp) for r in warm) / var * 3600 / 1024 if var else 0
        print("churn: %d handshakes, same processes: %s, fds %d..%d, memory slope %.2f MB/h over the last %d samples" % (done, "yes" if same else "NO", min(r[2] for r in warm), max(r[2] for r in warm), slope, n))
    finally:
        s.stop()
def t_webconf():
    """Octets of meetings beside HAProxy, which does what one Edge box does: TLS off, TLS on. "edged" is the Edge's part of the way over a
    connector (two TLS legs and HTTP/2), "edged+connector" both programs (four legs), "edged-dial" the Edge that dials the server itself,
    as HAProxy does. Server and connector share the load CPU's core."""
    def on_load_cpu(argv, name):
        return subprocess.Popen(["taskset", "-c", str(A.load_cpu)] + argv, stdout=subprocess.DEVNULL, stderr=open("run/%s.log" % name, "w"))
    def ticket(n):
        a = [BIN + "/edgectl", "-s", "run/webconf.sock", "--json", "webconf", "ticket", "add", "server=bench", "uses=%d" % n]
        v = json.loads(subprocess.run(a, capture_output=True, text=True, check=True).stdout)
        h = next(x["answer"]["handle"] for x in v["services"] if x["role"] == "webconf")
        open("run/handles", "w").write((h + "\n") * n)
    def one(peer, scen, pids, n, extra, edge):
        if edge:
            ticket(min(n, 1000))
        r = load("webconf", ["./psomload", "load", "--target", "127.0.0.1:4443", "--conns", str(n), "--pids", pids] + (["--handles", "run/handles"] if edge else []) + extra, peer + "/" + scen)
        if r:
            print("  %-32s %s" % (peer + "/" + scen, " ".join("%s=%g" % (k, r[k]) for k in ("cpu_s_per_gb", "mbit_s", "admitted", "errors", "cpu_util", "kb_per_client", "slowest", "fastest", "gen_util") if k in r)), flush=True)
    def fn(name, spec):
        mk, wait = spec
        mcu = on_load_cpu(["./psomload", "serve", "--listen", "127.0.0.1:9057", "--cert", "certs/localhost.pem", "--key", "certs/localhost.key"], "mcu")
        edge, procs, dials = name.startswith("edged"), [mcu], name == "edged-dial"
        try:
            s = Server(name, mk(), wait)
        except RuntimeError:
            mcu.terminate()
            raise
        pids = str(s.p.pid)
        if edge and not dials:
            fill("conf/connector.conf.in", "run/connector.conf", CERTS=HERE + "/certs")
            procs.append(on_load_cpu([BIN + "/edged-connector", "-c", "run/connector.conf"], "connector"))
            time.sleep(1.0)
        if edge:
            # What this job costs: the role and the keys, not the Access Edge that stands idle.
            pids = ",".join(str(p) for p in proc_tree(s.p.pid) if program_of(p) in ("edged-webconf", "edged-keyd"))
        if name == "edged+connector":
            pids += "," + str(procs[-1].pid)
        try:
            secs = ["--secs", str(A.secs)]
            # First: memory that a busy time left behind would hide what an idle client costs.
            if not A.long:
                one(name, "1000 idle", pids, 1000, ["--idle", "--open-per-s", "250", "--secs", "9"], edge)
                one(name, "1 client", pids, 1, secs, edge)
                one(name, "20 clients", pids, 20, secs, edge)
            one(name, "250 x 1 Mbit/s", pids, 250, ["--rate-kbit", "1000", "--open-per-s", "250", "--secs", "60" if A.long else "8"], edge)
        finally:
            for p in procs:
                p.terminate()
                p.wait()
            s.stop()
    def edged_conf(inside=""):
        fill("conf/edged-webconf.conf.in", "run/edged-webconf.conf", CERTS=HERE + "/certs", RUN=HERE + "/run", INSIDE=inside)
        return [BIN + "/edged", "-c", "run/edged-webconf.conf"]
    def haproxy_conf():
        fill("conf/haproxy-webconf.cfg.in", "run/haproxy-webconf.cfg")
        return ["haproxy", "-db", "-f", "run/haproxy-webconf.cfg"]
    def dial_conf():
        return edged_conf('inside = { mode = "dial"; servers = ( { id = "bench"; address = "127.0.0.1:9057"; fqdn = "localhost"; } ); };')
    rounds(pick({"edged": (edged_conf, 2.5), "edged+connector": (edged_conf, 2.5), "edged-dial": (dial_conf, 2.5), "haproxy": (haproxy_conf, 1.0)}), fn)
def plain(argv, out):
    r = subprocess.run(["taskset", "-c", str(A.server_cpu)] + argv, capture_output=True, text=True)
    open("results/" + out, "w").write(r.stdout)
    print(r.stdout)
def t_micro():
    plain(["./microbench"], "micro.txt")
def t_speed():
    a = subprocess.run(["taskset", "-c", str(A.server_cpu), "openssl", "speed", "-seconds", "2", "rsa2048", "ecdsap256", "ecdhp256", "ecdhx25519"], capture_output=True, text=True).stdout
    b = subprocess.run(["taskset", "-c", str(A.server_cpu), "openssl", "speed", "-seconds", "2", "-evp", "aes-128-gcm", "-bytes", "1024"], capture_output=True, text=True).stdout
    keep = "\n".join(l for l in (a + b).splitlines() if l.strip().startswith(("rsa", "sign", "256", "253", "op", "AES", "type")))
    open("results/speed.txt", "w").write(keep + "\n")
    print(keep)

def fmt(v):
    return "%.0f" % v if abs(v) >= 1000 else "%.1f" % v if abs(v) >= 100 else "%.2f" % v if abs(v) >= 1 else "%.3f" % v
def report():
    want = {
        "sip": ["cpu_us", "per_s", "p50_us", "p99_us", "p999_us", "errors", "gen_us"],
        "handshake": ["cpu_us", "per_s", "p50_us", "p99_us", "errors"],
        "idle": ["pss_kb_per_conn", "rss_sum_kb_per_conn", "cpu_us_per_conn", "conn_fail"],
        "drip": ["p50_us", "p99_us", "p999_us", "cpu_util", "drips_per_s", "errors"],
        "storm": ["p50_us", "p99_us", "p999_us", "cpu_util", "late", "errors"],
        "turn": ["cpu_s_per_mpkt", "total", "per_s", "loss_pct", "p50_us", "p99_us", "cpu_util", "gen_s_per_mpkt"],
        "webconf": ["cpu_s_per_gb", "mbit_s", "cpu_util", "kb_per_client", "slowest", "fastest", "admitted", "errors"],
        "alloc": ["cpu_us", "per_s", "p50_us", "p99_us", "pss_kb_per_alloc", "free_cpu_us", "failed"],
    }
    for t, cols in want.items():
        fn = "results/%s.jsonl" % t
        if not os.path.exists(fn):
            continue
        rows = [json.loads(l) for l in open(fn)]
        by = {}
        for r in rows:
            peer, _, scen = r["tag"].partition("/")
            by.setdefault(scen, {}).setdefault(peer, []).append(r)
        for scen, peers in by.items():
            print("\n### %s: %s\n\n| peer | runs | %s |\n|---|---|%s" % (t, scen, " | ".join(cols), "---|" * len(cols)))
            for peer, rs in peers.items():
                c = []
                for k in cols:
                    v = [r[k] for r in rs if k in r]
                    c.append("-" if not v else "%s [%s-%s]" % (fmt(statistics.median(v)), fmt(min(v)), fmt(max(v))) if k in (cols[0], "per_s", "p99_us") else fmt(statistics.median(v)))
                print("| %s | %d | %s |" % (peer, len(rs), " | ".join(c)))

TABLES = {"sip": t_sip, "handshake": t_handshake, "idle": t_idle, "drip": t_drip, "storm": t_storm, "turn": t_turn, "alloc": t_alloc, "micro": t_micro, "speed": t_speed, "churn": t_churn, "kill": t_kill, "webconf": t_webconf}
ap = argparse.ArgumentParser()
ap.add_argument("table", choices=list(TABLES) + ["all", "report"])
ap.add_argument("--runs", type=int, default=5)
ap.add_argument("--secs", type=int, default=3)
ap.add_argument("--idle", type=int, default=5000)
ap.add_argument("--packets", type=int, default=10000000, help="kill: relayed in all")
ap.add_argument("--handshakes", type=int, default=200000)
ap.add_argument("--only", default="")
ap.add_argument("--scen", default="", help="turn, drip: these scenarios only")
ap.add_argument("--server-cpu", type=int, default=0)
ap.add_argument("--load-cpu", type=int, default=1)
ap.add_argument("--sip-cmd", default="", help="command of a SIP proxy that listens on %s (TLS, certs/@CERT@.pem) and forwards to %s with TLS" % (SIP, NH))
ap.add_argument("--turn-cmd", default="", help="command of a TURN server on %s, user bench:benchpw, realm edge.test, peers on 127/8 allowed" % TURN)
ap.add_argument("--long", action="store_true", help="webconf: 250 clients for 60 s, and only they")
ap.add_argument("--fresh", action="store_true", help="drop earlier results of the tables that are run")
A = ap.parse_args()
if A.table == "report":
    report()
    sys.exit(0)
if A.runs > 50 or A.secs > 60 or A.idle > 9500:
    sys.exit("out of bounds")
enter_netns()
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # Kamailio may crash while it stops with many TLS connections open
os.makedirs("run", exist_ok=True)
os.makedirs("results", exist_ok=True)
subprocess.run(["./gencerts.sh"], check=True)
for t in (("sip", "handshake", "idle", "drip", "storm", "micro") if A.table == "all" else [A.table]):
    print("== " + t, flush=True)
    if A.fresh and os.path.exists("results/%s.jsonl" % t):
        os.remove("results/%s.jsonl" % t)
    TABLES[t]()
