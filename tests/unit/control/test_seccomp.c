/* test_seccomp.c - what each kind of thread may ask of the kernel, tried in processes of its own. */
#include "privileges.h"
#include "test.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIVED = 0, REFUSED = 40 };

/* Each returns what the call came to, if the process lives to say it. */
static int lives(void)
{
	struct pollfd none = { .fd = -1 };
	void *p = malloc(1 << 20);

	free(p);
	return poll(&none, 1, 1) == 0 ? LIVED : 1;
}

static int opens_a_file(void)
{
	return open("/etc/passwd", O_RDONLY) >= 0 ? LIVED : errno == EACCES ? REFUSED : 1;
}

static int runs_a_program(void)
{
	char *const none[] = { NULL };

	execve("/bin/true", none, none);
	return errno == EPERM ? REFUSED : 1;
}

static int makes_a_socket(void)
{
	return socket(AF_INET6, SOCK_DGRAM, 0) >= 0 ? LIVED : 1;
}

static int speaks_netlink(void)
{
	return socket(AF_NETLINK, SOCK_RAW, 0) >= 0 ? LIVED : 1;
}

static int makes_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED ? LIVED : errno == EPERM ? REFUSED : 1;
}

static int turns_data_into_code(void)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return mprotect(p, 4096, PROT_READ | PROT_EXEC) == 0 ? LIVED : errno == EPERM ? REFUSED : 1;
}

static int forks(void)
{
	pid_t pid = fork();

	if (pid == 0)
		_exit(0);
	return pid > 0 ? LIVED : errno == EPERM ? REFUSED : 1;
}

static int sends_a_signal(void)
{
	return kill(getppid(), 0) == 0 ? LIVED : errno == EPERM ? REFUSED : 1;
}

enum { KILLED = 128 + SIGSYS };

static const struct {
	const char *what;
	int (*try)(void);
	int want[N_THREAD_ROLES]; /* worker, dns64, control, parent */
} rows[] = {
	{ "waits and allocates", lives, { LIVED, LIVED, LIVED, LIVED } },
	{ "opens a file", opens_a_file, { REFUSED, REFUSED, REFUSED, LIVED } },
	{ "runs a program", runs_a_program, { KILLED, KILLED, KILLED, REFUSED } },
	{ "makes a socket", makes_a_socket, { KILLED, LIVED, LIVED, LIVED } },
	{ "speaks netlink", speaks_netlink, { KILLED, KILLED, KILLED, LIVED } },
	{ "makes code", makes_code, { KILLED, KILLED, KILLED, REFUSED } },
	{ "turns data into code", turns_data_into_code, { KILLED, KILLED, KILLED, REFUSED } },
	{ "forks", forks, { KILLED, KILLED, KILLED, REFUSED } },
	{ "sends a signal", sends_a_signal, { KILLED, KILLED, KILLED, LIVED } },
};

static int outcome(enum thread_role role, int (*try)(void), char line[256])
{
	int pipe_fd[2], status;
	ssize_t n;
	pid_t pid;

	assert_int_equal(pipe(pipe_fd), 0);
	pid = fork();
	if (pid == 0) {
		dup2(pipe_fd[1], STDERR_FILENO);
		if (seccomp__enter(role, NULL) != 0)
			_exit(1);
		_exit(try());
	}
	close(pipe_fd[1]);
	n = read(pipe_fd[0], line, 255);
	line[n > 0 ? n : 0] = 0;
	close(pipe_fd[0]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static void each_thread_can_do_its_work_and_no_more(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int role = 0; role < N_THREAD_ROLES; role++) {
			char line[256];
			int got = outcome((enum thread_role)role, rows[i].try, line);

			if (strstr(line, "no seccomp list in a sanitizer build"))
				return; /* it says so, and the next line would kill the run-time library */
			print_message("%s, role %d: %d\n", rows[i].what, role, got);
			assert_int_equal(got, rows[i].want[role]);
			if (got == KILLED)
				assert_non_null(strstr(line, "which is not on its list"));
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_thread_can_do_its_work_and_no_more),
	};

	return cmocka_run_group_tests_name("control/seccomp", tests, NULL, NULL);
}
