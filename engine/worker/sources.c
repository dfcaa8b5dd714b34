/* Names and texts of files; nothing here is kept. */
#include "worker/sources.h"

#include "base/buffer.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/memory.h"
#include "base/rows.h"

#include <string.h>
#include <unistd.h>

void names_free(char **names, size_t count)
{
    for (size_t i = 0; names && i < count; i++)
        memory_free_raw(names[i]);
    memory_free_raw(names);
}

/* The list has room. @return 0 or ERROR_MEMORY */
static int add_name(char **names, size_t *count, const char *name)
{
    names[*count] = text_strdup(text_of(name));
    if (!names[*count])
        return ERROR_MEMORY;
    ++*count;
    return 0;
}

int sources_list(const struct configuration *configuration, const struct generation *script,
                 char ***filesp, size_t *count)
{
    size_t script_count;
    char *const *script_files = generation_files(script, &script_count);
    char **files = memory_raw((1 + configuration->file_count + script_count) * sizeof *files);
    *count = 0;
    if (!files)
        return ERROR_MEMORY;
    int error = add_name(files, count, configuration->path);
    for (size_t i = 0; i < configuration->file_count && !error; i++)
        error = add_name(files, count, configuration->files[i]);
    for (size_t i = 0; i < script_count && !error; i++)
        error = add_name(files, count, script_files[i]);
    if (error) {
        names_free(files, *count);
        *count = 0;
        return error;
    }
    *filesp = files;
    return 0;
}

/* ---- hash ---- */

static const struct hash_key key = {1, 2}; /* the texts are the operator's own */

static int add_file(uint64_t *hash, const char *path, char **fault)
{
    struct text text;
    int error = rows_read_file(&text, path, fault);
    if (error)
        return error;
    *hash = *hash * 31 + hash_text(&key, text);
    memory_free_raw((void *)text.p);
    return 0;
}

int sources_hash(const struct configuration *configuration, const struct generation *script,
                 uint64_t *hash, char **fault)
{
    *hash = generation_sources_hash(script);
    int error = add_file(hash, configuration->path, fault);
    for (size_t i = 0; i < configuration->file_count && !error; i++)
        error = add_file(hash, configuration->files[i], fault);
    *hash |= 1;
    return error;
}

/* ---- specs ---- */

/* route.lua -> route_spec.lua, where that is there */
static char *spec_beside(const char *route_path)
{
    struct text path = text_of(route_path);
    struct buffer spec = {0};
    if (path.n > 4 && memcmp(path.p + path.n - 4, ".lua", 4) == 0)
        path.n -= 4;
    buffer_append(&spec, path);
    buffer_append(&spec, (struct text){"_spec.lua", sizeof "_spec.lua"}); /* with its NUL */
    if (!spec.error && access(spec.p, R_OK) == 0)
        return spec.p;
    buffer_release(&spec);
    return NULL;
}

static char *no_spec_fault(const char *route_path)
{
    struct buffer line = {0};
    buffer_printf(&line,
                  "%s has no specs; write some into the file of its name that ends in "
                  "_spec.lua, or name them: reload { specs = { \"route_spec.lua\" } }",
                  route_path);
    char *fault = line.error ? NULL : text_strdup(buffer_text(&line));
    buffer_release(&line);
    return fault;
}

static int list_specs(const struct configuration *configuration, const char *route_path,
                      char **specs, size_t *count, char **fault)
{
    int error = 0;
    for (size_t i = 0; i < configuration->spec_count && !error; i++)
        error = add_name(specs, count, configuration->specs[i]);
    if (error || *count)
        return error;
    specs[0] = spec_beside(route_path);
    if (specs[0]) {
        *count = 1;
        return 0;
    }
    *fault = no_spec_fault(route_path);
    return ERROR_NOT_FOUND;
}

int sources_specs(const struct configuration *configuration, const char *route_path, char ***specsp,
                  size_t *count, char **fault)
{
    char **specs = memory_raw((configuration->spec_count + 1) * sizeof *specs);
    *count = 0;
    if (!specs)
        return ERROR_MEMORY;
    int error = list_specs(configuration, route_path ? route_path : configuration->route_path,
                           specs, count, fault);
    if (error) {
        names_free(specs, *count);
        *count = 0;
        return error;
    }
    *specsp = specs;
    return 0;
}
