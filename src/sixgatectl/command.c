/* command.c - from the words after the options to a request, or to what is wrong with them. */
#include <stdio.h>
#include <string.h>
#include "ctl.h"
#include "sixgate/base/must.h"
#include "sixgate/config/config.h"

/* @second: a second word that belongs to the name; @operand: what must follow; @takes: options. */
enum { TAKES_MAX = 1, TAKES_ALL = 2, TAKES_SERVICE = 4 };

/* Words that say which packets: those of subject.c are given all that is left. */
typedef int take_subject(int n, char **word, struct ctl_request *r, struct err *e);

static const struct command {
	const char *name, *second, *operand;
	enum ctl_command command; /* N_CTL_COMMANDS: the tool's own work */
	unsigned takes;
	take_subject *subject;
} commands[] = {
	{ "status", NULL, NULL, CTL_STATUS, 0, NULL },
	{ "flows", NULL, NULL, CTL_FLOWS, TAKES_MAX, NULL },
	{ "bib", NULL, NULL, CTL_BIB, TAKES_MAX, NULL },
	{ "nodes", NULL, NULL, CTL_NODES, 0, NULL },
	{ "counters", NULL, NULL, CTL_COUNTERS, TAKES_ALL, NULL },
	{ "config", "show", NULL, CTL_CONFIG, 0, NULL },
	{ "reload", NULL, NULL, CTL_RELOAD, 0, NULL },
	{ "drain", NULL, "the name of a node", CTL_DRAIN, TAKES_SERVICE, NULL },
	{ "undrain", NULL, "the name of a node", CTL_UNDRAIN, TAKES_SERVICE, NULL },
	{ "explain", NULL, NULL, CTL_EXPLAIN, 0, ctl_take_explain },
	{ "trace", NULL, NULL, CTL_TRACE, TAKES_MAX, ctl_take_trace },
	{ "who", NULL, NULL, CTL_WHO, 0, ctl_take_who },
	{ "dns", NULL, NULL, CTL_DNS_CACHE, TAKES_MAX, ctl_take_dns },
	{ "teardown", NULL, NULL, N_CTL_COMMANDS, 0, NULL },
};

static const char *name_at(const void *of, size_t i)
{
	(void)of;
	return commands[i].name;
}

static const struct command *find_command(const char *word, struct err *e)
{
	const char *near;

	for (size_t i = 0; i < ARRAY_LEN(commands); i++)
		if (strcmp(word, commands[i].name) == 0)
			return &commands[i];
	near = config_nearest(word, name_at, NULL, ARRAY_LEN(commands));
	if (near)
		err_set(e, CTL_USAGE, "unknown command \"%s\"; did you mean \"%s\"?", word, near);
	else
		err_set(e, CTL_USAGE, "unknown command \"%s\"", word);
	return NULL;
}

static int check_options(const struct command *k, const struct ctl_request *r, struct err *e)
{
	const struct ctl_subject *s = &r->about;
	const bool explain = k->command == CTL_EXPLAIN, trace = k->command == CTL_TRACE;
	const struct {
		bool wrong;
		const char *why;
	} options[] = {
		{ r->max && !(k->takes & TAKES_MAX), "--max and --count go with flows, bib, trace and dns cache" },
		{ r->all && !(k->takes & TAKES_ALL), "--all goes with counters" },
		{ r->service[0] && !(k->takes & TAKES_SERVICE), "--service goes with drain and undrain" },
		{ s->reply && !explain, "--reply goes with explain" },
		{ s->fragment && !explain, "--fragment goes with explain" },
		{ s->side && !explain, "--inside and --outside go with explain" },
		{ s->seconds && !trace, "--seconds goes with trace" },
		{ s->protocol && !k->subject, "--protocol goes with who and trace" },
	};

	for (size_t i = 0; i < ARRAY_LEN(options); i++)
		if (options[i].wrong)
			return err_set(e, CTL_USAGE, "%s, not with %s", options[i].why, k->name);
	return k->command == N_CTL_COMMANDS || ctl_subject_check(k->command, &r->about, e) == 0 ?
		       CTL_OK :
		       CTL_USAGE;
}

static int take_node(const char *word, struct ctl_request *r, struct err *e)
{
	if (strlen(word) >= sizeof(r->node) || !*word)
		return err_set(e, CTL_USAGE, "\"%s\" is no name of a node: expected 1 to %zu letters",
			       word, sizeof(r->node) - 1);
	memcpy(r->node, word, strlen(word) + 1);
	return CTL_OK;
}

int ctl_parse_command(int n, char **word, struct ctl_request *r, struct err *e)
{
	const struct command *k;
	int used = 1;

	if (n == 0)
		return err_set(e, CTL_USAGE, "a command is missing");
	k = find_command(word[0], e);
	if (!k)
		return CTL_USAGE;
	if (k->second && (n < 2 || strcmp(word[1], k->second) != 0))
		return err_set(e, CTL_USAGE, "%s wants \"%s\" after it%s%s", k->name, k->second,
			       n < 2 ? "" : ", not ", n < 2 ? "" : word[1]);
	used += k->second != NULL;
	r->command = k->command;
	if (k->subject)
		return k->subject(n - used, word + used, r, e) == CTL_OK ? check_options(k, r, e) :
									   CTL_USAGE;
	if (k->operand && n <= used)
		return err_set(e, CTL_USAGE, "%s wants %s after it", k->name, k->operand);
	if (k->operand && take_node(word[used++], r, e) != CTL_OK)
		return CTL_USAGE;
	if (n > used)
		return err_set(e, CTL_USAGE, "unexpected argument \"%s\" after %s", word[used],
			       word[used - 1]);
	return check_options(k, r, e);
}
