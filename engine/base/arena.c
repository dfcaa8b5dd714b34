/* A bump allocator in chunks. */
#include "base/arena.h"

#include "base/memory.h"

#include <stdarg.h>
#include <stdio.h>

#define ARENA_ALIGN       16
#define ARENA_CHUNK_BYTES 1936 /* with its header and malloc's a chunk stays below 2 KiB */

struct arena_chunk {
    struct arena_chunk *next;
    size_t padding; /* keeps the bytes that follow aligned to ARENA_ALIGN */
};

static bool grow(struct arena *arena, size_t size_bytes)
{
    size_t room = size_bytes > ARENA_CHUNK_BYTES ? size_bytes : ARENA_CHUNK_BYTES;
    struct arena_chunk *chunk = memory_raw(sizeof *chunk + room);
    if (!chunk)
        return false;
    chunk->next = arena->chunks;
    arena->chunks = chunk;
    arena->at = (char *)(chunk + 1);
    arena->end = arena->at + room;
    return true;
}

void *arena_alloc(struct arena *arena, size_t size_bytes)
{
    if (size_bytes > SIZE_MAX - ARENA_ALIGN)
        return NULL;
    size_t size = (size_bytes + ARENA_ALIGN - 1) & ~(size_t)(ARENA_ALIGN - 1);
    bool fits = arena->at && size <= (size_t)(arena->end - arena->at);
    if (!fits && !grow(arena, size))
        return NULL;
    void *piece = arena->at;
    arena->at += size;
    return piece;
}

void *arena_zalloc(struct arena *arena, size_t size_bytes)
{
    void *piece = arena_alloc(arena, size_bytes);
    return piece ? memset(piece, 0, size_bytes) : NULL;
}

struct text arena_copy(struct arena *arena, struct text t)
{
    if (!text_is_set(t))
        return TEXT_NONE;
    char *copy = arena_alloc(arena, t.n ? t.n : 1);
    if (!copy)
        return TEXT_NONE;
    memcpy(copy, t.p, t.n);
    return (struct text){copy, t.n};
}

struct text arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    char *at = arena->at; /* where the text will usually stay */
    size_t room = at ? (size_t)(arena->end - at) : 0;
    va_start(args, format);
    int n = vsnprintf(at, room, format, args);
    va_end(args);
    if (n < 0)
        return TEXT_NONE;
    char *out = arena_alloc(arena, (size_t)n + 1);
    if (!out)
        return TEXT_NONE;
    if (out != at || (size_t)n >= room) {
        va_start(args, format);
        vsnprintf(out, (size_t)n + 1, format, args);
        va_end(args);
    }
    return (struct text){out, (size_t)n};
}

void arena_reset(struct arena *arena)
{
    struct arena_chunk *chunk = arena->chunks;
    while (chunk) {
        struct arena_chunk *next = chunk->next;
        memory_free_raw(chunk);
        chunk = next;
    }
    *arena = (struct arena){0};
}

void arena_lend(struct arena *arena, void *block, size_t size_bytes)
{
    size_t skip = (size_t)(-(uintptr_t)block & (ARENA_ALIGN - 1));
    if (size_bytes <= skip)
        return;
    arena->at = (char *)block + skip;
    arena->end = (char *)block + size_bytes;
}
