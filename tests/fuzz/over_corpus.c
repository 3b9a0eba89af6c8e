/* over_corpus.c - runs a fuzz target once over each file of a directory: without libFuzzer, so that
 * every compiler and sanitizer sees what the fuzzer has found so far. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include "sixgate/base/must.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data;
	long size;

	if (!f || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) < 0) {
		perror(path);
		exit(1);
	}
	rewind(f);
	data = malloc(size ? (size_t)size : 1); /* its exact size: ASan sees a read behind it */
	must(data && fread(data, 1, (size_t)size, f) == (size_t)size);
	fclose(f);
	LLVMFuzzerTestOneInput(data, (size_t)size);
	free(data);
}

int main(int argc, char **argv)
{
	char path[4096];
	struct dirent *d;
	int n = 0;
	DIR *dir;

	dir = argc == 2 ? opendir(argv[1]) : NULL;
	if (!dir) {
		fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", argv[0]);
		return 2;
	}
	while ((d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", argv[1], d->d_name);
		run_file(path);
		n++;
	}
	closedir(dir);
	printf("%d inputs\n", n);
	return n > 0 ? 0 : 1; /* a target without seeds tests nothing */
}
