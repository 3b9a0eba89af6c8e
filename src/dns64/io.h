/*
 * io.h - sockets on a libuv loop around the query engine. libuv polls and times; datagrams are
 * received and sent here, many at a time. All sockets are of family IPv6 and carry IPv4 in
 * v4-mapped form: one path for both.
 */
#pragma once
#include "gather.h"
#include "resolver.h"

enum {
	UDP_BATCH = 64,	     /* at most what one datagram can be cut into, UDP_MAX_SEGMENTS of Linux */
	UDP_ROUNDS = 4,	     /* batches read in one go, then others have their turn */
	LINGER_ROUNDS = 16,  /* batches waited for without the loop, where nobody else is there */
	LINGER_NS = 200000,  /* queries that come as close as that are waited for so */
	LINGER_WAIT_US = 1000,
	UDP_MESSAGE_MAX = 4096, /* longer datagrams are neither queries nor answers of ours */
	UDP_STRIDE = UDP_MESSAGE_MAX + 192, /* else all of a batch would share a few cache sets */
	UPSTREAM_SOCKETS = 256,
	UPSTREAM_DRAWN = 32, /* of them are asked from; the others wait for their last answers */
	UPSTREAM_SOCKET_ASKS = 256, /* then another one, with another port (RFC 5452 9.2) ... */
	UPSTREAM_SOCKET_MS = 30000, /* ... or after this time */
	ASK_QUEUE = 64,
	SEND_TRIES = 4, /* each may be met by an error that belongs to another question */
	LOOPBACK_INDEX = 1,  /* Linux: in every network namespace */
	TICK_MS = 1000,
	TX_CONTROL = CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(uint16_t)),
};

/** struct via - head of whatever queries come in by. */
struct via {
	void (*reply)(struct via *v, const struct client *c, const uint8_t *wire, size_t len);
};

/**
 * struct batch_tx - answers for one sendmmsg(): @n of them
 * @with_local: the socket is bound to no address: each answer says where it comes from
 * @client:     of each answer, the first one that goes to the same client
 * @n_headers:  what they are sent as
 * @n_lost:     answers that the kernel did not take, of all its life
 * @apart_until_ms: the kernel cannot cut what is sent: until then, one header for each answer
 */
