/*
 * plat.c - asks resolvers in turn for the provider's NAT64 prefix, and again before the answer is too
 * old (RFC 7050 3).
 *
 * A prefix that was learned stays in use while nobody answers; an answer without one takes it away.
 */
#include "plat.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "sixgate/dns64/message.h"
#include "sixgate/log/log.h"

enum {
	ANSWER_MS = 2000,        /* how long one resolver is waited for */
	RETRY_MIN_MS = 1000,     /* after a silent one; twice as long each time ... */
	RETRY_MAX_MS = 60000,    /* ... up to this */
	REFRESH_MIN_S = 60,      /* whatever the TTL says */
	REFRESH_MAX_S = 86400,
	SILENCE_LOG_MS = 600000,
	DNS_PORT = 53
};

/**
 * struct plat
 * @socket: of the question that is out, NULL for none; freed by the loop once it is closed
 * @timer:  for the answer, or for the next question
 * @turn:   number of questions asked: which resolver is next
 */
struct plat {
	struct control *c;
	uv_timer_t timer;
	uv_udp_t *socket;
	struct addr resolver[SIIT_RESOLVERS_MAX];
	size_t n_resolver;
	unsigned turn;
	uint32_t retry_ms;
	uint16_t id;
	struct prefix prefix;
	struct log_limit silence;
	uint8_t buffer[DNS_UDP_PAYLOAD];
};

static void ask(uv_timer_t *timer);

static void on_closed(uv_handle_t *h)
{
	free(h);
}

static void hang_up(struct plat *p)
{
	if (p->socket)
		uv_close((uv_handle_t *)p->socket, on_closed);
	p->socket = NULL;
}

static void again_in(struct plat *p, uint64_t ms)
{
	hang_up(p);
	uv_timer_start(&p->timer, ask, ms, 0);
}

static void nobody_answers(struct plat *p, const char *why)
{
	char text[ADDR_TEXT_MAX];
	uint64_t skipped;

	if (log_allowed(&p->silence, uv_now(&p->c->loop), &skipped))
		log_warning("siit: clat: %s does not tell the provider's prefix: %s",
			    addr_format(&p->resolver[(p->turn - 1) % p->n_resolver], text), why);
	p->retry_ms = p->retry_ms ? p->retry_ms * 2 : RETRY_MIN_MS;
	p->retry_ms = p->retry_ms < RETRY_MAX_MS ? p->retry_ms : RETRY_MAX_MS;
	again_in(p, p->turn % p->n_resolver ? 0 : p->retry_ms); /* the others first */
}

static void on_silence(uv_timer_t *timer)
{
	nobody_answers(timer->data, "no answer");
}

/* What a file with this prefix would be told. Return: 0 or -EINVAL. */
static int check(const struct control *c, const struct prefix *plat, struct err *e)
{
	struct siit_conf conf = c->config->siit;

	conf.clat.plat = *plat;
	conf.clat.n_resolver = 0;
	for (size_t i = 0; i < c->facts.n_inside; i++)
		if (prefix_overlaps(&c->facts.inside[i].prefix, plat))
			return err_set(e, -EINVAL, "it overlaps a network inside");
	for (size_t i = 0; c->config->has_nat64 && i < c->config->nat64.n_prefix; i++)
		if (prefix_overlaps(&c->config->nat64.prefix[i], plat))
			return err_set(e, -EINVAL, "it overlaps a prefix of nat64");
	return siit_conf_check(&conf, e);
}

static bool is_acceptable(struct plat *p, const struct prefix *plat)
{
	char text[PREFIX_TEXT_MAX];
	uint64_t skipped;
	struct err e;

	if (!plat->len || check(p->c, plat, &e) == 0)
		return true;
	if (log_allowed(&p->silence, uv_now(&p->c->loop), &skipped))
		log_warning("siit: clat: the provider's prefix %s is not used: %s",
			    prefix_format(plat, text), e.text);
	return false;
}

static void use(struct plat *p, const struct plat_reply *r)
{
	uint32_t wait_s = r->ttl_s < REFRESH_MIN_S ? REFRESH_MIN_S : r->ttl_s;
	char text[PREFIX_TEXT_MAX];

	if ((r->prefix.len != p->prefix.len || !addr_equal(&r->prefix.addr, &p->prefix.addr)) &&
	    is_acceptable(p, &r->prefix)) {
		p->prefix = r->prefix;
		if (p->prefix.len)
			log_notice("siit: clat: the provider's prefix is %s", prefix_format(&p->prefix, text));
		else
			log_warning("siit: clat: the provider has no NAT64 prefix");
		p->c->want_snapshot = true;
		control__settle_soon(p->c);
	}
	p->retry_ms = 0;
	p->turn--; /* who answers is asked again */
	again_in(p, 1000ull * (wait_s < REFRESH_MAX_S ? wait_s : REFRESH_MAX_S));
}

