# SPDX-License-Identifier: MIT
"""Fixtures: one laboratory per test module, edged and a front end in it, logs printed when a test fails."""
import os
import re
import sys
import types

import pytest

sys.path.insert(0, os.path.dirname(__file__))
import lab as lablib  # noqa: E402
import sip  # noqa: E402


@pytest.fixture(scope="session", autouse=True)
def authorities(tmp_path_factory):
    """All laboratories of a run share one set of certificates; making it takes five seconds."""
    os.environ["EDGED_LAB_CA"] = str(tmp_path_factory.getbasetemp() / "authorities")
    if os.geteuid():
        pytest.exit("the laboratory needs root for its network namespaces", 1)


@pytest.fixture(scope="module")
def lab(tmp_path_factory, request):
    d = tmp_path_factory.mktemp(request.module.__name__)
    with lablib.Lab(str(d)) as lb:
        yield lb


@pytest.fixture(scope="module")
def fe(lab):
    f = sip.FrontEnd(lab, lablib.FE1)
    yield f
    f.close()


@pytest.fixture(scope="module")
def edged(lab, request):
    """edged with the module's CONF on top of config/lab-remote-user.conf. A module that wants a front end names `fe` before it.

    A module that holds edged to figures in seconds says RELEASED = True: they are those of the build that users get."""
    e = lab.edged(release=getattr(request.module, "RELEASED", False), **dict(getattr(request.module, "CONF", {})))
    yield e
    status = e.stop()
    assert status == 0, "edged ended with %r: %s" % (status, e.log()[-2000:])
    assert "ERROR: AddressSanitizer" not in e.log() and "runtime error:" not in e.log(), e.log()[-4000:]


@pytest.fixture
def world(lab, fe, edged):
    """The usual three, with what the front end saw before this test set aside."""
    fe.seen.clear()
    fe.on_request = None
    lablib.wait_for("a link of the edge with the front end", fe.open_conns)
    sip.outside_heard.clear()
    yield types.SimpleNamespace(lab=lab, fe=fe, edged=edged)
    leaks = [x for m in sip.outside_heard for x in inside_names(m)]
    assert not leaks, "names of the inside left: %s" % leaks[:5]


def inside_names(m):
    """Header lines of m that name the inside, but for those that have to go out as they are (access-edge-sip 6.3)."""
    for name, value in [("", m.start.encode())] + m.lines:
        if name.lower() in ("www-authenticate", "proxy-authenticate", "authentication-info", "proxy-authentication-info", "call-id", "i"):
            continue
        if re.search(rb"contoso\.net|10\.20\.0\.|10\.30\.0\.", value):
            yield "%s: %s" % (name, value.decode("utf-8", "replace"))


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    report = (yield).get_result()
    if report.failed and "lab" in item.funcargs:
        for p in item.funcargs["lab"].procs:
            if p.name in ("edged",) or p.name.startswith("kamailio"):
                report.sections.append(("end of the log of " + p.name, p.log()[-3000:]))
