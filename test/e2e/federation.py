# SPDX-License-Identifier: MIT
"""Partners for tests: their name servers, their edges (Kamailio, or one that a test scripts), their users."""
import contextlib
import http.server
import os
import re
import signal
import socket
import struct
import threading

import lab as lablib
import sip
from lab import EDGE_OUT, HERE, PARTNER, Proc, run, wait_for

DNS = "203.0.113.2"       # dnsmasq with the records of a test
DNS_ODD = "203.0.113.3"   # a name server with moods
LISTS = "203.0.113.4"     # crl.contoso.com
NORTHWIND, CLOUD, HOSTED = "198.51.100.41", "198.51.100.42", "198.51.100.43"
SRV = "_sipfederationtls._tcp."
ROWS = ({"domain": "fabrikam.com"},
        {"domain": "northwind.example", "proxy_fqdn": "sip.northwind.example", "verification": "always_verifiable"})
PROVIDERS = ({"name": "cloud", "proxy_fqdn": "sip.example.org", "domains": ["cloud.example"], "public": True},
             {"name": "hosted", "proxy_fqdn": "sipfed.hosted.example", "domains": ["hosted.example"], "shared_address_space": True})
CONF = {"access__allow_federated_users": True, "access__enable_partner_discovery": True, "federation__allowed": ROWS,
        "federation__providers": PROVIDERS, "federation__blocked": ["evil.example"], "dns__servers": [DNS],
        "access__workers": 1, "access__limits__handshakes_per_minute": 0}


def addresses(lab):
    """The partners' machines stand on the host `load`, the name servers on `net`."""
    for a in (NORTHWIND, CLOUD, HOSTED):
        lab.ip("load", "addr", "add", a + "/24", "dev", "eth0")
    for a in (DNS, DNS_ODD, LISTS):
        lab.ip("net", "addr", "add", a + "/24", "dev", "edge0")


class Names:
    """dnsmasq with the records that partners publish; srv: domain -> target, hosts: name -> address."""

    RECORDS = {"sip.fabrikam.com": PARTNER, "sip.northwind.example": NORTHWIND, "sip.example.org": CLOUD, "sipfed.hosted.example": HOSTED, "sip.down.example": "198.51.100.250",
               "sip.victim.example": NORTHWIND, "crl.contoso.com": LISTS, "crl.inward.example": lablib.FE1}
    MOODS = ("rubbish", "huge", "silent")  # of the server of lists
    SRVS = {"fabrikam.com": "sip.fabrikam.com", "northwind.example": "sip.northwind.example", "example.org": "sip.example.org",
            "outside.example": "sip.northwind.example", "noaddress.example": "sip.noaddress.example", "down.example": "sip.down.example",
            "victim.example": "sip.victim.example"}

    def __init__(self, lab):
        self.lab, self.proc = lab, None
        self.start()

    def start(self):
        argv = ["dnsmasq", "--no-daemon", "--no-resolv", "--no-hosts", "--conf-file=/dev/null", "--pid-file=", "--cache-size=0",
                "--bind-interfaces", "--listen-address=" + DNS, "--user=root", "--local=/#/", "--local-ttl=30"]
        argv += ["--host-record=%s,%s" % x for x in self.RECORDS.items()]
        for m in self.MOODS:
            argv += ["--host-record=sip.%s.example,%s" % (m, PARTNER), "--host-record=crl.%s.example,%s" % (m, LISTS),
                     "--srv-host=%s%s.example,sip.%s.example,5061" % (SRV, m, m)]
        argv += ["--srv-host=%s%s,%s,5061" % (SRV, d, t) for d, t in self.SRVS.items()]
        self.proc = Proc(self.lab, "net", argv, name="dnsmasq-partners")
        wait_for("the name server of the partners", lambda: self.lab.listens("net", DNS + ":53"))

    def stop(self):
        self.proc.stop()


class Lists:
    """The web server that certificates name for revocation lists. files: path -> octets, None is an error, a number so many octets of rubbish; moods: the same by host, or "silent"."""

    def __init__(self, lab):
        self.files, self.moods, self.asked, self.ended, outer = {}, {}, [], threading.Event(), self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.asked.append((self.path, self.client_address[0]))
                body = outer.moods.get(self.headers.get("Host"), outer.files.get(self.path))
                if body == "silent":
                    outer.ended.wait(60)
                    return
                if isinstance(body, int):
                    body = b"x" * body
                self.send_response(200 if body is not None else 503)
                self.end_headers()
                if body is not None:
                    try:
                        self.wfile.write(body)
                    except OSError:
                        pass

            def log_message(self, *a):
                pass
        with lab.inside_of("net"):
            self.httpd = http.server.ThreadingHTTPServer((LISTS, 80), Handler)
        threading.Thread(target=self.httpd.serve_forever, daemon=True).start()

    def stop(self):
        self.ended.set()
        self.httpd.shutdown()
        self.httpd.server_close()


