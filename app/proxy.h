/*
 * Who the client is when the peer is a proxy of ours: address, scheme and host from
 * X-Forwarded-For, -Proto and -Host, believed only from server.trusted_proxies. Pure functions. Any
 * thread.
 */
#pragma once

#include "app/http.h"
#include "app/schema.h"

/* The address lies in one of the addresses or networks ("10.0.0.0/8", "fd00::/8", "127.0.0.1"). */
bool proxy_is_trusted(const struct strs *trusted, const char *address);
/* Sets ctx.ip, https and authority from req->peer and the headers; nothing else is needed before.
 * The client is the rightmost address that is not a trusted proxy: what stands left of it anyone
 * can write. */
CHECKED enum err proxy_resolve(struct request *req, const struct strs *trusted);
