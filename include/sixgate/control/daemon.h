/* daemon.h - what sixgated does, one function for each way of calling it. Each returns the exit
 * code of the program. */
#pragma once
#include "sixgate/flow/steer.h"
#include "sixgate/io/pcap.h"

/** Exit codes of sixgated, those of sysexits.h where there is one. */
enum daemon_exit {
	DAEMON_OK = 0,
	DAEMON_FAILED = 1,      /* something went wrong; the log says what */
	DAEMON_USAGE = 64,      /* EX_USAGE: wrong arguments */
	DAEMON_NOT_ROOT = 77,   /* EX_NOPERM */
	DAEMON_BAD_CONFIG = 78  /* EX_CONFIG: the file is wrong; every error has been printed */
};

/**
 * struct daemon_options - all borrowed
 * @config_path: the file
 * @log_path:    write the log there, and open it again on SIGHUP; NULL: standard error
 */
struct daemon_options {
	const char *config_path, *log_path;
};

/**
 * daemon_run() - be the gateway until SIGTERM or SIGINT
 *
 * The calling process becomes the privileged parent: it installs the guard, opens the devices and
 * sockets, forks the child that does everything else, and keeps the kernel as it must be. On every
 * way out its routes and rules are undone, and the guard stays.
 */
int daemon_run(const struct daemon_options *o);

/** daemon_check_config() - print all errors, one line each, to standard error. */
int daemon_check_config(const char *path);

/** daemon_print_config() - with all defaults, to standard output. */
int daemon_print_config(const char *path);

/** daemon_install_guard() - the guard alone, and return: for the time before the network is up. */
int daemon_install_guard(const char *path);

/** struct replay_options - @n_workers: 1 to STEER_WORKERS_MAX; @misdeliver: struct replay's seed. */
struct replay_options {
	struct pcap_paths paths;
	unsigned n_workers;
	uint64_t misdeliver;
};

/** daemon_replay() - captured packets through the workers, in one thread; counters and drops of all
 *  of them are printed at the end. Needs no privilege. */
int daemon_replay(const char *config_path, const struct replay_options *o);
