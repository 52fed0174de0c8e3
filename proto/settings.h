/*
 * Every setting of every stage, as one table: an environment variable, checked when the process starts, never looked at
 * again. The same table prints --help.
 */
#ifndef FILMYFLY_SETTINGS_H
#define FILMYFLY_SETTINGS_H

#include <stdio.h>

#include "str.h"

enum setting_type {
    SETTING_TEXT,     /* const char * */
    SETTING_ORIGIN,   /* const char *: http:// or https:// and an authority; one slash behind it is dropped */
    SETTING_NUMBER,   /* uint64_t: plain digits */
    SETTING_SIZE,     /* uint64_t: bytes; K, M, G are powers of 1024 */
    SETTING_DURATION, /* uint64_t: nanoseconds; ms, s, m, h, d; plain digits are seconds */
    SETTING_SWITCH,   /* bool: on/off, 1/0, yes/no, true/false */
};

enum setting_for {
    FOR_GATEWAY = 1,
    FOR_CACHER = 2,
    FOR_RENDERER = 4,
    FOR_DBPROXY = 8,
    FOR_SERVING = FOR_CACHER | FOR_RENDERER | FOR_DBPROXY, /* those that another stage asks */
    FOR_ALL = 15,
};

/* X(field, type, "VARIABLE", default, least, most, for, secret, "one sentence") */
#define SETTINGS(X)                                                                                                    \
    X(run_dir, TEXT, "FILMYFLY_RUN_DIR", "var/run", 1, 60, FOR_ALL, 0,                                                 \
      "Directory of the sockets: one folder a stage, one name an instance.")                                           \
    X(share_dir, TEXT, "FILMYFLY_SHARE_DIR", "", 0, 1000, FOR_ALL, 0,                                                  \
      "Directory of views, queries, migrations and static files; empty: beside the program.")                          \
    X(instance, TEXT, "FILMYFLY_INSTANCE", "", 0, 32, FOR_ALL, 0,                                                      \
      "Name of this instance; empty: the lowest free number.")                                                         \
    X(log_level, TEXT, "FILMYFLY_LOG_LEVEL", "info", 0, 10, FOR_ALL, 0, "error, warning, info or debug.")              \
    X(deadline, DURATION, "FILMYFLY_DEADLINE", "5s", 100000000ull, 300000000000ull, FOR_ALL, 0,                        \
      "A visitor's longest wait.")                                                                                     \
    X(write_deadline, DURATION, "FILMYFLY_WRITE_DEADLINE", "30s", 100000000ull, 300000000000ull, FOR_ALL, 0,           \
      "The longest wait of a request that is not a GET or HEAD.")                                                      \
    X(credit, NUMBER, "FILMYFLY_CREDIT", "64", 1, 10000, FOR_SERVING, 0, "Requests in flight per instance.")           \
    X(queue, NUMBER, "FILMYFLY_QUEUE", "1024", 1, 100000, FOR_ALL, 0, "Requests waiting per hop; beyond it: 503.")     \
    X(body_max, SIZE, "FILMYFLY_BODY_MAX", "4M", 1024, 67108864, FOR_ALL, 0, "Longest body of a message.")             \
    X(memory_max, SIZE, "FILMYFLY_MEMORY_MAX", "500M", 1048576, 1099511627776ull, FOR_ALL, 0,                          \
      "Anonymous memory of a process; beyond it, it leaves gracefully and is started again.")                          \
    X(site, ORIGIN, "FILMYFLY_SITE", "https://localhost:8443", 8, 255, FOR_GATEWAY | FOR_RENDERER, 0,                  \
      "The public address: canonical links.")                                                                          \
    X(cache_dir, TEXT, "FILMYFLY_CACHE_DIR", "", 0, 1000, FOR_GATEWAY | FOR_CACHER, 0,                                 \
      "Directory of the store; empty: nothing is stored, every page is made anew.")                                    \
    X(cache_size, SIZE, "FILMYFLY_CACHE_SIZE", "1G", 4194304, 1099511627776ull, FOR_CACHER, 0, "Limit of the store.")  \
    X(heuristics, SWITCH, "FILMYFLY_HEURISTICS", "off", 0, 0, FOR_CACHER, 0,                                           \
      "Pages without a lifetime that have a Last-Modified are fresh for a tenth of the time since, a day at most.")    \
    X(hosts, TEXT, "FILMYFLY_HOSTS", "", 0, 4000, FOR_GATEWAY, 0,                                                      \
      "Names that the site answers to, such as films.example or *.films.example; others get 421. Empty: that of "      \
      "FILMYFLY_SITE.")                                                                                                \
    X(hsts, DURATION, "FILMYFLY_HSTS", "365d", 0, 315360000000000000ull, FOR_GATEWAY, 0,                               \
      "How long browsers that came by HTTPS use nothing else (Strict-Transport-Security); 0: it is not sent.")         \
    X(cors_origins, TEXT, "FILMYFLY_CORS_ORIGINS", "*", 0, 4000, FOR_GATEWAY, 0,                                       \
      "Origins whose pages may read /api/, such as https://films.example; *: all; empty: none.")                       \
    X(http, TEXT, "FILMYFLY_HTTP", "127.0.0.1:8080", 0, 255, FOR_GATEWAY, 0, "Address for HTTP; empty: none.")         \
    X(https, TEXT, "FILMYFLY_HTTPS", "127.0.0.1:8443", 0, 255, FOR_GATEWAY, 0, "Address for HTTPS; empty: none.")      \
    X(http_mode, TEXT, "FILMYFLY_HTTP_MODE", "auto", 0, 20, FOR_GATEWAY, 0,                                            \
      "What plain HTTP does: redirect (to HTTPS), serve, or auto: redirect unless there is no HTTPS or only this "     \
      "machine can connect.")                                                                                          \
    X(acme_dir, TEXT, "FILMYFLY_ACME_DIR", "", 0, 1000, FOR_GATEWAY, 0,                                                \
      "Directory for certificate authorities' challenges, as certbot's --webroot-path; empty: none.")                  \
    X(tls_cert, TEXT, "FILMYFLY_TLS_CERT", "", 0, 1000, FOR_GATEWAY, 0,                                                \
      "Certificate chain, PEM; needed for HTTPS. An ECDSA and an RSA one with a comma between.")                       \
    X(tls_key, TEXT, "FILMYFLY_TLS_KEY", "", 0, 1000, FOR_GATEWAY, 0, "Private key, PEM; needed for HTTPS.")           \
    X(loops, NUMBER, "FILMYFLY_LOOPS", "0", 0, 64, FOR_GATEWAY, 0,                                                     \
      "Event loops when no sockets were handed over; 0: one per processor.")                                           \
    X(connections, NUMBER, "FILMYFLY_CONNECTIONS", "4096", 16, 1000000, FOR_GATEWAY, 0, "Open connections a loop.")    \
    X(client_connections, NUMBER, "FILMYFLY_CLIENT_CONNECTIONS", "128", 0, 1000000, FOR_GATEWAY, 0,                    \
      "Open connections of one client address (IPv6: /64); 0: any number.")                                            \
    X(client_connects, NUMBER, "FILMYFLY_CLIENT_CONNECTS", "50", 0, 1000000, FOR_GATEWAY, 0,                           \
      "New connections a second of one client, four times as many at once; 0: any number.")                            \
    X(client_misses, NUMBER, "FILMYFLY_CLIENT_MISSES", "20", 0, 1000000, FOR_GATEWAY, 0,                               \
      "Requests a second of one client that the store cannot answer, ten times as many at once; beyond: 429; 0: any "  \
      "number.")                                                                                                       \
    X(client_asking, NUMBER, "FILMYFLY_CLIENT_ASKING", "32", 0, 100000, FOR_GATEWAY, 0,                                \
      "Requests of one client that wait for the cacher at a time; beyond: 429; 0: any number.")                        \
    X(limit_loopback, SWITCH, "FILMYFLY_LIMIT_LOOPBACK", "off", 0, 0, FOR_GATEWAY, 0,                                  \
      "The four limits hold for clients on this machine, too.")                                                        \
    X(streams, NUMBER, "FILMYFLY_STREAMS", "100", 1, 100, FOR_GATEWAY, 0,                                              \
      "Requests of one HTTP/2 connection that are worked on at a time.")                                               \
    X(client_wait, DURATION, "FILMYFLY_CLIENT_WAIT", "30s", 1000000000ull, 3600000000000ull, FOR_GATEWAY, 0,           \
      "How long a client may take to send a request, or be idle.")                                                     \
    X(send_wait, DURATION, "FILMYFLY_SEND_WAIT", "30s", 1000000000ull, 3600000000000ull, FOR_GATEWAY, 0,               \
      "How long a client may take to receive an answer, and a second more for each 8 KB.")                             \
    X(trusted_proxies, TEXT, "FILMYFLY_TRUSTED_PROXIES", "", 0, 4000, FOR_GATEWAY, 0,                                  \
      "Addresses and ranges of proxies in front, whose X-Forwarded-For (else CF-Connecting-IP) names the client.")     \
    X(access_log, SWITCH, "FILMYFLY_ACCESS_LOG", "off", 0, 0, FOR_GATEWAY, 0,                                          \
      "A line for each request on standard output.")                                                                   \
    X(gzip_level, NUMBER, "FILMYFLY_GZIP_LEVEL", "1", 0, 9, FOR_RENDERER, 0,                                           \
      "zlib level of a page's first answer; 0: not compressed.")                                                       \
    X(page_ttl, DURATION, "FILMYFLY_PAGE_TTL", "30m", 0, 31536000000000000ull, FOR_RENDERER, 0,                        \
      "How long a page is fresh in the cache.")                                                                        \
    X(api_ttl, DURATION, "FILMYFLY_API_TTL", "5m", 0, 31536000000000000ull, FOR_RENDERER, 0,                           \
      "How long an API answer is fresh in the cache.")                                                                 \
    X(views_dir, TEXT, "FILMYFLY_VIEWS_DIR", "", 0, 1000, FOR_RENDERER, 0,                                             \
      "Directory of the templates; empty: views in the share directory.")                                              \
    X(dev, SWITCH, "FILMYFLY_DEV", "off", 0, 0, FOR_RENDERER, 0, "Reload templates when they change.")                 \
    X(database_url, TEXT, "DATABASE_URL", "", 0, 4000, FOR_DBPROXY, 1, "libpq URL of the database.")                   \
    X(database_listen_url, TEXT, "DATABASE_LISTEN_URL", "", 0, 4000, FOR_DBPROXY, 1,                                   \
      "libpq URL for LISTEN, which a transaction pooler cannot do; empty: DATABASE_URL.")                              \
    X(db_connections, NUMBER, "FILMYFLY_DB_CONNECTIONS", "4", 3, 100, FOR_DBPROXY, 0,                                  \
      "Connections to the database per dbproxy: a quarter for long statements, one for writes, the rest for short "    \
      "ones.")                                                                                                         \
    X(db_prepare, TEXT, "FILMYFLY_DB_PREPARE", "auto", 0, 10, FOR_DBPROXY, 0,                                          \
      "Named prepared statements: on, off (a transaction pooler forbids them), auto.")                                 \
    X(db_timeout, DURATION, "FILMYFLY_DB_TIMEOUT", "2s", 10000000ull, 300000000000ull, FOR_DBPROXY, 0,                 \
      "statement_timeout of short statements; long ones have ten times as much.")                                      \
    X(changes_kept, DURATION, "FILMYFLY_CHANGES_KEPT", "24h", 1000000000ull, 31536000000000000ull, FOR_DBPROXY, 0,     \
      "How long the log of changes is kept; a cache that was away longer begins anew.")

