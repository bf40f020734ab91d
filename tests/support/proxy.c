#include "support/proxy.h"

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

#define PAIRS 128
#define CHUNK 65536
#define TICK_MS 5

struct pair {
    int client, server;
    bool swallow;
};

struct proxy {
    struct addrinfo *target;
    int listener;
    uint16_t port;
    pthread_t thread;
    _Atomic bool stop, frozen, refuse;
    _Atomic int swallow;
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

static void accept_one(struct proxy *proxy)
{
    int client = accept(proxy->listener, NULL, NULL);

    if (client < 0)
        return;
    for (size_t i = 0; i < PAIRS && !proxy->refuse; i++) {
        struct pair *pair = &proxy->pairs[i];

        if (pair->client >= 0)
            continue;
        pair->server = socket(proxy->target->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
        pair->client = client;
        pair->swallow = false;
        if (connect(pair->server, proxy->target->ai_addr, proxy->target->ai_addrlen) != 0)
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

static void pass(struct proxy *proxy, struct pair *pair, bool to_server)
{
    int from = to_server ? pair->client : pair->server;
    int to = to_server ? pair->server : pair->client;
    ssize_t size = recv(from, proxy->chunk, CHUNK, 0);

    if (size <= 0) {
        close_pair(pair);
        return;
    }
    if (to_server && atomic_load(&proxy->swallow) > 0 &&
        memmem(proxy->chunk, (size_t)size, proxy->text, strlen(proxy->text)) != NULL) {
        atomic_fetch_sub(&proxy->swallow, 1);
        pair->swallow = true;
    }
    if ((!to_server && pair->swallow) || !write_all(to, proxy->chunk, (size_t)size))
        close_pair(pair);
}

static void tick(struct proxy *proxy)
{
    struct pollfd waits[2 * PAIRS + 1];
    bool frozen = proxy->frozen;

    waits[0] = (struct pollfd){.fd = frozen ? -1 : proxy->listener, .events = POLLIN};
    for (size_t i = 0; i < PAIRS; i++) {
        if (proxy->refuse && proxy->pairs[i].client >= 0)
            close_pair(&proxy->pairs[i]);
        waits[1 + 2 * i] =
            (struct pollfd){.fd = frozen ? -1 : proxy->pairs[i].client, .events = POLLIN};
        waits[2 + 2 * i] =
            (struct pollfd){.fd = frozen ? -1 : proxy->pairs[i].server, .events = POLLIN};
    }
    if (poll(waits, 2 * PAIRS + 1, TICK_MS) <= 0 || proxy->frozen)
        return;
    for (size_t i = 0; i < PAIRS; i++) {
        if (waits[1 + 2 * i].revents != 0)
            pass(proxy, &proxy->pairs[i], true);
        if (waits[2 + 2 * i].revents != 0 && proxy->pairs[i].server == waits[2 + 2 * i].fd)
            pass(proxy, &proxy->pairs[i], false);
    }
    if (waits[0].revents != 0)
        accept_one(proxy);
}

static void *run(void *arg)
{
    struct proxy *proxy = arg;

    while (!proxy->stop)
        tick(proxy);
    return NULL;
}

struct proxy *proxy_start(const char *host, uint16_t port)
{
    struct proxy *proxy = calloc(1, sizeof *proxy);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    char port_text[8];

    snprintf(port_text, sizeof port_text, "%d", (int)port);
    if (proxy == NULL || getaddrinfo(host, port_text, NULL, &proxy->target) != 0)
        abort();
    for (size_t i = 0; i < PAIRS; i++)
        proxy->pairs[i] = (struct pair){.client = -1, .server = -1};
    proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(proxy->listener, (struct sockaddr *)&at, sizeof at) != 0 ||
        listen(proxy->listener, PAIRS) != 0 ||
        getsockname(proxy->listener, (struct sockaddr *)&at, &size) != 0)
        abort();
    proxy->port = ntohs(at.sin_port);
    if (pthread_create(&proxy->thread, NULL, run, proxy) != 0)
        abort();
    return proxy;
}

void proxy_stop(struct proxy *proxy)
{
    if (proxy == NULL)
        return;
    proxy->stop = true;
    pthread_join(proxy->thread, NULL);
    for (size_t i = 0; i < PAIRS; i++) {
        if (proxy->pairs[i].client >= 0)
            close_pair(&proxy->pairs[i]);
    }
    close(proxy->listener);
    freeaddrinfo(proxy->target);
    free(proxy);
}

uint16_t proxy_port(const struct proxy *proxy)
{
    return proxy->port;
}

void proxy_freeze(struct proxy *proxy, bool frozen)
{
    proxy->frozen = frozen;
}

void proxy_refuse(struct proxy *proxy, bool refuse)
{
    proxy->refuse = refuse;
}

void proxy_swallow(struct proxy *proxy, const char *text, int times)
{
    snprintf(proxy->text, sizeof proxy->text, "%s", text);
    atomic_store(&proxy->swallow, times);
}

int proxy_to_swallow(const struct proxy *proxy)
{
    return atomic_load(&proxy->swallow);
}
