/* netlink_internal.h - what the files of this room share. */
#pragma once
#include <libmnl/libmnl.h>
#include "sixgate/netlink/facts.h"
#include "sixgate/netlink/finding.h"
#include "sixgate/netlink/guard.h"
#include "sixgate/netlink/netlink.h"
#include "sixgate/netlink/plan.h"

/* dump.c - read what the kernel has, through libmnl */

/** dump__attributes() - index the attributes behind a header of @header bytes.
 *  @tb: [@max + 1], NULL where there is none. Unknown attributes are skipped. */
void dump__attributes(const struct nlmsghdr *h, size_t header, const struct nlattr **tb,
		      uint16_t max);

/** dump__run() - send a dump request and give every message to @cb; again from the start, after
 *  calling @restart, when the kernel says the dump was not consistent. Return: 0 or errno. */
struct dump__request {
	int bus; /* NETLINK_ROUTE or NETLINK_NETFILTER */
	uint16_t type;
	uint8_t family;
	uint8_t neighbour_flags; /* NTF_PROXY for RTM_GETNEIGH */
	mnl_cb_t cb;
	void (*restart)(void *arg); /* may be NULL */
	void *arg;
};
int dump__run(const struct dump__request *r);

/** dump__addr() - @family and octets to our form; @a: attribute of 4 or 16 bytes.
 *  Return: false if its length is wrong. */
bool dump__addr(const struct nlattr *a, uint8_t family, struct addr *out);

/* object.c - objects as values */

/** object__add() - append. */
void object__add(struct netlink_objects *list, const struct netlink_object *o);
/** object__compare() - <0, 0, >0 in the order in which things are added. */
int object__compare(const struct netlink_object *a, const struct netlink_object *b);
/** objects__sort() - bring into that order, each once. */
void objects__sort(struct netlink_objects *list);
/** object__in() - @list must be sorted. */
bool object__in(const struct netlink_object *o, const struct netlink_objects *list);
/** object__parse() - a route, rule, neighbour or address message of the kernel's. Return: false if
 *  it is not one of ours (by protocol number; addresses: any). */
bool object__parse(const struct nlmsghdr *h, struct netlink_object *out);

/* rtnl.c - write to the kernel, through libnl */
struct rtnl;
int rtnl__new(struct rtnl **out, struct err *e);
void rtnl__free(struct rtnl *r);
/** rtnl__add(), rtnl__remove() - Return: 0 (also if it was there, or was not); errno. */
int rtnl__add(struct rtnl *r, const struct netlink_object *o, struct err *e);
int rtnl__remove(struct rtnl *r, const struct netlink_object *o, struct err *e);
/** rtnl__device_up() - MTU, no generated address, up. Sends nothing if all is so. */
int rtnl__device_up(struct rtnl *r, int ifindex, const char *name, struct err *e);
/** rtnl__main_rule() - put the kernel's own rule for table main back. */
int rtnl__main_rule(struct rtnl *r, uint8_t family, struct err *e);
/** rtnl__ours() - everything in the kernel that carries our protocol number, and every address on
 *  the interfaces @device (ifindex, 0: none). */
int rtnl__ours(const int device[N_NETLINK_DEVICES], struct netlink_objects *out, struct err *e);

/* sysctl.c - values below /proc/sys, and a journal of what they were */
struct sysctls;
int sysctls__new(struct sysctls **out, const char *state_path, struct err *e);
void sysctls__free(struct sysctls *s);
/** sysctls__apply() - @n_written grows by the number of values changed. */
int sysctls__apply(struct sysctls *s, const struct netlink_sysctls *want, unsigned *n_written,
		   struct err *e);
/** sysctls__restore() - values that are still ours go back to what they were. */
int sysctls__restore(struct sysctls *s, struct err *e);
/** sysctl__read() - Return: length without the newline, or a negative errno. */
int sysctl__read(const char *path, char *value, size_t size);
int sysctl__read_int(const char *path, int otherwise);
/** sysctl__stuck() - it is not as wanted, matters, and cannot be written. */
bool sysctl__stuck(const struct netlink_sysctl *w);
/** sysctl__want() - append @value for the path that @fmt makes. Return: the entry, NULL when out of
 *  memory (which the list remembers). */
