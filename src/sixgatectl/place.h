/* place.h - what a configuration says of where to ask. */
#pragma once
#include <stdio.h>
#include "ctl.h"
#include "sixgate/config/config.h"

/** struct ctl_place - @file: NULL if no configuration was read; @log: of NAT64, empty if it has no file */
struct ctl_place {
	const char *file;
	char socket[PATH_TEXT_MAX], log[PATH_TEXT_MAX];
};

enum ctl_named { CTL_BY_DEFAULT, CTL_BY_NAME };

/**
 * ctl_place_of() - by the configuration @path, borrowed
 * @named: one that nobody has named need not be there, nor be ours to read
 * @told:  what is wrong with it, for the operator
 *
 * Return: CTL_OK, or CTL_FAILED if it is wrong: another daemon than the one meant might answer elsewhere.
 */
int ctl_place_of(const char *path, enum ctl_named named, struct ctl_place *out, FILE *told);
