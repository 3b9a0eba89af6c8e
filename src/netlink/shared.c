/*
 * shared.c - the outside interface's own IPv4 address, used by the host and by us.
 *
 * The host's local table would take every packet to that address, so what is ours by its port is
 * given another destination, the alias, before routing looks at it; the alias is routed to our
 * outside device. On the way out the alias as a source becomes the address again. Both are
 * stateless rewrites of nftables, which keep checksums right.
 *
 * Ours are TCP and UDP ports of our ranges; echo replies with identifiers of our ranges, unless the
 * host itself has just sent such a request; echo requests for static entries only, or the host
 * could not be pinged; and ICMP errors by the packet they quote, whose addresses are rewritten
 * too, together with the quoted header's checksum, so that the sum over the message stays.
 * Fragments are put together before we look (fragments.c).
 */
#include "netlink_internal.h"
#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/netfilter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <nftables/libnftables.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

/* Bits from the start of an ICMP error: the quoted header (no options: neither we nor a host's
 * stack sends any), then its ports. */
#define QUOTED_HEADER	"@th,64,8 0x45 @th,115,13 0 "
#define QUOTED_PROTOCOL "@th,136,8"
#define QUOTED_SOURCE	"@th,160,32"
#define QUOTED_DEST	"@th,192,32"
#define QUOTED_PORT	"@th,224,16"
#define QUOTED_DPORT	"@th,240,16"
#define QUOTED_TYPE	"@th,224,8"
#define QUOTED_ECHO_ID	"@th,256,16"

static bool any_range(const struct netlink_shared *s, uint8_t protocol)
{
	for (size_t i = 0; i < s->n_range; i++)
		if (s->range[i].protocols & protocol)
			return true;
	return false;
}

static void add_ranges(struct text *t, const struct netlink_shared *s, uint8_t protocol)
{
	bool first = true;

	text__add(t, "{ ");
	for (size_t i = 0; i < s->n_range; i++) {
		if (!(s->range[i].protocols & protocol))
			continue;
		text__add(t, "%s%u-%u", first ? "" : ", ", s->range[i].first, s->range[i].last);
		first = false;
	}
	text__add(t, " }");
}

static void add_echo(struct text *t, const struct netlink_shared *s)
{
	text__add(t, "{ ");
	for (size_t i = 0; i < s->n_echo; i++)
		text__add(t, "%s%u", i ? ", " : "", s->echo[i]);
	text__add(t, " }");
}

/* A set of the identifiers that the host's own pings use now. */
static void add_own_echo(struct text *t)
{
	text__add(t, "\tset own_echo {\n\t\ttypeof ip daddr . icmp id\n\t\tsize 65535\n"
		     "\t\tflags dynamic,timeout\n\t\ttimeout 60s\n\t}\n");
}

static void add_in_ports(struct text *t, const struct netlink_shared *s, const char *alias)
{
	static const struct {
		uint8_t protocol;
		const char *name;
		int number;
	} list[] = { { NAT64_TCP, "tcp", 6 }, { NAT64_UDP, "udp", 17 } };

	for (size_t i = 0; i < 2; i++) {
		if (!any_range(s, list[i].protocol))
			continue;
		text__add(t, "\t\t%s dport ", list[i].name);
		add_ranges(t, s, list[i].protocol);
		text__add(t, " ip daddr set %s accept\n", alias);
		text__add(t, "\t\ticmp type { 3, 11, 12 } " QUOTED_HEADER QUOTED_PROTOCOL
			     " %d " QUOTED_PORT " ", list[i].number);
		add_ranges(t, s, list[i].protocol);
		text__add(t, " goto quoted_in\n");
	}
}

static void add_in_echo(struct text *t, const struct netlink_shared *s, const char *alias)
{
	if (any_range(s, NAT64_ICMP)) {
		text__add(t, "\t\ticmp type 0 ip saddr . icmp id @own_echo accept\n");
		text__add(t, "\t\ticmp type 0 icmp id ");
		add_ranges(t, s, NAT64_ICMP);
		text__add(t, " ip daddr set %s accept\n", alias);
		text__add(t, "\t\ticmp type { 3, 11, 12 } " QUOTED_HEADER QUOTED_PROTOCOL
			     " 1 " QUOTED_TYPE " 8 " QUOTED_ECHO_ID " ");
		add_ranges(t, s, NAT64_ICMP);
		text__add(t, " goto quoted_echo\n");
	}
	if (s->n_echo) {
		text__add(t, "\t\ticmp type 8 icmp id ");
		add_echo(t, s);
		text__add(t, " ip daddr set %s accept\n", alias);
		text__add(t, "\t\ticmp type { 3, 11, 12 } " QUOTED_HEADER QUOTED_PROTOCOL
			     " 1 " QUOTED_TYPE " 0 " QUOTED_ECHO_ID " ");
		add_echo(t, s);
		text__add(t, " goto quoted_in\n");
	}
}

