/*
 * facts.h - what the kernel around us looks like now, as far as the gateway cares.
 *
 * Glossary: a *data interface* is one named in `interfaces:`; a *device* is one of our two TUN
 * devices. The *shared address* is the outside interface's own IPv4 address, used by us and by the
 * host (`pool4: outside`); its *alias* stands for it in every packet the data plane sees.
 *
 * A value: read as a whole, never changed, released as a whole.
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sixgate/base/addr.h"
#include "sixgate/base/err.h"
#include "sixgate/config/config.h"

enum { NETLINK_INTERFACES_MAX = 2 * INTERFACES_MAX };

/** enum netlink_device - index of our devices; the same order as enum side. */
enum netlink_device { NETLINK_DEVICE_INSIDE, NETLINK_DEVICE_OUTSIDE, N_NETLINK_DEVICES };

/**
 * struct netlink_interface - a data interface or a device of ours
 * @inside, @outside: both are true for the only interface of a one-armed gateway
 * @present:   the kernel has it; all that follows is zero if not
 * @up:        administratively up and with carrier
 * @mtu:       bytes
 * @group:     see NETLINK_DEVICE_GROUP
 * @type:      ARPHRD_*
 * @mac:       valid if @type is ARPHRD_ETHER
 * @ra_default: has a default route learned from a router advertisement
 * @accept_ra: the sysctl; with @forwards, 1 is as good as 0
 * @forwards:  the sysctl net.ipv6.conf.*.forwarding
 */
struct netlink_interface {
	char name[INTERFACE_NAME_MAX];
	bool inside, outside;
	bool present, up, ra_default, forwards;
	int accept_ra;
	int ifindex;
	uint32_t mtu, group;
	uint16_t type;
	uint8_t mac[6];
};

/** struct netlink_local - an address that is local on this host, on any interface.
 *  @on_link: the address's own prefix; @interface: name, whatever interface it is. */
struct netlink_local {
	struct addr addr;
	struct prefix on_link;
	int ifindex;
	bool deprecated, secondary;
	char interface[INTERFACE_NAME_MAX];
};

/**
 * struct netlink_route_fact - a route of table main that tells inside from outside
 * @via:     has a gateway; else the prefix is on the link
 * @outside: leaves by an outside interface
 *
 * IPv6: all but those that leave outside and are in no other kept prefix; no default routes.
 * IPv4: those of inside interfaces.
 */
struct netlink_route_fact {
	struct prefix prefix;
	int ifindex;
	bool via, outside;
};

/**
 * struct netlink_inside_prefix - a prefix of the inside networks
 * @on_link: false: routed or delegated (subscribers are /64s, not hosts)
 * @local:   IPv6 unique local (RFC 4193): nat64 serves it, egress6 does not
 */
struct netlink_inside_prefix {
	struct prefix prefix;
	bool on_link, local;
};

/**
 * struct netlink_facts
 * @local, @route, @inside: owned
 * @device:         ours; present once io has opened them
 * @inside:         prefixes of the inside interfaces: on-link ones, and routes through a router
 *                  there; link-local left out; sorted
 * @has_shared:     an outside interface has an IPv4 address that can be shared
 * @shared_real:    that address; of the first outside interface that has one
 * @shared_ifindex: its interface
 * @shared_alias:   what stands for it in the data plane; always set; the same as long as nobody
 *                  gives it to an interface of this host
 * @reverse_path: the sysctl net.ipv4.conf.all.rp_filter
 * @main_rule:      there is a rule that sends everything to table main: [0] IPv4, [1] IPv6
 */
struct netlink_facts {
	struct netlink_interface interface[NETLINK_INTERFACES_MAX];
	size_t n_interface;
	struct netlink_interface device[N_NETLINK_DEVICES];
	struct netlink_local *local;
	size_t n_local;
	struct netlink_route_fact *route;
	size_t n_route;
	struct netlink_inside_prefix *inside;
	size_t n_inside;
	bool has_shared;
	struct addr shared_real, shared_alias;
	int shared_ifindex;
	int reverse_path;
	bool main_rule[2];
	bool default_route[2]; /* there is one in table main: [0] IPv4, [1] IPv6 */
};

/**
 * netlink_facts_read() - ask the kernel
 * @out: written on success; released by netlink_facts_free()
 *
 * Blocking, some milliseconds. Needs no privilege.
 * Return: 0; -ENOMEM; the kernel's errno.
 */
int netlink_facts_read(const struct config *conf, struct netlink_facts *out, struct err *e);

/** netlink_facts_free() - of a zeroed one too. */
void netlink_facts_free(struct netlink_facts *f);

/** netlink_facts_local() - the local address that is @a, or NULL. Borrowed. */
const struct netlink_local *netlink_facts_local(const struct netlink_facts *f, const struct addr *a);

/** netlink_facts_inside() - the inside prefix that is @p, or NULL. Borrowed. */
const struct netlink_inside_prefix *netlink_facts_inside(const struct netlink_facts *f,
							 const struct prefix *p);

/** netlink_facts_add_inside() - one more, unless it is there. Return: 0 or -ENOMEM. */
int netlink_facts_add_inside(struct netlink_facts *f, const struct netlink_inside_prefix *p);

/** netlink_facts_drop_inside() - without @p, if it is there. */
void netlink_facts_drop_inside(struct netlink_facts *f, const struct prefix *p);

/** netlink_facts_same_inside() - both have the same inside prefixes: no new snapshot is needed. */
bool netlink_facts_same_inside(const struct netlink_facts *a, const struct netlink_facts *b);
