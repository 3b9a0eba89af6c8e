/* main.c - sixgatectl: asks the daemon over its control socket, and shows the answer. */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "ctl.h"
#include "place.h"
#include "who.h"

#define DEFAULT_SOCKET "/run/sixgate/control.sock"
#define DEFAULT_CONFIG "/etc/sixgate/sixgate.yaml"

struct arguments {
	const char *socket_path;
	struct ctl_place place;
	char log[PATH_TEXT_MAX]; /* of NAT64; empty: none is known */
	bool json, past;
	struct who_span when; /* with @past: what who asks for */
	struct ctl_request request;
};

static const struct option long_options[] = {
	{ "socket", required_argument, NULL, 's' }, { "config", required_argument, NULL, 'c' },
	{ "json", no_argument, NULL, 'j' },	    { "all", no_argument, NULL, 'a' },
	{ "max", required_argument, NULL, 'n' },    { "service", required_argument, NULL, 'S' },
	{ "inside", no_argument, NULL, 'I' },	    { "outside", no_argument, NULL, 'O' },
	{ "fragment", required_argument, NULL, 'F' },
	{ "reply", no_argument, NULL, 'R' },	    { "count", required_argument, NULL, 'n' },
	{ "seconds", required_argument, NULL, 'T' },
	{ "protocol", required_argument, NULL, 'p' },
	{ "log", required_argument, NULL, 'l' },
	{ "version", no_argument, NULL, 'V' },	    { "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help_text[] =
	"usage: sixgatectl [-s SOCKET | -c FILE] [--json] COMMAND\n"
	"\n"
	"  status            what runs, how full it is, and what is wrong with the host\n"
	"  flows [--max N]   flows, from all workers\n"
	"  bib [--max N]     NAT64 mappings\n"
	"  nodes             the services' nodes and their health\n"
	"  counters [--all]  what was counted and dropped, with the reasons (--all: zeros, too)\n"
	"  config show       the running configuration, with defaults\n"
	"  drain NODE [--service NAME]\n"
	"                    no new flows to a node; those it has go on for the service's drain: time\n"
	"  undrain NODE [--service NAME]\n"
	"                    back into service\n"
	"  explain PROTOCOL SOURCE PORT DESTINATION PORT [--inside | --outside] [--reply] [--fragment W]\n"
	"                    what would happen to such a packet, and why; nothing is changed by it\n"
	"  trace [tcp | udp | icmp] [host ADDRESS]... [port N]... [--count N] [--seconds N]\n"
	"                    the steps of live packets, as they pass\n"
	"  who ADDRESS PORT [TIME] [--protocol NAME] [--log FILE]\n"
	"                    who has this outside address and port, or had it at that time\n"
	"  dns cache [NAME] [--max N]\n"
	"                    DNS64's cache, and what of it is used most\n"
	"  dns lookup NAME TYPE [CLIENT]\n"
	"                    what such a client is answered, and why, by asking in earnest\n"
	"  dns flush [NAME | .NAME]\n"
	"                    forget all answers, those about a name, or about it and all below it\n"
	"  reload            read the configuration file again; a wrong file changes nothing\n"
	"  teardown          stop the daemon and remove everything of it, the guard too\n"
	"\n"
	"  -s, --socket PATH  control socket (default: the one of " DEFAULT_CONFIG ";\n"
	"                     if there is no such file, " DEFAULT_SOCKET ")\n"
	"  -c, --config FILE  take the path of the socket from this configuration file\n"
	"  -j, --json         lines of JSON, as the daemon sends them\n"
	"  -n, --max N        flows, bib, trace and dns cache: not more than so many\n"
	"  -a, --all          counters: those that are zero, too\n"
	"  -S, --service NAME drain and undrain: in this service only; else in all that have the node\n"
	"      --inside, --outside\n"
	"                     explain: where it arrives; else inside if its source is of there\n"
	"      --reply        explain: not the first of its flow: TCP with ACK, an echo reply\n"
	"      --fragment W   explain: a fragment, the first one or a later one: W is first or later\n"
	"      --protocol P   trace: tcp, udp or icmp, as the word of that name\n"
	"      --count N      trace: the same as --max\n"
	"      --seconds N    trace: end after so long; default 60\n"
	"  -p, --protocol P   who: tcp, udp or icmp only\n"
	"      --log FILE     who: with a TIME, the log to read, and what it was renamed to; - reads\n"
	"                     lines from standard input (default: what the configuration names)\n"
	"  -V, --version      the version, and nothing else\n"
	"  -h, --help         this text\n"
	"\n"
	"Exit codes: 0 done, 1 failed or refused, 64 wrong arguments; who: 0 found, 1 nobody, 2 failed.\n";

static int take_config(struct arguments *a, const char *path, enum ctl_named named)
{
	int rc = ctl_place_of(path, named, &a->place, stderr);

	if (rc || !a->place.file)
		return rc;
	a->socket_path = a->place.socket;
	if (!a->log[0])
		memcpy(a->log, a->place.log, sizeof(a->log));
	return CTL_OK;
}

/* Nobody said which socket: the configuration knows, if there is one. A log that was named needs none. */
static int find_socket(struct arguments *a)
{
	int rc;

	if (a->socket_path || (a->past && a->log[0]))
		return CTL_OK;
	rc = take_config(a, DEFAULT_CONFIG, CTL_BY_DEFAULT);
	if (!a->socket_path)
		a->socket_path = DEFAULT_SOCKET;
	return rc;
}

static int take_number(const char *text, uint64_t *out)
{
	char *end;

	*out = strtoull(text, &end, 10);
	if (!*end && end != text && *text != '-' && *out)
		return CTL_OK;
	fprintf(stderr, "sixgatectl: --max wants a number from 1 on, not \"%s\"\n", text);
	return CTL_USAGE;
}

static int take_service(const char *text, char out[CTL_NAME_MAX])
{
	if (*text && strlen(text) < CTL_NAME_MAX) {
		memcpy(out, text, strlen(text) + 1);
		return CTL_OK;
	}
	fprintf(stderr, "sixgatectl: --service wants the name of a service\n");
	return CTL_USAGE;
}

static int take_seconds(const char *text, uint32_t *out)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text && !*end && n >= 1 && n <= CTL_SECONDS_MAX) {
		*out = (uint32_t)n;
		return CTL_OK;
	}
	fprintf(stderr, "sixgatectl: --seconds wants a number from 1 to %d\n", CTL_SECONDS_MAX);
	return CTL_USAGE;
}

