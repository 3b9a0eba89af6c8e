"""Golden cases: packets in, packets out, counters, through `sixgated --replay`.

A case is text. Its steps are packets that come in on a side and, behind each, the packets that must
leave because of it, in order. What is not listed must not happen: every packet out and every drop
reason counted is compared, packets byte for byte. Checksums of expected packets are Scapy's.

    case("what holds (RFC and section)", CONFIGURATION,
         inside(IPv6(...) / UDP(...)),
         to_outside(IP(..., id=ANY) / UDP(sport=Var("port"))),
         drops={"hop-limit": 1})

Var("x") stands for a number or address that the gateway chooses: taken from the packet where it is
met first, the same from there on. ANY is not remembered. Var("x", rule) must obey the rule.

Each case runs several times: "spaced", every step at its own time and its packets out compared step
by step; "batch", all packets within one millisecond, where only the set of packets out counts (a
case with wait() in it, or marked batch=False, is about time or order and runs spaced only); and
through 2 to 4 workers, each packet coming in at a random one (design: the same set of output
packets as with one worker, whoever gets them).

With several workers a step's packets out are compared as a set, because rings keep the order of
what one worker hands to another and no other; everything else is as strict as with one: the same
bytes, the same step, the same drop reasons and counters, summed. What may differ from one worker is
what may differ from one run to the next, and nothing else: the numbers that the case itself says the
gateway chooses (ports and identifiers of mappings, identification of fragments), each by one Var and
so the same wherever it is met. A case that is about what one worker holds says so: workers=ONE.

A port belongs to one worker, and so a pool of one port serves only the hosts of that worker (which
worker has which is drawn from a secret). A case with such a pool is tried with other seeds when a
host found it empty, until its hosts and its port are at the same worker.

SIXGATE_TEST_SEED sets the seed that the deliveries are drawn from, and how many workers a case has; it
is printed with the results. With SIXGATE_TEST_ALL every case runs with each of 2, 3 and 4 workers.
"""
import hashlib
import os
import random
import re
import subprocess
from pathlib import Path

import pytest
from scapy.config import conf as scapy_conf
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.packet import NoPayload, Packet
from scapy.utils import RawPcapReader, RawPcapWriter

scapy_conf.verb = 0
ROOT = Path(__file__).resolve().parents[2]
SIXGATED = os.environ.get("SIXGATED", str(ROOT / "build/src/sixgated/sixgated"))
START = 1_700_000_000
STEP_NS = 10_000_000  # between the steps of a spaced run
LINKTYPE_RAW = 101
SEED = int(os.environ.get("SIXGATE_TEST_SEED") or random.SystemRandom().getrandbits(32))
ONE, MANY = (1,), (2, 3, 4)
EXHAUSTED, TRIES = "pool4-exhausted", 400
HEAD = """\
gateway: {flows: 1k, workers: 1}
interfaces: {inside: lan0, outside: wan0}
"""


class Var:
    """What the gateway chooses: see above."""

    def __init__(self, name=None, rule=None):
        self.name, self.rule = name, rule

    def __repr__(self):
        return f"<{self.name or 'any'}>"


ANY = Var()


class Arrival:
    """Packets that come in on one side, one after the other, in the same millisecond."""

    def __init__(self, side, packets):
        self.side, self.packets = side, [bytes(p) for p in packets]


class Departure:
    """Packets that must leave to one side."""

    def __init__(self, side, packets):
        self.side, self.packets = side, packets


class Pause:
    def __init__(self, seconds):
        self.ns = int(seconds * 1e9)


def inside(*packets):
    return Arrival("inside", packets)


def outside(*packets):
    return Arrival("outside", packets)


def to_inside(*packets):
    return Departure("inside", packets)


def to_outside(*packets):
    return Departure("outside", packets)


def wait(seconds):
    return Pause(seconds)


def layers(packet):
    while not isinstance(packet, NoPayload):
        yield packet
        packet = packet.payload


def dissect(data):
    return (IP if data[:1] and data[0] >> 4 == 4 else IPv6)(data)


def show(expected):
    if isinstance(expected, Packet):
        return expected.command()
    return repr(expected)


def describe(data):
    packet = dissect(data)
    return f"{packet.command()}\n    {len(data)} bytes {data[:120].hex()}"


class Mismatch(Exception):
    pass


