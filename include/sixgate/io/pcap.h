/*
 * pcap.h - packets from capture files to a capture file, on the files' own clock.
 *
 * Reads classic pcap of either byte order and resolution with the link types RAW, IPV4, IPV6,
 * ETHERNET, LINUX_SLL and LINUX_SLL2; packets that are not IP are passed over. The files are
 * untrusted. Writes nanosecond pcap of link type RAW, both sides into one file.
 *
 * A capture does not say which side a packet was seen on, so there is one file for each side; they
 * are merged by time.
 */
#pragma once
#include <stdint.h>
#include <stdio.h>
#include "sixgate/base/err.h"
#include "sixgate/dataplane/port.h"

/** struct pcap_record - one packet of a file; @data: owned by the reader, valid until the next. */
struct pcap_record {
	uint64_t time_ns;    /* since 1970 */
	const uint8_t *data; /* from the IP header on */
	uint32_t len;
};

struct pcap_reader;

/** pcap_reader_new() - @file is owned by the reader, also on failure. Return: 0; -EINVAL if it is
 *  no capture that can be read; -ENOMEM. */
int pcap_reader_new(struct pcap_reader **out, FILE *file, struct err *e);

/** pcap_read() - the next IP packet. Return: 1; 0 at the end (a cut last record is the end, too);
 *  -EINVAL: what follows is no record. */
int pcap_read(struct pcap_reader *r, struct pcap_record *out, struct err *e);

void pcap_reader_free(struct pcap_reader *r);

/** pcap_write_header(), pcap_write_record() - Return: false if the file would not take it. */
bool pcap_write_header(FILE *file);
bool pcap_write_record(FILE *file, uint64_t time_ns, const uint8_t *data, uint32_t len);

/** struct pcap_paths - @inside, @outside: what came in on each side; @write: for what is sent.
 *  Any may be NULL, but not both of the first two. */
struct pcap_paths {
	const char *inside, *outside, *write;
};

/** pcap_port_new() - Return: 0 with @out owned by the caller; negative errno with the file named
 *  in @e. */
int pcap_port_new(struct port **out, const struct pcap_paths *paths, struct err *e);

/** pcap_port_next_ns() - time of the packet that the next rx will return; UINT64_MAX at the end.
 *  All packets of a batch have the same time, to the millisecond. */
uint64_t pcap_port_next_ns(const struct port *port);

/** pcap_port_set_clock() - the time that packets sent from now on are written with. */
void pcap_port_set_clock(struct port *port, uint64_t time_ns);

/** pcap_port_failed() - why it ended, once all is written: 0 at the end of the files, or a negative
 *  errno with @e set: a broken record, or a file that could not be written. */
int pcap_port_failed(struct port *port, struct err *e);
