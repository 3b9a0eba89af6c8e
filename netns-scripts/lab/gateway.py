"""sixgated and sixgatectl in a namespace."""
import json
import os
import re
import signal

from .netns import Failed, NotifySocket, stop

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def default_build():
    return os.environ.get("SIXGATE_BUILD", os.path.join(TOP, "build"))


def with_io(config):
    """The configuration with the packet I/O that SIXGATE_IO names, where it names none itself."""
    io = os.environ.get("SIXGATE_IO")
    if not io or re.search(r"\bio: (?!auto)", config):
        return config
    config = re.sub(r",? *\bio: auto\b", "", config)
    return re.sub(r"^interfaces: \{", f"interfaces: {{io: {io}, ", config, flags=re.MULTILINE)


class Gateway:
    """The daemon on one host. start() returns when it says that it is ready."""

    def __init__(self, host, build=None):
        self.host, self.build, self.program, self.config = host, build or default_build(), None, None
        self.control = host.lab.path(f"{host.name}-control.sock")

    def binary(self, name):
        return os.path.join(self.build, "src", name, name)

    def write(self, config):
        config = with_io(config)
        self.config = self.host.lab.write(f"{self.host.name}-sixgate.yaml", config)
        return self.config

    def start(self, config=None, timeout=30.0):
        if config:
            self.write(config)
        notify = NotifySocket(self.host.lab.path(f"{self.host.name}-notify.sock"))
        self.program = self.host.start(self.binary("sixgated"), "-c", self.config,
                                       log=f"{self.host.name}-sixgated.log",
                                       env={"NOTIFY_SOCKET": notify.path})
        try:
            notify.wait_ready(self.program, timeout)
        finally:
            notify.close()
        return self

    def stop(self, how=signal.SIGTERM, timeout=15.0):
        return stop(self.program, how, timeout)

    def log(self):
        with open(self.program.log_path, errors="replace") as f:
            return f.read()

    def ctl(self, *words, check=True):
        return self.host.run(self.binary("sixgatectl"), "-s", self.control, *words, check=check).stdout

    def ctl_json(self, *words):
        text = self.ctl(*words, "--json")
        try:
            return json.loads(text)
        except ValueError:
            return [json.loads(line) for line in text.splitlines()]

    def teardown(self):
        """Remove the guard, which outlives the daemon on purpose."""
        return self.ctl("teardown")

    def check_alive(self):
        if self.program.poll() is not None:
            raise Failed(f"sixgated has ended with {self.program.returncode}:\n{self.log()[-3000:]}")
