/*
 * netlink_driver.c - the netlink room as a program, for tests in namespaces.
 *
 *   netlink_driver guard|run|undo|teardown|facts|findings|filters <state file> <what>=<value>...
 *
 * "run" opens the two devices, keeps the kernel in line, and stands in for the data plane: what it
 * reads is printed as "rx inside|outside <hex>", a line "tx inside|outside <hex>" on standard input
 * is sent. With forward=<v4> it passes packets between the shared address's alias and that host
 * instead. It ends at end of file, and undoes unless the last line was "crash".
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"
#include "sixgate/log/log.h"
#include "sixgate/netlink/finding.h"
#include "sixgate/netlink/guard.h"
#include "sixgate/netlink/netlink.h"

enum { LIST_MAX = 64, PACKET_MAX = 65536, SYNC_EVERY_MS = 2000 };

struct driver {
	struct config conf;
	struct prefix nat64[LIST_MAX], egress6[LIST_MAX];
	struct pool4_conf pool4[LIST_MAX];
	struct static_conf entry[LIST_MAX];
	struct service_conf service[1];
	struct node_conf node[LIST_MAX];
	struct prefix probe;
	struct netlink *nl;
	struct netlink_facts facts;
	int tun[N_NETLINK_DEVICES];
	struct addr forward;
	bool forwards, crash;
};

static int fail(const char *what, const struct err *e)
{
	printf("error %s: %s\n", what, e->text);
	fflush(stdout);
	return 1;
}

/* ---- configuration from the command line ---- */

static void set_pool4(struct driver *d, const char *value)
{
	struct pool4_conf *p = &d->pool4[d->conf.nat64.n_pool4++];
	char first[64], last[64] = "";
	unsigned a = 1024, b = 65535;

	p->protocols = NAT64_TCP | NAT64_UDP | NAT64_ICMP;
	p->outside = sscanf(value, "outside:%u-%u", &a, &b) == 2;
	if (!p->outside) {
		must(sscanf(value, "%63[^-]-%63s", first, last) >= 1);
		must(addr_parse(first, &p->first) == 0);
		must(addr_parse(*last ? last : first, &p->last) == 0);
	}
	p->port_first = (uint16_t)a;
	p->port_last = (uint16_t)b;
}

static void set_node(struct driver *d, const char *value)
{
	struct node_conf *n = &d->node[d->service[0].n_node++];
	char address[64];
	unsigned port;

	must(sscanf(value, "%63[^,],%u", address, &port) == 2);
	must(addr_parse(address, &n->address) == 0);
	n->port = (uint16_t)port;
}

static void set_interface(char list[][INTERFACE_NAME_MAX], size_t *n, const char *value)
{
	snprintf(list[(*n)++], INTERFACE_NAME_MAX, "%s", value);
}

static void set(struct driver *d, const char *key, const char *value)
{
	struct config *c = &d->conf;
	struct service_conf *s = &d->service[0];

	if (strcmp(key, "inside") == 0)
		set_interface(c->interfaces.inside, &c->interfaces.n_inside, value);
	else if (strcmp(key, "outside") == 0)
		set_interface(c->interfaces.outside, &c->interfaces.n_outside, value);
	else if (strcmp(key, "nat64") == 0)
		must(prefix_parse(value, &d->nat64[c->nat64.n_prefix++]) == 0);
	else if (strcmp(key, "pool4") == 0)
		set_pool4(d, value);
	else if (strcmp(key, "egress6") == 0 && strcmp(value, "inside") == 0)
		c->egress6.follow_inside = true;
	else if (strcmp(key, "egress6") == 0)
		must(prefix_parse(value, &d->egress6[c->egress6.n_prefix++]) == 0);
	else if (strcmp(key, "vip") == 0)
		must(addr_parse(value, &s->address[s->n_address++]) == 0);
	else if (strcmp(key, "source") == 0)
		must(addr_parse(value, strchr(value, ':') ? &s->source_v6 : &s->source_v4) == 0);
	else if (strcmp(key, "embed") == 0)
		must(prefix_parse(value, &s->embed_prefix) == 0);
	else if (strcmp(key, "node") == 0)
		set_node(d, value);
	else if (strcmp(key, "probe") == 0)
		must(prefix_parse(value, &d->probe) == 0);
	else if (strcmp(key, "forward") == 0)
		d->forwards = addr_parse(value, &d->forward) == 0;
	else if (strcmp(key, "echo") == 0)
		d->entry[c->nat64.n_static++] = (struct static_conf){
			.protocol = NAT64_ICMP, .outside_port = (uint16_t)atoi(value)
		};
	else if (strcmp(key, "protocol") == 0)
		s->protocol = (uint8_t)atoi(value);
	else if (strcmp(key, "manage") == 0)
		c->interfaces.manage = atoi(value);
	else
		must(!"a key that the driver knows");
}