static void add_in(struct text *t, const struct netlink_shared *s, const char *alias)
{
	char real[ADDR_TEXT_MAX];

	text__add(t, "\tchain quoted_in {\n\t\tip daddr set %s\n\t}\n", alias);
	text__add(t, "\tchain quoted_echo {\n\t\tgoto quoted_in\n\t}\n");
	text__add(t, "\tchain ours {\n");
	add_in_ports(t, s, alias);
	add_in_echo(t, s, alias);
	text__add(t, "\t}\n\tchain in {\n\t\ttype filter hook prerouting priority -290; "
		     "policy accept;\n");
	for (size_t i = 0; i < s->n_interface; i++)
		text__add(t, "\t\tiifname \"%s\" ip daddr %s jump ours\n", s->interface[i],
			  addr_format(&s->real[i], real));
	text__add(t, "\t}\n");
}

static void add_out(struct text *t, const struct netlink_shared *s, const char *alias)
{
	char real[ADDR_TEXT_MAX];

	for (size_t i = 0; i < s->n_interface; i++)
		text__add(t, "\tchain quoted_out%zu {\n\t}\n", i);
	text__add(t, "\tchain out {\n\t\ttype filter hook postrouting priority 310; policy accept;\n");
	for (size_t i = 0; i < s->n_interface; i++) {
		addr_format(&s->real[i], real);
		if (any_range(s, NAT64_ICMP)) {
			text__add(t, "\t\toifname \"%s\" ip saddr %s icmp type 8 icmp id ",
				  s->interface[i], real);
			add_ranges(t, s, NAT64_ICMP);
			text__add(t, " update @own_echo { ip daddr . icmp id } accept\n");
		}
		text__add(t, "\t\toifname \"%s\" icmp type { 3, 11, 12 } " QUOTED_DEST
			     " 0x%08x jump quoted_out%zu\n",
			  s->interface[i], addr_ip4_host(&s->alias), i);
		text__add(t, "\t\toifname \"%s\" ip saddr %s ip saddr set %s accept\n",
			  s->interface[i], alias, real);
	}
	text__add(t, "\t}\n");
}

char *shared__text(const struct netlink_shared *s)
{
	char alias[ADDR_TEXT_MAX];
	struct text t = { 0 };

	addr_format(&s->alias, alias);
	text__add(&t, "table ip " SHARED_TABLE "\ndelete table ip " SHARED_TABLE "\n"
		      "table ip " SHARED_TABLE " {\n");
	add_own_echo(&t);
	add_in(&t, s, alias);
	add_out(&t, s, alias);
	text__add(&t, "}\n");
	return text__take(&t);
}

/*
 * ---- what nft has no words for ----
 *
 * To write an address and adjust a checksum of our choice, and to look a quoted address and
 * identifier up in a set. These rules are put together as the kernel takes them.
 */

enum {
	QUOTED_SOURCE_AT = 8 + 12,
	QUOTED_DEST_AT = 8 + 16,
	QUOTED_CHECKSUM_AT = 8 + 10,
	QUOTED_ECHO_ID_AT = 8 + 20 + 4
};

/* What stands between begin_expression() and end_expression() are the expression's attributes. */
struct expression {
	struct nlattr *element, *data;
};

static struct expression begin_expression(struct nlmsghdr *h, const char *name)
{
	struct expression x = { .element = mnl_attr_nest_start(h, NFTA_LIST_ELEM) };

	mnl_attr_put_strz(h, NFTA_EXPR_NAME, name);
	x.data = mnl_attr_nest_start(h, NFTA_EXPR_DATA);
	return x;
}

static void end_expression(struct nlmsghdr *h, struct expression x)
{
	mnl_attr_nest_end(h, x.data);
	mnl_attr_nest_end(h, x.element);
}

