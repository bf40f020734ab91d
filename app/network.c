/* Reading addresses, and which of them are nobody's but ours. */
#include "app/network.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#define ADDRESS_TEXT 64

/* --- reading --- */

static struct address unmapped(struct address address)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

    if (address.bits == 128 && memcmp(address.bytes, mapped, sizeof mapped) == 0) {
        memmove(address.bytes, address.bytes + sizeof mapped, 4);
        address.bits = 32;
    }
    return address;
}

struct address address_read(const char *text)
{
    struct address address = {.bits = 0};

    if (inet_pton(AF_INET, text, address.bytes) == 1)
        address.bits = 32;
    else if (inet_pton(AF_INET6, text, address.bytes) == 1)
        address.bits = 128;
    return unmapped(address);
}

struct address address_of(const struct sockaddr *socket_address)
{
    struct address address = {.bits = 0};

    if (socket_address->sa_family == AF_INET) {
        struct sockaddr_in v4;

        memcpy(&v4, socket_address, sizeof v4);
        memcpy(address.bytes, &v4.sin_addr, 4);
        address.bits = 32;
    } else if (socket_address->sa_family == AF_INET6) {
        struct sockaddr_in6 v6;

        memcpy(&v6, socket_address, sizeof v6);
        memcpy(address.bytes, &v6.sin6_addr, 16);
        address.bits = 128;
    }
    return unmapped(address);
}

/* --- networks --- */

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
    struct address base = address_read(text);
    unsigned prefix = read_prefix(slash, base.bits);
    return base.bits == address->bits && base.bits != 0 && prefix <= base.bits &&
           same_bits(base.bytes, address->bytes, prefix);
}

bool network_list_has(const struct strs *networks, const struct address *address)
{
    for (size_t i = 0; i < networks->count && address->bits != 0; i++) {
        if (is_in_network(address, networks->items[i]))
            return true;
    }
    return false;
}

/* --- what is public --- */

struct network {
    uint8_t bytes[8];
    unsigned prefix;
};

/* RFC 6890 and its registry: this host, private, shared, loopback, link-local, protocol
 * assignments, examples, relays, tests, multicast, reserved and broadcast. */
static const struct network special_v4[] = {
    {{0}, 8},
    {{10}, 8},
    {{100, 64}, 10},
    {{127}, 8},
    {{169, 254}, 16},
    {{172, 16}, 12},
    {{192, 0, 0}, 24},
    {{192, 0, 2}, 24},
    {{192, 88, 99}, 24},
    {{192, 168}, 16},
    {{198, 18}, 15},
    {{198, 51, 100}, 24},
    {{203, 0, 113}, 24},
    {{224}, 4},
    {{240}, 4},
};

/* Of IPv6 only what is handed out counts (2000::/3), which leaves out loopback, IPv4-compatible,
 * NAT64, unique local, link-local, site-local and multicast; and of that not the tunnels that lead
 * to any IPv4 address (Teredo and other protocol assignments, 6to4), nor the examples. */
static const struct network global_v6 = {{0x20}, 3};
static const struct network special_v6[] = {
    {{0x20, 0x01, 0x00}, 23},
    {{0x20, 0x01, 0x0d, 0xb8}, 32},
    {{0x20, 0x02}, 16},
    {{0x3f, 0xff}, 20},
};

static bool is_in(const struct address *address, const struct network *network)
{
    return same_bits(address->bytes, network->bytes, network->prefix);
}

bool address_is_public(const struct address *address)
{
    const bool is_v4 = address->bits == 32;
    const struct network *special = is_v4 ? special_v4 : special_v6;
    const size_t count =
        is_v4 ? sizeof special_v4 / sizeof special_v4[0] : sizeof special_v6 / sizeof special_v6[0];

    if (address->bits == 0 || (!is_v4 && !is_in(address, &global_v6)))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (is_in(address, &special[i]))
            return false;
    }
    return true;
}
