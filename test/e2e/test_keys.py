# SPDX-License-Identifier: MIT
"""No process that reads from the network holds a private key (decision 0003): its memory is read and searched."""
import re
import subprocess

import pytest

import sip
from lab import LOAD, children, program_of

CONF = {"access__workers": 2}


def numbers(lab, name):
    """The secret numbers of a key: {what: int}."""
    out = subprocess.run(["openssl", "pkey", "-in", lab.cert(name + ".key"), "-noout", "-text"], capture_output=True, text=True, check=True).stdout
    got = {}
    for what in ("privateExponent", "prime1", "prime2", "exponent1", "exponent2", "coefficient", "priv"):
        m = re.search(r"^%s:\s*\n((?:    +[0-9a-f:]+\n)+)" % what, out, re.M)
        if m:
            got[what] = int(re.sub(r"[\s:]", "", m.group(1)), 16)
    assert got, out
    return got


def forms(n):
    """How a number can lie in memory: big-endian, little-endian (64-bit limbs on this machine)."""
    size = (n.bit_length() + 7) // 8
    b = n.to_bytes(size, "big")
    # The middle 24 octets are as telling as the whole and are found in a torn copy too.
    mid = b[size // 2 - 12:size // 2 + 12]
    return [mid, mid[::-1]]


PIECE = 1 << 18
ZEROS = bytes(PIECE + 64)


def memory(pid):
    with open("/proc/%d/maps" % pid) as maps, open("/proc/%d/mem" % pid, "rb", 0) as mem:
        for ln in maps:
            f = ln.split()
            lo, hi = (int(x, 16) for x in f[0].split("-"))
            if "r" not in f[1] or (len(f) > 5 and f[5] in ("[vvar]", "[vsyscall]")) or hi - lo > 1 << 32:
                continue
            for at in range(lo, hi, 16 << 20):
                try:
                    mem.seek(at)
                    block = mem.read(min(hi - at, (16 << 20) + 64))
                except OSError:
                    break
                for i in range(0, len(block), PIECE):
                    piece = block[i:i + PIECE + 64]
                    if piece != ZEROS[:len(piece)]:  # most of a service's memory was never touched
                        yield piece


def found(pid, needles):
    hits = set()
    for block in memory(pid):
        for what, forms_ in needles.items():
            if any(x in block for x in forms_):
                hits.add(what)
    return hits


@pytest.fixture
def needles(world):
    out = {}
    for name in ("external", "external-ecdsa", "internal"):
        for what, n in numbers(world.lab, name).items():
            out["%s %s" % (name, what)] = forms(n)
    with open(world.lab.cert("pool.secret")) as f:
        s = bytes.fromhex(f.read().strip())
    out["pool secret"] = [s[4:28], f"{s[4:28].hex()}".encode()]
    return out


def test_no_secret_in_a_network_process(world, needles):
    cs = [sip.Client(world.lab, "user%d" % i, source=LOAD[i], version=v) for i, v in enumerate([None, sip.ssl.TLSVersion.TLSv1_2] * 6)]
    for c in cs:
        c.register()  # signatures have been made, on both sides and with both kinds of key
    for c in cs:
        c.message("sip:bob@contoso.com")
    seen = {}
    for pid in children(world.edged.proc.pid):
        seen.setdefault(program_of(pid), []).append((pid, found(pid, needles)))
    assert len(seen["edged-access"]) == 2
    for pid, hits in seen["edged-access"]:
        assert not hits, "pid %d holds %s" % (pid, sorted(hits))
    # The scan can find what is there: keyd has them.
    assert any("external prime1" in hits or "external privateExponent" in hits for _, hits in seen["edged-keyd"]), seen["edged-keyd"]
    for c in cs:
        c.close()


def test_no_core_and_no_new_privileges(world):
    for pid in children(world.edged.proc.pid):
        name = program_of(pid)
        if name not in ("edged-access", "edged-keyd"):
            continue
        with open("/proc/%d/status" % pid) as f:
            status = f.read()
        assert re.search(r"NoNewPrivs:\s+1", status), name
        assert re.search(r"Seccomp:\s+2", status), name
        assert re.search(r"CapEff:\s+0+\n", status), name
        assert not re.search(r"Uid:\s+0\b", status), name + " runs as root"
        with open("/proc/%d/limits" % pid) as f:
            assert re.search(r"Max core file size\s+0\s", f.read()), name