/* "payload load <len>b @ transport header + <at> => reg <reg>" */
static void put_load(struct nlmsghdr *h, uint32_t at, uint32_t len, uint32_t reg)
{
	struct expression x = begin_expression(h, "payload");

	mnl_attr_put_u32(h, NFTA_PAYLOAD_DREG, htonl(reg));
	mnl_attr_put_u32(h, NFTA_PAYLOAD_BASE, htonl(NFT_PAYLOAD_TRANSPORT_HEADER));
	mnl_attr_put_u32(h, NFTA_PAYLOAD_OFFSET, htonl(at));
	mnl_attr_put_u32(h, NFTA_PAYLOAD_LEN, htonl(len));
	end_expression(h, x);
}

/* "immediate reg 1 <address>; payload write reg 1 => 4b @ transport header + <at>" */
static void put_rewrite(struct nlmsghdr *h, uint32_t at, const struct addr *a)
{
	struct expression x = begin_expression(h, "immediate");
	struct nlattr *value;

	mnl_attr_put_u32(h, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_1));
	value = mnl_attr_nest_start(h, NFTA_IMMEDIATE_DATA);
	mnl_attr_put(h, NFTA_DATA_VALUE, 4, a->octet + 12);
	mnl_attr_nest_end(h, value);
	end_expression(h, x);

	x = begin_expression(h, "payload");
	mnl_attr_put_u32(h, NFTA_PAYLOAD_SREG, htonl(NFT_REG_1));
	mnl_attr_put_u32(h, NFTA_PAYLOAD_BASE, htonl(NFT_PAYLOAD_TRANSPORT_HEADER));
	mnl_attr_put_u32(h, NFTA_PAYLOAD_OFFSET, htonl(at));
	mnl_attr_put_u32(h, NFTA_PAYLOAD_LEN, htonl(4));
	mnl_attr_put_u32(h, NFTA_PAYLOAD_CSUM_TYPE, htonl(NFT_PAYLOAD_CSUM_INET));
	mnl_attr_put_u32(h, NFTA_PAYLOAD_CSUM_OFFSET, htonl(QUOTED_CHECKSUM_AT));
	mnl_attr_put_u32(h, NFTA_PAYLOAD_CSUM_FLAGS, 0);
	end_expression(h, x);
}

/* "accept" */
static void put_accept(struct nlmsghdr *h)
{
	struct expression x = begin_expression(h, "immediate");
	struct nlattr *data, *verdict;

	mnl_attr_put_u32(h, NFTA_IMMEDIATE_DREG, htonl(NFT_REG_VERDICT));
	data = mnl_attr_nest_start(h, NFTA_IMMEDIATE_DATA);
	verdict = mnl_attr_nest_start(h, NFTA_DATA_VERDICT);
	mnl_attr_put_u32(h, NFTA_VERDICT_CODE, htonl(NF_ACCEPT));
	mnl_attr_nest_end(h, verdict);
	mnl_attr_nest_end(h, data);
	end_expression(h, x);
}

/* Quoted destination and identifier in own_echo: the host's. */
static void put_own_echo_test(struct nlmsghdr *h)
{
	struct expression x;

	put_load(h, QUOTED_DEST_AT, 4, NFT_REG32_00);
	put_load(h, QUOTED_ECHO_ID_AT, 2, NFT_REG32_01);
	x = begin_expression(h, "lookup");
	mnl_attr_put_strz(h, NFTA_LOOKUP_SET, "own_echo");
	mnl_attr_put_u32(h, NFTA_LOOKUP_SREG, htonl(NFT_REG32_00));
	end_expression(h, x);
	put_accept(h);
}

static struct nlmsghdr *begin(struct mnl_nlmsg_batch *b, uint16_t type, uint16_t flags, int family)
{
	struct nlmsghdr *h = mnl_nlmsg_put_header(mnl_nlmsg_batch_current(b));
	struct nfgenmsg *g;

	h->nlmsg_type = type;
	h->nlmsg_flags = NLM_F_REQUEST | flags;
	h->nlmsg_seq = 1;
	g = mnl_nlmsg_put_extra_header(h, sizeof(*g));
	g->nfgen_family = (uint8_t)family;
	g->version = NFNETLINK_V0;
	if (type < NFNL_SUBSYS_NFTABLES << 8)
		g->res_id = htons(NFNL_SUBSYS_NFTABLES);
	return h;
}

/* A rule at the head of a chain; its expressions go behind the returned attribute. */
static struct nlattr *begin_rule(struct mnl_nlmsg_batch *b, const char *chain, struct nlmsghdr **h)
{
	*h = begin(b, NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_ACK,
		   NFPROTO_IPV4);
	mnl_attr_put_strz(*h, NFTA_RULE_TABLE, SHARED_TABLE);
	mnl_attr_put_strz(*h, NFTA_RULE_CHAIN, chain);
	return mnl_attr_nest_start(*h, NFTA_RULE_EXPRESSIONS);
}

