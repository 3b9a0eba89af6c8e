/* pcap.c - the port on capture files: merges what came in on either side by time, writes what is
 * sent. */
#include "sixgate/io/pcap.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/base/must.h"

enum {
	NS_PER_MS = 1000000,
	BATCH_BYTES = 256 << 10,
	TAILROOM = PACKET_TAILROOM,
	MEM_BYTES = BATCH_BYTES + PACKET_HEADROOM + PACKET_LEN_MAX + TAILROOM + 64
};

/* One side's file, with its next packet at hand. */
struct source {
	struct pcap_reader *reader;
	bool has_next;
	struct pcap_record next;
};

struct pcap_port {
	struct port port;
	struct source source[N_SIDES];
	FILE *write;
	uint64_t clock_ns;
	int failed;
	struct err why;
	uint8_t *mem;
};

static void advance(struct pcap_port *t, struct source *s)
{
	int rc = pcap_read(s->reader, &s->next, &t->why);

	s->has_next = rc == 1;
	if (rc < 0)
		t->failed = rc;
}

/* Return: the side whose packet is next in time, N_SIDES at the end. */
static unsigned earlier(const struct pcap_port *t)
{
	const struct source *in = &t->source[SIDE_INSIDE], *out = &t->source[SIDE_OUTSIDE];

	if (!in->has_next)
		return out->has_next ? SIDE_OUTSIDE : N_SIDES;
	if (!out->has_next)
		return SIDE_INSIDE;
	return out->next.time_ns < in->next.time_ns ? SIDE_OUTSIDE : SIDE_INSIDE;
}

static void lend(struct packet *p, uint8_t *mem, const struct source *s, unsigned side)
{
	p->data = mem + PACKET_HEADROOM;
	memcpy(p->data, s->next.data, s->next.len);
	p->len = s->next.len;
	p->headroom = PACKET_HEADROOM;
	p->room = p->len + TAILROOM;
	p->off = (struct offload){ .gso = GSO_NONE };
	p->side = (uint8_t)side;
}

static bool pcap_rx(struct port *port, struct batch *b)
{
	struct pcap_port *t = (struct pcap_port *)port;
	uint64_t until_ms = pcap_port_next_ns(port) / NS_PER_MS;
	size_t used = 0;

	b->n = 0;
	while (b->n < BATCH_MAX && used < BATCH_BYTES) {
		unsigned side = earlier(t);
		struct source *s;

		if (side == N_SIDES)
			break;
		s = &t->source[side];
		if (s->next.time_ns / NS_PER_MS > until_ms)
			break;
		if (s->next.time_ns > t->clock_ns)
			t->clock_ns = s->next.time_ns;
		lend(&b->packet[b->n], t->mem + used, s, side);
		used += (PACKET_HEADROOM + b->packet[b->n].room + 63) & ~(size_t)63;
		b->n++;
		advance(t, s);
	}
	return b->n > 0;
}

static void pcap_tx(struct port *port, const struct packet *p, uint16_t n, struct port_counts *c)
{
	struct pcap_port *t = (struct pcap_port *)port;

	for (const struct packet *end = p + n; p < end; p++) {
		if (p->verdict.next != VERDICT_FORWARD || !t->write)
			continue;
		if (!pcap_write_record(t->write, t->clock_ns, p->data, p->len)) {
			t->failed = err_set(&t->why, -errno, "writing: %s", strerror(errno));
			c->n_error++;
		}
	}
}

static int pcap_fds(const struct port *port, int *fd, int max)
{
	(void)port;
	(void)fd;
	(void)max;
	return 0;
}

static void pcap_close(struct port *port)
{
	struct pcap_port *t = (struct pcap_port *)port;

	for (unsigned side = 0; side < N_SIDES; side++)
		pcap_reader_free(t->source[side].reader);
	if (t->write)
		fclose(t->write);
	free(t->mem);
	free(t);
}

static const struct port_ops pcap_ops = {
	.name = "pcap",
	.rx = pcap_rx,
	.tx = pcap_tx,
	.fds = pcap_fds,
	.close = pcap_close,
};

static int open_source(struct pcap_port *t, unsigned side, const char *path, struct err *e)
{
	struct source *s = &t->source[side];
	FILE *file;
	int rc;

	if (!path)
		return 0;
	file = fopen(path, "rbe");
	if (!file)
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	rc = pcap_reader_new(&s->reader, file, e);
	if (rc < 0)
		return err_wrap(e, rc, "%s", path);
	advance(t, s);
	if (!t->failed)
		return 0;
	*e = t->why;
	return err_wrap(e, t->failed, "%s", path);
}

static int open_write(struct pcap_port *t, const char *path, struct err *e)
{
	if (!path)
		return 0;
	t->write = fopen(path, "wbe");
	if (!t->write || !pcap_write_header(t->write))
		return err_set(e, -errno, "%s: %s", path, strerror(errno));
	return 0;
}

int pcap_port_new(struct port **out, const struct pcap_paths *paths, struct err *e)
{
	struct pcap_port *t = calloc(1, sizeof(*t));
	int rc;

	must(paths->inside || paths->outside);
	if (!t)
		return err_set(e, -ENOMEM, "no memory");
	t->port.ops = &pcap_ops;
	t->mem = malloc(MEM_BYTES);
	rc = t->mem ? 0 : err_set(e, -ENOMEM, "no memory for packet buffers");
	if (rc == 0)
		rc = open_source(t, SIDE_INSIDE, paths->inside, e);
	if (rc == 0)
		rc = open_source(t, SIDE_OUTSIDE, paths->outside, e);
	if (rc == 0)
		rc = open_write(t, paths->write, e);
	if (rc < 0) {
		pcap_close(&t->port);
		return rc;
	}
	*out = &t->port;
	return 0;
}

uint64_t pcap_port_next_ns(const struct port *port)
{
	const struct pcap_port *t = (const struct pcap_port *)port;
	unsigned side = earlier(t);

	return side == N_SIDES ? UINT64_MAX : t->source[side].next.time_ns;
}

void pcap_port_set_clock(struct port *port, uint64_t time_ns)
{
	((struct pcap_port *)port)->clock_ns = time_ns;
}

int pcap_port_failed(struct port *port, struct err *e)
{
	struct pcap_port *t = (struct pcap_port *)port;

	if (!t->failed && t->write && fflush(t->write) != 0)
		t->failed = err_set(&t->why, -errno, "writing: %s", strerror(errno));
	if (t->failed && e)
		*e = t->why;
	return t->failed;
}
