/*
 * sysctl.c - set values below /proc/sys and remember what they were.
 *
 * The journal is a file of lines "path<TAB>before<TAB>ours", written before the value is, so that a
 * successor can put things right after a crash. It belongs on a file system that a reboot empties.
 */
#include "netlink_internal.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "sixgate/base/must.h"

enum { VALUE_MAX = 1024, JOURNAL_MAX = 1024 };

struct entry {
	char path[96];
	char before[VALUE_MAX], ours[VALUE_MAX];
};

struct sysctls {
	char file[256];
	struct entry *entry; /* [n] */
	size_t n;
};

static const char forwarding6[] = "net/ipv6/conf/all/forwarding";

/* ---- one value ---- */

static int open_value(const char *path, int flags)
{
	char full[128];
	int fd;

	snprintf(full, sizeof(full), "/proc/sys/%s", path);
	fd = open(full, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int sysctl__read(const char *path, char *value, size_t size)
{
	int fd = open_value(path, O_RDONLY);
	ssize_t n;

	if (fd < 0)
		return fd;
	n = read(fd, value, size - 1);
	if (n < 0)
		n = -errno;
	close(fd);
	if (n < 0)
		return (int)n;
	while (n > 0 && (value[n - 1] == '\n' || value[n - 1] == ' '))
		n--;
	value[n] = '\0';
	return (int)n;
}

int sysctl__read_int(const char *path, int otherwise)
{
	char value[32], *end;
	long n;

	if (sysctl__read(path, value, sizeof(value)) <= 0)
		return otherwise;
	n = strtol(value, &end, 10);
	return *end ? otherwise : (int)n;
}

static int write_value(const char *path, const char *value)
{
	int fd = open_value(path, O_WRONLY);
	/* An empty list of ports is written as one newline. */
	const char *text = *value ? value : "\n";
	int rc = 0;

	if (fd < 0)
		return fd;
	if (write(fd, text, strlen(text)) < 0)
		rc = -errno;
	close(fd);
	return rc;
}

struct netlink_sysctl *sysctl__want(struct netlink_sysctls *list, const char *value,
				    const char *fmt, ...)
{
	struct netlink_sysctl *s;
	va_list ap;

	if (list->n == list->room) {
		size_t room = list->room ? 2 * list->room : 32;
		struct netlink_sysctl *at = realloc(list->at, room * sizeof(*at));

		if (!at) {
			list->failed = true;
			return NULL;
		}
		list->at = at;
		list->room = room;
	}
	s = &list->at[list->n++];
	memset(s, 0, sizeof(*s));
	snprintf(s->value, sizeof(s->value), "%s", value);
	va_start(ap, fmt);
	vsnprintf(s->path, sizeof(s->path), fmt, ap);
	va_end(ap);
	return s;
}

/* ---- the journal ---- */

static struct entry *find_entry(struct sysctls *s, const char *path)
{
	for (size_t i = 0; i < s->n; i++)
		if (strcmp(s->entry[i].path, path) == 0)
			return &s->entry[i];
	return NULL;
}

/* A path that is cut would name another setting. Return: false if @text has no room. */
static bool keep_text(char *out, size_t size, const char *text)
{
	size_t len = strlen(text);

	if (len >= size)
		return false;
	memcpy(out, text, len + 1);
	return true;
}

static struct entry *add_entry(struct sysctls *s, const char *path, const char *before)
{
	struct entry *at;

	if (s->n == JOURNAL_MAX)
		return NULL;
	at = realloc(s->entry, (s->n + 1) * sizeof(*at));
	if (!at)
		return NULL;
	s->entry = at;
	at += s->n;
	if (!keep_text(at->path, sizeof(at->path), path) ||
	    !keep_text(at->before, sizeof(at->before), before))
		return NULL;
	at->ours[0] = '\0';
	s->n++;
	return at;
}

/* One line, in place. Return: false if it is not ours. */
static bool read_entry(struct sysctls *s, char *line)
{
	char *before = strchr(line, '\t');
	char *ours = before ? strchr(before + 1, '\t') : NULL;
	struct entry *x;

	if (!ours || strncmp(line, "net/", 4) != 0 || strstr(line, ".."))
		return false;
	*before++ = '\0';
	*ours++ = '\0';
	ours[strcspn(ours, "\n")] = '\0';
	x = find_entry(s, line);
	if (!x)
		x = add_entry(s, line, before);
	return x && keep_text(x->ours, sizeof(x->ours), ours);
}

static void read_journal(struct sysctls *s)
{
	char line[sizeof(struct entry) + 8];
	FILE *f = fopen(s->file, "re");

	if (!f)
		return;
	while (fgets(line, sizeof(line), f))
		read_entry(s, line);
	fclose(f);
}

/* Whole and at once, or not at all. */
static int write_journal(const struct sysctls *s)
{
	char fresh[sizeof(s->file) + 8];
	FILE *f;
	int rc = 0;

	snprintf(fresh, sizeof(fresh), "%s.new", s->file);
	f = fopen(fresh, "we");
	if (!f)
		return -errno;
	for (size_t i = 0; i < s->n; i++)
		fprintf(f, "%s\t%s\t%s\n", s->entry[i].path, s->entry[i].before, s->entry[i].ours);
	if (ferror(f))
		rc = -EIO;
	if (fclose(f) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && rename(fresh, s->file) != 0)
		rc = -errno;
	if (rc)
		unlink(fresh);
	return rc;
}

int sysctls__new(struct sysctls **out, const char *state_path, struct err *e)
{
	struct sysctls *s = calloc(1, sizeof(*s));

	if (!s)
		return err_set(e, -ENOMEM, "out of memory");
	if (strlen(state_path) >= sizeof(s->file)) {
		free(s);
		return err_set(e, -ENAMETOOLONG, "%s: path too long", state_path);
	}
	strcpy(s->file, state_path);
	read_journal(s);
	*out = s;
	return 0;
}

void sysctls__free(struct sysctls *s)
{
	if (!s)
		return;
	free(s->entry);
	free(s);
}

/* The value before us is remembered once: after a crash it is the one from before the crash. */
static int remember(struct sysctls *s, const char *path, const char *before, const char *ours)
{
	struct entry *x = find_entry(s, path);

	if (!x)
		x = add_entry(s, path, before);
	if (!x)
		return -ENOMEM;
	if (strcmp(x->ours, before) != 0) /* somebody else has changed it since */
		snprintf(x->before, sizeof(x->before), "%s", before);
	snprintf(x->ours, sizeof(x->ours), "%s", ours);
	return write_journal(s);
}

/* The kernel prints a list of ports sorted and joined: that is what undo will have to compare. */
static void remember_as_printed(struct sysctls *s, const char *path)
{
	struct entry *x = find_entry(s, path);

	if (x && sysctl__read(path, x->ours, sizeof(x->ours)) >= 0)
		write_journal(s);
}

/* ---- IPv6 forwarding ---- */

struct saved {
	char name[32];
	char accept_ra[16], forwarding[16];
};

static size_t save_interfaces(struct saved *list, size_t max)
{
	DIR *d = opendir("/proc/sys/net/ipv6/conf");
	const struct dirent *f;
	size_t n = 0;
	char path[96];

	while (d && n < max && (f = readdir(d))) {
		struct saved *x = &list[n];

		if (f->d_name[0] == '.' || strlen(f->d_name) >= sizeof(x->name) ||
		    strcmp(f->d_name, "all") == 0)
			continue;
		strcpy(x->name, f->d_name);
		snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", x->name);
		if (sysctl__read(path, x->accept_ra, sizeof(x->accept_ra)) < 0)
			continue;
		snprintf(path, sizeof(path), "net/ipv6/conf/%s/forwarding", x->name);
		if (sysctl__read(path, x->forwarding, sizeof(x->forwarding)) < 0)
			continue;
		n++;
	}
	if (d)
		closedir(d);
	return n;
}

static void set_interfaces(const struct saved *list, size_t n, bool before)
{
	char path[96];

	for (size_t i = 0; i < n; i++) {
		if (strcmp(list[i].forwarding, "0") == 0 && !before) {
			snprintf(path, sizeof(path), "net/ipv6/conf/%s/forwarding", list[i].name);
			write_value(path, "0");
		}
		if (strcmp(list[i].accept_ra, "1") != 0)
			continue;
		snprintf(path, sizeof(path), "net/ipv6/conf/%s/accept_ra", list[i].name);
		write_value(path, before ? "2" : "1");
	}
}

/*
 * `all/forwarding` is what lets IPv6 through, but writing it makes a router of every interface and
 * deletes what they have learned from router advertisements. Interfaces that are not ours are
 * protected while it happens, and are hosts again afterwards.
 */
static int switch_on_forwarding6(void)
{
	enum { SAVED_MAX = 4096 };
	struct saved *list = calloc(SAVED_MAX, sizeof(*list));
	size_t n;
	int rc;

	if (!list)
		return -ENOMEM;
	n = save_interfaces(list, SAVED_MAX);
	set_interfaces(list, n, true);
	rc = write_value(forwarding6, "1");
	set_interfaces(list, n, false);
	free(list);
	return rc;
}

/* ---- lists of ports ---- */

/* @list names the whole of first..last, in one of its ranges: that is how the kernel prints them. */
static bool ports_listed(const char *list, unsigned first, unsigned last)
{
	unsigned a, b;
	int n;

	for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',') {
		if (sscanf(at, "%u-%u%n", &a, &b, &n) != 2) {
			if (sscanf(at, "%u%n", &a, &n) != 1)
				return false;
			b = a;
		}
		if (a <= first && last <= b)
			return true;
	}
	return false;
}

static bool all_listed(const char *list, const char *wanted)
{
	unsigned a, b;

	for (const char *at = wanted; *at; at += strcspn(at, ","), at += *at == ',')
		if (sscanf(at, "%u-%u", &a, &b) != 2 || !ports_listed(list, a, b))
			return false;
	return true;
}

/* ---- apply and restore ---- */

static int explain(const struct netlink_sysctl *w, const char *now, int rc, struct err *e)
{
	return err_set(e, rc,
		       "/proc/sys/%s is %s and must %s %s, but writing it fails: %s%s", w->path,
		       *now ? now : "empty", w->merge ? "contain" : "be", w->value, strerror(-rc),
		       rc == -EROFS || rc == -EACCES || rc == -EPERM
			       ? " (read-only /proc/sys: set it on the host)"
			       : "");
}

static bool as_wanted(const struct netlink_sysctl *w, const char *now)
{
	return w->merge ? all_listed(now, w->value) : strcmp(now, w->value) == 0;
}

/* The strict check is what drops our packets, and the kernel takes the larger one of two values. */
static bool checks_strictly(const char *now)
{
	int all = sysctl__read_int("net/ipv4/conf/all/rp_filter", 0);

	return strcmp(now, "2") != 0 && all != 2 && (strcmp(now, "1") == 0 || all == 1);
}

static bool is_rp_filter(const char *path)
{
	size_t len = strlen(path);
	static const char end[] = "/rp_filter";

	return len >= sizeof(end) && strcmp(path + len - (sizeof(end) - 1), end) == 0;
}

/* What cannot be written is no failure where we can go without it. */
static bool goes_without(const struct netlink_sysctl *w, const char *now, int rc)
{
	if (rc != -EROFS && rc != -EACCES && rc != -EPERM)
		return false;
	return w->soft || (is_rp_filter(w->path) && !checks_strictly(now));
}

bool sysctl__stuck(const struct netlink_sysctl *w)
{
	char now[VALUE_MAX];
	int fd;

	if (sysctl__read(w->path, now, sizeof(now)) < 0 || as_wanted(w, now))
		return false;
	if (is_rp_filter(w->path) && !checks_strictly(now))
		return false;
	fd = open_value(w->path, O_WRONLY);
	if (fd >= 0)
		close(fd);
	return fd < 0;
}

static int apply_one(struct sysctls *s, const struct netlink_sysctl *w, struct err *e)
{
	char now[VALUE_MAX], ours[VALUE_MAX];
	int rc = sysctl__read(w->path, now, sizeof(now));

	if (rc < 0)
		return w->optional ? 0 : err_set(e, rc, "/proc/sys/%s: %s", w->path, strerror(-rc));
	if (as_wanted(w, now))
		return 0;
	if (w->merge)
		snprintf(ours, sizeof(ours), "%.*s%s%s", VALUE_MAX - 200, now, *now ? "," : "",
			 w->value);
	else
		snprintf(ours, sizeof(ours), "%s", w->value);
	rc = remember(s, w->path, now, ours);
	if (rc)
		return err_set(e, rc, "%s: %s", s->file, strerror(-rc));
	rc = strcmp(w->path, forwarding6) == 0 ? switch_on_forwarding6() : write_value(w->path, ours);
	if (rc)
		return goes_without(w, now, rc) ? 0 : explain(w, now, rc, e);
	if (w->merge)
		remember_as_printed(s, w->path);
	return 1;
}

int sysctls__apply(struct sysctls *s, const struct netlink_sysctls *want, unsigned *n_written,
		   struct err *e)
{
	struct err first = { "" };
	int failed = 0;

	for (size_t i = 0; i < want->n; i++) {
		int rc = apply_one(s, &want->at[i], failed ? NULL : &first);

		if (rc > 0)
			++*n_written;
		else if (rc < 0 && !failed)
			failed = rc;
	}
	return failed ? err_set(e, failed, "%s", first.text) : 0;
}

/* Last first: forwarding goes off before accept_ra goes back. */
int sysctls__restore(struct sysctls *s, struct err *e)
{
	char now[VALUE_MAX];
	int failed = 0;

	for (size_t i = s->n; i > 0; i--) {
		const struct entry *x = &s->entry[i - 1];
		int rc;

		if (sysctl__read(x->path, now, sizeof(now)) < 0 || strcmp(now, x->ours) != 0)
			continue; /* gone, or somebody else's by now */
		rc = write_value(x->path, x->before);
		if (rc && !failed)
			failed = err_set(e, rc, "/proc/sys/%s: %s", x->path, strerror(-rc));
	}
	free(s->entry);
	s->entry = NULL;
	s->n = 0;
	unlink(s->file);
	return failed;
}
