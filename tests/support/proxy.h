/*
 * A TCP proxy on 127.0.0.1 that behaves badly on demand, in place of stopping a server that other tests
 * use: frozen, it looks like a process under SIGSTOP (connections are taken, nothing is answered). Any
 * thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct proxy;

struct proxy *proxy_start(const char *host, uint16_t port);
void proxy_stop(struct proxy *proxy);
uint16_t proxy_port(const struct proxy *proxy);
void proxy_freeze(struct proxy *proxy, bool frozen);
/* Refuses: closes everything and answers new connections with a close. */
void proxy_refuse(struct proxy *proxy, bool refuse);
/* The next request that holds this text reaches the server, but the connection is closed instead of
 * passing on the answer: done, and nobody knows. times = how often. */
void proxy_swallow(struct proxy *proxy, const char *text, int times);
/* How many are still to be swallowed. */
int proxy_to_swallow(const struct proxy *proxy);
