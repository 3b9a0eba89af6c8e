"""The package as an operator gets it: built, installed on a fresh Debian 12, booted by its systemd.

    host6 ---- lan0 [container of systemd-nspawn] wan0 ---- web4

The container sees what most do: a read-only /proc/sys, a few capabilities, /dev/net/tun.
"""
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest
from lab.netns import Lab, run, stop, wait_until

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEB4 = "64:ff9b::203.0.113.80"
CONFIGURATION = """\
interfaces: {inside: lan0, outside: wan0}
nat64: {pool4: 192.0.2.1, allow-private: true}
egress6: {prefixes: inside}
"""
BASE = ["systemd", "systemd-sysv", "dbus", "iproute2", "nftables"]


def build_package(into):
    """What `dpkg-buildpackage` makes of the files that belong to the tree. Their unit tests are not run again."""
    def not_of_the_tree(folder, names):
        others = {"__pycache__", ".git", ".pytest_cache"}
        if pathlib.Path(folder) == ROOT:
            others |= {n for n in names if n.startswith("build")}
        return others

    source = into / "sixgate"
    shutil.copytree(ROOT, source, symlinks=True, ignore=not_of_the_tree)
    done = subprocess.run(["dpkg-buildpackage", "-us", "-uc", "-b"], cwd=source, text=True,
                          env={**os.environ, "DEB_BUILD_OPTIONS": "nocheck"},
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    assert done.returncode == 0, done.stdout[-4000:]
    return next(into.glob("sixgate_*_*.deb")), next(into.glob("sixgate_*.changes"))


def make_root(package, into):
    """A minimal Debian with @package, from the mirrors that this machine uses."""
    depends = run("dpkg-deb", "-f", package, "Depends").stdout
    names = BASE + [re.match(r"\S+", d.strip()).group(0) for d in depends.split(",")]
    sources = pathlib.Path("/etc/apt/sources.list.d/debian.sources")
    done = subprocess.run(
        ["mmdebstrap", "--mode=root", "--variant=minbase", f"--include={','.join(names)}",
         f"--customize-hook=copy-in {package} /tmp",
         f'--customize-hook=chroot "$1" dpkg -i /tmp/{package.name}', "bookworm", str(into)],
        input=sources.read_text() if sources.exists() else "", text=True, timeout=300,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if done.returncode != 0 and re.search(r"^E: apt-get update .*failed|Could not resolve|Failed to fetch",
                                          done.stdout, re.M):
        pytest.skip(f"no Debian mirror can be reached from here: {done.stdout.splitlines()[-1]}")
    assert done.returncode == 0, done.stdout[-4000:]
    tried = run("systemd-nspawn", "-q", "-D", into, "--register=no", "--keep-unit", "true", check=False)
    if tried.returncode != 0:
        pytest.skip(f"systemd-nspawn makes no container on this machine: {tried.stdout.strip()}")
    return into


class Container:
    """A booted Debian whose network is that of @host."""

    def __init__(self, root, host):
        self.root, self.host, self.program = root, host, None

    def boot(self):
        self.program = self.host.lab.start_container(self.root, self.host)
        self.leader = wait_until(self.find_leader, "systemd runs", timeout=30)
        wait_until(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip()
                   in ("running", "degraded"), "the container has booted", timeout=60)

    def find_leader(self):
        assert self.program.poll() is None, open(self.program.log_path, errors="replace").read()
        pid = self.program.pid
        while pid:
            children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
            pid = int(children[0]) if children else 0
            if pid and pathlib.Path(f"/proc/{pid}/comm").read_text() == "systemd\n":
                return pid
        return 0

    def run(self, *command, check=True):
        return run("nsenter", "-t", self.leader, "-a", *command, check=check)

    def show(self, unit, what):
        return self.run("systemctl", "show", "-P", what, unit).stdout.strip()

    def journal(self, unit="sixgate"):
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def power_off(self):
        self.run("systemctl", "poweroff", check=False)
        wait_until(lambda: self.program.poll() is not None, "the container has stopped", timeout=60)


class Net(Lab):
    def __init__(self):
        super().__init__(f"sg-pk{os.getpid()}")

    def __enter__(self):
        super().__enter__()
        self.gw, self.host6, self.web4 = self.host("gw"), self.host("host6"), self.host("web4")
        self.link(self.gw, "lan0", self.host6, "eth0")
        self.link(self.gw, "wan0", self.web4, "eth0")
        self.gw.address("lan0", "2001:db8:1::1/64")
        self.gw.address("wan0", "203.0.113.1/24")
        self.gw.forwarding()
        self.host6.address("eth0", "2001:db8:1::9/64")
        self.host6.ip("-6", "route", "add", "default", "via", "2001:db8:1::1")
        self.web4.address("eth0", "203.0.113.80/24")
        self.web4.route("192.0.2.0/24", "203.0.113.1")
        return self

    def start_container(self, root, host):
        log = self.path("container.log")
        with open(log, "ab") as out:
            p = subprocess.Popen(
                ["systemd-nspawn", "-q", "-D", str(root), "--boot", "--register=no", "--keep-unit",
                 "--console=pipe", f"--machine={self.prefix}", "--link-journal=no",
                 f"--network-namespace-path=/run/netns/{host.ns}", "--capability=CAP_NET_ADMIN",
                 "--bind=/dev/net/tun"],
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT)
        p.log_path = log
        self.programs.append(p)
        return p

    def passes(self):
        return self.host6.run("ping", "-6", "-c1", "-W1", WEB4, check=False).returncode == 0


@pytest.fixture(scope="module")
def built():
    with tempfile.TemporaryDirectory(prefix="sixgate-package-") as d:
        package, changes = build_package(pathlib.Path(d))
        yield package, changes, make_root(package, pathlib.Path(d) / "root")


@pytest.fixture(scope="module")
def net(built):
    """Enabled before the first boot; the tests below go on from one another's state, in their order."""
    root = built[2]
    for unit in ("sixgate", "sixgate-guard"):
        assert run("chroot", root, "systemctl", "is-enabled", unit, check=False).stdout == "disabled\n"
    (root / "etc/sixgate/sixgate.yaml").write_text(CONFIGURATION)
    run("chroot", root, "sixgated", "--check-config", "-c", "/etc/sixgate/sixgate.yaml")
    run("chroot", root, "systemctl", "enable", "sixgate")
    with Net() as n:
        n.debian = Container(root, n.gw)
        n.debian.boot()
        yield n
        if n.debian.program.poll() is None:
            n.debian.power_off()


def test_lintian_has_nothing_to_say(built):
    assert run("lintian", "--allow-root", "--fail-on=error,warning", built[1]).stdout.strip() == ""


def test_units_are_without_fault(built):
    out = run("chroot", built[2], "systemd-analyze", "verify", "--man=no", "/lib/systemd/system/sixgate.service",
              "/lib/systemd/system/sixgate-guard.service", check=False).stdout
    assert "sixgate" not in out


def test_after_boot_the_gateway_runs_and_packets_pass(net):
    d = net.debian
    assert d.show("sixgate", "ActiveState") == "active", d.journal()
    assert d.show("sixgate-guard", "ActiveState") == "active", d.journal("sixgate-guard")
    wait_until(net.passes, "packets pass")
    assert "ready" in d.journal()
    assert "egress6" in d.run("sixgatectl", "status").stdout


def test_the_guard_stands_before_the_network_is_up(net):
    assert "network-pre.target" in net.debian.show("sixgate-guard", "Before")
    before, gateway = (int(net.debian.show(u, "ActiveEnterTimestampMonotonic"))
                       for u in ("sixgate-guard", "sixgate"))
    assert 0 < before < gateway


def test_nobody_but_the_parent_has_privileges(net):
    d = net.debian
    main = d.show("sixgate", "MainPID")
    child = d.run("cat", f"/proc/{main}/task/{main}/children").stdout.split()[0]
    status = d.run("cat", f"/proc/{child}/status").stdout
    assert re.search(r"^CapEff:\s0+$", status, re.M) and re.search(r"^NoNewPrivs:\s1$", status, re.M)
    uid = d.run("id", "-u", "sixgate").stdout.strip()
    assert re.search(r"^Uid:" + rf"\s{uid}" * 4 + "$", status, re.M)


def test_what_is_killed_is_started_again(net):
    d = net.debian
    main = d.show("sixgate", "MainPID")
    d.run("sh", "-c", f"kill -9 {main}")
    wait_until(lambda: d.show("sixgate", "MainPID") not in (main, "0") and
               d.show("sixgate", "ActiveState") == "active", "it is started again", timeout=30)
    wait_until(net.passes, "packets pass again")


def test_reload_takes_a_good_file_and_refuses_a_wrong_one(net):
    d = net.debian
    path = d.root / "etc/sixgate/sixgate.yaml"
    main = d.show("sixgate", "MainPID")
    path.write_text(CONFIGURATION.replace("192.0.2.1,", "192.0.2.9,"))
    d.run("systemctl", "reload", "sixgate")
    wait_until(lambda: "configuration reloaded" in d.journal(), "it is reloaded")
    wait_until(net.passes, "packets pass")
    path.write_text(CONFIGURATION + "wrong: 1\n")
    assert d.run("systemctl", "reload", "sixgate", check=False).returncode != 0
    wait_until(lambda: "wrong: unknown key" in d.journal(), "it says why")
    assert net.passes()
    assert d.show("sixgate", "MainPID") == main
    path.write_text(CONFIGURATION)


def test_a_wrong_file_at_start_is_not_tried_again_and_again(net):
    d = net.debian
    path = d.root / "etc/sixgate/sixgate.yaml"
    path.write_text(CONFIGURATION + "wrong: 1\n")
    assert d.run("systemctl", "restart", "sixgate", check=False).returncode != 0
    assert d.show("sixgate", "ActiveState") == "failed"
    assert d.show("sixgate", "ExecMainStatus") == "78"
    assert d.show("sixgate", "NRestarts") in ("0", "1")
    path.write_text(CONFIGURATION)
    d.run("systemctl", "restart", "sixgate")
    wait_until(net.passes, "packets pass")


def test_after_stop_nothing_passes_and_the_guard_stays(net):
    d = net.debian
    d.run("systemctl", "stop", "sixgate")
    assert not net.passes()
    assert "table inet sixgate" in net.gw.out("nft", "list", "tables")
    assert "sixgate0" not in net.gw.ip("link")
    d.run("systemctl", "start", "sixgate")
    wait_until(net.passes, "packets pass")


def test_removal_ends_the_gateway_and_purge_leaves_no_file(net):
    d = net.debian
    d.run("dpkg", "--remove", "sixgate")
    assert not net.passes()
    assert d.show("sixgate", "ActiveState") == "inactive"
    assert "table inet sixgate" in net.gw.out("nft", "list", "tables")
    assert (d.root / "etc/sixgate/sixgate.yaml").exists()
    d.run("dpkg", "--purge", "sixgate")
    left = run("find", d.root, "-xdev", "-name", "*sixgate*", "-not", "-path", "*/var/log/*", "-not",
               "-path", "*/tmp/*").stdout.split()
    assert [p.removeprefix(str(d.root)) for p in left] in ([], ["/etc/sixgate", "/etc/sixgate/sixgate.yaml"])
    d.power_off()
    assert stop(d.program) == 0
