/*
 * One batch of statements on its way through the database: checked against the catalogue, copied out of its message,
 * sent, perhaps sent again, and answered. Whoever has it in a list owns it.
 */
#ifndef FILMYFLY_JOB_H
#define FILMYFLY_JOB_H

#include <libpq-fe.h>
#include <sys/queue.h>

#include "messages.h"
#include "statements.h"

/* Which connections run a batch: long statements must not hold up short ones, and only one connection may write. */
enum lane { LANE_SHORT, LANE_LONG, LANE_WRITE, LANES };

struct ticket;
struct job;

/* Told once when the batch is over, in place of an answer to a ticket. failed is NULL: the results are in the job,
 * which is freed afterwards; or a sentence. */
typedef void job_over(void *user, struct job *job, enum cause cause, const char *failed);

struct job_item {
    const struct statement *statement;
    const char *const *parameter; /* NUL-terminated; NULL is NULL */
    PGresult *result;             /* owned; NULL until it is there */
};

struct job {
    TAILQ_ENTRY(job) link;
    struct ticket *ticket; /* NULL: it was answered; nobody waits for it any more */
    job_over *over;        /* in place of a ticket; NULL: none, or it was told */
    void *user;
    uint64_t deadline; /* CLOCK_MONOTONIC, ns */
    uint64_t sent;     /* when it was last sent, ns */
    unsigned sends;
    enum lane lane;
    char trace[LIMIT_NAME + 1]; /* the request's name in logs */
    unsigned prelude;           /* statements sent in front of ours, of this sending */
    unsigned received;          /* answers that came so far, of this sending */
    PGresult *error;            /* owned; the first error of this sending */
    uint32_t failed;            /* item that the error is of */
    uint32_t n;
    struct job_item item[];
};

TAILQ_HEAD(job_list, job);

/*
 * Checks a QUERY against the catalogue and copies what is needed. NULL with one sentence when it is wrong, or with an
 * empty sentence when memory is out. The ticket is set by the caller.
 */
struct job *job_new(const struct catalogue *catalogue, const struct message *query, char *error, size_t error_size);
/* Somebody still waits for its answer. */
static inline bool job_is_awaited(const struct job *job)
{
    return job->ticket || job->over;
}

/* Its results, and what it remembers of its last sending, are gone: it can be sent again. */
void job_reset(struct job *job);
void job_free(struct job **job);

#endif
