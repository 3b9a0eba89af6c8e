/* privileges.c - from root to an account without any capability (design 8). */
#include "privileges.h"
#include <cap-ng.h>
#include <errno.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>
#include "sixgate/base/must.h"

enum { CHILD_DESCRIPTORS = 16384 };

int identity__find(struct identity *out, const char *user, struct err *e)
{
	struct passwd *pw;

	errno = 0;
	pw = getpwnam(user);
	if (!pw)
		return err_set(e, -ENOENT,
			       "user %s does not exist; create it with: useradd --system "
			       "--no-create-home --shell /usr/sbin/nologin %s",
			       user, user);
	if (pw->pw_uid == 0)
		return err_set(e, -EPERM, "gateway.user is %s, which is root: choose another account",
			       user);
	*out = (struct identity){ .uid = pw->pw_uid, .gid = pw->pw_gid };
	snprintf(out->name, sizeof(out->name), "%s", user);
	return 0;
}

static int limit_resources(struct err *e)
{
	const struct rlimit files = { CHILD_DESCRIPTORS, CHILD_DESCRIPTORS };

	if (setrlimit(RLIMIT_NOFILE, &files) < 0)
		return err_set(e, -errno, "limit of open files: %s", strerror(errno));
	return 0;
}

int privileges__drop(const struct identity *id, struct err *e)
{
	pid_t parent = getppid();
	int rc = limit_resources(e);

	if (rc)
		return rc;
	capng_clear(CAPNG_SELECT_ALL);
	rc = capng_change_id((int)id->uid, (int)id->gid,
			     CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING | CAPNG_CLEAR_AMBIENT);
	if (rc)
		return err_set(e, -EPERM, "becoming user %s failed (step %d)", id->name, rc);
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_set(e, -errno, "no_new_privs: %s", strerror(errno));
	/* after the change of user, which clears it */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		return err_set(e, -errno, "PR_SET_PDEATHSIG: %s", strerror(errno));
	if (getppid() != parent)
		return err_set(e, -ESRCH, "the parent has ended");
	if (setuid(0) == 0 || capng_have_capabilities(CAPNG_SELECT_BOTH) != CAPNG_NONE)
		return err_set(e, -EPERM, "privileges are still there after dropping them");
	return 0;
}

int privileges__check(struct err *e)
{
	static const struct {
		unsigned cap;
		const char *text;
	} needed[] = {
		{ CAP_NET_ADMIN, "CAP_NET_ADMIN, for devices, routes and nftables" },
		{ CAP_SETUID, "CAP_SETUID, to run everything else as gateway.user" },
		{ CAP_SETGID, "CAP_SETGID, to run everything else as gateway.user" },
	};

	if (geteuid() != 0)
		return err_set(e, -EPERM,
			       "must be started as root: it makes devices, routes and low ports, and "
			       "runs everything else as gateway.user");
	for (size_t i = 0; i < ARRAY_LEN(needed); i++)
		if (!capng_have_capability(CAPNG_EFFECTIVE, needed[i].cap))
			return err_set(e, -EPERM, "this root lacks %s", needed[i].text);
	return 0;
}