struct netlink_sysctl *sysctl__want(struct netlink_sysctls *list, const char *value,
				    const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* plan_host.c */
void plan__shared(const struct netlink_input *in, struct netlink_plan *p);
void plan__reassembly(const struct netlink_input *in, struct netlink_plan *p);
void plan__sysctls(const struct netlink_input *in, struct netlink_plan *p);

/* nft.c - nftables, through libnftables */

/** nft__run() - @commands: NULL: memory ran out. Return: 0 or errno. */
int nft__run(const char *commands, struct err *e);
/** nft__list() - @flags: NFT_CTX_OUTPUT_*. @output: what nft printed, allocated. */
int nft__list(const char *command, unsigned flags, char **output, struct err *e);
struct text {
	char *at;
	size_t len, room;
	bool failed;
};
void text__add(struct text *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/** text__take() - Return: the text, the caller frees it; NULL if memory ran out. */
char *text__take(struct text *t);

/** struct nft_memory - commands that were run, and the kernel's listing right after; owned. */
struct nft_memory {
	char *text, *listing;
};
/**
 * struct nft_wanted - a table that must stand
 * @text:   commands that make it; taken; NULL: memory ran out
 * @clear:  commands that remove it, run before @text in the same transaction where what stands there is
 *          in its way or somebody has changed it; NULL: @text does that by itself, and what is about @sets
 *          does not apply
 * @sets:   commands that add to its sets what @text will ask them for; taken; run before, if they can be
 * @list:   command that lists it, @list_flags: NFT_CTX_OUTPUT_*
 * @finish: what nft cannot say, right after @text; may be NULL
 */
struct nft_wanted {
	char *text, *sets;
	const char *clear;
	const char *list;
	unsigned list_flags;
	int (*finish)(const void *arg, struct err *e);
	const void *arg;
};
/** nft__replace() - make what has @clear, without a gap if what stands there is as @text expects it. */
int nft__replace(const struct nft_wanted *w, struct err *e);
void nft__wanted_free(struct nft_wanted *w);
/** nft__ensure() - make it, unless it stands as remembered. @written: set when it was made. Texts are
 *  freed or remembered. */
int nft__ensure(struct nft_memory *m, struct nft_wanted *w, bool *written, struct err *e);
void nft__forget(struct nft_memory *m);

/* ruleset.c */

/**
 * struct ruleset_rule - where we are in the host's rules
 * @type, @hook: of a base chain, else empty
 * @text:        the rule, up to the end of its line; NULL at the end of a chain
 */
struct ruleset_rule {
	char family[8], table[64], chain[64], type[16], hook[16];
	bool policy_drop;
	const char *text;
};
struct ruleset_walk {
	void (*rule)(const struct ruleset_rule *r, void *arg);
	void (*end_of_chain)(const struct ruleset_rule *r, void *arg);
	void *arg;
};
/** ruleset__walk() - @ruleset: as `nft list ruleset` prints it; changed while it is read. */
void ruleset__walk(char *ruleset, const struct ruleset_walk *w);

/* guard.c */
int guard__ensure(struct nft_memory *m, const struct config *conf, bool *written, struct err *e);

/* shared.c - the shared address */
#define SHARED_TABLE "sixgate-shared"
char *shared__text(const struct netlink_shared *s);
/** shared__apply() - or remove it when @s is off. @written: says whether anything had to be done. */
int shared__apply(struct nft_memory *m, const struct netlink_plan *p, bool *written, struct err *e);
int shared__remove(struct err *e);

/* fragments.c */
#define FRAGMENTS_TABLE "sixgate-fragments"
/** fragments__apply() - as shared__apply(). */
int fragments__apply(struct nft_memory *m, const struct netlink_plan *p, bool *written,
		     struct err *e);
int fragments__remove(struct err *e);

/* announce.c */

/** announce__open() - a socket for any number of announcements: closing one takes the kernel some
 *  milliseconds. Return: the caller's descriptor, or errno. */
int announce__open(void);
/** announce__send() - tell the neighbours on a link that @a is at @mac: gratuitous ARP (RFC 5227
 *  3) or an unsolicited Neighbor Advertisement (RFC 4861 7.2.6). Return: 0 or errno. */
int announce__send(int fd, int ifindex, const uint8_t mac[6], const struct addr *a);

/* watch.c */
struct watch;
int watch__new(struct watch **out, struct err *e);
void watch__free(struct watch *w);
int watch__fd(const struct watch *w);
/** watch__remember() - which interfaces matter from now on. */
void watch__remember(struct watch *w, const struct netlink_facts *f);
unsigned watch__read(struct watch *w);
