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

struct job *job_new(const struct catalogue *catalogue, const struct message *query, char *error, size_t error_size)
{
    const struct statement *statement[LIMIT_STATEMENTS];
    const struct job *none = NULL;
    size_t parameters = 0, bytes = 0;
    *error = '\0';
    if (query->batch.n == 0)
        snprintf(error, error_size, "the batch is empty");
    for (uint32_t i = 0; i < query->batch.n; i++) {
        const struct statement_call *call = &query->batch.item[i];
        char name[LIMIT_NAME + 1];
        statement[i] = catalogue_find(catalogue, call->name);
        if (!statement[i]) {
            snprintf(error, error_size, "there is no statement \"%s\"", printable(call->name, name));
            return NULL;
        }
        if (!check_call(statement[i], call, error, error_size))
            return NULL;
        parameters += call->n;
        for (uint32_t p = 0; p < call->n; p++)
            bytes += call->parameter[p].n + 1;
    }
    if (*error)
        return NULL;

    /* One allocation: the batch, the pointers to the parameters, their texts. */
    size_t head = sizeof(struct job) + query->batch.n * sizeof(none->item[0]);
    struct job *job = malloc(head + parameters * sizeof(char *) + bytes);
    if (!job)
        return NULL;
    *job = (struct job){.deadline = query->deadline, .n = query->batch.n};
    printable(query->trace, job->trace);
    const char **parameter = (const char **)((char *)job + head);
    char *text = (char *)(parameter + parameters);
    for (uint32_t i = 0; i < job->n; i++) {
        const struct statement_call *call = &query->batch.item[i];
        job->item[i] = (struct job_item){.statement = statement[i], .parameter = parameter};
        if (statement[i]->writes)
            job->lane = LANE_WRITE;
        else if (statement[i]->is_long && job->lane == LANE_SHORT)
            job->lane = LANE_LONG;
        for (uint32_t p = 0; p < call->n; p++) {
            *parameter++ = call->parameter[p].p ? text : NULL;
            if (call->parameter[p].n)
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
