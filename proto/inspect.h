/*
 * What a thread that passes messages shows to those who look on, and hears from those who look after it: an XPUB socket
 * in the run directory, <instance>.inspect (PROTOCOL.md, "Inspection"). Who subscribes is shown each message that
 * passes, redacted (redact.h); who cannot keep up misses some, which is counted, and nothing waits for him. The loop
 * polls it; it has no thread of its own.
 */
#ifndef FILMYFLY_INSPECT_H
#define FILMYFLY_INSPECT_H

#include <stddef.h>

#include "frame.h"
#include "registry.h"

struct inspect;

enum inspect_command {
    INSPECT_RESTART, /* leave gracefully, and be started again */
    INSPECT_DRAIN,   /* take no new work, and stay */
};

struct inspect_options {
    const struct claim *claim; /* used by inspect_new only */
    int thread; /* its number where several threads pass messages: <instance>.<thread>.inspect; else -1 */
    void (*on_command)(void *user, enum inspect_command command);
    void *user;
};

/* Makes the socket, readable and writable for owner and group. NULL with one sentence in error. */
struct inspect *inspect_new(const struct inspect_options *options, char *error, size_t error_size);
/* Takes the socket's name away, if it is still its own, and leaves the sides unwatched: they must still be there. */
void inspect_free(struct inspect **inspect);

/* Shows what passes this side too. It must be open, and have a name for its peers. */
void inspect_add(struct inspect *inspect, struct frame_side *side);

/* Hears what came: call every 20 ms. */
void inspect_turn(struct inspect *inspect);

#endif
