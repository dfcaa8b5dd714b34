/*
 * What it costs to count a call in a profile, to take it to another value, and to ask how many there are, while
 * so many tracked calls are up. usage: profile_counts CALLS...; a line for each: ns per operation, bytes per call.
 */
#include "base/buffer.h"
#include "base/memory.h"
#include "dialog/track.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define ROUNDS 200000
#define BUSY   100 /* calls that are asked for; CALLS is at least that */

/* One worker's calls. */
struct world {
    struct io *io;
    struct loop *loop;
    struct settings settings;
    struct counters counters;
    struct log log;
    struct profiles *profiles;
    struct dialogs *dialogs;
    struct track **tracks; /* borrowed, of the dialogs */
    size_t count, bytes;
};

static void need(bool is_fine, const char *what)
{
    if (is_fine)
        return;
    fprintf(stderr, "profile_counts: %s\n", what);
    exit(1);
}

static void open_world(struct world *world, size_t count)
{
    *world = (struct world){.count = count, .tracks = calloc(count, sizeof *world->tracks)};
    settings_default(&world->settings);
    world->settings.limits_dialogs = world->settings.limits_profile_values = count + 1000;
    need(world->tracks && !io_lab_create(&world->io, 1) &&
             !loop_create(&world->loop, world->io, "worker") && !loop_start(world->loop) &&
             !profiles_create(&world->profiles) &&
             !dialogs_create(&world->dialogs,
                             &(struct dialogs_options){
                                 .loop = world->loop,
                                 .settings = &world->settings,
                                 .counters = &world->counters,
                                 .log = &world->log,
                                 .hash_key = {1, 2},
                                 .profiles = world->profiles,
                             }),
         "no memory");
}

static struct text print(struct buffer *out, const char *format, size_t number)
{
    buffer_clear(out);
    buffer_printf(out, "%s%zu", format, number);
    return buffer_text(out);
}

static void start_call(struct world *world, size_t number)
{
    struct buffer bytes = {0}, account = {0};
    struct message *invite = NULL;
    struct message_fault fault;
    struct dialog *dialog;
    struct track *track = NULL;
    buffer_printf(
        &bytes,
        "INVITE sip:bob@example.net SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK%zu\r\n"
        "From: <sip:alice@example.com>;tag=a%zu\r\nTo: <sip:bob@example.net>\r\n"
        "Call-ID: call-%zu@192.0.2.1\r\nCSeq: 1 INVITE\r\n"
        "Contact: <sip:alice@192.0.2.1:5060>\r\nContent-Length: 0\r\n\r\n",
        number, number, number);
    need(!message_parse(&invite, buffer_text(&bytes), &world->settings, &fault) &&
             !dialog_create(&dialog, world->dialogs, invite) && !track_create(&track, dialog),
         "no call");
    need(!track_set_profile(track, TEXT("trunk"), TEXT("outbound"), 0) &&
             !track_set_profile(track, TEXT("account"), print(&account, "a", number), 0),
         "not counted");
    world->tracks[number] = track;
    world->bytes += dialog_memory_bytes(dialog);
    memory_release(invite);
    buffer_release(&bytes);
    buffer_release(&account);
}

static double now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

/* One of a hundred that lie all over the table: how many others are up is what differs. */
static struct track *some(const struct world *world, size_t round)
{
    return world->tracks[round % BUSY * (world->count / BUSY)];
}

static double measure_move(const struct world *world)
{
    double begun = now_ns();
    for (size_t i = 0; i < ROUNDS; i++)
        track_set_profile(some(world, i), TEXT("trunk"),
                          i / BUSY % 2 ? TEXT("outbound") : TEXT("inbound"), 1000000);
    return (now_ns() - begun) / ROUNDS;
}

static double measure_join(const struct world *world)
{
    double begun = now_ns();
    for (size_t i = 0; i < ROUNDS; i++) {
        track_set_profile(some(world, i), TEXT("conference"), TEXT("one"), 0);
        track_unset_profile(some(world, i), TEXT("conference"));
    }
    return (now_ns() - begun) / ROUNDS;
}

static double measure_count(const struct world *world, struct text value)
{
    uint64_t sum = 0;
    double begun = now_ns();
    for (size_t i = 0; i < ROUNDS; i++)
        sum += profiles_count(world->profiles, TEXT("trunk"), value);
    need(sum > 0, "nobody is counted");
    return (now_ns() - begun) / ROUNDS;
}

static void measure(size_t count)
{
    struct world world;
    open_world(&world, count);
    for (size_t i = 0; i < count; i++)
        start_call(&world, i);
    printf("%zu %.0f %.0f %.0f %.0f %zu\n", count, measure_join(&world), measure_move(&world),
           measure_count(&world, TEXT("outbound")), measure_count(&world, TEXT_NONE),
           world.bytes / count);
    dialogs_stop(world.dialogs);
    memory_release(world.dialogs);
    memory_release(world.profiles);
    loop_stop(world.loop);
    loop_join(world.loop);
    memory_release(world.loop);
    memory_release(world.io);
    free(world.tracks);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        measure(strtoul(argv[i], NULL, 10) > BUSY ? strtoul(argv[i], NULL, 10) : BUSY);
    return argc > 1 ? 0 : 2;
}
