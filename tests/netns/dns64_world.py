"""The zones of the differential test: everything that tests of DNS64 have ever been about, and every
combination of A set, AAAA set, alias and lifetime. No network here.

Asked through Unbound in front of nsd; see test_dns64_bind.py.
"""
import itertools

# TTL of the SOA and its last field: a negative answer lives as long as the lesser of the two.
SOAS = {"example.test": (3600, 300), "brief.test": (60, 3600), "lasting.test": (7200, 7200),
        "signed.test": (3600, 300), "bogus.test": (3600, 300)}

A_SETS = {
    "none": [],
    "one": ["8.8.8.8"],
    "three": ["8.8.8.8", "8.8.4.4", "1.1.1.1"],
    "private": ["10.1.2.3"],
    "some": ["8.8.8.8", "192.168.7.7"],
    "cgn": ["100.64.0.9"],
    "doc": ["192.0.2.77"],
    "moved": ["9.9.9.9", "9.9.9.10"],
}
AAAA_SETS = {
    "none": [],
    "real": ["2001:db8:f::81"],
    "two": ["2001:db8:f::82", "2001:db8:f::83"],
    "mapped": ["::ffff:8.8.8.8"],
    "part": ["::ffff:8.8.8.8", "2001:db8:f::84"],
    "bad": ["2001:db8:bad::1"],
    "badpart": ["2001:db8:bad::1", "2001:db8:f::85"],
}
TTLS = (30, 1800, 50000)


def host(name, a, aaaa, ttl):
    return "".join(f"{name} {ttl} IN A {x}\n" for x in A_SETS[a]) + \
        "".join(f"{name} {ttl} IN AAAA {x}\n" for x in AAAA_SETS[aaaa])


def combinations():
    """Name and its sets; a name of both "none" has a TXT, so that it exists."""
    for (i, a), aaaa in itertools.product(enumerate(A_SETS), AAAA_SETS):
        yield f"c-{a}-{aaaa}", a, aaaa, TTLS[(i + len(aaaa)) % len(TTLS)]


def combined():
    text = ""
    for name, a, aaaa, ttl in combinations():
        text += host(name, a, aaaa, ttl)
        text += f"{name} IN TXT \"{name}\"\n"
        text += f"to-{name} 900 IN CNAME {name}\n"
        text += f"via-{name} 40 IN CNAME to-{name}\n"
    return text


SPECIAL = """
ns        IN A     203.0.113.2
CaSe      IN A     8.8.8.8
tree      IN DNAME example.test.
to-gone   IN CNAME gone
to-empty  IN CNAME empty
empty     IN TXT   "no address"
below.ent IN A     8.8.8.8
*.wild    IN A     8.8.4.4
to-dead   IN CNAME host.dead.test.
elsewhere IN CNAME c.lasting.test.
to-signed IN CNAME v4.signed.test.
to-bogus  IN CNAME v4.bogus.test.
loop1     IN CNAME loop2
loop2     IN CNAME loop1
hints     IN TYPE65 \\# 15 0001 00 0004 0008 08080808 08080404
svc       IN TYPE64 \\# 9 0001 00 0003 0002 0235
_s._tcp   IN SRV   0 5 5060 c-one-none
mail      IN MX    10 c-one-none
mail      IN MX    20 c-three-none
naptr     IN NAPTR 100 10 "u" "sip+E2U" "!^.*$!sip:info@example.test!" .
loc       IN TYPE29 \\# 16 00121213 80000000 80000000 00989680
private   IN TYPE65400 \\# 4 01020304
caa       IN CAA   0 issue "ca.example.test"
text      IN TXT   "a" "b" "c"
zero    0 IN A     8.8.8.8
under_score IN A   8.8.8.8
""" + "".join(f'bigtext IN TXT "{n:03}{"x" * 240}"\n' for n in range(12)) \
    + "".join(f"fits IN A 8.8.{n}.{n}\n" for n in range(1, 14)) \
    + "".join(f"grows IN A 8.8.{n}.{n}\n" for n in range(1, 60)) \
    + "".join(f"huge IN A 8.9.{n % 250}.{n // 250}\n" for n in range(700)) \
    + "".join(f"v6huge IN AAAA 2001:db8:f::{n:x}\n" for n in range(1, 60))

