/* past.c - sixgatectl who, of a time that is over: reads the log and those that it was renamed to. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "ctl.h"
#include "sixgate/config/config.h"
#include "who.h"

enum { ROTATED_MAX = 999 };

static int read_one(struct who *w, const char *path)
{
	FILE *f = fopen(path, "re");

	if (!f)
		return -errno;
	who_read(w, f);
	fclose(f);
	return 0;
}

/* The log itself, and PATH.1, PATH.2 and so on, as far as they are there without a gap. */
static int read_all(struct who *w, const char *path)
{
	char older[PATH_TEXT_MAX + 8];
	int rc = read_one(w, path);

	for (int i = 1; i <= ROTATED_MAX; i++) {
		snprintf(older, sizeof(older), "%.*s.%d", PATH_TEXT_MAX, path, i);
		if (read_one(w, older) != 0)
			break;
		rc = 0;
	}
	return rc;
}

static int read_log(struct who *w, const char *path)
{
	int rc = 0;

	if (strcmp(path, "-") == 0)
		who_read(w, stdin);
	else
		rc = read_all(w, path);
	if (rc == 0 && w->no_memory)
		rc = -ENOMEM;
	if (rc)
		fprintf(stderr, "sixgatectl: %s: %s\n", path, strerror(-rc));
	return rc;
}

/* Those of a block are a subscriber, those of a session one host and its port. */
static void show(const json_t *v)
{
	const char *inside = json_string_value(json_object_get(v, "inside"));
	const json_t *port = json_object_get(v, "inside_port");
	const char *to = json_string_value(json_object_get(v, "destination"));

	printf("%-5s ", json_string_value(json_object_get(v, "protocol")));
	if (port)
		printf("[%s]:%lld", inside ? inside : "", (long long)json_integer_value(port));
	else
		printf("%s", inside ? inside : "several subscribers, a port each");
	printf(" since %s", json_string_value(json_object_get(v, "time")));
	if (to)
		printf(", with %s:%lld last", to,
		       (long long)json_integer_value(json_object_get(v, "destination_port")));
	putchar('\n');
}

static const char *time_text(int64_t ms, char out[40])
{
	const time_t s = (time_t)(ms / 1000);
	struct tm utc;
	size_t n;

	gmtime_r(&s, &utc);
	n = strftime(out, 30, "%Y-%m-%dT%H:%M:%S", &utc);
	snprintf(out + n, 40 - n, ".%03dZ", (int)(ms % 1000));
	return out;
}

static void warn(const struct who *w)
{
	char time[40];

	if (w->lost)
		fprintf(stderr, "sixgatectl: %llu events before that time are missing in the log\n",
			(unsigned long long)w->lost);
	if (who_may_miss(w))
		fprintf(stderr, "sixgatectl: %llu events are missing that may be of that time: the log was not "
			"written to until %s\n", (unsigned long long)who_may_miss(w),
			time_text(w->lost_later_ms, time));
	if (w->n_bad)
		fprintf(stderr, "sixgatectl: %llu lines are not of this log\n",
			(unsigned long long)w->n_bad);
}

/* "Nobody" is a claim: what weakens it is said with it. */
static void tell_nobody(const struct who *w)
{
	char address[ADDR_TEXT_MAX], time[40];

	fputs("nobody", stderr);
	if (!w->begins_ms)
		fputs(" that is known of: the log is empty", stderr);
	else if (w->when.last_ms < w->begins_ms)
		fprintf(stderr, " that is known of: the log begins at %s",
			time_text(w->begins_ms, time));
	else if (w->unknown_ms)
		fprintf(stderr, " that is known of: the log was switched on or off at %s while the gateway "
			"ran, and says nothing of ports that were held by then",
			time_text(w->unknown_ms, time));
	else if (!w->n_about)
		fprintf(stderr, ": no line of the log is about %s; is it an address of nat64: pool4?",
			addr_format(&w->about.host[0], address));
	putc('\n', stderr);
}

int ctl_who_had(const char *log, const struct ctl_subject *about, const struct who_span *when, bool json)
{
	struct who w = { .about = *about, .when = *when };
	const json_t *had[WHO_HOLDERS_MAX];
	size_t n = 0;
	int rc = read_log(&w, log);

	if (rc == 0)
		n = who_find(&w, had);
	for (size_t i = 0; i < n; i++) {
		if (!json) {
			show(had[i]);
			continue;
		}
		json_dumpf(had[i], stdout, JSON_COMPACT);
		putchar('\n');
	}
	warn(&w);
	if (rc == 0 && n == 0)
		tell_nobody(&w);
	who_fini(&w);
	return rc ? WHO_FAILED : n ? WHO_FOUND : WHO_NOBODY;
}
