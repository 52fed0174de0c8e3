/*
 * Compresses pages well, when there is nothing else to do: one thread of the lowest priority (SCHED_IDLE) makes of a
 * stored body the best gzip and brotli. It knows no store: it is given bytes and gives bytes back.
 */
#ifndef FILMYFLY_SQUEEZE_H
#define FILMYFLY_SQUEEZE_H

#include "hash.h"

#define SQUEEZE_SIGNAL SIGRTMIN
#define SQUEEZE_QUEUE  64     /* pages waiting; more are refused, and come again when they are read again */
#define SQUEEZE_MOST   262144 /* bytes of a plain body: what the best brotli takes in a second */

struct squeeze;

struct squeezed {
    struct hash key;
    uint64_t stamp;  /* as it was given */
    struct str gzip; /* STR_NONE: could not be made, or is no smaller than the plain body */
    struct str brotli;
};

/*
 * Starts the thread. A signal (SQUEEZE_SIGNAL) is its own then, and must not be used for anything else. NULL when there
 * is none to be had.
 */
struct squeeze *squeeze_new(void);
/* Ends it, within the time of one page. */
void squeeze_free(struct squeeze **squeeze);

/* Somebody waits for a page: what is at work rests, within a quarter of a millisecond, until nobody does; under steady
 * load it goes on a little now and then. */
void squeeze_rest(struct squeeze *squeeze, bool rest);

/* Takes a copy of the body, which is gzip or plain. stamp: tells this version of the page from later ones. False: the
 * queue is full, or has it already. */
bool squeeze_give(struct squeeze *squeeze, struct hash key, uint64_t stamp, struct str body, bool gzip);

/* The next that is done; good until the next call. False: none. */
bool squeeze_take(struct squeeze *squeeze, struct squeezed *squeezed);

#endif
