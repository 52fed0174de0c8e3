#include "hosts.h"

#include <stdio.h>
#include <stdlib.h>

#include "fields.h"

struct hosts {
    bool any;
    size_t n;
    struct str name[HOSTS_MOST]; /* "*.films.example" is kept as ".films.example" */
};

struct str host_of(struct str authority)
{
    const char *start = authority.p, *end = authority.p + authority.n, *host_end;
    if (authority.n > 0 && *start == '[') {
        host_end = memchr(start, ']', authority.n);
        if (!host_end) {
            return STR_NONE;
        }
        host_end++;
    } else {
        host_end = memchr(start, ':', authority.n);
        host_end = host_end ? host_end : end;
    }
    if (host_end == start || (host_end < end && *host_end != ':')) {
        return STR_NONE;
    }
    for (const char *p = host_end + (host_end < end); p < end; p++) {
        if (*p < '0' || *p > '9') {
            return STR_NONE;
        }
    }
    return (struct str){start, (uint32_t)(host_end - start)};
}

static bool is_name(struct str s)
{
    for (uint32_t i = 0; i < s.n; i++) {
        char c = s.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              (c && strchr("-._:[]", c)))) {
            return false;
        }
    }
    return s.n > 0;
}

/* "films.example", "*.films.example", "*" */
static bool add(struct hosts *hosts, struct str word)
{
    if (str_eq(word, STR("*"))) {
        hosts->any = true;
        return true;
    }
    if (str_starts(word, STR("*.")) && word.n > 2) {
        word.p++, word.n--;
    } else if (word.n > 0 && *word.p == '.') {
        return false;
    }
    if (!is_name(word) || !str_eq(host_of(word), word) || hosts->n == HOSTS_MOST) {
        return false;
    }
    hosts->name[hosts->n++] = word;
    return true;
}

struct hosts *hosts_new(const char *names, const char *site, char *error, size_t error_size)
{
    struct hosts *hosts = calloc(1, sizeof(*hosts));
    struct str rest = str_of(names), word;
    if (!hosts) {
        abort();
    }
    while (field_word_next(&rest, &word)) {
        if (!add(hosts, word)) {
            snprintf(error, error_size,
                     "FILMYFLY_HOSTS has \"" STR_FMT "\"; expected up to %d names such as films.example or "
                     "*.films.example, without ports.",
                     STR_ARG(word), HOSTS_MOST);
            hosts_free(&hosts);
            return NULL;
        }
    }
    const char *host = strstr(site, "://");
    host = host ? host + 3 : site;
    if (hosts->n == 0 && !hosts->any && !add(hosts, host_of((struct str){host, (uint32_t)strcspn(host, "/")}))) {
        snprintf(error, error_size, "FILMYFLY_SITE is \"%s\"; expected an address such as https://films.example.",
                 site);
        hosts_free(&hosts);
    }
    return hosts;
}

void hosts_free(struct hosts **hosts)
{
    free(*hosts);
    *hosts = NULL;
}

static bool is_numeric(struct str host)
{
    for (uint32_t i = 0; i < host.n; i++) {
        if (host.p[i] != '.' && (host.p[i] < '0' || host.p[i] > '9')) {
            return false;
        }
    }
    return true;
}

/* localhost (RFC 6761 section 6.3), 127.0.0.0/8, ::1 */
static bool is_loopback(struct str host)
{
    return str_eq_nocase(host, STR("localhost")) || str_eq(host, STR("[::1]")) ||
           (str_starts(host, STR("127.")) && is_numeric(host));
}

static bool ends_with(struct str s, struct str ending)
{
    return s.n > ending.n && strncasecmp(s.p + s.n - ending.n, ending.p, ending.n) == 0;
}

bool hosts_know(const struct hosts *hosts, struct str authority)
{
    struct str host = host_of(authority);
    if (host.n > 1 && host.p[host.n - 1] == '.') { /* the name's full form */
        host.n--;
    }
    for (size_t i = 0; i < hosts->n && host.p; i++) {
        struct str name = hosts->name[i];
        if (*name.p == '.' ? ends_with(host, name) : str_eq_nocase(host, name)) {
            return true;
        }
    }
    return host.p && (hosts->any || is_loopback(host));
}
