/* Bytecode by path; a file's time and size tell whether it is still the same. */
#include "script/library.h"

#include "base/buffer.h"
#include "base/list.h"
#include "base/memory.h"
#include "script/state.h"

#include <pthread.h>
#include <sys/stat.h>

/* One file. Counted: it may be in use while a newer one takes its place. */
struct compiled {
    struct link link;
    char *path;         /* owned */
    struct buffer code; /* owned */
    struct timespec changed;
    off_t size_bytes;
};

struct library {
    pthread_mutex_t lock;
    struct list files; /* struct compiled, owned */
};

static void compiled_destroy(void *object)
{
    struct compiled *file = object;
    memory_free_raw(file->path);
    buffer_release(&file->code);
}

static void destroy(void *object)
{
    struct library *library = object;
    for (struct link *link; (link = list_pop(&library->files));)
        memory_release(CONTAINER_OF(link, struct compiled, link));
    pthread_mutex_destroy(&library->lock);
}

int library_create(struct library **libraryp)
{
    struct library *library = memory_alloc(sizeof *library, destroy);
    if (!library)
        return ERROR_MEMORY;
    pthread_mutex_init(&library->lock, NULL);
    *libraryp = library;
    return 0;
}

static struct compiled *find(const struct library *library, const char *path)
{
    LIST_FOR_EACH (link, &library->files) {
        struct compiled *file = CONTAINER_OF(link, struct compiled, link);
        if (strcmp(file->path, path) == 0)
            return file;
    }
    return NULL;
}

/* @return shared; NULL: not known, or it has changed */
static struct compiled *take(struct library *library, const char *path, const struct stat *now)
{
    pthread_mutex_lock(&library->lock);
    struct compiled *file = find(library, path);
    bool is_same = file && file->size_bytes == now->st_size &&
                   file->changed.tv_sec == now->st_mtim.tv_sec &&
                   file->changed.tv_nsec == now->st_mtim.tv_nsec;
    if (is_same)
        memory_ref(file);
    pthread_mutex_unlock(&library->lock);
    return is_same ? file : NULL;
}

/* @param file  given; it replaces an older one */
static void put(struct library *library, struct compiled *file)
{
    pthread_mutex_lock(&library->lock);
    struct compiled *older = find(library, file->path);
    if (older)
        list_remove(&older->link);
    list_append(&library->files, &file->link);
    pthread_mutex_unlock(&library->lock);
    memory_release(older);
}

static int write_code(lua_State *L, const void *piece, size_t size_bytes, void *arg)
{
    (void)L;
    struct buffer *code = arg;
    buffer_append(code, (struct text){piece, size_bytes});
    return code->error;
}

/* Keep the function on top, when there is memory to keep it in. */
static void keep(lua_State *L, struct library *library, const char *path, const struct stat *now)
{
    struct compiled *file = memory_alloc(sizeof *file, compiled_destroy);
    if (!file)
        return;
    file->changed = now->st_mtim;
    file->size_bytes = now->st_size;
    file->path = text_strdup(text_of(path));
    if (!file->path || lua_dump(L, write_code, &file->code))
        memory_release(file);
    else
        put(library, file);
}

/* Push the file as a function, or the reason why not. @return of luaL_loadfile() */
static int load(lua_State *L, struct library *library, const char *path, const struct stat *now)
{
    struct compiled *file = take(library, path, now);
    if (!file) {
        int status = luaL_loadfile(L, path);
        if (status == 0)
            keep(L, library, path, now);
        return status;
    }
    const char *name = lua_pushfstring(L, "@%s", path);
    int status = luaL_loadbuffer(L, file->code.p, file->code.n, name);
    lua_remove(L, -2);
    memory_release(file);
    return status;
}

/* A searcher of `package.loaders`: the module's file as a function, or why there is none. */
static int search(lua_State *L)
{
    static const char *const shapes[] = {"%s/%s.lua", "%s/%s/init.lua"};
    struct library *library = lua_touserdata(L, lua_upvalueindex(1));
    const char *name = luaL_gsub(L, luaL_checkstring(L, 1), ".", "/");
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        struct stat now;
        const char *path = lua_pushfstring(L, shapes[i], generation_of(L)->lua_dir, name);
        if (stat(path, &now))
            continue;
        return load(L, library, path, &now) ? lua_error(L) : 1;
    }
    lua_pushfstring(L, "\n\tno file '%s/%s.lua'", generation_of(L)->lua_dir, name);
    return 1;
}

void library_install(lua_State *L, struct library *library)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "loaders");
    for (int i = (int)lua_objlen(L, -1); i >= 2; i--) { /* behind package.preload */
        lua_rawgeti(L, -1, i);
        lua_rawseti(L, -2, i + 1);
    }
    lua_pushlightuserdata(L, library);
    lua_pushcclosure(L, search, 1);
    lua_rawseti(L, -2, 2);
    lua_pop(L, 2);
}
