"""What all tests on real kernels share. They run as root, in namespaces of their own; SIXGATE_BUILD
names the build directory whose programs are tested (default: build)."""
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "netns-scripts"))


def pytest_configure(config):
    if os.geteuid() != 0:
        raise pytest.UsageError("tests/netns needs root, for namespaces and TUN devices")


def pytest_exception_interact(node, call, report):
    """Beside a failure, the last lines of every daemon of the lab it happened in."""
    from lab.netns import Lab, tail
    for value in getattr(node, "funcargs", {}).values():
        if not isinstance(value, Lab):
            continue
        for p in value.programs:
            if "sixgated" in p.log_path:
                report.sections.append((p.log_path, tail(p, 40)))


@pytest.fixture(scope="session", params=[1, 2], ids=["1-worker", "2-workers"])
def chain(request):
    """One gateway in a chain of routers, for all tests of paths."""
    from path_lab import Line
    with Line(f"sg-ln{os.getpid()}") as n:
        n.start_gateway(request.param)
        yield n
        n.gateway.check_alive()
        assert n.gateway.stop() == 0


@pytest.fixture
def line(chain):
    """The same, with what the test has changed taken back."""
    yield chain
    chain.gateway.check_alive()
    chain.restore()
