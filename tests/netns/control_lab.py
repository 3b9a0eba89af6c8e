"""control_lab - a whole gateway between two hosts: sixgated in the router of netlink_lab's drawing.

The daemon's log is read line by line; wait for what it says, never for time to pass.
"""
import json
import os
import pathlib
import queue
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time

from lab.gateway import with_io
from netlink_lab import ROOT, Lab, wait_for

TARGETS = ("src/sixgated/sixgated", "src/sixgatectl/sixgatectl")
# Any account without rights will do as the user.
BASIC = """
gateway: {user: nobody, control: @DIR@/run/control.sock, workers: 2, flows: 64k}
interfaces: {inside: lan0, outside: wan0}
nat64: {pool4: 198.51.100.10, allow-private: true}
egress6: {prefixes: inside}
"""
DNS64 = "dns64: {upstream: 198.51.100.2}\n"
HOST_IN_64 = "64:ff9b::198.51.100.2"  # the outside host, as the inside host sees it


def build_programs():
    """Programs from $SIXGATE_BUILD or ./build, or built here for the occasion."""
    for d in (os.environ.get("SIXGATE_BUILD"), ROOT / "build"):
        if d and all((pathlib.Path(d) / t).exists() for t in TARGETS):
            return [str(pathlib.Path(d) / t) for t in TARGETS]
        assert not isinstance(d, str), f"SIXGATE_BUILD={d} holds no sixgated"
    d = tempfile.mkdtemp(prefix="sixgate-control-")
    subprocess.run(["meson", "setup", d, str(ROOT)], check=True, stdout=subprocess.DEVNULL)
    subprocess.run(["ninja", "-C", d, *TARGETS], check=True, stdout=subprocess.DEVNULL)
    return [str(pathlib.Path(d) / t) for t in TARGETS]


class Manager:
    """A service manager's end of NOTIFY_SOCKET."""

    def __init__(self, path):
        self.path = path
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(15)

    def expect(self, state):
        while True:
            said = self.socket.recv(4096).decode()
            if state in said.split("\n"):
                return


class Gateway:
    """sixgated in the router of @lab. text is the configuration; see BASIC."""

    def __init__(self, lab, programs, text=BASIC, prefix=(), args=(), wait=True):
        self.lab = lab
        self.daemon, self.tool = programs
        self.dir = tempfile.mkdtemp(prefix="sixgate-gw-")
        os.chmod(self.dir, 0o755)
        self.file = self.dir + "/sixgate.yaml"
        self.socket = self.dir + "/run/control.sock"
        self.lines = []
        self.prefix, self.args = list(prefix), list(args)
        self.write(text)
        self.start(wait)

    def write(self, text):
        self.text = with_io(text.replace("@DIR@", self.dir))
        pathlib.Path(self.file).write_text(self.text)

    def start(self, wait=True):
        self.queue = queue.Queue()
        self.manager = Manager(f"{self.dir}/notify{len(os.listdir(self.dir))}")
        argv = self.prefix + [self.daemon, "-c", self.file, *self.args]
        self.process = self.lab.router.start(argv, text=True, stderr=subprocess.PIPE,
                                             env=dict(os.environ, NOTIFY_SOCKET=self.manager.path))
        self.reader = threading.Thread(target=self.read, args=(self.process, self.queue), daemon=True)
        self.reader.start()
        if wait:
            self.expect(r"ready$")

    @staticmethod
    def read(process, lines):
        for line in process.stderr:
            lines.put(line.rstrip("\n"))
        lines.put(None)

    def expect(self, pattern, timeout=15.0):
        """The next line of the log that matches; those before it are passed over."""
        end = time.monotonic() + timeout
        while True:
            try:
                line = self.queue.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"no line {pattern!r} in {self.lines[-20:]}") from None
            assert line is not None, f"sixgated ended: {self.lines[-20:]}"
            self.lines.append(line)
            m = re.search(pattern, line)
            if m:
                return m

    def pid(self):
        """The daemon itself: `ip netns exec` and `unshare` become it."""
        return self.process.pid

    def child(self):
        text = pathlib.Path(f"/proc/{self.pid()}/task/{self.pid()}/children").read_text()
        return int(text.split()[0])

    def ctl(self, *args, code=0):
        p = subprocess.run([self.tool, "-s", self.socket, *args], text=True, capture_output=True)
        assert p.returncode == code, f"{args}: {p.returncode}: {p.stdout}{p.stderr}{self.said()}"
        return p.stdout + p.stderr

    def ask(self, *args, code=0):
        """The answer as values: one for each line."""
        out = self.ctl("--json", *args, code=code)
        return [json.loads(line) for line in out.splitlines()]

    def counters(self):
        v = self.ask("counters", "--all")[-1]
        return {c["name"]: c["value"] for kind in ("drops", "workers", "dns64") for c in v[kind]}

    def said(self):
        """All lines of the log so far."""
        while not self.queue.empty():
            line = self.queue.get()
            if line is not None:
                self.lines.append(line)
        return self.lines

    def wait_end(self, timeout=15.0):
        code = self.process.wait(timeout)
        self.reader.join(5)
        self.said()
        return code

    def stop(self):
        self.process.terminate()
        return self.wait_end()

    def close(self):
        """End it orderly, so that a sanitizer can say what it has found."""
        if self.process.poll() is None:
            self.process.terminate()
        self.wait_end(30)
        shutil.rmtree(self.dir, ignore_errors=True)
        found = [x for x in self.lines if re.search(r"Sanitizer:|runtime error:", x)]
        assert not found, "\n".join(self.lines)


class ControlLab(Lab):
    """Lab with a gateway, and what the hosts can try."""

    def __init__(self, programs):
        super().__init__()
        self.programs = programs
        self.gateways = []
        self.net("ip route add 2001:db8:1::/64 via 2001:db8:f::1")

    def gateway(self, text=BASIC, **kw):
        g = Gateway(self, self.programs, text, **kw)
        self.gateways.append(g)
        return g

    def ping(self, ns, to, count=2, more=""):
        """Did the answers come? When some did, ping waits for the last one only twice as long as for
        those, which is little while others have the processors: then it is done again."""
        for _ in range(3):
            out = ns(f"ping -n -c {count} -i 0.05 -W 1 {more} {to}", check=False)
            if f" {count} received" in out or " 0 received" in out:
                break
        return f" {count} received" in out

    def gets_out(self):
        return self.ping(self.host, HOST_IN_64) and self.ping(self.host, "2001:db8:f::2")

    def gets_in(self):
        """Does the outside host reach the inside host by itself?"""
        return self.ping(self.net, "2001:db8:1::2")

    def serve(self, ns, address, port):
        """An HTTP server; returns once it answers."""
        # not http.server's own class: that one asks for the host's name, and there is no DNS here
        p = ns.start(["python3", "-c", "import http.server, socket, socketserver\n"
                      "class Server(socketserver.ThreadingTCPServer):\n"
                      "    address_family, allow_reuse_address = "
                      f"socket.{'AF_INET6' if ':' in address else 'AF_INET'}, True\n"
                      f"Server(('{address}', {port}), http.server.SimpleHTTPRequestHandler)"
                      ".serve_forever()\n"], cwd=self.dir.name,
                     stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        url = f"http://[{address}]:{port}/" if ":" in address else f"http://{address}:{port}/"
        wait_for(lambda: ns(f"curl -s -m 1 -o /dev/null -w %{{http_code}} {url}", check=False) == "200",
                 what=f"{url} answers")
        return p

    def close(self):
        try:
            for g in self.gateways:
                g.close()
        finally:
            super().close()
