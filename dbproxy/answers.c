#include "answers.h"

#include <stdio.h>
#include <stdlib.h>

#include "buffer.h"
#include "endpoints.h"
#include "log.h"
#include "rows.h"
#include "tags.h"

#define BODY_FIRST 16384 /* bytes that a body gets room for at once: a page's rows fit */

struct answers {
    struct serve *serve;
    size_t body_max;
    struct tag_set *tags;
    struct message message; /* large, so kept */
    struct log_limit errors, refusals;
};

struct answers *answers_new(struct serve *serve, size_t body_max)
{
    struct answers *a = calloc(1, sizeof(*a));
    if (!a)
        abort();
    a->serve = serve;
    a->body_max = body_max;
    a->tags = tag_set_new();
    return a;
}

void answers_free(struct answers **slot)
{
    if (!*slot)
        return;
    tag_set_free(&(*slot)->tags);
    free(*slot);
    *slot = NULL;
}

static void free_body(void *p, void *hint)
{
    (void)hint;
    free(p);
}

static void tell(struct job *job, enum cause cause, const char *failed)
{
    job_over *over = job->over;
    job->over = NULL;
    over(job->user, job, cause, failed);
}

void answer_rows(struct answers *a, struct job *job)
{
    struct buffer body = {.limit = a->body_max};
    char error[512] = "out of memory";
    zmq_msg_t part;
    if (job->over) {
        tell(job, CAUSE_INTERNAL, NULL);
        return;
    }
    if (!job->ticket)
        return;
    a->message.type = MESSAGE_RESULT;
    buffer_reserve(&body, BODY_FIRST < a->body_max ? BODY_FIRST : a->body_max);
    if (!rows_pack(job, &body, error, sizeof(error)) ||
        !tag_set_gather(a->tags, job, &a->message.tags, error, sizeof(error)) ||
        zmq_msg_init_data(&part, body.p, body.n, free_body, NULL) != 0) {
        log_limited(&a->errors, LOG_LEVEL_ERROR, "request %s: %s; it is answered FAILED", job->trace, error);
        buffer_release(&body);
        answer_failed(a, job, CAUSE_INTERNAL, error);
        return;
    }
    serve_answer(a->serve, &job->ticket, &a->message, &part);
    zmq_msg_close(&part);
}

void answer_failed(struct answers *a, struct job *job, enum cause cause, const char *text)
{
    if (job->over)
        tell(job, cause, text);
    else if (job->ticket)
        serve_fail(a->serve, &job->ticket, cause, text);
}

void answer_sql_error(struct answers *a, struct job *job)
{
    const char *state = PQresultErrorField(job->error, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(job->error, PG_DIAG_MESSAGE_PRIMARY);
    char text[LIMIT_TEXT], line[768];
    bool cancelled = state && strcmp(state, "57014") == 0; /* query_canceled: statement_timeout */
    snprintf(text, sizeof(text), "statement %s: %s (SQLSTATE %s)", job->item[job->failed].statement->name,
             endpoints_one_line(message ? message : "no message", line, sizeof(line)), state ? state : "none");
    log_limited(&a->errors, LOG_LEVEL_ERROR, "request %s: %s; nothing of its batch was done", job->trace, text);
    answer_failed(a, job, cancelled ? CAUSE_DEADLINE : CAUSE_INTERNAL, text);
}

void answer_refused(struct answers *a, struct ticket **ticket, const char *text)
{
    log_limited(&a->refusals, LOG_LEVEL_WARNING, "a query is refused: %s", text);
    a->message.type = MESSAGE_REFUSED;
    a->message.text = str_of(text);
    serve_answer(a->serve, ticket, &a->message, NULL);
}

void answer_busy(struct answers *a, struct ticket **ticket)
{
    a->message.type = MESSAGE_BUSY;
    a->message.retry_after = 1;
    serve_answer(a->serve, ticket, &a->message, NULL);
}
