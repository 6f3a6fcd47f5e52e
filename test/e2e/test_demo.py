# SPDX-License-Identifier: MIT
"""script/demo, as its reader sees it: every step ok, and the ladder shows the messages that matter."""
import os
import subprocess
import sys

from lab import HERE


def test_demo():
    r = subprocess.run([sys.executable, os.path.join(HERE, "demo.py")], capture_output=True, text=True, timeout=400)
    assert r.returncode == 0, r.stdout[-3000:] + r.stderr[-2000:]
    assert "FAILED" not in r.stdout and "All steps ok" in r.stdout
    for want in ("--> edged --> fe01   REGISTER", "--> edged --> fe01   INVITE", "<-- edged <-- fe01   SIP/2.0 200", "--> edged --> fe01   MESSAGE",
                 "+ ms-edge-proxy-message-trust", "BYE", "SERVICE for sip:alice@contoso.com: 200", "alice got 1000, inside got 1000",
                 "over tls; 1000 numbered packets whole", "with a wrong password: 401"):
        assert want in r.stdout, "no %r in %s" % (want, r.stdout)