def bind(var, actual, seen):
    """What @var stands for in a packet that has @actual in its place."""
    if var.name in seen:
        return seen[var.name]
    if var.rule and not var.rule(actual):
        raise Mismatch(f"{var} may not be {actual!r}")
    if var.name:
        seen[var.name] = actual
    return actual


def resolve(expected, data, seen):
    """Bytes of @expected with its variables taken from @seen or, if new, from the packet @data."""
    if callable(expected) and not isinstance(expected, Packet):
        expected = expected(seen)
    if isinstance(expected, bytes):
        return expected
    filled, actual = expected.copy(), list(layers(dissect(data)))
    for depth, layer in enumerate(layers(filled)):
        for name, value in list(layer.fields.items()):
            if not isinstance(value, Var):
                continue
            if depth >= len(actual) or name not in [f.name for f in actual[depth].fields_desc]:
                raise Mismatch(f"no layer {depth} with {name}")
            layer.setfieldval(name, bind(value, actual[depth].getfieldval(name), seen))
    return bytes(filled)


def compare(expected, data, seen):
    """Raise Mismatch unless @data is what @expected says; @seen learns only from a match."""
    trial = dict(seen)
    want = resolve(expected, data, trial)
    if want != data:
        at = next((i for i, (a, b) in enumerate(zip(want, data)) if a != b), "the end")
        raise Mismatch(f"differs at byte {at}\n  expected {describe(want)}\n"
                       f"  got      {describe(data)}")
    seen.update(trial)


def seed_of(name, n_workers):
    """Of this case's deliveries: from the run's seed, the same whichever cases are chosen."""
    text = f"{SEED} {n_workers} {name}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") | 1


