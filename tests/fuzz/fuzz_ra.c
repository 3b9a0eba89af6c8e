/*
 * fuzz_ra.c - hostile Router Advertisements and Solicitations. The first byte chooses the source.
 *
 * Laws: what is read as an advertisement and written again is read back the same, its prefixes are
 * possible ones with nothing behind their length; and whatever a speaker hears, it says nothing
 * from an address that another daemon of this host uses.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/ra/speaker.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_message(const struct ra_message *m)
{
	uint8_t wire[RA_BYTES_MAX];
	const struct ra_packet p = { .bytes = wire, .len = ra_write(m, wire),
				     .source = { .octet = { 0xfe, 0x80 } }, .hop_limit = RA_HOP_LIMIT };
	struct ra_message back;

	must(m->n_pref64 <= RA_PREF64_MAX);
	for (size_t i = 0; i < m->n_pref64; i++) {
		must(ra_pref64_is_possible(&m->pref64[i].prefix));
		must(m->pref64[i].lifetime_s <= RA_PREF64_LIFETIME_MAX_S);
		for (size_t k = m->pref64[i].prefix.len / 8u; k < 16; k++)
			must(m->pref64[i].prefix.addr.octet[k] == 0);
	}
	must(ra_read(&p, &back) == RA_ADVERTISEMENT);
	must(memcmp(&back, m, sizeof(back)) == 0);
}

static void tell(struct ra_speaker *s, enum ra_kind kind, const struct ra_message *m,
		 const struct addr *source, bool from_our_address)
{
	bool silencing = kind == RA_ADVERTISEMENT && from_our_address;
	struct ra_order order;
	unsigned n = 0;

	if (kind == RA_SOLICITATION)
		ra_speaker_solicited(s, source, 10000);
	if (kind == RA_ADVERTISEMENT)
		must(ra_speaker_heard(s, m, from_our_address, 10000) == silencing);
	while (ra_speaker_step(s, 10000, &order)) {
		must(++n < 4 && order.kind != RA_SEND_NOTHING);
		must(s->state != RA_SILENT);
		must(order.message.router_lifetime_s == 0);
	}
	must(ra_speaker_next(s) > 10000);
	must((s->state == RA_SILENT) == silencing);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct ra_conf conf = {
		.max_ms = 600000,
		.message = { .n_pref64 = 1,
			     .pref64 = { { { { .octet = { 0, 0x64, 0xff, 0x9b } }, 96 }, 1800 } } },
	};
	static const struct addr sources[] = {
		{ .octet = { 0xfe, 0x80, [15] = 1 } }, { .octet = { 0 } },
		{ .octet = { 0x20, 1, [15] = 1 } },    { .octet = { 0xff, 2, [15] = 1 } },
	};
	struct ra_speaker s;
	struct ra_message m;
	struct ra_packet p;
	enum ra_kind kind;
	uint8_t *exact; /* so that one byte too far is seen */

	if (size < 1)
		return 0;
	exact = malloc(size);
	must(exact);
	memcpy(exact, data + 1, size - 1);
	p = (struct ra_packet){ .bytes = exact, .len = size - 1, .source = sources[data[0] % 4],
				.hop_limit = data[0] & 0x80 ? 64 : RA_HOP_LIMIT };
	kind = ra_read(&p, &m);
	must(kind == RA_INVALID || p.hop_limit == RA_HOP_LIMIT);
	if (kind == RA_ADVERTISEMENT)
		check_message(&m);
	ra_speaker_begin(&s, &conf, data[0], 0);
	while (s.state == RA_LISTENING) {
		struct ra_order order;

		ra_speaker_step(&s, ra_speaker_next(&s), &order);
	}
	tell(&s, kind, &m, &p.source, data[0] & 0x40);
	free(exact);
	return 0;
}
