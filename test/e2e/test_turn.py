# SPDX-License-Identifier: MIT
"""The relay for standard clients beyond test_av.py: TLS, TCP allocations, reservations, quotas, abuse."""
import re
import socket
import ssl
import subprocess

import pytest

import lab as lablib

AV_OUT, AV_IN = "203.0.113.12", lablib.EDGE_IN
USER, PASSWORD = "webrtc", "desert-rose"


@pytest.fixture(scope="module")
def av(lab):
    e = lab.edged(base="lab-av.conf", av__limits__allocations_per_user=200, av__limits__kbit_per_port=100000,
                  av__limits__kbit_per_user=1000000)
    yield e
    status = e.stop()
    assert status == 0, e.log()[-2000:]
    assert "Sanitizer" not in e.log() and "runtime error:" not in e.log(), e.log()[-4000:]


@pytest.fixture(scope="module")
def echo(lab):
    p = subprocess.Popen(["ip", "netns", "exec", lab.ns("bob"), "turnutils_peer", "-L", "198.51.100.24", "-p", "3480"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield p
    p.terminate()
    p.wait()


def uclient(lab, *args, password=PASSWORD):
    return subprocess.run(
        ["ip", "netns", "exec", lab.ns("alice"), "turnutils_uclient", "-u", USER, "-w", password, "-e", "198.51.100.24",
         "-r", "3480", "-z", "5", *args, AV_OUT], capture_output=True, text=True, timeout=90)


def counts(r):
    m = re.search(r"start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\n", r.stdout)
    assert m, r.stdout[-800:] + r.stderr[-400:]
    return int(m.group(1)), int(m.group(2))


# -- TLS --------------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("port,how", [("5349", []), ("443", ["-s"])], ids=["tls-port", "beside-lync-send"])
def test_uclient_tls(lab, av, echo, port, how):
    """turns: on its own port; and where the first bytes tell a ClientHello from the hello that only looks like one."""
    r = uclient(lab, "-c", "-S", "-t", "-p", port, "-n", "100", "-m", "4", "-l", "172", *how)
    assert counts(r) == (400, 400)


def test_tls_wrong_password(lab, av, echo):
    r = uclient(lab, "-c", "-S", "-t", "-p", "5349", "-n", "1", "-m", "1", password="guess")
    assert "Cannot complete Allocation" in r.stdout + r.stderr


def test_tls_is_verified_and_speaks_turn_only(lab, av):
    """The external certificate; the Lync dialect has no business in it; plain bytes have none on that port."""
    with lab.tls_to("alice", AV_OUT, 5349, "av.contoso.com") as s:
        s.sendall(bytes.fromhex("02000024" "00030010") + bytes(32))
        assert s.recv(100) == b""
    s = lab.tcp_to("alice", AV_OUT, 5349)
    s.sendall(bytes.fromhex("000100002112a442") + bytes(12))
    s.settimeout(15)
    first = s.recv(100)  # an alert, or nothing
    assert first[:1] in (b"", b"\x15")
    with pytest.raises((ssl.SSLError, OSError)):  # no certificate for the inside
        lab.tls_to("inside", AV_IN, 443, "edge.int.contoso.net", ca="internal-ca.pem")


def test_tls_hello_in_pieces(lab, av):
    """A ClientHello that drips in byte by byte on the shared port is still one."""
    ctx = ssl.create_default_context(cafile=lab.cert("external-ca.pem"))
    into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ctx.wrap_bio(into, out, server_hostname="av.contoso.com")
    s = lab.tcp_to("alice", AV_OUT, 443)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = out.read()
    for i in range(8):
        s.sendall(hello[i:i + 1])
    s.sendall(hello[8:])
    while True:
        try:
            into.write(s.recv(65536))
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            s.sendall(out.read())
    s.sendall(out.read())
    tls.write(bytes.fromhex("000100002112a442") + b"123456789012")
    s.sendall(out.read())
    while True:
        into.write(s.recv(65536))
        try:
            answer = tls.read(100)
            break
        except ssl.SSLWantReadError:
            pass
    assert answer[:2] == b"\1\1" and answer[8:20] == b"123456789012"


def test_google_hello_is_refused(lab, av):
    s = lab.tcp_to("alice", AV_OUT, 443)
    s.sendall(bytes.fromhex("8046010301002d0000001001008003008007"))
    assert s.recv(10) == b""
    av.wait_log("client_refused why=google_hello")
