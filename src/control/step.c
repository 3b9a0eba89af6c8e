/* step.c - one step of a packet as JSON: only the members that the step has. */
#include "control.h"
#include "record.h"
#include "sixgate/base/must.h"

static const char *const names[N_TRACE_STEPS] = {
	[TRACE_ARRIVED] = "arrived",     [TRACE_FOUND] = "flow",      [TRACE_RENEWED] = "renewed",
	[TRACE_ASKED] = "asked",         [TRACE_STATELESS] = "asked", [TRACE_OPENED] = "opened",
	[TRACE_ROUND] = "round",         [TRACE_HANDED] = "handed",   [TRACE_REWRITTEN] = "rewritten",
	[TRACE_MADE] = "made",           [TRACE_ENDED] = "ended",
};

static const char *const policies[N_POLICIES] = { "none", "nat64", "egress6", "services" };

static void add_flags(json_t *v, const struct trace_record *r)
{
	static const char letters[] = "FSRPAU";
	char text[sizeof(letters)];
	size_t n = 0;

	for (unsigned i = 0; letters[i]; i++)
		if (r->tcp_flags & 1u << i)
			text[n++] = letters[i];
	text[n] = 0;
	if (r->tuple.proto == 6)
		json_object_set_new(v, "tcp_flags", json_string(text));
	if (r->tuple.proto == 1 || r->tuple.proto == 58 || r->flags & PACKET_ICMP_ERROR) {
		json_object_set_new(v, "icmp_type", json_integer(r->icmp_type));
		json_object_set_new(v, "icmp_code", json_integer(r->icmp_code));
	}
	if (r->flags & PACKET_ICMP_ERROR)
		json_object_set_new(v, "error", json_true());
	if (r->flags & PACKET_FRAGMENT)
		json_object_set_new(v, "fragment", json_true());
}

static void add_tuple(json_t *v, const struct control *c, const struct trace_record *r)
{
	struct tuple t = r->tuple;

	shared__to_real(c, &t.src);
	shared__to_real(c, &t.dst);
	json_object_set_new(v, "protocol", json_string(protocol__name(t.proto)));
	json_object_set_new(v, "source", endpoint__json(&t.src, be16_to(t.sport)));
	json_object_set_new(v, "destination", endpoint__json(&t.dst, be16_to(t.dport)));
	add_flags(v, r);
}

static void add_held(json_t *v, uint32_t why)
{
	static const char *const names_of[] = {
		[TRACE_HELD_FRAGMENT] = "waits-for-first-fragment", [TRACE_HELD_SYN] = "first-syn-kept",
		[TRACE_HELD_ANSWERED] = "answered", [TRACE_HELD_CUT] = "sent-in-pieces",
	};

	if (why < ARRAY_LEN(names_of) && names_of[why])
		json_object_set_new(v, "held", json_string(names_of[why]));
}

/* The node that a service has chosen. */
static void add_node(json_t *v, const struct control *c, const struct trace_record *r)
{
	struct node_record node;

	if (r->policy != POLICY_SERVICES || !node__by_slot(c, r->object, &node))
		return;
	json_object_set_new(v, "service", json_string(node.service));
	json_object_set_new(v, "node", json_string(node.name));
	if (node.zone && *node.zone)
		json_object_set_new(v, "zone", json_string(node.zone));
}

static void add_verdict(json_t *v, struct verdict verdict)
{
	static const char *const next[] = {
		[VERDICT_CONTINUE] = "continue", [VERDICT_FORWARD] = "forwarded",
		[VERDICT_DROP] = "dropped",      [VERDICT_HELD] = "held",
	};

	json_object_set_new(v, "verdict", json_string(next[verdict.next]));
	if (verdict.next != VERDICT_DROP)
		return;
	json_object_set_new(v, "reason", json_string(drop_reason_name((enum drop_reason)verdict.why)));
	json_object_set_new(v, "help", json_string(drop_reason_help((enum drop_reason)verdict.why)));
}

static void add_flow(json_t *v, const struct trace_record *r)
{
	json_object_set_new(v, "policy", json_string(policies[r->policy]));
	json_object_set_new(v, "flow", json_integer(r->value));
	json_object_set_new(v, "direction", json_string(r->dir ? "back" : "out"));
}

static void add_side(json_t *v, const struct trace_record *r)
{
	json_object_set_new(v, "side", json_string(r->side == SIDE_INSIDE ? "inside" : "outside"));
}

static void add_packet(json_t *v, const struct control *c, const struct trace_record *r)
{
	add_side(v, r);
	json_object_set_new(v, "length", json_integer(r->len));
	add_tuple(v, c, r);
}

static void add_members(json_t *v, const struct control *c, const struct trace_record *r)
{
	switch ((enum trace_step)r->step) {
	case TRACE_ARRIVED:
	case TRACE_ROUND:
	case TRACE_REWRITTEN:
	case TRACE_MADE:
		add_packet(v, c, r);
		break;
	case TRACE_FOUND:
		add_flow(v, r);
		if (r->state)
			json_object_set_new(v, "state", json_string(state__name(r->state)));
		break;
	case TRACE_OPENED:
		add_flow(v, r);
		add_side(v, r);
		add_tuple(v, c, r);
		add_node(v, c, r);
		break;
	case TRACE_ASKED:
	case TRACE_STATELESS:
		json_object_set_new(v, "policy", json_string(r->step == TRACE_ASKED ?
							     policies[r->policy] : "siit"));
		json_object_set_new(v, "admits", json_boolean(r->verdict.next == VERDICT_CONTINUE &&
							      (r->value || r->step == TRACE_STATELESS)));
		add_verdict(v, r->verdict);
		break;
	case TRACE_HANDED:
		json_object_set_new(v, "to_worker", json_integer(r->value));
		break;
	case TRACE_ENDED:
		add_verdict(v, r->verdict);
		add_held(v, r->value);
		break;
	case TRACE_RENEWED:
	case N_TRACE_STEPS:
		break;
	}
}

json_t *step__json(const struct control *c, const struct trace_record *r)
{
	json_t *v = json_pack("{s:I,s:i,s:s}", "packet", (json_int_t)r->packet, "worker", r->worker,
			      "what", names[r->step]);

	if (!v)
		return NULL;
	add_members(v, c, r);
	return json_pack("{s:o}", "step", v);
}
