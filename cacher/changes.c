#include "changes.h"

#define EPOCHS_VERSION 1

bool tag_is_broad(struct str tag)
{
    return !memchr(tag.p, ':', tag.n);
}

uint32_t epochs_slot(struct epochs *epochs, uint64_t tag)
{
    tag = tag ? tag : 1; /* 0 says that a slot is free */
    for (uint32_t i = EPOCH_EVERYTHING + 1; i < EPOCH_REST; i++) {
        if (epochs->slot[i].name == 0)
            epochs->slot[i].name = tag;
        if (epochs->slot[i].name == tag)
            return i;
    }
    return EPOCH_REST;
}

/* Changes that come close together count as one, as early as the first: a page may be taken as stale a little longer
 * than it is, never shorter. */
static void mark(struct epoch *epoch, uint64_t seq, uint64_t now, bool hard)
{
    if (hard)
        epoch->hard = seq;
    if (epoch->mark[0].seq && now < epoch->mark[0].at + EPOCH_APART) {
        epoch->mark[0].seq = seq;
        return;
    }
    memmove(epoch->mark + 1, epoch->mark, (EPOCH_MARKS - 1) * sizeof(epoch->mark[0]));
    epoch->mark[0].seq = seq;
    epoch->mark[0].at = now;
}

uint32_t epochs_taken(const struct epochs *epochs)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < EPOCHS; i++)
        n += epochs->slot[i].name != 0;
    return n;
}

bool epochs_changed(const struct epochs *epochs, uint32_t slots, uint64_t dispatched, uint64_t *at, bool *hard)
{
    bool changed = false;
    *at = UINT64_MAX;
    *hard = false;
    slots |= 1u << EPOCH_EVERYTHING;
    for (uint32_t i = 0; slots; i++, slots >>= 1) {
        const struct epoch *epoch = &epochs->slot[i];
        if (!(slots & 1) || epoch->mark[0].seq <= dispatched)
            continue;
        changed = true;
        *hard |= epoch->hard > dispatched;
        for (uint32_t m = 0; m < EPOCH_MARKS && epoch->mark[m].seq > dispatched; m++)
            if (epoch->mark[m].at < *at)
                *at = epoch->mark[m].at;
    }
    return changed;
}

static void put(struct buffer *out, uint64_t value)
{
    char text[8];
    for (unsigned i = 0; i < 8; i++)
        text[i] = (char)(value >> (8 * i));
    buffer_append(out, text, 8);
}

static uint64_t take(const unsigned char **p)
{
    uint64_t value = 0;
    for (unsigned i = 0; i < 8; i++)
        value |= (uint64_t) * (*p)++ << (8 * i);
    return value;
}

void epochs_write(const struct epochs *epochs, struct buffer *out)
{
    put(out, EPOCHS_VERSION);
    put(out, epochs->seq);
    for (uint32_t i = 0; i < EPOCHS; i++) {
        put(out, epochs->slot[i].name);
        put(out, epochs->slot[i].hard);
        for (uint32_t m = 0; m < EPOCH_MARKS; m++) {
            put(out, epochs->slot[i].mark[m].seq);
            put(out, epochs->slot[i].mark[m].at);
        }
    }
}

uint64_t epochs_peek(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    return n == EPOCHS_BYTES && take(&p) == EPOCHS_VERSION ? take(&p) : 0;
}

bool epochs_read(struct epochs *epochs, const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    if (n != EPOCHS_BYTES || take(&p) != EPOCHS_VERSION)
        return false;
    epochs->seq = take(&p);
    for (uint32_t i = 0; i < EPOCHS; i++) {
        epochs->slot[i].name = take(&p);
        epochs->slot[i].hard = take(&p);
        for (uint32_t m = 0; m < EPOCH_MARKS; m++) {
            epochs->slot[i].mark[m].seq = take(&p);
            epochs->slot[i].mark[m].at = take(&p);
        }
    }
    return true;
}

static uint64_t change_epoch(struct changes *changes, uint32_t slot, uint64_t now, bool hard)
{
    uint64_t seq = ++changes->epochs.seq;
    mark(&changes->epochs.slot[slot], seq, now, hard);
    return seq;
}

uint64_t changes_everything(struct changes *changes, uint64_t now, bool hard)
{
    return change_epoch(changes, EPOCH_EVERYTHING, now, hard);
}

uint64_t changes_broad(struct changes *changes, uint64_t now, uint64_t tag, bool hard)
{
    return change_epoch(changes, epochs_slot(&changes->epochs, tag), now, hard);
}

static uint64_t change_place(struct changes *changes, uint64_t name, bool hard)
{
    uint64_t seq = ++changes->epochs.seq;
    changes->place[name % CHANGE_PLACES].soft = seq;
    if (hard)
        changes->place[name % CHANGE_PLACES].hard = seq;
    return seq;
}

uint64_t changes_row(struct changes *changes, uint64_t tag, bool hard)
{
    return change_place(changes, tag, hard);
}

uint64_t changes_key(struct changes *changes, struct hash key, bool hard)
{
    return change_place(changes, key.b, hard);
}

uint64_t changes_prefix(struct changes *changes, bool hard)
{
    uint64_t seq = ++changes->epochs.seq;
    changes->prefix_soft = seq;
    if (hard)
        changes->prefix_hard = seq;
    return seq;
}

static void later(struct since *since, uint64_t soft, uint64_t hard, uint64_t dispatched)
{
    if (soft > dispatched && soft > since->soft)
        since->soft = soft;
    if (hard > dispatched && hard > since->hard)
        since->hard = hard;
}

struct since changes_since(const struct changes *changes, struct hash key, const uint64_t *row_tags, uint32_t n,
                           uint32_t slots, uint64_t dispatched)
{
    struct since since = {0, 0};
    const uint64_t own = key.b % CHANGE_PLACES;
    later(&since, changes->place[own].soft, changes->place[own].hard, dispatched);
    later(&since, changes->prefix_soft, changes->prefix_hard, dispatched);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t place = row_tags[i] % CHANGE_PLACES;
        later(&since, changes->place[place].soft, changes->place[place].hard, dispatched);
    }
    slots |= 1u << EPOCH_EVERYTHING;
    for (uint32_t i = 0; slots; i++, slots >>= 1)
        if (slots & 1)
            later(&since, changes->epochs.slot[i].mark[0].seq, changes->epochs.slot[i].hard, dispatched);
    return since;
}
