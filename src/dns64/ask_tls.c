/* ask_tls.c - questions over TLS (RFC 7858): one connection for as long as it is in use, many
 * questions on it at once, answers in any order (RFC 7766 6.2.1, 7). What waits when the loop is
 * about to sleep leaves as one record.
 *
 * A connection is closed only by its own poll callback, the tick, or the end: never while the engine
 * is calling. What its end leaves unanswered is asked again over another one if this one has answered
 * anything, as over TCP (ask_tcp.c), else the engine hears of it. */
#include <errno.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "tls.h"

static void on_poll(uv_poll_t *p, int status, int events);

/* One line for a row of failures, one when it is over. */
static void tell_failure(struct tls_upstream *up, const char *why)
{
	char text[ADDR_TEXT_MAX];

	counter_add(&up->d->stats.tls_failures, 1);
	if (!up->told)
		log_warning("dns64: upstream %s port %u: no TLS: %s",
			    addr_format(&up->conf.at.address, text), up->conf.at.port, why);
	up->told = true;
}

static void tell_success(struct tls_upstream *up)
{
	char text[ADDR_TEXT_MAX];

	if (up->told)
		log_notice("dns64: upstream %s port %u: TLS works again",
			   addr_format(&up->conf.at.address, text), up->conf.at.port);
	up->told = false;
	up->fails = 0;
}

static void back_off(struct tls_upstream *up)
{
	uint64_t wait = TLS_BACKOFF_MIN_MS;

	for (unsigned i = 2; i < up->fails && wait < TLS_BACKOFF_MAX_MS; i++)
		wait *= 2;
	if (++up->fails >= 2)
		up->not_before_ms = uv_now(up->d->loop) +
				    (wait < TLS_BACKOFF_MAX_MS ? wait : TLS_BACKOFF_MAX_MS);
}

static void on_close(uv_handle_t *h)
{
	struct tls_conn *c = h->data;
	struct dns64 *d = c->d;

	free(c);
	io__handle_gone(d);
}

static void unlink_conn(struct tls_conn *c)
{
	struct tls_conn **at = &c->d->tls_conns;

	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	if (c->up->current == c)
		c->up->current = NULL;
	c->up->n_conns--;
}

static void close_conn(struct tls_conn *c)
{
	must(!c->stream.n);
	unlink_conn(c);
	SSL_free(c->ssl);
	SSL_SESSION_free(c->session);
	uv_poll_stop(&c->poll);
	uv_close((uv_handle_t *)&c->poll, on_close);
	close(c->fd);
}

/* While the engine hears of it, it may cancel others of this connection. */
static void give_up(struct tls_conn *c)
{
	struct stream_question q;

	if (c->up->current == c)
		c->up->current = NULL;
	while (stream__pop(&c->stream, &q))
		resolver__tcp_failed(c->d->resolver, q.ask);
	close_conn(c);
}

static void fail_conn(struct tls_conn *c, const char *why)
{
	tell_failure(c->up, why);
	back_off(c->up);
	SSL_SESSION_free(c->up->session);
	c->up->session = NULL;
	give_up(c);
}

static void set_events(struct tls_conn *c)
{
	int events = UV_READABLE;

	if (!c->is_connected || BIO_ctrl_pending(c->out))
		events |= UV_WRITABLE;
	if (events == c->events)
		return;
	c->events = events;
	must(uv_poll_start(&c->poll, events, on_poll) == 0);
}

