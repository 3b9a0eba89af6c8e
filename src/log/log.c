/* log.c - formats a line into a stack buffer and writes it with one call, so that lines of several
 * threads and processes never mix. */
#include "sixgate/log/log.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *program_name = "sixgate";
static enum log_level most_level = LOG_LEVEL_INFO;

/* How a line begins: nothing for people, a priority for the journal, the time anywhere else. */
static enum { STYLE_TERMINAL, STYLE_JOURNAL, STYLE_TIME } style;

void log_open(const char *program, enum log_level most)
{
	program_name = program;
	most_level = most;
	log_look_again();
}

/* systemd.exec(5): device and inode of the stream to the journal; we may have been given another since. */
static bool is_journal(int fd)
{
	const char *stream = getenv("JOURNAL_STREAM");
	char own[48];
	struct stat st;

	if (!stream || fstat(fd, &st) != 0)
		return false;
	snprintf(own, sizeof(own), "%ju:%ju", (uintmax_t)st.st_dev, (uintmax_t)st.st_ino);
	return strcmp(stream, own) == 0;
}

void log_look_again(void)
{
	if (isatty(STDERR_FILENO) == 1)
		style = STYLE_TERMINAL;
	else
		style = is_journal(STDERR_FILENO) ? STYLE_JOURNAL : STYLE_TIME;
}

const char *log_error_mark(void)
{
	return style == STYLE_JOURNAL ? "<3>" : "";
}

static size_t begin_line(char *line, size_t size, enum log_level level)
{
	static const uint8_t syslog_priority[] = { 3, 4, 5, 6, 7 };
	struct timespec now;
	struct tm utc;

	if (style == STYLE_JOURNAL)
		return (size_t)snprintf(line, size, "<%d>", syslog_priority[level]);
	if (style == STYLE_TERMINAL)
		return 0;
	clock_gettime(CLOCK_REALTIME, &now);
	return strftime(line, size, "%Y-%m-%dT%H:%M:%SZ ", gmtime_r(&now.tv_sec, &utc));
}

static void write_line(enum log_level level, const char *fmt, va_list ap)
{
	char line[2048];
	int at, n;

	if (level > most_level)
		return;
	at = (int)begin_line(line, sizeof(line), level);
	at += snprintf(line + at, sizeof(line) - (size_t)at, "%s: ", program_name);
	n = vsnprintf(line + at, sizeof(line) - (size_t)at - 1, fmt, ap);
	if (n < 0)
		return;
	at += n;
	if (at > (int)sizeof(line) - 2)
		at = (int)sizeof(line) - 2;
	line[at++] = '\n';
	if (write(STDERR_FILENO, line, (size_t)at) < 0)
		return; /* nowhere left to say it */
}

#define LOG_FUNCTION(name, level)                                                                  \
	void name(const char *fmt, ...)                                                            \
	{                                                                                          \
		va_list ap;                                                                        \
                                                                                                   \
		va_start(ap, fmt);                                                                 \
		write_line(level, fmt, ap);                                                        \
		va_end(ap);                                                                        \
	}
LOG_FUNCTION(log_error, LOG_LEVEL_ERROR)
LOG_FUNCTION(log_warning, LOG_LEVEL_WARNING)
LOG_FUNCTION(log_notice, LOG_LEVEL_NOTICE)
LOG_FUNCTION(log_info, LOG_LEVEL_INFO)
LOG_FUNCTION(log_debug, LOG_LEVEL_DEBUG)

bool log_allowed(struct log_limit *l, uint64_t now_ms, uint64_t *n_skipped)
{
	uint64_t interval = l->interval_ms ? l->interval_ms : 10000;

	if (l->last_ms && now_ms - l->last_ms < interval) {
		l->n_skipped++;
		return false;
	}
	l->last_ms = now_ms ? now_ms : 1;
	*n_skipped = l->n_skipped;
	l->n_skipped = 0;
	return true;
}
