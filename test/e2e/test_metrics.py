# SPDX-License-Identifier: MIT
"""What is scraped is what dashboard and alert rules ask for: every series and label in them exists in a real answer."""
import json
import os
import re
import socket
import subprocess

import yaml

from lab import AV_OUT, TOP, Proc, wait_for
import shapes
from test_admin import bins, ctl
from turn import Refused, Turn

ACCESS = "203.0.113.11"
GRAFANA = os.path.join(TOP, "deploy", "grafana", "edged.json")
ALERTS = os.path.join(TOP, "deploy", "prometheus", "edged-alerts.yml")


# edge-reference 14, but for the rows of what edged does not do: XMPP, replication, and reason="user_not_enabled_public" (decided inside).
WANTED = {
    "edged_sip_connections": {"side", "kind"}, "edged_sip_connections_refused_total": {"reason"}, "edged_sip_flow_controlled_connections": set(),
    "edged_sip_sends_timed_out_total": set(), "edged_sip_messages_total": {"dir", "side", "method"}, "edged_sip_requests_dropped_total": {"reason"},
    "edged_sip_processing_seconds_bucket": {"le"}, "edged_sip_processing_seconds_count": set(), "edged_sip_processing_seconds_sum": set(),
    "edged_sip_outgoing_queue_delay_seconds_bucket": {"le"}, "edged_sip_outgoing_queue_delay_seconds_sum": set(),
    "edged_av_sessions_over_average_bandwidth": set(), "edged_av_sessions_over_peak_bandwidth": set(),
    "edged_sip_responses_total": {"code"}, "edged_sip_dropped_total": {"reason"}, "edged_tls_handshake_failures_total": {"side", "reason"},
    "edged_federation_partners": {"state"}, "edged_federation_watchlisted": set(), "edged_mras_requests_total": {"result"},
    "edged_av_allocations": {"transport"}, "edged_av_authentication_failures_total": {"transport"},
    "edged_av_port_limit_exceeded_total": {"transport"}, "edged_av_packets_dropped_total": {"transport", "reason"},
    "edged_av_bytes_total": {"transport", "dir", "leg"},
    "edged_av_ports_in_use": set(), "edged_av_ports_free": set(), "edged_psom_server_connections": set(),
    "edged_psom_server_connections_throttled": set(), "edged_psom_throttling": set(), "edged_psom_clients_disconnected_total": {"reason"},
    "edged_certificate_not_after_seconds": {"binding", "serial"}, "edged_config_reload_success": set(),
    "edged_config_reload_timestamp_seconds": set(), "edged_build_info": {"version"},
}


def value(body, name):
    return float(re.search(r"^%s (\S+)$" % re.escape(name), body, re.M)[1])


def peer_of(lab):
    with lab.inside_of("bob"):
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.bind(("198.51.100.24", 0))
    s.settimeout(30)
    return s


def relay_counts_by_transport(path, lab):
    """Allocations and failures stand under the transport of the client, and go when it goes."""
    octets = 'edged_av_bytes_total{transport="%s",dir="%s",leg="external"}'
    server, auth = (AV_OUT, 3478), 'edged_av_authentication_failures_total{transport="%s"}'

    def now(how):
        return value(scrape(path), 'edged_av_allocations{transport="%s"}' % how)
    with Turn(lab, "alice", server, "webrtc", "desert-rose") as u, Turn(lab, "alice", server, "webrtc", "desert-rose", "tcp") as t, \
            Turn(lab, "alice", server, "webrtc", "wrong", "tcp") as w:
        u.allocate()
        t.allocate()
        try:
            w.allocate()
            raise AssertionError("a wrong password was taken")
        except Refused:
            pass
        wait_for("both to be counted", lambda: (now("udp"), now("tcp")) == (1, 1))
        body = scrape(path)
        assert value(body, auth % "tcp") == 1 and value(body, auth % "udp") == 0
        with peer_of(lab) as peer:
            assert t.permit(peer.getsockname()) == 0
            t.send(peer.getsockname(), b"x" * 100)
            assert peer.recvfrom(200)[0] == b"x" * 100
        wait_for("its octets", lambda: value(scrape(path), octets % ("tcp", "from_client")) == 100)
        assert value(scrape(path), octets % ("udp", "from_client")) == 0
    wait_for("the TCP client to be gone", lambda: now("tcp") == 0)
    assert now("udp") == 1


