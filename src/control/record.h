/* record.h - flows and mappings as sixgatectl gets them. */
#pragma once
#include <jansson.h>
#include "sixgate/dataplane/worker.h"

/** record__flow_json(), record__bib_json() - {"flow": ...}, {"mapping": ...}; owned by the caller,
 *  NULL when out of memory. */
json_t *record__flow_json(const struct flow_record *r);
json_t *record__bib_json(const struct bib_record *r);

/** endpoint__json() - {"address": ..., "port": ...}. protocol__name() - "tcp" and so on. */
json_t *endpoint__json(const struct addr *a, uint16_t port);
const char *protocol__name(uint8_t proto);
/** state__name() - enum tcp_state as the RFC writes it. */
const char *state__name(uint8_t state);

/** text__json() - a string, whatever bytes it holds: what is not UTF-8 becomes question marks. */
json_t *text__json(const char *text);
