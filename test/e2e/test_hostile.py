# SPDX-License-Identifier: MIT
"""Malformed messages over TLS: what a strict reader refuses never reaches the next hop, and nothing falls over.

Torture messages of RFC 4475 and RFC 5118 as they stand, then some thousand mutants of good requests. The edge serves the
domains of the torture messages here and asks for no sign-in, so that only its parser stands between them and the inside.
"""
import os
import random
import re
import time

import pytest

import sip
from lab import EDGE_OUT, LOAD, TOP, children, figure
from test_limits import asan, rss_kb

DOMAINS = ["contoso.com", "example.com", "example.org", "example.net", "biloxi.example.com", "atlanta.example.com", "terminator.example.com",
           "host.example.com", "overload.example.com", "company.example.com", "t1.example.org", "chair-dnrc.example.com", "example.edu"]
CONF = {"access__workers": 1, "access__require_registration": False, "access__limits__unsigned_requests_per_s": 0,
        "access__limits__header_ms": 2000, "access__limits__body_ms": 2000, "access__limits__first_message_ms": 2500,
        "edge__sip_domains": DOMAINS}


def verdicts():
    """(file, how it is cut, what the parser says, can it be answered) from libsipparse's table, where each row has its reason."""
    with open(os.path.join(TOP, "libsipparse", "src", "torture_test.c")) as f:
        rows = re.findall(r'\{"(rfc\d+/[\w.-]+)",\s*(\w+),\s*(ED_\w+|\d+),\s*(\w+)', f.read())
    assert len(rows) == 61, len(rows)
    return rows


def strict(raw):
    """Why a strict reader refuses raw; None when it does not."""
    head, sep, body = raw.partition(b"\r\n\r\n")
    if not sep:
        return "no end of the header"
    if re.search(rb"\r(?!\n)|(?<!\r)\n", head):
        return "bare CR or LF"
    if re.search(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]", head):
        return "control"
    lines = head.split(b"\r\n")
    if not re.match(rb"[A-Z]+ \S+ SIP/2\.0$|SIP/2\.0 \d{3} .*$", lines[0]):
        return "start line %r" % lines[0]
    seen = {}
    for ln in lines[1:]:
        if ln[:1] in b" \t":
            continue  # folded: legal in lines the edge does not decide on, see below
        m = re.match(rb"([A-Za-z0-9!%*_+`'~.-]+):(.*)$", ln, re.S)
        if not m:
            return "line %r" % ln[:40]
        n = m.group(1).decode().lower()
        seen.setdefault(sip.COMPACT.get(n, n), []).append(m.group(2).strip())
    for one in ("call-id", "cseq", "from", "to", "content-length", "max-forwards"):
        if len(seen.get(one, [])) != 1:
            return "%d %s" % (len(seen.get(one, [])), one)
    if not re.match(rb"\d+$", seen["content-length"][0]) or int(seen["content-length"][0]) != len(body):
        return "Content-Length %r for %d octets" % (seen["content-length"][0], len(body))
    if not re.match(rb"\d{1,10}[ \t]+[A-Za-z]+$", seen["cseq"][0]) or int(seen["cseq"][0].split()[0]) >= 1 << 31:
        return "CSeq %r" % seen["cseq"][0]
    if seen["cseq"][0].split()[-1] != lines[0].split(b" ")[0] and not lines[0].startswith(b"SIP/"):
        return "CSeq method"
    if not re.match(rb"\d{1,3}$", seen["max-forwards"][0]) or int(seen["max-forwards"][0]) > 255:
        return "Max-Forwards"
    return None


@pytest.fixture
def calm(world):
    """Afterwards: same processes, a bystander is served at once, nothing bad went inside."""
    world.lab_pids = sorted(children(world.edged.proc.pid))
    yield world
    c = sip.Client(world.lab, "alice", source=LOAD[20])
    t = time.monotonic()
    c.message("sip:bob@contoso.com")
    figure("a bystander of hostile input is served", time.monotonic() - t, 1.0)
    c.close()
    assert sorted(children(world.edged.proc.pid)) == world.lab_pids, "a process died"
    for m in world.fe.seen:
        assert strict(m.raw) is None, "%s: %r" % (strict(m.raw), m)


