"""The demo: what Sixgate does, step by step, on real traffic. Started by netns-scripts/demo."""
import argparse
import hashlib
import json
import os
import signal
import sys
import time

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lab import configs, servers  # noqa: E402
from lab.gateway import Gateway, default_build  # noqa: E402
from lab.netns import Failed, run, stop, wait_until  # noqa: E402
from lab.topology import (CLIENT4, DNS4, GW_WAN4, HOST6, Network, PREFIX, S3_PORT,  # noqa: E402
                          VIP4, VIP6, WEB4, WEB6, nat64)

LOAD = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lab", "load.py")
GIB = 1 << 30


class Demo:
    def __init__(self, net, options):
        self.net, self.options = net, options
        self.gateway = Gateway(net.gw, options.build)
        self.stores = {}
        self.n_ok, self.failed = 0, []

    # -- printing ---------------------------------------------------------------------------------
    def step(self, what, action):
        """One line for one thing tried: what, and what was seen."""
        print(f"  ...  {what}", end="\r" if sys.stdout.isatty() else "\n", flush=True)
        start = time.monotonic()
        try:
            seen = action()
        except Failed as e:
            self.failed.append(what)
            print(f"FAILED {what}\n       {e}", flush=True)
            return
        self.n_ok += 1
        lines = str(seen).splitlines() or [""]
        took = time.monotonic() - start
        head = lines[0] if len(lines) == 1 else ""
        print(f"  ok   {what}: {head} ({took:.1f} s)", flush=True)
        for line in lines if len(lines) > 1 else []:
            print(f"       | {line}", flush=True)

    # -- setting up -------------------------------------------------------------------------------
    def start_servers(self):
        net = self.net
        servers.web(net.web4, WEB4)
        servers.web(net.web6, WEB6, v6=True)
        servers.iperf(net.web4)
        servers.name_servers(net)
        self.stores = servers.start_stores(net)
        net.web4.run("ping", "-c1", "-W2", "203.0.113.1")
        return "nginx, iperf3, nsd, Unbound and three object stores listen"

    def start_gateway(self):
        config = configs.full(self.gateway.control, self.options.shared_address, self.options.io,
                              self.options.workers)
        self.gateway.start(config)
        return f"ready; configuration in {self.gateway.config}"

    # -- an IPv6-only host meets the IPv4 Internet ----------------------------------------------------
    def name_becomes_aaaa(self):
        got = self.net.host6.out("dig", "+short", "AAAA", "www4.shop.example")
        if nat64("cb00:7150") != got:
            raise Failed(f"AAAA of www4.shop.example is {got!r}")
        return got

    def fetch_by_name(self):
        got = self.net.host6.out("curl", "-sS", "-m10", "http://www4.shop.example/")
        if got != "hello from web4":
            raise Failed(got)
        return f'"{got}"; its log: {self.new_line(self.net.web4)}'

    def new_line(self, host):
        """The log line of the request that was just answered: it is written a moment later."""
        return wait_until(lambda: self.last_line(host), f"{host.name} has logged it", timeout=2)

    def last_line(self, host):
        with open(self.net.path(f"{host.name}-access.log")) as f:
            return (f.readlines() or [""])[-1].strip()

    def count_lines(self, host, what):
        with open(self.net.path(f"{host.name}-access.log")) as f:
            return sum(what in line for line in f)

    def ping_by_name(self):
        out = self.net.host6.out("ping", "-6", "-c5", "-i0.2", "-W2", "www4.shop.example")
        if " 0% packet loss" not in out:
            raise Failed(out)
        return out.splitlines()[-1]

    def query_ipv4_only_dns(self):
        got = self.net.host6.out("dig", "+short", "+notcp", f"@{nat64(DNS4)}", "TXT",
                                 "text.shop.example")
        if got != '"from an IPv4-only name server"':
            raise Failed(got)
        return got

    def move_a_gibibyte(self):
        text = self.net.host6.run("iperf3", "-6", "-J", "-c", "www4.shop.example", "-n", GIB,
                                  timeout=240).stdout
        try:
            end = json.loads(text)["end"]["sum_received"]
        except (ValueError, KeyError):
            raise Failed(text[-300:]) from None
        if end["bytes"] < GIB * 0.99:
            raise Failed(f"only {end['bytes']} bytes arrived")
        return (f"{end['bytes'] / GIB:.2f} GiB in {end['seconds']:.1f} s, "
                f"{end['bits_per_second'] / 1e9:.2f} Gbit/s")

    # -- egress6 --------------------------------------------------------------------------------------
    def reach_ipv6_server(self):
        got = self.net.host6.out("curl", "-sS", "-m10", "http://www6.shop.example/")
        seen = self.new_line(self.net.web6)
        if got != "hello from web6" or not seen.startswith(HOST6):
            raise Failed(f"{got!r}, logged as {seen!r}")
        return f'"{got}"; its log: {seen}'

    def nobody_gets_in(self):
        servers.web(self.net.host6, HOST6, v6=True)
        self.net.host6.run("curl", "-sS", "-m5", "-o/dev/null", f"http://[{HOST6}]/")
        before = self.dropped("unsolicited")
        tried = self.net.web6.run("curl", "-sS", "-m3", f"http://[{HOST6}]/", check=False)
        if tried.returncode == 0:
            raise Failed("the connection was opened")
        dropped = self.dropped("unsolicited") - before
        if dropped < 1:
            raise Failed(f"refused, but not by us: {tried.stdout.strip()}")
        return f"{tried.stdout.strip().splitlines()[-1]}; {dropped} packets counted as unsolicited"

    def dropped(self, reason):
        """A drop counter by its name in `sixgatectl counters --all`."""
        for line in self.gateway.ctl("counters", "--all").splitlines():
            words = line.split()
            if reason in words[0:1]:
                return int(words[1])
        raise Failed(f"no counter {reason}")

    # -- one service, two families ----------------------------------------------------------------------
    def nodes_are_up(self):
        wait_until(lambda: self.gateway.ctl("nodes").count(" up") >= 3, "three nodes are up", 15)
        return self.gateway.ctl("nodes").rstrip()

    def put_and_get(self, host, vip, n=12):
        at = f"http://{'[%s]' % vip if ':' in vip else vip}:{S3_PORT}/{host.name}"
        path, nodes = self.net.path(f"{host.name}-object"), set()
        for i in range(n):
            body = os.urandom(32 << 20 if i == 0 else 64 << 10)
            with open(path, "wb") as f:
                f.write(body)
            host.run("curl", "-sSf", "-m30", "-T", path, f"{at}/{i}")
            out = host.sh(f"curl -sSf -m30 -D {path}.head {at}/{i} | sha256sum").stdout
            if out.split()[0] != hashlib.sha256(body).hexdigest():
                raise Failed(f"object {i} came back different")
            with open(f"{path}.head") as f:
                nodes |= {line.split()[1] for line in f if line.startswith("X-Node:")}
        return f"{n} objects put and got, checksums equal, from {', '.join(sorted(nodes))}"

    def node_logs_own_address(self):
        embedded, seen = servers.embedded(), []
        for name in ("store1", "store2", "store3"):
            want = CLIENT4 if name == "store3" else embedded
            with open(self.net.path(f"{name}-access.log")) as f:
                lines = [line.strip() for line in f if line.startswith(want + " ")]
            if not lines:
                raise Failed(f"{name} has not seen {want}")
            seen.append(f"{name}: {lines[-1]}")
        return "\n".join(seen)

    def node_dies(self):
        loads = []
        with open(self.net.path("objects/probe"), "wb") as f:
            f.write(bytes(4096))
        for host, vip in ((self.net.client4, VIP4), (self.net.host6, f"[{VIP6}]")):
            p = host.start("/usr/bin/python3", LOAD, f"http://{vip}:{S3_PORT}/probe", 75, 6, 4096,
                           "again", log=f"{host.name}-load.log")
            loads.append((host, p))
        for _, p in loads:
            wait_until(lambda p=p: "started" in open(p.log_path).read(), "the load runs")
        wait_until(lambda: self.count_lines(self.net.store["store1"], "/probe") > 40, "store1 has work")
        stop(self.stores["store1"], signal.SIGKILL)
        killed = time.monotonic()
        wait_until(lambda: any("store1" in line and "down" in line
                               for line in self.gateway.ctl("nodes").splitlines()),
                   "store1 counts as down", 10)
        down_after = time.monotonic() - killed
        return self.judge_loads(loads, down_after)

    def judge_loads(self, loads, down_after):
        seen = []
        for host, p in loads:
            p.wait(40)
            with open(p.log_path) as f:
                result = json.loads(f.readlines()[-1])
            if result["failed"]:
                raise Failed(f"{host.name}: {result}")
            seen.append(f"{host.name}: {result['tried']} requests, none failed"
                        f"{self.say_cut(result['cut'])}, slowest {result['slowest_ms']:.0f} ms, "
                        f"served by {result['nodes']}")
        return "\n".join([f"store1 killed, noticed after {down_after:.1f} s", *seen])

    @staticmethod
    def say_cut(n):
        return f" ({n} cut off in mid-answer by the kill and asked again)" if n else ""

    def node_returns(self):
        self.stores["store1"] = servers.store(self.net.store["store1"], "2001:db8:5::1")
        return self.nodes_are_up()

    # -- what it looks like -------------------------------------------------------------------------------
    def trace(self):
        out = self.net.host6.out("traceroute", "-6", "-n", "-q1", "-N1", "-w2", nat64(WEB4))
        hops = [line.split()[1] for line in out.splitlines()[1:]]
        if len(hops) != 3 or hops[2] != nat64("cb00:7150"):
            raise Failed(out)
        return out

    def status(self):
        return self.gateway.ctl("status").rstrip()

    # -- the router itself, on the address it shares ---------------------------------------------------------
    def router_fetches(self):
        got = self.net.gw.out("curl", "-sS", "-m10", f"http://{WEB4}/")
        seen = wait_until(lambda: (line := self.last_line(self.net.web4)).startswith(GW_WAN4) and line,
                          f"web4 has logged {GW_WAN4}", timeout=2)
        if got != "hello from web4":
            raise Failed(got)
        return f'"{got}"; its log: {seen}'

    def router_pings(self):
        out = self.net.gw.out("ping", "-4", "-c3", "-i0.2", "-W2", WEB4)
        if " 0% packet loss" not in out:
            raise Failed(out)
        return out.splitlines()[-1]

    def router_is_reached(self):
        _, options = servers.sshd(self.net.gw, GW_WAN4)
        got = self.net.client4.out("ssh", *options, f"root@{GW_WAN4}", "ip -o -4 addr show wan0")
        if GW_WAN4 not in got:
            raise Failed(got)
        return f"ssh from client4: {' '.join(got.split()[:4])}"

    def host_behind_it_is_reached(self):
        url = f"http://{GW_WAN4}:{configs.SHARED_PORT}/probe"
        self.net.client4.run("curl", "-sSf", "-m10", "-o/dev/null", url)
        want = servers.embedded(CLIENT4, PREFIX)
        line = wait_until(lambda: (line := self.last_line(self.net.store["store1"])).startswith(want)
                          and line, f"store1 has logged {want}", timeout=2)
        return f"{url}; store1's log: {line}"

    def run(self):
        print("The network")
        self.step("servers of the Internet and the storage network", self.start_servers)
        self.step("sixgated on gw", self.start_gateway)
        if self.failed:
            return
        print("An IPv6-only host whose only resolver is the gateway")
        self.step("host6 asks for the AAAA of an IPv4-only name", self.name_becomes_aaaa)
        self.step("host6 fetches a page by name from the IPv4-only nginx", self.fetch_by_name)
        self.step("host6 pings it by name", self.ping_by_name)
        self.step("host6 asks an IPv4-only DNS server over UDP", self.query_ipv4_only_dns)
        self.step("host6 moves 1 GiB to it by iperf3", self.move_a_gibibyte)
        print("IPv6 outward, and nobody inward")
        self.step("host6 fetches a page from an IPv6 server", self.reach_ipv6_server)
        self.step("that server tries to open a connection back", self.nobody_gets_in)
        print("One dual-stack service, two IPv6-only nodes and an IPv4-only one")
        self.step("health checks, through the data plane too, find all nodes", self.nodes_are_up)
        self.step("an IPv4-only client puts and gets objects",
                  lambda: self.put_and_get(self.net.client4, VIP4))
        self.step("an IPv6-only client puts and gets objects",
                  lambda: self.put_and_get(self.net.host6, VIP6))
        self.step("the nodes' logs show the IPv4 client's own address", self.node_logs_own_address)
        self.step("a node is killed under 150 new connections a second", self.node_dies)
        self.step("the node comes back", self.node_returns)
        if self.options.shared_address:
            print("The router itself, on the address it shares")
            self.step("gw fetches a page", self.router_fetches)
            self.step("gw pings", self.router_pings)
            self.step("gw is reached by ssh", self.router_is_reached)
            self.step("client4 reaches an IPv6-only node on it, by a static entry",
                      self.host_behind_it_is_reached)
        print("What it looks like")
        self.step("traceroute from host6 to the IPv4 server", self.trace)
        self.step("sixgatectl status", self.status)


