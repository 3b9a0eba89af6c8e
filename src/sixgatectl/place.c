/* place.c - where the daemon of a configuration listens, by the configuration. */
#include "place.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void take(const struct config *c, const char *path, struct ctl_place *out)
{
	out->file = path;
	snprintf(out->socket, sizeof(out->socket), "%s", c->gateway.control);
	if (c->has_nat64 && c->nat64.log && c->nat64.log_sink[0] == '/')
		snprintf(out->log, sizeof(out->log), "%s", c->nat64.log_sink);
}

static void tell(const struct config_errors *errors, FILE *told)
{
	char line[CONFIG_ERROR_LINE_MAX];

	for (size_t i = 0; i < errors->n; i++)
		fprintf(told, "sixgatectl: %s\n", config_error_line(&errors->error[i], line));
	fputs("sixgatectl: name the control socket with -s instead\n", told);
}

/* Whoever may not read the file may be allowed to ask all the same. */
static bool is_nothing_to_go_by(int rc)
{
	return rc == -ENOENT || rc == -EACCES;
}

int ctl_place_of(const char *path, enum ctl_named named, struct ctl_place *out, FILE *told)
{
	struct config_errors *errors = calloc(1, sizeof(*errors));
	struct config *c = NULL;
	int rc = errors ? config_load(path, &c, errors) : -ENOMEM;

	*out = (struct ctl_place){ .file = NULL };
	if (rc == 0)
		take(c, path, out);
	else if (named == CTL_BY_DEFAULT && is_nothing_to_go_by(rc))
		rc = 0;
	else if (errors)
		tell(errors, told);
	config_free(c);
	free(errors);
	return rc ? CTL_FAILED : CTL_OK;
}
