/* siit_internal.h - what the files of this room share. */
#pragma once
#include <netinet/in.h>
#include "sixgate/base/must.h"
#include "sixgate/siit/siit.h"
#include "sixgate/translate/rfc6052.h"

#define EAM_NONE UINT32_MAX

/**
 * struct eam_entry - one mapping, as found from one of its sides
 * @from: what is looked up; @to: what comes out
 * @parent: the entry whose @from is the next larger around this one's, or EAM_NONE
 * @n_bits: of suffix that are copied: those of the IPv4 side
 */
struct eam_entry {
	struct prefix from, to;
	uint32_t parent;
	uint8_t n_bits;
};

/** struct eam_index - sorted by address, shorter prefixes first. */
struct eam_index {
	struct eam_entry *entry; /* owned by the table */
	uint32_t n;
};

struct icmp4_range {
	uint32_t first; /* host order */
	uint32_t n;     /* addresses */
};

struct siit_table {
	struct eam_index by4, by6;
	uint32_t n_prefix;
	struct pool6 prefix[SIIT_PREFIXES_MAX];
	bool allow_private, simple, has_clat, has_plat;
	struct addr icmp6_source;
	uint32_t n_icmp4, n_icmp4_addresses;
	struct icmp4_range icmp4[SIIT_ICMP4_MAX];
	struct pool6 plat;
	struct prefix clat_source;
	struct pool6 clat_pool; /* unless clat_source is one address */
	uint32_t n_hosts;
	struct prefix host[SIIT_CLAT_HOSTS_MAX];
};

/** eam__find() - the longest @from that contains @a, or NULL. */
const struct eam_entry *eam__find(const struct eam_index *x, const struct addr *a);

/** eam__apply() - @a, within @e->from, as an address of @e->to (RFC 7757 3.3). */
struct addr eam__apply(const struct eam_entry *e, const struct addr *a);
