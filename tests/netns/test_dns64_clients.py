"""The resolvers that hosts have: each finds an IPv4-only web server by its name, through DNS64 and
NAT64, and knows what was made up.

Runs as root; SIXGATE_BUILD names the build directory. The topology is drawn in
netns-scripts/lab/topology.py.
"""
import os
import re
import shutil

import pytest

from test_services import ROOT, stop, wait_until
from lab import configs, servers, topology
from lab.gateway import Gateway

WEB4 = topology.nat64(topology.WEB4)
WEB4_HEX = "64:ff9b::cb00:7150"
NAME = "www4.shop.example"


@pytest.fixture(scope="module")
def net():
    with topology.Network(prefix=f"sg-dcl{os.getpid()}") as n:
        servers.name_servers(n)
        servers.web(n.web4, topology.WEB4)
        n.gateway = Gateway(n.gw)
        n.gateway.start(configs.full(n.gateway.control).replace(
            "gateway:\n", "gateway:\n  metrics: {address: \"::1\", port: 9664}\n"))
        wait_until(lambda: WEB4_HEX in n.host6.run(
            "dig", "+short", "+time=1", "+tries=1", f"@{topology.GW_LAN}", NAME, "AAAA",
            check=False).stdout, "DNS64 answers")
        yield n
        n.gateway.check_alive()


def test_getaddrinfo_asks_for_both_at_once_and_the_page_comes(net):
    # glibc sends A and AAAA from one port, and takes the answers in any order
    found = net.host6.out("python3", "-c", "import socket; print(sorted({(f.name, a[0]) for f, _, _, _, a"
                          f" in socket.getaddrinfo('{NAME}', 80)}}))")
    assert found == f"[('AF_INET', '{topology.WEB4}'), ('AF_INET6', '{WEB4_HEX}')]"
    assert net.host6.out("getent", "ahostsv6", NAME).split()[0] == WEB4_HEX
    page = net.host6.out("curl", "-gsS", "-m", "8", "-o", "/dev/null", "-w", "%{http_code} %{remote_ip}",
                         f"http://{NAME}/")
    assert page == f"200 {WEB4_HEX}"


@pytest.mark.parametrize("option", ["single-request", "single-request-reopen", "use-vc", "edns0"])
def test_getaddrinfo_with_every_option_of_resolv_conf(net, option):
    found = net.host6.out("env", f"RES_OPTIONS={option}", "getent", "ahostsv6", NAME)
    assert found.split()[0] == WEB4_HEX


def test_getaddrinfo_of_a_name_that_is_not_there_ends_at_once(net):
    done = net.host6.run("getent", "ahosts", "no-such-name.shop.example", check=False)
    assert done.returncode == 2


@pytest.mark.parametrize("how", [[], ["+tcp"], ["+noedns"], ["+dnssec"], ["+cookie"], ["+bufsize=512"],
                                 ["+nsid", "+subnet=2001:db8::/56"]])
def test_dig(net, how):
    said = net.host6.out("dig", "+time=3", "+tries=1", *how, f"@{topology.GW_LAN}", NAME, "AAAA")
    assert "status: NOERROR" in said and WEB4_HEX in said
    assert ("+noedns" in how) != ("EDE: 29 (Synthesized)" in said or "EDE: 29" in said)
    assert not re.search(r"flags:[^;]* ad", said)
    for complaint in ("warning", "malformed", "mismatch", "WARNING"):
        assert complaint not in said


@pytest.mark.parametrize("how", [[], ["-t"], ["-D"]])
def test_drill(net, how):
    said = net.host6.out("drill", *how, NAME, f"@{topology.GW_LAN}", "AAAA")
    assert "rcode: NOERROR" in said and WEB4_HEX in said.replace("64:ff9b::203.0.113.80", WEB4_HEX)


@pytest.mark.parametrize("how", [[], ["+tcp"], ["+dnssec"], ["+cookie"], ["+keepopen", "+tcp"]])
def test_kdig(net, how):
    said = net.host6.out("kdig", "+time=3", "+retry=0", *how, f"@{topology.GW_LAN}", NAME, "AAAA")
    assert "status: NOERROR" in said and WEB4_HEX in said
    assert ";; WARNING" not in said and ";; ERROR" not in said
    # two names over one connection
    said = net.host6.out("kdig", "+tcp", "+keepopen", f"@{topology.GW_LAN}", NAME, "AAAA",
                         "ipv4only.arpa", "AAAA")
    assert WEB4_HEX in said and "64:ff9b::c000:aa" in said


# The package would put itself between this machine and its resolver, so it is unpacked, not installed.
RESOLVED = [d + "/lib/systemd/systemd-resolved" for d in
            ("", os.environ.get("SIXGATE_RESOLVED", str(ROOT / "build-resolved")))]
