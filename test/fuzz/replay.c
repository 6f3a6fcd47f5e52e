/* SPDX-License-Identifier: MIT
 *
 * replay.c: hands every file of the folders named to LLVMFuzzerTestOneInput, for builds without
 * libFuzzer. A folder that is missing or empty is a failure: a corpus that nobody replays is none.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static int
replay_file(const char *path)
{
	FILE *f = fopen(path, "rb");
	uint8_t *data = NULL;
	long n;
	int r = 1;

	if (!f)
		goto out;
	if (fseek(f, 0, SEEK_END) != 0 || (n = ftell(f)) < 0)
		goto out;
	rewind(f);
	data = malloc(n ? (size_t)n : 1); /* just as long, so that ASan sees a step beyond */
	if (!data || fread(data, 1, (size_t)n, f) != (size_t)n)
		goto out;
	LLVMFuzzerTestOneInput(data, (size_t)n);
	r = 0;
out:
	if (r)
		fprintf(stderr, "%s: cannot be read\n", path);
	free(data);
	if (f)
		fclose(f);
	return r;
}

static int
replay_folder(const char *folder)
{
	DIR *d = opendir(folder);
	struct dirent *e;
	char path[4096];
	int n = 0, bad = 0;

	if (!d) {
		fprintf(stderr, "%s: no such folder\n", folder);
		return 1;
	}
	while ((e = readdir(d)) != NULL) {
		if (e->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, e->d_name);
		bad += replay_file(path);
		n++;
	}
	closedir(d);
	printf("%s: %d inputs\n", folder, n);
	return bad || n == 0;
}

int
main(int argc, char **argv)
{
	int bad = argc < 2;

	for (int i = 1; i < argc; i++)
		bad |= replay_folder(argv[i]);
	return bad;
}
