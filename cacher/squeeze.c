#include "squeeze.h"

#include <brotli/encode.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <time.h>
#include <unistd.h>
#include <zlib.h>

#include "log.h"

#define GZIP_WINDOW 31 /* 15 bits and gzip's frame, as zlib.h says */

#define SLICE     250000  /* ns of work at a time */
#define LEAST     100000  /* ns that it has run before it rests: on a busy machine a slice may pass without any */
#define BREATH    50000   /* ns between two slices */
#define REST      1000000 /* ns that it looks away while somebody waits for a page */
#define REST_MOST 5       /* times one after the other */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

struct job {
    STAILQ_ENTRY(job) link;
    struct hash key;
    uint64_t stamp;
    bool is_gzip;
    unsigned char *body, *gzip, *brotli;
    size_t n, gzip_n, brotli_n;
};

STAILQ_HEAD(jobs, job);

struct squeeze {
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t work;
    struct jobs waiting, done; /* under the mutex, with the next three */
    struct hash at_work;
    unsigned held; /* jobs that are waiting, at work or done */
    bool ends;
    atomic_bool rests; /* somebody waits for a page */
    struct job *taken; /* the owner's: what squeeze_take gave last */
};

static void job_free(struct job *job)
{
    if (!job)
        return;
    free(job->body);
    free(job->gzip);
    free(job->brotli);
    free(job);
}

/* ---- the thread ---- */

/*
 * An idle thread gives way at once only to threads of its own scheduling group. Each stage may be a group of its own
 * (autogroup, cgroups), and then libzmq's threads, which are SCHED_BATCH, would wait for its processor to the next tick
 * of the kernel: 4 ms at each step of a page. So a timer interrupts the work, and whoever waits has its turn; nothing
 * that a library does in one piece can be divided otherwise.
 */
static _Thread_local struct {
    timer_t timer;
    const atomic_bool *rests;
    int64_t ran;                /* its processor time after the last rest, ns */
    volatile sig_atomic_t work; /* there is some: slices follow each other */
} slices;

static int64_t processor_time(void)
{
    struct timespec time;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static void begin_slice(void)
{
    timer_settime(slices.timer, 0, &(struct itimerspec){.it_value = {0, SLICE}}, NULL);
}

static void on_slice(int number)
{
    int before = errno;
    (void)number;
    if (processor_time() - slices.ran >= LEAST) {
        nanosleep(&(struct timespec){0, BREATH}, NULL);
        for (int i = 0; i < REST_MOST && atomic_load_explicit(slices.rests, memory_order_relaxed); i++)
            nanosleep(&(struct timespec){0, REST}, NULL);
        slices.ran = processor_time();
    }
    if (slices.work)
        begin_slice();
    errno = before;
}

static bool make_timer(const struct squeeze *squeeze)
{
    struct sigaction action = {.sa_handler = on_slice, .sa_flags = SA_RESTART};
    struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SQUEEZE_SIGNAL};
    sigset_t own;
    event.sigev_notify_thread_id = gettid();
    slices.rests = &squeeze->rests;
    sigemptyset(&own);
    sigaddset(&own, SQUEEZE_SIGNAL);
    return sigaction(SQUEEZE_SIGNAL, &action, NULL) == 0 && pthread_sigmask(SIG_UNBLOCK, &own, NULL) == 0 &&
           timer_create(CLOCK_MONOTONIC, &event, &slices.timer) == 0;
}

/* The plain bytes of a gzip body; NULL when it is broken or too long. */
static unsigned char *inflate_body(const struct job *job, size_t *n)
{
    z_stream stream = {.next_in = job->body, .avail_in = (uInt)job->n};
    unsigned char *plain = malloc(SQUEEZE_MOST);
    if (!plain || inflateInit2(&stream, GZIP_WINDOW) != Z_OK) {
        free(plain);
        return NULL;
    }
    stream.next_out = plain;
    stream.avail_out = SQUEEZE_MOST;
    bool whole = inflate(&stream, Z_FINISH) == Z_STREAM_END && stream.avail_in == 0;
    *n = stream.total_out;
    inflateEnd(&stream);
    if (!whole) {
        free(plain);
        return NULL;
    }
    return plain;
}