struct settings {
#define TEXT_FIELD                                                            const char *
#define ORIGIN_FIELD                                                          const char *
#define NUMBER_FIELD                                                          uint64_t
#define SIZE_FIELD                                                            uint64_t
#define DURATION_FIELD                                                        uint64_t
#define SWITCH_FIELD                                                          bool
#define X(field, type, variable, preset, least, most, for_, secret, sentence) type##_FIELD field;
    SETTINGS(X)
#undef X
#undef TEXT_FIELD
#undef ORIGIN_FIELD
#undef NUMBER_FIELD
#undef SIZE_FIELD
#undef DURATION_FIELD
#undef SWITCH_FIELD
};

/*
 * Reads the variables that concern the stages in `stages` (a mask). On error returns false and writes one sentence that
 * names the variable, what was found (secrets are not shown) and what is expected. Texts belong to the environment or
 * to static memory.
 */
bool settings_load(struct settings *settings, unsigned stages, char *error, size_t error_size);

/* The settings as they are, for those stages: a line VARIABLE=value each. Secrets are "(hidden)" unless empty, and
 * control characters '?'. */
void settings_print(FILE *out, const struct settings *settings, unsigned stages);

/* The table as --help shows it, for those stages. */
void settings_help(FILE *out, unsigned stages);

#endif
