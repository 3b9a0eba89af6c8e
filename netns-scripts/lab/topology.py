"""The network of the demo and the tests.

                          switch "sw" (three bridges)
  INSIDE                                                                 OUTSIDE
  host6   2001:db8:1::10 --+                                       +-- web4    203.0.113.80
   (IPv6 only; resolver:   | lan                                   |    (IPv4 only: nginx, iperf3)
    2001:db8:1::1)         |                                       +-- web6    2001:db8:2::80
                           |        +--------- gw ----------+      |    (IPv6 only: nginx, iperf3)
                           +--- lan0 2001:db8:1::1          |  net +-- client4 203.0.113.44
                                    |                       |      |    (IPv4 only)
  store1  2001:db8:5::1 ---+--- sto0 2001:db8:5::ff         |      +-- dns     203.0.113.53,
  store2  2001:db8:5::2 ---+        192.0.2.1          wan0 ---+   |            2001:db8:2::53
  store3  192.0.2.31    ---+        |  198.51.100.2         |  |   |    (nsd on IPv4, Unbound on IPv6)
   (object stores)                  |  2001:db8:ffff::2     |  |   |
                                    +-----------------------+  inet 198.51.100.1, 2001:db8:ffff::1
                                                                    203.0.113.1,  2001:db8:2::1

gw has plain default routes to inet and nothing else: what makes it a gateway is Sixgate. inet knows
the way to the inside IPv6 prefixes; pool addresses and VIPs are on its link and must be answered for.
"""
from .netns import Lab

LAN, STORAGE, OUTSIDE6 = "2001:db8:1::/64", "2001:db8:5::/64", "2001:db8:2::/64"
HOST6, WEB4, WEB6, CLIENT4 = "2001:db8:1::10", "203.0.113.80", "2001:db8:2::80", "203.0.113.44"
DNS4, DNS6 = "203.0.113.53", "2001:db8:2::53"
GW_LAN, GW_WAN4, GW_WAN6 = "2001:db8:1::1", "198.51.100.2", "2001:db8:ffff::2"
INET4, INET6 = "198.51.100.1", "2001:db8:ffff::1"
STORES = {"store1": "2001:db8:5::1", "store2": "2001:db8:5::2", "store3": "192.0.2.31"}
POOL4, VIP4, VIP6, SERVICE_SOURCE4 = ("198.51.100.10", "198.51.100.20", "2001:db8:ffff::20",
                                      "198.51.100.21")
EMBED_PREFIX, PREFIX = "2001:db8:64:20::", "64:ff9b::"
S3_PORT = 9000


def nat64(v4):
    """An IPv4 address as the inside sees it."""
    return f"{PREFIX}{v4}"


class Network(Lab):
    """The hosts above as attributes: net.gw, net.host6, net.store["store1"] ..."""

    def __enter__(self):
        super().__enter__()
        try:
            self.build()
        except BaseException:
            self.close()
            raise
        return self

    def build(self):
        for name in ("sw", "gw", "inet", "host6", "web4", "web6", "client4", "dns", *STORES):
            setattr(self, name, self.host(name))
        self.store = {name: self.hosts[name] for name in STORES}
        self.switch(self.sw, "lan", (self.gw, "lan0"), (self.host6, "eth0"))
        self.switch(self.sw, "sto", (self.gw, "sto0"), *((h, "eth0") for h in self.store.values()))
        self.switch(self.sw, "net", (self.inet, "net0"),
                    *((h, "eth0") for h in (self.web4, self.web6, self.client4, self.dns)))
        self.link(self.gw, "wan0", self.inet, "wan0")
        self.number_inside()
        self.number_outside()

    def number_inside(self):
        self.gw.address("lan0", f"{GW_LAN}/64")
        self.gw.address("sto0", "2001:db8:5::ff/64", "192.0.2.1/24")
        self.gw.address("wan0", f"{GW_WAN4}/24", f"{GW_WAN6}/64")
        self.gw.route("default", INET4)
        self.gw.route("default", INET6)
        self.gw.forwarding()
        self.host6.address("eth0", f"{HOST6}/64")
        self.host6.route("default", GW_LAN)
        self.host6.resolver(GW_LAN)
        for name, address in STORES.items():
            v6 = ":" in address
            self.store[name].address("eth0", f"{address}/{64 if v6 else 24}")
            self.store[name].route("default", "2001:db8:5::ff" if v6 else "192.0.2.1")

    def number_outside(self):
        self.inet.address("wan0", f"{INET4}/24", f"{INET6}/64")
        self.inet.address("net0", "203.0.113.1/24", "2001:db8:2::1/64")
        self.inet.forwarding()
        self.inet.route(LAN, GW_WAN6)
        self.inet.route(STORAGE, GW_WAN6)
        for host, address in ((self.web4, WEB4), (self.client4, CLIENT4), (self.dns, DNS4)):
            host.address("eth0", f"{address}/24")
            host.route("default", "203.0.113.1")
        for host, address in ((self.web6, WEB6), (self.dns, DNS6)):
            host.address("eth0", f"{address}/64")
            host.route("default", "2001:db8:2::1")
        self.client4.resolver(DNS4)
        self.web6.resolver(DNS6)
