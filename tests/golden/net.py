"""Addresses, configurations and openings that the cases share."""
from scapy.layers.inet import IP, UDP
from scapy.layers.inet6 import IPv6
from golden import ANY, Var, inside, to_outside

NAT64 = """\
nat64:
  prefix: 2001:db8:64::/96
  pool4: [{address: 198.51.100.10, ports: 5000-5000}]
"""
NAT64_MANY_PORTS = """\
nat64:
  prefix: 2001:db8:64::/96
  pool4: [198.51.100.10]
"""
HOST = "2001:db8:1::5"  # an IPv6-only host inside
POOL = "198.51.100.10"  # the address it shares
PORT = 5000  # the only port and identifier of the pool of NAT64
SERVER4 = "192.0.2.33"  # a server that has IPv4 only,
SERVER6 = "2001:db8:64::c000:221"  # and how the host sees it
ROUTER4 = "192.0.2.1"  # a router on the way there
ROUTER6 = "2001:db8:64::c000:201"
GATEWAY6 = Var("gateway", lambda a: a not in ("::", HOST))  # whence its ICMPv6 errors come

# One question of the host, after which there is a mapping and a session.
UDP_OUT = (
    inside(IPv6(src=HOST, dst=SERVER6) / UDP(sport=4000, dport=53) / b"question"),
    to_outside(IP(src=POOL, dst=SERVER4, ttl=63, id=ANY) /
               UDP(sport=PORT, dport=53) / b"question"),
)
