/*
 * path.c - IPv6 destinations behind a link that is narrower than what packets without DF are cut
 * to.
 *
 * Who sends with DF hears of such a link and sends less. Who sends without it does not: of its
 * packets the translator has to make fragments that fit (RFC 7915 4). It knows of the link by the
 * Packet Too Big that went past. A few destinations are remembered for a while, in fixed memory,
 * the older of two making room; to forget one costs a packet and another Packet Too Big.
 */
#include "translate_internal.h"

/* Nobody may make us cut smaller than what every IPv4 host can put together. */
enum { PATH_MTU_MIN = 576 };

static struct path_slot *home(struct translate_state *st, const struct addr *dst)
{
	uint64_t hash = hash__fold(dst->word[0] ^ st->key[0], dst->word[1] ^ st->key[1]);

	return &st->path[hash_range(hash, PATH_SLOTS / 2) * 2];
}

void translate__remember_path(struct translate_state *st, const struct addr *dst, uint32_t mtu)
{
	struct path_slot *s = home(st, dst);
	bool second = addr_equal(&s[1].dst, dst) ||
		      (!addr_equal(&s[0].dst, dst) && s[1].until_ms < s[0].until_ms);

	st->paths_until_ms = st->now_ms + PATH_LIFE_MS;
	s[second] = (struct path_slot){ .dst = *dst,
					.until_ms = st->paths_until_ms,
					.mtu = mtu < PATH_MTU_MIN ? PATH_MTU_MIN : mtu };
}

uint32_t translate__path_mtu(struct translate_state *st, const struct addr *dst)
{
	const struct path_slot *s = home(st, dst);

	for (int i = 0; i < 2; i++)
		if (s[i].until_ms > st->now_ms && addr_equal(&s[i].dst, dst))
			return s[i].mtu;
	return UINT32_MAX;
}
