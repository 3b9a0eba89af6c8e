/*
 * plan.h - what must exist in the kernel for the gateway to work, as a value.
 *
 * netlink_plan_build() is a pure function of the configuration and the facts; netlink_apply()
 * makes the kernel look like its result. The scheme:
 *
 *   rule 6400  iif sixgate0 or sixgate0o   goto 6499: what we wrote never comes back to us
 *   rule 6410  iif <data interface> from <node> sport <port>   table 6467 or 6468: replies of nodes
 *   rule 6415  iif <inside> or lo from <host of the CLAT>      table 6469: IPv4, all of it
 *   rule 6420  iif <inside>                table 6464
 *   rule 6430  iif <outside>               table 6465
 *   rule 6440  iif lo                      table 6466: the host's own traffic, and kernel-made
 *                                          ICMP errors
 *   rule 6499  nop
 *
 * Routes into our devices exist in these tables only, and everything carries our protocol number.
 */
#pragma once
#include "sixgate/netlink/facts.h"

enum {
	NETLINK_PROTOCOL = 164, /* rtm_protocol of all that is ours */
	NETLINK_TABLE_INSIDE = 6464,
	NETLINK_TABLE_OUTSIDE = 6465,
	NETLINK_TABLE_HOST = 6466,
	NETLINK_TABLE_NODES_INSIDE = 6467,
	NETLINK_TABLE_NODES_OUTSIDE = 6468,
	NETLINK_TABLE_CLAT = 6469,
	NETLINK_RULE_OURS = 6400,
	NETLINK_RULE_NODES = 6410,
	NETLINK_RULE_CLAT = 6415,
	NETLINK_RULE_INSIDE = 6420,
	NETLINK_RULE_OUTSIDE = 6430,
	NETLINK_RULE_HOST = 6440,
	NETLINK_RULE_END = 6499,
	NETLINK_DEVICE_GROUP = 6400, /* of our TUN devices: the guard knows them by it */
	NETLINK_PROXIES_MAX = 4096
};

enum netlink_object_kind {
	NETLINK_KIND_ROUTE = 1,
	NETLINK_KIND_RULE,
	NETLINK_KIND_PROXY,  /* a neighbour we answer for */
	NETLINK_KIND_ADDRESS /* on a device of ours */
};

/**
 * struct netlink_object - one thing in the kernel; two with the same bytes are the same thing
 * @family:     AF_INET or AF_INET6
 * @prefix:     ROUTE: destination; RULE: source, length 0 is any; PROXY, ADDRESS: the address
 * @ifindex:    ROUTE, PROXY, ADDRESS; 0 for routes without a device
 * @type:       ROUTE: RTN_*; RULE: FR_ACT_*
 * @table:      ROUTE, RULE
 * @preference: RULE; @target: RULE with FR_ACT_GOTO
 * @iif:        RULE; empty: any
 * @ipproto, @sport: RULE; 0: any
 */
struct netlink_object {
	uint8_t kind, family, type, ipproto;
	uint16_t sport;
	uint16_t zero;
	int32_t ifindex;
	uint32_t table, preference, target;
	struct prefix prefix;
	char iif[INTERFACE_NAME_MAX];
	uint8_t zero_end[3];
};

struct netlink_objects {
	struct netlink_object *at; /* owned */
	size_t n, room;
	bool failed; /* out of memory */
};

/**
 * struct netlink_sysctl
 * @path:     below /proc/sys
 * @optional: the kernel may lack it
 * @soft:     better so, but where it cannot be written (read-only /proc/sys) we go without
 * @merge:    @value is a list of port ranges that must be in the list that is there
 */
struct netlink_sysctl {
	char path[96];
	char value[160];
	bool optional, soft, merge;
};

struct netlink_sysctls {
	struct netlink_sysctl *at; /* owned */
	size_t n, room;
	bool failed;
};

/**
 * struct netlink_shared - the shared address as nft rules
 * @on:        there is an address to share
 * @interface: outside interfaces with @real[]: what leaves by it gets that source
 * @range:     ports and identifiers that are ours, by protocol
 * @echo:      identifiers of static entries for ICMP: echo requests for them are ours too
 */
struct netlink_shared {
	bool on;
	struct addr alias;
	size_t n_interface, n_range, n_echo;
	char interface[INTERFACES_MAX][INTERFACE_NAME_MAX];
	struct addr real[INTERFACES_MAX];
	struct netlink_range {
		uint16_t first, last;
		uint8_t protocols; /* set of enum nat64_protocol */
	} range[16];
	uint16_t echo[64];
};

/**
 * struct netlink_plan
 * @objects: in the order in which they are added
 * @device:  names of our devices; ifindex 0: not there; ready: nothing is left to set on it
 * @link:    Ethernet interfaces on which neighbours are told what we answer for
 * @reassemble: ports decide where packets go: the kernel is to put fragments together
 * @main_rule: as in the facts: one that disappears while we run is put back
 * @conflict: a pool address or VIP is local on the host, or another thing that cannot work: the
 *           gateway must not start with it; empty if there is none
 */
struct netlink_plan {
	bool manage;
	struct netlink_objects objects;
	struct netlink_sysctls sysctls;
	struct {
		char name[INTERFACE_NAME_MAX];
		int ifindex;
		bool ready;
	} device[N_NETLINK_DEVICES];
	struct {
		int ifindex;
		bool up;
		uint8_t mac[6];
	} link[NETLINK_INTERFACES_MAX];
	size_t n_link;
	struct netlink_shared shared;
	bool reassemble;
	bool main_rule[2];
	char conflict[512];
};

/**
 * struct netlink_input - what a plan is made from; all borrowed
 * @probe: prefix of the health probes, routed from the host to our inside device; NULL: none
 * @probe_client: address of the host's own end of the probes, put on our inside device; NULL: none
 */
struct netlink_input {
	const struct config *conf;
	const struct netlink_facts *facts;
	const struct prefix *probe;
	const struct addr *probe_client;
};

/** netlink_plan_build() - @out: written on success, released by netlink_plan_free().
 *  Return: 0; -ENOMEM; -E2BIG when the kernel would have to hold too much, with the reason. */
int netlink_plan_build(const struct netlink_input *in, struct netlink_plan *out, struct err *e);
void netlink_plan_free(struct netlink_plan *p);

enum { NETLINK_OBJECT_TEXT_MAX = 200 };

/** netlink_object_format() - as one would type it after `ip`. Return: @text. */
const char *netlink_object_format(const struct netlink_object *o, char text[NETLINK_OBJECT_TEXT_MAX]);
