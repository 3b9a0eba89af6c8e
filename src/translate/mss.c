/* mss.c - the MSS option of a SYN, lowered so that nothing that follows needs fragments or errors
 * (RFC 4459 3.2.2, RFC 6146 leaves it open). Never raised. */
#include "translate_internal.h"

enum { OPTION_END = 0, OPTION_NOP = 1, OPTION_MSS = 2, TCP_LEN = 20 };

static uint32_t mss_of_link(uint32_t mtu, uint8_t family)
{
	uint32_t head = TCP_LEN + (family == 6 ? IP6_LEN : IP4_LEN);

	return mtu > head + MSS_CLAMP_MIN ? mtu - head : MSS_CLAMP_MIN;
}

/* The other end's segments come in where this SYN leaves, in that family, and leave where it came
 * in. */
static uint32_t mss_max(const struct job *j)
{
	const struct translate_env *env = j->env;
	uint32_t there = mss_of_link(env->mtu[j->rw->out_side], j->family);
	uint32_t here = mss_of_link(env->mtu[j->p->side], j->p->family);

	if (env->conf.mss_clamp == MSS_CLAMP_OFF)
		return UINT16_MAX;
	if (env->conf.mss_clamp != MSS_CLAMP_AUTO)
		return (uint32_t)env->conf.mss_clamp;
	return here < there ? here : there;
}

/* Return: where the MSS option's value stands, 0 if there is none; the list is hostile. */
static uint32_t find_mss(const uint8_t *tcp, uint32_t end)
{
	uint32_t at = TCP_LEN;

	while (at < end && tcp[at] != OPTION_END) {
		uint32_t len = tcp[at] == OPTION_NOP ? 1 : at + 1 < end ? tcp[at + 1] : 0;

		if (tcp[at] != OPTION_NOP && len < 2)
			return 0;
		if (at + len > end)
			return 0;
		if (tcp[at] == OPTION_MSS)
			return len == 4 ? at + 2 : 0;
		at += len;
	}
	return 0;
}

uint16_t translate__clamp_mss(const struct job *j, uint8_t *tcp)
{
	uint32_t max = mss_max(j), at = find_mss(tcp, (tcp[12] >> 4) * 4u);
	uint16_t old, fresh;

	if (!at || load16(tcp + at) <= max)
		return 0;
	old = load_be16(tcp + at).raw;
	store16(tcp + at, (uint16_t)max);
	fresh = load_be16(tcp + at).raw;
	if (at % 2) { /* across two words: both halves change places */
		old = __builtin_bswap16(old);
		fresh = __builtin_bswap16(fresh);
	}
	return checksum_delta(fresh, old);
}