/* Return: 0, or negative errno when the connection is over. */
static int send_out(struct tls_conn *c)
{
	char *data;
	long len;

	while (c->is_connected && (len = BIO_get_mem_data(c->out, &data)) > 0) {
		char taken[4096];
		ssize_t n = send(c->fd, data, (size_t)len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 0 : -errno;
		for (ssize_t left = n; left > 0;) { /* the BIO forgets only what is read */
			int some = left < (ssize_t)sizeof(taken) ? (int)left : (int)sizeof(taken);

			some = BIO_read(c->out, taken, some);
			must(some > 0);
			left -= some;
		}
	}
	return 0;
}

static bool has_plain(const struct tls_conn *c)
{
	return c->is_open && stream__wants_out(&c->stream) && BIO_ctrl_pending(c->out) <= TLS_OUT_MAX;
}

static int write_plain(struct tls_conn *c)
{
	uint8_t plain[TLS_RECORD_MAX];

	while (has_plain(c)) {
		size_t len = stream__give(&c->stream, plain, sizeof(plain), uv_now(c->d->loop));

		ERR_clear_error();
		if (SSL_write(c->ssl, plain, (int)len) != (int)len)
			return -EPROTO;
	}
	return 0;
}

/* Return: 0, or negative errno when the connection is over. */
static int take_all(struct tls_conn *c)
{
	uint64_t now = uv_now(c->d->loop);
	struct stream_answer a;

	for (;;)
		switch (stream__take(&c->stream, &a, now)) {
		case STREAM_ANSWER:
			resolver__tcp_answer(c->d->resolver, a.ask, a.wire, a.len);
			break;
		case STREAM_STRAY: /* or of a question that was given up */
			counter_add(&c->d->stats.spoofed, 1);
			break;
		case STREAM_BROKEN:
			return -EBADMSG;
		case STREAM_NOTHING:
			return 0;
		}
}

/* Return: 1 when there may be more, 0 when there is not, negative when the connection is over. */
static int read_some(struct tls_conn *c)
{
	size_t size;
	uint8_t *space = stream__space(&c->stream, &size);
	int n, rc;

	ERR_clear_error();
	n = SSL_read(c->ssl, space, (int)size);
	if (n <= 0)
		return SSL_get_error(c->ssl, n) == SSL_ERROR_WANT_READ ? 0 : -ECONNRESET;
	stream__came(&c->stream, (size_t)n, uv_now(c->d->loop));
	rc = take_all(c);
	return rc ? rc : 1;
}

/* Return: 1 when the handshake is over, 0 not yet, negative: failed and told. */
static int shake_hands(struct tls_conn *c)
{
	char text[128];
	const char *why;
	int n, error;

	if (c->is_open)
		return 1;
	ERR_clear_error();
	n = SSL_do_handshake(c->ssl);
	if (n != 1) {
		error = SSL_get_error(c->ssl, n);
		if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE)
			return 0;
		send_out(c); /* the alert */
		fail_conn(c, tls__why(c->ssl, text, sizeof(text)));
		return -1;
	}
	why = tls__authentic(c->up, c->ssl);
	if (why) {
		fail_conn(c, why);
		return -1;
	}
	c->is_open = true;
	if (SSL_session_reused(c->ssl))
		counter_add(&c->d->stats.tls_resumed, 1);
	if (c->session) {
		SSL_SESSION_free(c->up->session);
		c->up->session = c->session;
		c->session = NULL;
	}
	tell_success(c->up);
	return 1;
}

/* Return: bytes read, 0 for none now, negative at the end. */
static int receive(struct tls_conn *c)
{
	uint8_t data[16384];
	ssize_t n = recv(c->fd, data, sizeof(data), MSG_DONTWAIT);

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -ECONNRESET;
	must(BIO_write(c->in, data, (int)n) == (int)n);
	c->stream.heard_ms = uv_now(c->d->loop);
	return (int)n;
}

/* All that the state of the connection allows. Return: negative: it is over; -EALREADY: and ended. */
static int drive(struct tls_conn *c)
{
	int rc = shake_hands(c);

	if (rc < 0)
		return -EALREADY;
	while (rc == 1 && c->is_open) {
		rc = read_some(c);
		if (rc < 0)
			return rc;
	}
	rc = write_plain(c);
	return rc ? rc : send_out(c);
}

static int connected(struct tls_conn *c)
{
	socklen_t len = sizeof(int);
	int error = 0;

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) || error)
		return error ? -error : -errno;
	c->is_connected = true;
	return 0;
}

static int start_connecting(struct tls_conn *c)
{
	struct sockaddr_in6 sa = io__sockaddr(&c->up->conf.at);
	int on = 1, rc;

	c->fd = io__socket(SOCK_STREAM);
	if (c->fd < 0)
		return c->fd;
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (connect(c->fd, (const struct sockaddr *)&sa, sizeof(sa)) && errno != EINPROGRESS)
		rc = -errno;
	else
		rc = uv_poll_init(c->d->loop, &c->poll, c->fd);
	if (rc)
		close(c->fd);
	return rc;
}

static int make_ssl(struct tls_conn *c)
{
	c->ssl = tls__new_ssl(c->up);
	c->in = BIO_new(BIO_s_mem());
	c->out = BIO_new(BIO_s_mem());
	if (!c->ssl || !c->in || !c->out) {
		SSL_free(c->ssl);
		BIO_free(c->in);
		BIO_free(c->out);
		return -ENOMEM;
	}
	BIO_set_mem_eof_return(c->in, -1); /* empty is "not yet", not "never" */
	SSL_set_bio(c->ssl, c->in, c->out);
	SSL_set_app_data(c->ssl, c);
	return 0;
}

