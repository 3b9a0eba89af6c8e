/* parse.h - from hostile bytes to facts. The only reader of packets that has not been checked. */
#pragma once
#include "sixgate/packet/packet.h"

/** At most this many IPv6 extension headers are walked; one more is DROP_EXT_HEADERS. */
enum { EXTENSION_HEADERS_MAX = 8 };

/** IP and l4 headers of a super-packet have at most this many bytes; else DROP_BAD_OFFLOAD. */
enum { GSO_HEADERS_MAX = 256 };

/**
 * packet_parse() - establish the facts of @p
 *
 * Reads data, len, off and side; writes everything from `family` on, flags and key. Trailing bytes
 * beyond the IP length are cut (len shrinks). Checks the IPv4 header checksum, the lengths, that
 * the l4 header is whole (TCP 20 bytes and its data offset, UDP 8, ICMP 8), source routes, that no
 * address is impossible in its place (the source of an ICMPv4 error excepted: RFC 7915 4.1 wants it
 * translated), that offload facts agree with the packet, and for ICMP errors that the embedded
 * packet's IP and first 8 l4 bytes are there. The checksum of ICMP errors is verified (RFC 5508
 * 3.2), the header checksum of an embedded IPv4 packet too; other l4 checksums are not.
 *
 * Offload facts are settled: afterwards csum_partial means the TCP or UDP header at l4_at and
 * nothing else (another unfinished checksum has been finished), and gso means more than one
 * segment of the packet's own protocol and family.
 *
 * Non-first fragments get a key with ports 0: the fragment store supplies them. Protocols without
 * ports pass, with ports 0: whether they are translated is the policies' business.
 *
 * Return: verdict_continue(), or a drop (perhaps with a reply; then all facts are valid).
 */
struct verdict packet_parse(struct packet *p);

/**
 * struct chain6 - where an IPv6 header chain ends
 * @proto:    upper-layer protocol; everything but Hop-by-Hop, Routing, Destination Options and
 *            Fragment counts as one
 * @l4_at:    of the upper layer (or the fragment's payload), from the IPv6 header
 * @frag_at:  of the Fragment Header, 0 without: the chain ends behind it
 * @route_at: of the Segments Left field of the first Routing header that is not used up, 0 without
 */
struct chain6 {
	uint8_t proto;
	uint16_t l4_at, frag_at, route_at;
};

/** chain6_walk() - @ip: a whole IPv6 header with @len bytes, 40 or more, to read. Return: false if
 *  the chain is malformed, longer than EXTENSION_HEADERS_MAX, or leaves @len; or if it goes on behind
 *  a Fragment Header, which alone leaves @c with frag_at, l4_at and proto set. */
bool chain6_walk(const uint8_t *ip, uint32_t len, struct chain6 *c);