struct batch_tx {
	unsigned n, n_headers;
	bool with_local;
	uint64_t n_lost, apart_until_ms;
	uint16_t len[UDP_BATCH];
	uint8_t client[UDP_BATCH];
	struct mmsghdr header[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	struct sockaddr_in6 to[UDP_BATCH];
	struct in6_pktinfo local[UDP_BATCH];
	_Alignas(8) uint8_t control[UDP_BATCH][TX_CONTROL];
	uint8_t wire[UDP_BATCH][DNS_UDP_PAYLOAD];
};

/** tx__add() - the answer of @len octets that stands in wire[n] goes to @c. Return: true: now it
 *  must be sent. */
bool tx__add(struct batch_tx *tx, const struct client *c, size_t len);

/** tx__send() - all of it, from socket @fd. */
void tx__send(struct batch_tx *tx, int fd, uint64_t now_ms);

/**
 * struct udp_listener
 * @leaving:  reads no more; closed when its last query is answered
 * @borrowed: the descriptor goes back to its owner
 * @n_open:   queries that are not answered yet
 * @served_ns: when the last batch was
 */
struct udp_listener {
	struct via via; /* first */
	struct udp_listener *next;
	struct dns64 *d;
	int fd;
	uv_poll_t poll;
	bool leaving, borrowed;
	unsigned n_open;
	uint64_t served_ns;
	struct batch_tx tx;
};

/** struct tcp_listener - as above; @resting: descriptors ran out, tried again at the next tick. */
struct tcp_listener {
	struct tcp_listener *next;
	struct dns64 *d;
	int fd;
	uv_poll_t poll;
	bool borrowed, resting;
	struct log_limit limit;
};

struct tcp_client;
struct tcp_conn;

/** struct upstream_socket - @n_asks: sent from it so far; @n_open: not over yet. @place: where it stands
 *  in drawn[], -1: it is asked from no more. */
struct upstream_socket {
	struct dns64 *d;
	int fd, number, place;
	uv_poll_t poll;
	unsigned n_asks, n_open;
	uint64_t opened_ms;
};

struct lost_ask {
	int socket;
	uint16_t id;
};

/** struct ask_queue - questions that leave together. @from: drawn for this turn of the loop, or NULL;
 *  @lost: what the kernel did not take, still to be told. */
struct ask_queue {
	struct upstream_socket *from;
	unsigned n, n_lost;
	struct mmsghdr header[ASK_QUEUE];
	struct iovec iov[ASK_QUEUE];
	struct sockaddr_in6 to[ASK_QUEUE];
	uint16_t id[ASK_QUEUE];
	uint8_t wire[ASK_QUEUE][ASK_WIRE_MAX];
	struct lost_ask lost[ASK_QUEUE];
};

/** struct batch_rx - room for one recvmmsg(); used within one callback only. @used: headers that
 *  the last one has changed. */
struct batch_rx {
	unsigned used;
	struct mmsghdr header[UDP_BATCH];
	struct iovec iov[UDP_BATCH];
	struct sockaddr_in6 from[UDP_BATCH];
	_Alignas(8) uint8_t control[UDP_BATCH][64];
	uint8_t wire[UDP_BATCH][UDP_STRIDE];
	struct hit hit[UDP_BATCH];
};

struct tls_upstream;
struct tls_conn;

/** struct tls_list - upstreams over TLS by their place in the policy, made but not yet in use. */
struct tls_list {
	struct tls_upstream *up[DNS64_UPSTREAM_MAX];
};

/** struct tcp_alone - an upstream that bears one question at a time over TCP, as far as is known. */
struct tcp_alone {
	struct endpoint_conf at;
	uint64_t until_ms;
};

/** struct dns64 - @n_handles: libuv handles that still have to be closed. */
struct dns64 {
	uv_loop_t *loop;
	struct resolver *resolver;
	struct resolver_io io;
	struct dns64_stats stats;
	struct hash_key secret;
	uint64_t n_random;
	unsigned *inside;
	size_t n_inside;
	bool allow_outside, closing;
	struct udp_listener *udp;
	struct tcp_listener *tcp;
	struct upstream_socket *upstream[UPSTREAM_SOCKETS], *drawn[UPSTREAM_DRAWN];
	struct ask_queue asks;
	struct tls_upstream *tls[DNS64_UPSTREAM_MAX]; /* as in the policy; NULL: not over TLS */
	struct tls_conn *tls_conns;
	struct tcp_client *clients; /* longest quiet last */
	struct tcp_client *quietest;
	struct tcp_conn *tcp_conns; /* to upstreams */
	struct tcp_alone tcp_alone[DNS64_UPSTREAM_MAX];
	uint16_t n_clients_of[CLIENT_SLOTS]; /* of @n_clients, by resolver__client_slot() */
	unsigned n_clients, n_tcp_conns;
	struct batch_rx rx;
	struct gather gather;
	uv_prepare_t prepare;
	uv_timer_t timer, tick;
	uint64_t armed_for_ms;
	unsigned n_handles;
	void (*closed)(void *ctx);
	void *closed_ctx;
};

/** io__tell_time() - before every call into the engine from a libuv callback. */
static inline void io__tell_time(struct dns64 *d)
{
	resolver__time(d->resolver, uv_now(d->loop));
}

/** io__nap() - queries may gather, if they come fast. Return: true if there was time to. */
bool io__nap(struct dns64 *d);

/** io__inside() - may a query be taken that came in by interface @index? */
bool io__inside(const struct dns64 *d, unsigned index);

/** io__is_wildcard() - true if @fd is bound to no particular address. */
bool io__is_wildcard(int fd);

/** io__handle_gone() - to be called by every close callback, last. */
void io__handle_gone(struct dns64 *d);

/** io__rx() - one recvmmsg() into d->rx; @flags: MSG_DONTWAIT or MSG_WAITFORONE. Return: datagrams, 0 when there are none. */
unsigned io__rx(struct dns64 *d, int fd, int flags);

/** io__poll_again() - libuv stops polling when a socket has a pending error: clear it, go on. */
void io__poll_again(uv_poll_t *p, int fd, uv_poll_cb cb);

/** io__socket() - of family IPv6, taking IPv4 too, non-blocking. Return: descriptor or -errno. */
int io__socket(int type);

/** io__sockaddr() - @at as the kernel wants it. */
struct sockaddr_in6 io__sockaddr(const struct endpoint_conf *at);

/* Listeners: made inert, then started or taken back. Return of _new: NULL with errno. */
struct udp_listener *udp__new(struct dns64 *d, int fd);
void udp__start(struct udp_listener *l);
void udp__flush(struct udp_listener *l);
void udp__leave(struct udp_listener *l);
void udp__close(struct udp_listener *l);
struct tcp_listener *tcp__new(struct dns64 *d, int fd);
void tcp__start(struct tcp_listener *l);
void tcp__close(struct tcp_listener *l);

/** tcp__tick() - closes connections that have been quiet too long, wakes resting listeners. */
void tcp__tick(struct dns64 *d);
void tcp__close_clients(struct dns64 *d);

/* The engine's side towards upstreams, see struct resolver_io. */
int upstream__pick(void *ctx);
int upstream__send(void *ctx, int socket, const struct datagram_out *out);
void upstream__unpick(void *ctx, int socket);
void upstream__close_all(struct dns64 *d);

/** upstream__flush() - sends what is queued; the engine is told what cannot be. Before the loop
 *  sleeps. */
void upstream__flush(struct dns64 *d);

/** upstream__tick() - closes sockets that have served their time. */
void upstream__tick(struct dns64 *d);
int upstream__tcp_start(void *ctx, uint32_t ask, const struct endpoint_conf *to,
			const uint8_t *wire, size_t len);
void upstream__tcp_cancel(void *ctx, uint32_t ask);

/** upstream__tcp_tick() - closes connections that nobody has used for a while. */
void upstream__tcp_tick(struct dns64 *d);
void upstream__tcp_close_all(struct dns64 *d);

/* The same over TLS. tls__flush(): true if anything was sent or has failed. */
int tls__start(void *ctx, uint32_t ask, size_t upstream, const uint8_t *wire, size_t len);
void tls__cancel(void *ctx, uint32_t ask);
bool tls__flush(struct dns64 *d);
void tls__tick(struct dns64 *d);
void tls__close_all(struct dns64 *d);

/** tls__prepare() - what @policy needs. Return: 0 or -EINVAL, with nothing made. */
int tls__prepare(struct dns64 *d, const struct dns64_policy *policy,
		 const struct dns64_sockets *s, struct tls_list *out, struct err *e);

/** tls__adopt() - @fresh takes over, right after the policy it was made for. */
void tls__adopt(struct dns64 *d, struct tls_list *fresh);
void tls__discard(struct tls_list *list);
