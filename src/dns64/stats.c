/* stats.c - what is counted beside plain sums. */
#include "sixgate/base/must.h"
#include "sixgate/dns64/dns64.h"
#include "sixgate/dns64/message.h"

const uint32_t dns64_latency_ms[DNS64_LATENCIES - 1] = { 1,   2,   5,   10,   20,  50,
							 100, 200, 500, 1000, 2000 };

void dns64_stats_latency(struct dns64_histogram *h, uint32_t ms)
{
	unsigned i = 0;

	while (i < DNS64_LATENCIES - 1 && ms > dns64_latency_ms[i])
		i++;
	counter_add(&h->bucket[i], 1);
	counter_add(&h->sum_ms, ms);
}

const char *dns64_rcode_name(unsigned rcode)
{
	static const char *const name[DNS64_RCODES] = {
		"NOERROR",  "FORMERR", "SERVFAIL", "NXDOMAIN", "NOTIMP",  "REFUSED",
		"YXDOMAIN", "YXRRSET", "NXRRSET",  "NOTAUTH",  "NOTZONE", "DSOTYPENI",
		"12",       "13",      "14",       "15",       "BADVERS",
	};

	return rcode < DNS64_RCODES ? name[rcode] : "?";
}

/* Counters and nothing else. */
_Static_assert(sizeof(struct dns64_stats) % sizeof(counter64) == 0, "an array of counters");

void dns64_stats_add(struct dns64_stats *sum, const struct dns64_stats *s)
{
	const counter64 *from = (const counter64 *)s;
	counter64 *to = (counter64 *)sum;

	for (size_t i = 0; i < sizeof(*s) / sizeof(*from); i++)
		counter_add(&to[i], counter_read(&from[i]));
}

void dns64_stats_each(const struct dns64_stats *s,
		      void (*each)(void *ctx, const char *name, const char *help, uint64_t value),
		      void *ctx)
{
#define _(member, name, help) each(ctx, name, help, counter_read(&s->member));
	DNS64_COUNTERS(_)
#undef _
}
