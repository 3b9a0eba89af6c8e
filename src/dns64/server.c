/* server.c - puts listeners, engine and upstream sockets on one libuv loop; starts, reloads and
 * ends them together. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include "sixgate/base/must.h"
#include "io.h"

static void pass_reply(void *ctx, const struct client *c, const uint8_t *wire, size_t len)
{
	struct via *v = c->via;

	(void)ctx;
	v->reply(v, c, wire, len);
}

void io__handle_gone(struct dns64 *d)
{
	void (*closed)(void *ctx) = d->closed;
	void *ctx = d->closed_ctx;

	must(d->n_handles > 0);
	if (--d->n_handles || !d->closing)
		return;
	free(d->inside);
	free(d);
	if (closed)
		closed(ctx);
}

static void on_own_close(uv_handle_t *h)
{
	io__handle_gone(h->data);
}

static void on_timer(uv_timer_t *t)
{
	struct dns64 *d = t->data;

	d->armed_for_ms = 0;
	io__tell_time(d);
	resolver__advance(d->resolver);
}

static void on_tick(uv_timer_t *t)
{
	struct dns64 *d = t->data;

	io__tell_time(d);
	resolver__wall(d->resolver, (uint64_t)time(NULL));
	tcp__tick(d);
	upstream__tick(d);
	upstream__tcp_tick(d);
	tls__tick(d);
}

static void arm_timer(struct dns64 *d)
{
	uint64_t after = resolver__next(d->resolver), at;

	if (after == UINT64_MAX) {
		uv_timer_stop(&d->timer);
		d->armed_for_ms = 0;
		return;
	}
	at = d->resolver->now_ms + after;
	if (at == d->armed_for_ms)
		return;
	d->armed_for_ms = at;
	uv_timer_start(&d->timer, on_timer, after, 0);
}

/* Right before the loop sleeps: send what waits, let go of what is done, set the alarm. */
static void on_prepare(uv_prepare_t *p)
{
	struct dns64 *d = p->data;

	io__tell_time(d);
	upstream__flush(d);
	for (struct udp_listener **at = &d->udp, *l = *at; l; l = *at) {
		udp__flush(l);
		if (!l->leaving || l->n_open) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		udp__close(l);
	}
	io__nap(d);
	arm_timer(d);
	counter_set(&d->stats.cache_bytes, dns64_cache_bytes(d->resolver->cache));
	counter_set(&d->stats.cache_entries, dns64_cache_entries(d->resolver->cache));
}

/* struct fresh - listeners made but not yet part of the server */
struct fresh {
	struct udp_listener *udp;
	struct tcp_listener *tcp;
};

static bool has_udp(const struct dns64 *d, int fd)
{
	for (const struct udp_listener *l = d->udp; l; l = l->next)
		if (l->fd == fd && !l->leaving)
			return true;
	return false;
}

static bool has_tcp(const struct dns64 *d, int fd)
{
	for (const struct tcp_listener *l = d->tcp; l; l = l->next)
		if (l->fd == fd)
			return true;
	return false;
}

static void discard(struct fresh *f)
{
	for (struct udp_listener *l = f->udp, *next; l; l = next) {
		next = l->next;
		udp__close(l);
	}
	for (struct tcp_listener *l = f->tcp, *next; l; l = next) {
		next = l->next;
		tcp__close(l);
	}
}

