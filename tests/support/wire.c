#include "support/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define PAIRS   128
#define CHUNK   65536
#define TICK_MS 5

struct pair {
    int client, server;
    bool swallow;
};

struct wire {
    struct addrinfo *target;
    int listener;
    uint16_t port;
    pthread_t thread;
    _Atomic bool stop, frozen, refuse;
    _Atomic int swallow;
    pthread_mutex_t lock; /* of text */
    char text[64];
    struct pair pairs[PAIRS];
    char chunk[CHUNK];
};

static void close_pair(struct pair *pair)
{
    close(pair->client);
    close(pair->server);
    *pair = (struct pair){.client = -1, .server = -1};
}

static void accept_one(struct wire *wire)
{
    int client = accept(wire->listener, NULL, NULL);

    if (client < 0)
        return;
    for (size_t i = 0; i < PAIRS && !wire->refuse; i++) {
        struct pair *pair = &wire->pairs[i];

        if (pair->client >= 0)
            continue;
        pair->server = socket(wire->target->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        pair->client = client;
        pair->swallow = false;
        if (connect(pair->server, wire->target->ai_addr, wire->target->ai_addrlen) != 0)
            close_pair(pair);
        return;
    }
    close(client);
}

static bool write_all(int to, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(to, bytes, size, MSG_NOSIGNAL);

        if (sent <= 0)
            return false;
        bytes += sent;
        size -= (size_t)sent;
    }
    return true;
}

static bool holds_text(struct wire *wire, size_t size)
{
    pthread_mutex_lock(&wire->lock);
    bool found = memmem(wire->chunk, size, wire->text, strlen(wire->text)) != NULL;
    pthread_mutex_unlock(&wire->lock);
    return found;
}

static void pass(struct wire *wire, struct pair *pair, bool to_server)
{
    int from = to_server ? pair->client : pair->server;
    int to = to_server ? pair->server : pair->client;
    ssize_t size = recv(from, wire->chunk, CHUNK, 0);

    if (size <= 0) {
        close_pair(pair);
        return;
    }
    if (to_server && atomic_load(&wire->swallow) > 0 && holds_text(wire, (size_t)size)) {
        atomic_fetch_sub(&wire->swallow, 1);
        pair->swallow = true;
    }
    if ((!to_server && pair->swallow) || !write_all(to, wire->chunk, (size_t)size))
        close_pair(pair);
}

static void tick(struct wire *wire)
{
    struct pollfd waits[2 * PAIRS + 1];
    bool frozen = wire->frozen;

    waits[0] = (struct pollfd){.fd = frozen ? -1 : wire->listener, .events = POLLIN};
    for (size_t i = 0; i < PAIRS; i++) {
        if (wire->refuse && wire->pairs[i].client >= 0)
            close_pair(&wire->pairs[i]);
        waits[1 + 2 * i] =
            (struct pollfd){.fd = frozen ? -1 : wire->pairs[i].client, .events = POLLIN};
        waits[2 + 2 * i] =
            (struct pollfd){.fd = frozen ? -1 : wire->pairs[i].server, .events = POLLIN};
    }
    if (poll(waits, 2 * PAIRS + 1, TICK_MS) <= 0 || wire->frozen)
        return;
    for (size_t i = 0; i < PAIRS; i++) {
        if (waits[1 + 2 * i].revents != 0)
            pass(wire, &wire->pairs[i], true);
        if (waits[2 + 2 * i].revents != 0 && wire->pairs[i].server == waits[2 + 2 * i].fd)
            pass(wire, &wire->pairs[i], false);
    }
    if (waits[0].revents != 0)
        accept_one(wire);
}

static void *run(void *arg)
{
    struct wire *wire = arg;

    while (!wire->stop)
        tick(wire);
    return NULL;
}

struct wire *wire_start(const char *host, uint16_t port)
{
    struct wire *wire = calloc(1, sizeof *wire);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    char port_text[8];

    snprintf(port_text, sizeof port_text, "%d", (int)port);
    if (wire == NULL || getaddrinfo(host, port_text, NULL, &wire->target) != 0)
        abort();
    pthread_mutex_init(&wire->lock, NULL);
    for (size_t i = 0; i < PAIRS; i++)
        wire->pairs[i] = (struct pair){.client = -1, .server = -1};
    wire->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(wire->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(wire->listener, PAIRS) != 0 ||
        getsockname(wire->listener, (struct sockaddr *)&at, &size) != 0)
        abort();
    wire->port = ntohs(at.sin_port);
    if (pthread_create(&wire->thread, NULL, run, wire) != 0)
        abort();
    return wire;
}

void wire_stop(struct wire *wire)
{
    if (wire == NULL)
        return;
    wire->stop = true;
    pthread_join(wire->thread, NULL);
    for (size_t i = 0; i < PAIRS; i++) {
        if (wire->pairs[i].client >= 0)
            close_pair(&wire->pairs[i]);
    }
    close(wire->listener);
    freeaddrinfo(wire->target);
    free(wire);
}

uint16_t wire_port(const struct wire *wire)
{
    return wire->port;
}

void wire_freeze(struct wire *wire, bool frozen)
{
    wire->frozen = frozen;
}

void wire_refuse(struct wire *wire, bool refuse)
{
    wire->refuse = refuse;
}

void wire_swallow(struct wire *wire, const char *text, int times)
{
    pthread_mutex_lock(&wire->lock);
    snprintf(wire->text, sizeof wire->text, "%s", text);
    pthread_mutex_unlock(&wire->lock);
    atomic_store(&wire->swallow, times);
}

int wire_to_swallow(const struct wire *wire)
{
    return atomic_load(&wire->swallow);
}
