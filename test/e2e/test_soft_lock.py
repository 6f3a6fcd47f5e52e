# SPDX-License-Identifier: MIT
"""access.soft_lock: wrong passwords lock an account at the Edge before the directory locks it everywhere (edge-reference EXT-08)."""
import json

import pytest

import sip
from lab import LOAD

CONF = {"access__workers": 2, "access__soft_lock__failures": 3, "access__soft_lock__lock_s": 3600}
RIGHT = 'Authorization: Digest username="x", realm="x", nonce="n", uri="sip:contoso.com", response="00112233445566778899aabbccddeeff"'
WRONG = RIGHT.replace("0011", "ffff")
STEP = 'Authorization: NTLM qop="auth", realm="x", gssapi-data="TlRM"'


def directory(conn, m):
    """The front end: one password is right; NTLM goes on with its handshake."""
    if m.method != "REGISTER" or RIGHT.split("response=")[1] in m.h("Authorization"):
        return None
    how = 'NTLM opaque="8C", gssapi-data="TlRMTVNT", realm="x", version=4' if "gssapi-data" in m.h("Authorization") else 'Digest realm="x", nonce="n"'
    return sip.reply(m, 401, "Unauthorized", extra="WWW-Authenticate: " + how)


@pytest.fixture
def sign_in(world):
    """sign_in(user, line, code): on a connection of its own, in whichever worker."""
    world.fe.on_request = directory
    made = []

    def one(user, line, code):
        c = sip.Client(world.lab, user, source=LOAD[20 + len(made) % 8])
        made.append(c)
        return c.register(expect=code, extra="Expires: 600\n" + line), c
    yield one
    for c in made:
        c.close()


def released(world, user):
    return [x["answer"]["released"] for x in json.loads(world.edged.ctl("--json", "release", user + "@contoso.com"))["services"]]


def test_locked_at_the_third(world, sign_in):
    _, before = sign_in("alice", RIGHT, 200)
    n = len(world.edged.log())
    for _ in range(3):
        sign_in("Alice", WRONG, 401)
    line = world.edged.wait_log("ACC-2011 account_soft_locked .*", since=n).group(0)
    assert 'user="alice@contoso.com" failures=3 lock_s=3600' in line and " peer=198." in line, line

    asked = len([m for m in world.fe.seen if m.method == "REGISTER"])
    for _ in range(8):  # in both workers
        r, _ = sign_in("ALICE", RIGHT, 403)
        assert "Too many failed sign-ins" in r.h("ms-diagnostics-public")
    assert len([m for m in world.fe.seen if m.method == "REGISTER"]) == asked  # not even asked about
    before.message("sip:bob@contoso.com", extra=RIGHT)  # who is signed in stays so
    before.register(extra="Expires: 600\n" + RIGHT)
    sign_in("bob", RIGHT, 200)
    assert world.edged.log()[n:].count("account_soft_locked") == 1
    assert released(world, "Alice") == [True, True] and released(world, "alice") == [False, False]
    sign_in("alice", RIGHT, 200)


def test_what_is_no_wrong_password(world, sign_in):
    """Steps of a handshake, sign-ins without credentials, and wrong ones that a right one follows."""
    n = len(world.edged.log())
    for _ in range(5):
        sign_in("carol", STEP, 401)
        sign_in("carol", "Subject: none", 401)
    for _ in range(3):
        sign_in("dave", WRONG, 401)
        sign_in("dave", RIGHT, 200)
    sign_in("carol", RIGHT, 200)
    assert "account_soft_locked" not in world.edged.log()[n:]
