#include "registry.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define PATH_SIZE   sizeof(((struct sockaddr_un *)0)->sun_path)
#define NAMES_MAX   64 /* numbers tried for an instance without a name */
#define FOLDER_MODE 02750

struct claim {
    char folder[PATH_SIZE];
    char instance[64];
    char bind_path[PATH_SIZE], socket_path[PATH_SIZE]; /* a Unix socket's limit */
    char lock_path[PATH_SIZE + 64], stats_path[PATH_SIZE + 64];
    int lock; /* the held lock's descriptor, or -1 */
    dev_t device;
    ino_t inode; /* of our published socket; 0 before */
};

static bool name_allowed(const char *name)
{
    size_t n = strlen(name);
    return n > 0 && n <= 32 && strspn(name, INSTANCE_CHARACTERS) == n;
}

static bool make_folder(const char *run_dir, const char *folder, char *error, size_t error_size)
{
    if (mkdir(run_dir, 0755) < 0 && errno != EEXIST) {
        snprintf(error, error_size, "FILMYFLY_RUN_DIR %s cannot be made: %s", run_dir, strerror(errno));
        return false;
    }
    /* Without the set-group-id bit at first: mkdir drops it on some file systems, and where a supervisor forbids such
     * bits (systemd's RestrictSUIDSGID=) a folder that is there already would be refused too. */
    if (mkdir(folder, 0750) == 0) {
        if (chmod(folder, FOLDER_MODE) < 0 && errno != EPERM) {
            snprintf(error, error_size, "%s: permissions cannot be set: %s", folder, strerror(errno));
            return false;
        }
    } else if (errno != EEXIST) {
        snprintf(error, error_size, "%s cannot be made: %s", folder, strerror(errno));
        return false;
    }
    return true;
}

static bool set_paths(struct claim *claim, const char *instance, char *error, size_t error_size)
{
    snprintf(claim->instance, sizeof(claim->instance), "%s", instance);
    int n = snprintf(claim->bind_path, PATH_SIZE, "%s/.%s.%ld", claim->folder, instance, (long)getpid());
    int m = snprintf(claim->socket_path, PATH_SIZE, "%s/%s.sock", claim->folder, instance);
    snprintf(claim->lock_path, sizeof(claim->lock_path), "%s/%s.lock", claim->folder, instance);
    snprintf(claim->stats_path, sizeof(claim->stats_path), "%s/%s.stats", claim->folder, instance);
    int longest = n > m ? n : m;
    if (longest >= (int)PATH_SIZE) {
        snprintf(error, error_size,
                 "FILMYFLY_RUN_DIR is too long: a socket in %s would have %d bytes in its path, and at most %zu are "
                 "possible; use a shorter directory",
                 claim->folder, longest, PATH_SIZE - 1);
        return false;
    }
    return true;
}

/* Whoever looks whether an instance lives (filmyfly status) holds a shared lock for some microseconds. An instance's
 * own is exclusive, and stays. */
static bool lock_is_only_looked_at(int fd)
{
    for (int i = 0; i < 5; i++) {
        if (flock(fd, LOCK_SH | LOCK_NB) == 0)
            return true; /* closing gives it back */
        nanosleep(&(struct timespec){.tv_nsec = 200000}, NULL);
    }
    return false;
}

/*
 * Takes the lock of the name in set_paths. 1 taken, 0 held by another, -1 error (errno). A file that was unlinked while
 * we waited for its lock is not the name any more: look again.
 */
static int take_lock(struct claim *claim)
{
    for (int tries = 0; tries < 10; tries++) {
        int fd = open(claim->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
        if (fd < 0)
            return -1;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
            int why = errno;
            if (why == EWOULDBLOCK && lock_is_only_looked_at(fd)) {
                close(fd);
                continue;
            }
            close(fd);
            errno = why;
            return why == EWOULDBLOCK ? 0 : -1;
        }
        struct stat held, named;
        if (fstat(fd, &held) == 0 && stat(claim->lock_path, &named) == 0 && held.st_ino == named.st_ino) {
            char text[32];
            int n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
            if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)n, 0) != n) {
                int why = errno;
                close(fd);
                errno = why;
                return -1;
            }
            claim->lock = fd;
            return 1;
        }
        close(fd);
    }
    errno = EAGAIN;
    return -1;
}

static long lock_owner(const char *path)
{
    char text[32] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof(text) - 1);
        text[n > 0 ? n : 0] = '\0';
        close(fd);
    }
    return strtol(text, NULL, 10);
}

/* A dead instance of our name may have left temporary sockets. */
static void sweep_temporaries(const struct claim *claim)
{
    char prefix[72];
    int n = snprintf(prefix, sizeof(prefix), ".%s.", claim->instance);
    DIR *dir = opendir(claim->folder);
    if (!dir)
        return;
    for (struct dirent *entry; (entry = readdir(dir));)
        if (strncmp(entry->d_name, prefix, (size_t)n) == 0)
            unlinkat(dirfd(dir), entry->d_name, 0);
    closedir(dir);
}

