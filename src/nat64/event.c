/* event.c - events for accountability: written by the worker, read by the control thread. */
#include "nat64_internal.h"

struct nat64_event_ring *nat64_events(struct nat64 *n)
{
	return n->events;
}
