/* Rules between keys, the master key, and the settings that production refuses. */
#include "app/config_check.h"

#include <string.h>

#include "app/secret.h"
#include "app/secret_file.h"

#define KEY_FILE_MAX 1024
#define KEY_MAX      64 /* decoded bytes */

#define MAKE_KEY                                                                            \
    "make one with \"(umask 077; head -c 32 /dev/urandom | base64 > master.key)\" and set " \
    "master_key_file to it"

struct check {
    struct config *config;
    const struct value *root;
    struct problems *problems;
};

static unsigned line_of(const struct check *check, const char *section, const char *key)
{
    const struct value *object = section != NULL ? value_get(check->root, section) : check->root;
    const struct value *value = value_get(object, key);

    return value != NULL ? value->line : 0;
}

/* --- the master key --- */

/* Trims the text and brings it into the alphabet of base64url_decode. False: not base64. */
static bool to_base64url(char *text)
{
    size_t start = strspn(text, " \t\r\n");
    size_t length = strlen(text + start);

    memmove(text, text + start, length + 1);
    while (length > 0 && strchr(" \t\r\n", text[length - 1]) != NULL)
        text[--length] = '\0';
    while (length > 0 && text[length - 1] == '=')
        text[--length] = '\0';
    for (size_t i = 0; i < length; i++) {
        if (text[i] == '-' || text[i] == '_')
            return false;
        if (text[i] == '+')
            text[i] = '-';
        else if (text[i] == '/')
            text[i] = '_';
    }
    return true;
}

/* Keys of the kinds that are typed by hand or copied from examples. */
static bool looks_made_up(const uint8_t *key, size_t size)
{
    bool seen[256] = {false};
    size_t different = 0, steps = 0;

    for (size_t i = 0; i < size; i++) {
        different += !seen[key[i]];
        seen[key[i]] = true;
        steps += i > 0 && (uint8_t)(key[i] - key[i - 1]) <= 1;
    }
    size_t printable = 0;
    while (printable < size && key[printable] >= 0x20 && key[printable] < 0x7f)
        printable++;
    return different < 16 || steps > size / 2 || printable == size;
}

/* text is overwritten. */
static void take_master_key(struct check *check, unsigned line, char *text)
{
    uint8_t key[KEY_MAX];
    int64_t size = to_base64url(text) ? base64url_decode(text, strlen(text), key, sizeof key) : -1;

    if (size < 0) {
        problem_add(check->problems, line,
                    "the master key is not base64 of 32 to %d random bytes; " MAKE_KEY, KEY_MAX);
    } else if (size < SECRET_KEY_SIZE) {
        problem_add(
            check->problems, line,
            "the master key has %d bytes, which is too short: it needs at least 32; " MAKE_KEY,
            (int)size);
    } else if (check->config->environment == ENV_PRODUCTION && looks_made_up(key, (size_t)size)) {
        problem_add(
            check->problems, line,
            "the master key is not random (repeated, counted or readable bytes); " MAKE_KEY);
    } else if (size == SECRET_KEY_SIZE) {
        memcpy(check->config->master_key_bytes, key, SECRET_KEY_SIZE);
    } else {
        secret_sha256(key, (size_t)size, check->config->master_key_bytes);
    }
    secret_wipe(key, sizeof key);
}

static void check_master_key(struct check *check)
{
    struct config *config = check->config;
    unsigned key_line = line_of(check, NULL, "master_key");
    unsigned file_line = line_of(check, NULL, "master_key_file");
    char text[KEY_FILE_MAX] = "";

    if (config->master_key != NULL && config->master_key_file != NULL) {
        problem_add(check->problems, key_line,
                    "master_key and master_key_file are both set; remove one of them");
    } else if (config->master_key != NULL) {
        memcpy(text, config->master_key, strnlen(config->master_key, sizeof text - 1));
        take_master_key(check, key_line, text);
    } else if (config->master_key_file != NULL) {
        const struct secret_file file = {"master_key_file", config->master_key_file, file_line};

        if (secret_file_read(&file, check->problems, text, sizeof text))
            take_master_key(check, file_line, text);
    } else {
        problem_add(check->problems, file_line > 0 ? file_line : key_line,
                    "the master key is missing: " MAKE_KEY);
    }
    secret_wipe(text, sizeof text);
}

/* --- the first platform key --- */

