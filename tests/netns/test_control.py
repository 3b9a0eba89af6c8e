"""The whole daemon in real namespaces: how it starts, is asked, reloads, fails and ends."""
import ctypes
import ipaddress
import json
import os
import pathlib
import re
import signal
import socket
import struct
import subprocess
import time

import pytest
from control_lab import BASIC, DNS64, HOST_IN_64, ControlLab, build_programs
from netlink_lab import ours, picture, wait_for

SERVICES = """
services:
  - name: web
    addresses: [198.51.100.20, "2001:db8:20::20"]
    port: 9000
    nodes: [{name: a, address: 2001:db8:1::2}]
    embed-prefix: 2001:db8:64:20::/96
    health: {preset: tcp, interval: 200ms, timeout: 150ms}
"""


@pytest.fixture(scope="session")
def programs():
    return build_programs()


@pytest.fixture
def lab(programs):
    lab = ControlLab(programs)
    yield lab
    lab.close()


def dig(lab, *args):
    return lab.host(f"dig +time=1 +tries=1 +short {' '.join(args)} @2001:db8:1::1 ipv4only.arpa AAAA",
                    check=False)


def guard_stands(lab):
    return "table inet sixgate" in lab.router("nft list tables")


def status_of(pid):
    text = pathlib.Path(f"/proc/{pid}/status").read_text()
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


# ---- start and stop ----

def test_a_gateway_starts_says_so_and_forwards(lab):
    g = lab.gateway(BASIC + DNS64)
    g.manager.expect("READY=1")
    assert lab.gets_out()
    assert not lab.gets_in()
    assert "64:ff9b::c000:aa" in dig(lab)
    s = g.ask("status")[-1]
    assert s["jobs"] == {"nat64": True, "siit": False, "egress6": True, "services": False, "dns64": True}
    assert [i["name"] for i in s["interfaces"]] == ["lan0", "wan0"]
    assert all(i["up"] and i["mtu"] == 1500 for i in s["interfaces"])
    assert s["workers"] == 2 and s["flows"]["used"] == 2
    assert all(d["open"] for d in s["dns64"])


def test_sigterm_undoes_all_but_the_guard(lab):
    before = picture(lab.router)
    g = lab.gateway()
    assert picture(lab.router) != before
    assert g.stop() == 0
    g.manager.expect("STOPPING=1")
    assert ours(lab.router) == []
    assert picture(lab.router) == before
    assert guard_stands(lab)
    assert not os.path.exists(g.socket)
    assert not lab.gets_in()


def test_when_the_child_dies_routes_go_and_the_guard_stays(lab):
    g = lab.gateway()
    os.kill(g.child(), signal.SIGKILL)
    g.expect(r"the unprivileged process was ended by signal 9")
    assert g.wait_end() == 1
    assert ours(lab.router) == []
    assert guard_stands(lab)
    assert not lab.gets_in()


def test_when_the_parent_is_killed_the_child_ends_and_a_restart_works(lab):
    g = lab.gateway()
    child = g.child()
    os.kill(g.pid(), signal.SIGKILL)
    wait_for(lambda: not os.path.exists(f"/proc/{child}"), what="the child ends")
    assert guard_stands(lab)
    assert not lab.gets_in()
    g.process.wait()
    g.start()
    assert lab.gets_out()
    assert g.stop() == 0
    assert ours(lab.router) == []


def start_another(ns, g, text, directory):
    """A second daemon, which has to give up by itself. Its exit code and what it says."""
    f = pathlib.Path(directory) / "second.yaml"
    f.write_text(text.replace("@DIR@", str(directory)))
    p = subprocess.run(["ip", "netns", "exec", ns.name, g.daemon, "-c", str(f)], text=True,
                       capture_output=True, timeout=20)
    return p.returncode, p.stderr.strip().splitlines()


def test_a_second_gateway_in_a_network_namespace_touches_nothing(lab, tmp_path):
    g = lab.gateway()
    before = picture(lab.router), lab.router("nft list ruleset")
    other = BASIC.replace("inside: lan0", "inside: lan1, tun: second").replace(".100.10", ".100.77")
    for text in (other, g.text):
        code, said = start_another(lab.router, g, text, tmp_path)
        assert code == 1
        assert len(said) == 1 and "another gateway runs in this network namespace" in said[0]
        assert f"process {g.pid()}" in said[0]
    assert (picture(lab.router), lab.router("nft list ruleset")) == before
    assert lab.gets_out()
    assert g.ask("status")[-1]["ok"]


def test_gateways_of_two_network_namespaces_do_not_meet(lab, programs):
    g = lab.gateway()
    other = ControlLab(programs)
    try:
        second = other.gateway()
        assert lab.gets_out() and other.gets_out()
        assert second.stop() == 0
        assert g.ask("status")[-1]["ok"]
    finally:
        other.close()


GRAB = """
import fcntl, os, socket, sys
held = socket.socket(socket.AF_UNIX)
held.bind("\\0sixgate-gateway")
for name in os.listdir("/run/sixgate") if os.path.isdir("/run/sixgate") else []:
    try:
        fcntl.flock(os.open("/run/sixgate/" + name, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
        print("locked", name)
    except PermissionError:
        pass
try:
    open("/run/sixgate/netns-%d.lock" % os.stat("/proc/self/ns/net").st_ino, "x")
    print("made a lock")
except (PermissionError, FileNotFoundError, FileExistsError):
    pass
print("done", flush=True)
sys.stdin.read()
"""