struct claim *claim_new(const char *run_dir, const char *stage, const char *instance, char *error, size_t error_size)
{
    struct claim *claim = calloc(1, sizeof(*claim));
    if (!claim) {
        snprintf(error, error_size, "out of memory");
        return NULL;
    }
    claim->lock = -1;
    bool named = instance && *instance;
    if (named && !name_allowed(instance)) {
        snprintf(error, error_size, "FILMYFLY_INSTANCE is \"%s\": expected at most 32 letters, digits, '-' and '_'",
                 instance);
        goto failed;
    }
    if (snprintf(claim->folder, PATH_SIZE, "%s/%s", run_dir, stage) >= (int)PATH_SIZE) {
        snprintf(error, error_size, "FILMYFLY_RUN_DIR is too long: %s", run_dir);
        goto failed;
    }
    if (!make_folder(run_dir, claim->folder, error, error_size))
        goto failed;

    int taken = 0;
    for (int number = 1; !taken && number <= (named ? 1 : NAMES_MAX); number++) {
        char digits[16];
        snprintf(digits, sizeof(digits), "%d", number);
        if (!set_paths(claim, named ? instance : digits, error, error_size))
            goto failed;
        taken = take_lock(claim);
        if (taken < 0) {
            snprintf(error, error_size, "%s: cannot be locked: %s", claim->lock_path, strerror(errno));
            goto failed;
        }
    }
    if (!taken && !named) {
        snprintf(error, error_size, "%s: all names from 1 to %d are taken; set FILMYFLY_INSTANCE to another",
                 claim->folder, NAMES_MAX);
        goto failed;
    }
    if (!taken) {
        snprintf(error, error_size, "%s/%s is already running as process %ld", stage, claim->instance,
                 lock_owner(claim->lock_path));
        goto failed;
    }
    sweep_temporaries(claim);
    return claim;

failed:
    free(claim);
    return NULL;
}

const char *claim_stage(const struct claim *claim)
{
    return strrchr(claim->folder, '/') + 1;
}

const char *claim_instance(const struct claim *claim)
{
    return claim->instance;
}

const char *claim_bind_path(const struct claim *claim)
{
    return claim->bind_path;
}

const char *claim_stats_path(const struct claim *claim)
{
    return claim->stats_path;
}

bool claim_file(const struct claim *claim, const char *suffix, char *path, size_t size)
{
    return (size_t)snprintf(path, size, "%s/%s%s", claim->folder, claim->instance, suffix) < size;
}

bool claim_publish(struct claim *claim)
{
    struct stat ours;
    if (claim->lock < 0) {
        errno = ESTALE; /* withdrawn: the name may be another's by now */
        return false;
    }
    /* Writable for the hop's group, whatever our umask is: that is the process's, and other threads make files too. */
    if (chmod(claim->bind_path, 0770) < 0 || stat(claim->bind_path, &ours) < 0 ||
        rename(claim->bind_path, claim->socket_path) < 0)
        return false;
    claim->device = ours.st_dev;
    claim->inode = ours.st_ino;
    return true;
}

void claim_hide(struct claim *claim)
{
    struct stat named;
    if (claim->inode && stat(claim->socket_path, &named) == 0 && named.st_ino == claim->inode &&
        named.st_dev == claim->device)
        unlink(claim->socket_path);
    claim->inode = 0;
}

void claim_withdraw(struct claim *claim)
{
    if (claim->lock < 0)
        return;
    claim_hide(claim);
    close(claim->lock);
    claim->lock = -1;
}

void claim_free(struct claim **claim)
{
    if (!*claim)
        return;
    claim_withdraw(*claim);
    free(*claim);
    *claim = NULL;
}

int registry_list(const char *run_dir, const char *stage, struct registry_entry *entries, size_t max)
{
    char folder[PATH_SIZE];
    if (snprintf(folder, sizeof(folder), "%s/%s", run_dir, stage) >= (int)sizeof(folder)) {
        errno = ENAMETOOLONG;
        return -1;
    }
    DIR *dir = opendir(folder);
    if (!dir)
        return -1;
    size_t n = 0;
    errno = 0;
    for (struct dirent *entry; n < max && (entry = readdir(dir)); errno = 0) {
        size_t length = strlen(entry->d_name);
        if (entry->d_name[0] == '.' || length <= 5 || strcmp(entry->d_name + length - 5, ".sock") != 0)
            continue;
        struct stat st;
        struct registry_entry *found = &entries[n];
        if (length - 5 >= sizeof(found->instance) || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISSOCK(st.st_mode))
            continue;
        if (snprintf(found->path, sizeof(found->path), "%s/%s", folder, entry->d_name) >= (int)sizeof(found->path))
            continue;
        memcpy(found->instance, entry->d_name, length - 5);
        found->instance[length - 5] = '\0';
        /* An inode number may be given again as soon as it is free; with the time of birth it is one life's own. */
        found->life = (uint64_t)st.st_ino * 0x9e3779b97f4a7c15ull ^
                      ((uint64_t)st.st_mtim.tv_sec * 1000000000ull + (uint64_t)st.st_mtim.tv_nsec);
        n++;
    }
    int why = errno; /* of readdir: a folder read in part is not known */
    closedir(dir);
    errno = why;
    return why ? -1 : (int)n;
}
