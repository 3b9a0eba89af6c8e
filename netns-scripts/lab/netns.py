"""Network namespaces, the links between them and the programs that run in them.

A Lab owns what it makes: leaving its context ends every program it started and removes every
namespace, also after an exception. Leftovers of a run that was killed are removed first.
"""
import fcntl
import os
import shutil
import signal
import socket
import subprocess
import time


class Failed(Exception):
    """A command that had to succeed did not, or something did not happen in time."""


def run(*command, check=True, timeout=60, text_in=None):
    """Run a command to its end. Returns the CompletedProcess, output as text."""
    done = subprocess.run([str(c) for c in command], input=text_in, text=True, timeout=timeout,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace")
    if check and done.returncode != 0:
        raise Failed(f"{' '.join(str(c) for c in command)}: {done.stdout.strip()}")
    return done


def wait_until(claim, what, timeout=10.0, every=0.02):
    """Wait for something that tells nobody when it happens. Returns what claim() returned."""
    end = time.monotonic() + timeout
    while True:
        result = claim()
        if result:
            return result
        if time.monotonic() > end:
            raise Failed(f"after {timeout:g} s still not: {what}")
        time.sleep(every)


def queues():
    """Of a veth: over AF_XDP one for each of two workers, else what the kernel gives it."""
    over_xdp = os.environ.get("SIXGATE_IO") == "xdp"
    return ["numrxqueues", "2", "numtxqueues", "2"] if over_xdp else []


class Host:
    """One namespace. `name` is what the topology calls it, `ns` what the kernel calls it."""

    def __init__(self, lab, name):
        self.lab, self.name, self.ns = lab, name, f"{lab.prefix}-{name}"
        self.etc = f"/etc/netns/{self.ns}"
        run("ip", "netns", "add", self.ns)
        lab.note(self.ns)
        self.ip("link", "set", "lo", "up")
        self.sysctl("net.ipv6.conf.all.accept_dad", 0)
        self.sysctl("net.ipv6.conf.default.accept_dad", 0)

    def ip(self, *args, check=True):
        return run("ip", "-n", self.ns, *args, check=check).stdout

    def run(self, *command, check=True, timeout=60, text_in=None):
        return run("ip", "netns", "exec", self.ns, *command, check=check, timeout=timeout,
                   text_in=text_in)

    def sh(self, script, check=True, timeout=60):
        return self.run("sh", "-c", script, check=check, timeout=timeout)

    def out(self, *command, timeout=60):
        return self.run(*command, timeout=timeout).stdout.strip()

    def start(self, *command, log=None, env=None):
        """Start a program; the lab ends it. Its output goes to a file of the lab."""
        path = self.lab.path(log or f"{self.name}-{os.path.basename(str(command[0]))}.log")
        with open(path, "ab") as out:
            p = subprocess.Popen(["ip", "netns", "exec", self.ns, *map(str, command)], stdout=out,
                                 stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                                 env={**os.environ, **(env or {})}, start_new_session=True)
        p.log_path = path
        self.lab.programs.append(p)
        return p

    def sysctl(self, key, value):
        self.run("sh", "-c", f"echo {value} > /proc/sys/{key.replace('.', '/')}")

    def read_sysctl(self, key):
        return self.out("cat", f"/proc/sys/{key.replace('.', '/')}")

    def address(self, device, *addresses):
        for a in addresses:
            if ":" in a:
                self.ip("addr", "add", a, "dev", device, "nodad")
            else:
                self.ip("addr", "add", a, "dev", device)
        self.ip("link", "set", device, "up")

    def route(self, prefix, via):
        self.ip("-6" if ":" in via else "-4", "route", "replace", prefix, "via", via)

    def forwarding(self):
        self.sysctl("net.ipv4.conf.all.forwarding", 1)
        self.sysctl("net.ipv6.conf.all.forwarding", 1)

    def resolver(self, address):
        """What /etc/resolv.conf says in this namespace."""
        os.makedirs(self.etc, exist_ok=True)
        with open(f"{self.etc}/resolv.conf", "w") as f:
            f.write(f"nameserver {address}\n")

    def listens(self, port, udp=False):
        """Whether somebody here listens on the port."""
        return self.out("ss", "-Hln", "-u" if udp else "-t", f"sport = :{port}") != ""

    def wait_listening(self, port, udp=False, program=None, timeout=10.0):
        def claim():
            if program and program.poll() is not None:
                raise Failed(f"{self.name}: ended with {program.returncode}: {tail(program)}")
            return self.listens(port, udp)
        wait_until(claim, f"{self.name} listens on port {port}", timeout)

    def remove(self):
        run("ip", "netns", "del", self.ns, check=False)
        shutil.rmtree(self.etc, ignore_errors=True)


def tail(program, lines=15):
    with open(program.log_path, errors="replace") as f:
        return "".join(f.readlines()[-lines:])


def stop(program, how=signal.SIGTERM, timeout=10.0):
    """End a program that was started here. Returns its exit code."""
    if program.poll() is None:
        program.send_signal(how)
        try:
            program.wait(timeout)
        except subprocess.TimeoutExpired:
            program.kill()
            program.wait()
    return program.returncode


class Lab:
    """Namespaces and programs of one topology; a context manager."""

    def __init__(self, prefix=None, keep=False):
        self.prefix = prefix or f"sg{os.getpid()}"
        self.keep = keep
        self.hosts, self.programs = {}, []
        self.dir = f"/run/{self.prefix}-lab"  # for files of its programs
        self.made = f"{self.dir}.made"  # names of the namespaces that are its own; nobody else's are touched
        self.lock, self.lock_path = None, f"{self.dir}.lock"

    def __enter__(self):
        self.lock = open(self.lock_path, "w")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Failed(f"a lab with namespaces {self.prefix}-* is running already") from None
        self.sweep()
        os.makedirs(self.dir, 0o755)
        return self

    def __exit__(self, *exc):
        if not self.keep:
            self.close()

    def path(self, name):
        return os.path.join(self.dir, name)

    def write(self, name, text, mode=0o644):
        path = self.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as f:
            f.write(text)
        os.chmod(path, mode)
        return path

    def host(self, name):
        self.hosts[name] = Host(self, name)
        return self.hosts[name]

    def link(self, a, device_a, b, device_b):
        """A cable: a veth pair between two hosts, both ends up."""
        a.ip("link", "add", "name", device_a, *queues(), "type", "veth", "peer", "name", device_b, *queues(),
             "netns", b.ns)
        a.ip("link", "set", device_a, "up")
        b.ip("link", "set", device_b, "up")

    def switch(self, host, bridge, *members):
        """A bridge in `host`; members are (host, device) that get a cable to it."""
        host.ip("link", "add", bridge, "type", "bridge", "mcast_snooping", "0")
        host.ip("link", "set", bridge, "up")
        for member, device in members:
            port = f"{bridge}-{member.name}"[:15]
            self.link(host, port, member, device)
            host.ip("link", "set", port, "master", bridge)

    def note(self, ns):
        with open(self.made, "a") as f:
            f.write(ns + "\n")

    def sweep(self):
        """What this run, or an earlier one with the same prefix, has left behind."""
        try:
            with open(self.made) as f:
                ours = set(f.read().split())
        except FileNotFoundError:
            ours = set()
        names = [line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines() if line.strip()]
        for ns in names:
            if ns not in ours:
                continue
            for pid in run("ip", "netns", "pids", ns, check=False).stdout.split():
                try:
                    os.kill(int(pid), signal.SIGKILL)
                except ProcessLookupError:
                    pass
            run("ip", "netns", "del", ns, check=False)
            shutil.rmtree(f"/etc/netns/{ns}", ignore_errors=True)
        shutil.rmtree(self.dir, ignore_errors=True)
        if os.path.exists(self.made):
            os.unlink(self.made)

    def close(self):
        for p in reversed(self.programs):
            if p.poll() is None:
                p.terminate()
        end = time.monotonic() + 5
        for p in reversed(self.programs):
            try:
                p.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                p.kill()
                p.wait()
        self.programs = []
        self.sweep()  # daemons that have left their parents, too
        self.hosts = {}
        if os.path.exists(self.lock_path):
            os.unlink(self.lock_path)
        if self.lock:
            self.lock.close()


class NotifySocket:
    """What systemd gives a service of type notify: tells when it is ready."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        os.chmod(path, 0o777)

    def close(self):
        self.socket.close()
        os.unlink(self.path)

    def wait_ready(self, program, timeout=20.0):
        end = time.monotonic() + timeout
        self.socket.settimeout(0.1)
        while time.monotonic() < end:
            try:
                if "READY=1" in self.socket.recv(4096).decode():
                    return
            except socket.timeout:
                if program.poll() is not None:
                    raise Failed(f"ended with {program.returncode}: {tail(program)}") from None
        raise Failed(f"not ready after {timeout:g} s: {tail(program)}")