@pytest.mark.parametrize("name,cut,want,answerable", verdicts(), ids=lambda x: x if "/" in str(x) else "")
def test_torture(calm, name, cut, want, answerable):
    with open(os.path.join(TOP, "test", "corpus", "torture", name), "rb") as f:
        raw = f.read()
    seen, logged = len(calm.fe.seen), len(calm.edged.log())
    c = sip.Conn.open(calm.lab, "load", EDGE_OUT, 443, "sip.contoso.com", source=LOAD[hash(name) % 16])
    c.send(raw)
    refused = cut in ("NO_FRAME", "WAITS") or want != "ED_OK"
    if not refused:
        time.sleep(0.05)  # it may pass or be refused by a rule; `calm` looks at what came inside
        c.close()
        return
    # Answered (4xx, 5xx) or closed within a second; only what waits for more may stay till its deadline.
    limit = 4.0 if cut == "WAITS" else 1.0
    t = time.monotonic()
    if answerable == "false" and cut == "WHOLE":
        calm.edged.wait_log("ACC-2008", since=logged)  # no Via, From or Call-ID to answer by, and the stream is not in doubt
    elif not raw.startswith(b"SIP/2.0"):
        try:
            r = c.recv(limit * 10)
            assert r is None or 400 <= r.code < 700, r
        except TimeoutError:
            raise AssertionError("neither an answer nor a close within %g s" % limit) from None
    figure("torture message answered or closed: " + name, time.monotonic() - t, limit)
    time.sleep(0.05)
    call_id = re.search(rb"(?im)^(?:call-id|i)\s*:\s*(\S+)", raw)
    for m in calm.fe.seen[seen:]:
        assert call_id and m.h("Call-ID").encode() != call_id.group(1), "%s went inside: %r" % (name, m)
    c.close()


