/*
 * dns_threads.h - the threads that answer DNS, `dns64: threads:` of them. Each has a server of its
 * own: sockets (the kernel deals clients out among them, SO_REUSEPORT), engine, its share of the cache.
 * They have nothing in common, so that none ever waits for another and one alone is as fast as if there
 * were no others; the price is that a name is asked for once by each.
 */
#pragma once
#include "dns_thread.h"

struct dns_threads {
	unsigned n;
	struct dns_thread thread[DNS64_THREADS_MAX];
};

int dns_threads__start(struct dns_threads *ts, unsigned n, const struct hash_key *key, struct err *e);

/** dns_threads__apply() - @conf NULL: DNS64 is off; @s: one for each thread, NULL if @conf is. Return:
 *  as dns64_new() and dns64_reload(): on failure nothing has changed. */
int dns_threads__apply(struct dns_threads *ts, const struct dns64_conf *conf,
		       const struct dns64_sockets *s, struct err *e);

/** dns_threads__set_inside() - the inside interfaces' indexes have changed. */
void dns_threads__set_inside(struct dns_threads *ts, const unsigned *inside, size_t n);

/** dns_threads__set_services() - how the services are now. Return: 0 or -ENOMEM: not all know. */
int dns_threads__set_services(struct dns_threads *ts, const struct dns64_service *s, size_t n);

/** dns_threads__on() - DNS64 is on. Control thread. */
bool dns_threads__on(const struct dns_threads *ts);

/** dns_threads__stats() - of all threads together, in @sum if there are several. Return: NULL while
 *  DNS64 is off. Control thread. */
const struct dns64_stats *dns_threads__stats(const struct dns_threads *ts, struct dns64_stats *sum);

void dns_threads__stop(struct dns_threads *ts);
