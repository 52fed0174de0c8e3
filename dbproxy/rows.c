#include "rows.h"

#include <msgpack.h>
#include <stdio.h>
#include <stdlib.h>

#include "text_array.h"

/* How a column's values travel. */
enum form { FORM_TEXT, FORM_INTEGER, FORM_FLOAT, FORM_BOOL, FORM_TEXTS };

#define COLUMNS_MAX 1700 /* PostgreSQL has 1,664 at most */

/* Types of PostgreSQL's own catalogue; their numbers never change. */
static enum form form_of(Oid type)
{
    switch (type) {
    case 20: /* int8 */
    case 21: /* int2 */
    case 23: /* int4 */
        return FORM_INTEGER;
    case 700:  /* float4 */
    case 701:  /* float8 */
    case 1700: /* numeric */
        return FORM_FLOAT;
    case 16: /* bool */
        return FORM_BOOL;
    case 1003: /* name[] */
    case 1009: /* text[] */
    case 1015: /* varchar[] */
        return FORM_TEXTS;
    default:
        return FORM_TEXT;
    }
}

/* msgpack-c's way out: the buffer remembers whether something did not fit. */
static int write_to_buffer(void *buffer, const char *p, size_t n)
{
    buffer_append(buffer, p, n);
    return 0;
}

static void pack_text(msgpack_packer *packer, const char *p, size_t n)
{
    msgpack_pack_str(packer, n);
    msgpack_pack_str_body(packer, p, n);
}

static bool pack_texts(msgpack_packer *packer, struct str literal)
{
    int n = text_array_count(literal);
    char *space = n < 0 ? NULL : malloc(literal.n);
    if (!space)
        return false;
    struct text_array array = text_array_of(literal);
    struct str item;
    msgpack_pack_array(packer, (size_t)n);
    while (text_array_next(&array, space, &item)) {
        if (item.p)
            pack_text(packer, item.p, item.n);
        else
            msgpack_pack_nil(packer);
    }
    free(space);
    return true;
}

static bool pack_value(msgpack_packer *packer, enum form form, const char *p, size_t n)
{
    switch (form) {
    case FORM_INTEGER:
        msgpack_pack_int64(packer, strtoll(p, NULL, 10));
        return true;
    case FORM_FLOAT:
        msgpack_pack_double(packer, strtod(p, NULL));
        return true;
    case FORM_BOOL:
        if (*p == 't')
            msgpack_pack_true(packer);
        else
            msgpack_pack_false(packer);
        return true;
    case FORM_TEXTS:
        return pack_texts(packer, (struct str){p, (uint32_t)n});
    case FORM_TEXT:
        break;
    }
    pack_text(packer, p, n);
    return true;
}

static int64_t count_of(const PGresult *result)
{
    /* A SELECT's or RETURNING's rows, or what a statement without rows changed; "" for one that changes none. */
    if (PQresultStatus(result) == PGRES_TUPLES_OK)
        return PQntuples(result);
    return strtoll(PQcmdTuples((PGresult *)result), NULL, 10);
}

static bool pack_item(msgpack_packer *packer, const struct job_item *item, const struct buffer *out, char *error,
                      size_t error_size)
{
    const PGresult *result = item->result;
    int columns = PQnfields(result), rows = PQntuples(result);
    enum form form[COLUMNS_MAX];

    msgpack_pack_array(packer, 3);
    msgpack_pack_array(packer, (size_t)columns);
    for (int c = 0; c < columns; c++) {
        form[c] = form_of(PQftype(result, c));
        pack_text(packer, PQfname(result, c), strlen(PQfname(result, c)));
    }
    msgpack_pack_array(packer, (size_t)rows);
    for (int r = 0; r < rows; r++) {
        msgpack_pack_array(packer, (size_t)columns);
        for (int c = 0; c < columns; c++) {
            if (PQgetisnull(result, r, c)) {
                msgpack_pack_nil(packer);
            } else if (!pack_value(packer, form[c], PQgetvalue(result, r, c), (size_t)PQgetlength(result, r, c))) {
                snprintf(error, error_size, "statement %s: column %s is an array that is no plain list",
                         item->statement->name, PQfname(result, c));
                return false;
            }
        }
        if (out->failed)
            break;
    }
    msgpack_pack_int64(packer, count_of(result));
    if (out->failed)
        snprintf(error, error_size, "statement %s: with its rows the answer is more than %zu bytes (FILMYFLY_BODY_MAX)",
                 item->statement->name, out->limit);
    return !out->failed;
}

bool rows_pack(const struct job *job, struct buffer *out, char *error, size_t error_size)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, out, write_to_buffer);
    msgpack_pack_array(&packer, job->n);
    for (uint32_t i = 0; i < job->n; i++)
        if (!pack_item(&packer, &job->item[i], out, error, error_size))
            return false;
    return true;
}
