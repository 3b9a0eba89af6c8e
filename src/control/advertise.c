/*
 * advertise.c - the ra room's speakers on the control loop: one for each interface, its two sockets
 * (opened by the parent), its timer, and what it says.
 */
#include "advertise.h"
#include <errno.h>
#include <net/if_arp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "sixgate/log/log.h"
#include "sixgate/ra/socket.h"
#include "sixgate/ra/speaker.h"
#include "translator.h"

enum {
	PACKETS_AT_ONCE = 64,
	OPEN_RETRY_MS = 5000,
	CONFLICT_LOG_MS = 600000,
	WHY_MAX = 160
};

/**
 * struct advertiser - one interface; on the heap, frees itself when its handles are closed
 * @index:   of the interface in the file that runs
 * @source:  as the file says; all zero: the interface's own
 * @from:    what it is now, if @has_from
 * @leaving: it is no longer in the file, and says farewell
 */
struct advertiser {
	struct advertiser *next;
	struct control *c;
	char name[DNS64_RA_INTERFACE_NAME_MAX + 1];
	unsigned index, ifindex;
	struct addr source, from;
	struct ra_speaker speaker;
	uv_timer_t timer;
	uv_poll_t poll[2];
	int fd[2]; /* by enum request_advertiser; -1: closed */
	bool has_from, in_file, leaving, closing;
	unsigned n_handles;
	uint64_t open_again_ms;
	struct log_limit conflict, inconsistent, trouble;
	char why[WHY_MAX];
	uint64_t n_sent, n_solicited, n_heard;
};

static const struct addr unspecified;

static void pump(struct advertiser *a);

/* ---- what is said ---- */

static const struct netlink_interface *interface_of(const struct advertiser *a)
{
	const struct netlink_facts *f = &a->c->facts;

	for (size_t i = 0; i < f->n_interface; i++)
		if (strcmp(f->interface[i].name, a->name) == 0 && f->interface[i].present)
			return &f->interface[i];
	return NULL;
}

static void tell_prefixes(const struct control *c, const struct dns64_conf *d,
			  struct ra_message *m)
{
	const struct prefix *p = d->ra.n_prefix ? d->ra.prefix : d->prefix;
	size_t n = d->ra.n_prefix ? d->ra.n_prefix : d->n_prefix;

	_Static_assert((int)DNS64_PREFIXES_MAX <= (int)RA_PREF64_MAX, "each has its option");
	for (size_t i = 0; i < n; i++) {
		uint32_t lifetime_s = dns64_conf_ra_lifetime_s(&d->ra);

		m->pref64[m->n_pref64++] = (struct ra_pref64){
			.prefix = p[i], .lifetime_s = translator__works(c, &p[i]) ? lifetime_s : 0
		};
	}
}

static struct ra_conf conf_for(const struct advertiser *a, const struct config *conf)
{
	const struct dns64_conf *d = &conf->dns64;
	const struct netlink_interface *i = interface_of(a);
	struct ra_conf out = {
		.max_ms = d->ra.interval_s * 1000,
		.message.router_lifetime_s = (uint16_t)dns64_conf_router_lifetime_s(&d->ra),
	};

	if (i && i->type == ARPHRD_ETHER) {
		out.message.has_mac = true;
		memcpy(out.message.mac, i->mac, sizeof(i->mac));
	}
	if (d->ra.pref64)
		tell_prefixes(a->c, d, &out.message);
	return out;
}

/* ---- another daemon ---- */

/* BIRD's radv has no word of its own for it: the option (RFC 8781 4) without its type and length. */
static void list_custom_options(const struct ra_message *m, char *text, size_t size)
{
	enum { OPTION_AT = 16, VALUE_AT = OPTION_AT + 2, OPTION_END = OPTION_AT + 16 };
	size_t at = 0;

	text[0] = '\0';
	for (size_t i = 0; i < m->n_pref64; i++) {
		const struct ra_message one = { .n_pref64 = 1, .pref64 = { m->pref64[i] } };
		uint8_t wire[RA_BYTES_MAX];

		must(ra_write(&one, wire) == OPTION_END && size - at > 80);
		at += (size_t)snprintf(text + at, size - at, " custom option type %u value hex:",
				       wire[OPTION_AT]);
		for (size_t k = VALUE_AT; k < OPTION_END; k++)
			at += (size_t)snprintf(text + at, size - at, "%02x", wire[k]);
		at += (size_t)snprintf(text + at, size - at, ";");
	}
}

