#!/usr/bin/env python3
"""Writes the seeds of the fuzz_dns64_ targets into corpus/."""
import pathlib
import struct

CORPUS = pathlib.Path(__file__).parent / "corpus"


def name(text):
    return b"".join(bytes([len(x)]) + x.encode() for x in text.split(".") if x) + b"\0"


def rr(owner, kind, data, ttl=300, cls=1):
    return owner + struct.pack("!HHIH", kind, cls, ttl, len(data)) + data


def message(question, sections=((), (), ()), flags=0x8180, kind=28):
    counts = [len(s) for s in sections]
    return (struct.pack("!HHHHHH", 1, flags, 1, *counts) + name(question)
            + struct.pack("!HH", kind, 1) + b"".join(b"".join(s) for s in sections))


def opt(options=b"", size=1232, ttl=0):
    return rr(b"\0", 41, options, ttl, size)


ROOT, QNAME = b"\0", b"\xc0\x0c"
REVERSE = "1.2.0.0.0.0.0.c.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.9.f.f.4.6.0.0.ip6.arpa"
SOA = rr(name("example"), 6, name("n") + name("m") + struct.pack("!IIIII", 1, 2, 3, 4, 120))
RRSIG = struct.pack("!HBBIIIH", 6, 13, 1, 300, 2**31, 1, 1) + name("example") + b"s" * 64
NSEC = rr(name("example"), 47, name("b.example") + b"\0\6\x40\0\0\0\0\3")
EDE = struct.pack("!HHH", 15, 2, 6)
A = rr(QNAME, 1, bytes([8, 8, 8, 8]))
AAAA = rr(QNAME, 28, bytes.fromhex("20010db8000000000000000000000001"))
MAPPED = rr(QNAME, 28, bytes(10) + b"\xff\xff\1\2\3\4")
nodata = message("a.example", ((), (SOA,), (opt(),)))
a_answer = message("a.example", ((A,), (rr(name("example"), 2, name("ns.example")),),
                                 (rr(name("ns.example"), 1, bytes(4)), opt())), kind=1)
chain = message("a.example", ((rr(QNAME, 5, name("b.example")), rr(name("b.example"), 5, name("c")),
                               rr(name("c"), 1, bytes([10, 0, 0, 1]))), (), ()), kind=1)
dname = message("a.example", ((rr(name("example"), 39, name("test")), rr(QNAME, 5, name("a.test")),
                               rr(name("a.test"), 1, bytes([8, 8, 4, 4]))), (), ()), kind=1)

def cookie(n):
    return struct.pack("!HH", 10, n) + bytes(range(n))


BADCOOKIE = message("a.example", ((), (), (opt(cookie(24), ttl=1 << 24),)), 0x8187, kind=1)
ANSWERS = {
    "cookie": (0, [message("a.example", ((), (SOA,), (opt(cookie(24)),))),
                   message("a.example", ((A,), (), (opt(cookie(16)),)), kind=1)]),
    "badcookie": (1, [BADCOOKIE, BADCOOKIE, a_answer]),
    "no_cookies": (1, [message("a.example", ((), (), (opt(),)), 0x8181, kind=1), a_answer]),
    "nodata_a": (0, [nodata, a_answer]), "aaaa": (0, [message("a.example", ((AAAA,), (), ()))]),
    "mixed": (0, [message("a.example", ((AAAA, MAPPED), (), (opt(),))), a_answer]),
    "mapped": (16, [message("a.example", ((MAPPED,), (), ())), a_answer]),
    "chain": (0, [nodata, chain]), "dname": (32, [nodata, dname]),
    "nxdomain": (16, [message("a.example", ((), (SOA,), ()), 0x8183), a_answer]),
    "servfail": (16, [message("a.example", flags=0x8182)] * 4),
    "bogus": (16, [message("a.example", ((), (), (opt(EDE),)), 0x8182), a_answer]),
    "signed": (24, [message("a.example", ((), (SOA, rr(name("example"), 46, RRSIG), NSEC),
                                          (opt(ttl=0x8000),))), a_answer]),
    "no_edns": (1, [message("a.example", flags=0x8181, kind=1), a_answer]),
    "tcp": (1, [message("a.example", flags=0x8380, kind=1), a_answer]),
    "opt_first": (1, [message("a.example", ((), (), (opt(), rr(name("x"), 1, bytes(4)))), kind=1)]),
    "ptr": (2, [message("33.0.0.192.in-addr.arpa", ((rr(QNAME, 12, name("p.example")),), (), ()),
                        kind=12)]),
    "any": (3, [message("a.example", ((A, AAAA, rr(QNAME, 16, b"\3abc"),
                                       rr(QNAME, 15, b"\0\1" + QNAME),
                                       rr(QNAME, 33, b"\0\1\0\1\0\1" + name("s.example"))), (), ()),
                        kind=255)]),
    "many": (48, [nodata, message("a.example", ((A,) * 100, (), ()), kind=1)]),
    "neither": (0, [nodata, message("a.example", ((), (SOA,), (opt(),)), kind=1)]),
    "always": (64, [message("a.example", ((AAAA,), (), (opt(),))), a_answer]),
    "bare": (1, [struct.pack("!HHHHHH", 1, 0x8185, 0, 0, 0, 0)]),
}

