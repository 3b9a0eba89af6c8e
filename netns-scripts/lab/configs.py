"""Configuration files for the topology's gateway."""
from .topology import (DNS6, EMBED_PREFIX, GW_WAN4, POOL4, S3_PORT, SERVICE_SOURCE4, STORES, VIP4,
                       VIP6)

SHARED_PORT = 19000  # of the router's own address: leads to store1 where that address is shared


def services(health="http: {path: /health}, interval: 500ms, timeout: 300ms, rise: 2, fall: 2",
             scheduler="p2c"):
    nodes = "\n".join(f"      - {{name: {name}, address: {address}, port: {S3_PORT}}}"
                      for name, address in STORES.items())
    return f"""
services:
  - name: s3
    addresses: [{VIP4}, {VIP6}]
    protocol: tcp
    port: {S3_PORT}
    nodes:
{nodes}
    scheduler: {scheduler}
    source: {{v4: {SERVICE_SOURCE4}, v6: "2001:db8:64:21::"}}
    embed-prefix: {EMBED_PREFIX}/96
    health: {{{health}}}
"""


def shared_entry():
    return f"""
  static:
    - protocol: tcp
      inside: {{address: "{STORES['store1']}", port: {S3_PORT}}}
      outside: {{address: {GW_WAN4}, port: {SHARED_PORT}}}"""


def full(control, shared_address=False, io="auto", workers=1, **kw):
    """All four jobs. The addresses are for documentation, hence allow-private."""
    return f"""
gateway:
  name: lab
  workers: {workers}
  flows: 64k
  user: nobody
  control: {control}
interfaces: {{inside: [lan0, sto0], outside: wan0, io: {io}}}
nat64:
  pool4: {'outside' if shared_address else POOL4}
  allow-private: true{shared_entry() if shared_address else ''}
dns64: {{upstream: "{DNS6}"}}
egress6: {{prefixes: inside}}
""" + services(**kw)
