"""A chain of routers with the gateway in the middle, for tests of paths.

  INSIDE (IPv6 only)                                                          OUTSIDE (IPv4 only)
  c1 2001:db8:11::10 -- ::1 +-----+                                                        192.0.2.80 s4
                            | rin | 2001:db8:1::2 -- 2001:db8:1::1 gw 198.51.100.2 --+    (and .81) |
  c2 2001:db8:12::10 -- ::1 +-----+                 lan0       wan0                  |              |
                                                        198.51.100.1 r1 203.0.113.1 -- 203.0.113.2 mid
                                                                     r1 203.0.113.129 -- 203.0.113.200 t4

Every link is a cable of its own, so that each can have an MTU of its own. s4 has two addresses; t4 is
a third party.
"""
from .netns import Lab

C1, C2, S4, S4B, T4 = ("2001:db8:11::10", "2001:db8:12::10", "192.0.2.80", "192.0.2.81",
                       "203.0.113.200")
RIN1, RIN2, GW6, GW4, R1, MID = ("2001:db8:11::1", "2001:db8:12::1", "2001:db8:1::1",
                                 "198.51.100.2", "198.51.100.1", "203.0.113.2")
POOL4 = "198.51.100.10"
ROUTERS = ("rin", "r1", "mid")


class Chain(Lab):
    """The hosts above as attributes. narrow() sets MTUs until widen()."""

    def __enter__(self):
        super().__enter__()
        try:
            self.build()
        except BaseException:
            self.close()
            raise
        return self

    def build(self):
        for name in ("c1", "c2", "rin", "gw", "r1", "mid", "s4", "t4"):
            setattr(self, name, self.host(name))
        self.cables = {"c1-rin": (self.c1, "eth0", self.rin, "c1"),
                       "c2-rin": (self.c2, "eth0", self.rin, "c2"),
                       "rin-gw": (self.rin, "up0", self.gw, "lan0"),
                       "gw-r1": (self.gw, "wan0", self.r1, "gw0"),
                       "r1-mid": (self.r1, "mid0", self.mid, "r1"),
                       "r1-t4": (self.r1, "t4", self.t4, "eth0"),
                       "mid-s4": (self.mid, "s4", self.s4, "eth0")}
        for cable in self.cables.values():
            self.link(*cable)
        self.narrowed = set()
        self.number_inside()
        self.number_outside()
        for name in ROUTERS:
            host = self.hosts[name]
            host.forwarding()
            host.sysctl("net.ipv4.icmp_ratelimit", 0)
            host.sysctl("net.ipv6.icmp.ratelimit", 0)
        self.gw.forwarding()
        for host in (self.c1, self.c2, self.gw, self.s4):
            host.sysctl("net.ipv4.icmp_ratelimit", 0)
            host.sysctl("net.ipv6.icmp.ratelimit", 0)

    def number_inside(self):
        self.c1.address("eth0", f"{C1}/64")
        self.c2.address("eth0", f"{C2}/64")
        self.rin.address("c1", f"{RIN1}/64")
        self.rin.address("c2", f"{RIN2}/64")
        self.rin.address("up0", "2001:db8:1::2/64")
        self.gw.address("lan0", f"{GW6}/64")
        # They claim 1500 bytes even when their own cable carries less: the others have to find out.
        self.c1.ip("-6", "route", "add", "default", "via", RIN1, "advmss", "1440")
        self.c2.ip("-6", "route", "add", "default", "via", RIN2, "advmss", "1440")
        self.rin.route("default", GW6)
        self.gw.route("2001:db8:11::/64", "2001:db8:1::2")
        self.gw.route("2001:db8:12::/64", "2001:db8:1::2")

    def number_outside(self):
        self.gw.address("wan0", f"{GW4}/24")
        self.gw.route("default", R1)
        self.r1.address("gw0", f"{R1}/24")
        self.r1.address("mid0", "203.0.113.1/25")
        self.r1.address("t4", "203.0.113.129/25")
        self.r1.route("192.0.2.0/24", MID)
        self.mid.address("r1", f"{MID}/25")
        self.mid.address("s4", "192.0.2.1/24")
        self.mid.route("default", "203.0.113.1")
        self.s4.address("eth0", f"{S4}/24", f"{S4B}/24")
        self.s4.route("default", "192.0.2.1")
        self.t4.address("eth0", f"{T4}/25")
        self.t4.route("default", "203.0.113.129")

    def set_mtu(self, cable, mtu):
        a, device_a, b, device_b = self.cables[cable]
        a.ip("link", "set", device_a, "mtu", mtu)
        b.ip("link", "set", device_b, "mtu", mtu)

    def narrow(self, **mtus):
        """c1_rin=1280: the cable between c1 and rin carries 1280 bytes."""
        for name, mtu in mtus.items():
            cable = name.replace("_", "-")
            self.set_mtu(cable, mtu)
            self.narrowed.add(cable)

    def widen(self):
        """All cables carry 1500 bytes again, and nobody remembers otherwise."""
        for cable in self.narrowed:
            self.set_mtu(cable, 1500)
        self.narrowed.clear()
        self.forget_mtus()

    def forget_mtus(self):
        for host in (self.c1, self.c2, self.rin):
            host.ip("-6", "route", "flush", "cache")
        for host in (self.s4, self.t4, self.r1, self.mid):
            host.ip("route", "flush", "cache")