QUERIES = {
    "plain": [message("a.example", flags=0x100)], "edns": [message("a.example", ((), (), (opt(),)), 0x100)],
    "do": [message("a.example", ((), (), (opt(ttl=0x8000),)), 0x100)],
    "version": [message("a.example", ((), (), (opt(ttl=0x10000),)), 0x100)],
    "options": [message("a.example", ((), (), (opt(b"\0\x0a\0\x08" + bytes(8)),)), 0x100)],
    "cookie": [message("a.example", ((), (), (opt(cookie(24)),)), 0x100)],
    "cookies": [message("a.example", ((), (), (opt(EDE + cookie(8) + cookie(40)),)), 0x100),
                message("A.eXample", ((), (), (opt(cookie(9)),)), 0x100, kind=1)],
    "cookie_alone": [struct.pack("!HHHHHH", 1, 0x100, 0, 0, 0, 1) + opt(cookie(8))],
    "cd": [message("a.example", flags=0x110)], "norec": [message("a.example", flags=0)],
    "ptr": [message(REVERSE, flags=0x100, kind=12)], "any": [message("a.example", flags=0x100, kind=255)],
    "local": [message("ipv4only.arpa", flags=0x100), message("x.ipv4only.arpa", flags=0x100),
              message("170.0.0.192.in-addr.arpa", flags=0x100, kind=12)],
    "never": [message("x.never.example", flags=0x100)], "notify": [message("a.example", flags=0x2000)],
    "axfr": [message("a.example", flags=0x100, kind=252)], "many": [message("a.example", flags=0x100)] * 5,
    "long": [message(".".join(["x" * 63] * 3 + ["y" * 61]), flags=0x100)],
}


def write(target, seeds):
    directory = CORPUS / target
    directory.mkdir(parents=True, exist_ok=True)
    for seed, (how, messages) in seeds.items():
        (directory / seed).write_bytes(
            bytes([how]) + b"".join(struct.pack("!H", len(m)) + m for m in messages))


write("dns64_answer", ANSWERS)
POINTED = rr(b"\xc0\x0e", 2, b"\2ns\xc0\x0e")  # authority whose additional leans on it
CACHE = {
    "a": a_answer, "chain": chain, "dname": dname, "nodata": message("a.example", ((), (SOA,), ()), kind=1),
    "several": message("a.example", ((A, A, rr(QNAME, 1, bytes([10, 1, 1, 1]), 20)), (), (opt(),)), kind=1),
    "mapped": message("a.example", ((rr(QNAME, 1, bytes([198, 18, 0, 1])), rr(QNAME, 1, bytes([203, 0, 113, 5]))),
                                    (), ()), kind=1),
    "pointers": message("a.example", ((A,), (POINTED,), (rr(b"\xc0\x37", 1, bytes(4)),)), kind=1),
    "into_numbers": message("a.example", ((rr(QNAME, 5, b"\1b\xc0\x16"), rr(b"\xc0\x26", 1, bytes(4))), (), ()),
                            kind=1),
    "spelled": message("A.exAMple", ((rr(QNAME, 5, b"\1B\xc0\x0e"), rr(b"\1b\xc0\x0e", 1, bytes([8, 8, 8, 8]))),
                                     (), ()), kind=1),
    "long_ttl": message("a.example", ((rr(QNAME, 1, bytes([8, 8, 8, 8]), 2**31 + 5),), (), ()), kind=1),
}
directory = CORPUS / "dns64_cache"
directory.mkdir(parents=True, exist_ok=True)
for seed, m in CACHE.items():
    for how, age, ttl in ((0, 1, 4), (3, 30, 0), (6, 255, 255)):
        (directory / f"{seed}_{how}").write_bytes(bytes([how, age, ttl]) + m)
write("dns64_query", {f"{k}_{how}": (how, v) for k, v in QUERIES.items()
                      for how in (0, 3, 4, 7)})


