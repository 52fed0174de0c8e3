/* When plain HTTP redirects: FILMYFLY_HTTP_MODE, and what "auto" makes of the addresses. Sockets are bound, not
 * listened on. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "redirect.h"

static struct settings settings(const char *mode, const char *site)
{
    return (struct settings){.http_mode = mode, .site = site};
}

static int bound(const char *address)
{
    struct sockaddr_in four = {.sin_family = AF_INET};
    struct sockaddr_in6 six = {.sin6_family = AF_INET6};
    bool is_six = strchr(address, ':') != NULL;
    assert_int_equal(
        inet_pton(is_six ? AF_INET6 : AF_INET, address, is_six ? (void *)&six.sin6_addr : (void *)&four.sin_addr), 1);
    int fd = socket(is_six ? AF_INET6 : AF_INET, SOCK_STREAM, 0);
    assert_int_equal(
        bind(fd, is_six ? (struct sockaddr *)&six : (struct sockaddr *)&four, is_six ? sizeof(six) : sizeof(four)), 0);
    return fd;
}

/* Does it redirect, with HTTP at these addresses? */
static bool redirects(const char *mode, const char *site, const char *first, const char *second, unsigned n_https)
{
    char error[512];
    struct settings given = settings(mode, site);
    struct redirect redirect;
    struct listeners listeners = {.n_https = n_https};
    const char *addresses[] = {first, second};
    for (int i = 0; i < 2 && addresses[i]; i++) {
        listeners.http[listeners.n_http++] = bound(addresses[i]);
    }
    assert_true(redirect_open(&redirect, &given, &listeners, error, sizeof(error)));
    for (unsigned i = 0; i < listeners.n_http; i++) {
        close(listeners.http[i]);
    }
    return redirect.on;
}

static void auto_redirects_where_strangers_can_come(void **state)
{
    (void)state;
    const char *site = "https://films.example";
    assert_true(redirects("auto", site, "0.0.0.0", NULL, 1));
    assert_true(redirects("auto", site, "127.0.0.1", "0.0.0.0", 1));
    assert_false(redirects("auto", site, "127.0.0.1", NULL, 1));
    assert_false(redirects("auto", site, "127.0.0.2", "127.0.0.1", 1));
    assert_false(redirects("auto", site, "0.0.0.0", NULL, 0));
    assert_false(redirects("auto", "http://films.example", "0.0.0.0", NULL, 1));
}

static void the_other_modes_do_what_they_say(void **state)
{
    (void)state;
    assert_true(redirects("redirect", "https://films.example", "127.0.0.1", NULL, 0));
    assert_false(redirects("serve", "https://films.example", "0.0.0.0", NULL, 1));
}

static void the_address_of_the_site_is_read(void **state)
{
    (void)state;
    static const struct {
        const char *site, *host, *port;
    } rows[] = {{"https://films.example", "films.example", ""},
                {"https://films.example:443", "films.example", ""},
                {"https://films.example:8443/below", "films.example", ":8443"},
                {"https://[::1]", "[::1]", ""},
                {"https://[::1]:8443", "[::1]", ":8443"}};
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char error[512];
        struct redirect redirect;
        struct settings given = settings("redirect", rows[i].site);
        assert_true(redirect_open(&redirect, &given, NULL, error, sizeof(error)));
        assert_string_equal(redirect.host, rows[i].host);
        assert_string_equal(redirect.port, rows[i].port);
    }
}

static void what_cannot_be_is_refused_by_name(void **state)
{
    (void)state;
    char error[512];
    struct redirect redirect;
    struct settings wrong = settings("sometimes", "https://films.example");
    assert_false(redirect_open(&redirect, &wrong, NULL, error, sizeof(error)));
    assert_non_null(strstr(error, "FILMYFLY_HTTP_MODE is \"sometimes\""));
    static const char *const sites[] = {"http://films.example", "https://", "https://:1",
                                        "https://films.example:1234567"};
    for (size_t i = 0; i < sizeof(sites) / sizeof(sites[0]); i++) {
        struct settings given = settings("redirect", sites[i]);
        assert_false(redirect_open(&redirect, &given, NULL, error, sizeof(error)));
        assert_non_null(strstr(error, "FILMYFLY_SITE"));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(auto_redirects_where_strangers_can_come),
        cmocka_unit_test(the_other_modes_do_what_they_say),
        cmocka_unit_test(the_address_of_the_site_is_read),
        cmocka_unit_test(what_cannot_be_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
