#include "purge.h"

#include <czmq.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "pipeline.h"
#include "print.h"
#include "printable.h"
#include "settings.h"
#include "upstream.h"

#define PATIENCE (5 * SECOND)
#define TURN_MS  20

/* One of the ways to say which pages. */
static const struct way {
    const char *option; /* NULL: the argument */
    const char *target, *what;
} ways[] = {
    {NULL, "/purge/url", "page"},
    {"--tag", "/purge/tag", "pages with the tag"},
    {"--prefix", "/purge/prefix", "pages whose address begins with"},
    {"--all", "/purge/all", "every page"},
};

#define WAYS (sizeof(ways) / sizeof(ways[0]))

struct answer {
    bool came;
    enum message_type type;
    unsigned status;
    char text[LIMIT_TEXT + 1];
};

static void on_answer(void *user, const struct message *message, zmq_msg_t *body)
{
    struct answer *answer = user;

    (void)body;
    answer->came = true;
    answer->type = message->type;
    answer->status = message->type == MESSAGE_RESPONSE ? (unsigned)message->status : 0;
    if (message->type == MESSAGE_FAILED) {
        printable(answer->text, sizeof(answer->text), message->text.n ? message->text.p : "", message->text.n);
    }
}

/* Asks the cacher, as a gateway does. */
static bool ask(struct upstream *upstream, const char *target, const char *body, struct answer *answer)
{
    static struct message message; /* large */
    zmq_msg_t part;
    uint64_t until = clock_now() + PATIENCE;

    if (zmq_msg_init_size(&part, strlen(body)) < 0) {
        return false;
    }
    memcpy(zmq_msg_data(&part), body, strlen(body));
    message = (struct message){.type = MESSAGE_REQUEST,
                               .deadline = until,
                               .method = STR("POST"),
                               .scheme = STR("cacher"),
                               .target = str_of(target),
                               .client = STR(""),
                               .trace = STR("")};
    upstream_send(upstream, &message, &part, upstream_key(0, message.target), true, on_answer, answer);
    zmq_msg_close(&part);
    while (!answer->came && clock_now() < until + SECOND) {
        struct pollfd wait = {.fd = upstream_fd(upstream), .events = POLLIN};
        upstream_turn(upstream);
        if (!answer->came && poll(&wait, 1, TURN_MS) < 0 && errno != EINTR) {
            return false;
        }
    }
    return answer->came;
}

/* Says what came of it. */
static int report(const struct invocation *invocation, const struct way *way, const char *value, bool hard,
                  const struct answer *answer)
{
    const char *run_dir = invocation->run_dir;

    switch (answer->status) {
    case 202:
    case 204:
        if (invocation->json) {
            return print_json(json_pack("{s:s, s:s, s:b, s:b}", "purged", way->target + strlen("/purge/"), "value",
                                        value, "hard", (int)hard, "done", (int)(answer->status == 204)),
                              EXIT_GOOD);
        }
        printf("%s %s%s%s%s\n", way->what, value, *value ? " " : "", hard ? "never served again" : "stale",
               answer->status == 202 ? "; some thousand pages are done each 20 ms" : "");
        return EXIT_GOOD;
    case 400:
        return complain(EXIT_USAGE, "\"%s\" is no %s; an address is https://HOST/PATH, as visitors use it", value,
                        way->option && strcmp(way->option, "--tag") == 0 ? "tag" : "address");
    case 500:
        return complain(EXIT_DEGRADED, "the cacher could not write it to its store; its log says why (filmyfly logs "
                                       "cacher); ask again afterwards");
    case 0:
        break;
    default:
        return complain(EXIT_DEGRADED, "the cacher answered with status %u; is it of this release?", answer->status);
    }
    if (answer->type == MESSAGE_FAILED) {
        return complain(EXIT_ABSENT, "no cacher takes requests in %s/cacher: %s; \"filmyfly status cacher\" tells more",
                        run_dir, answer->text);
    }
    return complain(EXIT_DEGRADED, "the cacher in %s/cacher is too busy; ask again", run_dir);
}

/* Exactly one way must be given. NULL after a sentence. */
static const struct way *choose(const struct invocation *invocation, const char **value)
{
    const struct way *chosen = NULL;
    int n = 0;

    for (size_t i = 0; i < WAYS; i++) {
        const char *text = ways[i].option ? given(invocation, ways[i].option) : invocation->word[0];
        if (text) {
            chosen = &ways[i];
            *value = text;
            n++;
        }
    }
    if (n != 1) {
        complain(0, "purge needs one of: an address, --tag TAG, --prefix ADDRESS, --all");
        return NULL;
    }
    return chosen;
}

/* Before anything is connected: to a cacher that is not there, or may not be written to, a request would only time out.
 */
static bool may_ask(const char *run_dir)
{
    char path[4096], error[4400] = "";
    struct pipeline *pipeline = pipeline_look(run_dir, error, sizeof(error));
    bool there = false, allowed = true;

    for (size_t i = 0; pipeline && i < pipeline->n; i++) {
        const struct instance *instance = &pipeline->instance[i];
        if (instance->stage == 1 && instance_lives(instance) &&
            instance_path(run_dir, instance, ".sock", path, sizeof(path)) && access(path, F_OK) == 0) {
            there = true;
            allowed = access(path, W_OK) == 0;
        }
    }
    pipeline_free(&pipeline);
    if (!there) {
        complain(0, "%s%s%s", *error ? error : "no cacher takes requests in ", *error ? "" : run_dir,
                 *error ? "" : "/cacher; \"filmyfly status cacher\" tells more");
    } else if (!allowed) {
        complain(0, "%s may not be written to; be root, or in the group of that folder", path);
    }
    return there && allowed;
}

int purge_run(const struct invocation *invocation)
{
    char error[512], target[32], own[32];
    const char *value = "";
    const struct way *way = choose(invocation, &value);
    bool hard = given(invocation, "--hard") != NULL;
    struct settings settings;
    struct answer answer = {0};

    if (!way) {
        return EXIT_USAGE;
    }
    if (!may_ask(invocation->run_dir)) {
        return EXIT_ABSENT;
    }
    log_open("filmyfly");
    log_set_level("error"); /* the hop tells whom it meets */
    zsys_init();
    zsys_handler_set(NULL); /* Ctrl-C ends this */
    if (!settings_load(&settings, 0, error, sizeof(error))) {
        return complain(EXIT_ABSENT, "%s", error);
    }
    settings.run_dir = invocation->run_dir;
    snprintf(own, sizeof(own), "%ld", (long)getpid());
    snprintf(target, sizeof(target), "%s%s", way->target, hard ? "?hard" : "");
    struct upstream_options options = {
        .stage = "cacher", .own_stage = "filmyfly", .own_instance = own, .settings = &settings};
    struct upstream *upstream = upstream_new(&options, error, sizeof(error));
    if (!upstream) {
        return complain(EXIT_ABSENT, "%s", error);
    }
    bool came = ask(upstream, target, value, &answer);
    upstream_free(&upstream);
    if (!came) {
        return complain(EXIT_ABSENT, "the cacher in %s/cacher does not answer; \"filmyfly status cacher\" tells more",
                        invocation->run_dir);
    }
    return report(invocation, way, value, hard, &answer);
}