/* odhcpd takes one prefix for an interface. */
static const char *first_prefix(const struct ra_message *m, char text[PREFIX_TEXT_MAX])
{
	return m->n_pref64 ? prefix_format(&m->pref64[0].prefix, text) : "";
}

static void list_options(const struct ra_message *m, char *text, size_t size)
{
	size_t at = 0;
	char prefix[PREFIX_TEXT_MAX];

	text[0] = '\0';
	for (size_t i = 0; i < m->n_pref64 && at < size; i++)
		at += (size_t)snprintf(text + at, size - at, " nat64prefix %s { AdvValidLifetime %u; };",
				       prefix_format(&m->pref64[i].prefix, prefix),
				       m->pref64[i].lifetime_s);
}

static void say_conflict(struct advertiser *a)
{
	char text[ADDR_TEXT_MAX], options[DNS64_PREFIXES_MAX * 100],
		custom[DNS64_PREFIXES_MAX * 100], prefix[PREFIX_TEXT_MAX];
	const struct ra_message *m = &a->speaker.conf.message;
	uint64_t skipped;

	addr_format(&a->from, text);
	snprintf(a->why, sizeof(a->why), "another daemon of this host advertises from %s", text);
	if (!log_allowed(&a->conflict, uv_now(&a->c->loop), &skipped))
		return;
	list_options(m, options, sizeof(options));
	list_custom_options(m, custom, sizeof(custom));
	log_warning("router advertisements on %s: %s; none are sent from here, or hosts would lose their "
		    "default route. Have it tell the prefix: radvd, from 2.20 on, in `interface %s`:%s "
		    "systemd-networkd, from 255 on: [IPv6PREF64Prefix]; odhcpd: `option ra_pref64 '%s'` in "
		    "its section of /etc/config/dhcp; BIRD, where its radv has custom options (2.0 has "
		    "not):%s One that cannot (radvd 2.19, BIRD 2.0 of Debian 12): give us an address "
		    "beside it, `dns64: router-advertisement: source: fe80::64`",
		    a->name, a->why, a->name, options, first_prefix(m, prefix), custom);
}

/* RFC 4861 6.2.7, RFC 8781 5.2: routers that contradict each other are the operator's to know of. */
static void look_for_contradiction(struct advertiser *a, const struct ra_message *m,
				   const struct addr *source)
{
	char prefix[PREFIX_TEXT_MAX], router[ADDR_TEXT_MAX];
	const struct ra_message *ours = &a->speaker.conf.message;
	uint64_t skipped;

	for (size_t i = 0; i < m->n_pref64 && ours->n_pref64; i++) {
		bool known = !m->pref64[i].lifetime_s;

		for (size_t k = 0; k < ours->n_pref64; k++)
			known |= ours->pref64[k].prefix.len == m->pref64[i].prefix.len &&
				 addr_equal(&ours->pref64[k].prefix.addr, &m->pref64[i].prefix.addr);
		if (!known && log_allowed(&a->inconsistent, uv_now(&a->c->loop), &skipped))
			log_warning("router advertisements on %s: router %s tells hosts the NAT64 prefix "
				    "%s, which is not ours",
				    a->name, addr_format(source, router),
				    prefix_format(&m->pref64[i].prefix, prefix));
	}
}

/* ---- hearing ---- */

/* A `source:` of ours in another gateway's file: no default router either, so no default route is lost
 * and both may go on; but what one withdraws is withdrawn for both. */
static bool is_twin(struct advertiser *a, const struct ra_message *m)
{
	char text[ADDR_TEXT_MAX];
	uint64_t skipped;

	if (addr_equal(&a->source, &unspecified) || m->router_lifetime_s)
		return false;
	if (log_allowed(&a->conflict, uv_now(&a->c->loop), &skipped))
		log_warning("router advertisements on %s: another router advertises from %s, too: give "
			    "each gateway a source of its own",
			    a->name, addr_format(&a->from, text));
	return true;
}