static int open_conn(struct tls_upstream *up)
{
	struct dns64 *d = up->d;
	struct tls_conn *c;
	int rc;

	if (up->n_conns >= TLS_CONNS_MAX || uv_now(d->loop) < up->not_before_ms)
		return -EAGAIN;
	c = malloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	memset(c, 0, offsetof(struct tls_conn, stream));
	c->d = d;
	c->up = up;
	c->started_ms = uv_now(d->loop);
	stream__init(&c->stream, d->resolver, c->started_ms < up->alone_until_ms ? 1 : TLS_WINDOW,
		     c->started_ms);
	rc = make_ssl(c);
	if (rc == 0) {
		rc = start_connecting(c);
		if (rc)
			SSL_free(c->ssl);
	}
	if (rc) {
		free(c);
		return rc;
	}
	counter_add(&d->stats.tls_connections, 1);
	c->poll.data = c;
	c->next = d->tls_conns;
	d->tls_conns = c;
	d->n_handles++;
	up->n_conns++;
	up->current = c;
	set_events(c);
	return 0;
}

static int ask(struct tls_upstream *up, const struct stream_question *q)
{
	struct tls_conn *c = up->current;
	int rc;

	if (c && stream__is_full(&c->stream))
		up->current = c = NULL;
	if (!c) {
		rc = open_conn(up);
		if (rc)
			return rc;
		c = up->current;
	}
	stream__add(&c->stream, q->ask, q->wire, q->len, uv_now(up->d->loop));
	return 0;
}

static void ask_alone(struct tls_upstream *up)
{
	up->alone_until_ms = uv_now(up->d->loop) + STREAM_ALONE_MS;
	for (struct tls_conn *c = up->d->tls_conns; c; c = c->next)
		if (c->up == up)
			c->stream.window = 1;
}

static void end_conn(struct tls_conn *c)
{
	struct tls_upstream *up = c->up;
	struct stream_question q;

	if (up->current == c)
		up->current = NULL;
	if (c->stream.n_answered && stream__any_behind(&c->stream))
		ask_alone(up);
	while (c->stream.n_answered && stream__pop(&c->stream, &q)) {
		if (ask(up, &q))
			resolver__tcp_failed(c->d->resolver, q.ask);
		else
			counter_add(&c->d->stats.upstream_tcp_moved, 1);
	}
	give_up(c);
}

/* Return: true if anything was there to be sent. */
bool tls__flush(struct dns64 *d)
{
	bool any = false;

	for (struct tls_conn *c = d->tls_conns, *next; c; c = next) {
		next = c->next;
		if (!has_plain(c))
			continue;
		any = true;
		if (write_plain(c) || send_out(c)) {
			end_conn(c);
			return true; /* the list may have changed */
		}
		set_events(c);
	}
	return any;
}

static void on_poll(uv_poll_t *p, int status, int events)
{
	struct tls_conn *c = p->data;
	int rc = 0, got = 0;

	io__tell_time(c->d);
	if (status < 0)
		c->events = 0; /* libuv has stopped polling */
	if (status < 0 || (!c->is_connected && events & UV_WRITABLE))
		rc = connected(c);
	if (rc == 0 && c->is_connected && events & UV_READABLE)
		got = receive(c);
	if (rc == 0)
		rc = drive(c);
	if (rc == -EALREADY)
		return;
	if (rc == 0 && got >= 0)
		set_events(c);
	else if (c->is_open)
		end_conn(c);
	else
		fail_conn(c, rc ? strerror(-rc) : "the connection ended in the handshake");
}

int tls__start(void *ctx, uint32_t number, size_t upstream, const uint8_t *wire, size_t len)
{
	struct stream_question q = { .ask = number, .len = (uint16_t)len };
	struct dns64 *d = ctx;

	must(len <= sizeof(q.wire));
	memcpy(q.wire, wire, len);
	return ask(d->tls[upstream], &q);
}

void tls__cancel(void *ctx, uint32_t number)
{
	struct dns64 *d = ctx;

	for (struct tls_conn *c = d->tls_conns; c; c = c->next)
		switch (stream__cancel(&c->stream, number, uv_now(d->loop))) {
		case STREAM_ABSENT:
			break;
		case STREAM_SKIPPED:
			ask_alone(c->up);
			return;
		case STREAM_DEAD:
			if (c->up->current == c)
				c->up->current = NULL;
			return;
		case STREAM_FINE:
			return;
		}
	must(!"a question that is cancelled is on a connection");
}

/* Quiet ones say goodbye; those that came to nothing are given up; those that nothing new goes to
 * end with their last answer. */
