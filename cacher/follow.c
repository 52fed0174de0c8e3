#include "follow.h"

#include <stdlib.h>

#include "buffer.h"
#include "clock.h"
#include "counters.h"
#include "fault.h"
#include "log.h"
#include "reader.h"

#define CURSOR     "cursor" /* its name in the store */
#define CURSOR_MAX 65536    /* bytes: a parameter's limit */
#define QUESTION   (5 * SECOND)
#define PAUSE      (500 * MILLISECOND) /* after what went wrong */
#define ROWS_MAX   10000               /* of an answer */

struct follow {
    struct cache *cache;
    struct upstream *changes;
    bool asking;
    uint64_t again, questions; /* again: when to ask next, ns */
    struct buffer asked;       /* the cursor of the question; empty: there was none */
    struct buffer kept;        /* the last cursor, for when there is no store */
    struct message query;      /* large, so kept */
    struct counter *tags, *everything;
    struct log_limit limit;
};

struct follow *follow_new(const struct settings *settings, struct cache *cache, char *error, size_t error_size)
{
    struct follow *f = calloc(1, sizeof(*f));
    if (!f) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    f->cache = cache;
    f->asked.limit = f->kept.limit = CURSOR_MAX;
    f->changes = upstream_new(
        &(struct upstream_options){
            .stage = "changes", .own_stage = "cacher", .own_instance = "1", .settings = settings, .side = "changes"},
        error, error_size);
    if (!f->changes) {
        follow_free(&f);
        return NULL;
    }
    f->tags = counter("changes.tags", COUNTER_SUM);
    f->everything = counter("changes.everything", COUNTER_SUM);
    return f;
}

void follow_free(struct follow **slot)
{
    struct follow *f = *slot;
    if (!f)
        return;
    upstream_free(&f->changes);
    buffer_release(&f->asked);
    buffer_release(&f->kept);
    free(f);
    *slot = NULL;
}

struct upstream *follow_upstream(struct follow *f)
{
    return f->changes;
}

/* One row: the next cursor, or a tag and whether what it stands for was taken away. */
struct row {
    struct str cursor, tag;
    bool hard;
};

static bool read_row(struct reader *r, struct row *row)
{
    struct reader_item hard;
    uint32_t n;
    if (!reader_array(r, 3, &n) || n != 3 || !reader_str_or_nil(r, CURSOR_MAX, &row->cursor) ||
        !reader_str_or_nil(r, LIMIT_TAG, &row->tag) || !reader_item(r, &hard))
        return false;
    row->hard = hard.kind == READ_BOOL && hard.as.boolean;
    return hard.kind == READ_BOOL || hard.kind == READ_NIL;
}

/* To the rows of the only statement of a RESULT's body: [ [ [ column… ], [ row… ], count ] ]. */
static bool find_rows(struct reader *r, uint32_t *rows)
{
    uint32_t n;
    return reader_array(r, 1, &n) && n == 1 && reader_array(r, 3, &n) && n == 3 && reader_skip(r) &&
           reader_array(r, ROWS_MAX, rows);
}

/* Goes over the answer twice: nothing is done of one that is damaged. */
static bool read_answer(zmq_msg_t *body, struct str *cursor)
{
    struct reader r = reader_of(zmq_msg_data(body), zmq_msg_size(body));
    struct row row;
    uint32_t rows;
    *cursor = STR_NONE;
    if (!find_rows(&r, &rows))
        return false;
    for (uint32_t i = 0; i < rows; i++) {
        if (!read_row(&r, &row))
            return false;
        if (row.cursor.n)
            *cursor = row.cursor;
    }
    return cursor->n && reader_skip(&r) && reader_end(&r);
}

static void tell_everything(struct follow *f, bool hard)
{
    count(f->everything, 1);
    cache_everything_changed(f->cache, hard);
}

/* Returns whether everything changed. */
static bool tell(struct follow *f, zmq_msg_t *body)
{
    struct reader r = reader_of(zmq_msg_data(body), zmq_msg_size(body));
    struct row row;
    uint32_t rows = 0;
    bool everything = false;
    find_rows(&r, &rows);
    for (uint32_t i = 0; i < rows && read_row(&r, &row); i++) {
        if (str_eq(row.tag, STR("everything"))) {
            everything = true;
            tell_everything(f, row.hard);
        } else if (row.tag.n) {
            count(f->tags, 1);
            cache_tag_changed(f->cache, row.tag, row.hard);
        }
    }
    return everything;
}

/* Whoever keeps pages of before the first cursor does not know what they have missed. */
static void begin(struct follow *f)
{
    bool empty = cache_is_empty(f->cache);
    log_info("follows the changes from now on%s", empty ? "" : "; all that is stored is made anew");
    if (!empty)
        tell_everything(f, false);
}

static void keep(struct follow *f, struct str cursor)
{
    cache_remember(f->cache, CURSOR, cursor);
    buffer_reset(&f->kept);
    buffer_append_str(&f->kept, cursor);
}

static void on_answer(void *user, const struct message *answer, zmq_msg_t *body)
{
    struct follow *f = user;
    struct str cursor;
    uint64_t now = clock_now();
    f->asking = false;
    if (answer->type != MESSAGE_RESULT || !read_answer(body, &cursor)) {
        bool known = answer->type == MESSAGE_FAILED || answer->type == MESSAGE_REFUSED;
        f->again = now + PAUSE;
        log_limited(&f->limit, LOG_LEVEL_WARNING, "what changed is not known: %s " STR_FMT "; asking again",
                    message_name(answer->type), STR_ARG(known ? answer->text : STR_NONE));
        return;
    }
    if (f->asked.n == 0)
        begin(f);
    /* Asking at once would bring the same when the log cannot be followed just now, or the store keeps no cursor. */
    bool unkept = f->kept.n && !str_eq(buffer_str(&f->kept), buffer_str(&f->asked));
    f->again = tell(f, body) || unkept ? now + PAUSE : now;
    fault("cacher-changes-told", STR(""));
    keep(f, cursor);
}

static void ask(struct follow *f, uint64_t now)
{
    if (cache_has_store(f->cache) && !cache_is_readable(f->cache)) { /* its cursor is not known; it may come again */
        f->again = now + PAUSE;
        return;
    }
    struct str cursor = cache_recall(f->cache, CURSOR);
    if (!cursor.p && !cache_has_store(f->cache))
        cursor = buffer_str(&f->kept);
    buffer_reset(&f->asked);
    if (cursor.p)
        buffer_append_str(&f->asked, cursor);
    f->query.type = MESSAGE_QUERY;
    f->query.deadline = now + QUESTION;
    f->query.trace = STR("changes");
    f->query.batch.n = 1;
    f->query.batch.item[0].name = STR("changes_since");
    f->query.batch.item[0].n = 1;
    f->query.batch.item[0].parameter[0] = f->asked.n ? buffer_str(&f->asked) : STR_NONE;
    f->asking = true;
    /* A key of its own: this question is under way whenever a dbproxy dies, and no poison. */
    upstream_send(f->changes, &f->query, NULL, ++f->questions, true, on_answer, f);
}

void follow_tick(struct follow *f)
{
    uint64_t now = clock_now();
    if (!f->asking && now >= f->again && upstream_ready(f->changes) > 0)
        ask(f, now);
}
