/*
 * Targets of any bytes, the first of which says how much is the host: what the gateway lets pass has one normal form,
 * and that form is its own. What it refuses must do no harm.
 */
#include <stdint.h>
#include <stdlib.h>

#include "hosts.h"
#include "key.h"
#include "target.h"

#define REQUIRE(condition)                                                                                             \
    do {                                                                                                               \
        if (!(condition))                                                                                              \
            abort();                                                                                                   \
    } while (0)

static struct hosts *hosts;

static struct str path_of(struct str target)
{
    const char *query = memchr(target.p, '?', target.n);
    return (struct str){target.p, query ? (uint32_t)(query - target.p) : target.n};
}

static void check_key(const struct key *key, struct str target)
{
    struct str scheme, host, again_target, normal = key_target(key);
    struct key again;
    REQUIRE(key->n <= KEY_BYTES && key->target <= key->query && key->query <= key->n);
    REQUIRE(key_split(key_text(key), &scheme, &host, &again_target) && str_eq(again_target, normal));
    REQUIRE(normal.n > 0 && *normal.p == '/');
    for (uint32_t i = 0; i < normal.n; i++) {
        REQUIRE(normal.p[i] > ' ' && normal.p[i] < 0x7f && normal.p[i] != '#');
    }
    REQUIRE(key_make(&again, scheme, host, normal) && str_eq(key_text(key), key_text(&again)));
    if (target_path_is_proper(path_of(target))) {
        REQUIRE(target_path_is_proper(path_of(normal)));
        REQUIRE(target_body_limit(path_of(normal), UINT64_MAX) > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[512];
    struct key key;
    if (!hosts && !(hosts = hosts_new("*", "https://films.example", error, sizeof(error)))) {
        abort();
    }
    if (size == 0 || size > UINT16_MAX) {
        return 0;
    }
    uint32_t host_n = data[0] < size - 1 ? data[0] : (uint32_t)size - 1;
    struct str host = {(const char *)data + 1, host_n};
    struct str target = {host.p + host_n, (uint32_t)size - 1 - host_n};
    target_path_is_proper(target);
    if (hosts_know(hosts, host) && key_make(&key, STR("https"), host, target)) {
        check_key(&key, target);
    }
    if (key_make(&key, STR("https"), STR("films.example"), target)) {
        check_key(&key, target);
    }
    return 0;
}
