/*
 * Reads msgpack that a peer sent. It allocates nothing and believes no length: a declared length is only used after it
 * was held against the bytes that are really there and the caller's limit (five bytes can declare 4 GB). Once a read
 * fails every later one fails too, so a caller reads all fields and asks once. Strings point into the bytes that are
 * read.
 */
#ifndef FILMYFLY_READER_H
#define FILMYFLY_READER_H

#include <stddef.h>

#include "str.h"

struct reader {
    const unsigned char *p, *end;
    const char *error; /* NULL, or why the first failing read failed */
};

enum reader_kind {
    READ_NIL,
    READ_BOOL,
    READ_INT,  /* fits int64 */
    READ_UINT, /* above INT64_MAX */
    READ_FLOAT,
    READ_STR, /* also bin */
    READ_ARRAY,
    READ_MAP,
};

struct reader_item {
    enum reader_kind kind;
    uint32_t n; /* ARRAY: items that follow; MAP: pairs that follow */
    union {
        bool boolean;
        int64_t integer;
        uint64_t natural;
        double number;
        struct str str;
    } as;
};

struct reader reader_of(const void *bytes, size_t n);

/* Each returns false, and sets error, when what comes next is of another type, beyond the limit, or cut short. */
bool reader_array(struct reader *r, uint32_t max_items, uint32_t *n);
bool reader_uint(struct reader *r, uint64_t *value);
bool reader_str(struct reader *r, uint32_t max_bytes, struct str *value);
/* A string, or nil as STR_NONE. */
bool reader_str_or_nil(struct reader *r, uint32_t max_bytes, struct str *value);

/* Any item; of an array or a map only its head. An array or map that declares more items than bytes are left is
 * refused. Extension types are refused. */
bool reader_item(struct reader *r, struct reader_item *item);

/* Steps over one whole item, however deep, without recursion. */
bool reader_skip(struct reader *r);

/* True when nothing failed and every byte was read. */
bool reader_end(struct reader *r);

#endif
