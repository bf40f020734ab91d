/*
 * A TCP proxy on 127.0.0.1 that behaves badly on demand, in place of stopping a server that other
 * tests use: frozen, it looks like a process under SIGSTOP (connections are taken, nothing is
 * answered). Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct wire;

struct wire *wire_start(const char *host, uint16_t port);
void wire_stop(struct wire *wire);
uint16_t wire_port(const struct wire *wire);
void wire_freeze(struct wire *wire, bool frozen);
/* Refuses: closes everything and answers new connections with a close. */
void wire_refuse(struct wire *wire, bool refuse);
/* The next request that holds this text reaches the server, but the connection is closed instead of
 * passing on the answer: done, and nobody knows. times = how often. */
void wire_swallow(struct wire *wire, const char *text, int times);
/* How many are still to be swallowed. */
int wire_to_swallow(const struct wire *wire);
