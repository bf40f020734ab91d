/*
 * Deadlines. CivetWeb bounds the silence between two bytes, but not a whole body or answer, so a
 * thread of ours looks four times a second which connection is over its time and shuts down its
 * socket: the read or write that CivetWeb blocks in then ends. CivetWeb does not tell its sockets;
 * the one of a connection is found by its addresses among the open descriptors, which is rare
 * enough to be slow. The worker registers and leaves under the lock, so the descriptor cannot be
 * another's meanwhile.
 */
#include "app/server_internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>

#include "app/clock.h"
#include "app/condition.h"

#define TICK_MS          250
#define IDLE_MIN_MS      1000 /* under pressure idle connections keep their thread this long */
#define LINGER_MS        1000
#define LINGER_MAX_BYTES ((size_t)16 * 1024 * 1024)
#define CLOSED_IN_A_ROW \
    256 /* descriptors are given out from below: past this many there are none */

void server_phase(struct worker *worker, enum phase phase, int64_t deadline_ms)
{
    atomic_store_explicit(&worker->since_ms, clock_monotonic_ms(), memory_order_relaxed);
    atomic_store_explicit(&worker->deadline_ms, deadline_ms, memory_order_relaxed);
    atomic_store_explicit(&worker->phase, (int)phase, memory_order_release);
}

bool server_is_busy(const struct server *server)
{
    return atomic_load(&server->connections) > server->threads - server->threads / 8;
}

/* --- sockets by their addresses --- */

void server_each_descriptor(server_socket_fn fn, void *arg)
{
    int closed = 0;

    for (int fd = 0; closed < CLOSED_IN_A_ROW; fd++) {
        errno = 0;
        if (fn(fd, arg))
            return;
        closed = errno == EBADF ? closed + 1 : 0;
    }
}

int server_port_of(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohs(((const struct sockaddr_in *)(const void *)address)->sin_port);
    if (address->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)(const void *)address)->sin6_port);
    return -1;
}

static bool address_is(const struct sockaddr_storage *address, const char *text)
{
    char name[INET6_ADDRSTRLEN];
    const void *bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;

    if (address->ss_family == AF_INET6)
        bytes = &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr;
    return inet_ntop(address->ss_family, bytes, name, sizeof name) != NULL &&
           strcmp(name, text) == 0;
}

/* The descriptor is the worker's connection. */
static bool is_socket_of(int fd, const struct worker *worker)
{
    struct sockaddr_storage address;
    socklen_t size = sizeof address;

    if (getpeername(fd, (struct sockaddr *)&address, &size) != 0 ||
        (address.ss_family != AF_INET && address.ss_family != AF_INET6) ||
        server_port_of(&address) != worker->peer_port || !address_is(&address, worker->peer))
        return false;
    size = sizeof address;
    return getsockname(fd, (struct sockaddr *)&address, &size) == 0 &&
           server_port_of(&address) == worker->local_port;
}

struct search {
    const struct worker *worker;
    int found;
};

/* Two of the same addresses differ in our own: then neither is touched. */
static bool search_one(int fd, void *arg)
{
    struct search *search = arg;

    if (!is_socket_of(fd, search->worker))
        return false;
    search->found = search->found == -1 ? fd : -2;
    return false;
}

static int find_socket(const struct worker *worker)
{
    struct search search = {.worker = worker, .found = -1};

    server_each_descriptor(search_one, &search);
    return search.found >= 0 ? search.found : -1;
}

/* --- cutting --- */

static void cut(struct worker *worker, enum phase phase)
{
    int fd = find_socket(worker);

    if (fd >= 0)
        shutdown(fd, phase == PHASE_ANSWER ? SHUT_RDWR : SHUT_RD);
    atomic_store(&worker->deadline_ms, 0);
}

