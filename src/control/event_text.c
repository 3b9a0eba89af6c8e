/*
 * event_text.c - lines of the logs of NAT64 and of flows. Every value is of our own making (numbers, addresses,
 * names that the configuration restricts), so that nothing needs quoting.
 */
#include "event_text.h"
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include "record.h"
#include "sixgate/base/must.h"
#include "sixgate/nat64/conf.h"

static const char *const names[] = {
	[NAT64_EVENT_BLOCK_ALLOCATED] = "port-block-allocated",
	[NAT64_EVENT_BLOCK_RELEASED] = "port-block-released",
	[NAT64_EVENT_STATIC_ASSIGNED] = "static-port-assigned",
	[NAT64_EVENT_STATIC_RELEASED] = "static-port-released",
	[NAT64_EVENT_SESSION_CREATED] = "session-created",
	[NAT64_EVENT_SESSION_DELETED] = "session-deleted",
	[NAT64_EVENT_QUOTA_EXCEEDED] = "quota-exceeded",
	[NAT64_EVENT_POOL_EXHAUSTED] = "pool-exhausted",
};

struct line {
	char *text;
	size_t at;
};

static __attribute__((format(printf, 2, 3))) void add(struct line *l, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(l->text + l->at, EVENT_TEXT_MAX - l->at, fmt, ap);
	va_end(ap);
	must(n >= 0 && l->at + (size_t)n < EVENT_TEXT_MAX); /* the longest line has half of it */
	l->at += (size_t)n;
}

const char *event__name(unsigned kind)
{
	return kind < ARRAY_LEN(names) && names[kind] ? names[kind] : "unknown";
}

static void add_time(struct line *l, int64_t wall_ms)
{
	const time_t s = (time_t)(wall_ms / 1000);
	struct tm utc;
	char when[40];

	gmtime_r(&s, &utc);
	strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%S", &utc);
	add(l, "\"%s.%03dZ\"", when, (int)(wall_ms % 1000));
}

static void begin(struct line *l, int64_t wall_ms, const char *gateway, const char *event)
{
	add(l, "{\"time\":");
	add_time(l, wall_ms);
	add(l, ",\"gateway\":\"%s\",\"event\":\"%s\"", gateway, event);
}

static int64_t wall_of(const struct event_stamp *stamp, uint64_t worker_ms)
{
	return stamp->wall_ms - (int64_t)(stamp->worker_ms - worker_ms);
}

static const char *protocol_name(uint8_t protocol)
{
	return protocol == NAT64_TCP  ? "tcp" :
	       protocol == NAT64_UDP  ? "udp" :
	       protocol == NAT64_ICMP ? "icmp" :
					"any";
}

static const char *quota_name(uint8_t quota)
{
	return quota == NAT64_QUOTA_FLOWS     ? "flows" :
	       quota == NAT64_QUOTA_PORTS     ? "ports" :
	       quota == NAT64_QUOTA_NEW_FLOWS ? "new-flows" :
						"fair-share";
}

static bool is_of_one_host(const struct nat64_event *ev)
{
	return ev->kind == NAT64_EVENT_SESSION_CREATED || ev->kind == NAT64_EVENT_SESSION_DELETED ||
	       ev->kind == NAT64_EVENT_STATIC_ASSIGNED || ev->kind == NAT64_EVENT_STATIC_RELEASED;
}

static void add_inside(struct line *l, const struct nat64_event *ev)
{
	const struct prefix p = { ev->inside, ev->subscriber_len };
	char text[PREFIX_TEXT_MAX];

	if (is_of_one_host(ev))
		add(l, ",\"inside\":\"%s\",\"inside_port\":%u", addr_format(&ev->inside, text),
		    ev->inside_port);
	else if (ev->subscriber_len)
		add(l, ",\"inside\":\"%s\"", prefix_format(&p, text));
}

static void add_outside(struct line *l, const struct nat64_event *ev)
{
	char text[ADDR_TEXT_MAX];
	struct addr to;

	if (!addr_is_v4(&ev->outside))
		return;
	add(l, ",\"protocol\":\"%s\",\"outside\":\"%s\",\"port_first\":%u,\"port_last\":%u",
	    protocol_name(ev->protocol), addr_format(&ev->outside, text), ev->port_first,
	    ev->port_last);
	if (!ev->destination)
		return;
	to = addr_from_ip4_host(ev->destination);
	add(l, ",\"destination\":\"%s\",\"destination_port\":%u", addr_format(&to, text),
	    ev->destination_port);
}

size_t event__text(const struct nat64_event *ev, const struct event_stamp *stamp,
		   char out[EVENT_TEXT_MAX])
{
	struct line l = { out, 0 };

	begin(&l, wall_of(stamp, ev->time_ms), stamp->gateway, event__name(ev->kind));
	add_outside(&l, ev);
	add_inside(&l, ev);
	if (ev->kind == NAT64_EVENT_QUOTA_EXCEEDED)
		add(&l, ",\"quota\":\"%s\"", quota_name(ev->quota));
	add(&l, "}");
	return l.at;
}

/* Those of RFC 6302, of both ends; a protocol without ports has none. */
static void add_ends(struct line *l, const struct flow_event *ev)
{
	const struct tuple *t = &ev->inside;
	const bool ports = t->proto == 6 || t->proto == 17, echo = t->proto == 58;
	char text[ADDR_TEXT_MAX];

	add(l, ",\"protocol\":\"%s\",\"protocol_number\":%u", protocol__name(t->proto), t->proto);
	add(l, ",\"inside\":\"%s\"", addr_format(&t->src, text));
	if (ports)
		add(l, ",\"inside_port\":%u", be16_to(t->sport));
	add(l, ",\"outside\":\"%s\"", addr_format(&t->dst, text));
	if (ports)
		add(l, ",\"outside_port\":%u", be16_to(t->dport));
	if (echo)
		add(l, ",\"identifier\":%u", be16_to(t->sport));
}

static void add_counts(struct line *l, const struct flow_event *ev, const struct event_stamp *stamp)
{
	const struct flow_count *c = &ev->count;

	if (ev->started_ms) {
		add(l, ",\"opened_by\":\"%s\",\"start\":", c->from_outside ? "outside" : "inside");
		add_time(l, wall_of(stamp, ev->started_ms));
	} else {
		add(l, ",\"start\":null"); /* before the log was on: counted since then */
	}
	if (ev->kind == FLOW_EVENT_STARTED)
		return;
	add(l, ",\"packets_out\":%u,\"bytes_out\":%llu,\"packets_in\":%u,\"bytes_in\":%llu",
	    c->packets[0], (unsigned long long)c->bytes[0], c->packets[1],
	    (unsigned long long)c->bytes[1]);
}

size_t event__flow(const struct flow_event *ev, const struct event_stamp *stamp,
		   char out[EVENT_TEXT_MAX])
{
	static const char *const kinds[] = { "unknown", "flow-started", "flow-active", "flow-ended" };
	struct line l = { out, 0 };

	begin(&l, wall_of(stamp, ev->time_ms), stamp->gateway,
	      kinds[ev->kind < ARRAY_LEN(kinds) ? ev->kind : 0]);
	add_ends(&l, ev);
	add_counts(&l, ev, stamp);
	add(&l, "}");
	return l.at;
}

size_t event__mark(const char *what, uint64_t count, const struct event_stamp *stamp,
		   char out[EVENT_TEXT_MAX])
{
	struct line l = { out, 0 };

	begin(&l, stamp->wall_ms, stamp->gateway, what);
	if (count)
		add(&l, ",\"count\":%llu", (unsigned long long)count);
	add(&l, "}");
	return l.at;
}