static int make_listeners(struct dns64 *d, const struct dns64_sockets *s, struct fresh *f,
			  struct err *e)
{
	*f = (struct fresh){ 0 };
	if (s->n_udp > DNS64_LISTENERS_MAX || s->n_tcp > DNS64_LISTENERS_MAX)
		return err_set(e, -E2BIG, "dns64: more than %d listeners", DNS64_LISTENERS_MAX);
	for (size_t i = 0; i < s->n_udp; i++) {
		struct udp_listener *l = has_udp(d, s->udp[i]) ? NULL : udp__new(d, s->udp[i]);

		if (!l && !has_udp(d, s->udp[i]))
			goto failed;
		if (l) {
			l->next = f->udp;
			f->udp = l;
		}
	}
	for (size_t i = 0; i < s->n_tcp; i++) {
		struct tcp_listener *l = has_tcp(d, s->tcp[i]) ? NULL : tcp__new(d, s->tcp[i]);

		if (!l && !has_tcp(d, s->tcp[i]))
			goto failed;
		if (l) {
			l->next = f->tcp;
			f->tcp = l;
		}
	}
	return 0;
failed:
	discard(f);
	return err_set(e, -errno, "dns64: a listening socket cannot be polled: %s",
		       strerror(errno));
}

static bool listed(const int *fds, size_t n, int fd)
{
	for (size_t i = 0; i < n; i++)
		if (fds[i] == fd)
			return true;
	return false;
}

static void drop_missing(struct dns64 *d, const struct dns64_sockets *s)
{
	for (struct udp_listener *l = d->udp; l; l = l->next)
		if (!l->leaving && !listed(s->udp, s->n_udp, l->fd))
			udp__leave(l);
	for (struct tcp_listener **at = &d->tcp, *l = *at; l; l = *at) {
		if (listed(s->tcp, s->n_tcp, l->fd)) {
			at = &l->next;
			continue;
		}
		*at = l->next;
		tcp__close(l);
	}
}

static void adopt(struct dns64 *d, struct fresh *f)
{
	for (struct udp_listener *l = f->udp, *next; l; l = next) {
		next = l->next;
		l->next = d->udp;
		d->udp = l;
		udp__start(l);
	}
	for (struct tcp_listener *l = f->tcp, *next; l; l = next) {
		next = l->next;
		l->next = d->tcp;
		d->tcp = l;
		tcp__start(l);
	}
}

int dns64_set_inside(struct dns64 *d, const unsigned *inside, size_t n)
{
	unsigned *copy = calloc(n + 1, sizeof(*copy));

	if (!copy)
		return -ENOMEM;
	if (n)
		memcpy(copy, inside, n * sizeof(*copy));
	free(d->inside);
	d->inside = copy;
	d->n_inside = n;
	return 0;
}

int dns64_set_services(struct dns64 *d, const struct dns64_service *s, size_t n)
{
	return resolver__set_services(d->resolver, s, n);
}

static void init_handles(struct dns64 *d)
{
	must(uv_prepare_init(d->loop, &d->prepare) == 0);
	must(uv_timer_init(d->loop, &d->timer) == 0);
	must(uv_timer_init(d->loop, &d->tick) == 0);
	d->prepare.data = d->timer.data = d->tick.data = d;
	d->n_handles = 3;
	uv_prepare_start(&d->prepare, on_prepare);
	uv_timer_start(&d->tick, on_tick, TICK_MS, TICK_MS);
}

static void init_io(struct dns64 *d)
{
	d->io = (struct resolver_io){
		.ctx = d,
		.reply = pass_reply,
		.pick = upstream__pick,
		.send = upstream__send,
		.unpick = upstream__unpick,
		.tcp_start = upstream__tcp_start,
		.tcp_cancel = upstream__tcp_cancel,
		.tls_start = tls__start,
		.tls_cancel = tls__cancel,
	};
}

static int start_tls(struct dns64 *d, const struct dns64_sockets *s, struct err *e)
{
	struct tls_list list;
	int rc = tls__prepare(d, d->resolver->policy, s, &list, e);

	if (rc == 0)
		tls__adopt(d, &list);
	return rc;
}

