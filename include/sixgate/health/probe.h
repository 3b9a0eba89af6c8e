/*
 * probe.h - does a translator work? Asked through it: a ping or a TCP connection to an IPv6 address
 * that stands for an IPv4 one behind it.
 *
 * A probe is up until `fall` bad rounds in a row, and up again after `rise` good ones: what is not
 * known to be broken is used. A connection that is refused is a good one: the refusal came back
 * through the translator. What fails here (descriptors, memory) is no result. All calls belong to the
 * thread of the loop.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <uv.h>
#include "sixgate/base/addr.h"
#include "sixgate/base/err.h"

enum { HEALTH_PROBES_MAX = 128 };

/** health_open_ping() - a raw socket that hears echo replies only. Takes CAP_NET_RAW; using it takes
 *  none. Return: descriptor or negative errno. */
int health_open_ping(struct err *e);

/**
 * struct health_probes_setup - copied, but for what is said
 * @loop:    borrowed until all handles are closed (see health_probes_close())
 * @changed: one has gone up or down; from the loop, never from inside a health_ function
 * @to:      borrowed for the call; @n: 1 to HEALTH_PROBES_MAX
 * @port:    of TCP; 0: by ping
 * @ping:    from health_open_ping(), becomes the probes'; -1 where @port is not 0
 */
struct health_probes_setup {
	uv_loop_t *loop;
	void (*changed)(void *owner);
	void *owner;
	const struct addr *to;
	size_t n;
	uint16_t port;
	int ping;
	uint32_t interval_ms, timeout_ms, rise, fall;
};

struct health_probes;

/** health_probes_new() - begins at once. Return: 0, or -ENOMEM or another negative errno; then @ping
 *  stays the caller's. */
int health_probes_new(struct health_probes **out, const struct health_probes_setup *setup,
		      struct err *e);

/** health_probes_close() - gone at once; the loop must run until its handles are closed. NULL is
 *  allowed. */
void health_probes_close(struct health_probes *p);

/** health_probes_up() - of the i-th; health_probes_why(): what its last bad round said, "" if there
 *  was none; borrowed until the loop goes on. */
bool health_probes_up(const struct health_probes *p, size_t i);
const char *health_probes_why(const struct health_probes *p, size_t i);
