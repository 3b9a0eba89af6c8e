/*
 * request.h - the closed list of what the unprivileged child may ask of the privileged parent.
 *
 * One message is one datagram of a SOCK_SEQPACKET socketpair, of a fixed size; descriptors travel
 * beside it (SCM_RIGHTS), at most one. A request names things of the configuration file by their
 * place in it and carries no address, path or text of its own: the parent, which has read the file
 * itself, decides what they stand for. So a child that has been taken over can ask for nothing that
 * the operator has not written down, and never for the guard to be lifted.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REQUEST_MAGIC = 0x53364721, REQUEST_BYTES = 32, NOTICE_BYTES = 576, NOTICE_TEXT_MAX = 512 };

enum request_kind {
	REQUEST_READY = 1, /* the child works: tell the service manager */
	REQUEST_RELOAD,    /* read the file again; answer: descriptor of the text, or of the errors */
	REQUEST_COMMIT,    /* make the kernel follow the file that RELOAD read */
	REQUEST_ABORT,     /* forget the file that RELOAD read */
	REQUEST_LISTENER,  /* a DNS listener; @which, @index, @transport; answer: descriptor */
	REQUEST_METRICS,   /* the metrics listener of @which; answer: descriptor */
	REQUEST_FINDINGS,  /* look at the host's firewall; answer: descriptor of text lines */
	REQUEST_EVENT_LOG, /* what log @index of @which names; answer: descriptor to write to */
	REQUEST_TRUST,     /* trust anchors of upstream @index of @which; answer: descriptor of PEM */
	REQUEST_ADVERTISER, /* a socket of the interface at @index of `router-advertisement:`; @transport:
			     * enum request_advertiser; answer: descriptor */
	REQUEST_PING,       /* what `dns64: probe:` pings with; answer: descriptor */
	N_REQUEST_KINDS
};

/** Which of the two sockets of an interface that advertises; see sixgate/ra/socket.h. */
enum request_advertiser { REQUEST_RA_RAW, REQUEST_RA_TAP };

/** Which configuration a request is about: the running one or the one that RELOAD has read. */
enum request_which { REQUEST_RUNNING, REQUEST_PENDING, N_REQUEST_WHICH };

/** @index of REQUEST_EVENT_LOG: `nat64: log:`, `egress6: flow-log:`. */
enum request_log { REQUEST_LOG_NAT64, REQUEST_LOG_FLOWS, N_REQUEST_LOGS };

enum request_transport { REQUEST_UDP, REQUEST_TCP, N_REQUEST_TRANSPORTS };

/**
 * struct request - child to parent
 * @serial: the answer carries the same
 * @index:  of the listener in `dns64: listen:`, of the interface in `router-advertisement:`, or an
 *          enum request_log; the parent checks it against the file
 * @zero:   must be zero, as must be the fields that @kind does not use
 */
struct request {
	uint32_t magic;
	uint32_t serial;
	uint16_t kind;
	uint16_t index;
	uint8_t which, transport;
	uint8_t zero[REQUEST_BYTES - 14];
};
_Static_assert(sizeof(struct request) == REQUEST_BYTES, "requests have one size");

enum notice_kind {
	NOTICE_REPLY = 1, /* answer to the request with @serial */
	NOTICE_CONFIG,    /* descriptor: text of the configuration */
	NOTICE_TUN,       /* descriptor: queue @index of the device on @side */
	NOTICE_CONTROL,   /* descriptor: the control socket, listening */
	NOTICE_METRICS,   /* descriptor: the metrics listener */
	NOTICE_FACTS,     /* descriptor: struct live_facts: what the kernel looks like now */
	NOTICE_GO,        /* everything that is needed to start has been sent */
	NOTICE_RELOAD,    /* SIGHUP */
	NOTICE_LOG,       /* descriptor: write the log there from now on */
	NOTICE_STOP,      /* SIGTERM */
	NOTICE_XDP_MEMORY, /* descriptor: frames of worker @index, @value[0] of them */
	NOTICE_XDP_SOCKET, /* descriptor: AF_XDP socket of worker @index; @side, @flags of xdp.h; @value:
			      interface, queue; after the memory */
	NOTICE_HOPS,      /* descriptor: struct hops */
	NOTICE_STEERING,  /* descriptor: memory of the steering program, tun_steering_table() */
	N_NOTICE_KINDS
};

/**
 * struct notice - parent to child
 * @code: REPLY: 0 or a negative errno
 * @text: REPLY: what went wrong, in words for the operator; always terminated
 */
struct notice {
	uint32_t magic;
	uint32_t serial;
	uint16_t kind;
	uint16_t index;
	uint8_t side, flags;
	uint16_t zero;
	int32_t code;
	uint32_t value[4];
	uint8_t spare[NOTICE_BYTES - 36 - NOTICE_TEXT_MAX];
	char text[NOTICE_TEXT_MAX];
};
_Static_assert(sizeof(struct notice) == NOTICE_BYTES, "notices have one size");

/**
 * request_decode() - check what came from the child, byte by byte
 * @bytes: hostile
 * @n_fd:  descriptors that came along; none is allowed
 * @out:   written only on success: every field is in the range of its enum
 *
 * Return: 0, or -EPROTO: the child is broken or taken over, and the parent ends it.
 */
int request_decode(const void *bytes, size_t len, unsigned n_fd, struct request *out);

/** request_kind_name() - for the log; static text, also for a @kind that does not exist. */
const char *request_kind_name(unsigned kind);

/** notice_decode() - the child's look at what came from the parent. Return: 0 or -EPROTO. */
int notice_decode(const void *bytes, size_t len, struct notice *out);