static bool is_over(const struct tls_conn *c, uint64_t now)
{
	if (c->stream.n)
		return false;
	return c->up->current != c || now >= c->stream.used_ms + TLS_IDLE_MS;
}

void tls__tick(struct dns64 *d)
{
	uint64_t now = uv_now(d->loop);

	for (struct tls_conn *c = d->tls_conns, *next; c; c = next) {
		next = c->next;
		if (!c->is_open && now >= c->started_ms + TLS_CONNECT_MS) {
			fail_conn(c, "it does not answer");
			return; /* the list may have changed; the rest has its turn next time */
		}
		if (!is_over(c, now))
			continue;
		if (c->is_open && SSL_shutdown(c->ssl) >= 0)
			send_out(c);
		close_conn(c);
	}
}

static void free_upstream(struct tls_upstream *up)
{
	if (!up)
		return;
	SSL_SESSION_free(up->session);
	SSL_CTX_free(up->ctx);
	free(up->conf.name);
	free(up);
}

static uint64_t hash_of(const struct dns64 *d, const struct dns64_trust *trust)
{
	return trust && trust->len ? siphash(&d->secret, trust->pem, trust->len) : 0;
}

static struct tls_upstream *make_upstream(struct dns64 *d, const struct dns64_upstream *conf,
					  const struct dns64_trust *trust, struct err *e)
{
	struct tls_upstream *up = calloc(1, sizeof(*up));

	if (!up) {
		err_set(e, -ENOMEM, "dns64: out of memory");
		return NULL;
	}
	up->d = d;
	up->conf = *conf;
	up->conf.name = conf->name ? strdup(conf->name) : NULL;
	up->conf.domain = NULL; /* who is asked what is chosen elsewhere */
	up->conf.n_domain = 0;
	up->trust_hash = hash_of(d, trust);
	if ((conf->name && !up->conf.name) || tls__trust(up, trust, e)) {
		free_upstream(up);
		return NULL;
	}
	return up;
}

void tls__discard(struct tls_list *list)
{
	for (size_t i = 0; i < DNS64_UPSTREAM_MAX; i++) {
		free_upstream(list->up[i]);
		list->up[i] = NULL;
	}
}

int tls__prepare(struct dns64 *d, const struct dns64_policy *policy,
		 const struct dns64_sockets *s, struct tls_list *out, struct err *e)
{
	*out = (struct tls_list){ 0 };
	for (size_t i = 0; i < policy->n_upstream; i++) {
		if (!policy->upstream[i].tls)
			continue;
		out->up[i] = make_upstream(d, &policy->upstream[i], s->trust ? &s->trust[i] : NULL, e);
		if (!out->up[i]) {
			tls__discard(out);
			return -EINVAL;
		}
	}
	return 0;
}

static void end_conns_of(struct dns64 *d, const struct tls_upstream *up)
{
	struct tls_conn *c = d->tls_conns;

	while (c) {
		if (c->up != up) {
			c = c->next;
			continue;
		}
		give_up(c);
		c = d->tls_conns; /* the list may have changed */
	}
}

static bool same_upstream(const struct tls_upstream *a, const struct tls_upstream *b)
{
	return dns64_upstream_equal(&a->conf, &b->conf) && a->trust_hash == b->trust_hash;
}

/* What has not changed goes on, with its connections. */
static void keep_same(struct tls_list *fresh, struct tls_list *old)
{
	for (size_t i = 0; i < DNS64_UPSTREAM_MAX; i++)
		for (size_t j = 0; fresh->up[i] && j < DNS64_UPSTREAM_MAX; j++) {
			if (!old->up[j] || !same_upstream(fresh->up[i], old->up[j]))
				continue;
			free_upstream(fresh->up[i]);
			fresh->up[i] = old->up[j];
			old->up[j] = NULL;
			break;
		}
}

void tls__adopt(struct dns64 *d, struct tls_list *fresh)
{
	struct tls_list old = { 0 };

	memcpy(old.up, d->tls, sizeof(old.up));
	keep_same(fresh, &old);
	memcpy(d->tls, fresh->up, sizeof(d->tls));
	for (size_t i = 0; i < DNS64_UPSTREAM_MAX; i++)
		if (old.up[i])
			end_conns_of(d, old.up[i]);
	tls__discard(&old);
}

void tls__close_all(struct dns64 *d)
{
	while (d->tls_conns) {
		close_conn(d->tls_conns);
	}
	for (size_t i = 0; i < DNS64_UPSTREAM_MAX; i++)
		free_upstream(d->tls[i]);
}
