# SPDX-License-Identifier: MIT
"""AllowOutsideUsers off is the master switch for remote users and meeting guests (edge-reference 6, EXT-03)."""
import pytest

import sip
from lab import LOAD
from test_policy import ANON, FOCUS

CONF = {"access__allow_outside_users": False, "access__allow_anonymous_users": True}


@pytest.mark.parametrize("user,domain,method,target", [
    ("alice", "contoso.com", "REGISTER", "sip:contoso.com"), (ANON, "anonymous.invalid", "INVITE", FOCUS)], ids=["remote", "guest"])
def test_refused_with_a_reason(world, user, domain, method, target):
    """Not a TLS fault: the handshake works, and a 403 says which switch; so does the log."""
    n = len(world.edged.log())
    c = sip.Client(world.lab, user, domain=domain, source=LOAD[0])
    r = c.ask(method, target, expect=403)
    assert "1012" in r.h("ms-diagnostics-public"), r
    assert "switched off" in r.h("ms-diagnostics-public"), r
    world.edged.wait_log(r"ACC-2003.*(AllowOutsideUsers|allow_outside_users|outside)", since=n)
    assert not [m for m in world.fe.seen if m.method == method]
    c.close()
