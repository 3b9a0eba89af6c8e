/* world.h - a configuration and facts put together by hand, for tests of what is made from them. */
#pragma once
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include "sixgate/netlink/guard.h"
#include "sixgate/netlink/plan.h"

/**
 * struct world - zeroed by world_init(): lan0 (ifindex 3000) inside, wan0 (4000) outside, our devices 10
 * and 11, nothing configured
 */
struct world {
	struct config conf;
	struct netlink_facts facts;
	struct netlink_local local[16];
	struct netlink_route_fact route[16];
	struct netlink_inside_prefix inside[16];
	struct prefix prefix[8], siit_prefix[2], icmp4[2], clat_hosts[2];
	struct eam_conf eam[4];
	struct pool4_conf pool4[8];
	struct static_conf entry[8];
	struct service_conf service[4];
	struct node_conf node[8];
	struct netlink_plan plan;
};

void world_init(struct world *w);
struct netlink_interface *world_interface(struct world *w, const char *name, int ifindex);
/** world_local() - "198.51.100.1/24" is an address on interface @ifindex. */
void world_local(struct world *w, const char *address, int ifindex, const char *name);
void world_route(struct world *w, const char *prefix, int ifindex, bool outside);
void world_pool(struct world *w, const char *first, const char *last);
/** world_siit() - section `siit:` with one prefix. */
void world_siit(struct world *w, const char *prefix);
void world_eam(struct world *w, const char *v4, const char *v6);
void world_inside(struct world *w, const char *prefix);
struct service_conf *world_service(struct world *w, const char *vip);
struct prefix world_prefix(const char *text);
struct addr world_addr(const char *text);

/** world_plan() - build the plan, twice with the same result. */
void world_plan(struct world *w);
void world_fini(struct world *w);

/** world_has() - the plan has an object that prints as @text. */
bool world_has(const struct world *w, const char *text);
/** world_count() - objects whose text contains @part. */
size_t world_count(const struct world *w, const char *part);
/** world_setting() - planned value of a sysctl, or NULL. */
const char *world_setting(const struct world *w, const char *path);
