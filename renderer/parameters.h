/*
 * What a query string may carry: one table of every parameter of every page, with its limits. Its order is the order in
 * which parameters stand in an address, so that each page has one address only.
 */
#ifndef FILMYFLY_PARAMETERS_H
#define FILMYFLY_PARAMETERS_H

#include "arena.h"
#include "str.h"

enum parameter_kind {
    PARAMETER_NUMBER, /* plain decimal from least to most, in steps */
    PARAMETER_SLUG,   /* in the form of a slug */
    PARAMETER_CHOICE, /* one of the choices */
    PARAMETER_NAME,   /* a name that the catalogue uses, at most `most` bytes */
    PARAMETER_WORDS,  /* what somebody typed: never refused, but cleaned, and cut to `most` characters */
};

struct parameter {
    const char *name;
    enum parameter_kind kind;
    const char *preset; /* what it is when the address does not say; NULL: nothing, which statements get as null */
    uint64_t least, most, step;
    const char *choices[6];
};

/* NULL when there is none of that name. */
const struct parameter *parameter_find(struct str name);
/* The n-th of the table, from 0; NULL after the last. */
const struct parameter *parameter_at(size_t n);

enum parameter_found {
    PARAMETER_ABSENT,
    PARAMETER_EMPTY, /* as good as absent: forms send what nobody filled in */
    PARAMETER_FOUND,
    PARAMETER_BAD, /* not in its form or out of its range, or it stands there twice */
};

/* Reads it from "a=1&b=2". The text is in the arena; *number is set for numbers. */
enum parameter_found parameter_read(const struct parameter *parameter, struct arena *arena, struct str query,
                                    struct str *text, uint64_t *number);

/*
 * What it may be, for whoever got it wrong: "page is a whole number from 1 to 100, and stands there once." STR_NONE
 * when the arena is full.
 */
struct str parameter_sentence(struct arena *arena, const struct parameter *parameter);

/* A decimal number without sign or leading zero, of at most 18 digits. */
bool number_parse(struct str text, uint64_t *number);

/* The form of a slug: letters a to z, digits, and single hyphens between them; at most SLUG_MAX bytes. */
#define SLUG_MAX 120 /* as the database limits slugs */
bool is_slug(struct str text);

#endif
