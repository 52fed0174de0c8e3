#include "endpoints.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "resolve.h"

#define HOSTS_MAX        16
#define ADDRESSES_FRESH  (5 * SECOND)
#define LOOK_UP_AGAIN    (1 * SECOND)
#define PATIENCE_DEFAULT 5 /* as in presets */

/* One of the URL's hosts. host NULL is libpq's own default, a Unix socket. */
struct host {
    char *name, *port;
    char *address; /* hostaddr of the URL */
    bool look_up;  /* a name that is none of: path, numeric address, one with hostaddr */
};

struct endpoints {
    PQconninfoOption *options;
    struct host host[HOSTS_MAX];
    unsigned hosts;
    unsigned patience;
    struct resolve *resolve; /* under way */
    struct resolved addresses;
    uint64_t looked_up, failed; /* ns; 0: never */
    struct endpoint endpoint;
};

/* What the URL leaves open and libpq's own default does not suit: keep-alive notices a dead peer in seconds, and
 * Kerberos would block. */
static const struct {
    const char *keyword, *value;
} presets[] = {
    {"fallback_application_name", "filmyfly-dbproxy"},
    {"gssencmode", "disable"},
    {"connect_timeout", "5"},
    {"keepalives_idle", "10"},
    {"keepalives_interval", "3"},
    {"keepalives_count", "3"},
    {"tcp_user_timeout", "8000"},
};

static const char *option(const struct endpoints *e, const char *keyword)
{
    for (const PQconninfoOption *o = e->options; o->keyword; o++)
        if (strcmp(o->keyword, keyword) == 0)
            return o->val && *o->val ? o->val : NULL;
    return NULL;
}

/* The i-th of a comma list, newly allocated; the only one when there is one for all; NULL when it is empty or there is
 * none. */
static char *nth(const char *list, unsigned i, bool one_for_all)
{
    if (!list)
        return NULL;
    if (one_for_all && !strchr(list, ','))
        i = 0;
    for (; i > 0; i--) {
        list = strchr(list, ',');
        if (!list)
            return NULL;
        list++;
    }
    size_t n = strcspn(list, ",");
    return n ? strndup(list, n) : NULL;
}

static unsigned count_list(const char *list)
{
    unsigned n = list ? 1 : 0;
    for (; list && (list = strchr(list, ',')); list++)
        n++;
    return n;
}

