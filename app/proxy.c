/* The client behind trusted proxies. */
#include "app/proxy.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ADDRESS_TEXT 64

struct address {
    uint8_t bytes[16];
    unsigned bits; /* 32 or 128; 0 = none */
};

/* IPv4 in IPv6 ("::ffff:10.0.0.1") counts as IPv4. */
static struct address read_address(const char *text)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    struct address address = {.bits = 0};

    if (inet_pton(AF_INET, text, address.bytes) == 1) {
        address.bits = 32;
    } else if (inet_pton(AF_INET6, text, address.bytes) == 1) {
        address.bits = 128;
        if (memcmp(address.bytes, mapped, sizeof mapped) == 0) {
            memmove(address.bytes, address.bytes + sizeof mapped, 4);
            address.bits = 32;
        }
    }
    return address;
}

static bool same_bits(const uint8_t *a, const uint8_t *b, unsigned bits)
{
    unsigned whole = bits / 8;
    unsigned rest = bits % 8;

    if (memcmp(a, b, whole) != 0)
        return false;
    return rest == 0 || (a[whole] ^ b[whole]) >> (8 - rest) == 0;
}

/* The digits behind the slash, or all bits without one; more than there are bits when it is no
 * number. */
static unsigned read_prefix(const char *slash, unsigned bits)
{
    unsigned prefix = 0;

    if (slash == NULL)
        return bits;
    if (slash[1] == '\0' || strlen(slash + 1) > 3)
        return bits + 1;
    for (const char *at = slash + 1; *at != '\0'; at++) {
        if (*at < '0' || *at > '9')
            return bits + 1;
        prefix = prefix * 10 + (unsigned)(*at - '0');
    }
    return prefix;
}

static bool is_in_network(const struct address *address, const char *network)
{
    char text[ADDRESS_TEXT];
    const char *slash = strchr(network, '/');
    size_t length = slash != NULL ? (size_t)(slash - network) : strlen(network);

    if (length >= sizeof text)
        return false;
    memcpy(text, network, length);
    text[length] = '\0';
    struct address base = read_address(text);
    unsigned prefix = read_prefix(slash, base.bits);
    return base.bits == address->bits && base.bits != 0 && prefix <= base.bits &&
           same_bits(base.bytes, address->bytes, prefix);
}

bool proxy_is_trusted(const struct strs *trusted, const char *text)
{
    struct address address = read_address(text);

    for (size_t i = 0; i < trusted->count && address.bits != 0; i++) {
        if (is_in_network(&address, trusted->items[i]))
            return true;
    }
    return false;
}

/* The last element of a comma-separated list, cut off it: *length shrinks. */
static const char *take_last(const char *list, size_t *length, size_t *ret_size)
{
    size_t end = *length;
    size_t start;

    while (end > 0 && (list[end - 1] == ' ' || list[end - 1] == ','))
        end--;
    start = end;
    while (start > 0 && list[start - 1] != ',')
        start--;
    *length = start;
    while (start < end && list[start] == ' ')
        start++;
    *ret_size = end - start;
    return list + start;
}

/* One hop of X-Forwarded-For as an address; "1.2.3.4:5678" and "[::1]:5678" lose their port. */
static bool copy_hop(const char *hop, size_t size, char out[ADDRESS_TEXT])
{
    if (size > 0 && hop[0] == '[') {
        const char *end = memchr(hop, ']', size);
        if (end == NULL)
            return false;
        size = (size_t)(end - hop) - 1;
        hop++;
    } else {
        const char *colon = memchr(hop, ':', size);
        if (colon != NULL && memchr(colon + 1, ':', size - (size_t)(colon + 1 - hop)) == NULL)
            size = (size_t)(colon - hop);
    }
    if (size == 0 || size >= ADDRESS_TEXT)
        return false;
    memcpy(out, hop, size);
    out[size] = '\0';
    return read_address(out).bits != 0;
}

/* Walks all X-Forwarded-For headers from the right. */
static enum err find_client(struct request *req, const struct strs *trusted)
{
    for (size_t i = req->header_count; i > 0; i--) {
        const struct http_header *header = &req->headers[i - 1];
        size_t length = strlen(header->value);

        if (strcasecmp(header->name, "X-Forwarded-For") != 0)
            continue;
        while (length > 0) {
            char address[ADDRESS_TEXT];
            size_t size;
            const char *hop = take_last(header->value, &length, &size);

            if (!copy_hop(hop, size, address))
                return ERR_OK; /* nonsense: the last good hop stands */
            req->ctx.ip = arena_strdup(req->ctx.arena, address);
            if (req->ctx.ip == NULL)
                return fail_internal(&req->ctx, ERR_MEMORY, "no memory for an address");
            if (!proxy_is_trusted(trusted, address))
                return ERR_OK;
        }
    }
    return ERR_OK;
}

/* What the nearest proxy said: the last element of the last header of that name. */
static enum err last_value(struct request *req, const char *name, const char **ret_value)
{
    *ret_value = NULL;
    for (size_t i = req->header_count; i > 0 && *ret_value == NULL; i--) {
        const struct http_header *header = &req->headers[i - 1];
        size_t length = strlen(header->value);
        size_t size;

        if (strcasecmp(header->name, name) != 0)
            continue;
        const char *text = take_last(header->value, &length, &size);
        *ret_value = arena_strndup(req->ctx.arena, text, size);
        if (*ret_value == NULL)
            return fail_internal(&req->ctx, ERR_MEMORY, "no memory for a forwarded header");
    }
    return ERR_OK;
}

enum err proxy_resolve(struct request *req, const struct strs *trusted)
{
    const char *value;

    req->ctx.ip = req->peer;
    if (trusted->count == 0 || !proxy_is_trusted(trusted, req->peer))
        return ERR_OK;
    TRY(find_client(req, trusted));
    TRY(last_value(req, "X-Forwarded-Proto", &value));
    if (value != NULL)
        req->https = strcasecmp(value, "https") == 0;
    TRY(last_value(req, "X-Forwarded-Host", &value));
    if (value != NULL && value[0] != '\0')
        req->authority = value;
    return ERR_OK;
}