static void hear(struct advertiser *a, const struct ra_packet *p)
{
	uint64_t now = uv_now(&a->c->loop);
	bool ours = a->has_from && addr_equal(&p->source, &a->from);
	struct ra_message m;

	switch (ra_read(p, &m)) {
	case RA_SOLICITATION:
		a->n_solicited += !ours; /* our own, looped back */
		if (!ours)
			ra_speaker_solicited(&a->speaker, &p->source, now);
		return;
	case RA_ADVERTISEMENT:
		a->n_heard++;
		ours = ours && !is_twin(a, &m);
		if (ra_speaker_heard(&a->speaker, &m, ours, now))
			say_conflict(a);
		if (!ours)
			look_for_contradiction(a, &m, &p->source);
		return;
	case RA_INVALID:
		return;
	}
}

static void drain(struct advertiser *a)
{
	uint8_t bytes[RA_RECEIVE_MAX];
	struct ra_packet p;

	for (int i = 0; i < PACKETS_AT_ONCE && ra_receive(a->fd[REQUEST_RA_RAW], bytes, &p) > 0; i++)
		hear(a, &p);
	for (int i = 0; i < PACKETS_AT_ONCE && a->fd[REQUEST_RA_TAP] >= 0 &&
			ra_receive_tap(a->fd[REQUEST_RA_TAP], bytes, &p) > 0; i++)
		hear(a, &p);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
	struct advertiser *a = poll->data;

	(void)status, (void)events;
	drain(a);
	pump(a);
}

/* ---- saying ---- */

static int send_order(struct advertiser *a, const struct ra_order *order)
{
	static const struct addr all_nodes = { .octet = { 0xff, 0x02, [15] = 1 } };
	static const struct addr all_routers = { .octet = { 0xff, 0x02, [15] = 2 } };
	struct ra_way way = { .fd = a->fd[REQUEST_RA_RAW], .ifindex = a->ifindex, .from = a->from,
			      .to = order->kind == RA_SEND_SOLICITATION ? all_routers :
				    order->kind == RA_SEND_MULTICAST	? all_nodes :
									  order->to };
	uint8_t bytes[RA_BYTES_MAX];
	size_t len = order->kind == RA_SEND_SOLICITATION ? ra_write_solicitation(bytes) :
							   ra_write(&order->message, bytes);
	int rc;

	if (way.fd < 0 || !a->has_from)
		return -ENETDOWN;
	if (addr_equal(&a->source, &unspecified) || order->kind != RA_SEND_SOLICITATION)
		rc = ra_send(&way, bytes, len);
	else /* whoever is asked must be able to answer */
		rc = ra_local_address(a->ifindex, &way.from) ?: ra_send(&way, bytes, len);
	a->n_sent += rc == 0 && order->kind != RA_SEND_SOLICITATION;
	return rc;
}

/* The address may be another now, or none. */
static void send_failed(struct advertiser *a, int rc)
{
	uint64_t skipped;

	if (addr_equal(&a->source, &unspecified))
		a->has_from = false;
	snprintf(a->why, sizeof(a->why), "sending: %s", strerror(-rc));
	if (log_allowed(&a->trouble, uv_now(&a->c->loop), &skipped))
		log_info("router advertisements on %s: %s; trying again", a->name, a->why);
}

/* A speaker has heard nobody from an address that it did not have: a new one is listened for. */
static void find_address(struct advertiser *a)
{
	struct addr now;

	if (a->has_from || a->fd[REQUEST_RA_RAW] < 0)
		return;
	if (ra_local_address(a->ifindex, &now) != 0)
		return;
	if (!addr_equal(&now, &a->from) && !a->leaving)
		ra_speaker_begin(&a->speaker, &a->speaker.conf, a->speaker.random,
				 uv_now(&a->c->loop));
	a->from = now;
	a->has_from = true;
}

static void close_advertiser(struct advertiser *a);

static void on_timer(uv_timer_t *timer)
{
	struct advertiser *a = timer->data;

	if (a->fd[REQUEST_RA_RAW] >= 0)
		drain(a); /* whoever has spoken up meanwhile comes first */
	pump(a);
}

static void pump(struct advertiser *a)
{
	uint64_t now = uv_now(&a->c->loop), next;
	struct ra_order order;

	find_address(a);
	while (ra_speaker_step(&a->speaker, now, &order)) {
		int rc = send_order(a, &order);

		if (rc == 0) {
			a->why[0] = '\0';
			continue;
		}
		send_failed(a, rc);
		ra_speaker_not_sent(&a->speaker, &order, now);
	}
	if (a->speaker.state == RA_ENDED) {
		close_advertiser(a);
		if (a->c->want_stop && !a->c->advertisers)
			uv_stop(&a->c->loop); /* that was what it waited for */
		return;
	}
	next = ra_speaker_next(&a->speaker);
	uv_timer_start(&a->timer, on_timer, next > now ? next - now : 0, 0);
}

