#include "job.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>

/* A name that came from outside, fit for a log and a text: at most LIMIT_NAME printable ASCII characters. */
static const char *printable(struct str name, char space[LIMIT_NAME + 1])
{
    uint32_t n = name.n < LIMIT_NAME ? name.n : LIMIT_NAME;
    for (uint32_t i = 0; i < n; i++)
        space[i] = name.p[i];
    for (uint32_t i = 0; i < n; i++)
        if ((unsigned char)space[i] > 126 || !isprint((unsigned char)space[i]))
            space[i] = '?';
    space[n] = '\0';
    return space;
}

static bool check_call(const struct statement *s, const struct statement_call *call, char *error, size_t error_size)
{
    if (call->n != s->n) {
        snprintf(error, error_size, "statement %s takes %u parameters, and %u were given", s->name, s->n, call->n);
        return false;
    }
    for (uint32_t i = 0; i < call->n; i++) {
        if (call->parameter[i].p && !s->parameter[i].kind->fits(call->parameter[i])) {
            snprintf(error, error_size, "statement %s, parameter " STR_FMT ": expected %s", s->name,
                     STR_ARG(s->parameter[i].name), s->parameter[i].kind->expected);
            return false;
        }
    }
    return true;
}

/* Looks up and checks every statement; adds up what the copies of their parameters need. */
static bool check_query(const struct catalogue *catalogue, const struct message *query,
                        const struct statement *statement[LIMIT_STATEMENTS], size_t *pointers, size_t *bytes,
                        char *error, size_t error_size)
{
    *pointers = *bytes = 0;
    if (query->batch.n == 0) {
        snprintf(error, error_size, "the batch is empty");
        return false;
    }
    for (uint32_t i = 0; i < query->batch.n; i++) {
        const struct statement_call *call = &query->batch.item[i];
        char name[LIMIT_NAME + 1];
        statement[i] = catalogue_find(catalogue, call->name);
        if (!statement[i]) {
            snprintf(error, error_size, "there is no statement \"%s\"", printable(call->name, name));
            return false;
        }
        if (!check_call(statement[i], call, error, error_size))
            return false;
        *pointers += call->n * sizeof(char *);
        for (uint32_t p = 0; p < call->n; p++)
            *bytes += call->parameter[p].n + 1;
    }
    return true;
}

struct job *job_new(const struct catalogue *catalogue, const struct message *query, char *error, size_t error_size)
{
    const struct statement *statement[LIMIT_STATEMENTS] = {NULL};
    const uint32_t n = query->batch.n;
    size_t pointers, bytes;
    if (!check_query(catalogue, query, statement, &pointers, &bytes, error, error_size))
        return NULL;
    *error = '\0';

    /* One allocation: the job, the pointers to the parameters, their texts. */
    size_t head = sizeof(struct job) + n * sizeof(struct job_item);
    struct job *job = malloc(head + pointers + bytes);
    if (!job)
        return NULL;
    *job = (struct job){.deadline = query->deadline, .n = n};
    printable(query->trace, job->trace);
    const char **parameter = (const char **)((char *)job + head);
    char *text = (char *)parameter + pointers;
    for (uint32_t i = 0; i < n; i++) {
        const struct statement_call *call = &query->batch.item[i];
        job->item[i] = (struct job_item){.statement = statement[i], .parameter = parameter};
        if (statement[i]->writes)
            job->lane = LANE_WRITE;
        else if (statement[i]->is_long && job->lane == LANE_SHORT)
            job->lane = LANE_LONG;
        for (uint32_t p = 0; p < call->n; p++) {
            *parameter++ = call->parameter[p].p ? text : NULL;
            if (call->parameter[p].p)
                memcpy(text, call->parameter[p].p, call->parameter[p].n);
            text += call->parameter[p].n;
            *text++ = '\0';
        }
    }
    return job;
}

void job_reset(struct job *job)
{
    for (uint32_t i = 0; i < job->n; i++) {
        PQclear(job->item[i].result);
        job->item[i].result = NULL;
    }
    PQclear(job->error);
    job->error = NULL;
    job->failed = 0;
    job->received = 0;
    job->prelude = 0;
}

void job_free(struct job **slot)
{
    if (!*slot)
        return;
    job_reset(*slot);
    free(*slot);
    *slot = NULL;
}
