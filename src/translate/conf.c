/* conf.c - defaults and rules of section `translation:`. Looks at no other section. */
#include "sixgate/translate/conf.h"

void translation_conf_default(struct translation_conf *c)
{
	*c = (struct translation_conf){
		.lowest_ipv6_mtu = LOWEST_IPV6_MTU_MIN,
		.mss_clamp = MSS_CLAMP_AUTO,
		.copy_traffic_class = true,
		.icmp_error_rate = 1000,
	};
}

void translation_conf_complain(const struct translation_conf *c, struct complaints *to)
{
	if (c->lowest_ipv6_mtu < LOWEST_IPV6_MTU_MIN || c->lowest_ipv6_mtu > LOWEST_IPV6_MTU_MAX)
		complain(to, &c->lowest_ipv6_mtu, "translation.lowest-ipv6-mtu",
			 "expected %d to %d bytes, found %u", LOWEST_IPV6_MTU_MIN,
			 LOWEST_IPV6_MTU_MAX, c->lowest_ipv6_mtu);
	if (c->mss_clamp != MSS_CLAMP_AUTO && c->mss_clamp != MSS_CLAMP_OFF &&
	    (c->mss_clamp < MSS_CLAMP_MIN || c->mss_clamp > MSS_CLAMP_MAX))
		complain(to, &c->mss_clamp, "translation.mss-clamp",
			 "expected auto, off or %d to %d bytes, found %d", MSS_CLAMP_MIN,
			 MSS_CLAMP_MAX, c->mss_clamp);
	if (c->copy_traffic_class && c->tos)
		complain(to, &c->tos, "translation.tos",
			 "is used with `copy-traffic-class: false` only, which is not set");
	if (c->icmp_error_rate < 1 || c->icmp_error_rate > ICMP_ERROR_RATE_MAX)
		complain(to, &c->icmp_error_rate, "translation.icmp-errors",
			 "expected 1/s to %d/s, found %u/s", ICMP_ERROR_RATE_MAX,
			 c->icmp_error_rate);
}

int translation_conf_check(const struct translation_conf *c, struct err *e)
{
	struct first_complaint first = first_complaint(e);

	translation_conf_complain(c, &first.to);
	return first.code;
}
