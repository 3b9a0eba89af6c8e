/*
 * build.h - packets for tests, from readable values. Families follow the addresses; every checksum
 * is whole and right.
 */
#pragma once
#include "sixgate/packet/packet.h"

/** struct tcp_args - what a TCP segment says; host order. */
struct tcp_args {
	uint8_t flags;
	uint32_t seq, ack;
};

/** build_udp() - at @at. Return: bytes written. @n bytes of payload count up from 0. */
uint32_t build_udp(uint8_t *at, const struct tuple *t, uint32_t n);
uint32_t build_tcp(uint8_t *at, const struct tuple *t, struct tcp_args args, uint32_t n);
/** build_echo() - request or reply; the identifier is t->sport. */
uint32_t build_echo(uint8_t *at, const struct tuple *t, bool reply, uint32_t n);
/** build_error() - ICMP error from @src to @dst about the @n bytes at @inner. @rest: second word of
 *  the ICMP header. */
uint32_t build_error(uint8_t *at, const struct addr *src, const struct addr *dst, uint8_t type,
		     uint8_t code, uint32_t rest, const uint8_t *inner, uint32_t n);

/** tuple_of() - from text; proto 0 stands for ICMP of the family. */
struct tuple tuple_of(const char *src, const char *dst, uint16_t sport, uint16_t dport,
		      uint8_t proto);

/** l4_checksum_is_right() - of a parsed, unfragmented packet with whole checksums. */
bool l4_checksum_is_right(const struct packet *p);