/* ---- sockets ---- */

static void on_poll_closed(uv_handle_t *h)
{
	struct advertiser *a = h->data;

	if (--a->n_handles == 0)
		free(a);
}

static int ask_for(struct advertiser *a, enum request_advertiser which, struct err *e)
{
	struct request r = { .kind = REQUEST_ADVERTISER, .which = REQUEST_RUNNING,
			     .index = (uint16_t)a->index, .transport = (uint8_t)which };
	int fd;
	int rc = link__call(&a->c->link, r, &fd, e);

	if (rc && fd >= 0)
		close(fd);
	return rc ? rc : fd;
}

/* uv_poll_init() fails for want of memory only. */
static void listen_to(struct advertiser *a, enum request_advertiser which, int fd)
{
	a->fd[which] = fd;
	must(uv_poll_init(&a->c->loop, &a->poll[which], fd) == 0);
	a->poll[which].data = a;
	uv_poll_start(&a->poll[which], UV_READABLE, on_readable);
}

static void open_sockets(struct advertiser *a, const struct netlink_interface *i)
{
	bool own = addr_equal(&a->source, &unspecified);
	struct err e = { "" };
	int raw, tap = -1;
	uint64_t now = uv_now(&a->c->loop);

	if (now < a->open_again_ms)
		return;
	a->open_again_ms = now + OPEN_RETRY_MS;
	raw = ask_for(a, REQUEST_RA_RAW, &e);
	if (raw >= 0 && own)
		tap = ask_for(a, REQUEST_RA_TAP, &e);
	if (raw < 0 || (own && tap < 0)) {
		if (raw >= 0)
			close(raw);
		if (strcmp(a->why, e.text) != 0)
			log_error("%s", e.text);
		snprintf(a->why, sizeof(a->why), "%s", e.text);
		return;
	}
	a->why[0] = '\0';
	a->ifindex = (unsigned)i->ifindex;
	listen_to(a, REQUEST_RA_RAW, raw);
	if (own)
		listen_to(a, REQUEST_RA_TAP, tap);
	a->from = a->source;
	a->has_from = !own;
}

/* An advertiser without sockets is replaced: handles cannot be used again before they are closed. */
static struct advertiser *advertiser_new(struct control *c, const struct config *conf, unsigned index)
{
	struct advertiser *a = calloc(1, sizeof(*a));
	struct ra_conf speak;
	uint64_t seed;

	if (!a || getrandom(&seed, sizeof(seed), 0) != sizeof(seed)) {
		free(a);
		log_error("router advertisements: out of memory");
		return NULL;
	}
	a->c = c;
	a->index = index;
	memcpy(a->name, conf->dns64.ra.interface[index], sizeof(conf->dns64.ra.interface[0]));
	a->source = conf->dns64.ra.source;
	a->fd[REQUEST_RA_RAW] = a->fd[REQUEST_RA_TAP] = -1;
	a->conflict.interval_ms = a->inconsistent.interval_ms = CONFLICT_LOG_MS;
	a->trouble.interval_ms = CONFLICT_LOG_MS;
	uv_timer_init(&c->loop, &a->timer);
	a->timer.data = a;
	speak = conf_for(a, conf);
	ra_speaker_begin(&a->speaker, &speak, seed, uv_now(&c->loop));
	a->next = c->advertisers;
	c->advertisers = a;
	return a;
}

static void close_advertiser(struct advertiser *a)
{
	struct control *c = a->c;

	if (a->closing)
		return;
	a->closing = true;
	for (struct advertiser **at = &c->advertisers; *at; at = &(*at)->next)
		if (*at == a) {
			*at = a->next;
			break;
		}
	a->n_handles = 1;
	uv_close((uv_handle_t *)&a->timer, on_poll_closed);
	for (int i = 0; i < 2; i++) {
		if (a->fd[i] < 0)
			continue;
		a->n_handles++;
		uv_close((uv_handle_t *)&a->poll[i], on_poll_closed);
		close(a->fd[i]);
	}
}

