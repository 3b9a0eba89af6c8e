/*
 * config.h - one configuration file as a checked value.
 *
 * config_load() reads the file and everything it includes, checks each section by its room's rules
 * and the sections against each other, and reports every error at once. The result is immutable;
 * all its arrays live in one arena that config_free() releases.
 */
#pragma once
#include <stdbool.h>
#include <stdio.h>
#include "sixgate/base/err.h"
#include "sixgate/dns64/conf.h"
#include "sixgate/egress6/conf.h"
#include "sixgate/nat64/conf.h"
#include "sixgate/services/conf.h"
#include "sixgate/siit/conf.h"
#include "sixgate/translate/conf.h"

enum { INTERFACES_MAX = 32, INTERFACE_NAME_MAX = 16, PATH_TEXT_MAX = 256 };

enum io_kind { IO_AUTO, IO_TUN, IO_XDP };

/** struct gateway_conf - section `gateway:`. */
struct gateway_conf {
	char name[64];              /* default: the host's name */
	uint32_t workers;           /* 0: auto; at most 16 */
	uint64_t flows;             /* all workers together; default 1m, 1k to 64m */
	char user[64];              /* default sixgate */
	char control[PATH_TEXT_MAX]; /* default /run/sixgate/control.sock */
	bool metrics;               /* false without `metrics:` */
	struct endpoint_conf metrics_listen; /* default [::1]:9664 */
};

/** struct interfaces_conf - section `interfaces:`. */
struct interfaces_conf {
	char inside[INTERFACES_MAX][INTERFACE_NAME_MAX];
	size_t n_inside;
	char outside[INTERFACES_MAX][INTERFACE_NAME_MAX];
	size_t n_outside;
	enum io_kind io;             /* auto and tun are built */
	char tun[INTERFACE_NAME_MAX - 1]; /* default sixgate0; the outside device has an "o" behind it */
	bool manage;                 /* default true */
};

struct config_place;

/**
 * struct config - the file
 * @has_*: the section is there, and so its job is on
 */
struct config {
	struct gateway_conf gateway;
	struct interfaces_conf interfaces;
	struct translation_conf translation;
	bool has_nat64, has_siit, has_egress6, has_services, has_dns64;
	struct nat64_conf nat64;
	struct siit_conf siit;
	struct egress6_conf egress6;
	struct services_conf services;
	struct dns64_conf dns64;
	const struct config_place *place; /* see config_place() */
	size_t n_place;
	void *arena; /* owned */
};

/** struct config_error - one line for the operator: "file:line:column: text". Line 0: no place. */
struct config_error {
	char file[PATH_TEXT_MAX];
	int line, column;
	char text[512];
};

/** config_error_line() - @out: at least CONFIG_ERROR_LINE_MAX bytes. Return: @out. */
enum { CONFIG_ERROR_LINE_MAX = 900 };
const char *config_error_line(const struct config_error *at, char out[CONFIG_ERROR_LINE_MAX]);

/** struct config_errors - all that is wrong, in the order of the file; at most 100 are kept. */
struct config_errors {
	struct config_error error[100];
	size_t n;
	size_t n_more;
};

/**
 * config_load() - read and check
 * @out:    on success a new value, owned by the caller, released by config_free()
 * @errors: filled on failure
 *
 * Return: 0; -EINVAL if the file is wrong; another negative errno if it cannot be read (then
 * @errors holds one entry).
 */
int config_load(const char *path, struct config **out, struct config_errors *errors);

/** config_parse() - the same from memory; @name stands for the file. `include:` is refused. At most
 *  4 MiB, which what config_print() writes of any configuration never is. */
int config_parse(const char *name, const char *text, size_t len, struct config **out,
		 struct config_errors *errors);

void config_free(struct config *c);

/** config_print() - the whole configuration, defaults included, as YAML that config_parse() reads
 *  back to an equal value. */
void config_print(const struct config *c, FILE *out);

/** config_print_example() - a commented file with every key, its default and its meaning. */
void config_print_example(FILE *out);

/** config_equal() - both say the same, in every section that is on. */
bool config_equal(const struct config *a, const struct config *b);

/** config_place() - where the file that @c was read from says @key, one of those that need a restart, or
 *  the sink of a log. @out: at least CONFIG_PLACE_MAX bytes: "file:line:column: ", or empty if the file
 *  does not have it. Return: @out. */
enum { CONFIG_PLACE_MAX = PATH_TEXT_MAX + 32 };
const char *config_place(const struct config *c, const char *key, char out[CONFIG_PLACE_MAX]);

/** config_needs_restart() - the keys in which @fresh differs from @running and that only a restart can
 *  change (workers, flows, user, control, io, device names, DNS threads). @keys: @size bytes, at least 1, for
 *  their names with commas between them. Return: how many. */
enum { CONFIG_RESTART_KEYS_MAX = 160 };
size_t config_needs_restart(const struct config *running, const struct config *fresh, char *keys,
			    size_t size);

/** config_nearest() - the one of @n words that is closest to @key, or NULL if none is close: what
 *  whoever has mistyped it may have meant. @at(@of, i): the i-th word, or NULL to leave it out. */
const char *config_nearest(const char *key, const char *(*at)(const void *of, size_t i),
			   const void *of, size_t n);
