/*
 * shape.h - what a walk over a message finds, kept, so that an answer can be made from its bytes
 * without another walk: where its TTLs stand, where its A records stand. Pure.
 *
 * Most answers are simple: a chain of aliases, then addresses; or an SOA. One that is not has no
 * shape, or not the one that is asked for, and is taken apart by ldns each time. So a shape may be
 * refused whenever in doubt, but not because of its size: the work for each client would grow with it.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * struct dns_shape - of a message without OPT (all offsets are of octets in it)
 * @known:        the others mean something
 * @no_addresses: no A and no AAAA in the answer section, and no signature in any
 * @is_aaaa:      AAAA at the end of the CNAME chain and nowhere else in the answer, no A
 * @is_a:         A records at the end of the CNAME chain are the rest of the answer section, @n_a
 *                of them, from @a_at to @a_end; before them only CNAME and DNAME, behind them only
 *                NS, SOA, A and AAAA; nothing is signed; and no name leans on octets that change
 *                when they are replaced
 * @n_records:    in all sections; @n_answer: in the first; @n_before: before the first A record
 * @question_end: where the records begin
 * @ttl_at:       of each record, in their order; its type stands 4 octets before; borrowed
 * @negative_ttl: seconds that a denial holds, DNS64_NO_SOA_TTL_S without SOA (RFC 6147 5.1.7)
 */
struct dns_shape {
	bool known, no_addresses, is_aaaa, is_a;
	uint16_t n_records, n_answer, n_before, n_a;
	uint16_t question_end, a_at, a_end;
	uint32_t negative_ttl;
	uint16_t *ttl_at;
};

/** dns_shape_read() - @wire: whole, well-formed and without OPT. @s->ttl_at, the caller's, has room for
 *  all its records. @known of @s tells success. */
void dns_shape_read(const uint8_t *wire, size_t len, struct dns_shape *s);

/** dns_shape_end() - Return: the offset behind the first @n records of @wire, whose shape is @s. */
size_t dns_shape_end(const struct dns_shape *s, const uint8_t *wire, unsigned n);
