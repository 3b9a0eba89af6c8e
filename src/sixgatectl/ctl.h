/* ctl.h - what the files of sixgatectl share. */
#pragma once
#include <jansson.h>
#include <stdbool.h>
#include "sixgate/base/err.h"
#include "sixgate/control/protocol.h"

enum ctl_exit { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 64 };

/** Exit codes of who. */
enum who_exit { WHO_FOUND = 0, WHO_NOBODY = 1, WHO_FAILED = 2 };

/**
 * ctl_parse_command() - the words after the options
 * @r: its options are set; gets the command, N_CTL_COMMANDS for teardown, and what it is about
 * Return: CTL_OK, or CTL_USAGE with what is wrong.
 */
int ctl_parse_command(int n, char **word, struct ctl_request *r, struct err *e);

struct who_span;

/** ctl_take_time() - the third word of who; what lies in the future is refused. Return: 0 with @out, or
 *  CTL_USAGE. */
int ctl_take_time(const char *word, struct who_span *out, struct err *e);

/** ctl_who_had() - by the log @log, "-" for standard input. Return: the exit code. */
int ctl_who_had(const char *log, const struct ctl_subject *about, const struct who_span *when, bool json);

/** ctl_take_explain() and so on - the words after the command's name. Return: CTL_OK or CTL_USAGE. */
int ctl_take_explain(int n, char **word, struct ctl_request *r, struct err *e);
int ctl_take_trace(int n, char **word, struct ctl_request *r, struct err *e);
int ctl_take_who(int n, char **word, struct ctl_request *r, struct err *e);
int ctl_take_dns(int n, char **word, struct ctl_request *r, struct err *e);

/** ctl_show_dns() - a line of dns cache, lookup or flush. */
void ctl_show_dns(enum ctl_command command, const json_t *line, bool last);

/** ctl_show_step() - a line of explain or trace. */
void ctl_show_step(enum ctl_command command, const json_t *line, bool last);

/**
 * ctl_ask() - one request, and @each for every line of the answer
 * @each: @last is true for the line that has "ok"; borrows @line
 *
 * Return: 0; -ECONNREFUSED or -ENOENT when no daemon is there; another negative errno. That the
 * daemon refused is not an error here: the last line says so.
 */
typedef void ctl_each(void *ctx, const json_t *line, bool last);
int ctl_ask(const char *socket_path, const struct ctl_request *r, ctl_each *each, void *ctx,
	    struct err *e);

/**
 * ctl_daemon() - process id of the daemon that listens on @socket_path
 * Return: -ENOENT or -ECONNREFUSED when there is none; -EPERM when whoever listens is not root, or
 * lives where it cannot be stopped from here (another PID namespace).
 */
int ctl_daemon(const char *socket_path, struct err *e);

/** ctl_show() - one line of an answer, for people, to standard output. */
void ctl_show(enum ctl_command command, const json_t *line, bool last);

/** ctl_teardown() - end the daemon if it runs, and remove all that is left of it, the guard too. */
int ctl_teardown(const char *socket_path);
