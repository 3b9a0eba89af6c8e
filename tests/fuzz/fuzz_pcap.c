/* fuzz_pcap.c - hostile capture files: whatever the file says, records lie inside what was read,
 * are no longer than a packet, and the reader comes to an end. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "sixgate/base/must.h"
#include "sixgate/io/pcap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t sum;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct pcap_reader *r;
	struct pcap_record got;
	struct err e = { "" };
	size_t n = 0;
	FILE *f;
	int rc;

	if (size == 0)
		return 0;
	f = fmemopen((void *)(uintptr_t)data, size, "rb");
	must(f);
	if (pcap_reader_new(&r, f, &e) < 0) {
		must(e.text[0]);
		return 0;
	}
	while ((rc = pcap_read(r, &got, &e)) == 1) {
		must(got.len > 0 && got.len <= PACKET_LEN_MAX);
		for (uint32_t i = 0; i < got.len; i++)
			sum ^= got.data[i];
		must(++n * 16 <= size); /* each has a header of its own */
	}
	must(rc == 0 || e.text[0]);
	pcap_reader_free(r);
	return 0;
}