SMALL = """
a  IN A    8.8.8.8
b  IN A    8.8.4.4
b  IN AAAA 2001:db8:f::90
c  30 IN A 1.1.1.1
d  100000 IN A 1.1.1.1
c6 IN AAAA 2001:db8:f::91
"""

SIGNED = """
v4    IN A     8.8.8.8
both  IN A     8.8.4.4
both  IN AAAA  2001:db8:f::92
only6 IN AAAA  2001:db8:f::93
part  IN AAAA  ::ffff:8.8.8.8
part  IN AAAA  2001:db8:f::94
mapped IN AAAA ::ffff:8.8.8.8
mapped IN A    8.8.8.8
alias IN CNAME v4
alias6 IN CNAME both
text  IN TXT   "signed"
"""

BODIES = {"example.test": SPECIAL + combined(), "brief.test": SMALL, "lasting.test": SMALL,
          "signed.test": SIGNED, "bogus.test": SIGNED}
REVERSE = {"8.8.8.in-addr.arpa": "8 IN PTR dns.example.test.\n9 IN CNAME 9.lan.8.8.8.in-addr.arpa.\n"
                                 "9.lan IN PTR nine.example.test.\n10 IN TXT \"no name\"\n",
           "10.in-addr.arpa": "3.2.1 IN PTR inner.example.test.\n",
           "f.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa":
               "1.8" + ".0" * 18 + " IN PTR real6.example.test.\n"}


def zone(name, body):
    ttl, minimum = SOAS.get(name, (3600, 300))
    return (f"$ORIGIN {name}.\n$TTL 3600\n"
            f"@ {ttl} IN SOA ns.example.test. hostmaster.example.test. 1 3600 900 86400 {minimum}\n"
            f"@ IN NS ns.example.test.\n{body}")


def plain_zones():
    """Zones to serve as they are."""
    return {n: zone(n, b) for n, b in {**BODIES, **REVERSE}.items()
            if n not in ("signed.test", "bogus.test")}


def signed_zones():
    return {n: zone(n, BODIES[n]) for n in ("signed.test", "bogus.test")}


# BIND tries 10 s before it gives these up.
FAILING = ["host.dead.test.", "to-dead.example.test.", "host.refused.test."]


def owners(body):
    found = []
    for line in body.splitlines():
        name = line.split(None, 1)[0] if line.strip() else "@"
        if name not in found and name != "@":
            found.append(name)
    return found


def names():
    """Every name that has something, and names that have nothing, absolute."""
    found = [f"{n}.{z}." for z, body in BODIES.items() for n in owners(body)
             if "*" not in n and f"{n}.{z}." not in FAILING]
    found += [f"{z}." for z in BODIES]
    found += ["gone.example.test.", "ent.example.test.", "x.wild.example.test.",
              "c-one-none.tree.example.test.", "gone.tree.example.test.",
              "to-c-one-none.tree.example.test.", "c-one-part.tree.example.test.",
              "cAsE.eXaMpLe.TeSt.", "gone.signed.test.", "gone.bogus.test.", "host.nowhere.test.", "test.", "ipv4only.arpa.",
              "sub.ipv4only.arpa.", "IPv4Only.ARPA.", "170.0.0.192.in-addr.arpa.",
              "171.0.0.192.in-addr.arpa.", "172.0.0.192.in-addr.arpa.", "localhost.",
              "8.8.8.8.in-addr.arpa.", "9.8.8.8.in-addr.arpa.", "a" * 63 + ".example.test.",
              ".".join(["b" * 60] * 3) + ".example.test."]
    return found
