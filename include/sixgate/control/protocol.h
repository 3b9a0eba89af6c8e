/*
 * protocol.h - what sixgatectl and sixgated say to each other over the control socket.
 *
 * A connection carries one request, a line of JSON of at most CTL_LINE_MAX bytes, and its answer,
 * lines of JSON until the daemon closes: {"flow": ...} and the like for lists, then one last line
 * with "ok": true, or "ok": false and "error".
 */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sixgate/base/err.h"

enum { CTL_LINE_MAX = 4096, CTL_CLIENTS_MAX = 16, CTL_NAME_MAX = 64 };

enum ctl_command {
	CTL_STATUS,
	CTL_FLOWS,
	CTL_BIB,
	CTL_NODES,
	CTL_COUNTERS,
	CTL_CONFIG,
	CTL_RELOAD,
	CTL_DRAIN,
	CTL_UNDRAIN,
	N_CTL_COMMANDS
};

/**
 * struct ctl_request - a checked request
 * @all: counters: also those that are zero
 * @max: flows and bib: at most so many records; 0 for all
 * @node, @service: drain and undrain: a node's name, never empty, and in which service; empty: in all
 */
struct ctl_request {
	enum ctl_command command;
	bool all;
	uint64_t max;
	char node[CTL_NAME_MAX], service[CTL_NAME_MAX];
};

/** ctl_command_name() - as it is written in a request; static text. */
const char *ctl_command_name(enum ctl_command c);

/**
 * ctl_request_decode() - @line: @len hostile bytes, without the newline
 * @out: written only on success
 * Return: 0, or -EINVAL with @e for whoever asked.
 */
int ctl_request_decode(const char *line, size_t len, struct ctl_request *out, struct err *e);

/** ctl_request_encode() - the line for @r with its newline. Return: its length, at most @size - 1; 0
 *  when it cannot be written: a name that is not UTF-8. */
size_t ctl_request_encode(const struct ctl_request *r, char *line, size_t size);