def mutants(rng, good):
    """Endless: one request, changed in one or two ways."""
    def insert(b, what):
        at = rng.randrange(len(b))
        return b[:at] + what + b[at:]

    def line(b, fn):
        head, _, body = b.partition(b"\r\n\r\n")
        ls = head.split(b"\r\n")
        i = rng.randrange(len(ls))
        ls[i] = fn(ls[i])
        return b"\r\n".join(ls) + b"\r\n\r\n" + body

    def header(b, name, value):
        return re.sub(rb"(?m)^%s:.*?\r$" % name, name + b": " + value + b"\r", b, 1)

    ways = [
        lambda b: insert(b, rng.choice([b"\0", b"\r", b"\n", b"\x7f", b"\x01", b"\xff", b"\r\n", b"\r\n ", b"\t", b" ", b":", b";", b",", b"<", b">", b'"', b"%00", b"\\"])),
        lambda b: (lambda i: b[:i] + bytes([rng.randrange(256)]) + b[i + 1:])(rng.randrange(len(b))),
        lambda b: line(b, lambda ln: ln.replace(b":", b" :", 1)),
        lambda b: line(b, lambda ln: ln + b"\r\n folded"),
        lambda b: line(b, lambda ln: ln + b"\r\n" + ln),
        lambda b: line(b, lambda ln: b""),
        lambda b: line(b, lambda ln: ln[:len(ln) // 2]),
        lambda b: line(b, lambda ln: ln.replace(b"\r\n", b"\n")),
        lambda b: line(b, lambda ln: ln + b"A" * rng.choice([100, 5000, 20000])),
        lambda b: header(b, b"Content-Length", rng.choice([b"-1", b"+5", b"99999999999999999999", b"0x5", b"5 5", b"", b"5,5", b"4294967301", b"\xd9\xa5"])),
        lambda b: b.replace(b"Content-Length:", b"l: 0\r\nContent-Length:"),
        lambda b: header(b, b"CSeq", rng.choice([b"1", b"MESSAGE", b"99999999999 MESSAGE", b"-1 MESSAGE", b"1 INVITE", b"1  MESSAGE x", b"2147483648 MESSAGE"])),
        lambda b: header(b, b"Max-Forwards", rng.choice([b"-1", b"256", b"99999999999", b"70 70", b"", b"7a"])),
        lambda b: header(b, b"Via", rng.choice([b"", b"SIP/2.0/TLS", b"SIP/2.0/TLS :5061", b"SIP/2.0/TLS a:99999;branch=z9hG4bKx", b"SIP/3.0/TLS a;branch=z9hG4bK",
                                                b"SIP/2.0/TLS a;branch=", b"SIP/2.0/TLS a,,SIP/2.0/TLS b", b"SIP/2.0/TLS [::1;branch=z9hG4bKx"])),
        lambda b: header(b, b"From", rng.choice([b"", b"<sip:alice@contoso.com", b"sip:alice@contoso.com>;tag=1", b'"<sip:alice@contoso.com>;tag=1', b"<sip:alice@contoso.com>;tag=1;tag=2",
                                                 b"<sip:alice@contoso.com\0@evil>;tag=1", b"<sip:>;tag=1", b"<sip:alice@contoso.com>;tag=1, <sip:b@c>;tag=2"])),
        lambda b: b.replace(b" SIP/2.0\r\n", rng.choice([b" SIP/2.0 \r\n", b"  SIP/2.0\r\n", b" SIP/2.00\r\n", b" SIP/9.9\r\n", b" sip/2.0\r\n", b" HTTP/1.1\r\n", b"\r\n"]), 1),
        lambda b: b.replace(b"sip:bob@contoso.com", rng.choice([b"sip:bob@contoso.com\r\nX: y", b"<sip:bob@contoso.com>", b"sip:bob@conto so.com", b"sip:", b"%00", b"sip:bob@" + b"a" * 3000]), 1),
        lambda b: b.replace(b"\r\n", b"\n"),
        lambda b: b.replace(b"\r\n\r\n", b"\r\n\r\r\n", 1),
        lambda b: b[:rng.randrange(1, len(b))] + good(),
        lambda b: b"SIP/2.0 200 OK\r\n" + b.partition(b"\r\n")[2],
        lambda b: b.replace(b"Content-Length", b"Content-Length\t"),
    ]
    while True:
        b = good()
        for _ in range(rng.choice([1, 1, 2])):
            b = rng.choice(ways)(b)
        yield b


def run_mutants(world, seed, n, shared):
    rng = random.Random(seed)
    me = sip.Client(world.lab, "alice", source=LOAD[16])

    def good():
        return me.request("MESSAGE", "sip:bob@contoso.com", extra="Content-Type: text/plain", body="hello", contact=False)

    c, src, late = None, 0, []
    for i, b in enumerate(mutants(rng, good)):
        if i == n:
            break
        if c is None or not shared or not c.is_open():
            if c:
                c.close()
            src += 1
            c = sip.Conn.open(world.lab, "load", EDGE_OUT, 443, "sip.contoso.com", source=LOAD[src % 16])
        sent = time.monotonic()
        try:
            c.send(b)
        except OSError:
            continue
        if not shared:
            try:
                c.recv(0.03)
            except TimeoutError:
                late.append((sent, c, b))
    me.close()
    time.sleep(1.2)
    return late


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_mutants_on_shared_connections(calm, seed):
    run_mutants(calm, seed, 700, True)


def test_mutants_one_connection_each(calm):
    run_mutants(calm, 4, 400, False)


def test_memory_after_malformed_input(calm):
    """The second thousand costs nothing that stays."""
    pid = calm.edged.pids()[0]
    run_mutants(calm, 5, 500, True)
    before = rss_kb(pid)
    run_mutants(calm, 6, 500, True)
    grown = rss_kb(pid) - before
    assert grown < (30000 if asan(pid) else 2000), "grew by %d KB" % grown
