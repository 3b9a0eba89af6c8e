/* icmp_4to6.c - RFC 7915 section 4.2: ICMPv4 errors as ICMPv6 errors. The embedded packet is
 * icmp_error.c's. */
#include "sixgate/packet/icmp.h"
#include "translate_internal.h"

enum { NO_POINTER = 0xff, POINTER_NEXT_HEADER = 6 };

/* Destination Unreachable, by code; type 0 for those without counterpart. */
static const struct {
	uint8_t type, code;
} unreachable[] = {
	[0] = { ICMP6_TYPE_UNREACHABLE, 0 },  [1] = { ICMP6_TYPE_UNREACHABLE, 0 },
	[2] = { ICMP6_TYPE_PARAMETER, 1 },    [3] = { ICMP6_TYPE_UNREACHABLE, 4 },
	[4] = { ICMP6_TYPE_TOO_BIG, 0 },      [5] = { ICMP6_TYPE_UNREACHABLE, 0 },
	[6] = { ICMP6_TYPE_UNREACHABLE, 0 },  [7] = { ICMP6_TYPE_UNREACHABLE, 0 },
	[8] = { ICMP6_TYPE_UNREACHABLE, 0 },  [9] = { ICMP6_TYPE_UNREACHABLE, 1 },
	[10] = { ICMP6_TYPE_UNREACHABLE, 1 }, [11] = { ICMP6_TYPE_UNREACHABLE, 0 },
	[12] = { ICMP6_TYPE_UNREACHABLE, 0 }, [13] = { ICMP6_TYPE_UNREACHABLE, 1 },
	[15] = { ICMP6_TYPE_UNREACHABLE, 1 },
};

/* Figure 3: pointer values. */
static const uint8_t pointer[] = {
	0,          1,          4, 4, NO_POINTER, NO_POINTER, NO_POINTER, NO_POINTER, 7,  6,
	NO_POINTER, NO_POINTER, 8, 8, 8,          8,          24,         24,         24, 24,
};

/* RFC 1191 7.1: what links carry; for routers too old to say. The lower ones are less than IPv6's
 * minimum. */
static const uint16_t plateau[] = { 32000, 17914, 8166, 4352, 2002, 1492 };

static uint32_t plateau_below(uint32_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(plateau); i++)
		if (plateau[i] < len)
			return plateau[i];
	return 0;
}

static uint32_t smaller(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/* 4.2, code 4: the least of what was reported and of our links, in IPv6 bytes. */
static uint32_t too_big_mtu(const struct job *j)
{
	const struct packet *p = j->p;
	const uint32_t *mtu = j->env->mtu;
	uint32_t said = load16(p->data + p->l4_at + 6);

	if (said == 0)
		said = plateau_below(load16(p->data + p->inner_at + 2));
	said = smaller(said + 20, smaller(mtu[j->rw->out_side], mtu[p->side] + 20));
	return said < IP6_MTU_MIN ? IP6_MTU_MIN : said;
}

static bool from_unreachable(const struct job *j, struct icmp_head *h)
{
	uint8_t code = j->p->icmp_code;

	if (code >= ARRAY_LEN(unreachable) || !unreachable[code].type)
		return false;
	h->type = unreachable[code].type;
	h->code = unreachable[code].code;
	if (h->type == ICMP6_TYPE_TOO_BIG)
		store32(h->rest, too_big_mtu(j));
	else if (h->type == ICMP6_TYPE_PARAMETER)
		store32(h->rest, POINTER_NEXT_HEADER);
	return true;
}

static bool from_parameter(const struct job *j, struct icmp_head *h)
{
	const struct packet *p = j->p;
	uint8_t at = p->data[p->l4_at + 4];

	if (p->icmp_code != 0 && p->icmp_code != 2)
		return false;
	if (at >= ARRAY_LEN(pointer) || pointer[at] == NO_POINTER)
		return false;
	h->type = ICMP6_TYPE_PARAMETER;
	h->code = 0;
	store32(h->rest, pointer[at]);
	return true;
}

bool translate__icmp_4to6(const struct job *j, struct icmp_head *h)
{
	*h = (struct icmp_head){ 0 };
	switch (j->p->icmp_type) {
	case ICMP4_TYPE_UNREACHABLE:
		return from_unreachable(j, h);
	case ICMP4_TYPE_PARAMETER:
		return from_parameter(j, h);
	case ICMP4_TYPE_TIME_EXCEEDED:
		h->type = ICMP6_TYPE_TIME_EXCEEDED;
		h->code = j->p->icmp_code;
		return true;
	default:
		return false;
	}
}
