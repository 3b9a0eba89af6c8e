/* egress6.h - hosts inside open flows, nobody opens one inward (RFC 6092, RFC 4890, BCP 38). */
#pragma once
#include <stdbool.h>
#include "sixgate/egress6/conf.h"
#include "sixgate/flow/flow.h"

enum { EGRESS6_PREFIXES_MAX = 64, EGRESS6_PINHOLES_MAX = 256 };

/** struct egress6_table - section `egress6:` compiled; immutable, part of a snapshot. */
struct egress6_table {
	struct egress6_timeouts timeouts;
	enum egress6_unsolicited unsolicited;
	bool ping_inside;
	uint32_t flow_log_ms; /* between two lines about a flow that goes on; 0: no flow is told of */
	uint32_t n_prefix, n_pinhole;
	struct prefix prefix[EGRESS6_PREFIXES_MAX];
	struct pinhole_conf pinhole[EGRESS6_PINHOLES_MAX];
};

/** egress6_table_build() - Return: 0 or -ENOSPC. */
int egress6_table_build(struct egress6_table *t, const struct egress6_conf *conf, struct err *e);

/** egress6_claims() - @a is in one of the inside prefixes. */
bool egress6_claims(const struct egress6_table *t, const struct addr *a);

/** egress6_admit_inside() - a first packet from inside; source and destination are IPv6. */
struct verdict egress6_admit_inside(const struct egress6_table *t, const struct packet *p,
				    struct flow_plan *plan);

/** egress6_admit_outside() - a first packet from outside to an inside prefix: pinholes only. */
struct verdict egress6_admit_outside(const struct egress6_table *t, const struct packet *p,
				     struct flow_plan *plan);
