"""sixgated asks an upstream over TLS: its DNS64 thread may open no file, so what it trusts comes by
way of the parent. Unbound in the outside host serves DNS over TLS."""
import os
import pathlib
import subprocess
import tempfile

import pytest

from control_lab import BASIC, ControlLab, build_programs
from netlink_lab import wait_for
from test_dns64_tls import NAME, Authority, pin_of

UPSTREAM = "2001:db8:f::2"
TLS = """dns64:
  listen: {address: "2001:db8:1::1"}
  upstream: {address: %s, tls: {%s}}
"""


class DaemonLab(ControlLab):
    def __init__(self, programs):
        super().__init__(programs)
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="sg-dot-"))
        self.authority = Authority(self.path, "authority")
        self.stranger = Authority(self.path, "stranger")
        self.pem = self.authority.issue("server", [NAME])
        os.chmod(self.path, 0o700)  # for root alone: the child could not read it, were it to try
        (self.path / "unbound.conf").write_text(f"""
server:
  interface: {UPSTREAM}@853
  access-control: ::/0 allow
  do-daemonize: no
  username: ""
  chroot: ""
  directory: "{self.path}"
  pidfile: ""
  use-syslog: no
  tls-service-key: {self.path}/server.key
  tls-service-pem: {self.pem}
  tls-port: 853
  local-zone: "example.test." static
""" + "".join(f'  local-data: "n{n}.example.test. 300 IN A 8.8.4.{n}"\n' for n in range(100)))
        self.net.start(["unbound", "-d", "-c", f"{self.path}/unbound.conf"],
                       stderr=subprocess.DEVNULL)
        wait_for(lambda: "853" in self.net("ss -Hltn sport = :853"), what="Unbound over TLS")

    def resolves(self, n):
        out = self.host(f"dig +time=4 +tries=1 +short @2001:db8:1::1 n{n}.example.test AAAA",
                        check=False)
        return out.strip() == f"64:ff9b::808:4{n:02x}"


@pytest.fixture
def lab():
    lab = DaemonLab(build_programs())
    try:
        yield lab
    finally:
        lab.close()


def settings(lab, who="authority", name=NAME):
    return TLS % (UPSTREAM, f"name: {name}, ca: {lab.path}/{who}.pem")


def test_the_parent_reads_what_the_child_trusts(lab):
    g = lab.gateway(BASIC + settings(lab))
    assert all(lab.resolves(n) for n in range(10))
    assert g.counters()["tls-connections"] == 1
    g.write(BASIC + TLS % (UPSTREAM, f"pin: {pin_of(lab.pem)}"))
    g.ctl("reload")
    assert lab.resolves(11)
    g.write(BASIC + settings(lab, "stranger"))
    g.ctl("reload")
    assert not lab.resolves(12)
    g.expect(f"upstream {UPSTREAM} port 853: no TLS: its certificate")
    g.write(BASIC + settings(lab, name="other.example"))
    g.ctl("reload")
    assert not lab.resolves(13)
    g.write(BASIC + settings(lab))
    g.ctl("reload")
    assert lab.resolves(14)
    assert g.stop() == 0


def test_a_reload_whose_trust_cannot_be_read_changes_nothing(lab):
    g = lab.gateway(BASIC + settings(lab))
    assert lab.resolves(1)
    g.write(BASIC + settings(lab, "missing"))
    assert f"{lab.path}/missing.pem: No such file" in g.ctl("reload", code=1)
    assert lab.resolves(2)
    assert g.stop() == 0


def test_trust_that_comes_late_is_waited_for(lab):
    g = lab.gateway(BASIC + settings(lab, "late"))
    assert any(f"{lab.path}/late.pem: No such file" in line for line in g.said())
    assert not lab.resolves(1)
    (lab.path / "late.pem").write_text(lab.authority.pem.read_text())
    wait_for(lambda: lab.resolves(2), timeout=15, what="the next try")
    assert g.stop() == 0
