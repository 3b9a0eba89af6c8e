/*
 * message.h - Router Advertisements and Router Solicitations (RFC 4861 4.1, 4.2) with the PREF64
 * option (RFC 8781 4), from values to bytes and back. Pure; what is read is hostile.
 *
 * - PREF64:  a NAT64 prefix that a router tells its hosts, for a time
 * - scaled lifetime: that time in units of 8 seconds, 13 bits
 * - PLC:     prefix length code, 3 bits, 0 to 5: /96, /64, /56, /48, /40, /32
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sixgate/base/addr.h"

enum {
	RA_PREF64_MAX = 16,	/* kept of one message */
	RA_BYTES_MAX = 512,	/* what we send is never longer */
	RA_PREF64_UNIT_S = 8,
	RA_PREF64_LIFETIME_MAX_S = 65528, /* RFC 8781 4 */
	RA_HOP_LIMIT = 255	/* RFC 4861 6.1: nothing else has not been forwarded */
};

/** struct ra_pref64 - @lifetime_s: 0: no longer to be used; rounded up to units of 8 s on the wire */
struct ra_pref64 {
	struct prefix prefix;
	uint32_t lifetime_s;
};

/**
 * struct ra_message - what an advertisement says. Zero in a field of the header means that this
 * router does not say (RFC 4861 4.2).
 * @managed, @other: flags M and O
 * @router_lifetime_s: 0: not a default router
 * @has_mac: the option with our link-layer address
 * @n_pref64: at most RA_PREF64_MAX; what a received message has beyond is left out
 */
struct ra_message {
	uint8_t hop_limit;
	bool managed, other, has_mac;
	uint16_t router_lifetime_s;
	uint8_t mac[6];
	struct ra_pref64 pref64[RA_PREF64_MAX];
	size_t n_pref64;
};

/** ra_pref64_is_possible() - the option has a code for this length (RFC 8781 4). */
bool ra_pref64_is_possible(const struct prefix *p);

/** ra_pref64_scale() - seconds to units of 8 s: rounded up, at most 8191 (RFC 8781 4.1). */
uint16_t ra_pref64_scale(uint32_t lifetime_s);

/** ra_write() - an advertisement; its checksum is left to the kernel. @m: prefixes are possible ones.
 *  Return: bytes written. */
size_t ra_write(const struct ra_message *m, uint8_t out[RA_BYTES_MAX]);

/** ra_write_solicitation() - RFC 4861 4.1, without options. Return: bytes written. */
size_t ra_write_solicitation(uint8_t out[RA_BYTES_MAX]);

/** struct ra_packet - ICMPv6 bytes as they came; their checksum has been verified by the kernel. */
struct ra_packet {
	const uint8_t *bytes;
	size_t len;
	struct addr source;
	int hop_limit;
};

enum ra_kind { RA_INVALID, RA_SOLICITATION, RA_ADVERTISEMENT };

/** ra_read() - RFC 4861 6.1. @out: filled in for an advertisement. Options that are not known, and
 *  PREF64 options with a code or length that do not exist, are passed over. */
enum ra_kind ra_read(const struct ra_packet *p, struct ra_message *out);