def sip_counts(path, lab):
    """A message stands under its method, with the time it took; a failed handshake under what it was."""
    def metric(name, **labels):
        return "edged_%s{%s}" % (name, ",".join('%s="%s"' % kv for kv in labels.items()))
    with lab.tls_to("load", ACCESS, 443, "sip.contoso.com") as s:
        s.sendall(b"OPTIONS sip:sip.contoso.com SIP/2.0\r\nVia: SIP/2.0/TLS 192.168.1.50:5061;branch=z9hG4bKm\r\nMax-Forwards: 70\r\n"
                  b"From: <sip:alice@contoso.com>;tag=1\r\nTo: <sip:sip.contoso.com>\r\nCall-ID: metrics\r\nCSeq: 1 OPTIONS\r\n"
                  b"Content-Length: 0\r\n\r\n")
        assert s.recv(4096).startswith(b"SIP/2.0 200 ")
    with lab.tcp_to("load", ACCESS, 443) as s:
        s.sendall(b"GET / HTTP/1.1\r\n\r\n")
        while s.recv(4096):
            pass
    body = scrape(path)
    assert value(body, metric("sip_messages_total", dir="in", side="external", method="OPTIONS")) == 1
    assert value(body, metric("sip_messages_total", dir="out", side="external", method="response")) == 1
    assert value(body, metric("tls_handshake_failures_total", side="external", reason="not_tls")) == 1
    histogram(body, "edged_sip_processing_seconds", 1)
    histogram(body, "edged_sip_outgoing_queue_delay_seconds", 1)


def histogram(body, name, at_least):
    """Buckets rise up to the count, which is the last of them."""
    buckets = [(float(le), int(n)) for le, n in re.findall(r'^%s_bucket\{le="([^"]+)"\} (\d+)$' % name, body, re.M)]
    assert len(buckets) > 5 and buckets == sorted(buckets) and buckets[-1][0] == float("inf")
    assert [n for _, n in buckets] == sorted(n for _, n in buckets)
    assert buckets[-1][1] == value(body, name + "_count") >= at_least
    assert value(body, name + "_sum") >= 0


