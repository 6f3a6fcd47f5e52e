# SPDX-License-Identifier: MIT
"""access.block_ntlm: directory passwords are not tried from outside by NTLM (edge-reference EXT-09)."""
import sip
from lab import LOAD

CONF = {"access__block_ntlm": True}
SCHEMES = ("NTLM", "ntlm", "Kerberos", "TLS-DSK")


def challenge(conn, m):
    lines = "\n".join('%s-Authenticate: %s realm="SIP Communications Service", targetname="fe01.contoso.net", version=4' % (where, s)
                      for where in ("WWW", "Proxy") for s in SCHEMES)
    return sip.reply(m, 401, "Unauthorized", lines) if m.method == "REGISTER" else None


def test_ntlm_stays_inside(world):
    """Its challenge does not leave, the others do as they came; who tries all the same is told so, and the inside never hears of it."""
    world.fe.on_request = challenge
    c = sip.Client(world.lab, "alice", source=LOAD[0])
    r = c.register(expect=401)
    for where in ("WWW-Authenticate", "Proxy-Authenticate"):
        assert [x.split()[0] for x in r.all(where)] == ["Kerberos", "TLS-DSK"]
        assert 'targetname="fe01.contoso.net"' in r.h(where)
    world.fe.seen.clear()
    for line in ('Authorization: NTLM qop="auth", gssapi-data=""', 'Proxy-Authorization: ntlm response="00"', "Authorization: NTLM",
                 'Authorization: Kerberos x="y"\nAuthorization: NTLM x="y"'):
        n = len(world.edged.log())
        r = c.register(expect=403, extra=line)
        assert "block_ntlm" in r.h("ms-diagnostics-public"), r
        world.edged.wait_log("ntlm_refused .*domain=", since=n)
    assert not world.fe.seen
    c.register(expect=401, extra='Authorization: TLS-DSK qop="auth", gssapi-data=""')
    c.close()