STUB = """
set -e
mount -t tmpfs tmpfs /run
mkdir -p /run/us /run/systemd/resolve /run/systemd/resolved.conf.d
for f in passwd group; do
	cp /etc/$f /run/us/$f
	echo "systemd-resolve:x:64999:64999::/:/bin/false" | cut -d: -f1-$([ $f = group ] && echo 3 || echo 7) \
		>>/run/us/$f
	mount --bind /run/us/$f /etc/$f
done
chown 64999:64999 /run/systemd/resolve
printf '[Resolve]\\nDNS=%s\\nDNSSEC=no\\nLLMNR=no\\nMulticastDNS=no\\nReadEtcHosts=no\\n' "$1" \
	>/run/systemd/resolved.conf.d/us.conf
exec "$2"
"""


def test_systemd_resolved(net):
    # it does not validate here: there is no root zone in this network that it could begin at
    found = [p for p in RESOLVED if os.path.exists(p)]
    if not found:
        pytest.skip("systemd-resolved could not be fetched from the mirror")
    p = net.host6.start("unshare", "-m", "sh", "-c", STUB, "sh", topology.GW_LAN, found[0],
                        log="resolved.log")
    try:
        net.host6.wait_listening(53, udp=True, program=p)
        for _ in range(2):  # the second time from its cache
            said = net.host6.out("dig", "+time=3", "+tries=2", "@127.0.0.53", NAME, "AAAA")
            assert "status: NOERROR" in said and WEB4_HEX in said
        said = net.host6.out("dig", "+short", "+time=3", "+tries=2", "@127.0.0.53", "-x", WEB4_HEX)
        assert "www4.shop.example." in said.split()
        said = net.host6.out("dig", "+time=3", "+tries=2", "@127.0.0.53", "www6.shop.example", "A")
        assert "status: NOERROR" in said and "ANSWER: 0" in said
    finally:
        stop(p)


def test_chromium(net):
    """An option, for the browser and what it needs are 130 MB: with the package chromium installed, or
    SIXGATE_CHROMIUM=PROGRAM. Seen to work with version 156."""
    program = os.environ.get("SIXGATE_CHROMIUM") or shutil.which("chromium")
    if not program:
        pytest.skip("there is no chromium: with what it needs it is 130 MB to fetch")
    home = net.path("chromium")
    page = net.host6.out("env", f"HOME={home}", program, "--headless", "--no-sandbox", "--disable-gpu",
                         f"--user-data-dir={home}", "--dump-dom", f"http://{NAME}/")
    assert "hello from web4" in page


# --- seen from the gateway -------------------------------------------------------------------------

def metrics(net):
    """{name and labels: value}"""
    text = net.gw.out("curl", "-gsS", "-m", "5", "http://[::1]:9664/metrics")
    return {line.rsplit(" ", 1)[0]: float(line.rsplit(" ", 1)[1]) for line in text.splitlines()
            if not line.startswith("#")}


def test_answers_are_counted_by_view_and_code_and_upstreams_are_timed(net):
    ok, gone = ('sixgate_dns64_answers_total{view="%s",rcode="%s"}' % v
                for v in (("default", "NOERROR"), ("default", "NXDOMAIN")))
    latency = "sixgate_dns64_upstream_latency_seconds_"
    before = metrics(net)
    net.host6.out("dig", "+short", f"@{topology.GW_LAN}", NAME, "AAAA")
    net.host6.out("dig", "+short", f"@{topology.GW_LAN}", "seen-once.shop.example", "AAAA")
    after = metrics(net)
    assert after[ok] == before[ok] + 1
    assert after[gone] == before.get(gone, 0) + 1
    where = f'upstream="[{topology.DNS6}]:53"'
    buckets = [v for k, v in after.items() if k.startswith(latency + "bucket{" + where)]
    assert buckets == sorted(buckets) and buckets[-1] == after[latency + "count{" + where + "}"]
    assert buckets[-1] >= before[latency + "count{" + where + "}"] + 1


def lookup(net, *words):
    """(steps, records, last line)"""
    lines = net.gateway.ctl_json("dns", "lookup", *words)
    return ([x["step"] for x in lines if "step" in x],
            [x["record"]["text"] for x in lines if "record" in x], lines[-1])


def said(steps, *parts):
    return all(any(p in s for s in steps) for p in parts)


def test_a_lookup_says_why_there_are_aaaa(net):
    net.gateway.ctl("dns", "flush")
    steps, records, last = lookup(net, NAME, "AAAA")
    assert last["rcode"] == "NOERROR" and not last["ad"]
    assert len(records) == 1 and records[0].split()[-1] == WEB4_HEX
    assert said(steps, "view: none is this client's", "prefix: 64:ff9b::/96", "AAAA: not in the cache",
                "A: after", "made of 1 A records", "ttl: that of A, at most ", " s, as the SOA beside"), steps
    steps, records, last = lookup(net, NAME, "AAAA", topology.HOST6)
    assert said(steps, "AAAA: in the cache, NOERROR, 0 records", "A: in the cache, NOERROR, 1 records"), steps


