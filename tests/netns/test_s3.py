"""A real S3 store behind one dual-stack service: awscli puts, lists and gets while a node dies.

Three instances of s3rver on one directory stand for a cluster of three nodes, two of them
IPv6-only, one IPv4-only. The client is Debian's awscli, on an IPv4-only and an IPv6-only host.
SIXGATE_S3RVER names the directory that `npm install s3rver` has filled; tests/run fills it.
"""
import hashlib
import os
import pathlib
import signal
import sys
import threading

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "netns-scripts"))

from lab import configs, topology  # noqa: E402
from lab.gateway import Gateway  # noqa: E402
from lab.netns import stop, wait_until  # noqa: E402

S3RVER = os.path.join(os.environ.get("SIXGATE_S3RVER", str(ROOT / "build" / "s3rver")),
                      "node_modules", "s3rver", "bin", "s3rver.js")
MIB = 1 << 20
CLIENTS = [("client4", topology.VIP4), ("host6", topology.VIP6)]
HEALTH = "tcp: true, interval: 500ms, timeout: 300ms, rise: 1, fall: 2"


def start_node(net, name):
    host, address = net.store[name], topology.STORES[name]
    data = net.path("s3data")
    os.makedirs(data, exist_ok=True)
    p = host.start("node", S3RVER, "-d", data, "-a", address, "-p", str(topology.S3_PORT),
                   "--allow-mismatched-signatures", "--no-vhost-buckets")
    host.wait_listening(topology.S3_PORT, program=p, timeout=30)
    return p


def wait_states(gateway, **want):
    def claim():
        now = {n["node"]: n["state"] for n in gateway.ctl_json("nodes")["nodes"]}
        return all(now[name] == state for name, state in want.items())
    wait_until(claim, f"nodes are {want}", timeout=15)


@pytest.fixture(scope="module")
def net():
    with topology.Network(prefix=f"sg-s3{os.getpid()}") as n:
        n.node = {name: start_node(n, name) for name in topology.STORES}
        gateway = n.gateway = Gateway(n.gw)
        gateway.start(f"""
gateway: {{name: lab, flows: 64k, user: nobody, control: {gateway.control}}}
interfaces: {{inside: [lan0, sto0], outside: wan0}}
egress6: {{prefixes: inside}}
""" + configs.services(health=HEALTH))
        wait_states(gateway, store1="up", store2="up", store3="up")
        for client, vip in CLIENTS:
            name_the_service(getattr(n, client), vip)
        yield n
        gateway.check_alive()


def name_the_service(host, vip):
    """awscli takes no IPv6 address as an endpoint, but a name."""
    os.makedirs(host.etc, exist_ok=True)
    with open(f"{host.etc}/hosts", "w") as f:
        f.write(f"{vip} s3.shop.example\n")


def aws(host, *words, timeout=120):
    return host.run("env", "AWS_ACCESS_KEY_ID=S3RVER", "AWS_SECRET_ACCESS_KEY=S3RVER",
                    "AWS_DEFAULT_REGION=us-east-1", "AWS_EC2_METADATA_DISABLED=true",
                    "AWS_RETRY_MODE=standard", "AWS_MAX_ATTEMPTS=5", "/usr/bin/aws",
                    "--endpoint-url", f"http://s3.shop.example:{topology.S3_PORT}", *words,
                    timeout=timeout).stdout


def make_object(net, name, size):
    path = net.path(name)
    with open(path, "wb") as f:
        f.write(os.urandom(MIB) * (size // MIB))
    return path, digest(path)


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


@pytest.mark.parametrize("client", [c[0] for c in CLIENTS])
def test_multipart_put_list_get(net, client):
    host, bucket = getattr(net, client), f"s3://{client}"
    path, want = make_object(net, f"{client}-40m", 40 * MIB)
    aws(host, "s3", "mb", bucket)
    aws(host, "s3", "cp", "--no-progress", path, f"{bucket}/big")
    assert "big" in aws(host, "s3", "ls", bucket)
    aws(host, "s3", "cp", "--no-progress", f"{bucket}/big", path + ".back")
    assert digest(path + ".back") == want
    part = net.path(f"{client}-part")
    aws(host, "s3api", "get-object", "--bucket", client, "--key", "big", "--range",
        "bytes=1048576-2097151", part)
    assert os.path.getsize(part) == MIB


def test_a_node_dies_meanwhile_and_no_transfer_fails(net):
    """Both clients go on with puts and gets; the SDK's own retries are the only help."""
    path, want = make_object(net, "small", 4 * MIB)
    killed, errors, n_done = threading.Event(), [], {"client4": 0, "host6": 0}

    def work(client):
        host, after = getattr(net, client), 0
        try:
            aws(host, "s3", "mb", f"s3://{client}-loop")
            while after < 4:
                back = net.path(f"{client}-loop.back")
                aws(host, "s3", "cp", "--no-progress", path, f"s3://{client}-loop/x")
                aws(host, "s3", "cp", "--no-progress", f"s3://{client}-loop/x", back)
                assert digest(back) == want
                n_done[client] += 1
                after += killed.is_set()
        except Exception as e:  # shown by the main thread
            errors.append(f"{client}: {e}")

    threads = [threading.Thread(target=work, args=c[:1]) for c in CLIENTS]
    for t in threads:
        t.start()
    wait_until(lambda: all(n_done.values()) or errors, "both clients have begun", timeout=60)
    stop(net.node["store1"], signal.SIGKILL)
    killed.set()
    for t in threads:
        t.join(timeout=180)
    assert not errors
    wait_states(net.gateway, store1="down", store2="up", store3="up")
    net.node["store1"] = start_node(net, "store1")
    wait_states(net.gateway, store1="up")
