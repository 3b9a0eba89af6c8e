/* event_text.h - an event as one line of JSON: what `nat64: log:` writes and who reads, and what
 * `egress6: flow-log:` writes. */
#pragma once
#include <stddef.h>
#include "sixgate/dataplane/flow_log.h"
#include "sixgate/nat64/event.h"

enum { EVENT_TEXT_MAX = 768 };

/**
 * struct event_stamp - what is the same for every line
 * @gateway: gateway.name: letters, digits, dots, dashes
 * @wall_ms: of CLOCK_REALTIME when the worker's clock says @worker_ms
 */
struct event_stamp {
	const char *gateway;
	int64_t wall_ms;
	uint64_t worker_ms;
};

/** event__text() - without a newline. Return: its length. */
size_t event__text(const struct nat64_event *ev, const struct event_stamp *stamp,
		   char out[EVENT_TEXT_MAX]);

/** event__flow() - the same of a flow of egress6. */
size_t event__flow(const struct flow_event *ev, const struct event_stamp *stamp,
		   char out[EVENT_TEXT_MAX]);

/** event__mark() - a line about the log itself: "started", "stopped", "log-begun", "log-ended" (while
 *  the gateway ran); "lost" with @count. Now. */
size_t event__mark(const char *what, uint64_t count, const struct event_stamp *stamp,
		   char out[EVENT_TEXT_MAX]);

/** event__name() - as in "event"; static text. */
const char *event__name(unsigned kind);
