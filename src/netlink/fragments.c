/*
 * fragments.c - have the kernel put fragments together before it decides where they go.
 *
 * Only the first fragment of a datagram has ports, so rules and rewrites that look at ports would
 * let the others go another way. The kernel reassembles in front of everything else in a namespace
 * where some rule uses tproxy (connection tracking would do as well, at a price for each flow), and
 * cuts a datagram again, as it was, on the way to our device. The rules below never match.
 */
#include "netlink_internal.h"
#include <stdlib.h>

static const char commands[] =
	"table inet " FRAGMENTS_TABLE "\n"
	"delete table inet " FRAGMENTS_TABLE "\n"
	"table inet " FRAGMENTS_TABLE " {\n"
	"\tchain never {\n"
	"\t\ttype filter hook prerouting priority -290; policy accept;\n"
	"\t\tmeta l4proto tcp ip saddr 0.0.0.0 ip daddr 0.0.0.0 tproxy ip to :1\n"
	"\t\tmeta l4proto tcp ip6 saddr :: ip6 daddr :: tproxy ip6 to [::1]:1\n"
	"\t}\n"
	"}\n";

int fragments__apply(struct nft_memory *m, const struct netlink_plan *p, bool *written,
		     struct err *e)
{
	struct nft_wanted w = { .list = "list table inet " FRAGMENTS_TABLE };
	int rc;

	if (!p->reassemble) {
		if (!m->text)
			return 0;
		nft__forget(m);
		*written = true;
		return fragments__remove(e);
	}
	w.text = strdup(commands);
	rc = nft__ensure(m, &w, written, e);
	return rc ? err_wrap(e, rc, "reassembly") : 0;
}

int fragments__remove(struct err *e)
{
	return nft__run("table inet " FRAGMENTS_TABLE "\ndelete table inet " FRAGMENTS_TABLE "\n", e);
}