def scrape(path):
    with socket.socket(socket.AF_UNIX) as s:
        s.connect(path)
        s.settimeout(30)
        s.sendall(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        text = b""
        while chunk := s.recv(65536):
            text += chunk
    head, body = text.decode().split("\r\n\r\n", 1)
    assert head.startswith("HTTP/1.1 200")
    return body


def series(body):
    """{metric: {label: set of values}}, and {metric: kind}"""
    found, kinds = {}, {}
    for line in body.splitlines():
        if m := re.match(r"# TYPE (\S+) (\S+)$", line):
            assert m[1] not in kinds, "two TYPE lines for %s" % m[1]
            kinds[m[1]] = m[2]
        elif line and line[0] != "#":
            m = re.match(r"([a-z0-9_]+)(?:\{(.*)\})? (-?[0-9.e+]+)$", line)
            assert m, line
            labels = found.setdefault(m[1], {})
            for k, v in re.findall(r'([a-z_]+)="([^"]*)"', m[2] or ""):
                labels.setdefault(k, set()).add(v)
    return found, kinds


def asked(expr):
    """(metric, {label: (operator, value)}) of each selector in an expression"""
    for name, sel in re.findall(r"\b(edged_[a-z0-9_]+)(?:\{([^}]*)\})?", expr):
        yield name, {k: (op, v) for k, op, v in re.findall(r'([a-z_]+)(=~|!=|=)"([^"]*)"', sel)}


def check(expr, found, where):
    n = 0
    for name, labels in asked(expr):
        n += 1
        assert name in found, "%s asks for %s, which no service exposes" % (where, name)
        for k, (op, v) in labels.items():
            if k == "instance":
                continue  # added by whoever scrapes
            assert k in found[name], "%s: %s has no label %s" % (where, name, k)
            values = set(v.split("|")) if op == "=~" else {v}
            assert values <= found[name][k], "%s: %s{%s} is one of %s" % (where, name, k, sorted(found[name][k]))
    assert n, "%s asks for nothing of ours: %s" % (where, expr)
    for by in re.findall(r"by \(([^)]*)\)", expr):
        for k in by.replace(" ", "").split(","):
            assert k == "instance" or any(k in found[m] for m, _ in asked(expr)), "%s: by (%s)" % (where, k)


def every_command_has_its_shape(lab):
    """All services run: each command of edgectl --help that prints has a shape, and what it prints now has it (shapes.check)."""
    def say(*words):
        return ctl(lab, "--json", *words, socket="allm/control.sock")
    for words in (["status"], ["check"], ["certs"], ["stats"], ["sessions"], ["sessions", "nothing"], ["partners"], ["nexthop"], ["webconf"],
                  ["webconf", "ticket", "add", "server=x"], ["webconf", "ticket", "add", "server="], ["webconf", "ticket", "revoke", "00" * 32],
                  ["release", "x.example"], ["log", "info"], ["log", "loud"], ["kick", "1"], ["top"], ["diagram"], ["reload"], ["drain", "x"]):
        code, out, err = say(*words)
        assert code in (0, 1) and out, (words, code, err)
    help_ = subprocess.run([os.path.join(bins(), "edgectl"), "--help"], capture_output=True, text=True).stdout
    shown = {k[8:].split()[0] for k in shapes.SCHEMA["$defs"] if k.startswith("command ")}
    assert shapes.commands_of_help(help_) == shown, (shapes.commands_of_help(help_), shown)


def test_dashboard_and_alerts_ask_for_what_exists(lab):
    path = lab.path("all-metrics.sock")
    os.makedirs(lab.path("allm"), exist_ok=True)
    conf = lab.edged_conf(name="all-metrics.conf", access__workers=1, av__workers=1, av__realm="contoso.com", av__allowed_peers=("198.51.100.0/24",), av__users=({"name": "webrtc", "password": "desert-rose"},),
                          log__target="stderr",
                          control__socket=lab.path("allm", "control.sock"), metrics__listen="unix:" + path,
                          external__access__address=ACCESS, internal__sip_port=7063,
                          external__webconf={"address": "203.0.113.12", "fqdn": "webconf.contoso.com", "port": 8443},
                          external__av={"address": "203.0.113.12"},
                          certificates__av_auth={"chain": lab.cert("av_auth.pem"), "key": lab.cert("av_auth.key")})
    p = Proc(lab, "edge", [os.path.join(bins(), "edged"), "-c", conf], name="edged-allm", env={"EDGED_LIBEXEC": bins()})
    p.wait_log("SYS-1001 started")
    relay_counts_by_transport(path, lab)
    sip_counts(path, lab)
    found, kinds = series(scrape(path))
    for name, labels in WANTED.items():
        assert set(found[name]) == labels, (name, found.get(name))
    every_command_has_its_shape(lab)
    assert p.stop(30) == 0
    for name in found:
        metric = name if name in kinds else re.sub("_(bucket|count|sum)$", "", name)
        assert metric in kinds, "%s has no TYPE" % name
        assert name.endswith("_total") == (kinds[metric] == "counter"), "%s is a %s" % (name, kinds[metric])
        assert not set(found[name]) - {"role", "worker", "side", "reason", "kind", "dir", "code", "op", "result", "binding", "serial", "timer", "version",
                                       "transport", "leg", "state", "method", "le"}, (name, found[name])

    with open(GRAFANA) as f:
        board = json.load(f)
    panels = [q for q in board["panels"] if q["type"] != "row"]
    assert len({q["id"] for q in board["panels"]}) == len(board["panels"])
    for q in panels:
        assert q["targets"], q["title"]
        for t in q["targets"]:
            check(t["expr"], found, "panel %r" % q["title"])
            for label in re.findall(r"\{\{(\w+)\}\}", t["legendFormat"]):
                assert any(label in found[m] for m, _ in asked(t["expr"])), (q["title"], label)

    with open(ALERTS) as f:
        rules = [r for g in yaml.safe_load(f)["groups"] for r in g["rules"]]
    assert len({r["alert"] for r in rules}) == len(rules)
    for r in rules:
        check(r["expr"], found, r["alert"])
        assert r["labels"]["severity"] in ("info", "warning", "critical") and r["annotations"]["summary"], r["alert"]
