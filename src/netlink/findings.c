/* findings.c - what of the host's own set-up gets in our way. */
#include "netlink_internal.h"
#include <stdarg.h>
#include <stdio.h>

size_t netlink_findings(const struct netlink_input *in, const struct netlink_plan *plan,
			struct netlink_finding *out, size_t max)
{
	(void)in;
	if (!plan->conflict[0] || max == 0)
		return 0;
	out->severity = NETLINK_REFUSE;
	snprintf(out->text, sizeof(out->text), "%s", plan->conflict);
	return 1;
}