@pytest.mark.parametrize("name, kind, rcode, why", [
    ("www6.shop.example", "AAAA", "NOERROR", "there are AAAA records of its own"),
    ("no-such-name.shop.example", "AAAA", "NXDOMAIN", "there is no such name"),
    ("text.shop.example", "AAAA", "NOERROR", "no A record that a prefix may carry either"),
    (NAME, "A", "NOERROR", "the upstream's answer is passed on"),
    ("ipv4only.arpa", "AAAA", "NOERROR", "nobody is asked"),
    ("0.5.1.7.0.0.b.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa", "PTR", "NOERROR",
     "an alias into in-addr.arpa"),
    ("64:ff9b::203.0.113.80", "PTR", "NOERROR", "an alias into in-addr.arpa"),
    ("192.0.0.170", "ptr", "NOERROR", "nobody is asked"),
])
def test_a_lookup_says_why_not(net, name, kind, rcode, why):
    steps, _, last = lookup(net, name, kind)
    assert last["rcode"] == rcode and said(steps, why), steps


def test_the_cache_is_shown_and_forgotten(net):
    net.gateway.ctl("dns", "flush")
    for _ in range(5):
        net.host6.out("dig", "+short", f"@{topology.GW_LAN}", NAME, "AAAA")
    net.host6.out("dig", "+short", f"@{topology.GW_LAN}", "www6.shop.example", "AAAA")
    shown = net.gateway.ctl_json("dns", "cache")
    entries = [x["entry"] for x in shown if "entry" in x]
    assert [e["name"] for e in entries][:2] == [NAME + "."] * 2
    assert entries == sorted(entries, key=lambda e: -e["uses"]) and entries[0]["uses"] == 4
    assert shown[-1]["entries"] == len(entries) >= 3 and shown[-1]["hits"] > 0
    only = net.gateway.ctl_json("dns", "cache", "WWW6.shop.example")
    assert [x["entry"]["name"] for x in only if "entry" in x] == ["www6.shop.example."] * (len(only) - 1)
    assert len(net.gateway.ctl_json("dns", "cache", "--max", "1")) == 2
    assert "% of" in net.gateway.ctl("dns", "cache")
    assert net.gateway.ctl_json("dns", "flush", NAME)["flushed"] == 2
    assert net.gateway.ctl_json("dns", "flush", ".shop.example")["flushed"] == len(entries) - 2
    assert net.gateway.ctl_json("dns", "cache")["entries"] == 0


def test_wrong_words_are_refused(net):
    for words in (("lookup", "a..b", "A"), ("lookup", NAME, "NONSENSE"), ("lookup", NAME, "A", "here"),
                  ("flush", "a..b"), ("nonsense",)):
        done = net.gw.run(net.gateway.binary("sixgatectl"), "-s", net.gateway.control, "dns", *words,
                          check=False)
        assert done.returncode in (1, 64) and "sixgatectl: " in done.stdout


@pytest.mark.parametrize("how", [[], ["+tcp"]])
def test_an_address_has_a_view_of_its_own(net, how):
    plain = "2001:db8:1::64"
    before = open(net.gateway.config).read()
    view = f'dns64: {{views: [{{listen: "{plain}", synthesize: false}}], upstream'
    assert "dns64: {upstream" in before
    net.gateway.write(before.replace("dns64: {upstream", view))
    net.gw.address("lan0", f"{plain}/64")
    net.gateway.ctl("reload")
    try:
        for server, made in ((topology.GW_LAN, True), (plain, False)):
            said = net.host6.out("dig", "+time=3", "+tries=1", *how, f"@{server}", NAME, "AAAA")
            assert "status: NOERROR" in said and (WEB4_HEX in said) == made, (server, said)
    finally:
        net.gw.ip("addr", "del", f"{plain}/64", "dev", "lan0")
        net.gateway.write(before)
        net.gateway.ctl("reload")


def test_a_domain_has_upstreams_of_its_own(net):
    """The one for all other names does not exist: what is below the domain does not notice."""
    before = open(net.gateway.config).read()
    split = f'upstream: [{topology.INET4}, {{address: "{topology.DNS6}", domains: shop.example}}]'
    net.gateway.write(before.replace(f'upstream: "{topology.DNS6}"', split))
    net.gateway.ctl("reload")
    net.gateway.ctl("dns", "flush")
    try:
        said = net.host6.out("dig", "+time=3", "+tries=1", f"@{topology.GW_LAN}", NAME, "AAAA")
        assert "status: NOERROR" in said and WEB4_HEX in said
        said = net.host6.out("dig", "+time=5", "+tries=1", f"@{topology.GW_LAN}", "www4.other.example", "AAAA")
        assert "status: SERVFAIL" in said
        assert "domains:" in net.gateway.ctl("config", "show")
        ups = [k for k in metrics(net) if k.startswith("sixgate_dns64_upstream_up{")]
        assert f'sixgate_dns64_upstream_up{{upstream="[{topology.DNS6}]:53",domain="shop.example."}}' in ups
        assert f'sixgate_dns64_upstream_up{{upstream="{topology.INET4}:53"}}' in ups
    finally:
        net.gateway.write(before)
        net.gateway.ctl("reload")
        net.gateway.ctl("dns", "flush")
