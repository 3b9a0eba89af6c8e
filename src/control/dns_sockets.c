/* dns_sockets.c - which DNS listeners are open, and how they follow the file. The parent opens
 * them: ports below 1024 are not for us. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "control.h"
#include "handover.h"
#include "sixgate/base/must.h"
#include "sixgate/log/log.h"
#include "translator.h"

enum { INSIDE_MAX = INTERFACES_MAX };

static bool same_endpoint(const struct endpoint_conf *a, const struct endpoint_conf *b)
{
	return addr_equal(&a->address, &b->address) && a->port == b->port;
}

/* The one that does what @wanted does, or -1. */
static int fd_of(const struct dns_sockets *s, const struct dns_socket *wanted)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->at[i].transport == wanted->transport && s->at[i].thread == wanted->thread &&
		    same_endpoint(&s->at[i].at, &wanted->at))
			return s->at[i].fd;
	return -1;
}

static int ask_for(struct control *c, enum request_which which, const struct dns_socket *s,
		   struct err *e)
{
	struct request r = { .kind = REQUEST_LISTENER, .which = (uint8_t)which,
			     .index = s->listener, .transport = s->transport };
	int fd;
	int rc = link__call(&c->link, r, &fd, e);

	if (rc && fd >= 0)
		close(fd);
	return rc ? rc : fd;
}

static void free_trust(struct dns_trust *t)
{
	for (size_t i = 0; t && i < DNS64_UPSTREAM_MAX; i++)
		free((char *)(uintptr_t)t->of[i].pem);
	free(t);
}

static int ask_trust(struct control *c, enum request_which which, size_t upstream,
		     struct dns64_trust *out, struct err *e)
{
	struct request r = { .kind = REQUEST_TRUST, .which = (uint8_t)which,
			     .index = (uint16_t)upstream };
	char *text;
	int fd;
	int rc = link__call(&c->link, r, &fd, e);

	if (rc && fd >= 0)
		close(fd);
	if (rc)
		return rc;
	rc = handover__read(fd, &text, &out->len);
	if (rc)
		return err_set(e, rc, "dns64: trust anchors: %s", strerror(-rc));
	out->pem = text;
	return 0;
}

/* Our threads can open no file. */
static int load_trust(struct control *c, const struct config *conf, enum request_which which,
		      struct dns_trust **out, struct err *e)
{
	struct dns_trust *t = calloc(1, sizeof(*t));
	int rc = t ? 0 : err_set(e, -ENOMEM, "dns64: out of memory");

	for (size_t i = 0; rc == 0 && conf->has_dns64 && i < conf->dns64.n_upstream; i++)
		if (conf->dns64.upstream[i].tls && conf->dns64.upstream[i].name)
			rc = ask_trust(c, which, i, &t->of[i], e);
	if (rc) {
		free_trust(t);
		return rc;
	}
	*out = t;
	return 0;
}

static void add_wanted(const struct dns_sockets *have, struct dns_socket wanted,
		       struct dns_sockets *out)
{
	must(out->n < ARRAY_LEN(out->at));
	wanted.fd = fd_of(have, &wanted);
	out->at[out->n++] = wanted;
}

static void list_wanted(const struct config *conf, const struct dns_sockets *have,
			struct dns_sockets *out)
{
	const struct dns64_conf *d = &conf->dns64;
	struct dns_socket s = { .fd = -1 };

	out->n = 0;
	for (s.thread = 0; conf->has_dns64 && s.thread < d->threads; s.thread++)
		for (s.listener = 0; s.listener < d->n_listen; s.listener++)
			for (s.transport = 0; s.transport < N_REQUEST_TRANSPORTS; s.transport++) {
				s.at = d->listen[s.listener];
				add_wanted(have, s, out);
			}
}

int dns__prepare(struct control *c, const struct config *conf, struct dns_sockets *out,
		 struct err *e)
{
	int rc = load_trust(c, conf, REQUEST_PENDING, &out->trust, e);

	if (rc)
		return rc;
	list_wanted(conf, &c->dns_sockets, out);
	for (size_t i = 0; i < out->n; i++) {
		int fd;

		if (out->at[i].fd >= 0)
			continue;
		fd = ask_for(c, REQUEST_PENDING, &out->at[i], e);
		if (fd < 0) {
			dns__forget(c, out);
			return fd;
		}
		out->at[i].fd = fd;
	}
	return 0;
}

void dns__forget(const struct control *c, const struct dns_sockets *sockets)
{
	for (size_t i = 0; i < sockets->n; i++) {
		const struct dns_socket *s = &sockets->at[i];

		if (s->fd >= 0 && fd_of(&c->dns_sockets, s) != s->fd)
			close(s->fd);
	}
	if (sockets->trust != c->dns_sockets.trust)
		free_trust(sockets->trust);
}

