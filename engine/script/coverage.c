/* A short list of files, each with a count per line. The file of the line before is asked first. */
#include "script/coverage.h"

#include "base/error.h"
#include "base/memory.h"
#include "base/text.h"

#include <string.h>

#define LINES_STEP 256 /* counts are made room for in such steps */

struct file {
    char *path;      /* owned */
    uint32_t *count; /* owned */
    size_t lines;
};

struct coverage {
    struct file *files; /* owned */
    size_t file_count;
    size_t last; /* index of the file that ran */
};

static void destroy(void *arg)
{
    struct coverage *coverage = arg;
    for (size_t i = 0; i < coverage->file_count; i++) {
        memory_free_raw(coverage->files[i].path);
        memory_free_raw(coverage->files[i].count);
    }
    memory_free_raw(coverage->files);
}

int coverage_create(struct coverage **coveragep)
{
    struct coverage *coverage = memory_alloc(sizeof *coverage, destroy);
    if (!coverage)
        return ERROR_MEMORY;
    *coveragep = coverage;
    return 0;
}

static struct file *add(struct coverage *coverage, const char *path)
{
    size_t count = coverage->file_count;
    struct file *files = memory_raw_resize(coverage->files, (count + 1) * sizeof *files);
    if (!files)
        return NULL;
    coverage->files = files;
    char *copy = text_strdup(text_of(path));
    if (!copy)
        return NULL;
    files[count] = (struct file){.path = copy};
    coverage->last = count;
    coverage->file_count = count + 1;
    return &files[count];
}

static struct file *find(struct coverage *coverage, const char *path)
{
    for (size_t n = 0; n < coverage->file_count; n++) {
        size_t i = (coverage->last + n) % coverage->file_count;
        if (strcmp(coverage->files[i].path, path) == 0) {
            coverage->last = i;
            return &coverage->files[i];
        }
    }
    return add(coverage, path);
}

static int make_room(struct file *file, size_t line)
{
    if (line < file->lines)
        return 0;
    size_t lines = (line / LINES_STEP + 1) * LINES_STEP;
    uint32_t *count = memory_raw_resize(file->count, lines * sizeof *count);
    if (!count)
        return ERROR_MEMORY;
    memset(count + file->lines, 0, (lines - file->lines) * sizeof *count);
    file->count = count;
    file->lines = lines;
    return 0;
}

void coverage_count(struct coverage *coverage, const char *source, int line)
{
    if (!coverage || source[0] != '@' || line < 1)
        return;
    struct file *file = find(coverage, source + 1);
    if (!file || make_room(file, (size_t)line))
        return;
    if (file->count[line] < UINT32_MAX)
        file->count[line]++;
}

size_t coverage_files(const struct coverage *coverage)
{
    return coverage->file_count;
}

struct coverage_file coverage_file(const struct coverage *coverage, size_t i)
{
    const struct file *file = &coverage->files[i];
    return (struct coverage_file){file->path, file->count, file->lines};
}
