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
	if (*text(v, "reason"))
		printf("%s refuses it: %s", text(v, "policy"), text(v, "reason"));
	else
		printf("%s %s", text(v, "policy"),
		       json_is_true(json_object_get(v, "admits")) ? "takes it" : "has no say");
}

static void print_ended(const json_t *v)
{
	if (*text(v, "reason"))
		printf("dropped: %s (%s)", text(v, "reason"), text(v, "help"));
	else
		printf("%s", strcmp(text(v, "verdict"), "held") == 0 ? "kept for later" : "sent");
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
		printf("the flow was over: a new connection, decided anew");
	} else if (strcmp(what, "asked") == 0) {
		print_asked(v);
	} else if (strcmp(what, "opened") == 0) {
		printf("flow %lld of %s is made, leaving %s as ", number(v, "flow"), text(v, "policy"),
		       text(v, "side"));
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
