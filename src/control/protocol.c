/* protocol.c - one line of JSON to a checked request and back. Strict: what is not known is an
 * error, so that a misspelt option is never silently ignored. */
#include "sixgate/control/protocol.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include "subject.h"

static const char *const command_names[N_CTL_COMMANDS] = {
	[CTL_STATUS] = "status",     [CTL_FLOWS] = "flows",   [CTL_BIB] = "bib",
	[CTL_NODES] = "nodes",       [CTL_COUNTERS] = "counters", [CTL_CONFIG] = "config",
	[CTL_RELOAD] = "reload",     [CTL_DRAIN] = "drain",   [CTL_UNDRAIN] = "undrain",
	[CTL_EXPLAIN] = "explain",   [CTL_TRACE] = "trace",   [CTL_WHO] = "who",
	[CTL_DNS_CACHE] = "dns-cache", [CTL_DNS_LOOKUP] = "dns-lookup",
	[CTL_DNS_FLUSH] = "dns-flush",
};

const char *ctl_command_name(enum ctl_command c)
{
	return command_names[c];
}

static int decode_command(const json_t *v, struct ctl_request *out, struct err *e)
{
	if (!json_is_string(v))
		return err_set(e, -EINVAL, "\"command\" must be a string");
	for (int c = 0; c < N_CTL_COMMANDS; c++)
		if (strcmp(json_string_value(v), command_names[c]) == 0) {
			out->command = (enum ctl_command)c;
			return 0;
		}
	return err_set(e, -EINVAL, "no such command");
}

static int decode_text(const char *key, const json_t *v, char *out, size_t size, struct err *e)
{
	if (!json_is_string(v) || !json_string_length(v) || json_string_length(v) >= size ||
	    strlen(json_string_value(v)) != json_string_length(v))
		return err_set(e, -EINVAL, "\"%s\" must be a name of 1 to %zu bytes", key, size - 1);
	memcpy(out, json_string_value(v), json_string_length(v) + 1);
	return 0;
}

static int decode_client(const json_t *v, struct addr *out, struct err *e)
{
	if (json_is_string(v) && addr_parse(json_string_value(v), out) == 0)
		return 0;
	return err_set(e, -EINVAL, "\"client\" must be an address");
}

static int decode_member(const char *key, const json_t *v, struct ctl_request *out, struct err *e)
{
	if (strcmp(key, "command") == 0)
		return decode_command(v, out, e);
	if (strcmp(key, "all") == 0) {
		if (!json_is_boolean(v))
			return err_set(e, -EINVAL, "\"all\" must be true or false");
		out->all = json_is_true(v);
		return 0;
	}
	if (strcmp(key, "max") == 0) {
		if (!json_is_integer(v) || json_integer_value(v) < 0)
			return err_set(e, -EINVAL, "\"max\" must be a number, 0 or more");
		out->max = (uint64_t)json_integer_value(v);
		return 0;
	}
	if (strcmp(key, "node") == 0)
		return decode_text(key, v, out->node, sizeof(out->node), e);
	if (strcmp(key, "service") == 0)
		return decode_text(key, v, out->service, sizeof(out->service), e);
	if (strcmp(key, "name") == 0)
		return decode_text(key, v, out->dns.name, sizeof(out->dns.name), e);
	if (strcmp(key, "type") == 0)
		return decode_text(key, v, out->dns.type, sizeof(out->dns.type), e);
	if (strcmp(key, "client") == 0)
		return decode_client(v, &out->dns.client, e);
	return subject__decode(key, v, &out->about, e);
}

static int check_dns(const struct ctl_request *r, struct err *e)
{
	static const struct addr none;
	const struct ctl_dns *d = &r->dns;
	bool lookup = r->command == CTL_DNS_LOOKUP;

	if (lookup && (!*d->name || !*d->type))
		return err_set(e, -EINVAL, "\"name\" or \"type\" is missing");
	if (!lookup && (*d->type || !addr_equal(&d->client, &none)))
		return err_set(e, -EINVAL, "\"type\" and \"client\" go with dns-lookup");
	if (*d->name && !lookup && r->command != CTL_DNS_CACHE && r->command != CTL_DNS_FLUSH)
		return err_set(e, -EINVAL, "\"name\" goes with dns-cache, dns-lookup and dns-flush");
	return 0;
}

static int check_names(const struct ctl_request *r, struct err *e)
{
	bool takes_node = r->command == CTL_DRAIN || r->command == CTL_UNDRAIN;

	if (takes_node && !r->node[0])
		return err_set(e, -EINVAL, "\"node\" is missing");
	if (!takes_node && (r->node[0] || r->service[0]))
		return err_set(e, -EINVAL, "\"node\" and \"service\" go with drain and undrain");
	return 0;
}

static int decode_object(json_t *root, struct ctl_request *out, struct err *e)
{
	struct ctl_request r = { .command = N_CTL_COMMANDS };
	const char *key;
	json_t *v;

	if (!json_is_object(root))
		return err_set(e, -EINVAL, "a request is a JSON object");
	json_object_foreach(root, key, v) {
		int rc = decode_member(key, v, &r, e);

		if (rc)
			return rc;
	}
	if (r.command == N_CTL_COMMANDS)
		return err_set(e, -EINVAL, "\"command\" is missing");
	if (check_names(&r, e) != 0 || check_dns(&r, e) != 0 || ctl_subject_check(r.command, &r.about, e) != 0)
		return -EINVAL;
	*out = r;
	return 0;
}

int ctl_request_decode(const char *line, size_t len, struct ctl_request *out, struct err *e)
{
	json_error_t why;
	json_t *root;
	int rc;

	if (len > CTL_LINE_MAX)
		return err_set(e, -EINVAL, "the request is longer than %d bytes", CTL_LINE_MAX);
	root = json_loadb(line, len, JSON_REJECT_DUPLICATES, &why);
	if (!root)
		return err_set(e, -EINVAL, "not JSON: %s", why.text);
	rc = decode_object(root, out, e);
	json_decref(root);
	return rc;
}

static void encode_dns(json_t *v, const struct ctl_dns *d)
{
	static const struct addr none;
	char text[ADDR_TEXT_MAX];

	if (*d->name)
		json_object_set_new(v, "name", json_string(d->name));
	if (*d->type)
		json_object_set_new(v, "type", json_string(d->type));
	if (!addr_equal(&d->client, &none))
		json_object_set_new(v, "client", json_string(addr_format(&d->client, text)));
}

size_t ctl_request_encode(const struct ctl_request *r, char *line, size_t size)
{
	json_t *v = json_pack("{s:s,s:b,s:I}", "command", command_names[r->command], "all", (int)r->all,
			      "max", (json_int_t)r->max);
	size_t n = 0;

	if (v && r->node[0])
		json_object_set_new(v, "node", json_string(r->node));
	if (v && r->service[0])
		json_object_set_new(v, "service", json_string(r->service));
	if (v)
		subject__encode(v, &r->about);
	if (v)
		encode_dns(v, &r->dns);
	if (v && (!r->node[0] || json_object_get(v, "node")) &&
	    (!r->service[0] || json_object_get(v, "service")) &&
	    (!r->dns.name[0] || json_object_get(v, "name")))
		n = json_dumpb(v, line, size, JSON_COMPACT);
	json_decref(v);
	if (n == 0 || n + 1 >= size)
		return 0;
	line[n++] = '\n';
	line[n] = '\0';
	return n;
}
