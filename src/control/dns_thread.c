/* dns_thread.c - orders from the control thread to the DNS64 thread, one at a time. */
#include "dns_thread.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "privileges.h"
#include "sixgate/log/log.h"

enum dns_order_kind { ORDER_APPLY, ORDER_INSIDE, ORDER_SERVICES, ORDER_CALL, ORDER_END };

struct dns_order {
	enum dns_order_kind kind;
	const struct dns64_conf *conf;
	const struct dns64_sockets *sockets;
	const unsigned *inside;
	size_t n_inside;
	int (*call)(struct dns64 *d, void *arg);
	void *arg;
	const struct dns64_service *service;
	size_t n_services;
	int rc;
	struct err *e;
};

static void finish(struct dns_thread *t)
{
	pthread_mutex_lock(&t->lock);
	t->order = NULL;
	pthread_cond_signal(&t->done);
	pthread_mutex_unlock(&t->lock);
}

static void on_closed(void *ctx)
{
	struct dns_thread *t = ctx;

	t->server = NULL;
	if (t->order->kind == ORDER_END)
		uv_close((uv_handle_t *)&t->wake, NULL);
	else
		finish(t);
}

static int apply(struct dns_thread *t, struct dns_order *o)
{
	if (t->server)
		return dns64_reload(t->server, o->conf, o->sockets, o->e);
	return dns64_new(&t->server, &t->loop, o->conf, o->sockets, &t->key, o->e);
}

static void obey(uv_async_t *wake)
{
	struct dns_thread *t = wake->data;
	struct dns_order *o;

	pthread_mutex_lock(&t->lock);
	o = t->order;
	pthread_mutex_unlock(&t->lock);
	if (!o)
		return;
	if (o->kind == ORDER_APPLY && o->conf) {
		o->rc = apply(t, o);
	} else if (o->kind == ORDER_INSIDE) {
		o->rc = t->server ? dns64_set_inside(t->server, o->inside, o->n_inside) : 0;
	} else if (o->kind == ORDER_SERVICES) {
		o->rc = t->server ? dns64_set_services(t->server, o->service, o->n_services) : 0;
	} else if (o->kind == ORDER_CALL) {
		o->rc = t->server ? o->call(t->server, o->arg) : -ESRCH;
	} else if (t->server) {
		dns64_close(t->server, on_closed, t); /* goes on there */
		return;
	} else if (o->kind == ORDER_END) {
		uv_close((uv_handle_t *)wake, NULL);
		return;
	}
	finish(t);
}

static void *dns_main(void *arg)
{
	struct dns_thread *t = arg;
	struct err e;

	if (seccomp__enter(ROLE_DNS64, &e) != 0) {
		log_error("%s", e.text);
		exit(1);
	}
	uv_run(&t->loop, UV_RUN_DEFAULT);
	return NULL;
}

int dns_thread__start(struct dns_thread *t, const struct hash_key *key, struct err *e)
{
	int rc;

	memset(t, 0, sizeof(*t));
	t->key = *key;
	pthread_mutex_init(&t->lock, NULL);
	pthread_cond_init(&t->done, NULL);
	rc = uv_loop_init(&t->loop);
	if (rc == 0) {
		loop__warm(&t->loop);
		rc = uv_async_init(&t->loop, &t->wake, obey);
	}
	if (rc)
		return err_set(e, rc, "dns64 thread: %s", uv_strerror(rc));
	t->wake.data = t;
	rc = pthread_create(&t->thread, NULL, dns_main, t);
	if (rc)
		return err_set(e, -rc, "dns64 thread: %s", strerror(rc));
	pthread_setname_np(t->thread, "dns64");
	t->running = true;
	return 0;
}

static int order(struct dns_thread *t, struct dns_order *o)
{
	pthread_mutex_lock(&t->lock);
	t->order = o;
	uv_async_send(&t->wake);
	while (t->order)
		pthread_cond_wait(&t->done, &t->lock);
	pthread_mutex_unlock(&t->lock);
	return o->rc;
}

int dns_thread__apply(struct dns_thread *t, const struct dns64_conf *conf,
		      const struct dns64_sockets *s, struct err *e)
{
	struct dns_order o = { .kind = ORDER_APPLY, .conf = conf, .sockets = s, .e = e };

	return order(t, &o);
}

void dns_thread__set_inside(struct dns_thread *t, const unsigned *inside, size_t n)
{
	struct dns_order o = { .kind = ORDER_INSIDE, .inside = inside, .n_inside = n };

	if (order(t, &o) != 0)
		log_error("dns64: out of memory; it does not know the new interfaces");
}

int dns_thread__set_services(struct dns_thread *t, const struct dns64_service *s, size_t n)
{
	struct dns_order o = { .kind = ORDER_SERVICES, .service = s, .n_services = n };

	return order(t, &o);
}

int dns_thread__call(struct dns_thread *t, int (*call)(struct dns64 *d, void *arg), void *arg)
{
	struct dns_order o = { .kind = ORDER_CALL, .call = call, .arg = arg };

	return order(t, &o);
}

const struct dns64_stats *dns_thread__stats(const struct dns_thread *t)
{
	return t->server ? dns64_stats(t->server) : NULL;
}

void dns_thread__stop(struct dns_thread *t)
{
	struct dns_order o = { .kind = ORDER_END };

	if (!t->running)
		return;
	pthread_mutex_lock(&t->lock);
	t->order = &o;
	uv_async_send(&t->wake);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	t->running = false;
	uv_loop_close(&t->loop);
	pthread_cond_destroy(&t->done);
	pthread_mutex_destroy(&t->lock);
}