class OddNames:
    """A name server that misbehaves by the first label of the domain it is asked for: silent, late, garbage, other, huge."""

    def __init__(self, lab):
        with lab.inside_of("net"):
            self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        for s in (self.udp, self.tcp):
            s.bind((DNS_ODD, 53))
        self.tcp.listen(16)
        self.asked, self.over = [], threading.Event()
        for run_ in (self._udp, self._tcp):
            threading.Thread(target=run_, daemon=True).start()

    @staticmethod
    def _name(q):
        labels, at = [], 12
        while q[at]:
            labels.append(q[at + 1:at + 1 + q[at]].decode("latin-1").lower())
            at += 1 + q[at]
        return ".".join(labels), at + 1

    @staticmethod
    def _wire(name):
        return b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + b"\0"

    def _answer(self, q, n, target, flags=0x8180):
        name, at = self._name(q)
        qtype = struct.unpack(">H", q[at:at + 2])[0]
        rrs = b""
        for i in range(n):
            if qtype == 33:
                t = self._wire(target % i if "%" in target else target)
                rrs += b"\xc0\x0c" + struct.pack(">HHIH", 33, 1, 60, 6 + len(t)) + struct.pack(">HHH", i % 65536, 0, 5061) + t
        return q[:2] + struct.pack(">HHHHH", flags, 1, n if qtype == 33 else 0, 0, 0) + q[12:at + 4] + rrs

    def _plain(self, q, name):
        """What an honest server says of the partners' names."""
        at = self._name(q)[1]
        qtype = struct.unpack(">H", q[at:at + 2])[0]
        address = Names.RECORDS.get(name) or (lablib.FE1 if name == "sip.inward.example" else None)
        target = Names.SRVS.get(name.replace(SRV, "")) if name.startswith(SRV) else None
        if name.startswith(SRV) and re.match("late|inward|fresh", name.replace(SRV, "")):
            target = "sip." + name.replace(SRV, "")
        if re.match(r"sip\.(late|fresh)", name):
            address = PARTNER
        if qtype == 33 and target:
            return self._answer(q, 1, target)
        if qtype == 1 and address:
            rr = b"\xc0\x0c" + struct.pack(">HHIH", 1, 1, 60, 4) + socket.inet_aton(address)
            return q[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + q[12:at + 4] + rr
        return self._answer(q, 0, "", flags=0x8180 if address or target else 0x8183)

    def _reply(self, q, over_tcp):
        if len(q) < 17:  # the octets with which a socket is closed
            return None
        name, at = self._name(q)
        mood = re.sub("[0-9]+$", "", name.replace(SRV, "").split(".")[0])
        self.asked.append(name)
        if mood == "silent":
            return None
        if mood == "late":
            self.over.wait(1.2)
        if mood == "garbage":
            return q[:2] + os.urandom(200)
        if mood == "other":    # the answer to a question that nobody asked
            return self._answer(q[:12] + self._wire(SRV + "fabrikam.com") + q[-4:], 1, "sip.northwind.example")
        if mood == "refuses":
            return self._answer(q, 0, "", flags=0x8185)
        if mood == "loops":    # a name that is its own alias
            rr = b"\xc0\x0c" + struct.pack(">HHIH", 5, 1, 60, 2) + b"\xc0\x0c"
            return q[:2] + struct.pack(">HHHHH", 0x8180, 1, 1, 0, 0) + q[12:at + 4] + rr
        if mood in ("huge", "many"):  # over TCP: more than anybody wants to hear, and more than anybody may use
            n = 1200 if mood == "huge" else 200
            return self._answer(q, n, "sip%d." + name.replace(SRV, "")) if over_tcp else self._answer(q, 0, "", flags=0x8380)
        return self._plain(q, name)

    def _udp_one(self, q, who):
        r = self._reply(q, False)
        if r:
            with contextlib.suppress(OSError):  # stopped meanwhile
                self.udp.sendto(r, who)

    def _udp(self):
        while not self.over.is_set():
            try:
                q, who = self.udp.recvfrom(4096)
            except OSError:
                return
            threading.Thread(target=self._udp_one, args=(q, who), daemon=True).start()

    def _tcp(self):
        while not self.over.is_set():
            try:
                c, _ = self.tcp.accept()
            except OSError:
                return
            threading.Thread(target=self._tcp_one, args=(c,), daemon=True).start()

    def stop(self):
        self.over.set()
        for s in (self.udp, self.tcp):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)
            s.close()

    def _tcp_one(self, c):
        with c:
            try:
                while True:
                    head = c.recv(2, socket.MSG_WAITALL)
                    if len(head) < 2:
                        return
                    q = c.recv(struct.unpack(">H", head)[0], socket.MSG_WAITALL)
                    r = self._reply(q, True)
                    if r:
                        c.sendall(struct.pack(">H", len(r)) + r)
            except OSError:
                return


