/*
 * icmp_extension.c - what stands behind the embedded packet of an ICMP error: extension structures
 * (RFC 4884), carried across as opaque bits (RFC 7915 4.2, 5.2), and the one object that we add:
 * the name of a source that has no address in the other family (RFC 6791, RFC 5837).
 */
#include "sixgate/packet/icmp.h"
#include "translate_internal.h"

enum {
	VERSION = 2,
	CLASS_INTERFACE = 2,
	ROLE = 0xc0,
	HAS_ADDRESS = 0x04,
	AFI_IP4 = 1,
	AFI_IP6 = 2
};

uint32_t translate__length_at(uint8_t family, uint8_t type)
{
	if (family == 6)
		return type == ICMP6_TYPE_UNREACHABLE || type == ICMP6_TYPE_TIME_EXCEEDED ? 4 : 0;
	return type == ICMP4_TYPE_UNREACHABLE || type == ICMP4_TYPE_TIME_EXCEEDED ||
			       type == ICMP4_TYPE_PARAMETER
		       ? 5
		       : 0;
}

/* A field shorter than RFC 4884 3 asks for is believed if what follows it begins like a structure.
 * A length that cannot be one is of a sender that knows nothing of RFC 4884. */
struct quote translate__read_quote(const struct packet *p)
{
	struct quote q = { .len = p->len - p->inner_at };
	uint32_t at = translate__length_at(p->family, p->icmp_type), len;
	const uint8_t *quoted = p->data + p->inner_at;

	if (!at)
		return q;
	len = p->data[p->l4_at + at] * translate__length_unit(p->family);
	if (len >= q.len || p->inner_l4_at + 8u > p->inner_at + len)
		return q;
	if (len < QUOTE_MIN && quoted[len] >> 4 != VERSION)
		return q;
	return (struct quote){ .len = len, .ext = quoted + len, .ext_len = q.len - len };
}

static bool checksum_is_right(const uint8_t *ext, uint32_t len)
{
	return load16(ext + 2) == 0 || checksum_fold(checksum_add(0, ext, len)) == 0xffff;
}

/* Whether the objects of @ext are whole and name no interface in our role (RFC 5837 4.2: one of
 * each). */
static bool has_place(const uint8_t *ext, uint32_t len)
{
	uint32_t at = EXTENSION_HEAD;

	if (len < EXTENSION_HEAD || ext[0] >> 4 != VERSION || !checksum_is_right(ext, len))
		return false;
	while (at + OBJECT_HEAD <= len) {
		uint32_t object = load16(ext + at);

		if (object < OBJECT_HEAD || object % 4 || object > len - at)
			return false;
		if (ext[at + 2] == CLASS_INTERFACE && (ext[at + 3] & ROLE) == 0)
			return false;
		at += object;
	}
	return at == len;
}

/* RFC 4884 5.3: a sender older than it puts the structure behind 128 bytes and does not say so. */
static bool hides_extension(const struct packet *p, const struct quote *q)
{
	const uint8_t *ext = p->data + p->inner_at + QUOTE_MIN;
	uint32_t len = q->len - QUOTE_MIN;

	return q->len >= QUOTE_MIN + EXTENSION_HEAD && ext[0] == VERSION << 4 && load16(ext + 2) &&
	       checksum_is_right(ext, len);
}

/* RFC 5837 4.1, 4.3: the interface that the packet came in by, and its address alone. */
static uint32_t put_object(const struct packet *p, uint8_t *to)
{
	uint32_t n = p->family == 6 ? 16 : 4;
	struct addr src = packet_source(p);

	store16(to, (uint16_t)(OBJECT_HEAD + 4 + n));
	to[2] = CLASS_INTERFACE;
	to[3] = HAS_ADDRESS;
	store16(to + 4, p->family == 6 ? AFI_IP6 : AFI_IP4);
	store16(to + 6, 0);
	memcpy(to + 8, src.octet + 16 - n, n);
	return OBJECT_HEAD + 4 + n;
}

uint32_t translate__extension_len(const struct job *j, const struct quote *q)
{
	uint32_t object = OBJECT_HEAD + 4 + (j->p->family == 6 ? 16 : 4);

	if (!j->rw->outer_src_shared)
		return q->ext_len;
	if (q->ext_len)
		return q->ext_len + (has_place(q->ext, q->ext_len) ? object : 0);
	if (translate__length_at(j->p->family, j->p->icmp_type) && hides_extension(j->p, q))
		return 0;
	return EXTENSION_HEAD + object;
}

void translate__put_extension(const struct job *j, const struct quote *q, uint8_t *to, uint32_t len)
{
	uint16_t csum = 0;
	uint64_t sum;

	if (q->ext_len) {
		memcpy(to, q->ext, q->ext_len);
		if (len == q->ext_len)
			return;
		sum = checksum_add(0, to + q->ext_len, put_object(j->p, to + q->ext_len));
		if (load16(to + 2)) /* 0: there is none */
			checksum_apply(to + 2, checksum_fold(sum));
		return;
	}
	to[0] = VERSION << 4;
	to[1] = 0;
	memcpy(to + 2, &csum, sizeof(csum));
	put_object(j->p, to + EXTENSION_HEAD);
	csum = (uint16_t)~checksum_fold(checksum_add(0, to, len));
	memcpy(to + 2, &csum, sizeof(csum));
}
