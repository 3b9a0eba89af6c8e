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
#include "sixgate/base/addr.h"
#include "sixgate/base/err.h"

enum { CTL_LINE_MAX = 4096, CTL_CLIENTS_MAX = 16, CTL_NAME_MAX = 64, CTL_DOMAIN_MAX = 256,
       CTL_TYPE_MAX = 16 };

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
	CTL_EXPLAIN,
	CTL_TRACE,
	CTL_WHO,
	CTL_DNS_CACHE,
	CTL_DNS_LOOKUP,
	CTL_DNS_FLUSH,
	N_CTL_COMMANDS
};

/** By the source address; arrives inside; arrives outside. */
enum ctl_side { CTL_SIDE_AUTO, CTL_SIDE_INSIDE, CTL_SIDE_OUTSIDE, N_CTL_SIDES };

/** A whole datagram; the first of its fragments; one that follows. */
enum ctl_fragment { CTL_FRAGMENT_NONE, CTL_FRAGMENT_FIRST, CTL_FRAGMENT_LATER, N_CTL_FRAGMENTS };

enum { CTL_HOSTS_MAX = 2, CTL_SECONDS_MAX = 3600, CTL_SECONDS_DEFAULT = 60 };

/**
 * struct ctl_subject - the packets that explain, trace and who are about
 * @protocol: 1 (ICMP of both families), 6, 17; 0: any (explain always names one)
 * @side:     explain: enum ctl_side
 * @reply:    explain: not the first packet of its flow: TCP with ACK, an echo reply
 * @fragment: explain: enum ctl_fragment
 * @host, @port: explain: both ends, source first; who: one of each, outside; trace: up to two of
 *            each. Ports are host order; identifiers of ICMP
 * @seconds:  trace: its end, 1 to CTL_SECONDS_MAX; 0 means CTL_SECONDS_DEFAULT
 */
struct ctl_subject {
	uint8_t protocol, side;
	bool reply;
	uint8_t fragment;
	uint8_t n_host, n_port;
	struct addr host[CTL_HOSTS_MAX];
	uint16_t port[CTL_HOSTS_MAX];
	uint32_t seconds;
};

/**
 * struct ctl_dns - what the commands dns-... are about
 * @name:   a domain name; dns-flush: with a dot before it all names below, too; empty: all
 * @type, @client: dns-lookup: of records, and who would ask, all zero: this host (::1)
 */
struct ctl_dns {
	char name[CTL_DOMAIN_MAX], type[CTL_TYPE_MAX];
	struct addr client;
};

/**
 * struct ctl_request - a checked request
 * @all: counters: also those that are zero
 * @max: flows and bib: at most so many records, trace: packets, dns-cache: answers; 0 for all
 * @node, @service: drain and undrain: a node's name, never empty, and in which service; empty: in all
 */
struct ctl_request {
	enum ctl_command command;
	bool all;
	uint64_t max;
	char node[CTL_NAME_MAX], service[CTL_NAME_MAX];
	struct ctl_subject about; /* explain, trace and who; else zero */
	struct ctl_dns dns;	  /* dns-...; else zero */
};

/** ctl_protocol_number() - of "tcp", "udp", "icmp"; 0 for anything else. ctl_protocol_name() - and
 *  back; static text. */
uint8_t ctl_protocol_number(const char *name);
const char *ctl_protocol_name(uint8_t number);

/** ctl_subject_check() - it has what @c needs, and nothing else. Return: 0 or -EINVAL. */
int ctl_subject_check(enum ctl_command c, const struct ctl_subject *s, struct err *e);

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