static int make_resolver(struct dns64 *d, const struct dns64_conf *conf,
			 const struct dns64_sockets *s, const struct hash_key *secret, struct err *e)
{
	struct resolver_setup setup = { .io = &d->io,
					.stats = &d->stats,
					.secret = secret,
					.cookie_secret = s->cookie_secret,
					.cache_bytes = conf->cache_bytes };
	int rc;

	if (getrandom(&d->n_random, sizeof(d->n_random), 0) != sizeof(d->n_random))
		return err_set(e, -EIO, "dns64: no random numbers");
	setup.salt = siphash(secret, &d->n_random, sizeof(d->n_random));
	rc = dns64_policy_new(&setup.policy, conf, e);
	if (rc)
		return rc;
	rc = resolver__new(&d->resolver, &setup, e);
	if (rc)
		dns64_policy_free(setup.policy);
	return rc;
}

int dns64_new(struct dns64 **out, uv_loop_t *loop, const struct dns64_conf *conf,
	      const struct dns64_sockets *s, const struct hash_key *secret, struct err *e)
{
	struct dns64 *d = calloc(1, sizeof(*d));
	struct fresh fresh;
	int rc;

	if (!d)
		return err_set(e, -ENOMEM, "dns64: out of memory");
	d->loop = loop;
	d->rx.used = UDP_BATCH;
	d->secret = hash_key_derive(secret, 3);
	d->allow_outside = conf->allow_outside;
	init_io(d);
	rc = make_resolver(d, conf, s, secret, e);
	if (!rc)
		rc = start_tls(d, s, e);
	if (!rc)
		rc = dns64_set_inside(d, s->inside, s->n_inside);
	if (rc) {
		resolver__free(d->resolver);
		tls__close_all(d);
		free(d);
		return rc;
	}
	init_handles(d);
	rc = make_listeners(d, s, &fresh, e);
	if (rc) {
		dns64_close(d, NULL, NULL);
		return rc;
	}
	io__tell_time(d);
	resolver__wall(d->resolver, (uint64_t)time(NULL));
	adopt(d, &fresh);
	*out = d;
	return 0;
}

int dns64_reload(struct dns64 *d, const struct dns64_conf *conf, const struct dns64_sockets *s,
		 struct err *e)
{
	struct dns64_policy *policy;
	struct tls_list tls = { 0 };
	struct fresh fresh;
	int rc = dns64_policy_new(&policy, conf, e);

	if (rc)
		return rc;
	rc = tls__prepare(d, policy, s, &tls, e);
	if (rc)
		goto free_policy;
	rc = make_listeners(d, s, &fresh, e);
	if (rc)
		goto free_policy;
	rc = dns64_set_inside(d, s->inside, s->n_inside);
	if (!rc)
		rc = resolver__reload(d->resolver, policy, conf->cache_bytes);
	if (rc) {
		discard(&fresh);
		err_set(e, rc, "dns64: out of memory");
		goto free_policy;
	}
	tls__adopt(d, &tls);
	d->allow_outside = conf->allow_outside;
	drop_missing(d, s);
	adopt(d, &fresh);
	return 0;

free_policy:
	tls__discard(&tls);
	dns64_policy_free(policy);
	return rc;
}

void dns64_close(struct dns64 *d, void (*closed)(void *ctx), void *ctx)
{
	d->closing = true;
	d->closed = closed;
	d->closed_ctx = ctx;
	resolver__free(d->resolver);
	tcp__close_clients(d);
	for (struct udp_listener *l = d->udp, *next; l; l = next) {
		next = l->next;
		udp__close(l);
	}
	for (struct tcp_listener *l = d->tcp, *next; l; l = next) {
		next = l->next;
		tcp__close(l);
	}
	upstream__close_all(d);
	tls__close_all(d);
	upstream__tcp_close_all(d);
	uv_close((uv_handle_t *)&d->prepare, on_own_close);
	uv_close((uv_handle_t *)&d->timer, on_own_close);
	uv_close((uv_handle_t *)&d->tick, on_own_close);
}

const struct dns64_stats *dns64_stats(const struct dns64 *d)
{
	return &d->stats;
}