static unsigned char *make_gzip(const unsigned char *plain, size_t n, size_t *out_n)
{
    z_stream stream = {.next_in = (unsigned char *)(uintptr_t)plain, .avail_in = (uInt)n};
    if (deflateInit2(&stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return NULL;
    size_t size = deflateBound(&stream, n);
    unsigned char *out = malloc(size);
    stream.next_out = out;
    stream.avail_out = (uInt)size;
    bool whole = out && deflate(&stream, Z_FINISH) == Z_STREAM_END;
    *out_n = stream.total_out;
    deflateEnd(&stream);
    if (!whole || *out_n >= n) {
        free(out);
        return NULL;
    }
    return out;
}

static unsigned char *make_brotli(const unsigned char *plain, size_t n, size_t *out_n)
{
    *out_n = BrotliEncoderMaxCompressedSize(n);
    unsigned char *out = *out_n ? malloc(*out_n) : NULL;
    bool whole =
        out && BrotliEncoderCompress(BROTLI_MAX_QUALITY, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_TEXT, n, plain, out_n, out);
    if (!whole || *out_n >= n) {
        free(out);
        return NULL;
    }
    return out;
}

static void work(struct job *job)
{
    size_t n = job->n;
    unsigned char *plain = job->is_gzip ? inflate_body(job, &n) : job->body;
    if (!plain)
        return;
    job->gzip = make_gzip(plain, n, &job->gzip_n);
    job->brotli = make_brotli(plain, n, &job->brotli_n);
    if (plain != job->body)
        free(plain);
    free(job->body);
    job->body = NULL;
}

static void *run(void *argument)
{
    struct squeeze *squeeze = argument;
    struct job *job;
    if (sched_setscheduler(0, SCHED_IDLE, &(struct sched_param){0}) != 0)
        log_warning("pages are compressed at ordinary priority: SCHED_IDLE is refused");
    bool sliced = make_timer(squeeze);
    if (!sliced)
        log_warning("pages are compressed without breaks, which may delay others: no timer is to be had");
    pthread_mutex_lock(&squeeze->mutex);
    while (!squeeze->ends) {
        job = STAILQ_FIRST(&squeeze->waiting);
        if (!job) {
            pthread_cond_wait(&squeeze->work, &squeeze->mutex);
            continue;
        }
        STAILQ_REMOVE_HEAD(&squeeze->waiting, link);
        squeeze->at_work = job->key;
        pthread_mutex_unlock(&squeeze->mutex);
        slices.work = sliced;
        if (sliced)
            begin_slice();
        work(job);
        slices.work = false;
        pthread_mutex_lock(&squeeze->mutex);
        squeeze->at_work = (struct hash){0, 0};
        STAILQ_INSERT_TAIL(&squeeze->done, job, link);
    }
    pthread_mutex_unlock(&squeeze->mutex);
    if (sliced)
        timer_delete(slices.timer);
    return NULL;
}

/* ---- its owner ---- */

struct squeeze *squeeze_new(void)
{
    struct squeeze *squeeze = calloc(1, sizeof(*squeeze));
    if (!squeeze)
        return NULL;
    STAILQ_INIT(&squeeze->waiting);
    STAILQ_INIT(&squeeze->done);
    pthread_mutex_init(&squeeze->mutex, NULL);
    pthread_cond_init(&squeeze->work, NULL);
    if (pthread_create(&squeeze->thread, NULL, run, squeeze) != 0) {
        pthread_cond_destroy(&squeeze->work);
        pthread_mutex_destroy(&squeeze->mutex);
        free(squeeze);
        return NULL;
    }
    return squeeze;
}

static void free_all(struct jobs *jobs)
{
    struct job *job;
    while ((job = STAILQ_FIRST(jobs))) {
        STAILQ_REMOVE_HEAD(jobs, link);
        job_free(job);
    }
}

void squeeze_free(struct squeeze **slot)
{
    struct squeeze *squeeze = *slot;
    if (!squeeze)
        return;
    squeeze_rest(squeeze, false);
    pthread_mutex_lock(&squeeze->mutex);
    squeeze->ends = true;
    pthread_cond_signal(&squeeze->work);
    pthread_mutex_unlock(&squeeze->mutex);
    pthread_join(squeeze->thread, NULL);
    free_all(&squeeze->waiting);
    free_all(&squeeze->done);
    job_free(squeeze->taken);
    pthread_cond_destroy(&squeeze->work);
    pthread_mutex_destroy(&squeeze->mutex);
    free(squeeze);
    *slot = NULL;
}

void squeeze_rest(struct squeeze *squeeze, bool rest)
{
    atomic_store_explicit(&squeeze->rests, rest, memory_order_relaxed);
}

/* With the mutex held. */
static bool has(const struct squeeze *squeeze, struct hash key)
{
    const struct job *job;
    STAILQ_FOREACH(job, &squeeze->waiting, link)
    if (hash_eq(job->key, key))
        return true;
    STAILQ_FOREACH(job, &squeeze->done, link)
    if (hash_eq(job->key, key))
        return true;
    return hash_eq(squeeze->at_work, key);
}

bool squeeze_give(struct squeeze *squeeze, struct hash key, uint64_t stamp, struct str body, bool gzip)
{
    if (body.n == 0 || body.n > SQUEEZE_MOST)
        return false;
    struct job *job = calloc(1, sizeof(*job));
    if (job)
        job->body = malloc(body.n);
    if (!job || !job->body) {
        job_free(job);
        return false;
    }
    memcpy(job->body, body.p, body.n);
    job->n = body.n;
    job->key = key;
    job->stamp = stamp;
    job->is_gzip = gzip;
    /* The thread may have been put aside while it holds the mutex, and on a busy machine for long: nobody waits for it.
     */
    bool locked = pthread_mutex_trylock(&squeeze->mutex) == 0;
    bool room = locked && squeeze->held < SQUEEZE_QUEUE && !has(squeeze, key);
    if (room) {
        squeeze->held++;
        STAILQ_INSERT_TAIL(&squeeze->waiting, job, link);
        pthread_cond_signal(&squeeze->work);
    }
    if (locked)
        pthread_mutex_unlock(&squeeze->mutex);
    if (!room)
        job_free(job);
    return room;
}

bool squeeze_take(struct squeeze *squeeze, struct squeezed *squeezed)
{
    job_free(squeeze->taken);
    squeeze->taken = NULL;
    if (pthread_mutex_trylock(&squeeze->mutex) != 0)
        return false; /* the next tick comes */
    struct job *job = squeeze->taken = STAILQ_FIRST(&squeeze->done);
    if (job) {
        STAILQ_REMOVE_HEAD(&squeeze->done, link);
        squeeze->held--;
    }
    pthread_mutex_unlock(&squeeze->mutex);
    if (!job)
        return false;
    *squeezed = (struct squeezed){
        .key = job->key,
        .stamp = job->stamp,
        .gzip = {(char *)job->gzip, job->gzip ? (uint32_t)job->gzip_n : 0},
        .brotli = {(char *)job->brotli, job->brotli ? (uint32_t)job->brotli_n : 0},
    };
    return true;
}