static bool is_numeric(const char *host)
{
    unsigned char address[16];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool split_hosts(struct endpoints *e, const char *variable, char *error, size_t error_size)
{
    const char *names = option(e, "host"), *addresses = option(e, "hostaddr"), *ports = option(e, "port");
    if (!names && !addresses)
        names = getenv("PGHOST");
    unsigned n = count_list(names), m = count_list(addresses);
    e->hosts = n > m ? n : m;
    if (e->hosts == 0)
        e->hosts = 1;
    if (e->hosts > HOSTS_MAX || (n && m && n != m)) {
        snprintf(error, error_size, "%s names %u hosts and %u addresses; at most %d of each, and as many, are expected",
                 variable, n, m, HOSTS_MAX);
        return false;
    }
    for (unsigned i = 0; i < e->hosts; i++) {
        struct host *host = &e->host[i];
        host->name = nth(names, i, false);
        host->address = nth(addresses, i, false);
        host->port = nth(ports, i, true);
        host->look_up =
            host->name && !host->address && host->name[0] != '/' && host->name[0] != '@' && !is_numeric(host->name);
    }
    return true;
}

static bool needs_looking_up(const struct endpoints *e)
{
    for (unsigned i = 0; i < e->hosts; i++)
        if (e->host[i].look_up)
            return true;
    return false;
}

struct endpoints *endpoints_new(const char *variable, const char *url, char *error, size_t error_size)
{
    if (!*url) {
        snprintf(error, error_size, "%s is not set; expected something like postgresql://user@host/database", variable);
        return NULL;
    }
    struct endpoints *e = calloc(1, sizeof(*e));
    if (!e) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    /* libpq's own sentence quotes the URL, password and all. */
    e->options = PQconninfoParse(url, NULL);
    if (!e->options)
        snprintf(error, error_size,
                 "%s is not understood; expected something like postgresql://user@host/database "
                 "(a %%, @ or / in a password is written %%25, %%40, %%2F)",
                 variable);
    if (!e->options || !split_hosts(e, variable, error, error_size)) {
        endpoints_free(&e);
        return NULL;
    }
    const char *patience = option(e, "connect_timeout");
    e->patience = patience && atoi(patience) > 0 ? (unsigned)atoi(patience) : PATIENCE_DEFAULT;
    if (!needs_looking_up(e)) {
        e->addresses.n = e->hosts;
        for (unsigned i = 0; i < e->hosts; i++)
            e->addresses.item[i].host = i;
    }
    return e;
}

void endpoints_free(struct endpoints **slot)
{
    struct endpoints *e = *slot;
    if (!e)
        return;
    for (unsigned i = 0; i < HOSTS_MAX; i++) {
        free(e->host[i].name);
        free(e->host[i].address);
        free(e->host[i].port);
    }
    resolve_abandon(&e->resolve);
    PQconninfoFree(e->options);
    free(e);
    *slot = NULL;
}

static void start_looking_up(struct endpoints *e, uint64_t now)
{
    const char *names[HOSTS_MAX];
    for (unsigned i = 0; i < e->hosts; i++)
        names[i] = e->host[i].look_up ? e->host[i].name : "";
    e->resolve = resolve_start(names, e->hosts);
    if (!e->resolve) {
        e->failed = now;
        log_warning("the database's host name cannot be looked up: %s; trying again in a second", strerror(errno));
    }
}

static void take_addresses(struct endpoints *e, const struct resolved *found, uint64_t now)
{
    struct resolved all = {.n = 0};
    for (unsigned i = 0; i < e->hosts; i++) {
        if (!e->host[i].look_up && all.n < RESOLVED_MAX)
            all.item[all.n++].host = i;
        for (unsigned f = 0; f < found->n; f++)
            if (found->item[f].host == i && all.n < RESOLVED_MAX)
                all.item[all.n++] = found->item[f];
    }
    if (found->error[0])
        log_warning("the database's host name is not found: %s; %s", found->error,
                    all.n ? "the other addresses are tried" : "looking again in a second");
    if (all.n > 0)
        e->addresses = all;
    /* With the resolver away, the addresses of before may still be right. */
    e->looked_up = e->addresses.n > 0 ? now : 0;
    e->failed = e->addresses.n > 0 ? 0 : now;
}

bool endpoints_ready(struct endpoints *e, uint64_t now)
{
    struct resolved found;
    if (!needs_looking_up(e))
        return true;
    if (e->resolve && resolve_poll(&e->resolve, &found))
        take_addresses(e, &found, now);
    bool fresh = e->looked_up && now - e->looked_up < ADDRESSES_FRESH;
    if (!fresh && !e->resolve && (!e->failed || now - e->failed > LOOK_UP_AGAIN))
        start_looking_up(e, now);
    return fresh;
}

unsigned endpoints_count(const struct endpoints *e)
{
    return e->addresses.n ? e->addresses.n : 1;
}

unsigned endpoints_patience(const struct endpoints *e)
{
    return e->patience;
}

static void put(struct endpoint *endpoint, unsigned *n, const char *keyword, const char *value)
{
    if (*n + 1 >= ENDPOINT_KEYWORDS || !value)
        return;
    endpoint->keywords[*n] = keyword;
    endpoint->values[(*n)++] = value;
}

/* Said anew for each attempt, whatever the URL says. */
static bool is_ours(const char *keyword)
{
    return strcmp(keyword, "host") == 0 || strcmp(keyword, "hostaddr") == 0 || strcmp(keyword, "port") == 0 ||
           strcmp(keyword, "client_encoding") == 0;
}

const struct endpoint *endpoints_pick(struct endpoints *e, unsigned attempt)
{
    unsigned i = attempt % endpoints_count(e), n = 0;
    const struct host *host = &e->host[e->addresses.item[i].host];
    struct endpoint *endpoint = &e->endpoint;
    memset(endpoint, 0, sizeof(*endpoint));
    for (size_t p = 0; p < sizeof(presets) / sizeof(presets[0]); p++)
        if (!option(e, presets[p].keyword))
            put(endpoint, &n, presets[p].keyword, presets[p].value);
    /* Of several hosts, one that takes writes: a standby lags behind, and what is read there after a change was told
     * would be of before it. */
    if (e->hosts > 1 && !option(e, "target_session_attrs") && !getenv("PGTARGETSESSIONATTRS"))
        put(endpoint, &n, "target_session_attrs", "read-write");
    for (const PQconninfoOption *o = e->options; o->keyword; o++)
        if (!is_ours(o->keyword))
            put(endpoint, &n, o->keyword, option(e, o->keyword));
    put(endpoint, &n, "client_encoding", "UTF8"); /* the protocol's texts are UTF-8 */
    put(endpoint, &n, "host", host->name);
    put(endpoint, &n, "port", host->port);
    put(endpoint, &n, "hostaddr", host->address ? host->address : host->look_up ? e->addresses.item[i].address : NULL);
    return endpoint;
}

const char *endpoints_one_line(const char *text, char *space, size_t size)
{
    size_t n = 0;
    for (; *text && n + 1 < size; text++)
        space[n++] = *text == '\n' || *text == '\t' ? ' ' : *text;
    while (n > 0 && space[n - 1] == ' ')
        n--;
    space[n] = '\0';
    return space;
}
