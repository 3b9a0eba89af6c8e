/* steps.c - what became of a packet, for people: one line a step. */
#include <stdio.h>
#include <string.h>
#include "ctl.h"

static const char *text(const json_t *v, const char *key)
{
	const char *s = json_string_value(json_object_get(v, key));

	return s ? s : "";
}

static long long number(const json_t *v, const char *key)
{
	return (long long)json_integer_value(json_object_get(v, key));
}

static void print_end(const json_t *v)
{
	const char *address = text(v, "address");

	printf(strchr(address, ':') ? "[%s]:%lld" : "%s:%lld", address, number(v, "port"));
}

/* The ports of an error are those of the packet it is about, turned round. */
static void print_packet(const json_t *v)
{
	const char *flags = text(v, "tcp_flags");

	printf("%s%s ", text(v, "protocol"), json_object_get(v, "error") ? " error about" : "");
	print_end(json_object_get(v, "source"));
	printf(" > ");
	print_end(json_object_get(v, "destination"));
	if (*flags)
		printf(" %s", flags);
	if (json_object_get(v, "icmp_type"))
		printf(" type %lld code %lld", number(v, "icmp_type"), number(v, "icmp_code"));
	if (json_object_get(v, "fragment"))
		printf(", a fragment");
	if (json_object_get(v, "length"))
		printf(", %lld bytes", number(v, "length"));
}

static void print_flow(const json_t *v)
{
	printf("belongs to flow %lld of %s", number(v, "flow"), text(v, "policy"));
	if (*text(v, "state"))
		printf(", %s", text(v, "state"));
	if (strcmp(text(v, "direction"), "back") == 0)
		printf(", on the way back");
}

static void print_asked(const json_t *v)
{
	if (strcmp(text(v, "reason"), "consumed") == 0)
		printf("%s: it is for the gateway itself", text(v, "policy"));
	else if (*text(v, "reason"))
		printf("%s refuses it: %s", text(v, "policy"), text(v, "reason"));
	else
		printf("%s %s", text(v, "policy"),
		       json_is_true(json_object_get(v, "admits")) ? "takes it" : "has no say");
}

static const char *held_words(const char *held)
{
	static const struct {
		const char *held, *words;
	} all[] = {
		{ "answered", "answered by the gateway itself" },
		{ "sent-in-pieces", "sent in pieces" },
		{ "waits-for-first-fragment", "kept until its first fragment comes, which has the ports" },
		{ "first-syn-kept", "kept for some seconds, in case a host inside opens to its sender "
				    "(RFC 6146 3.5.2.2); else its sender is told that nobody is there" },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (strcmp(held, all[i].held) == 0)
			return all[i].words;
	return "kept for later";
}

static void print_ended(const json_t *v)
{
	if (*text(v, "reason"))
		printf("dropped: %s (%s)", text(v, "reason"), text(v, "help"));
	else if (strcmp(text(v, "verdict"), "held") == 0)
		printf("%s", held_words(text(v, "held")));
	else
		printf("sent");
}

static const char *scheduler_words(const char *name)
{
	return strcmp(name, "p2c") == 0	       ? "the less loaded of two picked at random" :
	       strcmp(name, "maglev") == 0     ? "by a hash of the client's address and port" :
	       strcmp(name, "least-flows") == 0 ? "the least loaded" :
						  "the next in turn";
}

static void print_choice(const json_t *v)
{
	const json_t *list = json_object_get(v, "passed_over"), *node;
	size_t i;

	if (!json_is_object(v))
		return;
	printf("service %s gives it to node %s: %s (%s)", text(v, "service"), text(v, "node"),
	       scheduler_words(text(v, "scheduler")), text(v, "scheduler"));
	if (*text(v, "prefer_zone"))
		printf(", zone %s preferred", text(v, "prefer_zone"));
	json_array_foreach(list, i, node)
		printf("%s%s (%s)", i ? ", " : "; not asked: ", text(node, "node"), text(node, "why"));
	putchar('\n');
}

static void print_step(const json_t *v)
{
	const char *what = text(v, "what");

	if (strcmp(what, "arrived") == 0) {
		printf("arrives %s: ", text(v, "side"));
		print_packet(v);
	} else if (strcmp(what, "flow") == 0) {
		print_flow(v);
	} else if (strcmp(what, "renewed") == 0) {
		printf("the connection was over: this is a new one");
	} else if (strcmp(what, "asked") == 0) {
		print_asked(v);
	} else if (strcmp(what, "opened") == 0) {
		printf("flow %lld of %s is made, leaving %s", number(v, "flow"), text(v, "policy"),
		       text(v, "side"));
		if (*text(v, "node"))
			printf(" to node %s of %s", text(v, "node"), text(v, "service"));
		printf(" as ");
		print_packet(v);
	} else if (strcmp(what, "round") == 0) {
		printf("comes round again: ");
		print_packet(v);
	} else if (strcmp(what, "handed") == 0) {
		printf("handed to worker %lld", number(v, "to_worker"));
	} else if (strcmp(what, "rewritten") == 0) {
		printf("leaves %s as ", text(v, "side"));
		print_packet(v);
	} else if (strcmp(what, "made") == 0) {
		printf("sent %s besides: ", text(v, "side"));
		print_packet(v);
	} else {
		print_ended(v);
	}
	putchar('\n');
}

static void print_last(enum ctl_command command, const json_t *v)
{
	if (command == CTL_TRACE) {
		printf("%lld packets", number(v, "packets"));
		if (number(v, "lost"))
			printf("; %lld steps were lost, there were more than could be shown",
			       number(v, "lost"));
		putchar('\n');
		return;
	}
	if (json_is_true(json_object_get(v, "cut")))
		puts("... and more steps");
	print_choice(json_object_get(v, "choice"));
	if (*text(v, "foreign_interface"))
		printf("note: its sender is behind %s, which is not one of Sixgate's interfaces, neither inside "
		       "nor outside\n",
		       text(v, "foreign_interface"));
	if (json_is_true(json_object_get(v, "changing")))
		puts("note: a change of the configuration, of nodes or of the network is on its way to the "
		     "workers: ask again in a moment");
}

void ctl_show_step(enum ctl_command command, const json_t *line, bool last)
{
	const json_t *step = json_object_get(line, "step");

	if (last) {
		print_last(command, line);
	} else if (json_object_get(line, "tracing")) {
		fputs("tracing\n", stderr);
	} else if (step) {
		if (command == CTL_TRACE)
			printf("%lld.%lld  ", number(step, "worker"), number(step, "packet"));
		print_step(step);
	}
	fflush(stdout);
}
