/*
 * dns_thread.h - the thread that the DNS64 server lives in.
 *
 * It exists from the start, whether DNS64 is on or not, so that no thread is made later, under the
 * control thread's list of system calls. The control thread hands it orders and waits for each.
 */
#pragma once
#include <pthread.h>
#include <uv.h>
#include "sixgate/dns64/dns64.h"

/**
 * struct dns_thread
 * @server: NULL while DNS64 is off; changes only while the control thread waits
 * @order:  what the control thread wants; NULL when it is done
 */
struct dns_thread {
	pthread_t thread;
	uv_loop_t loop;
	uv_async_t wake;
	struct dns64 *server;
	struct hash_key key;
	pthread_mutex_t lock;
	pthread_cond_t done;
	struct dns_order *order;
	bool running;
};

int dns_thread__start(struct dns_thread *t, const struct hash_key *key, struct err *e);

/** dns_thread__apply() - @conf NULL: DNS64 is off. Return: as dns64_new() and dns64_reload(). */
int dns_thread__apply(struct dns_thread *t, const struct dns64_conf *conf,
		      const struct dns64_sockets *s, struct err *e);

/** dns_thread__set_inside() - the inside interfaces' indexes have changed. */
void dns_thread__set_inside(struct dns_thread *t, const unsigned *inside, size_t n);

/** dns_thread__set_services() - the services or their nodes have changed. Return: 0, or -ENOMEM: it
 *  goes on with what it knew. */
int dns_thread__set_services(struct dns_thread *t, const struct dns64_service *s, size_t n);

/** dns_thread__call() - @call on the server's thread. Return: as @call, or -ESRCH: DNS64 is off. */
int dns_thread__call(struct dns_thread *t, int (*call)(struct dns64 *d, void *arg), void *arg);

/** dns_thread__stats() - NULL while DNS64 is off. Control thread. */
const struct dns64_stats *dns_thread__stats(const struct dns_thread *t);

void dns_thread__stop(struct dns_thread *t);
