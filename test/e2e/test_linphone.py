# SPDX-License-Identifier: MIT
"""Two linphone-daemon clients on the Internet: register with digest, MESSAGE both ways."""
import pytest

import clients
from lab import FE1


@pytest.fixture(scope="module")
def pair(lab):
    k = lab.kamailio(FE1)
    e = lab.edged()
    a, b = clients.Linphone(lab, "alice", "alice"), clients.Linphone(lab, "bob", "bob")
    a.registered()
    b.registered()
    yield a, b
    a.stop()
    b.stop()
    k.stop()
    assert e.stop() == 0


def test_message_there(pair):
    a, b = pair
    a.message("sip:bob@contoso.com", "hello bob over the edge")
    b.wait_event('Content: "hello bob over the edge"')
    a.wait_event("LinphoneChatMessageStateDelivered")


def test_message_back(pair):
    a, b = pair
    b.message("sip:alice@contoso.com", "hello alice over the edge")
    a.wait_event('Content: "hello alice over the edge"')
    b.wait_event("LinphoneChatMessageStateDelivered")
