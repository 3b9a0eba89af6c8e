#!/usr/bin/python3
"""Writes random inputs for fuzz_sequence that make sense more often than random bytes do: a host asks,
somebody answers, a router complains. Usage: make_sequence_seeds.py DIRECTORY [HOW-MANY [SEED]]

The corpus in git is what libFuzzer keeps of some thousand of them: fuzz_sequence -set_cover_merge=1
-use_counters=0 -max_len=600 corpus/sequence DIRECTORY.
"""
import pathlib
import random
import sys

INSIDE, OUTSIDE, ANSWER, ERROR, PIECES, TIME, MUTATED, PUBLISH, LEND = 1, 2, 3, 5, 6, 7, 8, 9, 11
LEAVE_OVER = 0xf8
SYN, SYN_ACK, ACK, FIN, RST, DATA = 2, 18, 16, 17, 4, 24
FAR = [0, 0, 0, 1, 8, 9, 16, 17, 24, 25, 32, 33, 36, 40, 41, 48, 49, 56, 57, 64]


class Writer:
    def __init__(self, rng):
        self.rng, self.out = rng, bytearray()
        self.supers = rng.choice([0, 0, .2, .5])

    def clothes(self):
        return self.rng.choice([0] * 8 + [1, 2, 4, 8, 12, 16, 32, 64, 68, 128, self.rng.randrange(256)])

    def leave_over(self):
        if self.rng.random() < self.supers:
            how = self.rng.choice([1, 3, 3, 3, 7, self.rng.randrange(256)])
            self.out += bytes([LEAVE_OVER, how, self.rng.choice([0, 3, 9, 30, 255, self.rng.randrange(256)]),
                               self.rng.choice([10, 60, 151, 152, 177, 180, 182, 184])])

    def inside(self, proto, who, far, flags=SYN):
        self.leave_over()
        self.out += bytes([INSIDE, who, proto | self.rng.randrange(16) << 4, far])
        if proto == 0:
            self.out += bytes([flags, self.rng.randrange(4), 1])
        self.out += bytes([self.clothes()])

    def answer(self, tcp, flags=SYN_ACK, which=0):
        self.leave_over()
        self.out += bytes([ANSWER, which, self.rng.randrange(16) << 4])
        if tcp:
            self.out += bytes([flags, self.rng.randrange(4), 1])
        self.out += bytes([self.clothes()])

    def connection(self):
        who, far = self.rng.randrange(256), self.rng.choice(FAR)
        self.inside(0, who, far)
        self.answer(True)
        for _ in range(self.rng.randrange(6)):
            flags = self.rng.choice([ACK, DATA, FIN, FIN, RST, SYN, self.rng.randrange(32)])
            if self.rng.random() < .5:
                self.inside(0, who, far, flags)
            else:
                self.answer(True, flags)

    def question(self):
        self.inside(self.rng.choice([1, 3]), self.rng.randrange(256), self.rng.choice(FAR))
        for _ in range(self.rng.randrange(3)):
            self.answer(False, which=self.rng.randrange(2))

    def unasked(self):
        proto = self.rng.choice([0, 1, 3])
        self.out += bytes([OUTSIDE, self.rng.randrange(64), proto | self.rng.randrange(16) << 4,
                           self.rng.randrange(256)])
        if proto == 0:
            self.out += bytes([self.rng.choice([SYN, ACK, RST]), 1, 1])
        self.out += bytes([self.clothes()])
        if self.rng.random() < .5:
            self.answer(proto == 0)
            self.answer(proto == 0, ACK)

    def error(self):
        more = self.rng.choice([0, 1, 2, 4, 8, 9, 5, 64, self.rng.randrange(256)])
        self.out += bytes([ERROR, self.rng.randrange(3), self.rng.randrange(64), more])
        if more & 2:
            self.out += bytes([self.rng.randrange(32)])
        self.out += bytes([self.rng.randrange(256)])

    def pieces(self):
        self.out += bytes([PIECES, 0, self.rng.randrange(256), self.rng.randrange(256),
                           self.rng.choice([2, 20, 150, 200, 255])])

    def time(self):
        self.out += bytes([TIME, self.rng.randrange(12)])

    def other(self):
        kind = self.rng.choice([MUTATED, MUTATED, PUBLISH, LEND])
        if kind == LEND:
            self.out += bytes([LEND, self.rng.randrange(3), self.rng.randrange(256),
                               self.rng.choice([0, 0, self.rng.randrange(16)])])
            return
        if kind == PUBLISH:
            self.out += bytes([PUBLISH, self.rng.randrange(256)])
            return
        how = self.rng.randrange(16)
        self.out += bytes([MUTATED, self.rng.randrange(4), how])
        for _ in range(1 + (how & 3)):
            self.out += bytes([self.rng.randrange(60), self.rng.randrange(256)])


def sequence(rng):
    w = Writer(rng)
    w.out += bytes([rng.randrange(256) & (0xe7 if rng.random() < .7 else 0xff), rng.randrange(256),
                    rng.randrange(64) | rng.choice([0, 0, 128]), rng.randrange(256)])
    while len(w.out) < rng.randrange(40, 500):
        rng.choice([w.connection, w.connection, w.question, w.question, w.unasked, w.error, w.error,
                    w.pieces, w.time, w.other])()
    return bytes(w.out)


def connection_by_hand(workers, *flags):
    """Open, then these flags: positive ones the host's, negative ones the server's."""
    out = bytes([workers, 0, 0, 0, INSIDE, 0, 0, 0, SYN, 0, 1, 0, ANSWER, 0, 0, SYN_ACK, 0, 1, 0,
                 INSIDE, 0, 0, 0, ACK, 0, 1, 0])
    for f in flags:
        out += bytes([INSIDE, 0, 0, 0, f, 0, 1, 0] if f > 0 else
                     [ANSWER, 0, 0, -f, 0, 1, 0])
    return out


def taken_over_by_hand(workers, which):
    """Hosts ask by most addresses of a wide pool; half of it goes, and a static entry takes a port of one."""
    out = bytes([workers, 0, 128, 0])
    for who in range(16):
        out += bytes([INSIDE, who & 3 | who >> 2 << 3, 1, 0, 0])
    return out + bytes([PUBLISH, which << 4 | 2, TIME, 1, INSIDE, 0, 1, 0, 0, TIME, 1])


BY_HAND = [(FIN, -FIN, ACK, -ACK, SYN), (-FIN, FIN, ACK, RST), (FIN, -RST, ACK), (-FIN, RST, -ACK),
           (RST, ACK, -ACK), (-RST, ACK), (FIN, ACK, -ACK, -FIN, -RST, SYN), (-FIN, ACK, FIN, SYN)]


def main():
    where = pathlib.Path(sys.argv[1])
    rng = random.Random(int(sys.argv[3]) if len(sys.argv) > 3 else 1)
    where.mkdir(parents=True, exist_ok=True)
    for i, flags in enumerate(BY_HAND):
        (where / f"connection-{i}").write_bytes(connection_by_hand(i & 3, *flags))
    for i in range(1, 16):
        (where / f"taken-over-{i}").write_bytes(taken_over_by_hand(i & 1, i))
    for i in range(int(sys.argv[2]) if len(sys.argv) > 2 else 1000):
        (where / f"{i:05}").write_bytes(sequence(rng))


if __name__ == "__main__":
    main()
