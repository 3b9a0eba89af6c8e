/*
 * seccomp.c - one list of system calls for each kind of thread (design 8).
 *
 * What a thread is allowed is what it needs once it runs: everything is opened, mapped and started
 * before. None of the child's threads may open a file, and nobody may start a program.
 */
#include <errno.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>
#include "privileges.h"
#include "sixgate/base/must.h"
#include "sixgate/log/log.h"

#ifndef __has_feature
#define __has_feature(x) 0
#endif
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__) ||                               \
	__has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
enum { SANITIZED = 1 };
#else
enum { SANITIZED = 0 };
#endif

static _Thread_local const char *thread_name = "main";

/* What the C library does in any thread: memory, locks, time, and how a thread or process ends. */
static const int basic_calls[] = {
	SCMP_SYS(read), SCMP_SYS(readv), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(close),
	SCMP_SYS(poll), SCMP_SYS(ppoll), SCMP_SYS(futex), SCMP_SYS(clock_gettime),
	SCMP_SYS(clock_nanosleep), SCMP_SYS(nanosleep), SCMP_SYS(gettimeofday), SCMP_SYS(time),
	SCMP_SYS(sched_yield), SCMP_SYS(getrandom), SCMP_SYS(munmap), SCMP_SYS(mremap),
	SCMP_SYS(madvise), SCMP_SYS(brk),
	SCMP_SYS(rt_sigprocmask), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigaction),
	SCMP_SYS(sigaltstack), SCMP_SYS(restart_syscall), SCMP_SYS(gettid), SCMP_SYS(getpid),
	SCMP_SYS(tgkill), SCMP_SYS(exit), SCMP_SYS(exit_group), SCMP_SYS(set_robust_list),
	SCMP_SYS(rseq), SCMP_SYS(membarrier),
};

/* An event loop with sockets. */
static const int socket_calls[] = {
	SCMP_SYS(epoll_create1), SCMP_SYS(epoll_ctl), SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait),
	SCMP_SYS(epoll_pwait2), SCMP_SYS(eventfd2), SCMP_SYS(pipe2),
	SCMP_SYS(bind), SCMP_SYS(connect), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4),
	SCMP_SYS(shutdown), SCMP_SYS(sendto), SCMP_SYS(recvfrom), SCMP_SYS(sendmsg),
	SCMP_SYS(recvmsg), SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg), SCMP_SYS(getsockopt),
	SCMP_SYS(setsockopt), SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(fcntl),
};

/* The control loop besides: descriptors from the parent, the log's new file, statistics. */
static const int control_calls[] = {
	SCMP_SYS(pread64), SCMP_SYS(fstat), SCMP_SYS(newfstatat), SCMP_SYS(lseek), SCMP_SYS(dup2),
	SCMP_SYS(dup3), SCMP_SYS(getrusage), SCMP_SYS(sysinfo), SCMP_SYS(sendfile),
	SCMP_SYS(getuid), SCMP_SYS(geteuid), SCMP_SYS(sched_getaffinity), SCMP_SYS(uname),
};

static int allow_with(scmp_filter_ctx ctx, int call, unsigned arg, scmp_datum_t value)
{
	const struct scmp_arg_cmp only = { .arg = arg, .op = SCMP_CMP_EQ, .datum_a = value };

	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, call, 1, &only);
}

/* Calls of which only a part is allowed. */
static int add_narrow_rules(scmp_filter_ctx ctx, enum thread_role role)
{
	const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	static const scmp_datum_t family[] = { AF_INET, AF_INET6 };
	static const scmp_datum_t control[] = { FIONBIO, FIOCLEX, FIONREAD, TCGETS };
	int rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mmap), 1, no_code);

	if (rc == 0)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, SCMP_SYS(mprotect), 1, no_code);
	/* AF_XDP: calls without data that make the kernel look at a ring */
	if (role == ROLE_WORKER && rc == 0)
		rc = allow_with(ctx, SCMP_SYS(sendto), 1, 0);
	if (role == ROLE_WORKER && rc == 0)
		rc = allow_with(ctx, SCMP_SYS(recvfrom), 1, 0);
	if (role == ROLE_WORKER || role == ROLE_PARENT)
		return rc;
	for (size_t i = 0; i < ARRAY_LEN(family) && rc == 0; i++)
		rc = allow_with(ctx, SCMP_SYS(socket), 0, family[i]);
	for (size_t i = 0; i < ARRAY_LEN(control) && rc == 0; i++)
		rc = allow_with(ctx, SCMP_SYS(ioctl), 1, control[i]);
	return rc;
}

/* Refused, but survived: libraries look for files that they can do without (the C library at
 * /proc/sys/vm/overcommit_memory when it gives memory back, others at /etc/localtime). */
static const int refused_calls[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(access), SCMP_SYS(faccessat),
	SCMP_SYS(faccessat2), SCMP_SYS(stat), SCMP_SYS(statx), SCMP_SYS(readlink),
};

/* The parent: the file and what it includes, settings under /proc/sys, names of nftables, its own
 * files, its child. No program, no process, no module, no mount. */
