/*
 * view.c - copy on access, by page faults.
 *
 * Theory of operation. What is laid out in a worker's memory refers to other things by index; only
 * the few pointers to its tables are addresses, and the arena it was carved from knows where those
 * are. They alone are moved: numbers side by side may look like any address. A pointer that is not
 * in the list would lead from the copy into what lives; a test of the data plane compares the
 * memory of two workers, word by word, and so finds it.
 */
#include "sixgate/io/view.h"
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "sixgate/base/must.h"

static _Thread_local struct view *current;
static size_t page_bytes;
static struct sigaction before;

/* Those in the page at @offset. */
static void move_pointers(const struct view *v, size_t offset)
{
	const uintptr_t delta = (uintptr_t)v->copy - (uintptr_t)v->live;

	for (uint32_t i = 0; i < v->pointers->n; i++) {
		const size_t at = v->pointers->at[i];

		if (at - offset < page_bytes && *(uintptr_t *)(void *)(v->copy + at))
			*(uintptr_t *)(void *)(v->copy + at) += delta;
	}
}

static bool is_ours(const struct view *v, uintptr_t at)
{
	return v && at - (uintptr_t)v->copy < v->bytes;
}

/* A page that cannot be had ends the process: there is no way to go on from here. It is one of the
 * first few dozen of a mapping that was granted. */
static void copy_page(struct view *v, uintptr_t at)
{
	const size_t offset = (at - (uintptr_t)v->copy) & ~(page_bytes - 1);

	must(mprotect(v->copy + offset, page_bytes, PROT_READ | PROT_WRITE) == 0);
	memcpy(v->copy + offset, v->live + offset, page_bytes);
	move_pointers(v, offset);
	v->n_pages++;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	const uintptr_t at = (uintptr_t)info->si_addr;

	(void)context;
	if (info->si_code == SEGV_ACCERR && is_ours(current, at))
		copy_page(current, at);
	else
		sigaction(sig, &before, NULL); /* it happens again, to whoever had it before */
}

void view_prepare(void)
{
	struct sigaction act = { .sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_NODEFER };

	page_bytes = (size_t)sysconf(_SC_PAGESIZE);
	if (sigaction(SIGSEGV, &act, &before) == 0 && before.sa_sigaction == on_fault)
		before = (struct sigaction){ .sa_handler = SIG_DFL };
}

int view_open(struct view *v, void *live, size_t bytes, const struct arena_pointers *pointers,
	      size_t n_extra)
{
	const size_t whole = (bytes + page_bytes - 1) & ~(page_bytes - 1);
	uint8_t *p = mmap(NULL, whole + n_extra, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			  -1, 0);

	must(!current && ((uintptr_t)live & (page_bytes - 1)) == 0);
	if (p == MAP_FAILED)
		return -ENOMEM;
	if (mprotect(p + whole, n_extra, PROT_READ | PROT_WRITE) < 0) {
		munmap(p, whole + n_extra);
		return -ENOMEM;
	}
	*v = (struct view){ .live = live,
			    .bytes = whole,
			    .pointers = pointers,
			    .copy = p,
			    .extra = p + whole,
			    .n_extra = n_extra };
	current = v;
	return 0;
}

void view_close(struct view *v)
{
	munmap(v->copy, v->bytes + v->n_extra);
	current = NULL;
}
