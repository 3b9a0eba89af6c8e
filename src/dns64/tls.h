/*
 * tls.h - connections to upstreams over TLS (RFC 7858), many questions on each.
 *
 * - tls_upstream: whom to trust, the last session, the connection that new questions go to
 * - tls_conn:     one connection; it outlives its place in the upstream until its answers have come
 *
 * OpenSSL never sees a descriptor or a file: it reads and writes memory, and the trust anchors were
 * read by whoever had the right to. So the thread's list of system calls stays as it is.
 */
#pragma once
#include <openssl/ssl.h>
#include "io.h"
#include "stream.h"

enum {
	TLS_WINDOW = STREAM_MAX, /* there, who pipelines is the rule */
	TLS_CONNS_MAX = 4,     /* of one upstream: in use, and silent ones that may speak yet */
	TLS_RECORD_MAX = 16384,
	TLS_OUT_MAX = 8 * TLS_RECORD_MAX, /* encrypted and not yet taken by the kernel */
	TLS_IDLE_MS = 10000,	/* RFC 7858 3.4 */
	TLS_CONNECT_MS = 4000,	/* connection and handshake together */
	TLS_BACKOFF_MIN_MS = 250, /* after the second failure in a row */
	TLS_BACKOFF_MAX_MS = 30000,
};

struct tls_conn;

/**
 * struct tls_upstream
 * @conf:       copied from the policy; owns its name
 * @trust_hash: of the trust anchors
 * @session:    to be resumed, or NULL
 * @current:    where new questions go, or NULL
 * @fails:      connections in a row that came to nothing
 * @alone_until_ms: until then, it bears one question at a time, as far as is known
 * @told:       the log has been told of the failure
 */
struct tls_upstream {
	struct dns64 *d;
	struct dns64_upstream conf;
	SSL_CTX *ctx;
	uint64_t trust_hash;
	SSL_SESSION *session;
	struct tls_conn *current;
	unsigned n_conns, fails;
	uint64_t not_before_ms, alone_until_ms;
	bool told;
};

/**
 * struct tls_conn
 * @in, @out:   memory between OpenSSL and the socket, owned by @ssl
 * @session:    offered by a server that is not yet known to be the right one
 * @stream:     its questions go out when the handshake is over, or the loop sleeps
 * @is_open:    handshake over, upstream authenticated
 */
struct tls_conn {
	struct tls_conn *next;
	struct dns64 *d;
	struct tls_upstream *up;
	int fd;
	uv_poll_t poll;
	int events;
	SSL *ssl;
	BIO *in, *out;
	SSL_SESSION *session;
	bool is_connected, is_open;
	uint64_t started_ms;
	struct stream stream;
};

/** tls__trust() - trust and key rules of @up as an SSL_CTX. @pem: trust anchors, or NULL when its
 *  name is not checked. Return: 0, -EINVAL (no certificate in @pem), -ENOMEM. */
int tls__trust(struct tls_upstream *up, const struct dns64_trust *pem, struct err *e);

/** tls__new_ssl() - a connection's state, with the last session if there is one. Return: NULL: out of
 *  memory. */
SSL *tls__new_ssl(struct tls_upstream *up);

/** tls__authentic() - after the handshake: is it the upstream that was meant (RFC 8310 8, RFC 7858
 *  4.2)? Return: NULL, or what is wrong. */
const char *tls__authentic(const struct tls_upstream *up, SSL *ssl);

/** tls__why() - what OpenSSL has to say about a handshake that failed. */
const char *tls__why(SSL *ssl, char *out, size_t size);