def framed(data):
    return struct.pack("!H", len(data)) + data


def steps(*items):
    return b"".join(bytes([i[0], len(i[1]) if len(i) > 1 else 0]) + (i[1] if len(i) > 1 else b"")
                    for i in items)


PLAIN = message("a.example", flags=0x100)
COUNTS = struct.pack("!HHH", 1, 0, 0)
SOCKETS = {
    "udp": steps((4, PLAIN), (5,), (5, COUNTS + A), (15,)),
    "tcp": steps((0,), (1, framed(PLAIN)), (5,), (5, COUNTS + A), (15,), (2,), (15,)),
    "pieces": steps((0,), (1, framed(PLAIN)[:1]), (1, framed(PLAIN)[1:9]), (1, framed(PLAIN)[9:] + framed(PLAIN)),
                    (2,), (5,), (5, COUNTS + A), (15,)),
    "many": steps((0,), *[(1, framed(message(f"n{n}.example", flags=0x100)) * 4) for n in range(12)],
                  (2,), *[(5,)] * 24, (15,)),
    "reset": steps((0,), (16,), (1, framed(PLAIN)), (17, framed(PLAIN)), (3,), (5,), (19,)),
    "too_long": steps((0,), (1, b"\xff\xff" + b"x" * 50), (15,)), "nonsense": steps((0,), (1, framed(b"hello"))),
    "upstream_tcp": steps((4, PLAIN), (6,), (6,), (7,), (8, framed(nodata)), (7,), (8, framed(a_answer)), (15,)),
    "upstream_tcp_resets": steps((4, PLAIN), (6,), (7,), (8, b"\0"), (9,), (5,), (15,)),
    "upstream_tcp_empty": steps((4, PLAIN), (6,), (7,), (8, b"\0\0"), (15,)),
    "reload": steps((4, PLAIN), (0,), (1, framed(PLAIN)), (10,), (11,), (5,), (5, COUNTS + A), (15,), (10,)),
    "piped": steps((4, PLAIN), (4, message("b.example", flags=0x100)), *[(6,)] * 4, (7,), (13 + 48, COUNTS + A), (15,),
                   (4, message("c.example", flags=0x100)), *[(6,)] * 2, (13 + 16, COUNTS + A), (15,)),
    "piped_closes": steps((4, PLAIN), (4, message("b.example", flags=0x100)), *[(6,)] * 4, (7,), (13, COUNTS + A), (9,),
                          (7,), (13 + 48, COUNTS + A), (15,)),
    "gone": steps((30,), (4, PLAIN), (15,), (14,), (4, message("b.example", flags=0x100)), (5,), (5, COUNTS + A), (15,)),
    "inside": steps((28,), (4, PLAIN), (12,), (4, PLAIN)), "ends": steps((4, PLAIN), (0,), (1, framed(PLAIN)), (6,)),
}
HANDS, ANSWER, APART, BYE = 13, 13 + 32, 13 + 48, 13 + 64
TOLD = COUNTS + A
SOCKETS |= {f"tls_{name}": steps((HANDS,), (4, PLAIN), *more, (15,)) for name, more in {
    "answers": [(HANDS,), (ANSWER, TOLD), (ANSWER, TOLD)],
    "pieces": [(HANDS,), (APART, TOLD), (APART, COUNTS[:5] + b"\1" + A), (15,)],
    "bye": [(HANDS,), (BYE,), (4, PLAIN), (HANDS,), (ANSWER, TOLD)],
    "nonsense": [(HANDS,), (13 + 16, b"\0\0"), (4, PLAIN), (HANDS,), (13 + 16, b"\xff\xff" + b"x" * 60)],
    "others_id": [(HANDS,), (13 + 16, framed(nodata)), (ANSWER, TOLD)],
    "spoilt": [(7,), (8, b"\x16\3\3\0\5hello"), (4, PLAIN), (7,), (13 + 96,), (13 + 80,), (8, b"\x17\3\3\0\1x"), (13 + 80,)],
    "resets": [(HANDS,), (9,), (4, PLAIN), (HANDS,), (ANSWER, TOLD), (10,)],
    "reload": [(HANDS,), (10,), (ANSWER, TOLD), (11,), (4, PLAIN), (HANDS,), (ANSWER, TOLD)],
}.items()}
for seed, data in SOCKETS.items():
    (CORPUS / "dns64_sockets").mkdir(parents=True, exist_ok=True)
    (CORPUS / "dns64_sockets" / seed).write_bytes(data)
