/* answer.c - from a request of sixgatectl to its answer. */
#include "sixgate/control/protocol.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "control.h"
#include "dns_see.h"
#include "nodes.h"
#include "record.h"

static void send_one(struct client *cl, json_t *v)
{
	if (v)
		json_object_set_new(v, "ok", json_true());
	client__send(cl, v);
	client__finish(cl);
}

static void answer_config(struct control *c, struct client *cl)
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	if (!f) {
		client__fail(cl, "out of memory");
		return;
	}
	config_print(c->config, f);
	fclose(f);
	send_one(cl, json_pack("{s:o}", "config", text__json(text)));
	free(text);
}

static json_t *lines_json(char *lines)
{
	json_t *list = json_array();
	char *line;

	while (lines && (line = strsep(&lines, "\n")))
		if (*line)
			json_array_append_new(list, text__json(line));
	return list;
}

static void answer_reload(struct control *c, struct client *cl)
{
	struct err e = { "" };
	char *lines = NULL;

	if (control__reload(c, &lines, &e) == 0) {
		send_one(cl, json_object());
	} else {
		client__send(cl, json_pack("{s:b,s:o,s:o}", "ok", 0, "error", text__json(e.text),
					   "errors", lines_json(lines)));
		client__finish(cl);
	}
	free(lines);
}

static void answer_drain(struct control *c, struct client *cl, const struct ctl_request *r)
{
	struct err e = { "" };

	if (nodes__drain(c, r->service, r->node, r->command == CTL_DRAIN)) {
		send_one(cl, drained__json(c, r->service, r->node));
		return;
	}
	err_set(&e, -ENOENT, "there is no node \"%s\"%s%s; see sixgatectl nodes", r->node,
		r->service[0] ? " in a service " : "", r->service);
	client__fail(cl, e.text);
}

/* "Nobody" would be a claim about somebody else's address. */
static void answer_who(struct control *c, struct client *cl, const struct ctl_request *r)
{
	const struct nat64_table *nat64 = control__running(c)->nat64;
	struct addr outside = r->about.host[0];
	char text[ADDR_TEXT_MAX];
	struct err e = { "" };

	shared__to_alias(c, &outside);
	if (nat64 && nat64_claims_pool4(nat64, &outside)) {
		dump__start(c, cl, r);
		return;
	}
	addr_format(&r->about.host[0], text);
	if (nat64)
		err_set(&e, -ENOENT, "%s is not ours: it is in no entry of nat64: pool4 (sixgatectl config "
			"show has them); with a TIME the log is asked", text);
	else
		err_set(&e, -ENOENT, "%s is not ours: this gateway has no nat64 section, so nobody has "
			"outside ports of it", text);
	client__fail(cl, e.text);
}

void answer__request(void *owner, struct client *cl, const struct ctl_request *r)
{
	struct control *c = owner;

	switch (r->command) {
	case CTL_STATUS:
		send_one(cl, status__json(c));
		break;
	case CTL_FLOWS:
	case CTL_BIB:
		dump__start(c, cl, r);
		break;
	case CTL_WHO:
		answer_who(c, cl, r);
		break;
	case CTL_DNS_CACHE:
	case CTL_DNS_LOOKUP:
	case CTL_DNS_FLUSH:
		dns_see__start(c, cl, r);
		break;
	case CTL_NODES:
		send_one(cl, nodes__json(c));
		break;
	case CTL_COUNTERS:
		send_one(cl, counters__json(c, r->all));
		break;
	case CTL_CONFIG:
		answer_config(c, cl);
		break;
	case CTL_RELOAD:
		answer_reload(c, cl);
		break;
	case CTL_DRAIN:
	case CTL_UNDRAIN:
		answer_drain(c, cl, r);
		break;
	case CTL_EXPLAIN:
		explain__start(c, cl, &r->about);
		break;
	case CTL_TRACE:
		trace__start(c, cl, r);
		break;
	case N_CTL_COMMANDS:
		break;
	}
}
