/*
 * main.c - sixgated: the gateway. Arguments only; see daemon.h for what each does.
 *
 * From here: daemon_run() (src/control/parent.c) forks child__run() (src/control/child.c), whose
 * workers live in worker_loop_run() (src/io/loop.c), which calls pipeline_run()
 * (src/dataplane/pipeline.c) for every batch of packets.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/config/config.h"
#include "sixgate/control/daemon.h"
#include "sixgate/log/log.h"

#define DEFAULT_CONFIG "/etc/sixgate/sixgate.yaml"

enum action {
	ACTION_RUN, ACTION_CHECK, ACTION_PRINT, ACTION_EXAMPLE, ACTION_GUARD, ACTION_REPLAY,
	ACTION_VERSION, ACTION_HELP
};

struct arguments {
	enum action action;
	struct daemon_options run;
	struct replay_options replay;
	enum log_level level;
};

enum { OPT_CHECK = 256, OPT_PRINT, OPT_EXAMPLE, OPT_GUARD, OPT_REPLAY, OPT_OUTSIDE, OPT_WRITE,
       OPT_WORKERS, OPT_MISDELIVER, OPT_LOG, OPT_FOREGROUND };

static const struct option long_options[] = {
	{ "config", required_argument, NULL, 'c' },
	{ "check-config", no_argument, NULL, OPT_CHECK },
	{ "print-config", no_argument, NULL, OPT_PRINT },
	{ "example-config", no_argument, NULL, OPT_EXAMPLE },
	{ "guard", no_argument, NULL, OPT_GUARD },
	{ "replay", required_argument, NULL, OPT_REPLAY },
	{ "replay-outside", required_argument, NULL, OPT_OUTSIDE },
	{ "write", required_argument, NULL, OPT_WRITE },
	{ "workers", required_argument, NULL, OPT_WORKERS },
	{ "misdeliver", required_argument, NULL, OPT_MISDELIVER },
	{ "log", required_argument, NULL, OPT_LOG },
	{ "foreground", no_argument, NULL, OPT_FOREGROUND },
	{ "verbose", no_argument, NULL, 'v' },
	{ "version", no_argument, NULL, 'V' },
	{ "help", no_argument, NULL, 'h' },
	{ NULL, 0, NULL, 0 },
};

static const char help_text[] =
	"usage: sixgated [-c FILE] [-v] [--log FILE]\n"
	"       sixgated [-c FILE] --check-config | --print-config | --guard\n"
	"       sixgated [-c FILE] --replay IN.pcap [--replay-outside IN2.pcap] [--write OUT.pcap] ...\n"
	"       sixgated --example-config | --version | --help\n"
	"\n"
	"  -c, --config FILE      configuration (default " DEFAULT_CONFIG ")\n"
	"      --check-config     print all errors (exit with 78 if there are any) and what is missing here\n"
	"      --print-config     the whole configuration, defaults included\n"
	"      --example-config   a commented file with every key\n"
	"      --guard            install the guard only: the network fails closed from then on\n"
	"      --replay FILE      packets that came in on the inside, through the workers\n"
	"      --replay-outside FILE  the same for the outside\n"
	"      --write FILE       where a replay writes what leaves\n"
	"      --workers N        workers of a replay, 1 to 16; default 1\n"
	"      --misdeliver SEED  each packet comes in at a random worker instead of its own\n"
	"      --log FILE         log there instead of standard error; opened again on SIGHUP\n"
	"      --foreground       accepted for clarity: sixgated never goes into the background\n"
	"  -v, --verbose          log more\n"
	"  -V, --version          the version, and nothing else\n"
	"  -h, --help             this text\n"
	"\n"
	"Exit codes: 0 done, 1 failed, 64 wrong arguments, 77 not root, 78 configuration wrong.\n";

static uint64_t number(const char *text, uint64_t max)
{
	char *end;
	uint64_t n = strtoull(text, &end, 10);

	if (!*end && n >= 1 && n <= max)
		return n;
	fprintf(stderr, "sixgated: \"%s\" is not a number that fits\n", text);
	exit(DAEMON_USAGE);
}

static int take_option(struct arguments *a, int opt)
{
	switch (opt) {
	case 'c': a->run.config_path = optarg; break;
	case 'v': a->level = LOG_LEVEL_DEBUG; break;
	case 'V': a->action = ACTION_VERSION; break;
	case 'h': a->action = ACTION_HELP; break;
	case OPT_CHECK: a->action = ACTION_CHECK; break;
	case OPT_PRINT: a->action = ACTION_PRINT; break;
	case OPT_EXAMPLE: a->action = ACTION_EXAMPLE; break;
	case OPT_GUARD: a->action = ACTION_GUARD; break;
	case OPT_REPLAY: a->action = ACTION_REPLAY; a->replay.paths.inside = optarg; break;
	case OPT_OUTSIDE: a->action = ACTION_REPLAY; a->replay.paths.outside = optarg; break;
	case OPT_WRITE: a->replay.paths.write = optarg; break;
	case OPT_WORKERS: a->replay.n_workers = (unsigned)number(optarg, STEER_WORKERS_MAX); break;
	case OPT_MISDELIVER: a->replay.misdeliver = number(optarg, UINT64_MAX); break;
	case OPT_LOG: a->run.log_path = optarg; break;
	case OPT_FOREGROUND: break;
	default: return DAEMON_USAGE; /* getopt_long() has said why */
	}
	return DAEMON_OK;
}

static int parse_arguments(struct arguments *a, int argc, char **argv)
{
	int opt;

	while ((opt = getopt_long(argc, argv, "c:vVh", long_options, NULL)) != -1)
		if (take_option(a, opt) != DAEMON_OK)
			return DAEMON_USAGE;
	if (optind < argc) {
		fprintf(stderr, "sixgated: unexpected argument \"%s\"\n", argv[optind]);
		return DAEMON_USAGE;
	}
	if (a->replay.paths.write && a->action != ACTION_REPLAY) {
		fprintf(stderr, "sixgated: --write goes with --replay\n");
		return DAEMON_USAGE;
	}
	return DAEMON_OK;
}

int main(int argc, char **argv)
{
	struct arguments a = { .run = { .config_path = DEFAULT_CONFIG }, .level = LOG_LEVEL_INFO,
			       .replay = { .n_workers = 1 } };
	int rc = parse_arguments(&a, argc, argv);

	if (rc) {
		fputs("sixgated: see sixgated --help\n", stderr);
		return rc;
	}
	log_open("sixgated", a.level);
	switch (a.action) {
	case ACTION_RUN: return daemon_run(&a.run);
	case ACTION_CHECK: return daemon_check_config(a.run.config_path);
	case ACTION_PRINT: return daemon_print_config(a.run.config_path);
	case ACTION_GUARD: return daemon_install_guard(a.run.config_path);
	case ACTION_REPLAY: return daemon_replay(a.run.config_path, &a.replay);
	case ACTION_EXAMPLE: config_print_example(stdout); return DAEMON_OK;
	case ACTION_VERSION: puts("sixgated " SIXGATE_VERSION); return DAEMON_OK;
	case ACTION_HELP: fputs(help_text, stdout); return DAEMON_OK;
	}
	return DAEMON_USAGE;
}
