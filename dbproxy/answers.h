/* The answers to a batch: what each outcome becomes on the wire, and what is logged of it. */
#ifndef FILMYFLY_ANSWERS_H
#define FILMYFLY_ANSWERS_H

#include "job.h"
#include "serve.h"

struct answers;

/* body_max: bytes of a RESULT's body. Aborts when memory is out: it is made once, at the start. */
struct answers *answers_new(struct serve *serve, size_t body_max);
void answers_free(struct answers **answers);

/* Each answers the batch's ticket, if it still has one, and takes it from the batch; or tells whom the batch names. */
void answer_rows(struct answers *answers, struct job *job);
void answer_sql_error(struct answers *answers, struct job *job);
void answer_failed(struct answers *answers, struct job *job, enum cause cause, const char *text);

/* For a query that never became a batch. */
void answer_refused(struct answers *answers, struct ticket **ticket, const char *text);
void answer_busy(struct answers *answers, struct ticket **ticket);

#endif
