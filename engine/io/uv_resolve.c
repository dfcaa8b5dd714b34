/* Names of the real world. */
#include "base/error.h"
#include "io/uv_world.h"
int real_loop_resolve(struct loop *loop, struct text name, enum resolve_type type,
                      uint32_t timeout_ms, resolve_handler *handler, void *arg)
{
    (void)loop;
    (void)name;
    (void)type;
    (void)timeout_ms;
    (void)handler;
    (void)arg;
    return ERROR_LIMIT;
}
void resolver_release(struct resolver *resolver)
{
    (void)resolver;
}
