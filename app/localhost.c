/* One cached answer of the system's resolver. */
#include "app/localhost.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <time.h>

#include "app/clock.h"

#define FRESH_MS 60000
#define WAIT_MS  250

/* The machine's, not an app's: two apps in one process ask the same resolver. */
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t done;
    const char *name;
    enum localhost_answer answer;
    int64_t answered_ms; /* monotonic */
    bool asking;
} cached = {.mutex = PTHREAD_MUTEX_INITIALIZER, .done = PTHREAD_COND_INITIALIZER};

static bool is_loopback(const struct sockaddr *address)
{
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)address;

        return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
    }
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;

        return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
    }
    return false;
}

static void *ask(void *arg)
{
    const char *const *name = arg; /* set before the thread started, and never to another name */
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    enum localhost_answer answer = LOCALHOST_DOES_NOT;

    if (getaddrinfo(*name, NULL, &hints, &found) == 0) {
        if (is_loopback(found->ai_addr))
            answer = LOCALHOST_RESOLVES;
        freeaddrinfo(found);
    }
    (void)pthread_mutex_lock(&cached.mutex);
    cached.answer = answer;
    cached.answered_ms = clock_monotonic_ms();
    cached.asking = false;
    (void)pthread_cond_broadcast(&cached.done);
    (void)pthread_mutex_unlock(&cached.mutex);
    return NULL;
}

/* Under the mutex. */
static void start_asking(void)
{
    pthread_attr_t attributes;
    pthread_t thread;

    if (pthread_attr_init(&attributes) != 0)
        return;
    (void)pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    cached.asking = pthread_create(&thread, &attributes, ask, &cached.name) == 0;
    (void)pthread_attr_destroy(&attributes);
}

static void wait_briefly(void)
{
    struct timespec until;

    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += WAIT_MS * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (cached.asking) {
        if (pthread_cond_timedwait(&cached.done, &cached.mutex, &until) != 0)
            return;
    }
}

enum localhost_answer localhost_resolves(const char *name)
{
    enum localhost_answer answer;

    (void)pthread_mutex_lock(&cached.mutex);
    if (cached.name == NULL)
        cached.name = name;
    if (!cached.asking &&
        (cached.answered_ms == 0 || clock_monotonic_ms() - cached.answered_ms > FRESH_MS))
        start_asking();
    wait_briefly();
    answer = cached.answer;
    (void)pthread_mutex_unlock(&cached.mutex);
    return answer;
}