static void on_buffer(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
	struct plat *p = h->data;

	(void)suggested;
	*out = uv_buf_init((char *)p->buffer, sizeof(p->buffer));
}

static void on_datagram(uv_udp_t *u, ssize_t n, const uv_buf_t *buffer, const struct sockaddr *from,
			unsigned flags)
{
	struct plat *p = u->data;
	struct plat_reply r;

	(void)buffer;
	if (u != p->socket || flags & UV_UDP_PARTIAL || (n == 0 && !from))
		return;
	if (n < 0)
		nobody_answers(p, uv_strerror((int)n));
	else if (plat__read(p->buffer, (size_t)n, p->id, &r))
		use(p, &r);
	/* whatever else comes: the answer may still do so */
}

static int connect_to(struct plat *p, const struct addr *to)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(DNS_PORT) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(DNS_PORT) };

	memcpy(&six.sin6_addr, to->octet, 16);
	memcpy(&four.sin_addr, to->octet + 12, 4);
	return uv_udp_connect(p->socket, addr_is_v4(to) ? (struct sockaddr *)&four
							: (struct sockaddr *)&six);
}

static int send_question(struct plat *p)
{
	uint8_t bytes[DNS_UDP_CLASSIC];
	uv_buf_t out;
	int rc = getrandom(&p->id, sizeof(p->id), 0) == sizeof(p->id) ? 0 : UV_EIO;

	out = uv_buf_init((char *)bytes, (unsigned)plat__question(p->id, bytes));
	if (rc == 0)
		rc = connect_to(p, &p->resolver[p->turn % p->n_resolver]);
	if (rc == 0)
		rc = uv_udp_recv_start(p->socket, on_buffer, on_datagram);
	if (rc == 0)
		rc = uv_udp_try_send(p->socket, &out, 1, NULL);
	return rc < 0 ? rc : 0;
}

/* Each question has a socket, and so a port, of its own. */
static void ask(uv_timer_t *timer)
{
	struct plat *p = timer->data;
	int rc = UV_ENOMEM;

	p->socket = calloc(1, sizeof(*p->socket));
	if (p->socket && uv_udp_init(&p->c->loop, p->socket) == 0) {
		p->socket->data = p;
		rc = send_question(p);
	} else {
		free(p->socket);
		p->socket = NULL;
	}
	p->turn++;
	if (rc)
		nobody_answers(p, uv_strerror(rc));
	else
		uv_timer_start(&p->timer, on_silence, ANSWER_MS, 0);
}

int plat__start(struct control *c, struct err *e)
{
	struct plat *p = calloc(1, sizeof(*p));

	if (!p)
		return err_set(e, -ENOMEM, "out of memory");
	p->c = c;
	p->silence.interval_ms = SILENCE_LOG_MS;
	uv_timer_init(&c->loop, &p->timer);
	p->timer.data = p;
	c->plat = p;
	return 0;
}

void plat__follow(struct control *c, const struct config *conf)
{
	const struct clat_conf *clat = &conf->siit.clat;
	bool wanted = conf->has_siit && conf->siit.has_clat && clat->n_resolver;
	struct plat *p = c->plat;
	size_t n = wanted ? clat->n_resolver : 0;

	if (n == p->n_resolver && (!n || !memcmp(p->resolver, clat->resolver, n * sizeof(*p->resolver))))
		return;
	p->n_resolver = n;
	p->turn = p->retry_ms = 0;
	uv_timer_stop(&p->timer);
	hang_up(p);
	if (!n) {
		p->prefix = (struct prefix){ 0 };
		return;
	}
	memcpy(p->resolver, clat->resolver, n * sizeof(*p->resolver));
	again_in(p, 0);
}

const struct prefix *plat__prefix(const struct control *c)
{
	return c->plat ? &c->plat->prefix : NULL;
}

static void on_timer_closed(uv_handle_t *h)
{
	free(h->data);
}

void plat__stop(struct control *c)
{
	if (!c->plat)
		return;
	hang_up(c->plat);
	uv_close((uv_handle_t *)&c->plat->timer, on_timer_closed);
	c->plat = NULL;
}
