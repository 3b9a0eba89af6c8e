"""Where Sixgate's answers are not BIND's, and why. A difference that stands not here fails the
test, and so does a row that is no longer seen (but those that only a slow machine shows: SLOW).

A row is a reason and a function of case (scenario, name, type, flags), part of the answer, what BIND
said there, and what Sixgate said; those of WHOLE see both answers whole, too.
"""

RECORDS = ("answer", "answer TTL", "authority", "authority TTL", "additional", "additional TTL")
WELL_KNOWN = ("ipv4only.arpa", "170.0.0.192.in-addr.arpa", "171.0.0.192.in-addr.arpa")


def under(name, *zones):
    return any(("." + name.lower()).endswith(f".{z}.") for z in zones)


def types(answer):
    return [t for _, t, _ in answer]


def synthesized_ede(c, part, theirs, ours):
    return part == "ede" and ours == [29] and not theirs and c.type == "AAAA"


def upstreams_ede(c, part, theirs, ours):
    return part == "ede" and ours in ([6], [22], [5]) and theirs in ([], [0])


def made(message, kind):
    """Is there something in its answer that a DNS64 has made under 64:ff9b::/96?"""
    if kind == "PTR":
        return any(t == "CNAME" and d[0].endswith(".in-addr.arpa.") or d == ("ipv4only.arpa.",)
                   for _, t, d in message["answer"])
    return any(t == "AAAA" and any(x.startswith("64:ff9b::") for x in d) for _, t, d in message["answer"])


def hidden(theirs, ours):
    """Mapped addresses that BIND takes for none."""
    def mapped(m):
        return any(t == "AAAA" and any(x.startswith("::ffff:") for x in d) for _, t, d in m["answer"])
    return mapped(ours) and not mapped(theirs)


def checking_disabled(c, part, theirs, ours, whole):
    """BIND has made or hidden something (or so much that it is cut), we have not; all else follows
    from that."""
    parts = RECORDS + (("TC", "AD", "AA", "rcode") if c.type == "PTR" else ("TC", "AD"))
    return "cd" in c.flags and c.type in ("AAAA", "PTR") and part in parts and \
        not made(whole[1], c.type) and \
        (made(whole[0], c.type) or hidden(*whole) or c.name == "grows.example.test." and whole[0]["TC"])


def ad_of_cached(c, part, theirs, ours):
    return part == "AD" and c.flags == "do+cd" and ours and not theirs and c.type in ("A", "AAAA") and \
        under(c.name, "signed.test", "bogus.test")


def too_many(c, part, theirs, ours):
    return c.name == "huge.example.test." and part != "AA"


def cut(c, part, theirs, ours, whole):
    return whole[1]["TC"] and c.name in ("grows.example.test.", "v6huge.example.test.", "bigtext.example.test.") and \
        part in ("answer", "answer TTL") and theirs and not ours


def spelling(c, part, theirs, ours):
    return part in ("answer", "authority", "additional") and theirs != ours and \
        str(theirs).lower() == str(ours).lower()


def mapped_ttl(c, part, theirs, ours):
    return part == "answer TTL" and c.type == "AAAA" and ours[-1] == 600 < theirs[-1] and \
        ("mapped" in c.name or "bad" in c.name)


def ad_of_made(c, part, theirs, ours):
    return part == "AD" and theirs and not ours and c.type == "AAAA"


def bogus_ttl(c, part, theirs, ours):
    return part.endswith("TTL") and under(c.name, "bogus.test", "to-bogus.example.test") and max(theirs, default=0) <= 60


def proof_ttl(c, part, theirs, ours):
    signed = under(c.name, "signed.test", "to-signed.example.test") or \
        c.name.lower() in ("test.", "172.0.0.192.in-addr.arpa.")
    return part == "authority TTL" and signed and len(theirs) == len(ours) and len(set(theirs)) == 1 and \
        all(theirs[0] <= ttl + 2 and ttl <= 300 for ttl in ours)


def loops(c, part, theirs, ours):
    return c.name.startswith("loop") and part in ("answer", "ede", "rcode", "answer TTL")


def other_apex(c, part, theirs, ours):
    """Local zones: their SOA, NS and lifetimes."""
    return under(c.name, *WELL_KNOWN) and part in RECORDS + ("AA", "rcode") and \
        (c.type in ("ANY", "SOA", "NS", "DS") or part.endswith("TTL") or part == "authority")


def own_addresses(c, part, theirs, ours):
    return c.name.lower() == "ipv4only.arpa." and c.type == "AAAA" and c.scenario == "well-known" and \
        part in ("answer", "authority") or \
        c.name.lower() == "ipv4only.arpa." and c.type == "AAAA" and part in ("ede", "TC")


def set_cache(c, part, theirs, ours):
    return part.endswith("TTL") and len(theirs) == len(ours) and \
        c.type in ("SOA", "HTTPS", "ANY", "NS", "DNSKEY")


def any_is_what_is_there(c, part, theirs, ours):
    return c.type == "ANY" and part in RECORDS