def say_how_to_enter(net, demo):
    print("\nStill running. To enter a host:")
    for host in net.hosts.values():
        print(f"  ip netns exec {host.ns} bash")
    print(f"sixgatectl:  ip netns exec {net.gw.ns} {demo.gateway.binary('sixgatectl')} "
          f"-s {demo.gateway.control} status")
    name = "" if net.prefix == "sixgate" else f" --name {net.prefix}"
    print(f"Logs and configuration: {net.dir}\nTo end it: netns-scripts/demo --clean{name}")


def main():
    p = argparse.ArgumentParser(prog="demo", description="Sixgate's whole job on real traffic.")
    p.add_argument("--keep", action="store_true", help="leave it running, say how to enter each host")
    p.add_argument("--shared-address", action="store_true", help="NAT64 on the router's own address")
    p.add_argument("--io", default="auto", choices=["auto", "tun", "xdp"])
    p.add_argument("--workers", type=int, default=1)
    p.add_argument("--build", default=default_build(), help="build directory to take sixgated from")
    p.add_argument("--name", default="sixgate", help="begin the names of the namespaces with this")
    p.add_argument("--clean", action="store_true", help="remove what --keep has left, then end")
    options = p.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also in the background of a shell
    network = Network(options.name, keep=options.keep)
    if options.clean:
        network.close()
        return 0
    try:
        with network as net:
            demo = Demo(net, options)
            demo.run()
            if options.keep:
                say_how_to_enter(net, demo)
            elif demo.failed and demo.gateway.program:
                print("\nLast lines of sixgated's log:")
                print(run("tail", "-n30", demo.gateway.program.log_path).stdout)
    except Failed as e:
        print(f"demo: {e}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        if options.keep:
            network.close()
        print("\ninterrupted; everything is removed")
        return 130
    print(f"\n{demo.n_ok} of {demo.n_ok + len(demo.failed)} things tried worked" +
          "".join(f"\n  failed: {what}" for what in demo.failed))
    return 1 if demo.failed else 0


if __name__ == "__main__":
    sys.exit(main())