class Edge(sip.FrontEnd):
    """A partner's edge that does what a test tells it (on_request); asks for our certificate."""

    def __init__(self, lab, address=PARTNER, cert="partner", **kw):
        super().__init__(lab, address, cert=cert, host="load", ca="external-ca.pem", **kw)

    def _on_message(self, conn, m):
        sip.outside_heard.append(m)
        return super()._on_message(conn, m)


class Sender(sip.Client):
    """Somebody of a partner, on a connection that the partner's edge opened with its certificate."""

    def __init__(self, lab, user="carol", domain="fabrikam.com", cert="partner", source=PARTNER, port=5061, on_message=None):
        self.user, self.domain, self.aor = user, domain, "sip:%s@%s" % (user, domain)
        self.tag, self.epid, self.cseq = sip.token(5), sip.token(6), 0
        self.conn = sip.Conn.open(lab, "load", EDGE_OUT, port, "sip.contoso.com", source, cert=cert, on_message=on_message)
        self.ip, self.port = self.conn.local[:2]


class PlainUser(sip.Client):
    """A user of the partner behind its Kamailio, over plain TCP."""

    def __init__(self, lab, user="carol", address=PARTNER, source=PARTNER, on_message=None):
        self.user, self.domain, self.aor = user, "fabrikam.com", "sip:%s@fabrikam.com" % user
        self.tag, self.epid, self.cseq, self.reg_call_id = sip.token(5), sip.token(6), 0, sip.token(12)
        s = lab.tcp_to("load", address, 5060, source)
        s.setblocking(False)

        async def go():
            r, w = await sip.asyncio.open_connection(sock=s, limit=1 << 20)
            c = sip.Conn(r, w, on_message)
            c.heard = sip.outside_heard
            return c
        self.conn = sip.io().call(go())
        self.ip, self.port = self.conn.local[:2]

    @property
    def contact(self):
        return "sip:%s@%s:%d;transport=tcp" % (self.user, self.ip, self.port)

    def request(self, *a, **kw):
        kw.setdefault("via", "SIP/2.0/TCP %s:%d;branch=z9hG4bK%s;rport" % (self.ip, self.port, sip.token(8)))
        return super().request(*a, **kw)


class Kamailio:
    """fabrikam.com: edge, registrar and presence server in one, on PARTNER."""

    def __init__(self, lab, address=PARTNER, cert="partner"):
        self.lab, self.address = lab, address
        d = lab.path("kamailio-partner")
        os.makedirs(d, exist_ok=True)
        pair = "method = TLSv1.2+\nverify_certificate = yes\nrequire_certificate = yes\nprivate_key = %s\ncertificate = %s\nca_list = %s\n" % (
            lab.cert(cert + ".key"), lab.cert(cert + ".pem"), lab.cert("external-ca.pem"))
        with open(os.path.join(d, "tls.cfg"), "w") as f:
            f.write("[server:default]\n" + pair + "[client:default]\n" + pair + "server_name = sip.contoso.com\n")
        db = os.path.join(d, "kamailio.sqlite")
        for t in ("standard", "presence"):
            with open("/usr/share/kamailio/db_sqlite/" + t + "-create.sql") as f:
                run("sqlite3", db, stdin=f)
        with open(os.path.join(HERE, "kamailio-partner.cfg")) as f, open(os.path.join(d, "kamailio.cfg"), "w") as g:
            g.write(f.read().replace("@ADDRESS@", address).replace("@DIR@", d).replace("@EDGE@", EDGE_OUT))
        self.argv = ["kamailio", "-DD", "-E", "-f", os.path.join(d, "kamailio.cfg"), "-Y", d, "-w", d, "-P", os.path.join(d, "pid"),
                     "-m", "64", "-M", "8"]
        self.dir = d
        self.start()

    def start(self):
        self.proc = Proc(self.lab, "load", self.argv, name="kamailio-partner", cwd=self.dir)

        def probe():
            if not self.proc.alive():
                raise lablib.LabError("kamailio did not start: " + self.proc.log()[-1500:])
            try:
                self.lab.tcp_to("load", self.address, 5061, timeout=1.0).close()
                return True
            except OSError:
                return False
        wait_for("the partner's kamailio to listen", probe)

    def crash(self):
        """All of it at once, with whatever is under way."""
        for k in lablib.children(self.proc.pid) + [self.proc.pid]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(k, signal.SIGKILL)
        self.proc.p.wait()

    def stop(self):
        return self.proc.stop()
