/*
 * The types that a statement's parameter may have, as one table. A value is checked here, at the border, so that
 * PostgreSQL is never asked something that it would only refuse, and a batch is never sent that cannot run.
 */
#ifndef FILMYFLY_PARAMETER_H
#define FILMYFLY_PARAMETER_H

#include <libpq-fe.h>

#include "str.h"

struct parameter_kind {
    const char *name;         /* as the statement's header has it: "bigint" */
    Oid oid;                  /* PostgreSQL's type */
    bool (*fits)(struct str); /* the value's text form is one of this type; NUL bytes and bad UTF-8 never are */
    const char *expected;     /* "a whole number from … to …" */
};

/* NULL when there is no type of that name. */
const struct parameter_kind *parameter_kind_find(struct str name);
/* "text, int, bigint, …": static. */
const char *parameter_kind_names(void);

#endif
