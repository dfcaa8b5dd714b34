/* The public functions of io.h: each hands over to the world that the object belongs to. */
#include "io/io.h"

#include "io/world.h"

#include "base/error.h"

bool io_is_virtual(const struct io *io)
{
    return io->world->is_virtual;
}

uint64_t io_wall_us(const struct io *io)
{
    return io->world->wall_us(io);
}

void io_seed_random(struct io *io, struct random *random)
{
    io->world->seed_random(io, random);
}

int io_route(struct io *io, const struct address *to, struct address *local)
{
    return io->world->route ? io->world->route(to, local) : ERROR_UNSUPPORTED;
}

int loop_create(struct loop **loopp, struct io *io, const char *name)
{
    return io->world->loop_create(loopp, io, name);
}

void loop_set_handlers(struct loop *loop, const struct loop_handlers *handlers)
{
    loop->handlers = *handlers;
}

int loop_start(struct loop *loop)
{
    return loop->world->loop_start(loop);
}

int loop_run(struct loop *loop)
{
    return loop->world->loop_run(loop);
}

void loop_stop(struct loop *loop)
{
    loop->world->loop_stop(loop);
}

void loop_join(struct loop *loop)
{
    loop->world->loop_join(loop);
}

void loop_wake(struct loop *loop)
{
    loop->world->loop_wake(loop);
}

const char *loop_set_cause(struct loop *loop, const char *cause)
{
    const char *before = loop->cause;
    loop->cause = cause;
    return before;
}

const char *loop_cause(const struct loop *loop)
{
    return loop->cause;
}

bool loop_is_traced(const struct loop *loop)
{
    return loop->world->is_virtual;
}

void loop_set_patient(struct loop *loop, bool is_patient)
{
    if (loop->world->loop_set_patient)
        loop->world->loop_set_patient(loop, is_patient);
}

struct timers *loop_timers(struct loop *loop)
{
    return &loop->timers;
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return loop->now_us / 1000;
}

uint64_t loop_now_us(const struct loop *loop)
{
    return loop->now_us;
}

uint64_t loop_clock_us(const struct loop *loop)
{
    return loop->world->loop_clock_us(loop);
}

int loop_resolve(struct loop *loop, struct text name, enum resolve_type type, uint32_t timeout_ms,
                 resolve_handler *handler, void *arg)
{
    return loop->world->loop_resolve(loop, name, type, timeout_ms, handler, arg);
}

int udp_open(struct udp **udpp, struct io *io, const struct address *local,
             const struct udp_options *options)
{
    return io->world->udp_open(udpp, io, local, options);
}

int udp_start(struct udp *udp, struct loop *loop, udp_receive_handler *receive,
              udp_error_handler *error, void *arg)
{
    if (!engine_check(!udp->loop && udp->world == loop->world))
        return ERROR_STATE;
    udp->receive = receive;
    udp->error = error;
    udp->arg = arg;
    return udp->world->udp_start(udp, loop);
}

int udp_send(struct udp *udp, const struct address *destination, struct text bytes)
{
    return udp->world->udp_send(udp, destination, bytes);
}

int udp_queue(struct udp *udp, const struct address *destination, struct text bytes,
              const struct buffer *in)
{
    return udp->world->udp_queue(udp, destination, bytes, in);
}

void udp_flush(struct udp *udp)
{
    udp->world->udp_flush(udp);
}

const struct address *udp_local(const struct udp *udp)
{
    return &udp->local;
}

uint64_t udp_kernel_drops(struct udp *udp)
{
    return udp->world->udp_kernel_drops(udp);
}

uint64_t udp_send_failures(const struct udp *udp)
{
    return udp->world->udp_send_failures(udp);
}

void udp_close(struct udp *udp)
{
    if (udp)
        udp->world->udp_close(udp);
}