def sixgated(config, arrivals, directory, delivery=()):
    """Return: packets out as (ns since START, bytes), counters, drop reasons."""
    (directory / "sixgate.yaml").write_text(config)
    command = [SIXGATED, "-c", str(directory / "sixgate.yaml")]
    for side, option in (("inside", "--replay"), ("outside", "--replay-outside")):
        path = directory / f"{side}.pcap"
        with RawPcapWriter(str(path), linktype=LINKTYPE_RAW, nano=True) as writer:
            writer.write_header(None)
            for at, where, data in arrivals:
                if where == side:
                    writer.write_packet(data, sec=START + at // 10**9, usec=at % 10**9)
        command += [option, str(path)]
    written = directory / "out.pcap"
    run = subprocess.run([*command, *delivery, "--write", str(written)], capture_output=True, text=True,
                         timeout=60)
    assert run.returncode == 0, f"sixgated: exit code {run.returncode}\n{run.stderr}"
    sent = [((meta.tshigh << 32 | meta.tslow) if hasattr(meta, "tshigh") else
             (meta.sec - START) * 10**9 + meta.usec, data)
            for data, meta in RawPcapReader(str(written))]
    counts, drops = {}, {}
    for line in run.stdout.splitlines():
        found = re.match(r"(dropped )?(\S+) +(\d+)", line)
        (drops if found[1] else counts)[found[2]] = int(found[3])
    return sent, counts, drops


class Case:
    def __init__(self, name, config, steps, drops, counts, batch, missing, workers):
        self.name, self.config, self.steps, self.missing = name, HEAD + config, steps, missing
        self.drops, self.counts, self.workers = drops or {}, counts or {}, workers
        self.batch = batch and not any(isinstance(s, Pause) for s in steps)

    def spacings(self):
        many = [n for n in self.workers if n > 1]
        if many and not os.environ.get("SIXGATE_TEST_ALL"):
            many = [many[seed_of(self.name, 0) // 2 % len(many)]]
        return ["spaced"] + ["batch"] * self.batch + [f"{n} workers" for n in many]

    def schedule(self, spacing):
        """Return: arrivals as (ns, side, bytes), and [(from ns, departures)]."""
        at, arrivals, expected = 0, [], [(0, [])]
        for step in self.steps:
            if isinstance(step, Departure):
                expected[-1][1].extend((step.side, p) for p in step.packets)
                continue
            if isinstance(step, Pause):
                at += step.ns
                continue
            at += 1000 if spacing == "batch" else STEP_NS
            if spacing != "batch":
                expected.append((at, []))
            arrivals += [(at + i, step.side, p) for i, p in enumerate(step.packets)]
        return arrivals, expected

    def check(self, spacing, directory):
        arrivals, expected = self.schedule(spacing)
        delivery = ()
        if spacing.endswith("workers"):
            n_workers = int(spacing.split()[0])
            delivery = ("--workers", str(n_workers), "--misdeliver",
                        str(seed_of(self.name, n_workers)))
        sent, counts, drops = sixgated(self.config, arrivals, directory, delivery)
        for _ in range(TRIES if delivery else 0):
            if drops.get(EXHAUSTED, 0) <= self.drops.get(EXHAUSTED, 0):
                break
            delivery = (*delivery[:3], str(int(delivery[3]) + 2))
            sent, counts, drops = sixgated(self.config, arrivals, directory, delivery)
        failure = None
        try:
            if spacing == "spaced":
                self.check_steps(sent, expected)
            elif delivery:
                self.check_sets(sent, expected)
            else:
                self.check_set(sent, [p for _, packets in expected for p in packets])
            self.check_counters(expected, counts, drops)
        except Mismatch as why:
            failure = why
        if failure:
            pytest.fail(f"{failure}\n  dropped: {drops}\n  counted: {counts}\n"
                        f"  {' '.join(delivery)} (SIXGATE_TEST_SEED={SEED})", pytrace=False)

    def check_counters(self, expected, counts, drops):
        if drops != self.drops:
            raise Mismatch(f"expected drops: {self.drops}")
        wanted = dict(self.counts)
        for side in ("inside", "outside"):
            wanted[f"tx_packets_{side}"] = sum(s == side for _, ps in expected for s, _ in ps)
        got = {name: counts.get(name, 0) for name in wanted}
        if got != wanted:
            raise Mismatch(f"expected counters: {wanted}\n  got {got}")

    @staticmethod
    def check_steps(sent, expected):
        seen = {}
        for index, (begin, packets) in enumerate(expected):
            end = expected[index + 1][0] if index + 1 < len(expected) else 2**63
            got = [data for at, data in sent if begin <= at < end]
            for number, data in enumerate(got):
                if number >= len(packets):
                    raise Mismatch(f"step {index}: not expected: {describe(data)}")
                try:
                    compare(packets[number][1], data, seen)
                except Mismatch as why:
                    raise Mismatch(f"step {index}, packet {number}: {why}\n"
                                   f"  got      {describe(data)}") from None
            if len(got) < len(packets):
                raise Mismatch(f"step {index}: missing: {show(packets[len(got)][1])}")

    @classmethod
    def check_sets(cls, sent, expected):
        seen = {}
        for index, (begin, packets) in enumerate(expected):
            end = expected[index + 1][0] if index + 1 < len(expected) else 2**63
            try:
                cls.check_set([s for s in sent if begin <= s[0] < end], packets, seen)
            except Mismatch as why:
                raise Mismatch(f"step {index}: {why}") from None

    @staticmethod
    def check_set(sent, packets, seen=None):
        seen, left = {} if seen is None else seen, [data for _, data in sent]
        for _, packet in packets:
            for data in left:
                try:
                    compare(packet, data, seen)
                except Mismatch:
                    continue
                left.remove(data)
                break
            else:
                raise Mismatch("\n  ".join([f"missing: {show(packet)}", *map(describe, left)]))
        if left:
            raise Mismatch("\n  ".join(["not expected:", *map(describe, left)]))


def checksum_of(packet, at):
    return int.from_bytes(bytes(packet)[at:at + 2], "big")


def carried(wrong, right_before, right_after):
    """A checksum as wrong as before, after what it covers has changed (RFC 1624)."""
    return (wrong + right_after - right_before) % 0xffff or 0xffff


def case(name, config, *steps, drops=None, counts=None, batch=True, missing=None,
         workers=ONE + MANY):
    """@missing: why it is known to fail; once it holds that must be taken away. @workers: how many
    it holds with."""
    return Case(name, config, steps, drops, counts, batch, missing, workers)


def each(cases):
    """Decorator: the test function takes (case, spacing, tmp_path)."""
    names = [c.name for c in cases]
    twice = [name for name in names if names.count(name) > 1]
    assert not twice, f"two cases have one name: {twice}"
    runs = [pytest.param(c, spacing, id=f"{c.name} [{spacing}]", marks=[
                pytest.mark.xfail(strict=True, reason=c.missing)] if c.missing else [])
            for c in cases for spacing in c.spacings()]
    return pytest.mark.parametrize("case, spacing", runs)