static void configure(struct driver *d, char **arg)
{
	struct config *c = &d->conf;

	strcpy(c->interfaces.tun, "sixgate0");
	c->interfaces.manage = true;
	c->nat64.prefix = d->nat64;
	c->nat64.pool4 = d->pool4;
	c->nat64.static_entry = d->entry;
	c->egress6.prefix = d->egress6;
	d->service[0] = (struct service_conf){ .protocol = IPPROTO_TCP, .port = 9000, .node = d->node };
	c->services = (struct services_conf){ .service = d->service, .n_service = 1 };
	for (; *arg; arg++) {
		char *value = strchr(*arg, '=');

		must(value);
		*value++ = '\0';
		set(d, *arg, value);
	}
	c->has_nat64 = c->nat64.n_prefix || c->nat64.n_pool4;
	c->has_egress6 = c->egress6.follow_inside || c->egress6.n_prefix;
	c->has_services = d->service[0].n_address || d->service[0].n_node;
	for (size_t i = 0; i < c->nat64.n_static; i++)
		must(addr_parse("192.0.0.6", &d->entry[i].outside) == 0);
}

/* ---- stand-in for the data plane ---- */

static int open_tun(const char *name)
{
	struct ifreq r = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);

	snprintf(r.ifr_name, sizeof(r.ifr_name), "%s", name);
	must(fd >= 0 && ioctl(fd, TUNSETIFF, &r) == 0);
	return fd;
}

static void print_packet(const char *side, const uint8_t *p, size_t n)
{
	printf("rx %s ", side);
	for (size_t i = 0; i < n; i++)
		printf("%02x", p[i]);
	printf("\n");
	fflush(stdout);
}

/* RFC 1624: the checksum at @at after one address has become another. */
static void adjust(uint8_t *at, const uint8_t *before, const uint8_t *after)
{
	uint32_t sum = (uint16_t)~load16(at);

	for (int i = 0; i < 4; i += 2)
		sum += (uint16_t)~load16(before + i) + load16(after + i);
	sum = (sum & 0xffff) + (sum >> 16);
	store16(at, (uint16_t)~((sum & 0xffff) + (sum >> 16)));
}

/* Put @after in place of the source (@at 12) or destination (@at 16) of an IPv4 packet. */
static void replace(uint8_t *p, size_t n, unsigned at, const struct addr *after)
{
	const uint8_t *fresh = after->octet + 12;
	unsigned header = (p[0] & 15u) * 4, l4 = p[9] == 6 ? 16 : p[9] == 17 ? 6 : 0;
	bool first = (load16(p + 6) & 0x1fff) == 0;

	adjust(p + 10, p + at, fresh);
	if (first && l4 && n >= header + l4 + 2 && (l4 == 16 || load16(p + header + 6)))
		adjust(p + header + l4, p + at, fresh);
	memcpy(p + at, fresh, 4);
}

static void forward_packet(struct driver *d, bool from_outside, uint8_t *p, size_t n)
{
	if (n < 20 || p[0] >> 4 != 4)
		return;
	if (from_outside)
		replace(p, n, 16, &d->forward);
	else
		replace(p, n, 12, &d->facts.shared_alias);
	must(write(d->tun[!from_outside], p, n) == (ssize_t)n);
}

static void read_tun(struct driver *d, int side)
{
	static uint8_t p[PACKET_MAX];
	ssize_t n;

	while ((n = read(d->tun[side], p, sizeof(p))) > 0) {
		if (d->forwards)
			forward_packet(d, side == NETLINK_DEVICE_OUTSIDE, p, (size_t)n);
		else
			print_packet(side ? "outside" : "inside", p, (size_t)n);
	}
}

static void send_hex(struct driver *d, const char *line)
{
	static uint8_t p[PACKET_MAX];
	int side = strncmp(line, "tx outside ", 11) == 0;
	const char *hex = strrchr(line, ' ') + 1;
	size_t n = 0;

	for (; sscanf(hex + 2 * n, "%2hhx", &p[n]) == 1; n++)
		;
	if (write(d->tun[side], p, n) != (ssize_t)n)
		printf("error tx: %s\n", strerror(errno));
}

/* ---- run ---- */

static void print_facts(const struct netlink_facts *f)
{
	char text[PREFIX_TEXT_MAX];

	for (size_t i = 0; i < f->n_interface; i++)
		printf("interface %s present=%d up=%d mtu=%u ra_default=%d\n", f->interface[i].name,
		       f->interface[i].present, f->interface[i].up, f->interface[i].mtu,
		       f->interface[i].ra_default);
	for (size_t i = 0; i < f->n_inside; i++)
		printf("prefix %s on_link=%d local=%d\n", prefix_format(&f->inside[i].prefix, text),
		       f->inside[i].on_link, f->inside[i].local);
	if (f->has_shared)
		printf("shared %s\n", addr_format(&f->shared_real, text));
	printf("alias %s\n", addr_format(&f->shared_alias, text));
	fflush(stdout);
}

