"""The Debian package, built from this tree and installed on a Debian of its own that systemd boots."""
import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "netns-scripts"))


def pytest_configure(config):
    if os.geteuid() != 0:
        raise pytest.UsageError("tests/package needs root, for a container and its network")
