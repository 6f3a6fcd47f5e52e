# SPDX-License-Identifier: MIT
"""From which address resolvers are asked (TOP-08, PX-15): outside from the Access address, though the interface has another one
first; inside and on the machine itself from where the way leads."""
import socket
import struct

import pytest

import lab as lablib
from lab import EDGE_IN, EDGE_OUT


@pytest.fixture(scope="module", autouse=True)
def access_is_not_first(lab):
    """The kernel's choice would be 203.0.113.11, as on a machine whose A/V address was set up first."""
    lab.ip("edge", "addr", "flush", "dev", "ext0")
    for last in (11, 12, 10):
        lab.ip("edge", "addr", "add", "203.0.113.%d/24" % last, "dev", "ext0")
    lab.ip("edge", "route", "add", "default", "via", "203.0.113.1")
    lab.ip("edge", "link", "set", "lo", "up")


@pytest.mark.parametrize("host,address,source", [("net", "198.51.100.1", EDGE_OUT), ("inside", "10.20.0.13", EDGE_IN),
                                                 ("edge", "127.0.0.1", "127.0.0.1")], ids=["outside", "inside", "machine"])
def test_source(lab, host, address, source):
    """Over UDP, and over TCP when the answer says it is cut off."""
    with lab.inside_of(host):
        tcp = socket.create_server((address, 5353))
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind((address, 5353))
    tcp.settimeout(lablib.WAIT)
    udp.settimeout(lablib.WAIT)
    e = lab.edged(dns__servers=["%s:5353" % address], access__next_hop__fqdn="fe09.contoso.net")
    try:
        q, who = udp.recvfrom(512)
        assert b"\4fe09\7contoso\3net" in q
        assert who[0] == source
        udp.sendto(q[:2] + struct.pack(">H", 0x8380) + q[4:], who)
        s, who = tcp.accept()
        s.close()
        assert who[0] == source
    finally:
        tcp.close()
        udp.close()
        status = e.stop()
    assert status == 0
