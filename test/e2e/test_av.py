# SPDX-License-Identifier: MIT
"""The A/V Edge with clients we did not write: coturn's turnutils_uclient over UDP and TCP."""
import re
import subprocess

import pytest

AV_OUT = "203.0.113.12"
USER, PASSWORD = "webrtc", "desert-rose"

AV = {
    "external.av": {"address": AV_OUT, "udp_port": 3478, "tcp_port": 443, "standard_tcp_port": 3478,
                    "relay_port_min": 50000, "relay_port_max": 50999},
    "av": {"realm": "contoso.com", "workers": 2, "users": ({"name": USER, "password": PASSWORD},),
           "allowed_peers": ["198.51.100.0/24", "203.0.113.0/24"]},
}


@pytest.fixture(scope="module")
def av(lab):
    e = lab.edged(**{k.replace(".", "__"): v for k, v in AV.items()})
    with lab.inside_of("alice"):
        pass
    yield e
    e.stop()


def uclient(lab, *args, password=PASSWORD, peer="198.51.100.24"):
    return subprocess.run(
        ["ip", "netns", "exec", lab.ns("alice"), "turnutils_uclient", "-u", USER, "-w", password, "-e", peer, "-r", "3480",
         "-c", "-z", "5", *args, AV_OUT], capture_output=True, text=True, timeout=90)


@pytest.fixture(scope="module")
def echo(lab):
    p = subprocess.Popen(["ip", "netns", "exec", lab.ns("bob"), "turnutils_peer", "-L", "198.51.100.24", "-p", "3480"],
                         stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    yield p
    p.terminate()
    p.wait()


@pytest.mark.parametrize("how", [[], ["-s"], ["-t"], ["-t", "-s"]], ids=["udp", "udp-send", "tcp", "tcp-send"])
def test_uclient(lab, av, echo, how):
    r = uclient(lab, "-n", "250", "-m", "8", "-l", "172", *how)
    sent = re.search(r"start_mclient: tot_send_msgs=(\d+), tot_recv_msgs=(\d+)\n", r.stdout)
    assert sent, r.stdout[-800:]
    assert sent.group(1) == sent.group(2) == "2000"
    assert "Total lost packets 0 " in r.stdout


def test_wrong_password(lab, av, echo):
    r = uclient(lab, "-n", "1", "-m", "1", password="guess")
    assert "Cannot complete Allocation" in r.stdout + r.stderr
    av.proc.wait_log(r"AVR-5001 .*reason=integrity")


def test_inside_is_not_reachable(lab, av):
    """The inside, and the Edge's own SIP address, are no peers for a client outside."""
    for peer in ("10.20.0.11", "203.0.113.10", "127.0.0.1"):
        r = uclient(lab, "-n", "1", "-m", "1", peer=peer)
        assert "403" in r.stdout + r.stderr, r.stdout[-400:]
    av.proc.wait_log(r"AVR-5005 .*rule=inside")
    av.proc.wait_log(r"AVR-5005 .*rule=own_address")
    av.proc.wait_log(r"AVR-5005 .*rule=loopback")
