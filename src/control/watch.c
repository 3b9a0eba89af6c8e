/*
 * watch.c - which counters an operator must hear of, and in what words.
 *
 * Workers never log. What has moved since the last look is said once, with its number; what goes on
 * is said every ten seconds.
 */
#include "watch.h"
#include <stdio.h>
#include "sixgate/base/must.h"
#include "sixgate/dns64/dns64.h"
#include "workers.h"

/* Drops that mean that somebody is not served, with what helps. */
static const struct {
	enum drop_reason why;
	const char *advice;
} watched[] = {
	{ DROP_POOL4_EXHAUSTED, "nat64: no free port in pool4; give it more addresses or ports" },
	{ DROP_FAIR_SHARE, "nat64: little is left, and somebody with his share of it wants more; give "
			   "pool4 more addresses, or raise gateway.flows" },
	{ DROP_QUOTA_FLOWS, "nat64: a subscriber has all of limits.flows" },
	{ DROP_QUOTA_PORTS, "nat64: a subscriber has all of limits.ports" },
	{ DROP_QUOTA_NEW_FLOWS, "nat64: a subscriber opens more than limits.new-flows" },
	{ DROP_BIB_FULL, "nat64: the table of mappings is full; raise gateway.flows" },
	{ DROP_FLOW_TABLE_FULL, "the flow table is full; raise gateway.flows" },
	{ DROP_FRAGMENT_STORE_FULL, "too many datagrams in fragments at a time" },
	{ DROP_HANDOFF_FULL, "a worker is too slow to take what others hand to it" },
	{ DROP_NO_BUFFER, "no room for packets made while translating" },
	{ DROP_NO_NODE, "services: no node can take connections; see sixgatectl nodes" },
	{ DROP_NODE_FAMILY, "services: no source address to reach a node of the other family" },
	{ DROP_NODE_ON_LINK, "services: a client on the link of its node, where the answer would not come by "
			     "us; give the service a source: of the node's family" },
	{ DROP_LOOP, "packets that we wrote came back; something routes them into our devices" },
	{ DROP_TX_FULL, "the device does not take packets as fast as they come" },
	{ DROP_TX_ERROR, "the device refused packets" },
	{ DROP_SOURCE_NOT_INSIDE, "packets from inside with a foreign source (BCP 38)" },
	{ DROP_SPOOFED_INSIDE, "packets from outside with an inside source address" },
};

static void say(struct log_limit *l, uint64_t *seen, uint64_t value, const char *text,
		uint64_t now_ms)
{
	uint64_t skipped;

	if (value == *seen || !log_allowed(l, now_ms, &skipped))
		return;
	log_warning("%s (%llu dropped)", text, (unsigned long long)(value - *seen));
	*seen = value;
}

/* That an upstream is silent is said by the resolver, which knows which one. */
static void look_at_dns(struct watch *w, const struct dns64_stats *s, uint64_t now_ms)
{
	const struct {
		const counter64 *value;
		const char *text;
	} row[WATCH_DNS] = {
		{ &s->upstream_errors, "dns64: upstream cannot be reached" },
		{ &s->tasks_full, "dns64: too many queries at a time" },
		{ &s->client_full, "dns64: one client has 512 queries waiting (a /64, or an IPv4 address); more are dropped" },
	};
	uint64_t skipped;

	for (size_t i = 0; i < WATCH_DNS; i++) {
		uint64_t value = counter_read(row[i].value);

		if (value == w->seen_dns[i] || !log_allowed(&w->limit_dns[i], now_ms, &skipped))
			continue;
		log_warning("%s (%llu queries)", row[i].text,
			    (unsigned long long)(value - w->seen_dns[i]));
		w->seen_dns[i] = value;
	}
}

_Static_assert(DNS64_CLIENT_TASKS_MAX == 512, "said above");

void watch__look(struct watch *w, const struct workers *workers, const struct dns64_stats *dns,
		 uint64_t now_ms)
{
	for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
		enum drop_reason why = watched[i].why;
		uint64_t value = workers__drops(workers, why);

		if (value != w->last[why])
			w->moved_ms[why] = now_ms;
		w->last[why] = value;
		say(&w->limit[why], &w->seen[why], value, watched[i].advice, now_ms);
	}
	if (dns)
		look_at_dns(w, dns, now_ms);
}

void watch__each(const struct watch *w, uint64_t now_ms, void (*show)(void *ctx, const char *text),
		 void *ctx)
{
	for (size_t i = 0; i < ARRAY_LEN(watched); i++) {
		enum drop_reason why = watched[i].why;
		char text[256];

		if (!w->last[why] || now_ms - w->moved_ms[why] > WATCH_RECENT_MS)
			continue;
		snprintf(text, sizeof(text),
			 "%s (%llu dropped since the start, the last %llu s ago)",
			 watched[i].advice, (unsigned long long)w->last[why],
			 (unsigned long long)(now_ms - w->moved_ms[why]) / 1000);
		show(ctx, text);
	}
}
