/*
 * message.h - DNS messages as they stand on the wire (RFC 1035 4, 6891). Pure: no state, no I/O.
 *
 * Reads hostile bytes without ever leaving them. Names are kept in uncompressed wire form with
 * their root label; "folded" means that A-Z became a-z, which is how names are compared.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	DNS_HEADER_LEN = 12,
	DNS_NAME_MAX = 255,   /* RFC 1035 2.3.4, root label included */
	DNS_LABEL_MAX = 63,
	DNS_MESSAGE_MAX = 65535,
	DNS_UDP_CLASSIC = 512, /* without EDNS */
	DNS_UDP_PAYLOAD = 1232, /* what we advertise and the most we send: fits IPv6's minimum MTU */
	DNS_OPT_LEN = 11,     /* an OPT record without options */
	DNS_CHAIN_MAX = 32,   /* CNAMEs followed in one answer */
	DNS_HOPS_MAX = 4096,  /* pointers followed for the owners of one message */
	DNS_COOKIE_CLIENT_LEN = 8, /* RFC 7873 4 */
	DNS_COOKIE_SERVER_LEN = 16, /* of ours; others' are 8 to 32 */
	DNS_COOKIE_LEN = DNS_COOKIE_CLIENT_LEN + DNS_COOKIE_SERVER_LEN,
	DNS_COOKIE_LEN_MIN = 16, /* of both together, RFC 7873 5.2.2 */
	DNS_COOKIE_MAX = 40,
};

enum dns_type {
	DNS_TYPE_A = 1,
	DNS_TYPE_NS = 2,
	DNS_TYPE_CNAME = 5,
	DNS_TYPE_SOA = 6,
	DNS_TYPE_PTR = 12,
	DNS_TYPE_TXT = 16,
	DNS_TYPE_AAAA = 28,
	DNS_TYPE_DNAME = 39,
	DNS_TYPE_OPT = 41,
	DNS_TYPE_RRSIG = 46,
	DNS_TYPE_TKEY = 249, /* from here to 254: not for a forwarder */
	DNS_TYPE_TSIG = 250,
	DNS_TYPE_MAILA = 254,
	DNS_TYPE_ANY = 255,
};

enum { DNS_CLASS_IN = 1, DNS_CLASS_CHAOS = 3 };

enum dns_rcode {
	DNS_NOERROR = 0,
	DNS_FORMERR = 1,
	DNS_SERVFAIL = 2,
	DNS_NXDOMAIN = 3,
	DNS_NOTIMP = 4,
	DNS_REFUSED = 5,
	DNS_BADVERS = 16, /* RFC 6891 9 */
	DNS_BADCOOKIE = 23, /* RFC 7873 8 */
};

/* Header bits of the second 16-bit word. */
enum dns_flag {
	DNS_QR = 0x8000,
	DNS_OPCODE = 0x7800,
	DNS_AA = 0x0400,
	DNS_TC = 0x0200,
	DNS_RD = 0x0100,
	DNS_RA = 0x0080,
	DNS_AD = 0x0020,
	DNS_CD = 0x0010,
	DNS_RCODE = 0x000f,
};

/* Options of OPT: RFC 7873 4, 7830 3. */
enum { DNS_OPTION_COOKIE = 10, DNS_OPTION_PADDING = 12 };

/* Extended errors (RFC 8914) that this server looks at or sends. */
enum dns_ede {
	DNS_EDE_NONE = -1,
	DNS_EDE_OTHER = 0,
	DNS_EDE_STALE = 3,
	DNS_EDE_DNSSEC_FIRST = 5, /* "indeterminate": Unbound says it of aliases to bogus names */
	DNS_EDE_DNSSEC_LAST = 12,
	DNS_EDE_STALE_NXDOMAIN = 19,
	DNS_EDE_NOT_SUPPORTED = 21,
	DNS_EDE_NO_REACHABLE_AUTHORITY = 22,
	DNS_EDE_SYNTHESIZED = 29,
};

/** struct dns_name - @len: bytes in @octet, root label included; 1 for the root. */
struct dns_name {
	uint8_t len;
	uint8_t octet[DNS_NAME_MAX];
};

/** struct dns_question - @name as the sender wrote it, its case kept. */
struct dns_question {
	struct dns_name name;
	uint16_t type, class;
};

/**
 * struct dns_query - what a client asked
 * @flags:    second word of its header, wire meaning, host order
 * @udp_size: what fits into its UDP answer, bytes: DNS_UDP_CLASSIC to DNS_UDP_PAYLOAD
 * @cookie:   its COOKIE option, client's and maybe server's part (RFC 7873 4); @cookie_len 0: none
 *
 * The question is empty (its name has no length) where only a cookie was asked for (RFC 7873 5.4).
 */
