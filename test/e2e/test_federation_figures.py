# SPDX-License-Identifier: MIT
"""What a flooding partner costs remote users, in figures: EDGED_FEDERATION_FULL=1 only, with the released build on a machine left alone.

The users' load and the next hop are the C program of the bench, so that neither the test nor the flooder's answers stand in the way of what
is measured; idle and flood take turns, so that a drift of the machine meets both.
"""
import json
import os
import re
import statistics
import subprocess
import types

import pytest

import federation as fed
from lab import EDGE_OUT, FE1, TOP, Proc
from test_federation_load import WHO, flood

pytestmark = pytest.mark.skipif(not os.environ.get("EDGED_FEDERATION_FULL"), reason="figures are taken by hand: EDGED_FEDERATION_FULL=1")
SECONDS, ROUNDS, RATE = 6, 5, 200


def figures(lab, sipload):
    r = subprocess.run(["ip", "netns", "exec", lab.ns("load"), sipload, "--target", EDGE_OUT + ":443", "--mode", "message", "--rate", str(RATE), "--conns", "20",
                        "--sources", "1", "--no-sink", "--secs", str(SECONDS), "--warm", "1", "--sni", "sip.contoso.com"],
                       capture_output=True, text=True, timeout=60)
    assert r.returncode == 0 and "p99_us=" in r.stdout, r.stdout + r.stderr
    v = dict(re.findall(r"(\w+)=([\d.]+)", r.stdout))
    assert float(v["units"]) > RATE * SECONDS * 0.9 and v["non200"] == "0", r.stdout
    return float(v["p50_us"]) / 1000, float(v["p99_us"]) / 1000


def test_flood_figures(lab, tmp_path, capsys):
    sipload = str(tmp_path / "sipload")
    sources = [os.path.join(TOP, "test/bench", x) for x in ("sipload.c", "sipload_msg.c", "sipload_drip.c")]
    subprocess.run(["cc", "-O2", "-w", "-o", sipload, *sources, "-lssl", "-lcrypto"], check=True)
    fed.addresses(lab)
    names = fed.Names(lab)
    Proc(lab, "inside", [sipload, "--mode", "sink", "--nexthop", FE1 + ":5061", "--cert", lab.cert("fe01.pem"), "--key", lab.cert("fe01.key"),
                         "--ca", lab.cert("internal-ca.pem"), "--secs", "290"], name="sink")
    e = lab.edged(release=True, **dict(fed.CONF, edge__sip_domains=["contoso.com", "contoso.test"], access__require_registration=False,
                                       access__limits__unsigned_requests_per_s=0))
    world = types.SimpleNamespace(lab=lab, edged=e)
    figures(lab, sipload)
    out = {}
    for i in range(ROUNDS):
        out.setdefault("idle", []).append(figures(lab, sipload))
        for what, cert, domain, source in WHO:
            f = flood(world, cert, domain, source, SECONDS + 3, name="flood-%s-%d" % (what, i))
            f.wait_log("begun")
            out.setdefault(what, []).append(figures(lab, sipload))
            f.wait_log("sent|closed", 30)
            out.setdefault(what + " flood", []).append(f.log().split("\n")[1])
            f.stop()
    watch = next(x["answer"] for x in json.loads(e.ctl("--json", "partners"))["services"] if "connections" in x["answer"])["watch"]
    # The median of the rounds: a round in which the machine did something else is nobody's figure.
    mid = {k: [statistics.median(x[i] for x in v) for i in (0, 1)] for k, v in out.items() if "flood" not in k}
    with capsys.disabled():
        print("\n" + "\n".join("%s: p50 %.2f ms, p99 %.2f ms (%s)" % (k, v[0], v[1], ", ".join("%.2f" % x[1] for x in out[k])) for k, v in mid.items()))
        print("floods:", out["discovered flood"][0], "|", out["listed flood"][0])
        print("watch list:", watch)
    assert [w for w in watch if w["domain"] == "example.org" and w["state"] != "normal"] and not [w for w in watch if "northwind" in w["domain"]]
    for what, *_ in WHO:
        assert mid[what][1] <= 2 * mid["idle"][1], mid
    e.stop()
    names.stop()
