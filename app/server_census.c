/*
 * Who holds the connections. A connection tells whose it is only with its first request; until then
 * CivetWeb alone knows its socket, and connections that wait for a free thread it tells of not at
 * all. So when an address could have too many, or somebody is silent, the open descriptors
 * themselves are asked, four times a second: connections beyond an address's share are closed, the
 * least useful first; a first head ends with its time-out; and while threads are short whoever says
 * nothing for a second goes. The watchdog holds the lock, under which no connection is closed, so a
 * descriptor cannot become another's meanwhile.
 */
#include "app/server_internal.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/proxy.h"

#define SILENT_MS 250  /* from here on a first head is looked at */
#define SHORT_MS  1000 /* a silent one keeps its thread so long while threads are short */
#define SLACK_MS  500  /* CivetWeb's own time-out, which answers, comes first */

/* What is closed first when an address has too many. */
enum use { USE_UNSET = 0, USE_REQUEST, USE_ANSWER, USE_BODY, USE_IDLE, USE_SILENT };

/* A descriptor as it was last seen. */
struct census_entry {
    uint8_t address[16]; /* IPv6 by its /64 */
    int port;
    int fd;
    uint64_t round;
    int64_t since; /* first seen */
    enum use use;
};

#define CENSUS_MAX 2048 /* descriptors above go unwatched */

struct census {
    struct server *server;
    uint64_t round;
    int64_t now;
    size_t found;
    struct census_entry by_fd[CENSUS_MAX];
    struct census_entry *sorted[CENSUS_MAX];
};

struct census *server_census_new(struct server *server)
{
    struct census *census = calloc(1, sizeof *census);

    if (census != NULL)
        census->server = server;
    return census;
}

void server_census_free(struct census *census)
{
    free(census);
}

/* --- looking --- */

static void copy_address(const struct sockaddr_storage *address, uint8_t out[16])
{
    memset(out, 0, 16);
    if (address->ss_family == AF_INET)
        memcpy(out, &((const struct sockaddr_in *)(const void *)address)->sin_addr, 4);
    else
        memcpy(out, &((const struct sockaddr_in6 *)(const void *)address)->sin6_addr, 8);
}

static bool is_public(const struct server *server, int port)
{
    for (size_t i = 0; i < server->public_listener.port_count; i++) {
        if (server->public_listener.ports[i] == port)
            return true;
    }
    return false;
}

static enum use use_of(const struct server *server, int port)
{
    for (size_t i = 0; i < server->worker_count; i++) {
        const struct worker *worker = &server->workers[i];

        if (!worker->open || worker->peer_port != port)
            continue;
        switch ((enum phase)atomic_load(&worker->phase)) {
        case PHASE_NONE:
            return USE_REQUEST;
        case PHASE_ANSWER:
            return USE_ANSWER;
        case PHASE_BODY:
            return USE_BODY;
        case PHASE_IDLE:
            return USE_IDLE;
        }
    }
    return USE_SILENT;
}

static bool look_at(int fd, void *arg)
{
    struct census *census = arg;
    struct census_entry *entry = &census->by_fd[fd < CENSUS_MAX ? fd : 0], seen = {.fd = fd};
    struct sockaddr_storage peer, own;
    socklen_t peer_size = sizeof peer, own_size = sizeof own;

    if (fd >= CENSUS_MAX)
        return true;
    if (getpeername(fd, (struct sockaddr *)&peer, &peer_size) != 0 || server_port_of(&peer) < 0 ||
        getsockname(fd, (struct sockaddr *)&own, &own_size) != 0 ||
        !is_public(census->server, server_port_of(&own)))
        return false;
    copy_address(&peer, seen.address);
    seen.port = server_port_of(&peer);
    const bool again = entry->round + 1 == census->round && entry->port == seen.port &&
                       memcmp(entry->address, seen.address, sizeof seen.address) == 0;
    seen.round = census->round;
    seen.since = again ? entry->since : census->now;
    seen.use = use_of(census->server, seen.port);
    *entry = seen;
    census->sorted[census->found++] = entry;
    return false;
}

/* --- deciding --- */

static int compare(const void *a, const void *b)
{
    const struct census_entry *const *left = a, *const *right = b;
    int order = memcmp((*left)->address, (*right)->address, sizeof(*left)->address);

    if (order == 0)
        order = ((*left)->use > (*right)->use) - ((*left)->use < (*right)->use);
    if (order == 0)
        order = ((*left)->since > (*right)->since) - ((*left)->since < (*right)->since);
    return order;
}

static bool is_trusted(const struct server *server, const struct census_entry *entry)
{
    char text[INET6_ADDRSTRLEN];
    const bool is_v4 = memcmp(entry->address + 4, (const uint8_t[12]){0}, 12) == 0;

    return inet_ntop(is_v4 ? AF_INET : AF_INET6, entry->address, text, sizeof text) != NULL &&
           proxy_is_trusted(&app_config(server->app)->server.trusted_proxies, text);
}

/* A request that is being worked on is left alone: it ends by itself. */
static void cut_surplus(struct census *census, int64_t share)
{
    size_t first = 0;

    qsort(census->sorted, census->found, sizeof census->sorted[0], compare);
    for (size_t i = 0; i < census->found; i++) {
        const struct census_entry *entry = census->sorted[i];

        if (memcmp(entry->address, census->sorted[first]->address, sizeof entry->address) != 0)
            first = i;
        if (i - first >= (size_t)share && entry->use != USE_REQUEST &&
            !is_trusted(census->server, entry))
            shutdown(entry->fd, SHUT_RDWR);
    }
}

/* One that waits for a thread with its head unread has said what it wants. */
static bool has_unread(int fd)
{
    int unread = 0;

    return ioctl(fd, FIONREAD, &unread) == 0 && unread > 0;
}

static void cut_silent(struct census *census)
{
    const int64_t limit = app_config(census->server->app)->server.header_timeout_ms + SLACK_MS;
    const bool is_short = server_is_busy(census->server);

    for (size_t i = 0; i < census->found; i++) {
        const struct census_entry *entry = census->sorted[i];
        const int64_t age = census->now - entry->since;

        if (entry->use != USE_SILENT || has_unread(entry->fd))
            continue;
        if (age >= limit)
            shutdown(entry->fd, SHUT_RD);
        else if (is_short && age >= SHORT_MS)
            shutdown(entry->fd, SHUT_RDWR);
    }
}

static bool is_anyone_silent(const struct server *server, int64_t now)
{
    for (size_t i = 0; i < server->worker_count; i++) {
        const struct worker *worker = &server->workers[i];

        if (atomic_load(&worker->counted) && !worker->open &&
            now - atomic_load(&worker->since_ms) >= SILENT_MS)
            return true;
    }
    return false;
}

/* A quarter of the threads in production; on a developer's machine everybody is one address. */
static int64_t share_of(const struct server *server)
{
    const int64_t set = app_config(server->app)->server.connections_per_address;

    if (set > 0)
        return set;
    return app_is_development(server->app) ? INT64_MAX : server->threads / 4;
}

void server_census_take(struct census *census)
{
    struct server *server = census->server;
    const int64_t now = clock_monotonic_ms(), share = share_of(server);

    if (atomic_load(&server->connections) <= share && !is_anyone_silent(server, now))
        return;
    census->round++;
    census->now = now;
    census->found = 0;
    server_each_descriptor(look_at, census);
    cut_surplus(census, share);
    cut_silent(census);
}
