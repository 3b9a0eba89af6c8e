/* message.c - Router Advertisements, Router Solicitations and the PREF64 option as bytes. */
#include "sixgate/ra/message.h"
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"

enum {
	TYPE_SOLICITATION = 133,
	TYPE_ADVERTISEMENT = 134,
	SOLICITATION_LEN = 8,
	ADVERTISEMENT_LEN = 16,
	OPTION_UNIT = 8,
	OPTION_SOURCE_MAC = 1,
	OPTION_PREF64 = 38,
	PREF64_LEN = 16,
	PREF64_OCTETS = 12, /* the highest 96 bits */
	FLAG_MANAGED = 0x80,
	FLAG_OTHER = 0x40,
	SCALED_MAX = 8191
};

/* RFC 8781 4: the place in this list is the PLC. */
static const uint8_t length_of_plc[] = { 96, 64, 56, 48, 40, 32 };

static int plc_of(uint8_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(length_of_plc); i++)
		if (length_of_plc[i] == len)
			return (int)i;
	return -1;
}

bool ra_pref64_is_possible(const struct prefix *p)
{
	return plc_of(p->len) >= 0;
}

uint16_t ra_pref64_scale(uint32_t lifetime_s)
{
	if (lifetime_s >= RA_PREF64_LIFETIME_MAX_S)
		return SCALED_MAX;
	return (uint16_t)((lifetime_s + RA_PREF64_UNIT_S - 1) / RA_PREF64_UNIT_S);
}

static size_t write_mac(const struct ra_message *m, uint8_t *out)
{
	if (!m->has_mac)
		return 0;
	out[0] = OPTION_SOURCE_MAC;
	out[1] = 1;
	memcpy(out + 2, m->mac, sizeof(m->mac));
	return OPTION_UNIT;
}

static size_t write_pref64(const struct ra_pref64 *p, uint8_t *out)
{
	int plc = plc_of(p->prefix.len);

	must(plc >= 0);
	out[0] = OPTION_PREF64;
	out[1] = PREF64_LEN / OPTION_UNIT;
	store16(out + 2, (uint16_t)(ra_pref64_scale(p->lifetime_s) << 3 | plc));
	memcpy(out + 4, p->prefix.addr.octet, PREF64_OCTETS);
	return PREF64_LEN;
}

size_t ra_write(const struct ra_message *m, uint8_t out[RA_BYTES_MAX])
{
	size_t at = ADVERTISEMENT_LEN;

	_Static_assert(ADVERTISEMENT_LEN + OPTION_UNIT + RA_PREF64_MAX * PREF64_LEN <= RA_BYTES_MAX,
		       "all options fit");
	must(m->n_pref64 <= RA_PREF64_MAX);
	memset(out, 0, ADVERTISEMENT_LEN);
	out[0] = TYPE_ADVERTISEMENT;
	out[4] = m->hop_limit;
	out[5] = (uint8_t)((m->managed ? FLAG_MANAGED : 0) | (m->other ? FLAG_OTHER : 0));
	store16(out + 6, m->router_lifetime_s);
	at += write_mac(m, out + at);
	for (size_t i = 0; i < m->n_pref64; i++)
		at += write_pref64(&m->pref64[i], out + at);
	return at;
}

size_t ra_write_solicitation(uint8_t out[RA_BYTES_MAX])
{
	memset(out, 0, SOLICITATION_LEN);
	out[0] = TYPE_SOLICITATION;
	return SOLICITATION_LEN;
}

/* RFC 8781 4: a code that does not exist makes the option one that is not known; so does a length
 * that another version of the option may have. */
static void read_pref64(const uint8_t *option, size_t len, struct ra_message *out)
{
	struct ra_pref64 p = { .lifetime_s = 0 };
	uint16_t scaled_plc = load16(option + 2);
	unsigned plc = scaled_plc & 7;

	if (len != PREF64_LEN || plc >= ARRAY_LEN(length_of_plc) || out->n_pref64 == RA_PREF64_MAX)
		return;
	p.lifetime_s = (uint32_t)(scaled_plc >> 3) * RA_PREF64_UNIT_S;
	p.prefix.len = length_of_plc[plc];
	memcpy(p.prefix.addr.octet, option + 4, p.prefix.len / 8u);
	out->pref64[out->n_pref64++] = p;
}

static void read_option(const uint8_t *option, size_t len, struct ra_message *out)
{
	if (option[0] == OPTION_SOURCE_MAC && len == OPTION_UNIT) {
		out->has_mac = true;
		memcpy(out->mac, option + 2, sizeof(out->mac));
	} else if (option[0] == OPTION_PREF64) {
		read_pref64(option, len, out);
	}
}

/* RFC 4861 6.1.1, 6.1.2: an option of length 0 makes the whole message invalid; so does one that is
 * not there to its end. */
static bool read_options(const uint8_t *p, size_t left, struct ra_message *out)
{
	while (left) {
		size_t len = left >= OPTION_UNIT ? (size_t)p[1] * OPTION_UNIT : 0;

		if (!len || len > left)
			return false;
		read_option(p, len, out);
		p += len;
		left -= len;
	}
	return true;
}

static bool is_link_local(const struct addr *a)
{
	return a->octet[0] == 0xfe && (a->octet[1] & 0xc0) == 0x80;
}

static enum ra_kind read_solicitation(const struct ra_packet *p, struct ra_message *out)
{
	static const struct addr unspecified;

	if (p->len < SOLICITATION_LEN ||
	    !read_options(p->bytes + SOLICITATION_LEN, p->len - SOLICITATION_LEN, out))
		return RA_INVALID;
	if (addr_is_multicast(&p->source) || (addr_equal(&p->source, &unspecified) && out->has_mac))
		return RA_INVALID;
	return RA_SOLICITATION;
}

static enum ra_kind read_advertisement(const struct ra_packet *p, struct ra_message *out)
{
	if (p->len < ADVERTISEMENT_LEN || !is_link_local(&p->source))
		return RA_INVALID;
	out->hop_limit = p->bytes[4];
	out->managed = p->bytes[5] & FLAG_MANAGED;
	out->other = p->bytes[5] & FLAG_OTHER;
	out->router_lifetime_s = load16(p->bytes + 6);
	return read_options(p->bytes + ADVERTISEMENT_LEN, p->len - ADVERTISEMENT_LEN, out) ?
		       RA_ADVERTISEMENT :
		       RA_INVALID;
}

enum ra_kind ra_read(const struct ra_packet *p, struct ra_message *out)
{
	*out = (struct ra_message){ 0 };
	if (p->len < 2 || p->hop_limit != RA_HOP_LIMIT || p->bytes[1] != 0)
		return RA_INVALID;
	if (p->bytes[0] == TYPE_SOLICITATION)
		return read_solicitation(p, out);
	if (p->bytes[0] == TYPE_ADVERTISEMENT)
		return read_advertisement(p, out);
	return RA_INVALID;
}
