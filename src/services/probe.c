/*
 * probe.c - health checks that go through the data plane.
 *
 * A check is an ordinary connection of this host to fd53:6978:6761:7465:0:1:<service>:<node>. It
 * comes in from the inside device and is rewritten as a client's would be, to that one node, up or
 * not. Its answer reaches the check only if the node sends it by way of us: a node that answers its
 * clients directly fails here and nowhere else.
 */
#include "services_internal.h"
#include "sixgate/flow/tcp.h"

/* "Sixgate" in a locally assigned prefix (RFC 4193); ::1 and ::2 in it are the two ends. */
#define PROBE_NET 0xfd, 0x53, 0x69, 0x78, 0x67, 0x61, 0x74, 0x65

static const struct addr probe_net = { .octet = { PROBE_NET } };
static const struct addr probe_base = { .octet = { PROBE_NET, [11] = 1 } };

enum { PROBE_BASE_OCTETS = 12, PROTO_TCP = 6 };

struct addr services_probe_address(unsigned service, unsigned node)
{
	struct addr a = probe_base;

	store16(a.octet + 12, (uint16_t)service);
	store16(a.octet + 14, (uint16_t)node);
	return a;
}

struct prefix services_probe_prefix(void)
{
	return (struct prefix){ .addr = probe_net, .len = 64 };
}

struct addr services_probe_client(void)
{
	struct addr a = probe_net;

	a.octet[15] = 1;
	return a;
}

struct addr services_probe_source(void)
{
	struct addr a = probe_net;

	a.octet[15] = 2;
	return a;
}

/* Of the block that is set aside for protocols (RFC 6890 2.2.2) and given to nobody: a node sends
 * it where it sends all its far clients, and it is no address of a host. (The dummy of RFC 7600,
 * 192.0.0.8, is one of this host: the source of errors on its devices.) */
struct addr services__probe_source4(void)
{
	return addr_from_v4((const uint8_t[]){ 192, 0, 0, 11 });
}

bool services__is_probe(const struct addr *a)
{
	return memcmp(a->octet, probe_base.octet, PROBE_BASE_OCTETS) == 0;
}

static const struct node *node_probed(const struct services_table *t, const struct addr *a)
{
	uint32_t service = load16(a->octet + 12), node = load16(a->octet + 14);

	if (service >= t->n_service || node >= t->service[service].n_node)
		return NULL;
	return &t->node[t->service[service].node_at + node];
}

/* As a client of the service would be seen: of its IPv4 VIP where it has one. */
static bool probe_seen_as(const struct services_table *t, const struct service *s,
			  const struct node *n, struct seen *seen)
{
	struct addr probe4 = services__probe_source4();

	if (s->has_v4_vip && services__seen_as(t, s, n, &probe4, seen))
		return true;
	if (n->is_v4 ? s->has_source_v4 : s->has_source_v6) {
		*seen = (struct seen){ .addr = n->is_v4 ? s->source_v4 : s->source_v6,
				       .owner = t->block[n->is_v4 ? s->row_v4 : s->row_v6] };
		return true;
	}
	if (n->is_v4)
		return false;
	*seen = (struct seen){ .addr = services_probe_source(), .owner = t->block[t->probe_row] };
	return true;
}

static bool comes_from_this_host(const struct packet *p)
{
	struct addr client = services_probe_client();

	return p->side == SIDE_INSIDE && addr_equal(&p->key.src, &client);
}

struct verdict services__admit_probe(const struct admission *a, const struct packet *p,
				     struct flow_plan *plan)
{
	const struct node *n = node_probed(a->t, &p->key.dst);
	struct tuple *back = &plan->key[1];
	const struct service *s;
	struct seen seen;

	if (!n || !comes_from_this_host(p) || p->key.proto != PROTO_TCP ||
	    !be16_equal(p->key.dport, n->port))
		return verdict_drop(DROP_SERVICE_PROTOCOL);
	if ((p->tcp_flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
		return verdict_drop(DROP_NO_FLOW);
	s = &a->t->service[n->service];
	if (!probe_seen_as(a->t, s, n, &seen))
		return verdict_drop(DROP_NODE_FAMILY);

	*plan = (struct flow_plan){ .key = { p->key } };
	*back = (struct tuple){ .src = n->address, .dst = seen.addr, .sport = n->port,
				.proto = p->key.proto };
	if (!services__free_port(a, &seen, p->key.sport, back))
		return verdict_drop(DROP_FLOW_CONFLICT);
	services__plan(a->v, a->t, n, SIDE_INSIDE, plan);
	return verdict_continue();
}
