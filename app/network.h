/*
 * IP addresses, and networks as configurations write them ("10.0.0.0/8", "fd00::/8", "127.0.0.1").
 * IPv4 in IPv6 ("::ffff:10.0.0.1") counts as IPv4. Pure functions, any thread.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "app/schema.h"

struct address {
    uint8_t bytes[16];
    unsigned bits; /* 32 or 128; 0 = none */
};

struct address address_read(const char *text);
struct address address_of(const struct sockaddr *socket_address);
/* It lies in one of the networks. */
bool network_list_has(const struct strs *networks, const struct address *address);
/* Somebody else's on the Internet: none of this machine, its networks, or ways around to them. */
bool address_is_public(const struct address *address);
