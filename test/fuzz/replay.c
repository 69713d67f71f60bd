/*
 * replay.c: runs a fuzzer's harness over the files in some folders, without a
 * fuzzer.  Folders that do not exist are passed over.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

extern int	LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
replay_file(const char *path)
{
	FILE	   *file = fopen(path, "rb");
	long		size;
	uint8_t    *data;

	if (file == NULL || fseek(file, 0, SEEK_END) != 0 || (size = ftell(file)) < 0)
	{
		perror(path);
		exit(2);
	}
	rewind(file);
	data = malloc(size > 0 ? size : 1);
	if (data == NULL || fread(data, 1, size, file) != (size_t) size)
	{
		perror(path);
		exit(2);
	}
	fclose(file);
	printf("%s\n", path);
	fflush(stdout);
	LLVMFuzzerTestOneInput(data, size);
	free(data);
}

int
main(int argc, char **argv)
{
	int			count = 0;

	for (int i = 1; i < argc; i++)
	{
		DIR		   *folder = opendir(argv[i]);
		struct dirent *entry;

		while (folder != NULL && (entry = readdir(folder)) != NULL)
		{
			char		path[4096];

			if (entry->d_name[0] == '.')
				continue;
			snprintf(path, sizeof(path), "%s/%s", argv[i], entry->d_name);
			replay_file(path);
			count++;
		}
		if (folder != NULL)
			closedir(folder);
	}
	printf("%d inputs\n", count);
	return count > 0 ? 0 : 1;
}