#define MAKE_PLATFORM_KEY                                                                       \
    "leave platform_key out and set platform_key_file to where the first start may write one, " \
    "or write \"pk_\", 32 hex digits, \"_\" and 32 random bytes in base64url"

static bool is_platform_key(const struct check *check, const char *text)
{
    uint8_t key[SECRET_KEY_SIZE];
    const size_t prefix = strlen("pk_") + UUID_HEX_SIZE;
    struct uuid id;

    if (strncmp(text, "pk_", 3) != 0 || !uuid_parse_hex(text + 3, &id) || text[prefix - 1] != '_')
        return false;

    const bool whole =
        base64url_decode(text + prefix, strlen(text + prefix), key, sizeof key) == SECRET_KEY_SIZE;
    const bool made_up =
        whole && check->config->environment == ENV_PRODUCTION && looks_made_up(key, sizeof key);

    secret_wipe(key, sizeof key);
    return whole && !made_up;
}

/* text is overwritten. */
static void take_platform_key(struct check *check, unsigned line, char *text)
{
    const size_t start = strspn(text, " \t\r\n");
    const size_t length = strcspn(text + start, " \t\r\n");

    text[start + length] = '\0';
    if (!is_platform_key(check, text + start)) {
        problem_add(check->problems, line, "the platform key is none: " MAKE_PLATFORM_KEY);
        return;
    }
    check->config->platform_key_text = arena_strndup(&check->config->arena, text + start, length);
    if (check->config->platform_key_text == NULL)
        problem_add(check->problems, line, "out of memory");
}

/* A file that is not there yet is where the first start writes one. */
static void check_platform_key(struct check *check)
{
    struct config *config = check->config;
    const struct secret_file file = {"platform_key_file", config->platform_key_file,
                                     line_of(check, NULL, "platform_key_file")};
    const unsigned line = line_of(check, NULL, "platform_key");
    char text[KEY_FILE_MAX] = "";

    if (config->platform_key != NULL && config->platform_key_file != NULL) {
        problem_add(check->problems, line,
                    "platform_key and platform_key_file are both set; remove one of them");
    } else if (config->platform_key != NULL) {
        memcpy(text, config->platform_key, strnlen(config->platform_key, sizeof text - 1));
        take_platform_key(check, line, text);
    } else if (file.path != NULL && secret_file_exists(file.path)) {
        if (secret_file_read(&file, check->problems, text, sizeof text))
            take_platform_key(check, file.line, text);
    }
    secret_wipe(text, sizeof text);
}

/* --- rules between keys --- */

static void derive_public_url(struct check *check)
{
    struct config *config = check->config;

    if (config->server.public_url != NULL)
        return;
    if (config->environment == ENV_PRODUCTION) {
        problem_add(check->problems, line_of(check, "server", "public_url"),
                    "server.public_url is missing: production needs the https URL under which "
                    "clients reach the service, like https://login.example.com");
        return;
    }
    config->server.public_url =
        arena_printf(&config->arena, "http://localhost:%lld", (long long)config->server.port);
    if (config->server.public_url == NULL)
        problem_add(check->problems, 0, "out of memory");
}

static void check_ports(struct check *check)
{
    static const char *const names[] = {"port", "extra_port", "metrics_port"};
    const struct config_server *server = &check->config->server;
    const int64_t ports[] = {server->port, server->extra_port, server->metrics_port};

    for (size_t i = 1; i < 3; i++) {
        for (size_t j = 0; j < i; j++) {
            if (ports[i] != 0 && ports[i] == ports[j])
                problem_add(check->problems, line_of(check, "server", names[i]),
                            "server.%s and server.%s are both %lld; give each its own port",
                            names[i], names[j], (long long)ports[i]);
        }
    }
}

static void check_lifetimes(struct check *check)
{
    const struct config_tokens *tokens = &check->config->tokens;
    const struct config_limits *limits = &check->config->limits;

    if (tokens->refresh_ttl > tokens->refresh_max_ttl)
        problem_add(check->problems, line_of(check, "tokens", "refresh_ttl"),
                    "tokens.refresh_ttl (%lld) must not be longer than tokens.refresh_max_ttl "
                    "(%lld)",
                    (long long)tokens->refresh_ttl, (long long)tokens->refresh_max_ttl);
    if (limits->lock_seconds > limits->lock_max_seconds)
        problem_add(check->problems, line_of(check, "limits", "lock_seconds"),
                    "limits.lock_seconds (%lld) must not be longer than limits.lock_max_seconds "
                    "(%lld)",
                    (long long)limits->lock_seconds, (long long)limits->lock_max_seconds);
}