static int take_fragment(const char *text, uint8_t *out)
{
	*out = strcmp(text, "first") == 0 ? CTL_FRAGMENT_FIRST :
	       strcmp(text, "later") == 0 ? CTL_FRAGMENT_LATER : CTL_FRAGMENT_NONE;
	if (*out)
		return CTL_OK;
	fprintf(stderr, "sixgatectl: --fragment wants first or later\n");
	return CTL_USAGE;
}

static int take_protocol(const char *text, uint8_t *out)
{
	*out = ctl_protocol_number(text);
	if (*out)
		return CTL_OK;
	fprintf(stderr, "sixgatectl: --protocol wants tcp, udp or icmp\n");
	return CTL_USAGE;
}

/* Return: CTL_OK to go on, or the exit code. */
static int take_option(struct arguments *a, int opt)
{
	switch (opt) {
	case 's': a->socket_path = optarg; return CTL_OK;
	case 'c': return take_config(a, optarg, CTL_BY_NAME);
	case 'j': a->json = true; return CTL_OK;
	case 'a': a->request.all = true; return CTL_OK;
	case 'n': return take_number(optarg, &a->request.max);
	case 'S': return take_service(optarg, a->request.service);
	case 'I': a->request.about.side = CTL_SIDE_INSIDE; return CTL_OK;
	case 'O': a->request.about.side = CTL_SIDE_OUTSIDE; return CTL_OK;
	case 'R': a->request.about.reply = true; return CTL_OK;
	case 'F': return take_fragment(optarg, &a->request.about.fragment);
	case 'T': return take_seconds(optarg, &a->request.about.seconds);
	case 'l': snprintf(a->log, sizeof(a->log), "%s", optarg); return CTL_OK;
	case 'p': return take_protocol(optarg, &a->request.about.protocol);
	case 'V': puts("sixgatectl " SIXGATE_VERSION); exit(CTL_OK);
	case 'h': fputs(help_text, stdout); exit(CTL_OK);
	default: return CTL_USAGE; /* getopt_long() has said why */
	}
}