struct dns_query {
	struct dns_question question;
	uint16_t id, flags, udp_size;
	bool has_opt, dnssec_ok;
	uint8_t cookie_len, cookie[DNS_COOKIE_MAX];
};

/** struct dns_rr - one record, by offsets into its message; its owner and data lie inside. @same_owner:
 *  that of the record before, by the same pointer */
struct dns_rr {
	enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL } section;
	bool same_owner;
	size_t owner_at, ttl_at, rdata_at;
	uint16_t type, class, rdlen;
	uint32_t ttl; /* seconds, a set top bit read as 0 (RFC 2181 8) */
};

/**
 * struct dns_walk - a walk over the records of one message, front to back
 * @failed: the message ended early, a name was wrong, or owners take more than DNS_HOPS_MAX pointers
 *          to read; no more records follow
 * @owner:  the first two octets of the last one; @hops: pointers that were followed
 */
struct dns_walk {
	const uint8_t *wire; /* borrowed */
	size_t len, at;
	uint16_t left[3], owner;
	unsigned hops;
	bool failed;
};

/**
 * dns_name_read() - a possibly compressed name at @at
 *
 * Pointers must go backward (RFC 1035 4.1.4: "a prior occurrence"), so the work is bounded.
 * Return: offset behind the name; 0 if it is wrong, then @out is undefined.
 */
size_t dns_name_read(const uint8_t *wire, size_t len, size_t at, struct dns_name *out);

/** dns_name_parse() - text with dots, with or without the final one. Escapes are not taken.
 *  Return: 0 or -EINVAL. */
int dns_name_parse(const char *text, struct dns_name *out);

/** dns_name_fold() - to lower case (RFC 4343). */
void dns_name_fold(struct dns_name *name);

/** dns_name_equal() - case is ignored. */
bool dns_name_equal(const struct dns_name *a, const struct dns_name *b);

/** dns_name_is_under() - true if @name is @domain or below it; case is ignored. */
bool dns_name_is_under(const struct dns_name *name, const struct dns_name *domain);

/**
 * dns_query_read() - a client's message
 *
 * Return: DNS_NOERROR: @q is whole. Another rcode: to be answered with it; @q holds what was
 * understood (an empty question where there was none). -1: not to be answered at all: too short
 * to have a header, or itself an answer.
 */
int dns_query_read(const uint8_t *wire, size_t len, struct dns_query *q);

/**
 * dns_query_write() - a query for an upstream: RD, and AD so that it tells what it validated
 * @q:    question, and CD of its flags
 * @edns: with an OPT record of ours, DO as in @q
 * @out:  at least DNS_HEADER_LEN + DNS_NAME_MAX + 4 + DNS_OPT_LEN bytes
 *
 * Return: bytes written.
 */
size_t dns_query_write(const struct dns_query *q, uint16_t id, bool edns, uint8_t *out);

/** dns_question_read() - the only question of a message. Return: offset behind it; 0 if there is
 *  not exactly one, or it is wrong. */
size_t dns_question_read(const uint8_t *wire, size_t len, struct dns_question *out);

/** dns_question_equal() - name without case, type and class. */
bool dns_question_equal(const struct dns_question *a, const struct dns_question *b);

/** dns_walk_start() - at the first record. A wrong header or question fails the walk at once. */
void dns_walk_start(struct dns_walk *w, const uint8_t *wire, size_t len);

/** dns_walk_next() - Return: false when there are no more records or the walk has failed. */
bool dns_walk_next(struct dns_walk *w, struct dns_rr *rr);

/** dns_message_check() - true if every record can be walked and nothing follows the last. */
bool dns_message_check(const uint8_t *wire, size_t len);

/** dns_opt_find() - the OPT record of a message, wherever it stands. Return: false: there is none. */
bool dns_opt_find(const uint8_t *wire, size_t len, struct dns_rr *opt);

/** dns_option_find() - the first option @code of @opt, its data at @at. Return: its length; -1: there
 *  is none. */
int dns_option_find(const uint8_t *wire, const struct dns_rr *opt, uint16_t code, size_t *at);

/** dns_ede_read() - info code of the first extended error in @opt's options, or DNS_EDE_NONE. */
int dns_ede_read(const uint8_t *wire, const struct dns_rr *opt);

/** dns_age() - lower every TTL of a whole message by @age_s, to 0 at least. */
void dns_age(uint8_t *wire, size_t len, uint32_t age_s);

/** dns_cap_ttls() - no TTL of a whole message is above @most_s. */
void dns_cap_ttls(uint8_t *wire, size_t len, uint32_t most_s);

/** dns_set_ttls() - every TTL of a whole message is @ttl_s. */
void dns_set_ttls(uint8_t *wire, size_t len, uint32_t ttl_s);
