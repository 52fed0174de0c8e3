#include "tickets.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "new_file.h"

#define KEYS        3
#define LIFE        3600 /* seconds that a key is the newest */
#define NAME_SIZE   16   /* of a key in a ticket, RFC 5077 section 4 */
#define SECRET_SIZE 32

struct key {
    uint64_t born; /* CLOCK_REALTIME, s; 0: no key */
    unsigned char name[NAME_SIZE], mac[SECRET_SIZE], cipher[SECRET_SIZE];
};

/* The file, as it is. */
struct keys {
    char magic[8];
    struct key key[KEYS]; /* newest first */
};

static const char MAGIC[8] = "ffticke1";

struct tickets {
    char path[256];
    pthread_mutex_t mutex; /* over keys */
    struct keys keys;
    struct timespec changed; /* the file that was read or written last */
    ino_t inode;
    bool alone; /* the file cannot be used, and the log says so */
};

static bool valid(const struct keys *keys, uint64_t now)
{
    if (memcmp(keys->magic, MAGIC, sizeof(MAGIC)) != 0 || keys->key[0].born == 0) {
        return false;
    }
    for (int i = 0; i < KEYS; i++) {
        if (keys->key[i].born > now + LIFE) { /* the clock was put back, and the key would never grow old */
            return false;
        }
    }
    return true;
}

static void take(struct tickets *tickets, const struct keys *keys)
{
    pthread_mutex_lock(&tickets->mutex);
    tickets->keys = *keys;
    pthread_mutex_unlock(&tickets->mutex);
}

static void remember(struct tickets *tickets, const struct stat *status)
{
    tickets->changed = status->st_mtim;
    tickets->inode = status->st_ino;
}

/* Reads the file when it is another than the last. */
static void look(struct tickets *tickets, uint64_t now)
{
    struct keys keys;
    struct stat status;
    int fd = open(tickets->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd < 0) {
        return;
    }
    if (fstat(fd, &status) == 0 && (status.st_ino != tickets->inode ||
                                    memcmp(&status.st_mtim, &tickets->changed, sizeof(tickets->changed)) != 0)) {
        remember(tickets, &status);
        if (read(fd, &keys, sizeof(keys)) == sizeof(keys) && valid(&keys, now)) {
            take(tickets, &keys);
        }
        OPENSSL_cleanse(&keys, sizeof(keys));
    }
    close(fd);
}

static bool save(struct tickets *tickets, const struct keys *keys)
{
    struct new_file file;
    struct stat status = {0};

    if (!new_file_begin(&file, tickets->path, 0600)) {
        return false;
    }
    bool whole = write(file.fd, keys, sizeof(*keys)) == sizeof(*keys) && fstat(file.fd, &status) == 0;
    close(file.fd);
    if (!new_file_end(&file, whole)) {
        return false;
    }
    remember(tickets, &status);
    return true;
}

/* Two gateways may do this at once: the later file wins, and a second after both have it. */
static void make_key(struct tickets *tickets, uint64_t now)
{
    struct keys keys;

    memcpy(keys.magic, MAGIC, sizeof(MAGIC));
    memcpy(&keys.key[1], &tickets->keys.key[0], (KEYS - 1) * sizeof(struct key));
    keys.key[0].born = now;
    if (RAND_bytes(keys.key[0].name, NAME_SIZE) != 1 || RAND_priv_bytes(keys.key[0].mac, SECRET_SIZE) != 1 ||
        RAND_priv_bytes(keys.key[0].cipher, SECRET_SIZE) != 1) {
        log_error("no random bytes for a ticket key; the old one stays");
        return;
    }
    bool saved = save(tickets, &keys);
    if (!saved && !tickets->alone) {
        log_warning("%s cannot be written: %s; sessions are resumed by this process alone", tickets->path,
                    strerror(errno));
    }
    tickets->alone = !saved;
    take(tickets, &keys);
    OPENSSL_cleanse(&keys, sizeof(keys));
}

void tickets_turn(struct tickets *tickets)
{
    uint64_t now = (uint64_t)time(NULL);

    look(tickets, now);
    if (tickets->keys.key[0].born + LIFE <= now || tickets->keys.key[0].born > now + LIFE) {
        make_key(tickets, now);
    }
}

struct tickets *tickets_open(const char *run_dir)
{
    struct tickets *tickets = calloc(1, sizeof(*tickets));
    if (!tickets) {
        abort();
    }
    pthread_mutex_init(&tickets->mutex, NULL);
    snprintf(tickets->path, sizeof(tickets->path), "%s/gateway/ticket-keys", run_dir);
    tickets_turn(tickets);
    return tickets;
}

/* The key of a ticket, or the newest when name is NULL: its age (0 the newest), or -1. */
static int find(struct tickets *tickets, const unsigned char *name, struct key *key)
{
    int found = -1;

    pthread_mutex_lock(&tickets->mutex);
    for (int i = 0; i < KEYS && found < 0; i++) {
        const struct key *each = &tickets->keys.key[i];
        if (each->born && (!name || memcmp(each->name, name, NAME_SIZE) == 0)) {
            *key = *each;
            found = i;
        }
    }
    pthread_mutex_unlock(&tickets->mutex);
    return found;
}

/* SSL_CTX_set_tlsext_ticket_key_evp_cb(3): 1 go on, 0 no such key (a full handshake), 2 go on and give a new ticket. */
static int on_ticket(SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac,
                     int encrypting)
{
    struct tickets *tickets = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
    struct key key;
    int age = find(tickets, encrypting ? NULL : name, &key);

    if (age < 0) {
        return 0;
    }
    if (encrypting) {
        memcpy(name, key.name, NAME_SIZE);
        if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1) {
            return -1;
        }
    }
    char digest[] = "sha256";
    OSSL_PARAM parameters[] = {OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, key.mac, SECRET_SIZE),
                               OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
                               OSSL_PARAM_construct_end()};
    bool good = EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key.cipher, iv, encrypting) == 1 &&
                EVP_MAC_CTX_set_params(mac, parameters) == 1;
    OPENSSL_cleanse(&key, sizeof(key));
    /* A ticket of TLS 1.3 is for one use (RFC 8446 section C.4), so whoever has used one gets another. */
    return !good ? -1 : age > 0 || (!encrypting && SSL_version(ssl) == TLS1_3_VERSION) ? 2 : 1;
}

void tickets_use(struct tickets *tickets, SSL_CTX *ctx)
{
    SSL_CTX_set_app_data(ctx, tickets);
    SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket);
}