static int parse_arguments(struct arguments *a, int argc, char **argv)
{
	struct err e = { "" };
	int opt, rc = CTL_OK;

	while (rc == CTL_OK && (opt = getopt_long(argc, argv, "s:c:jan:S:p:Vh", long_options, NULL)) != -1)
		rc = take_option(a, opt);
	if (rc == CTL_OK) {
		rc = ctl_parse_command(argc - optind, argv + optind, &a->request, &e);
		if (rc)
			fprintf(stderr, "sixgatectl: %s\n", e.text);
	}
	if (rc == CTL_OK && a->request.command == CTL_WHO && argc - optind == 4) {
		a->past = true;
		rc = ctl_take_time(argv[optind + 3], &a->when, &e);
		if (rc)
			fprintf(stderr, "sixgatectl: %s\n", e.text);
	}
	if (rc == CTL_USAGE)
		fputs("sixgatectl: see sixgatectl --help\n", stderr);
	return rc;
}

static int who_had(struct arguments *a)
{
	if (a->log[0])
		return ctl_who_had(a->log, &a->request.about, &a->when, a->json);
	fputs("sixgatectl: which log? The configuration names no file; say --log FILE, or --log - for "
	      "lines on standard input\n", stderr);
	return WHO_FAILED;
}

struct shown {
	const struct arguments *arguments;
	bool ok;
	uint64_t n;
};

/* What runs is explained, not what the file says by now. */
static void note_newer_file(const struct arguments *a, json_int_t loaded)
{
	struct stat st;

	if (a->place.file && loaded && stat(a->place.file, &st) == 0 && st.st_mtime > loaded)
		fprintf(stderr, "sixgatectl: %s was changed since it was loaded; this is what the running "
				"configuration does, until sixgatectl reload\n", a->place.file);
}

static void show_line(void *ctx, const json_t *line, bool last)
{
	struct shown *s = ctx;

	if (last)
		s->ok = json_is_true(json_object_get(line, "ok"));
	s->n += !last;
	if (last && s->arguments->request.command == CTL_EXPLAIN)
		note_newer_file(s->arguments, json_integer_value(json_object_get(line, "loaded")));
	if (s->arguments->json) {
		json_dumpf(line, stdout, JSON_COMPACT);
		putchar('\n');
	} else {
		ctl_show(s->arguments->request.command, line, last);
	}
}

static int told_who(const struct shown *s)
{
	if (s->ok && s->n == 0)
		fputs("nobody\n", stderr);
	return !s->ok ? WHO_FAILED : s->n ? WHO_FOUND : WHO_NOBODY;
}

int main(int argc, char **argv)
{
	struct arguments a = { 0 };
	struct shown s = { .arguments = &a };
	struct err e = { "" };
	int rc = parse_arguments(&a, argc, argv);

	if (rc)
		return rc;
	rc = find_socket(&a);
	if (rc)
		return a.request.command == CTL_WHO ? WHO_FAILED : rc;
	if (a.request.command == N_CTL_COMMANDS)
		return ctl_teardown(a.socket_path);
	if (a.past)
		return who_had(&a);
	if (ctl_ask(a.socket_path, &a.request, show_line, &s, &e) != 0) {
		fprintf(stderr, "sixgatectl: %s\n", e.text);
		return a.request.command == CTL_WHO ? WHO_FAILED : CTL_FAILED;
	}
	if (a.request.command == CTL_WHO)
		return told_who(&s);
	return s.ok ? CTL_OK : CTL_FAILED;
}
