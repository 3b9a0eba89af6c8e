/* icmp_6to4.c - RFC 7915 section 5.2: ICMPv6 errors as ICMPv4 errors. The embedded packet is
 * icmp_error.c's. */
#include "sixgate/packet/icmp.h"
#include "sixgate/packet/parse.h"
#include "translate_internal.h"

enum { NO_POINTER = 0xff, IP4_MTU_MIN = 68 };
enum {
	CODE_HOST = 1,
	CODE_PROTOCOL = 2,
	CODE_PORT = 3,
	CODE_FRAG_NEEDED = 4,
	CODE_HOST_PROHIBITED = 10
};

/* Destination Unreachable, by code. */
static const uint8_t unreachable[] = { CODE_HOST, CODE_HOST_PROHIBITED, CODE_HOST, CODE_HOST,
				       CODE_PORT };

/* Figure 6: pointer values up to the source address. */
static const uint8_t pointer[] = { 0, 1, NO_POINTER, NO_POINTER, 2, 2, 9, 8 };

static uint8_t pointer_to(uint32_t at)
{
	if (at < ARRAY_LEN(pointer))
		return pointer[at];
	if (at < 24)
		return 12;
	return at < 40 ? 16 : NO_POINTER;
}

static uint32_t less(uint32_t a, uint32_t n)
{
	return a > n ? a - n : 0;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* What the packet in error was longer by than its IPv4 form. */
static uint32_t extra_header(const struct packet *p)
{
	struct chain6 c;

	must(chain6_walk(p->data + p->inner_at, p->len - p->inner_at, &c)); /* the parser did */
	return IP6_LEN - IP4_LEN + (c.frag_at ? FRAG6_LEN : 0);
}

/* 5.2: the least of what was reported and of our links, in IPv4 bytes, "taking into account whether
 * or not the packet in error includes a Fragment Header". */
static uint16_t frag_needed_mtu(const struct job *j)
{
	const struct packet *p = j->p;
	const uint32_t *mtu = j->env->mtu;
	uint32_t extra = extra_header(p), said = less(load32(p->data + p->l4_at + 4), extra);

	said = smaller(said, smaller(mtu[j->rw->out_side], less(mtu[p->side], extra)));
	return (uint16_t)(said < IP4_MTU_MIN ? IP4_MTU_MIN : said);
}

static bool from_unreachable(const struct job *j, struct icmp_head *h)
{
	uint8_t code = j->p->icmp_code;

	if (code >= ARRAY_LEN(unreachable))
		return false;
	h->type = ICMP4_TYPE_UNREACHABLE;
	h->code = unreachable[code];
	return true;
}

static bool from_too_big(const struct job *j, struct icmp_head *h)
{
	h->type = ICMP4_TYPE_UNREACHABLE;
	h->code = CODE_FRAG_NEEDED;
	store16(h->rest + 2, frag_needed_mtu(j));
	return true;
}

static bool from_parameter(const struct job *j, struct icmp_head *h)
{
	const struct packet *p = j->p;
	uint8_t at = pointer_to(load32(p->data + p->l4_at + 4));

	if (p->icmp_code == 1) { /* unrecognized next header */
		h->type = ICMP4_TYPE_UNREACHABLE;
		h->code = CODE_PROTOCOL;
		return true;
	}
	if (p->icmp_code != 0 || at == NO_POINTER)
		return false;
	h->type = ICMP4_TYPE_PARAMETER;
	h->code = 0;
	h->rest[0] = at;
	return true;
}

bool translate__icmp_6to4(const struct job *j, struct icmp_head *h)
{
	*h = (struct icmp_head){ 0 };
	switch (j->p->icmp_type) {
	case ICMP6_TYPE_UNREACHABLE:
		return from_unreachable(j, h);
	case ICMP6_TYPE_TOO_BIG:
		return from_too_big(j, h);
	case ICMP6_TYPE_PARAMETER:
		return from_parameter(j, h);
	case ICMP6_TYPE_TIME_EXCEEDED:
		h->type = ICMP4_TYPE_TIME_EXCEEDED;
		h->code = j->p->icmp_code;
		return true;
	default:
		return false;
	}
}
