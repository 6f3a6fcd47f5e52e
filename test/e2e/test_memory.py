# SPDX-License-Identifier: MIT
"""What peers can make a worker hold, in the build that users get (goals R12, R15)."""
from test_limits import CONF, never_reads  # noqa: F401 (CONF is read by the fixture)

RELEASED = True


def test_never_reads_costs_little(world):
    """Output waiting on a connection is at most 256 KiB (access-edge-sip 13), so 16 MB sent to it leave no trace; twice, since the first
    time warms the heap."""
    never_reads(world)
    grown = never_reads(world)
    assert grown < 2000, "grew by %d KB" % grown