static bool is_overdue(const struct server *server, const struct worker *worker, int64_t now)
{
    int phase = atomic_load_explicit(&worker->phase, memory_order_acquire);
    int64_t deadline = atomic_load(&worker->deadline_ms);

    if (!worker->open || deadline == 0)
        return false;
    if (deadline <= now)
        return true;
    return phase == PHASE_IDLE && worker->counted && server_is_busy(server) &&
           now - atomic_load(&worker->since_ms) >= IDLE_MIN_MS;
}

static void *run_watchdog(void *arg)
{
    struct server *server = arg;

    pthread_mutex_lock(&server->lock);
    while (!atomic_load(&server->stopping)) {
        int64_t now = clock_monotonic_ms();

        for (size_t i = 0; i < server->worker_count; i++) {
            struct worker *worker = &server->workers[i];
            if (is_overdue(server, worker, now))
                cut(worker, (enum phase)atomic_load(&worker->phase));
        }
        server_census_take(server->census);
        (void)condition_wait(&server->wake, &server->lock, clock_monotonic_ms() + TICK_MS);
    }
    pthread_mutex_unlock(&server->lock);
    return NULL;
}

bool server_watch(struct server *server)
{
    server->has_watchdog = pthread_create(&server->watchdog, NULL, run_watchdog, server) == 0;
    return server->has_watchdog;
}

void server_unwatch(struct server *server)
{
    if (!server->has_watchdog)
        return;
    pthread_mutex_lock(&server->lock);
    atomic_store(&server->stopping, true);
    pthread_cond_signal(&server->wake);
    pthread_mutex_unlock(&server->lock);
    pthread_join(server->watchdog, NULL);
    server->has_watchdog = false;
}

void server_cut_idle(struct server *server)
{
    pthread_mutex_lock(&server->lock);
    for (size_t i = 0; i < server->worker_count; i++) {
        struct worker *worker = &server->workers[i];
        if (worker->open && atomic_load(&worker->phase) == PHASE_IDLE)
            cut(worker, PHASE_IDLE);
    }
    pthread_mutex_unlock(&server->lock);
}

bool server_head_overflowed(const struct worker *worker, bool is_first)
{
    struct tcp_info info = {.tcpi_bytes_received = 0};
    socklen_t size = sizeof info;
    int unread = 0;
    int fd = find_socket(worker);

    if (fd < 0)
        return false;
    if (ioctl(fd, FIONREAD, &unread) == 0 && unread > 0)
        return true;
    return is_first && getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 &&
           info.tcpi_bytes_received >= SERVER_HEAD_SIZE;
}

/* --- goodbye --- */

void server_linger(struct worker *worker)
{
    int64_t until = clock_monotonic_ms() + LINGER_MS;
    char *scratch = arena_alloc(&worker->arena, 4096);
    size_t total = 0;
    int fd;

    /* Only this worker closes its socket, so no lock is needed. */
    fd = scratch != NULL && !server_is_busy(worker->server) ? find_socket(worker) : -1;
    if (fd < 0 || shutdown(fd, SHUT_WR) != 0)
        return;
    while (total < LINGER_MAX_BYTES) {
        struct pollfd wait = {.fd = fd, .events = POLLIN};
        int64_t left = until - clock_monotonic_ms();

        if (left <= 0 || poll(&wait, 1, (int)left) <= 0)
            return;
        ssize_t size = recv(fd, scratch, 4096, MSG_DONTWAIT);
        if (size <= 0)
            return;
        total += (size_t)size;
    }
}

/* --- listeners --- */

static bool close_if_listening(int fd, void *arg)
{
    const struct listener *listener = arg;
    struct sockaddr_storage address;
    socklen_t size = sizeof address;
    int listening = 0;
    socklen_t option = sizeof listening;

    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &option) != 0 || listening == 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        return false;
    for (size_t i = 0; i < listener->port_count; i++) {
        if (server_port_of(&address) == listener->ports[i])
            shutdown(fd, SHUT_RDWR);
    }
    return false;
}

void server_close_listeners(const struct listener *listener)
{
    struct listener copy = *listener;

    server_each_descriptor(close_if_listening, &copy);
}
