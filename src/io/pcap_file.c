/* pcap_file.c - reading and writing classic capture files. Every length in a file is checked before
 * it is believed. */
#include "sixgate/io/pcap.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sixgate/base/must.h"
#include "sixgate/base/wire.h"

enum {
	MAGIC_US = 0xa1b2c3d4,
	MAGIC_NS = 0xa1b23c4d,
	FILE_HEADER = 24,
	RECORD_HEADER = 16,
	VLAN_TAGS_MAX = 2,
	LINK_HEADER_MAX = 20 + 4 * VLAN_TAGS_MAX,
	FRAME_MAX = LINK_HEADER_MAX + PACKET_LEN_MAX,
	LINKTYPE_RAW = 101,
	ETHERTYPE_VLAN = 0x8100, /* 802.1Q */
	ETHERTYPE_QINQ = 0x88a8, /* 802.1ad */
	ETHERTYPE_V4 = 0x0800,
	ETHERTYPE_V6 = 0x86dd
};

/* How IP packets are wrapped. @type_at: offset of the EtherType; @header 0: no link header. */
static const struct link {
	uint32_t linktype;
	uint8_t header, type_at;
} links[] = {
	{ LINKTYPE_RAW, 0, 0 },          { 12, 0, 0 /* RAW in files of some BSDs */ },
	{ 228, 0, 0 /* IPV4 */ },        { 229, 0, 0 /* IPV6 */ },
	{ 1, 14, 12 /* ETHERNET */ },    { 113, 16, 14 /* LINUX_SLL */ },
	{ 276, 20, 0 /* LINUX_SLL2 */ },
};

struct pcap_reader {
	FILE *file;
	const struct link *link;
	bool swapped;     /* written by a machine of the other byte order */
	uint32_t unit_ns; /* of the fraction in a record's time */
	uint64_t n_records;
	uint8_t frame[FRAME_MAX];
};

static uint32_t field32(const struct pcap_reader *r, const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return r->swapped ? __builtin_bswap32(v) : v;
}

static bool understand_magic(struct pcap_reader *r, const uint8_t *p)
{
	for (int swapped = 0; swapped < 2; swapped++) {
		r->swapped = swapped;
		r->unit_ns = field32(r, p) == MAGIC_NS ? 1 : 1000;
		if (field32(r, p) == MAGIC_NS || field32(r, p) == MAGIC_US)
			return true;
	}
	return false;
}

static int read_file_header(struct pcap_reader *r, struct err *e)
{
	static const uint8_t pcapng[4] = { 0x0a, 0x0d, 0x0d, 0x0a };
	uint8_t h[FILE_HEADER];
	uint32_t linktype;

	if (fread(h, sizeof(h), 1, r->file) != 1)
		return err_set(e, -EINVAL, "too short for a capture file");
	if (memcmp(h, pcapng, sizeof(pcapng)) == 0)
		return err_set(e, -EINVAL, "a pcapng file: convert it with `editcap -F pcap`");
	if (!understand_magic(r, h))
		return err_set(e, -EINVAL, "not a capture file");
	linktype =
		field32(r, h + 20) & 0xffff; /* the upper half tells of the frame check sequence */
	for (size_t i = 0; i < ARRAY_LEN(links); i++)
		if (links[i].linktype == linktype)
			r->link = &links[i];
	if (!r->link)
		return err_set(e, -EINVAL, "link type %u is not one that can be read", linktype);
	return 0;
}

int pcap_reader_new(struct pcap_reader **out, FILE *file, struct err *e)
{
	struct pcap_reader *r = calloc(1, sizeof(*r));
	int rc;

	if (!r) {
		fclose(file);
		return err_set(e, -ENOMEM, "no memory");
	}
	r->file = file;
	rc = read_file_header(r, e);
	if (rc < 0) {
		pcap_reader_free(r);
		return rc;
	}
	*out = r;
	return 0;
}

void pcap_reader_free(struct pcap_reader *r)
{
	if (!r)
		return;
	fclose(r->file);
	free(r);
}

/* Return: offset of the IP header in the frame, or -1 if there is none. */
static int ip_at(const struct link *link, const uint8_t *frame, uint32_t len)
{
	uint32_t header = link->header, type_at = link->type_at;

	if (header == 0)
		return len > 0 ? 0 : -1;
	for (int tags = 0; tags <= VLAN_TAGS_MAX && header < len; tags++) {
		uint16_t type = load16(frame + type_at);

		if (type == ETHERTYPE_V4 || type == ETHERTYPE_V6)
			return (int)header;
		if (type != ETHERTYPE_VLAN && type != ETHERTYPE_QINQ)
			return -1;
		type_at = header + 2;
		header += 4;
	}
	return -1;
}

/* Return: 1 with the next frame in r->frame, 0 at the end, -EINVAL. */
static int read_frame(struct pcap_reader *r, uint64_t *time_ns, uint32_t *len, struct err *e)
{
	uint8_t h[RECORD_HEADER];
	uint32_t fraction;

	if (fread(h, sizeof(h), 1, r->file) != 1)
		return 0;
	r->n_records++;
	fraction = field32(r, h + 4);
	*len = field32(r, h + 8);
	if (*len > FRAME_MAX)
		return err_set(e, -EINVAL, "record %llu: %u bytes are more than a packet has",
			       (unsigned long long)r->n_records, *len);
	if (fraction >= 1000000000 / r->unit_ns)
		return err_set(e, -EINVAL, "record %llu: its time is no time",
			       (unsigned long long)r->n_records);
	*time_ns = field32(r, h) * UINT64_C(1000000000) + (uint64_t)fraction * r->unit_ns;
	return *len == 0 || fread(r->frame, *len, 1, r->file) == 1;
}

int pcap_read(struct pcap_reader *r, struct pcap_record *out, struct err *e)
{
	uint64_t time_ns = 0;
	uint32_t len = 0;
	int rc;

	while ((rc = read_frame(r, &time_ns, &len, e)) == 1) {
		int at = ip_at(r->link, r->frame, len);

		if (at < 0 || len - (uint32_t)at > PACKET_LEN_MAX)
			continue;
		*out = (struct pcap_record){ .time_ns = time_ns,
					     .data = r->frame + at,
					     .len = len - (uint32_t)at };
		return 1;
	}
	return rc;
}

bool pcap_write_header(FILE *file)
{
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t zone, accuracy, longest, linktype;
	} h = { MAGIC_NS, 2, 4, 0, 0, 262144, LINKTYPE_RAW };

	_Static_assert(sizeof(h) == FILE_HEADER, "as it stands in the file");
	return fwrite(&h, sizeof(h), 1, file) == 1;
}

bool pcap_write_record(FILE *file, uint64_t time_ns, const uint8_t *data, uint32_t len)
{
	const uint32_t h[4] = { (uint32_t)(time_ns / 1000000000), (uint32_t)(time_ns % 1000000000),
				len, len };

	return fwrite(h, sizeof(h), 1, file) == 1 && (len == 0 || fwrite(data, len, 1, file) == 1);
}