static const int parent_calls[] = {
	SCMP_SYS(open), SCMP_SYS(openat), SCMP_SYS(stat), SCMP_SYS(lstat), SCMP_SYS(statx),
	SCMP_SYS(access), SCMP_SYS(faccessat), SCMP_SYS(faccessat2), SCMP_SYS(getdents64),
	SCMP_SYS(readlink), SCMP_SYS(readlinkat), SCMP_SYS(getcwd), SCMP_SYS(unlink),
	SCMP_SYS(unlinkat), SCMP_SYS(rename), SCMP_SYS(renameat), SCMP_SYS(renameat2),
	SCMP_SYS(mkdir), SCMP_SYS(mkdirat), SCMP_SYS(chmod), SCMP_SYS(fchmod), SCMP_SYS(chown),
	SCMP_SYS(fchown), SCMP_SYS(umask), SCMP_SYS(ftruncate), SCMP_SYS(fsync),
	SCMP_SYS(fdatasync), SCMP_SYS(pwrite64), SCMP_SYS(memfd_create), SCMP_SYS(dup),
	SCMP_SYS(wait4), SCMP_SYS(waitid), SCMP_SYS(kill), SCMP_SYS(signalfd4),
	SCMP_SYS(inotify_init1), SCMP_SYS(inotify_add_watch), SCMP_SYS(inotify_rm_watch),
	SCMP_SYS(timerfd_create), SCMP_SYS(timerfd_settime), SCMP_SYS(prlimit64),
	SCMP_SYS(getgid), SCMP_SYS(getegid), SCMP_SYS(select), SCMP_SYS(pselect6),
	SCMP_SYS(socket), SCMP_SYS(socketpair), SCMP_SYS(ioctl), SCMP_SYS(bpf),
};

struct call_list {
	const int *call;
	size_t n;
};

#define LIST(a) { a, ARRAY_LEN(a) }

static const struct {
	const char *name;
	struct call_list list[4];
} roles[N_THREAD_ROLES] = {
	[ROLE_WORKER] = { "worker", { LIST(basic_calls) } },
	[ROLE_DNS64] = { "dns64", { LIST(basic_calls), LIST(socket_calls) } },
	[ROLE_CONTROL] = { "control",
			   { LIST(basic_calls), LIST(socket_calls), LIST(control_calls) } },
	[ROLE_PARENT] = { "parent", { LIST(basic_calls), LIST(socket_calls), LIST(control_calls),
				      LIST(parent_calls) } },
};

/* Runs in the thread that made the call; the call itself was not done. */
static void name_the_call(int sig, siginfo_t *info, void *context)
{
	char line[160];
	int n = snprintf(line, sizeof(line),
			 "%ssixgated: the %s thread made system call %d, which is not on its list\n",
			 log_error_mark(), thread_name, info->si_syscall);

	(void)context;
	if (n > 0 && write(STDERR_FILENO, line, (size_t)n) < 0)
		_exit(128 + sig);
	raise(sig); /* SA_RESETHAND: this time for good */
}

void loop__warm(uv_loop_t *loop)
{
	uv_pipe_t stream;

	uv_pipe_init(loop, &stream, 0);
	uv_close((uv_handle_t *)&stream, NULL);
	uv_run(loop, UV_RUN_NOWAIT);
}

static int load_rules(scmp_filter_ctx ctx, enum thread_role role)
{
	int rc;

	for (size_t l = 0; l < ARRAY_LEN(roles[role].list); l++)
		for (size_t i = 0; i < roles[role].list[l].n; i++) {
			rc = seccomp_rule_add(ctx, SCMP_ACT_ALLOW, roles[role].list[l].call[i], 0);
			if (rc)
				return rc;
		}
	rc = add_narrow_rules(ctx, role);
	for (size_t i = 0; i < ARRAY_LEN(refused_calls) && role != ROLE_PARENT && rc == 0; i++)
		rc = seccomp_rule_add(ctx, SCMP_ACT_ERRNO(EACCES), refused_calls[i], 0);
	return rc ? rc : seccomp_load(ctx);
}

int seccomp__enter(enum thread_role role, struct err *e)
{
	struct sigaction act = { .sa_sigaction = name_the_call,
				 .sa_flags = SA_SIGINFO | (int)SA_RESETHAND };
	scmp_filter_ctx ctx;
	int rc;

	thread_name = roles[role].name;
	if (SANITIZED) {
		log_warning("%s thread: no seccomp list in a sanitizer build", thread_name);
		return 0;
	}
	sigaction(SIGSYS, &act, NULL);
	/* the parent must always be able to undo what it did to the kernel: for it a call fails */
	ctx = seccomp_init(role == ROLE_PARENT ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_TRAP);
	if (!ctx)
		return err_set(e, -ENOMEM, "seccomp list of the %s thread", thread_name);
	rc = load_rules(ctx, role);
	seccomp_release(ctx);
	if (rc)
		return err_set(e, rc, "seccomp list of the %s thread: %s", thread_name, strerror(-rc));
	return 0;
}
