/* finding.h - what in the host's own set-up gets in the way, and how to fix it. */
#pragma once
#include "sixgate/netlink/plan.h"

enum netlink_severity {
	NETLINK_NOTICE, /* works, but not as the operator may think */
	NETLINK_WARNING, /* some traffic will not pass */
	NETLINK_REFUSE  /* must not start */
};

/** struct netlink_finding - @text: one line: what, where, and the command that fixes it. */
struct netlink_finding {
	enum netlink_severity severity;
	char text[512];
};

enum { NETLINK_FINDINGS_MAX = 32 };

/**
 * netlink_filters_forwarded() - has the host rules of its own for packets that it forwards?
 * @where: on true: "table inet filter, chain forward"; terminated
 *
 * Return: also true when they cannot be read.
 */
bool netlink_filters_forwarded(char *where, size_t size);

/**
 * netlink_findings() - look at the host: firewall policies, NAT, conntrack, missing interfaces,
 * addresses that are local, reserved ports
 * @out: at most @max are written
 *
 * Return: how many; never fails (what cannot be read is a finding).
 */
size_t netlink_findings(const struct netlink_input *in, const struct netlink_plan *plan,
			struct netlink_finding *out, size_t max);
