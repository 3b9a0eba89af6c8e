/* record.c - one flow, mapping or text as JSON. */
#include "record.h"
#include <stdlib.h>
#include <string.h>
#include "sixgate/flow/tcp.h"

json_t *text__json(const char *text)
{
	json_t *v = json_string(text);
	char *copy;

	if (v)
		return v;
	copy = strdup(text); /* not UTF-8 */
	for (char *p = copy; p && *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	v = copy ? json_string(copy) : NULL;
	free(copy);
	return v;
}

json_t *endpoint__json(const struct addr *a, uint16_t port)
{
	char text[ADDR_TEXT_MAX];

	return json_pack("{s:s,s:i}", "address", addr_format(a, text), "port", port);
}

const char *protocol__name(uint8_t proto)
{
	switch (proto) {
	case 1:
		return "icmp";
	case 6:
		return "tcp";
	case 17:
		return "udp";
	case 58:
		return "icmpv6";
	default:
		return "other";
	}
}

const char *state__name(uint8_t state)
{
	return tcp_state_name((enum tcp_state)state);
}

json_t *record__flow_json(const struct flow_record *r)
{
	static const char *const policy[N_POLICIES] = { "none", "nat64", "egress6", "services" };
	const struct tuple *in = &r->key[0], *back = &r->key[1];

	/* what leaves in direction 0 is the other key reversed */
	return json_pack("{s:{s:s,s:s,s:i,s:s,s:b,s:i,s:o,s:o,s:o,s:o}}", "flow", "policy",
			 policy[r->policy < N_POLICIES ? r->policy : 0], "protocol",
			 protocol__name(in->proto), "protocol_number", in->proto, "state",
			 in->proto == 6 ? tcp_state_name((enum tcp_state)r->state) : "",
			 "from_outside", (r->flags & FLOW_FROM_OUTSIDE) != 0, "expires_s",
			 (int)r->expires_s, "source", endpoint__json(&in->src, be16_to(in->sport)),
			 "destination", endpoint__json(&in->dst, be16_to(in->dport)), "new_source",
			 endpoint__json(&back->dst, be16_to(back->dport)), "new_destination",
			 endpoint__json(&back->src, be16_to(back->sport)));
}

json_t *record__bib_json(const struct bib_record *r)
{
	const char *protocol = r->protocol == NAT64_TCP ? "tcp" :
			       r->protocol == NAT64_UDP ? "udp" : "icmp";

	return json_pack("{s:{s:s,s:b,s:i,s:o,s:o}}", "mapping", "protocol", protocol, "static",
			 r->is_static, "sessions", (int)r->n_sessions, "inside",
			 endpoint__json(&r->inside, r->inside_port), "outside",
			 endpoint__json(&r->outside, r->outside_port));
}
