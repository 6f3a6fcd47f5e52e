# SPDX-License-Identifier: MIT
"""Nothing secret at any level: all services at level debug, each handed secrets on good and on bad ways; then the log, and what
edgectl and edged -n say, are searched for them in each form in which they could have been written."""
import base64
import contextlib
import json
import os
import re
import subprocess

import av
import lab as lablib
import sip
import webconf
from lab import EDGE_OUT, LOAD, wait_for
from turn import Refused, Turn

BODY, SDP = "body-Lapislazuli-1", "ice-pwd-Malachite-2"
BLOB, COOKIE_ = "TlRMTVNTUAADAAAAOpal3", "0100000Onyx4"
TURN_PASSWORD, WRONG = av.PASSWORD, "wrong-Beryl-5"
SHARED = "shared-Topaz-6"
CREDENTIALS = 'Authorization: NTLM qop="auth", realm="SIP Communications Service", opaque="A1", gssapi-data="%s", response="%s", crand="Garnet7"' % (BLOB, COOKIE_)
TOKEN = "bearer-Zircon-8"


def forms(secret):
    """As text, hex, base64; and as the log escapes octets."""
    b = secret if isinstance(secret, bytes) else secret.encode()
    yield b.hex()
    # Without the last group, which depends on what follows.
    yield base64.b64encode(b).decode()[:len(b) // 3 * 4]
    yield "".join(chr(c) if 0x20 <= c < 0x7f else "\\x%02x" % c for c in b)


def from_clients(lab, fe):
    """What clients of the Access Edge send."""
    fe.on_request = None
    c = sip.Client(lab, "alice", source=LOAD[20])
    c.register(extra="Expires: 600\n" + CREDENTIALS)
    c.message("sip:bob@contoso.com", text=BODY, extra=CREDENTIALS)
    c.send("INVITE", "sip:bob@contoso.com", extra="Content-Type: application/sdp\n" + CREDENTIALS, body="v=0\r\na=ice-pwd:%s\r\n" % SDP)
    c.conn.expect(200)
    # Refused by a rule, and by the parser in each of its ways: credentials and bodies in what is quoted of it.
    c.ask("MESSAGE", "sip:bob@contoso.com", frm="sip:x@elsewhere.example", extra="Content-Type: text/plain\n" + CREDENTIALS, body=BODY, expect=403)
    c.close()
    bad = (
        ("%s\r\nContent-Length: 0\r\n\r\n" % CREDENTIALS),  # no request line
        ("MESSAGE sip:bob@contoso.com SIP/2.0\r\n%s\r\nContent-Length: x\r\n\r\n%s" % (CREDENTIALS, BODY)),
        ("MESSAGE sip:bob@contoso.com SIP/9.0\r\n%s\r\nContent-Length: 0\r\n\r\n" % CREDENTIALS),
        ("GET /secret?access_token=%s HTTP/1.1\r\nHost: sip.contoso.com\r\nAuthorization: Bearer %s\r\n\r\n" % (TOKEN, TOKEN)),
    )
    for i, text in enumerate(bad):
        with lab.tls_to("load", EDGE_OUT, 443, "sip.contoso.com", source=LOAD[21 + i]) as s:
            s.sendall(text.encode())
            with contextlib.suppress(OSError):
                while s.recv(4096):
                    pass
    # A Content-Length that is too short: the rest of the body is taken for the next message.
    c = sip.Client(lab, "carol", source=LOAD[30])
    c.register()
    good = c.request("MESSAGE", "sip:bob@contoso.com", extra="Content-Type: text/plain", body="", contact=False)
    c.conn.send(good + (BODY + " and no more of this\r\n\r\n").encode())
    c.conn.wait_closed()


def from_relay_users(lab):
    """Passwords, time-limited names and tokens at the relay, right and wrong ones. Returns what was issued."""
    issued = []
    for how in ("udp", "tcp"):
        with Turn(lab, "alice", (av.AV_OUT, 3478), av.USER, TURN_PASSWORD, how) as t:
            t.allocate()
            issued.append(t.key)
    with Turn(lab, "alice", (av.AV_OUT, 3478), av.USER, WRONG) as t:
        with contextlib.suppress(Refused):
            t.allocate()
        issued.append(t.key)
    for i in range(2):
        name, password, _ = av.credentials(lab)
        issued.append(password)
    with Turn(lab, "alice", (av.AV_OUT, 3478), "x" * 40, "x") as t:
        with contextlib.suppress(Refused):
            t.allocate()
    status, _, _ = av.service(lab, av.mras_body() + "<password>%s</password>" % WRONG)
    assert status.startswith("SIP/2.0")
    return issued


def from_guests(lab, edged):
    m = webconf.Meeting(lab, edged)
    handle = m.ticket()
    with m.join(handle, b"x" + BODY.encode()) as s:
        webconf.closed(s)  # no conferencing server is there
    with m.join(os.urandom(4) + handle[4:]) as s:
        webconf.closed(s)
    return [handle]


def broken_files(lab, edged):
    """Reloads and checks that fail near a secret; returns what was said."""
    with open(edged.conf) as f:
        good = f.read()
    said = ""
    for old, new in (('password = "%s"' % TURN_PASSWORD, 'password = "%s' % TURN_PASSWORD), ("password = ", "pasword = "),
                     ('password = "%s"' % TURN_PASSWORD, 'password = [ "%s" ]' % TURN_PASSWORD), ("shared_secret = ", "shared_secert = "),
                     ('password = "%s"' % TURN_PASSWORD, 'key = "%s"' % TURN_PASSWORD)):
        assert old in good
        with open(edged.conf, "w") as f:
            f.write(good.replace(old, new, 1))
        said += edged.ctl("reload", check=False)
        for argv in (["edged", "-n", "-c", edged.conf], ["edgectl", "-s", lab.path("control.sock"), "--json", "check"],
                     ["edgectl", "-s", lab.path("control.sock"), "reload"]):
            r = subprocess.run([os.path.join(edged.bin, argv[0])] + argv[1:], capture_output=True, text=True, timeout=60)
            assert r.returncode in (1, 78), (old, new, r.stdout, r.stderr)
            said += r.stdout + r.stderr
    with open(edged.conf, "w") as f:
        f.write(good)
    edged.ctl("reload")
    return said


def test_no_secret_is_logged(lab, fe):
    conf = av.beside()
    conf.update(webconf.CONF, log__level="debug", access__workers=1, av__workers=1, av__shared_secret=SHARED, edge__pool_secret=lab.cert("pool.secret"))
    edged = lab.edged(**conf)
    wait_for("the next hop", lambda: '"up"' in edged.ctl("--json", "nexthop"))
    from_clients(lab, fe)
    secrets = from_relay_users(lab) + from_guests(lab, edged)
    said = broken_files(lab, edged)
    for words in (["status"], ["certs"], ["stats"], ["sessions"], ["partners"], ["webconf"], ["diagram"], ["check"]):
        said += edged.ctl(*words, check=False) + edged.ctl("--json", *words, check=False)
    assert edged.stop() == 0
    log = edged.log()
    # All of it was walked, and told:
    for want in ("malformed_message", "http_client_on_sip_port", "domain_not_served", "allocation_created", "allocation_refused", "credentials ",
                 "reload_refused", "client_", "debug: "):
        assert want in log, want
    with open(lab.cert("pool.secret")) as f:
        secrets.append(bytes.fromhex(f.read().strip()))
    for name in ("external", "internal", "av_auth"):
        with open(lab.cert(name + ".key")) as f:
            secrets += [x for x in f.read().splitlines() if "-----" not in x and len(x) > 40]
    secrets += [BODY, SDP, BLOB, COOKIE_, "Garnet7", TURN_PASSWORD, WRONG, SHARED, TOKEN, "PRIVATE KEY"]
    for where, text in (("the log", log), ("an answer", said)):
        for secret in secrets:
            for f in forms(secret):
                at = text.lower().find(f.lower()) if len(f) > 7 else text.find(f)
                assert at < 0, "%s has the secret %r: %s" % (where, secret, text[max(0, at - 300):at + 100])
