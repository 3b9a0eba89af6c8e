"""Real servers for the hosts of a topology: nginx, nsd, Unbound, iperf3, sshd."""
import ipaddress
import os

from .netns import run
from .topology import (CLIENT4, DNS4, DNS6, EMBED_PREFIX, S3_PORT, STORES, VIP4, VIP6, WEB4, WEB6)

ZONE = f"""$ORIGIN shop.example.
$TTL 300
@     IN SOA ns hostmaster 1 3600 600 86400 60
@     IN NS  ns
ns    IN A    {DNS4}
www4  IN A    {WEB4}
alias IN CNAME www4
www6  IN AAAA {WEB6}
both  IN A    {WEB4}
both  IN AAAA {WEB6}
s3    IN A    {VIP4}
s3    IN AAAA {VIP6}
text  IN TXT  "from an IPv4-only name server"
"""

REVERSE = f"""$ORIGIN 113.0.203.in-addr.arpa.
$TTL 300
@   IN SOA ns.shop.example. hostmaster.shop.example. 1 3600 600 86400 60
@   IN NS  ns.shop.example.
80  IN PTR www4.shop.example.
44  IN PTR client4.shop.example.
"""


def nginx(host, server, extra=""):
    """nginx with one server block; its access log says who asked."""
    lab, name = host.lab, host.name
    log = lab.path(f"{name}-access.log")
    conf = lab.write(f"{name}-nginx.conf", f"""
worker_processes 1;
pid {lab.path(name + '-nginx.pid')};
error_log {lab.path(name + '-nginx-error.log')};
events {{ worker_connections 4096; }}
http {{
  log_format who '$remote_addr "$request" $status';
  access_log {log} who;
  client_max_body_size 0;
  client_body_temp_path {lab.path(name + '-body')};
  proxy_temp_path {lab.path(name + '-proxy')};
  fastcgi_temp_path {lab.path(name + '-fastcgi')};
  uwsgi_temp_path {lab.path(name + '-uwsgi')};
  scgi_temp_path {lab.path(name + '-scgi')};
  {extra}
  server {{ {server} }}
}}
""")
    p = host.start("nginx", "-c", conf, "-g", "daemon off; master_process off; user root;")
    p.access_log = log
    return p


def web(host, address, v6=False):
    root = host.lab.path(f"{host.name}-www")
    os.makedirs(root, exist_ok=True)
    with open(os.path.join(root, "index.html"), "w") as f:
        f.write(f"hello from {host.name}\n")
    p = nginx(host, f"listen {'[%s]' % address if v6 else address}:80; root {root};")
    host.wait_listening(80, program=p)
    return p


def store(host, address):
    """One storage node. The three share a directory, as nodes of a cluster share their data."""
    root = host.lab.path("objects")
    os.makedirs(root, exist_ok=True)
    os.chmod(root, 0o777)
    at = f"[{address}]" if ":" in address else address
    p = nginx(host, f"""listen {at}:{S3_PORT} backlog=4096; root {root}; add_header X-Node {host.name};
      location = /health {{ access_log off; return 200 "ok\\n"; }}
      location / {{ dav_methods PUT DELETE; create_full_put_path on; }}""")
    host.wait_listening(S3_PORT, program=p)
    return p


def start_stores(net):
    return {name: store(net.store[name], address) for name, address in STORES.items()}


def iperf(host):
    p = host.start("iperf3", "-s")
    host.wait_listening(5201, program=p)
    return p


def name_servers(net):
    """nsd, authoritative, on IPv4 only; Unbound, recursive, for the gateway and for client4."""
    host, lab = net.dns, net
    lab.write("shop.example.zone", ZONE)
    lab.write("reverse.zone", REVERSE)
    nsd = lab.write("nsd.conf", f"""
server:
  ip-address: {DNS4}@5353
  ip-address: {DNS4}@53
  username: ""
  chroot: ""
  zonesdir: "{lab.dir}"
  pidfile: "{lab.path('nsd.pid')}"
  database: ""
  xfrdfile: "{lab.path('xfrd.state')}"
  zonelistfile: "{lab.path('zone.list')}"
  xfrdir: "{lab.dir}"
  rrl-ratelimit: 0
  server-count: 1
remote-control:
  control-enable: no
zone:
  name: "shop.example"
  zonefile: "shop.example.zone"
zone:
  name: "113.0.203.in-addr.arpa"
  zonefile: "reverse.zone"
""")
    unbound = lab.write("unbound.conf", f"""
server:
  interface: {DNS6}
  interface: 127.0.0.1
  access-control: ::/0 allow
  access-control: 0.0.0.0/0 allow
  username: ""
  chroot: ""
  directory: "{lab.dir}"
  pidfile: "{lab.path('unbound.pid')}"
  use-syslog: no
  logfile: ""
  module-config: "iterator"
  do-not-query-localhost: no
  local-zone: "113.0.203.in-addr.arpa." nodefault
  domain-insecure: "example."
remote-control:
  control-enable: no
stub-zone:
  name: "shop.example."
  stub-addr: {DNS4}@5353
stub-zone:
  name: "113.0.203.in-addr.arpa."
  stub-addr: {DNS4}@5353
""")
    a = host.start("nsd", "-d", "-c", nsd)
    b = host.start("unbound", "-d", "-c", unbound)
    host.wait_listening(5353, udp=True, program=a)
    host.wait_listening(53, udp=True, program=b)
    return a, b


def sshd(host, address, port=22):
    """sshd with keys of its own; returns (program, ssh options for a client in the same lab)."""
    lab = host.lab
    host_key, user_key = lab.path("ssh_host_key"), lab.path("ssh_user_key")
    for key in (host_key, user_key):
        if not os.path.exists(key):
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key)
    with open(user_key + ".pub") as f:
        lab.write("authorized_keys", f.read(), 0o600)
    os.makedirs("/run/sshd", exist_ok=True)
    at = f"[{address}]" if ":" in address else address
    conf = lab.write(f"{host.name}-sshd_config", f"""
ListenAddress {at}:{port}
HostKey {host_key}
AuthorizedKeysFile {lab.path('authorized_keys')}
PidFile {lab.path(host.name + '-sshd.pid')}
StrictModes no
UsePAM no
PermitRootLogin prohibit-password
""")
    p = host.start("/usr/sbin/sshd", "-D", "-e", "-f", conf)
    host.wait_listening(port, program=p)
    return p, ["-i", user_key, "-p", str(port), "-o", "StrictHostKeyChecking=no",
               "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR"]


def ftp(host, address, port, root):
    """An FTP server for anonymous readers, passive and extended passive; its log says which."""
    p = host.start("/usr/bin/python3", "-m", "pyftpdlib", "-i", address, "-p", port, "-d", root, "-D")
    host.wait_listening(port, program=p)
    return p


def embedded(v4=CLIENT4, prefix=EMBED_PREFIX):
    """How an IPv6 node sees an IPv4 client: as nginx writes it."""
    return str(ipaddress.IPv6Address(int(ipaddress.IPv6Address(prefix)) | int(ipaddress.IPv4Address(v4))))
