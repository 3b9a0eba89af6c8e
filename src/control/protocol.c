/* protocol.c - one line of JSON to a checked request and back. Strict: what is not known is an
 * error, so that a misspelt option is never silently ignored. */
#include "sixgate/control/protocol.h"
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>

static const char *const command_names[N_CTL_COMMANDS] = {
	[CTL_STATUS] = "status",     [CTL_FLOWS] = "flows",   [CTL_BIB] = "bib",
	[CTL_NODES] = "nodes",       [CTL_COUNTERS] = "counters", [CTL_CONFIG] = "config",
	[CTL_RELOAD] = "reload",
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
	return err_set(e, -EINVAL, "unknown member in the request");
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

size_t ctl_request_encode(const struct ctl_request *r, char *line, size_t size)
{
	int n = snprintf(line, size, "{\"command\":\"%s\",\"all\":%s,\"max\":%llu}\n",
			 command_names[r->command], r->all ? "true" : "false",
			 (unsigned long long)r->max);

	return n < 0 ? 0 : (size_t)n;
}