/* ---- following ---- */

static struct advertiser *find(const struct control *c, const struct config *conf, unsigned index)
{
	for (struct advertiser *a = c->advertisers; a; a = a->next)
		if (strncmp(a->name, conf->dns64.ra.interface[index],
			    sizeof(conf->dns64.ra.interface[0])) == 0 &&
		    addr_equal(&a->source, &conf->dns64.ra.source))
			return a;
	return NULL;
}

static void follow_one(struct control *c, const struct config *conf, unsigned index)
{
	struct advertiser *a = find(c, conf, index);
	struct ra_conf speak;

	if (a && a->leaving) { /* it was about to say that it goes */
		close_advertiser(a);
		a = NULL;
	}
	if (!a)
		a = advertiser_new(c, conf, index);
	if (!a)
		return;
	a->in_file = true;
	a->index = index;
	speak = conf_for(a, conf);
	ra_speaker_change(&a->speaker, &speak, uv_now(&c->loop));
}

void advertise__follow(struct control *c, const struct config *conf)
{
	bool wanted = conf->has_dns64 && conf->dns64.has_ra;

	for (struct advertiser *a = c->advertisers; a; a = a->next)
		a->in_file = false;
	for (unsigned i = 0; wanted && i < conf->dns64.ra.n_interface; i++)
		follow_one(c, conf, i);
	for (struct advertiser *a = c->advertisers; a; a = a->next)
		if (!a->in_file) {
			a->leaving = true;
			ra_speaker_end(&a->speaker, RA_BETWEEN_MS, uv_now(&c->loop));
		}
	advertise__look(c);
}

void advertise__refresh(struct control *c)
{
	for (struct advertiser *a = c->advertisers, *next; a; a = next) {
		struct ra_conf speak;

		next = a->next;
		if (a->leaving)
			continue;
		speak = conf_for(a, c->config);
		ra_speaker_change(&a->speaker, &speak, uv_now(&c->loop));
		pump(a);
	}
}

/* Its handles belong to an interface that is no more. Return: another in its place, or NULL. */
static struct advertiser *replace(struct control *c, struct advertiser *a)
{
	unsigned index = a->index;
	bool leaving = a->leaving;

	close_advertiser(a);
	return leaving ? NULL : advertiser_new(c, c->config, index);
}

static void look_at(struct control *c, struct advertiser *a)
{
	const struct netlink_interface *i = interface_of(a);

	if (a->fd[REQUEST_RA_RAW] >= 0 && (!i || (unsigned)i->ifindex != a->ifindex))
		a = replace(c, a);
	if (!a)
		return;
	if (a->fd[REQUEST_RA_RAW] < 0 && i && i->up && !a->leaving) {
		struct ra_conf speak = conf_for(a, c->config); /* its MAC may be another */

		ra_speaker_change(&a->speaker, &speak, uv_now(&c->loop));
		open_sockets(a, i);
	}
	pump(a);
}

void advertise__look(struct control *c)
{
	for (struct advertiser *a = c->advertisers, *next; a; a = next) {
		next = a->next;
		look_at(c, a);
	}
}

bool advertise__farewell(struct control *c)
{
	for (struct advertiser *a = c->advertisers, *next; a; a = next) {
		next = a->next;
		ra_speaker_end(&a->speaker, RA_FINAL_GAP_MS, uv_now(&c->loop));
		pump(a);
	}
	return c->advertisers != NULL;
}

void advertise__each(const struct control *c, void (*each)(void *ctx, const struct advertise_status *s),
		     void *ctx)
{
	for (const struct advertiser *a = c->advertisers; a; a = a->next) {
		const struct advertise_status s = {
			.interface = a->name,
			.state = a->fd[REQUEST_RA_RAW] < 0 ? "waiting" : ra_state_name(a->speaker.state),
			.why = a->why,
			.advertising = a->speaker.state == RA_SPEAKING && a->fd[REQUEST_RA_RAW] >= 0,
			.has_from = a->has_from,
			.from = a->from,
			.n_sent = a->n_sent,
			.n_solicited = a->n_solicited,
			.n_heard = a->n_heard,
		};

		if (!a->leaving)
			each(ctx, &s);
	}
}

void advertise__stop(struct control *c)
{
	while (c->advertisers)
		close_advertiser(c->advertisers);
}
