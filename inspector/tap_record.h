/* A record as the stages show it (PROTOCOL.md, "Inspection"): read with care, printed as a line or as JSON. */
#ifndef FILMYFLY_TAP_RECORD_H
#define FILMYFLY_TAP_RECORD_H

#include <stddef.h>

#include "messages.h"

struct tap_record {
    uint64_t time;                    /* CLOCK_REALTIME, ns */
    struct str name, side, way, peer; /* "cacher/1", "left", "in" or "out", "gateway/1.0" */
    uint64_t head_bytes, body_bytes, dropped;
    struct str bad;         /* why it was refused; empty: it was good, and message says what it was */
    struct str body;        /* its beginning, where that may be shown */
    struct message message; /* texts of all of these point into the bytes that were read */
};

/* False: they are no record of a form that is known here. */
bool tap_record_read(struct tap_record *record, const void *bytes, size_t n);

/* One line on standard output. */
void tap_record_print(const struct tap_record *record);
void tap_record_print_json(const struct tap_record *record);

#endif
