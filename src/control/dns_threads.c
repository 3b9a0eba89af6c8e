/* dns_threads.c - one order for all the threads that answer DNS. */
#include "dns_threads.h"
#include <string.h>
#include "sixgate/log/log.h"

int dns_threads__start(struct dns_threads *ts, unsigned n, const struct hash_key *key, struct err *e)
{
	memset(ts, 0, sizeof(*ts));
	while (ts->n < n) {
		struct hash_key own = hash_key_derive(key, 0x646e7300 + ts->n);
		int rc = dns_thread__start(&ts->thread[ts->n], &own, e);

		if (rc)
			return rc;
		ts->n++;
	}
	return 0;
}

/* What the file makes impossible fails in the first thread, before anything has changed. In the others
 * only memory can be short: they go on as they are, or are not there, and that is said. */
static void apply_to_others(struct dns_threads *ts, const struct dns64_conf *conf,
			   const struct dns64_sockets *s)
{
	for (unsigned i = 1; i < ts->n; i++) {
		struct err e = { "" };

		if (dns_thread__apply(&ts->thread[i], conf, conf ? &s[i] : NULL, &e) != 0)
			log_error("dns64: thread %u of %u does not follow the file: %s", i + 1, ts->n,
				  e.text);
	}
}

int dns_threads__apply(struct dns_threads *ts, const struct dns64_conf *conf,
		       const struct dns64_sockets *s, struct err *e)
{
	struct dns64_conf share;
	int rc;

	if (conf) {
		share = *conf;
		share.cache_bytes /= ts->n;
		conf = &share;
	}
	rc = dns_thread__apply(&ts->thread[0], conf, s, e);
	if (rc == 0)
		apply_to_others(ts, conf, s);
	return rc;
}

void dns_threads__set_inside(struct dns_threads *ts, const unsigned *inside, size_t n)
{
	for (unsigned i = 0; i < ts->n; i++)
		dns_thread__set_inside(&ts->thread[i], inside, n);
}

int dns_threads__set_services(struct dns_threads *ts, const struct dns64_service *s, size_t n)
{
	int rc = 0;

	for (unsigned i = 0; i < ts->n; i++) {
		int one = dns_thread__set_services(&ts->thread[i], s, n);

		rc = rc ? rc : one;
	}
	return rc;
}

bool dns_threads__on(const struct dns_threads *ts)
{
	return dns_thread__stats(&ts->thread[0]);
}

const struct dns64_stats *dns_threads__stats(const struct dns_threads *ts, struct dns64_stats *sum)
{
	const struct dns64_stats *first = dns_thread__stats(&ts->thread[0]);

	if (!first || ts->n == 1)
		return first;
	memset(sum, 0, sizeof(*sum));
	for (unsigned i = 0; i < ts->n; i++)
		if (dns_thread__stats(&ts->thread[i]))
			dns64_stats_add(sum, dns_thread__stats(&ts->thread[i]));
	return sum;
}

void dns_threads__stop(struct dns_threads *ts)
{
	for (unsigned i = 0; i < ts->n; i++)
		dns_thread__stop(&ts->thread[i]);
}