static int sync_now(struct driver *d, unsigned changed)
{
	const struct netlink_input in = { .conf = &d->conf,
					  .probe = d->probe.len ? &d->probe : NULL };
	struct err e = { "" };
	struct netlink_applied a;
	int rc;

	netlink_facts_free(&d->facts);
	rc = netlink_sync(d->nl, &in, &d->facts, &e);
	a = netlink_last(d->nl);
	printf("sync changed=%x rc=%d added=%u removed=%u sysctl=%u firewall=%d announced=%u %s\n",
	       changed, rc, a.n_added, a.n_removed, a.n_sysctl, a.firewall, a.n_announced, e.text);
	fflush(stdout);
	return rc;
}

static bool read_command(struct driver *d)
{
	static char line[2 * PACKET_MAX + 64];

	if (!fgets(line, sizeof(line), stdin))
		return false;
	if (strncmp(line, "tx ", 3) == 0)
		send_hex(d, line);
	else if (strncmp(line, "facts", 5) == 0)
		print_facts(&d->facts);
	else if (strncmp(line, "announce", 8) == 0)
		netlink_announce(d->nl);
	else if (strncmp(line, "crash", 5) == 0)
		_exit(0);
	return true;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void loop(struct driver *d)
{
	int64_t next = now_ms() + SYNC_EVERY_MS;
	struct pollfd p[4] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = netlink_watch_fd(d->nl), .events = POLLIN },
		{ .fd = d->tun[0], .events = POLLIN },
		{ .fd = d->tun[1], .events = POLLIN },
	};

	for (;;) {
		int64_t wait = next - now_ms();
		unsigned changed;

		poll(p, 4, wait > 0 ? (int)wait : 0);
		changed = p[1].revents ? netlink_watch_read(d->nl) : 0;
		if (changed || now_ms() >= next) {
			sync_now(d, changed);
			next = now_ms() + SYNC_EVERY_MS;
		}
		for (int i = 0; i < 2; i++)
			if (p[2 + i].revents & POLLIN)
				read_tun(d, i);
		if (p[0].revents && !read_command(d))
			return;
	}
}

static int run(struct driver *d)
{
	struct err e = { "" };

	if (guard_install(&d->conf, &e))
		return fail("guard", &e);
	d->tun[0] = open_tun("sixgate0");
	d->tun[1] = open_tun("sixgate0o");
	if (sync_now(d, 0))
		return 1;
	printf("ready\n");
	fflush(stdout);
	loop(d);
	if (netlink_undo(d->nl, &e))
		return fail("undo", &e);
	printf("undone\n");
	return 0;
}

static int show_findings(struct driver *d)
{
	static struct netlink_finding list[NETLINK_FINDINGS_MAX];
	struct netlink_input in = { .conf = &d->conf, .facts = &d->facts };
	struct netlink_plan plan;
	struct err e = { "" };
	size_t n;

	if (netlink_facts_read(&d->conf, &d->facts, &e) || netlink_plan_build(&in, &plan, &e))
		return fail("findings", &e);
	n = netlink_findings(&in, &plan, list, NETLINK_FINDINGS_MAX);
	for (size_t i = 0; i < n; i++)
		printf("%s %s\n",
		       list[i].severity == NETLINK_REFUSE    ? "refuse"
		       : list[i].severity == NETLINK_WARNING ? "warning"
							     : "notice",
		       list[i].text);
	netlink_plan_free(&plan);
	return 0;
}

static int show_filters(void)
{
	char where[256] = "";

	printf("%s\n", netlink_filters_forwarded(where, sizeof(where)) ? where : "none");
	return 0;
}

static int dispatch(struct driver *d, const char *command)
{
	struct err e = { "" };

	if (strcmp(command, "guard") == 0)
		return guard_install(&d->conf, &e) ? fail(command, &e) : 0;
	if (strcmp(command, "run") == 0)
		return run(d);
	if (strcmp(command, "undo") == 0)
		return netlink_undo(d->nl, &e) ? fail(command, &e) : 0;
	if (strcmp(command, "teardown") == 0)
		return netlink_teardown(d->nl, &e) ? fail(command, &e) : 0;
	if (strcmp(command, "findings") == 0)
		return show_findings(d);
	if (strcmp(command, "filters") == 0)
		return show_filters();
	must(strcmp(command, "facts") == 0);
	if (netlink_facts_read(&d->conf, &d->facts, &e))
		return fail(command, &e);
	print_facts(&d->facts);
	return 0;
}

int main(int argc, char **argv)
{
	static struct driver d;
	struct err e = { "" };
	int rc;

	must(argc >= 3);
	setvbuf(stdin, NULL, _IONBF, 0); /* or poll() would not see what is buffered */
	log_open("driver", LOG_LEVEL_DEBUG);
	configure(&d, argv + 3);
	if (netlink_new(&d.nl, argv[2], &e))
		return fail("new", &e);
	rc = dispatch(&d, argv[1]);
	netlink_facts_free(&d.facts);
	netlink_free(d.nl);
	return rc;
}
