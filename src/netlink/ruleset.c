/*
 * ruleset.c - walk over the host's nftables rules as nft prints them.
 *
 * Reads the layout of `nft list ruleset`: tables at the margin, their blocks behind one tab, rules
 * behind two. What is not a chain is passed over.
 */
#include "netlink_internal.h"
#include <stdio.h>
#include <stdlib.h>

static void copy_word(char *out, size_t size, const char *from)
{
	snprintf(out, size, "%.*s", (int)strcspn(from, " {"), from);
}

/* "type filter hook forward priority 0; policy drop;" */
static void read_hook(struct ruleset_rule *r, const char *line)
{
	const char *hook = strstr(line, " hook ");

	copy_word(r->type, sizeof(r->type), line + strlen("type "));
	if (hook)
		copy_word(r->hook, sizeof(r->hook), hook + strlen(" hook "));
	r->policy_drop = strstr(line, "policy drop");
}

static void enter_block(struct ruleset_rule *r, const char *line)
{
	r->chain[0] = r->type[0] = r->hook[0] = '\0';
	r->policy_drop = false;
	if (strncmp(line, "chain ", 6) == 0)
		copy_word(r->chain, sizeof(r->chain), line + 6);
}

static void enter_table(struct ruleset_rule *r, const char *line)
{
	const char *name = strchr(line + 6, ' ');

	copy_word(r->family, sizeof(r->family), line + 6);
	copy_word(r->table, sizeof(r->table), name ? name + 1 : "");
	r->chain[0] = '\0';
}

static void read_line(struct ruleset_rule *r, const char *line, const struct ruleset_walk *w)
{
	size_t depth = strspn(line, "\t");

	line += depth;
	r->text = NULL;
	if (depth == 0 && strncmp(line, "table ", 6) == 0)
		enter_table(r, line);
	else if (depth == 1 && *line != '}')
		enter_block(r, line);
	else if (depth == 1 && r->chain[0])
		w->end_of_chain(r, w->arg);
	else if (depth == 2 && r->chain[0] && strncmp(line, "type ", 5) == 0 &&
		 strstr(line, " hook "))
		read_hook(r, line);
	else if (depth == 2 && r->chain[0] && *line != '#') {
		r->text = line;
		w->rule(r, w->arg);
	}
}

void ruleset__walk(char *ruleset, const struct ruleset_walk *w)
{
	struct ruleset_rule r = { .text = NULL };

	for (char *next, *line = ruleset; line && *line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		read_line(&r, line, w);
		if (next)
			next[-1] = '\n'; /* as it was, for another walk */
	}
}
