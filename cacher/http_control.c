#include "http_control.h"

#include <stddef.h>

#include "http_list.h"

/* What a directive's value is. */
enum value { NONE, SECONDS, MAYBE_SECONDS, FIELDS };

static const struct directive {
    struct str name;
    uint32_t flag;
    enum value value;
    size_t number; /* where the seconds go */
    bool least;    /* when said twice the smaller is the stricter */
} directives[] = {
    {{"no-cache", 8}, CONTROL_NO_CACHE, FIELDS, 0, false},
    {{"no-store", 8}, CONTROL_NO_STORE, NONE, 0, false},
    {{"private", 7}, CONTROL_PRIVATE, FIELDS, 0, false},
    {{"public", 6}, CONTROL_PUBLIC, NONE, 0, false},
    {{"must-revalidate", 15}, CONTROL_MUST_REVALIDATE, NONE, 0, false},
    {{"proxy-revalidate", 16}, CONTROL_PROXY_REVALIDATE, NONE, 0, false},
    {{"no-transform", 12}, CONTROL_NO_TRANSFORM, NONE, 0, false},
    {{"must-understand", 15}, CONTROL_MUST_UNDERSTAND, NONE, 0, false},
    {{"only-if-cached", 14}, CONTROL_ONLY_IF_CACHED, NONE, 0, false},
    {{"max-age", 7}, CONTROL_MAX_AGE, SECONDS, offsetof(struct control, max_age), true},
    {{"s-maxage", 8}, CONTROL_S_MAXAGE, SECONDS, offsetof(struct control, s_maxage), true},
    {{"max-stale", 9}, CONTROL_MAX_STALE, MAYBE_SECONDS, offsetof(struct control, max_stale), true},
    {{"min-fresh", 9}, CONTROL_MIN_FRESH, SECONDS, offsetof(struct control, min_fresh), false},
    {{"stale-while-revalidate", 22}, CONTROL_SWR, SECONDS, offsetof(struct control, swr), true},
    {{"stale-if-error", 14}, CONTROL_SIE, SECONDS, offsetof(struct control, sie), true},
};

/* Unqualified is stricter than qualified, whichever comes first. */
static void add_fields(struct control *control, uint32_t flag, struct str value)
{
    struct str rest = list_unquote(value), name;
    if (!value.p || rest.n == 0) {
        control->flags |= flag;
        return;
    }
    while (list_next(&rest, &name)) {
        if (control->fields_n == CONTROL_FIELDS) {
            control->flags |= flag;
            return;
        }
        control->fields[control->fields_n++] = name;
    }
}

static void add_seconds(struct control *control, const struct directive *directive, struct str value)
{
    uint32_t *number = (uint32_t *)(void *)((char *)control + directive->number);
    bool before = control->flags & directive->flag;
    uint32_t seconds = SECONDS_MOST;
    bool open = directive->value == MAYBE_SECONDS && !value.p; /* max-stale alone: any staleness */
    if (!open && (!value.p || !seconds_read(value, &seconds)))
        seconds = directive->least ? 0 : SECONDS_MOST;
    control->flags |= directive->flag;
    if (!before)
        *number = seconds;
    else if (*number != seconds) /* which was meant? (section 4.2.1: stale is the answer) */
        *number = directive->flag & (CONTROL_MAX_AGE | CONTROL_S_MAXAGE) ? 0
                  : directive->least == (seconds < *number)              ? seconds
                                                                         : *number;
}

static const struct directive *find(struct str name)
{
    for (size_t i = 0; i < sizeof(directives) / sizeof(directives[0]); i++)
        if (str_eq_nocase(directives[i].name, name))
            return &directives[i];
    return NULL;
}

uint32_t control_flag(struct str name)
{
    const struct directive *directive = find(name);
    return directive ? directive->flag : 0;
}

void control_directive(struct control *control, struct str name, struct str value)
{
    const struct directive *directive = find(name);
    if (!directive)
        return;
    if (directive->value == NONE)
        control->flags |= directive->flag;
    else if (directive->value == FIELDS)
        add_fields(control, directive->flag, value);
    else
        add_seconds(control, directive, value);
}

void control_add(struct control *control, struct str line)
{
    struct str element, name, value;
    while (list_next(&line, &element)) {
        list_split(element, &name, &value);
        control_directive(control, name, value);
    }
}

bool control_read(struct control *control, const struct headers *headers, struct str name)
{
    bool any = false;
    for (uint32_t i = 0; i < headers->n; i++) {
        if (str_eq_nocase(headers->item[i].name, name)) {
            control_add(control, headers->item[i].value);
            any = true;
        }
    }
    return any;
}
