/* parse.h - from hostile bytes to facts. The only reader of packets that has not been checked. */
#pragma once
#include "sixgate/packet/packet.h"

/** At most this many IPv6 extension headers are walked; one more is DROP_EXT_HEADERS. */
enum { EXTENSION_HEADERS_MAX = 8 };

/**
 * packet_parse() - establish the facts of @p
 *
 * Reads data, len, off and side; writes everything from `family` on, flags and key. Trailing bytes
 * beyond the IP length are cut (len shrinks). Checks the IPv4 header checksum, the lengths, that
 * the l4 header is whole (TCP 20 bytes and its data offset, UDP 8, ICMP 8), source routes, that no
 * address is impossible in its place, that offload facts agree with the packet, and for ICMP
 * errors that the embedded packet's IP and first 8 l4 bytes are there. The checksum of ICMP errors
 * is verified (RFC 5508 3.2) unless it is partial; other l4 checksums are not.
 *
 * Non-first fragments get a key with ports 0: the fragment store supplies them.
 *
 * Return: verdict_continue(), or a drop (perhaps with a reply).
 */
struct verdict packet_parse(struct packet *p);
