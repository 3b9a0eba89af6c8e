/* steer.c - loading the steering program, and the memory it reads. */
#include "sixgate/io/steer.h"
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/if_tun.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include "bpf/steer_shared.h"
#include "sixgate/base/must.h"
#include <steer.skel.h> /* after what it uses */

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

static int take_descriptors(struct tun_steering *out, const struct steer_bpf *bpf)
{
	out->map = dup(bpf_map__fd(bpf->maps.shared));
	out->program = dup(bpf_program__fd(bpf->progs.steer));
	if (out->map >= 0 && out->program >= 0)
		return 0;
	tun_steering_close(out);
	return -EMFILE;
}

int tun_steering_load(struct tun_steering *out, int inside, struct err *e)
{
	struct steer_bpf *bpf;
	int rc;

	libbpf_set_print(quiet);
	bpf = steer_bpf__open();
	if (!bpf)
		return err_set(e, -errno, "opening the steering program: %s", strerror(errno));
	bpf->rodata->inside = inside;
	rc = steer_bpf__load(bpf);
	if (rc == 0)
		rc = take_descriptors(out, bpf);
	steer_bpf__destroy(bpf);
	return rc ? err_set(e, rc, "loading the steering program: %s", strerror(-rc)) : 0;
}

int tun_steering_attach(const struct tun_steering *t, const struct tun_queues *device)
{
	int program = t->program;

	must(device->n >= 1);
	return ioctl(device->fd[0], TUNSETSTEERINGEBPF, &program) < 0 ? -errno : 0;
}

void tun_steering_close(struct tun_steering *t)
{
	if (t->map >= 0)
		close(t->map);
	if (t->program >= 0)
		close(t->program);
	t->map = t->program = -1;
}

struct steer_shared *tun_steering_table(int map)
{
	void *at = mmap(NULL, sizeof(struct steer_shared), PROT_READ | PROT_WRITE, MAP_SHARED, map, 0);

	close(map);
	return at == MAP_FAILED ? NULL : at;
}

void tun_steering_tell(struct steer_shared *x, const struct steering *s)
{
	const uint32_t next = !(x->active & 1);

	x->table[next] = *s;
	x->table[next].block = NULL; /* an address of ours is nobody's business */
	must(s->n_pools <= STEER_POOL_MAX);
	if (s->n_pools)
		memcpy(x->block[next], s->block, s->n_pools * sizeof(s->block[0]));
	__atomic_store_n(&x->active, next, __ATOMIC_RELEASE);
}