/* --- what production refuses --- */

static void refuse_shared_origin(struct check *check)
{
    const struct config_tenancy *tenants = &check->config->tenants;

    if (tenants->issuer_form == ISSUER_PATH && tenants->registration == REGISTRATION_OPEN &&
        !tenants->accept_shared_origin)
        problem_add(check->problems, line_of(check, "tenants", "issuer_form"),
                    "production refuses tenants.issuer_form: path with registration: open, because "
                    "strangers' pages would share one origin with everybody's; use subdomain, or "
                    "set tenants.accept_shared_origin: true to accept it");
    if (tenants->issuer_form != ISSUER_SUBDOMAIN)
        return;
    if (strs_has(&tenants->base_domains, "localhost"))
        problem_add(check->problems, line_of(check, "tenants", "base_domains"),
                    "production needs a real domain in tenants.base_domains, like "
                    "login.example.com, since issuers are https://<slug>.<base domain>");
}

static void refuse_short_lifetimes(struct check *check)
{
    static const struct {
        const char *key;
        size_t offset;
    } lifetimes[] = {
        {"access_ttl", offsetof(struct config_tokens, access_ttl)},
        {"oauth_access_ttl", offsetof(struct config_tokens, oauth_access_ttl)},
        {"refresh_ttl", offsetof(struct config_tokens, refresh_ttl)},
        {"refresh_max_ttl", offsetof(struct config_tokens, refresh_max_ttl)},
        {"session_ttl", offsetof(struct config_tokens, session_ttl)},
    };

    for (size_t i = 0; i < sizeof lifetimes / sizeof lifetimes[0]; i++) {
        int64_t seconds;
        memcpy(&seconds, (const char *)&check->config->tokens + lifetimes[i].offset,
               sizeof seconds);
        if (seconds < 60)
            problem_add(check->problems, line_of(check, "tokens", lifetimes[i].key),
                        "production refuses tokens.%s below 60 seconds", lifetimes[i].key);
    }
}

/* A secret that is written into the file itself, not taken from a variable. */
static bool written_out(const struct check *check, const char *section, const char *key)
{
    const struct value *object = section != NULL ? value_get(check->root, section) : check->root;
    const struct value *value = value_get(object, key);

    return value != NULL && value->type == VALUE_STRING && strstr(value->string.text, "${") == NULL;
}

static void refuse_open_file(struct check *check)
{
    const char *uri = check->config->database.uri;

    if (check->config->master_key != NULL && written_out(check, NULL, "master_key"))
        problem_add(check->problems, line_of(check, NULL, "master_key"),
                    "everybody may read this file and master_key stands in it; run chmod 640 on "
                    "it, or use master_key_file");
    if (check->config->platform_key != NULL && written_out(check, NULL, "platform_key"))
        problem_add(check->problems, line_of(check, NULL, "platform_key"),
                    "everybody may read this file and platform_key stands in it; run chmod 640 on "
                    "it, or use platform_key_file");
    if (strchr(uri, '@') != NULL && written_out(check, "database", "uri"))
        problem_add(check->problems, line_of(check, "database", "uri"),
                    "everybody may read this file and database.uri holds a password; run chmod 640 "
                    "on it, or write ${MONGODB_URI}");
}

static void refuse_reused_secret(struct check *check)
{
    const char *key = check->config->master_key;

    if (key != NULL && strlen(key) >= 8 && strstr(check->config->database.uri, key) != NULL)
        problem_add(check->problems, line_of(check, NULL, "master_key"),
                    "the master key is also the database password; " MAKE_KEY);
}

void config_check(struct config *config, const struct value *root, bool world_readable,
                  struct problems *problems)
{
    struct check check = {.config = config, .root = root, .problems = problems};

    derive_public_url(&check);
    check_ports(&check);
    check_lifetimes(&check);
    check_master_key(&check);
    check_platform_key(&check);
    refuse_reused_secret(&check);
    if (config->environment != ENV_PRODUCTION)
        return;
    const char *url = config->server.public_url;
    if (url != NULL && strncmp(url, "https://", 8) != 0)
        problem_add(problems, line_of(&check, "server", "public_url"),
                    "production refuses server.public_url over plain http; use https://");
    refuse_shared_origin(&check);
    refuse_short_lifetimes(&check);
    if (world_readable)
        refuse_open_file(&check);
}