def test_no_user_can_keep_the_gateway_from_starting(lab):
    g = lab.gateway()
    rude = lab.router.start(["setpriv", "--reuid", "65534", "--clear-groups", "/usr/bin/python3", "-c", GRAB],
                            text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert rude.stdout.readline() == "done\n"
    assert g.stop() == 0
    g.start()
    assert lab.gets_out()
    rude.communicate("")
    # a crash leaves the file, and no lock
    child = g.child()
    os.kill(g.pid(), signal.SIGKILL)
    wait_for(lambda: not os.path.exists(f"/proc/{child}"), what="the child ends")
    g.process.wait()
    g.start()
    assert g.stop() == 0
    inode = int(lab.router("stat -Lc %i /proc/self/ns/net"))
    assert not os.path.exists(f"/run/sixgate/netns-{inode}.lock")


def test_a_second_daemon_on_the_same_control_socket_touches_nothing(lab, tmp_path):
    g = lab.gateway()
    code, said = start_another(lab.net, g, g.text, tmp_path)  # its network is another, not its files
    assert code == 1
    assert len(said) == 1 and "another sixgated is listening" in said[0]
    assert "sixgate" not in lab.net("nft list tables")
    assert g.ask("status")[-1]["ok"]


# ---- privileges ----

def test_everything_but_the_parent_is_without_rights(lab):
    g = lab.gateway(BASIC + DNS64)
    nobody = subprocess.run(["id", "-u", "nobody"], text=True, capture_output=True).stdout.strip()
    # the run-time library of a sanitizer needs more than any list; then the log says so
    want = "0" if any("sanitizer build" in line for line in g.lines) else "2"
    threads = os.listdir(f"/proc/{g.child()}/task")
    if want == "0":  # ... and has threads of its own
        names = {t: status_of(f"{g.child()}/task/{t}")["Name"].strip() for t in threads}
        threads = [t for t in threads if int(t) == g.child() or names[t] != names[str(g.child())]]
    assert len(threads) == 4  # control, dns64 and two workers
    for t in threads:
        s = status_of(f"{g.child()}/task/{t}")
        assert set(s["Uid"].split()) == {nobody}
        assert s["Groups"].strip() == ""
        assert {s[c] for c in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")} == {"0" * 16}
        assert s["NoNewPrivs"] == "1"
        assert s["Seccomp"] == want, f"{s['Name']} has no list of system calls"
    assert status_of(g.pid())["Seccomp"] == want


def test_the_child_holds_no_descriptor_it_does_not_need(lab):
    g = lab.gateway()
    links = [os.readlink(f"/proc/{g.child()}/fd/{n}") for n in os.listdir(f"/proc/{g.child()}/fd")]
    files = [x for x in links if x.startswith("/") and not x.startswith(("/dev/null", "/memfd"))]
    assert set(files) <= {"/dev/net/tun"} | {x for x in files if x.startswith(("/dev/pts", "/tmp"))}
    assert sum(x == "/dev/net/tun" for x in links) == 4  # two devices, two workers


def line_of(pid):
    """A process's own end of the line between parent and child, taken from it."""
    libc = ctypes.CDLL(None, use_errno=True)
    pidfd = os.pidfd_open(pid)
    for n in os.listdir(f"/proc/{pid}/fd"):
        fd = libc.syscall(438, pidfd, int(n), 0)  # pidfd_getfd(2)
        if fd < 0:
            continue
        try:
            s = socket.socket(fileno=fd)
        except OSError:
            os.close(fd)
            continue
        if s.type == socket.SOCK_SEQPACKET:
            os.close(pidfd)
            return s
        s.close()
    raise AssertionError("no such descriptor")


def next_kind(line):
    """What the other end has sent and this one has not yet read; 0: nothing."""
    try:
        return struct.unpack_from("<IIH", line.recv(4096, socket.MSG_PEEK | socket.MSG_DONTWAIT))[2]
    except BlockingIOError:
        return 0


@pytest.mark.parametrize("what", ["garbage", "too long", "a descriptor", "unknown kind"])
def test_a_child_that_asks_for_what_does_not_exist_is_ended(lab, what):
    g = lab.gateway()
    lawful = struct.pack("<IIHHBB18x", 0x53364721, 1, 4, 0, 0, 0)  # abort: nothing to forget
    with line_of(g.child()) as line:
        line.send(lawful)
        assert g.ask("status")[-1]["ok"]
        if what == "a descriptor":
            socket.send_fds(line, [lawful], [0])
        else:
            line.send({"garbage": b"x" * 32, "too long": lawful + b"x",
                       "unknown kind": struct.pack("<IIHHBB18x", 0x53364721, 1, 99, 0, 0, 0)}[what])
    g.expect(r"asked for what does not exist")
    assert g.wait_end() == 1
    assert ours(lab.router) == [] and guard_stands(lab) and not lab.gets_in()


def test_a_user_that_does_not_exist_is_named_with_the_fix(lab):
    g = lab.gateway(BASIC.replace("nobody", "sg-no-such-user"), wait=False)
    assert g.wait_end() == 1
    assert "useradd --system" in "".join(g.lines)
    assert guard_stands(lab)  # before anything that may fail


def test_root_is_refused_as_the_user(lab):
    g = lab.gateway("gateway: {user: root}\ninterfaces: {inside: lan0, outside: wan0}\n"
                    "egress6: {prefixes: inside}\n", wait=False)
    assert g.wait_end() == 1
    assert "root" in "".join(g.lines)


@pytest.mark.parametrize("args", [[], ["--guard"]])
@pytest.mark.parametrize("who,said", [
    (["--reuid=65534", "--clear-groups"], "must be started as root"),
    (["--bounding-set=-net_admin", "--inh-caps=-net_admin"], "this root lacks CAP_NET_ADMIN"),
    (["--bounding-set=-setuid", "--inh-caps=-setuid"], "this root lacks CAP_SETUID")])
def test_without_privileges_one_line_says_so(lab, programs, tmp_path, who, said, args):
    f = tmp_path / "sixgate.yaml"
    f.write_text(BASIC.replace("@DIR@", str(tmp_path)))
    for d in [tmp_path, *tmp_path.parents][:4]:  # pytest's own are for their owner only
        if str(d).startswith("/tmp/"):
            os.chmod(d, 0o755)
    p = subprocess.run(["ip", "netns", "exec", lab.router.name, "setpriv", *who, programs[0], "-c", f, *args],
                       text=True, capture_output=True)
    assert p.returncode == 77
    assert len(p.stderr.strip().splitlines()) == 1 and said in p.stderr
    assert "sixgate" not in lab.router("nft list tables")


def test_it_must_be_started_as_root(lab):
    g = lab.gateway(prefix=["setpriv", "--reuid=65534", "--clear-groups"], wait=False)
    assert g.wait_end() == 77
    assert "must be started as root" in "".join(g.lines)


# ---- what the machine may lack ----

def test_no_tun_device_is_one_clear_line(lab):
    g = lab.gateway(prefix=["unshare", "-m", "sh", "-c", 'mount -t tmpfs none /dev/net; exec "$@"',
                            "sh"], wait=False)
    assert g.wait_end() == 1
    assert [x for x in g.lines if "/dev/net/tun" in x]
    assert ours(lab.router) == []


READ_ONLY = ["unshare", "-m", "sh", "-c", "mount --bind /proc/sys /proc/sys; "
             'mount -o remount,ro,bind /proc/sys; exec "$@"', "sh"]


def forwards(lab, on):
    for name in ("ipv4.ip_forward", "ipv6.conf.all.forwarding"):
        lab.router.sysctl(f"net.{name}", on)


def test_read_only_settings_are_said_once_with_what_to_set(lab):
    forwards(lab, 0)
    g = lab.gateway(prefix=READ_ONLY)
    said = [x for x in g.ctl("status").splitlines() if "before these are set" in x]
    settings = said[0].split(":")[-1].split()
    assert "net.ipv4.ip_forward=1" in settings and "net.ipv6.conf.all.forwarding=1" in settings
    assert not lab.gets_out()
    for setting in settings:
        lab.router.sysctl(*setting.split("="))
    g.expect(r"mended: /proc/sys")
    wait_for(lab.gets_out, what="packets pass")
    g.stop()
    for said in ("must be", "before these are set"):
        assert len([x for x in g.lines if said in x and "mended" not in x]) == 1


def test_read_only_settings_that_are_right_enough_do_not_matter(lab):
    """The device's own are not there when a container is made: what it takes from `default` must do."""
    forwards(lab, 1)
    lab.router.sysctl("net.ipv6.conf.wan0.proxy_ndp", 1)
    g = lab.gateway(prefix=READ_ONLY)
    assert lab.gets_out()
    assert "reloaded" in g.ctl("reload")
    assert "before these are set" not in g.ctl("status")
    g.stop()
    assert [x for x in g.lines if "must be" in x] == []


def test_a_missing_interface_is_waited_for(lab):
    text = BASIC.replace("inside: lan0", "inside: [lan0, lan7]")
    g = lab.gateway(text, wait=False)
    g.expect(r"interface lan7 is missing")
    g.expect(r"ready$")
    assert lab.gets_out()
    assert [i["present"] for i in g.ask("status")[-1]["interfaces"]] == [True, False, True]


def test_a_port_in_use_is_said_once_and_opened_when_it_is_free(lab):
    other = lab.router.start(["python3", "-c", "import socket,sys\n"
                              "s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\n"
                              "s.bind(('::',53))\nprint('bound',flush=True)\nsys.stdin.read()"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "bound\n"
    g = lab.gateway(BASIC + DNS64, wait=False)
    g.expect(r":: port 53: Address already in use; trying again")
    g.expect(r"ready$")
    assert lab.gets_out()
    assert "64:ff9b::c000:aa" in dig(lab, "+tcp")
    other.stdin.close()
    g.expect(r"could not be opened is open now", timeout=25)
    assert "64:ff9b::c000:aa" in dig(lab)


def test_listeners_that_are_in_each_others_way_need_a_restart(lab):
    """[::] and an address of it cannot be open at once; what runs goes on."""
    one = DNS64.replace("}", ", listen: [2001:db8:1::1]}")
    for old, new in ((DNS64, one), (one, DNS64)):
        g = lab.gateway(BASIC + old)
        g.write(BASIC + new)
        said = g.ctl("reload", code=1)
        assert "Address already in use, by ours that run: this change of dns64.listen needs a restart" in said
        assert "64:ff9b::c000:aa" in dig(lab)
        assert g.stop() == 0


def test_a_local_pool_address_is_refused(lab):
    lab.router("ip addr add 198.51.100.10/32 dev wan0")
    g = lab.gateway(wait=False)
    assert g.wait_end() == 1
    assert [x for x in g.lines if "198.51.100.10" in x and "wan0" in x]
    assert ours(lab.router) == []


# ---- the file ----

def test_check_config_prints_all_errors_and_exits_with_78(lab, programs, tmp_path):
    f = tmp_path / "bad.yaml"
    f.write_text("interfaces: {inside: lan0, outside: wan0}\nnat64: {pool4: nonsense}\nbogus: 1\n"
                 "egress6: {prefixes: inside}\n")
    p = subprocess.run([programs[0], "-c", str(f), "--check-config"], text=True, capture_output=True)
    assert p.returncode == 78
    lines = p.stderr.splitlines()
    assert [x for x in lines if re.match(rf"{f}:2:\d+: ", x)]
    assert [x for x in lines if re.match(rf"{f}:3:\d+: ", x)]
    assert len(lines) == 2


def test_starting_with_a_bad_file_is_78_and_touches_nothing(lab):
    before = picture(lab.router)
    g = lab.gateway("bogus: 1\n", wait=False)
    assert g.wait_end() == 78
    assert picture(lab.router) == before
    assert not guard_stands(lab)


def test_a_good_file_checks_silently_and_prints_whole(lab, programs, tmp_path):
    f = tmp_path / "good.yaml"
    f.write_text("gateway: {user: nobody}\ninterfaces: {inside: lan0, outside: wan0}\nnat64: {pool4: 192.0.2.1}\n")
    p = subprocess.run([programs[0], "-c", str(f), "--check-config"], text=True, capture_output=True)
    assert (p.returncode, p.stdout, p.stderr) == (0, "", "")
    p = subprocess.run([programs[0], "-c", str(f), "--print-config"], text=True, capture_output=True)
    assert p.returncode == 0 and "tcp-established: 2h4m" in p.stdout
    f.write_text(p.stdout)
    assert subprocess.run([programs[0], "-c", str(f), "--check-config"]).returncode == 0


def test_check_config_warns_of_what_this_machine_lacks(programs, tmp_path):
    f = tmp_path / "elsewhere.yaml"
    f.write_text("gateway: {user: no-such-account}\n"
                 "interfaces: {inside: lan0, outside: wan0}\n"
                 "nat64: {pool4: 192.0.2.1, log: {sink: /nonexistent/x.log}}\n"
                 "dns64: {upstream: [{address: 192.0.2.53, tls: {name: a.example, ca: /nonexistent/ca.pem}}]}\n")
    p = subprocess.run([programs[0], "-c", str(f), "--check-config"], text=True, capture_output=True)
    assert p.returncode == 0 and p.stdout == ""
    user, sink, ca = p.stderr.splitlines()
    assert user.startswith(f"{f}:1:17: warning: user no-such-account does not exist; create it with: useradd")
    assert re.match(rf"{f}:3:\d+: warning: /nonexistent: No such file", sink)
    assert ca.startswith("warning: dns64.upstream[0].tls.ca: /nonexistent/ca.pem: No such file")


def check_elsewhere(programs, f, prepare):
    """--check-config of @f in namespaces of its own, after the shell's @prepare."""
    return subprocess.run(["unshare", "-mn", "sh", "-c", prepare + ' && exec "$@"', "sh", programs[0], "-c", str(f),
                           "--check-config"], text=True, capture_output=True)


@pytest.mark.parametrize("account", [True, False])
def test_check_config_warns_where_there_is_no_default_account(programs, tmp_path, account):
    f = tmp_path / "default.yaml"
    f.write_text("interfaces: {inside: lan0, outside: wan0}\nnat64: {pool4: 192.0.2.1}\n")
    p = check_elsewhere(programs, f, "mount -t tmpfs sg /etc && echo '{}:x:999:999::/:/bin/false' > /etc/passwd".format(
        "sixgate" if account else "another"))
    assert (p.returncode, p.stdout) == (0, "")
    assert p.stderr.startswith("" if account else "warning: user sixgate does not exist; create it with: useradd")
    assert p.stderr.count("\n") == (0 if account else 1)


@pytest.mark.parametrize("listen, port, own", [("'::'", 53, True), ("'::'", 54, False), ("2001:db8:7::1", 53, False)])
def test_check_config_warns_of_an_upstream_that_is_this_machine(programs, tmp_path, listen, port, own):
    f = tmp_path / "own.yaml"
    f.write_text("gateway: {user: nobody}\ninterfaces: {inside: lan0, outside: wan0}\nnat64: {pool4: 192.0.2.1}\n"
                 f"dns64: {{listen: {listen}, upstream: [192.0.2.9, {{address: 192.0.2.7, port: {port}}}]}}\n")
    p = check_elsewhere(programs, f, "ip addr add 192.0.2.7/32 dev lo")
    assert (p.returncode, p.stdout) == (0, "")
    assert p.stderr == ("warning: dns64.upstream[1]: is an address of this machine, on a port of dns64.listen: it would "
                        "ask itself\n" if own else "")


# Constants of src/dns64 and include/sixgate/dns64, and how sixgated(8) says them.
LIMITS = [
    ("DNS64_TASKS_MAX", 4096, "4096 queries wait"), ("DNS64_CLIENT_TASKS_MAX", 512, "at most 512 of one client"),
    ("DNS64_LOOKUPS_MAX", 4096, "4096 different questions"), ("LOOKUP_TIME_MS", 4500, "within 4.5 seconds"),
    ("DNS64_TCP_CLIENTS_MAX", 256, "256 TCP connections of clients"),
    ("DNS64_TCP_CLIENT_MAX", 128, "at most 128 of one client"), ("DNS64_TCP_QUERIES_MAX", 32, "32 of its queries"),
    ("DNS64_TCP_IDLE_MS", 10000, "closed after 10 seconds without a query"),
    ("DNS64_TCP_UPSTREAM_MAX", 64, "64 TCP connections to upstreams"), ("DNS64_UPSTREAM_MAX", 16, "at most 4 to one"),
    ("TLS_CONNS_MAX", 4, "4 over TLS to one"), ("TLS_IDLE_MS", 10000, "after 10 seconds without a question"),
    ("DNS_UDP_PAYLOAD", 1232, "at most 1232 bytes"), ("DNS_UDP_CLASSIC", 512, "512 without EDNS"),
    ("DNS_MESSAGE_MAX", 65535, "over TCP 65535 bytes"),
]


@pytest.mark.parametrize("name, value, said", LIMITS)
def test_the_manual_names_the_limits_of_dns64(name, value, said):
    root = pathlib.Path(__file__).parents[2]
    headers = [*(root / "include/sixgate/dns64").glob("*.h"), *(root / "src/dns64").glob("*.h")]
    found = [m for h in headers for m in re.findall(rf"^\t{name} = (\d+)", h.read_text(), re.M)]
    assert found == [str(value)]
    assert said in " ".join((root / "src/sixgated/sixgated.8").read_text().split())


WRONG_FOR_THE_DAEMON = [
    (["--bogus"], "unrecognized option '--bogus'"), (["extra"], 'unexpected argument "extra"'),
    (["--write", "x"], "--write goes with --replay"), (["-c"], "requires an argument"),
]
WRONG_FOR_THE_TOOL = [
    ([], "a command is missing"), (["statsu"], 'unknown command "statsu"; did you mean "status"?'),
    (["xyzzy"], 'unknown command "xyzzy"'), (["status", "more"], 'unexpected argument "more" after status'),
    (["config"], 'config wants "show" after it'), (["config", "edit"], 'wants "show" after it, not edit'),
    (["--max", "x", "flows"], '--max wants a number from 1 on, not "x"'),
    (["--max", "-1", "flows"], '--max wants a number from 1 on, not "-1"'),
    (["drain"], "drain wants the name of a node after it"), (["drain", "a", "b"], 'argument "b" after a'),
    (["drain", "n" * 64], "is no name of a node"), (["--bogus", "status"], "unrecognized option '--bogus'"),
    (["status", "--max", "3"], "--max and --count go with flows, bib, trace and dns cache, not with status"),
    (["flows", "--all"], "--all goes with counters, not with flows"),
    (["status", "--reply"], "--reply goes with explain, not with status"),
    (["flows", "--seconds", "3"], "--seconds goes with trace, not with flows"),
    (["bib", "--inside"], "--inside and --outside go with explain, not with bib"),
    (["nodes", "--protocol", "tcp"], "--protocol goes with who and trace, not with nodes"),
    (["nodes", "--service", "s3"], "--service goes with drain and undrain, not with nodes"),
]


@pytest.mark.parametrize("which,args,said", [(0, *row) for row in WRONG_FOR_THE_DAEMON] +
                         [(1, *row) for row in WRONG_FOR_THE_TOOL])
def test_wrong_arguments_are_named(programs, which, args, said):
    p = subprocess.run([programs[which], *args], text=True, capture_output=True)
    assert (p.returncode, p.stdout) == (64, "")
    assert said in p.stderr and "--help" in p.stderr


def test_a_file_that_is_not_there_has_no_line(programs, tmp_path):
    p = subprocess.run([programs[1], "-c", str(tmp_path / "nope.yaml"), "status"], text=True, capture_output=True)
    assert p.returncode == 1
    assert p.stderr.splitlines()[0] == f"sixgatectl: {tmp_path}/nope.yaml: cannot be read: No such file or directory"


@pytest.mark.parametrize("command", ["status", "teardown"])
def test_a_wrong_default_file_is_told_and_nobody_is_asked(programs, command):
    etc = ("mount -t tmpfs sg /etc && mkdir /etc/sixgate && echo 'gateway: {wrokers: 2}' > /etc/sixgate/sixgate.yaml && "
           "exec \"$@\"")
    p = subprocess.run(["unshare", "-mn", "sh", "-c", etc, "sh", programs[1], command], text=True, capture_output=True)
    assert (p.returncode, p.stdout) == (1, "")
    assert p.stderr.splitlines() == [
        "sixgatectl: /etc/sixgate/sixgate.yaml:1:20: gateway.wrokers: unknown key; did you mean `workers`?",
        "sixgatectl: name the control socket with -s instead"]


@pytest.mark.parametrize("which", [0, 1])
def test_help_names_every_option(programs, which):
    done = subprocess.run([programs[which], "--help"], text=True, capture_output=True)
    assert done.returncode == 0 and done.stderr == ""
    source = pathlib.Path(__file__).parents[2] / f"src/{os.path.basename(programs[which])}/main.c"
    options = re.findall(r'\{ "([a-z-]+)", \w+_argument', source.read_text())
    assert len(options) > 7
    for name in options:
        assert re.search(rf"--{name}\b", done.stdout), name
    assert subprocess.run([programs[which], "--version"], capture_output=True).returncode == 0


# ---- reload ----

def test_a_reload_adds_a_listener_and_takes_it_away(lab):
    g = lab.gateway()
    assert dig(lab).find("64:ff9b") < 0
    g.write(BASIC + DNS64)
    assert "reloaded" in g.ctl("reload")
    assert "64:ff9b::c000:aa" in dig(lab) and "64:ff9b::c000:aa" in dig(lab, "+tcp")
    g.write(BASIC + 'dns64: {upstream: 198.51.100.2, listen: [{address: "::", port: 53}, '
            '{address: 2001:db8:1::1, port: 5300}]}\n')
    g.ctl("reload")
    assert "64:ff9b::c000:aa" in dig(lab) and "64:ff9b::c000:aa" in dig(lab, "-p 5300")
    g.write(BASIC)
    g.ctl("reload")
    assert dig(lab).find("64:ff9b") < 0
    assert "dns64" not in g.ask("status")[-1]


def test_sighup_and_reload_are_the_same(lab):
    g = lab.gateway()
    g.write(BASIC + DNS64)
    g.process.send_signal(signal.SIGHUP)
    g.expect(r"configuration reloaded")
    assert "64:ff9b::c000:aa" in dig(lab)
    g.write("bogus: 1\n")
    g.process.send_signal(signal.SIGHUP)
    g.expect(r":1:\d+: bogus")
    g.expect(r"keeping the running configuration")
    assert "64:ff9b::c000:aa" in dig(lab)


def test_a_bad_file_changes_nothing(lab):
    g = lab.gateway(BASIC + DNS64)
    before = picture(lab.router), g.ctl("config", "show")
    g.write(g.text + "bogus: 1\nmore: 2\n")
    out = g.ctl("reload", code=1)
    assert len(re.findall(r"sixgate.yaml:\d+:\d+: ", out)) == 2
    answer = g.ask("reload", code=1)[-1]
    assert not answer["ok"] and len(answer["errors"]) == 2
    assert (picture(lab.router), g.ctl("config", "show")) == before
    assert lab.gets_out() and "64:ff9b::c000:aa" in dig(lab)
    assert g.ask("status")[-1]["reloads_failed"] == 2


@pytest.mark.parametrize("text", ["", "\n", "# nothing\n", "---\n"])
def test_a_reload_to_an_empty_file_is_refused(lab, text):
    g = lab.gateway()
    before = picture(lab.router), g.ctl("config", "show")
    g.write(text)
    assert "keeping the running configuration" not in g.ctl("reload", code=1)  # that is for the log
    g.expect("keeping the running configuration: the file is wrong")
    assert [x for x in g.lines if "sixgate.yaml" in x and "interfaces" in x], g.lines
    assert (picture(lab.router), g.ctl("config", "show")) == before
    assert lab.gets_out()


@pytest.mark.parametrize("old,new,key", [
    ("workers: 2", "workers: 1", "workers"), ("flows: 64k", "flows: 128k", "flows"),
    ("user: nobody", "user: daemon", "user"), ("control.sock", "other.sock", "control"),
    ("inside: lan0", "tun: other0, inside: lan0", "tun")])
def test_what_needs_a_restart_is_said_and_changes_nothing(lab, old, new, key):
    g = lab.gateway()
    show = g.ctl("config", "show")
    assert old in g.text
    g.write(g.text.replace(old, new))
    out = g.ctl("reload", code=1)
    assert "restart" in out and key in out
    assert g.ctl("config", "show") == show
    assert lab.gets_out()


def test_all_keys_that_need_a_restart_are_said_at_once(lab):
    g = lab.gateway()
    g.write(g.text.replace("workers: 2, flows: 64k", "workers: 1, flows: 128k"))
    said = g.ctl("reload", code=1)
    assert "gateway.workers, gateway.flows have changed, which needs a restart" in said
    # and where
    assert f"{g.file}:2:" in said and "gateway.flows: needs a restart" in said


def test_a_listener_that_cannot_be_opened_refuses_the_whole_reload(lab):
    other = lab.router.start(["python3", "-c", "import socket,sys\n"
                              "s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\n"
                              "s.bind(('::',5300))\nprint('bound',flush=True)\nsys.stdin.read()"],
                             stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout.readline() == "bound\n"
    g = lab.gateway(BASIC + DNS64)
    show = g.ctl("config", "show")
    before = picture(lab.router)
    g.write(BASIC.replace("198.51.100.10", "198.51.100.11") +
            'dns64: {upstream: 198.51.100.2, listen: [{address: "::", port: 5300}]}\n')
    assert "in use" in g.ctl("reload", code=1)
    assert g.ctl("config", "show") == show and picture(lab.router) == before
    assert "64:ff9b::c000:aa" in dig(lab)
    other.stdin.close()
    other.wait(5)
    g.ctl("reload")
    assert "64:ff9b::c000:aa" in dig(lab, "-p 5300")
    assert dig(lab).find("64:ff9b") < 0
    assert "198.51.100.11" in "".join(ours(lab.router))


def test_a_pool_address_that_is_local_refuses_the_reload(lab):
    g = lab.gateway()
    g.write(g.text.replace("198.51.100.10", "[198.51.100.10, 198.51.100.1]"))
    out = g.ctl("reload", code=1)
    assert "198.51.100.1" in out and "wan0" in out
    assert lab.gets_out()


def test_a_reload_adds_an_interface(lab):
    g = lab.gateway()
    other = lab.space(lab.router.name + "-2")
    lab.link(other, "eth0", lab.router, "lan1")
    lab.router("ip addr add 2001:db8:2::1/64 dev lan1 nodad")
    other("ip addr add 2001:db8:2::2/64 dev eth0 nodad")
    other("ip route add default via 2001:db8:2::1")
    assert not lab.ping(other, HOST_IN_64, 1)
    g.write(g.text.replace("inside: lan0", "inside: [lan0, lan1]"))
    g.ctl("reload")
    assert lab.ping(other, HOST_IN_64) and lab.gets_out()
    g.write(g.text.replace("[lan0, lan1]", "lan0"))
    g.ctl("reload")
    assert not lab.ping(other, HOST_IN_64, 1)
    assert lab.gets_out()


def test_a_reload_adds_a_service_and_flows_survive(lab):
    lab.net("ip route add 2001:db8:20::/64 via 2001:db8:f::1")
    lab.serve(lab.host, "2001:db8:1::2", 9000)
    g = lab.gateway()
    assert lab.gets_out()
    flows = len(g.ask("flows")) - 1
    g.write(BASIC + SERVICES)
    g.ctl("reload")
    wait_for(lambda: g.ask("nodes")[-1]["nodes"][0]["state"] == "up", what="the node is up")
    for url in ("http://198.51.100.20:9000/", "http://[2001:db8:20::20]:9000/"):
        assert lab.net(f"curl -s -m 2 -o /dev/null -w %{{http_code}} {url}", check=False) == "200"
    policies = [f["flow"]["policy"] for f in g.ask("flows")[:-1]]
    assert policies.count("services") >= 2 and len(policies) - policies.count("services") == flows
    g.write(BASIC)
    g.ctl("reload")
    wait_for(lambda: "services" not in [f["flow"]["policy"] for f in g.ask("flows")[:-1]],
             what="flows of the service are swept")


def open_files(pid):
    """The fewest of half a second: a connection that is over is open a little longer."""
    counts = []
    until = time.monotonic() + 0.5
    while time.monotonic() < until:
        counts.append(len(os.listdir(f"/proc/{pid}/fd")))
        time.sleep(0.02)
    return min(counts)


def test_reloads_in_a_row_leave_no_descriptor_behind(lab):
    g = lab.gateway(BASIC + DNS64)
    texts = (BASIC + DNS64 + SERVICES, BASIC, BASIC + DNS64)
    counts = []
    for _ in range(4):
        for t in texts:
            g.write(t)
            g.ctl("reload")
        g.write("bogus: 1\n")
        g.ctl("reload", code=1)
        counts.append([open_files(p) for p in (g.pid(), g.child())])
    assert counts[1] == counts[3], counts


def test_reloads_lose_no_packet_of_a_running_flow(lab):
    g = lab.gateway()
    assert lab.gets_out()
    pings = [lab.host.start(["ping", "-n", "-q", "-c", "300", "-i", "0.01", to], text=True,
                            stdout=subprocess.PIPE) for to in (HOST_IN_64, "2001:db8:f::2")]
    n = 0
    while any(p.poll() is None for p in pings):
        g.write((BASIC + DNS64, BASIC + SERVICES, BASIC)[n % 3])
        g.ctl("reload")
        n += 1
    assert n >= 3
    for p in pings:
        assert "300 received" in p.stdout.read()


def test_what_changes_in_the_middle_of_a_reload_is_not_forgotten(lab):
    """Both processes are held so that wan0 changes after the parent has read the file and looked at
    the kernel, and before the child has taken that over."""
    reload_, facts = 2, 6  # REQUEST_RELOAD, NOTICE_FACTS
    g = lab.gateway()
    parent, child = g.pid(), g.child()
    g.write(BASIC.replace("pool4: 198.51.100.10", "pool4: 198.51.100.11"))
    with line_of(parent) as parents, line_of(child) as childs:
        os.kill(parent, signal.SIGSTOP)
        tool = subprocess.Popen([g.tool, "-s", g.socket, "reload"], stdout=subprocess.DEVNULL)
        wait_for(lambda: next_kind(parents) == reload_, what="the child asks")
        os.kill(child, signal.SIGSTOP)
        os.kill(parent, signal.SIGCONT)
        wait_for(lambda: next_kind(childs) == facts, what="the parent has looked")
        lab.router("ip link set wan0 mtu 1400")
        os.kill(child, signal.SIGCONT)
    assert tool.wait(15) == 0
    wait_for(lambda: [i["mtu"] for i in g.ask("status")[-1]["interfaces"]] == [1500, 1400],
             what="the new MTU")
    assert lab.gets_out()


# ---- the network around it ----

def test_an_interface_that_goes_and_comes_back_is_followed(lab):
    g = lab.gateway()
    assert lab.gets_out()
    lab.router("ip link del wan0")
    g.expect(r"interface wan0 is missing")
    assert not lab.gets_out()
    lab.link(lab.net, "eth0", lab.router, "wan0")
    for ns, v4, v6, dev in ((lab.router, "198.51.100.1/24", "2001:db8:f::1/64", "wan0"),
                            (lab.net, "198.51.100.2/24", "2001:db8:f::2/64", "eth0")):
        ns(f"ip addr add {v4} dev {dev}")
        ns(f"ip addr add {v6} dev {dev} nodad")
    lab.router("ip route add default via 2001:db8:f::2")
    lab.router("ip route add default via 198.51.100.2")
    lab.net("ip route add default via 2001:db8:f::1")
    g.expect(r"interface wan0 is there now")
    wait_for(lab.gets_out, what="traffic flows again")
    assert not lab.gets_in()


def test_the_mtu_of_an_interface_is_followed(lab):
    g = lab.gateway()
    generation = g.ask("status")[-1]["generation"]
    lab.router("ip link set wan0 mtu 1400")
    wait_for(lambda: g.ask("status")[-1]["generation"] > generation, what="a new snapshot")
    assert [i["mtu"] for i in g.ask("status")[-1]["interfaces"]] == [1500, 1400]


def test_a_new_inside_prefix_is_let_out(lab):
    lab.gateway()
    lab.router("ip addr add 2001:db8:77::1/64 dev lan0 nodad")
    lab.host("ip addr add 2001:db8:77::2/64 dev eth0 nodad")
    lab.net("ip route add 2001:db8:77::/64 via 2001:db8:f::1")
    wait_for(lambda: "1 received" in lab.host("ping -c1 -W1 -I 2001:db8:77::2 2001:db8:f::2", check=False),
             what="the new prefix gets out")


def test_a_device_that_somebody_deletes_ends_the_gateway_safely(lab):
    g = lab.gateway()
    lab.router("ip link del sixgate0")
    assert g.wait_end() == 1
    assert [x for x in g.lines if "device is gone" in x]
    assert guard_stands(lab) and not lab.gets_in()


# ---- teardown and guard ----

def test_teardown_ends_the_daemon_and_removes_everything(lab):
    lab.router.sysctl("net.ipv6.conf.all.forwarding", 1)
    before = picture(lab.router)
    g = lab.gateway()
    assert "gone" in lab.router(f"{g.tool} -s {g.socket} teardown")
    assert g.wait_end() == 0
    assert picture(lab.router) == before
    assert "sixgate" not in lab.router("nft list tables")
    assert lab.gets_in()  # the kernel forwards by itself now


def test_teardown_works_without_a_daemon(lab):
    before = picture(lab.router)
    g = lab.gateway()
    os.kill(g.pid(), signal.SIGKILL)
    g.process.wait()
    assert guard_stands(lab)
    lab.router(f"{g.tool} -s {g.socket} teardown")
    assert picture(lab.router) == before
    assert not guard_stands(lab)
    lab.router(f"{g.tool} -s {g.socket} teardown")  # and once more is no error


def test_the_guard_alone_closes_the_network(lab, programs, tmp_path):
    f = tmp_path / "sixgate.yaml"
    f.write_text("interfaces: {inside: lan0, outside: wan0}\negress6: {prefixes: inside}\n")
    lab.router.sysctl("net.ipv6.conf.all.forwarding", 1)
    assert lab.gets_in()
    lab.router(f"{programs[0]} -c {f} --guard")
    assert not lab.gets_in()


# ---- what is asked ----

def test_flows_are_listed_whole_from_all_workers(lab):
    g = lab.gateway()
    n = 2000
    send = ["python3", "-c", "import socket\n"
            f"for i in range({n}):\n"
            " s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\n"
            " s.bind(('2001:db8:1::2',10000+i))\n"
            f" s.sendto(b'x',('{HOST_IN_64}',9)); s.close()\n"]

    def all_there():  # a burst may lose some: send again what is a flow already
        assert lab.host.start(send).wait(20) == 0
        return g.ask("status")[-1]["flows"]["used"] >= n
    wait_for(all_there, 20, "flows")
    flows = g.ask("flows")
    ports = {f["flow"]["source"]["port"] for f in flows[:-1] if f["flow"]["protocol"] == "udp"}
    assert flows[-1] == {"ok": True, "n": len(flows) - 1}
    assert ports >= set(range(10000, 10000 + n))
    assert len(g.ask("flows", "--max", "7")) == 8
    mappings = g.ask("bib")[:-1]
    assert {m["mapping"]["inside"]["port"] for m in mappings if m["mapping"]["protocol"] == "udp"} == ports
    assert all(m["mapping"]["outside"]["address"] == "198.51.100.10" for m in mappings)


def test_counters_name_every_reason_with_its_meaning(lab):
    g = lab.gateway()
    assert not lab.gets_in()
    some = g.ctl("counters")
    assert re.search(r"unsolicited +\d+ +egress6: opened from outside", some)
    assert "hairpin-loop" not in some
    assert "hairpin-loop" in g.ctl("counters", "--all")


def test_people_get_tables_and_programs_get_json(lab):
    g = lab.gateway()
    assert lab.gets_out()
    text = g.ctl("status")
    assert "lan0: up" in text and "nat64 egress6" in text
    assert re.search(r"nat64 +icmpv6 +\[2001:db8:1::2\]", g.ctl("flows"))
    assert "198.51.100.10" in g.ctl("bib")
    assert g.ask("nodes")[-1] == {"nodes": [], "ok": True}


def test_a_shared_address_is_shown_as_people_know_it(lab):
    g = lab.gateway(BASIC.replace("198.51.100.10", "outside"))
    assert lab.gets_out()
    assert g.ask("status")[-1]["pool4"] == {"addresses": 1, "ports": 20000, "shared": "198.51.100.1"}
    assert "sharing 198.51.100.1 with the host" in g.ctl("status")
    assert {f["flow"]["new_source"]["address"] for f in g.ask("flows")[:-1]
            if f["flow"]["policy"] == "nat64"} == {"198.51.100.1"}
    assert g.ask("bib")[0]["mapping"]["outside"]["address"] == "198.51.100.1"


MEET = """
import socket, sys
to = sys.argv[1]
a, b = (socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) for _ in range(2))
for s, own in (a, 7001), (b, 7002):
    s.bind(("2001:db8:1::2", own))
    s.settimeout(5)
a.sendto(b"open", ("64:ff9b::198.51.100.2", 9))
print("opened", flush=True)
port = int(sys.stdin.readline())
b.sendto(b"hello", (to, port))
data, who = a.recvfrom(100)
a.sendto(data + b" yourself", who[:2])
data, back = b.recvfrom(100)
print(data.decode(), who[0], back[0], back[1] == port)
"""


@pytest.mark.parametrize("pool,address", [("198.51.100.10", "198.51.100.10"), ("outside", "198.51.100.1")])
def test_inside_hosts_meet_by_their_mappings(lab, pool, address):
    g = lab.gateway(BASIC.replace("198.51.100.10", pool))
    known = str(ipaddress.ip_address(f"64:ff9b::{address}"))
    p = lab.host.start(["python3", "-c", MEET, known], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                       text=True)
    assert p.stdout.readline() == "opened\n"
    (mapping,) = wait_for(lambda: [m["mapping"]["outside"] for m in g.ask("bib")[:-1]
                                   if m["mapping"]["inside"]["port"] == 7001], what="the mapping")
    assert mapping["address"] == address
    said, _ = p.communicate(f"{mapping['port']}\n", timeout=20)
    assert said == f"hello yourself {known} {known} True\n"


def test_what_a_host_firewall_does_is_a_finding(lab):
    lab.router("nft add table inet fw")
    lab.router("nft 'add chain inet fw forward { type filter hook forward priority 0; policy drop; }'")
    g = lab.gateway()
    found = g.ask("status")[-1]["findings"]
    assert [f for f in found if "fw" in f["text"]], found
    assert re.search(r"(warning|error): .*fw", g.ctl("status"))


def test_without_a_daemon_the_tool_says_so(programs, tmp_path):
    p = subprocess.run([programs[1], "-s", str(tmp_path / "none.sock"), "status"], text=True,
                       capture_output=True)
    assert p.returncode == 1 and "not running" in p.stderr


def talk(path, data, shut=False):
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
        s.settimeout(10)
        s.connect(path)
        try:
            s.sendall(data)
            if shut:
                s.shutdown(socket.SHUT_WR)
        except BrokenPipeError:
            pass
        answer = b""
        while True:
            try:
                piece = s.recv(65536)
            except ConnectionResetError:
                return answer
            if not piece:
                return answer
            answer += piece


def test_nonsense_on_the_control_socket_is_refused(lab):
    g = lab.gateway()
    for data in (b"\n", b"status\n", b"{}\n", b'{"command":"bogus"}\n', b"\x00" * 100 + b"\n",
                 b"[" * 4000 + b"\n", b"x" * 5000):
        answer = json.loads(talk(g.socket, data))
        assert answer["ok"] is False and answer["error"]
    assert talk(g.socket, b'{"command":"st', shut=True) == b""
    assert json.loads(talk(g.socket, b'{"command":"status"}\n{"command":"reload"}\n'))["ok"]
    idle = []
    for _ in range(40):  # more than there is room for
        s = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        s.connect(g.socket)
        idle.append(s)
    assert "too many clients" in g.ctl("status", code=1)
    for s in idle:
        s.close()
    wait_for(lambda: subprocess.run([g.tool, "-s", g.socket, "status"], capture_output=True).returncode == 0,
             what="room for a client again")
    assert lab.gets_out()


def test_a_client_that_leaves_in_the_middle_does_no_harm(lab):
    g = lab.gateway()
    assert lab.gets_out()
    for _ in range(20):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as s:
            s.connect(g.socket)
            s.sendall(b'{"command":"flows"}\n')
    wait_for(lambda: subprocess.run([g.tool, "-s", g.socket, "flows"], capture_output=True).returncode == 0,
             what="an answer to those who stay")


# ---- metrics and log ----

METRICS = BASIC.replace("workers: 2", "metrics: {address: 127.0.0.1, port: 9664}, workers: 2")


def test_metrics_are_served_over_http(lab):
    g = lab.gateway(METRICS + SERVICES)
    assert lab.gets_out() and not lab.gets_in()
    text = lab.router("curl -s -m 2 http://127.0.0.1:9664/metrics")
    assert re.search(r'^sixgate_dropped_packets_total\{reason="unsolicited"\} [1-9]', text, re.M)
    assert re.search(r'^sixgate_flows\{worker="\d"\} [1-9]', text, re.M)
    assert re.search(r'^sixgate_node_up\{service="web",node="a"\} 0$', text, re.M)
    for line in text.splitlines():
        assert re.match(r'(# (HELP|TYPE) sixgate_\w+ .+|sixgate_\w+(\{[^}]*\})? \d+(\.\d+)?)$', line), line
    samples = [line.split("{")[0].split(" ")[0] for line in text.splitlines() if line[0] != "#"]
    helped = {line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")}
    turns = "sixgate_worker_turn_seconds"
    classes = [int(n) for n in re.findall(turns + r'_bucket\{worker="0",le="[^"]+"\} (\d+)', text)]
    assert len(classes) == 6 and classes == sorted(classes) and classes[0] > 0
    assert f'{turns}_count{{worker="0"}} {classes[-1]}\n' in text
    samples = [re.sub(f"^{turns}_.*", turns, s) for s in samples]
    assert set(samples) == helped
    code = "curl -s -m 2 -o /dev/null -w %{http_code} "
    assert lab.router(code + "http://127.0.0.1:9664/other") == "404"
    assert lab.router(code + "-X POST http://127.0.0.1:9664/metrics") == "405"
    g.write(METRICS.replace("9664", "9665"))
    g.ctl("reload")
    assert "sixgate_info" in lab.router("curl -s -m 2 http://127.0.0.1:9665/metrics")
    assert lab.router(code + "http://127.0.0.1:9664/metrics", check=False) == "000"


def test_the_log_is_opened_again_on_sighup(lab):
    path = lab.dir.name + "/gateway.log"
    log = pathlib.Path(path)
    g = lab.gateway(args=["--log", path], wait=False)
    wait_for(lambda: log.exists() and "ready" in log.read_text(), timeout=15, what="ready")
    assert re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ sixgated: ", log.read_text())
    os.rename(path, path + ".1")
    g.process.send_signal(signal.SIGHUP)
    wait_for(lambda: log.exists() and "configuration reloaded" in log.read_text(), what="the new file")
    old = pathlib.Path(path + ".1").read_text()
    assert "configuration reloaded" not in old
    lab.router("ip link del wan0")
    wait_for(lambda: "wan0 is missing" in log.read_text(), what="the parent writes there")
    assert pathlib.Path(path + ".1").read_text() == old


def test_counters_that_move_are_logged_with_a_limit(lab):
    g = lab.gateway(BASIC.replace("198.51.100.10", "[{address: 198.51.100.10, ports: 2000-2003}]"))
    sender = lab.host.start(["python3", "-c", "import socket,time\n"
                             "for i in range(300):\n"
                             " s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\n"
                             f" s.sendto(b'x',('{HOST_IN_64}',9)); s.close(); time.sleep(0.01)\n"])
    g.expect(r"no free port in pool4")
    sender.wait()
    time.sleep(0.3)
    g.stop()
    assert sum("no free port in pool4" in x for x in g.lines) == 1


def test_a_full_flow_table_is_said_and_the_rest_goes_on(lab):
    g = lab.gateway(BASIC.replace("flows: 64k", "flows: 1k"))
    assert lab.gets_out()
    lab.host.start(["python3", "-c", "import socket\n"
                    "for i in range(3000):\n"
                    " s=socket.socket(socket.AF_INET6,socket.SOCK_DGRAM)\n"
                    " s.bind(('2001:db8:1::2',10000+i))\n"
                    f" s.sendto(b'x',('{HOST_IN_64}',9)); s.close()\n"])
    g.expect(r"table is full; raise gateway.flows|table of mappings is full")
    s = g.ask("status")[-1]["flows"]
    assert s["used"] <= s["capacity"]
    assert g.counters()["flow-table-full"] + g.counters()["bib-full"] > 0
    assert not lab.gets_in()


def test_a_silent_upstream_is_said(lab):
    lab.net.nft("table inet silent { chain in { type filter hook input priority 0; "
                "udp dport 53 drop; tcp dport 53 drop; }; }")
    g = lab.gateway(BASIC + DNS64)
    lab.host("dig +time=1 +tries=1 @2001:db8:1::1 example.com AAAA", check=False)
    g.expect(r"dns64: upstream 198.51.100.2 port 53 does not answer", timeout=30)
    assert g.ask("status")[-1]["upstreams"] == [{"address": "198.51.100.2", "port": 53, "tls": False, "answers": False}]
    assert "upstream   [198.51.100.2]:53: does not answer" in lab.router(f"{g.tool} -s {g.socket} status")
    for _ in range(3):  # each more than the second after which counters are looked at
        lab.host("dig +time=2 +tries=1 @2001:db8:1::1 example.com AAAA", check=False)
    assert lab.gets_out()
    assert sum("does not answer" in line for line in g.said()) == 1


def test_repairs_that_are_not_told_are_counted(lab):
    g = lab.gateway()
    def rules():
        return sorted(x for x in lab.router("ip -d -4 rule show").splitlines() if "proto 164" in x)
    before, end, n = rules(), time.monotonic() + 30, 0
    while not (told := [x for x in g.said() if "more repairs since the last line" in x]):
        assert time.monotonic() < end, g.lines
        lab.router(f"ip -4 rule del pref {before[0].split(':')[0]}")
        n += 1
        wait_for(lambda: rules() == before, what="the rule is back")
    withheld = int(re.search(r"; (\d+) more repairs", told[0])[1])
    assert 1 <= withheld <= n
    assert sum("kernel brought back" in x for x in g.lines) <= 2


# ---- replay ----

def test_a_capture_is_replayed_without_privileges(lab, programs, tmp_path):
    from scapy.layers.inet import IP, UDP
    from scapy.layers.inet6 import IPv6
    from scapy.utils import rdpcap, wrpcap
    conf = tmp_path / "sixgate.yaml"
    conf.write_text("interfaces: {inside: lan0, outside: wan0}\n"
                    "nat64: {pool4: 198.51.100.10, allow-private: true}\n")
    p = IPv6(src="2001:db8:1::2", dst=HOST_IN_64, hlim=64) / UDP(sport=10000, dport=9) / b"hello"
    p.time = 1700000000
    wrpcap(str(tmp_path / "in.pcap"), [p], linktype=101)
    os.chmod(tmp_path, 0o777)
    for parent in tmp_path.parents:
        if str(parent).startswith("/tmp/"):
            os.chmod(parent, 0o755)
    out = subprocess.run(["setpriv", "--reuid=65534", "--clear-groups", programs[0], "-c", str(conf),
                          "--replay", str(tmp_path / "in.pcap"), "--write", str(tmp_path / "out.pcap")],
                         text=True, capture_output=True)
    assert out.returncode == 0, out.stderr
    sent = rdpcap(str(tmp_path / "out.pcap"))
    assert len(sent) == 1
    q = IP(bytes(sent[0]))
    assert (q.src, q.dst, q.ttl, q[UDP].dport, bytes(q[UDP].payload)) == \
        ("198.51.100.10", "198.51.100.2", 63, 9, b"hello")
    assert re.search(r"flows_created_nat64 +1 ", out.stdout)
