/*
 * zone.h - names whose records are known here (`dns64: zones:`), and which addresses of a service
 * such a name is answered with.
 *
 * Glossary: a service's *own* addresses are those that clients connect to whatever becomes of
 * single nodes (VIPs); a node is *near* if it stands in the zone that the service prefers.
 */
#pragma once
#include "sixgate/base/addr.h"
#include "sixgate/dns64/conf.h"
#include "sixgate/dns64/message.h"

enum {
	DNS64_SERVICES_MAX = 64,
	DNS64_SERVICE_ADDRESSES_MAX = 8,
	DNS64_CHOSEN_MAX = 8, /* addresses in one answer */
};

/** enum dns64_node_state - DNS64_NODE_LEAVING: works, but is to get nothing new. */
enum dns64_node_state { DNS64_NODE_UP, DNS64_NODE_LEAVING, DNS64_NODE_DOWN };

/** struct dns64_node - @share_percent: slow start: in how many of 100 answers it may be; 1 to 100.
 */
struct dns64_node {
	struct addr address;
	uint8_t state; /* enum dns64_node_state */
	uint8_t share_percent;
	bool near;
};

/**
 * struct dns64_service - one service as it is now
 * @spill_percent: so many of its near nodes must be up for the others not to be told
 */
struct dns64_service {
	char name[DNS64_SERVICE_NAME_MAX];
	struct addr address[DNS64_SERVICE_ADDRESSES_MAX];
	size_t n_address;
	const struct dns64_node *node;
	size_t n_node;
	uint8_t spill_percent;
};

enum dns64_family { DNS64_V4, DNS64_V6 };

/**
 * dns64_choose() - addresses of @family for one answer, in random order, near ones first
 * @answer: enum dns64_zone_answer. DNS64_ANSWER_NODES: of nodes that are up; where there are none
 * of
 *          @family, the service's own, for it translates; and for want of these of nodes that
 *          leave, or of all
 * @seed:   another one for each answer
 *
 * Return: how many in @out. 0: the service has no address of @family.
 */
size_t dns64_choose(const struct dns64_service *s, enum dns64_zone_answer answer,
		    enum dns64_family family, uint64_t seed, struct addr out[DNS64_CHOSEN_MAX]);

/** dns64_choose_up() - as above, but nodes that are up, or nothing. */
size_t dns64_choose_up(const struct dns64_service *s, enum dns64_family family, uint64_t seed,
		       struct addr out[DNS64_CHOSEN_MAX]);
