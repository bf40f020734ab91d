/*
 * Redirect URIs of OAuth clients (RFC 6749 §3.1.2, RFC 8252, RFC 9700 §2.1). What may be registered
 * is decided once; a request's URI is then compared byte for byte. Any thread.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#define REDIRECT_URI_MAX 2000 /* bytes */

struct redirect_rule {
    bool is_native; /* application_type native: schemes of its own, and plain http on loopback */
    bool is_development; /* plain http to any host */
    bool is_web_only;    /* no scheme but http and https: what the service itself calls */
};

/* NULL when it may be registered, else what is allowed, in words that follow the URI's name. */
const char *redirect_uri_check(const char *uri, const struct redirect_rule *rule);

/* Whether sent is registered: the same bytes; for a native application a loopback address's port
 * may differ (RFC 8252 §7.3). */
bool redirect_uri_matches(const char *registered, const char *sent, bool is_native);

/* "https://app.example:8443" of an http or https URI, without its NUL at least *ret_length bytes of
 * uri; 0 for other schemes. */
size_t redirect_uri_origin(const char *uri);
