"""Addresses and configurations that the cases share."""
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