static size_t list_inside(const struct netlink_facts *f, unsigned inside[INSIDE_MAX])
{
	size_t n = 0;

	for (size_t i = 0; i < f->n_interface && n < INSIDE_MAX; i++)
		if (f->interface[i].inside && f->interface[i].present)
			inside[n++] = (unsigned)f->interface[i].ifindex;
	if (n == 0)
		inside[n++] = UINT32_MAX; /* none there now: an empty list would mean "any" */
	return n;
}

/* struct dealt - the descriptors of each thread, in the form that its server takes. */
struct dealt {
	int udp[DNS64_THREADS_MAX][DNS64_LISTEN_MAX], tcp[DNS64_THREADS_MAX][DNS64_LISTEN_MAX];
	unsigned inside[INSIDE_MAX];
	struct dns64_sockets of[DNS64_THREADS_MAX];
};

static void deal(const struct control *c, const struct dns_sockets *s, struct dealt *d)
{
	size_t n_inside = list_inside(&c->facts, d->inside);

	for (unsigned i = 0; i < DNS64_THREADS_MAX; i++)
		d->of[i] = (struct dns64_sockets){ .udp = d->udp[i],
						   .tcp = d->tcp[i],
						   .inside = d->inside,
						   .n_inside = n_inside,
						   .trust = s->trust ? s->trust->of : NULL,
						   .cookie_secret = &c->key };
	for (size_t i = 0; i < s->n; i++) {
		const struct dns_socket *one = &s->at[i];
		struct dns64_sockets *of = &d->of[one->thread];

		if (one->fd < 0)
			continue;
		if (one->transport == REQUEST_UDP)
			d->udp[one->thread][of->n_udp++] = one->fd;
		else
			d->tcp[one->thread][of->n_tcp++] = one->fd;
	}
}

static int serve_with(struct control *c, const struct config *conf, const struct dns_sockets *s,
		      struct err *e)
{
	const struct dns64_conf *usable;
	struct dealt d;

	if (!conf->has_dns64)
		return dns_threads__apply(&c->dns, NULL, NULL, e);
	deal(c, s, &d);
	usable = translator__usable(c, &conf->dns64);
	if (!usable)
		return err_set(e, -ENOMEM, "out of memory");
	return dns_threads__apply(&c->dns, usable, d.of, e);
}

void dns__switch(struct control *c, const struct config *conf, const struct dns_sockets *sockets)
{
	struct err e = { "" };

	if (serve_with(c, conf, sockets, &e) != 0) {
		log_error("dns64 goes on with its old configuration: %s", e.text);
		dns__forget(c, sockets);
		return;
	}
	if (c->dns_sockets.trust != sockets->trust)
		free_trust(c->dns_sockets.trust);
	dns__set_services(c, conf);
	c->dns_sockets = *sockets;
	if (!conf->has_dns64)
		c->dns_sockets.n = 0; /* the server has closed them */
}

static size_t open_missing(struct control *c, struct dns_sockets *s, bool say)
{
	size_t n_opened = 0;

	for (size_t i = 0; i < s->n; i++) {
		struct err e = { "" };

		if (s->at[i].fd >= 0)
			continue;
		s->at[i].fd = ask_for(c, REQUEST_RUNNING, &s->at[i], &e);
		if (s->at[i].fd >= 0)
			n_opened++;
		else if (say)
			log_error("%s; trying again every ten seconds", e.text);
	}
	return n_opened;
}

/* Without its trust anchors the server is not started; they may be there later. */
static void try_start(struct control *c, bool say)
{
	struct dns_sockets s = { .n = 0 };
	struct err e = { "" };

	if (load_trust(c, c->config, REQUEST_RUNNING, &s.trust, &e) != 0) {
		if (say)
			log_error("%s; trying again every ten seconds", e.text);
		return;
	}
	list_wanted(c->config, &c->dns_sockets, &s);
	open_missing(c, &s, say);
	dns__switch(c, c->config, &s);
}

void dns__start(struct control *c)
{
	if (c->config->has_dns64)
		try_start(c, true);
}

void dns__retry(struct control *c)
{
	struct dns_sockets s = c->dns_sockets;

	if (!c->config->has_dns64)
		return;
	if (!dns_threads__on(&c->dns)) {
		try_start(c, false);
	} else if (open_missing(c, &s, false) > 0) {
		log_notice("dns64: a listener that could not be opened is open now");
		dns__switch(c, c->config, &s);
	}
}

void dns__refresh(struct control *c)
{
	struct dns_sockets s = c->dns_sockets;

	if (c->config->has_dns64 && dns_threads__on(&c->dns))
		dns__switch(c, c->config, &s);
}

void dns__set_inside(struct control *c)
{
	unsigned inside[INSIDE_MAX];
	size_t n = list_inside(&c->facts, inside);

	dns_threads__set_inside(&c->dns, inside, n);
}