def dname_ttl(c, part, theirs, ours):
    return ".tree." in c.name and part == "answer TTL" and ours[-1] == 0


def dname_soa(c, part, theirs, ours):
    return ".tree." in c.name and c.type == "DNAME" and part == "authority" and not ours


def glue(c, part, theirs, ours):
    return part == "additional" and c.type in ("NS", "SRV", "MX") and theirs != ours


def reverse_aa(c, part, theirs, ours):
    return part == "AA" and c.type == "PTR" and theirs and not ours


def reverse_of_well_known(c, part, theirs, ours):
    return c.type == "PTR" and "a.a.0.0.0.0.0." in c.name and \
        (part == "answer" and types(ours) == ["CNAME", "PTR"] or part == "answer TTL")


def not_mapped_there(c, part, theirs, ours):
    return c.scenario == "ranges" and c.type == "PTR" and c.name.startswith("8.0.8.0.8.0.8.0.") and \
        ".5.6.0.0." in c.name and part in RECORDS + ("rcode",)


def refused(c, part, theirs, ours):
    return c.name == "host.refused.test." and part in ("rcode", "ede") and \
        ours in ("REFUSED", [])


# name: (reason, function)
ROWS = {
    "extended error 29": (
        "RFC 8914 4.30: a synthesised answer says so", synthesized_ede),
    "extended errors passed on": (
        "the upstream's reason for a failure goes to the client; BIND 9.18 keeps it", upstreams_ede),
    "checking disabled": (
        "who sets CD validates, and gets what is there: RFC 6147 5.5, 3 asks it where DO is set, "
        "too; BIND synthesises unless the data is signed", checking_disabled),
    "AD with CD": (
        "the upstream knew already that the data is good, and says so; BIND has not checked",
        ad_of_cached),
    "more than 100 records": (
        "BIND refuses sets of more than 100 records (max-records-per-type)", too_many),
    "truncated means empty": (
        "RFC 2181 9: who sees TC asks again by TCP; BIND sends what fits", cut),
    "spelled as asked": (
        "the owner is a pointer to the question, and so has its spelling; BIND has that of the zone "
        "(RFC 4343 4.1: neither is wrong)", spelling),
    "600 s without SOA": (
        "excluded AAAA count as an empty answer (RFC 6147 5.1.4), which has no SOA: 600 s at most "
        "(5.1.7); BIND gives A's TTL", mapped_ttl),
    "no AD on what was made": (
        "RFC 6147 5.5: nobody has signed what was synthesised or filtered; BIND leaves AD set",
        ad_of_made),
    "bogus data lives 60 s": (
        "with CD, BIND lowers the TTL of what it could not validate; a forwarder's upstream has",
        bogus_ttl),
    "the least TTL of a proof": (
        "RFC 4035 5.3.3 is about each set: BIND gives a denial the least TTL of all its sets, those it "
        "heard before with it; Unbound's are passed on", proof_ttl),
    "loops of aliases": (
        "Unbound answers SERVFAIL, and that is passed on; BIND makes an answer of what it heard "
        "before", loops),
    "apex of the local zones": (
        "RFC 8880 names with other SOA and TTL than BIND's; no NS, no DS from above", other_apex),
    "ipv4only.arpa under the well-known prefix": (
        "RFC 7050 3: the prefix is what clients ask for, whatever else is hidden of 192.0.0.0/24; "
        "BIND obeys `mapped`", own_addresses),
    "sets or answers": (
        "BIND keeps each set by itself, with the TTL it heard last; we keep answers whole",
        set_cache),
    "ANY": (
        "BIND answers from its cache; we pass on the upstream's answer (RFC 8482: any subset is "
        "right)", any_is_what_is_there),
    "TTL of a CNAME made of a DNAME": (
        "RFC 6672 3.1: 0 (Unbound) or the DNAME's (BIND)", dname_ttl),
    "SOA beside a CNAME of a DNAME": (
        "Unbound sends none with the alias for type DNAME", dname_soa),
    "additional": (
        "what the upstream sends, it with minimal-responses; BIND adds from its cache", glue),
    "AA of reverse names": (
        "RFC 6147 5.3.1: the alias is ours, the data behind it is not", reverse_aa),
    "reverse name of ipv4only.arpa": (
        "an alias here as for every other address; BIND has a PTR there", reverse_of_well_known),
    "reverse name of what is never made": (
        "8.8.8.8 is not shown under the prefix of 9.9.9.0/24, so there is no such address; BIND has "
        "an alias for every address under a prefix", not_mapped_there),
    "REFUSED": (
        "passed on for what is not synthesised; BIND says SERVFAIL", refused),
}

WHOLE = (checking_disabled, cut)
# Seen where seconds go by between one question of a zone and the next.
SLOW = ("the least TTL of a proof",)


def row_for(case, part, theirs, ours, whole):
    """The name of the row that explains this difference, or None."""
    for name, (_, applies) in ROWS.items():
        if applies(case, part, theirs, ours, *([whole] if applies in WHOLE else [])):
            return name
    return None
