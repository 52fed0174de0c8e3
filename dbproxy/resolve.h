/* Host names to addresses, in a thread that may take as long as the resolver likes: nobody waits for it. */
#ifndef FILMYFLY_RESOLVE_H
#define FILMYFLY_RESOLVE_H

#include <stdbool.h>
#include <stddef.h>

#define RESOLVED_MAX 32

struct resolved {
    unsigned n;
    struct {
        unsigned host;    /* which of the names */
        char address[64]; /* numeric */
    } item[RESOLVED_MAX];
    char error[256]; /* why the last name that failed did; "" when none did */
};

struct resolve;

/* Starts; the names are copied, and an empty one is passed over. NULL with errno when there is no memory or no thread.
 */
struct resolve *resolve_start(const char *const *names, unsigned n);
/* Once it is over: true, the addresses in the order of the names, and *resolve is freed and NULL. */
bool resolve_poll(struct resolve **resolve, struct resolved *resolved);
/* Its answer is not wanted; the thread cleans up when it ends. */
void resolve_abandon(struct resolve **resolve);

#endif