static void put_rewrite_rule(struct mnl_nlmsg_batch *b, const char *chain, uint32_t at,
			     const struct addr *a)
{
	struct nlmsghdr *h;
	struct nlattr *list = begin_rule(b, chain, &h);

	put_rewrite(h, at, a);
	mnl_attr_nest_end(h, list);
	mnl_nlmsg_batch_next(b);
}

static void put_echo_rule(struct mnl_nlmsg_batch *b)
{
	struct nlmsghdr *h;
	struct nlattr *list = begin_rule(b, "quoted_echo", &h);

	put_own_echo_test(h);
	mnl_attr_nest_end(h, list);
	mnl_nlmsg_batch_next(b);
}

/* Return: 0 when the kernel has acknowledged @n rules. */
static int run_batch(struct mnl_nlmsg_batch *b, size_t n)
{
	struct mnl_socket *sk = mnl_socket_open2(NETLINK_NETFILTER, SOCK_CLOEXEC);
	char answer[8192];
	int rc = 0;

	if (!sk)
		return -errno;
	if (mnl_socket_bind(sk, 0, MNL_SOCKET_AUTOPID) < 0 ||
	    mnl_socket_sendto(sk, mnl_nlmsg_batch_head(b), mnl_nlmsg_batch_size(b)) < 0)
		rc = -errno;
	while (rc == 0 && n > 0) {
		ssize_t len = mnl_socket_recvfrom(sk, answer, sizeof(answer));
		const struct nlmsghdr *h = (const void *)answer;
		int left = (int)len;

		if (len < 0)
			rc = -errno;
		for (; rc == 0 && mnl_nlmsg_ok(h, left) && n > 0; h = mnl_nlmsg_next(h, &left)) {
			if (h->nlmsg_type == NLMSG_ERROR)
				rc = ((const struct nlmsgerr *)mnl_nlmsg_get_payload(h))->error;
			n--;
		}
	}
	mnl_socket_close(sk);
	return rc;
}

static int add_rewrites(const void *arg, struct err *e)
{
	const struct netlink_shared *s = arg;
	char buffer[32768], chain[32];
	struct mnl_nlmsg_batch *b = mnl_nlmsg_batch_start(buffer, sizeof(buffer) / 2);
	int rc;

	if (!b)
		return err_set(e, -ENOMEM, "out of memory");
	begin(b, NFNL_MSG_BATCH_BEGIN, 0, AF_UNSPEC);
	mnl_nlmsg_batch_next(b);
	put_echo_rule(b);
	put_rewrite_rule(b, "quoted_in", QUOTED_SOURCE_AT, &s->alias);
	for (size_t i = 0; i < s->n_interface; i++) {
		snprintf(chain, sizeof(chain), "quoted_out%zu", i);
		put_rewrite_rule(b, chain, QUOTED_DEST_AT, &s->real[i]);
	}
	begin(b, NFNL_MSG_BATCH_END, 0, AF_UNSPEC);
	mnl_nlmsg_batch_next(b);
	rc = run_batch(b, 2 + s->n_interface);
	mnl_nlmsg_batch_stop(b);
	return rc ? err_set(e, rc, "nftables: rewriting quoted addresses: %s", strerror(-rc)) : 0;
}

/* ---- apply ---- */

int shared__apply(struct nft_memory *m, const struct netlink_plan *p, bool *written, struct err *e)
{
	struct nft_wanted w = {
		.list = "list table ip " SHARED_TABLE,
		.list_flags = NFT_CTX_OUTPUT_TERSE, /* the host's pings come and go */
		.finish = add_rewrites,
		.arg = &p->shared,
	};
	int rc;

	if (!p->shared.on) {
		if (!m->text)
			return 0;
		nft__forget(m);
		*written = true;
		return shared__remove(e);
	}
	w.text = shared__text(&p->shared);
	rc = nft__ensure(m, &w, written, e);
	return rc ? err_wrap(e, rc, "shared address") : 0;
}

int shared__remove(struct err *e)
{
	int rc = nft__run("table ip " SHARED_TABLE "\ndelete table ip " SHARED_TABLE "\n", e);

	return rc ? err_wrap(e, rc, "shared address") : 0;
}
