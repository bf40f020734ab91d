/* tenantd selftest: known answers of every primitive in use, and a round trip through the database.
 * Needs neither configuration nor database without --database. */
#include "commands/selftest.h"

#include <string.h>

#include "app/clock.h"
#include "app/hash_pool.h"
#include "app/jws.h"
#include "app/secret.h"

#define ARENA_LIMIT ((size_t)16 * 1024 * 1024)
#define TEXT_MAX    ((size_t)16 * 1024)
#define WAIT_MS     60000
#define DRAWN       4096

static bool from_hex(const char *hex, uint8_t *ret_bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        unsigned byte = 0;

        if (sscanf(hex + 2 * i, "%2x", &byte) != 1)
            return false;
        ret_bytes[i] = (uint8_t)byte;
    }
    return hex[2 * size] == '\0';
}

/* --- digests and text --- */

static const char *sha256(struct ctx *ctx)
{
    uint8_t digest[SHA256_SIZE], known[SHA256_SIZE];

    (void)ctx;
    secret_sha256("abc", 3, digest);
    return from_hex("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad", known,
                    sizeof known) &&
                   memcmp(digest, known, sizeof known) == 0
               ? NULL
               : "the digest of \"abc\" is not that of FIPS 180-4";
}

/* RFC 4231, case 2: a short key is filled with zeros. */
static const char *hmac(struct ctx *ctx)
{
    static const char text[] = "what do ya want for nothing?";
    uint8_t key[SECRET_KEY_SIZE] = "Jefe", mac[SECRET_MAC_SIZE], known[SECRET_MAC_SIZE];

    (void)ctx;
    secret_mac(key, text, sizeof text - 1, mac);
    return from_hex("5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843", known,
                    sizeof known) &&
                   secret_equal(mac, known, sizeof known)
               ? NULL
               : "the MAC is not that of RFC 4231";
}

static const char *base64url(struct ctx *ctx)
{
    static const uint8_t high[] = {0xfb, 0xff};
    char text[BASE64URL_LENGTH(6) + 1];
    uint8_t bytes[8];

    (void)ctx;
    base64url_encode("foobar", 6, text);
    if (strcmp(text, "Zm9vYmFy") != 0)
        return "\"foobar\" is not written as RFC 4648 says";
    base64url_encode(high, sizeof high, text);
    if (strcmp(text, "-_8") != 0 || base64url_decode("-_8", 3, bytes, sizeof bytes) != 2 ||
        memcmp(bytes, high, sizeof high) != 0)
        return "the alphabet is not that of URLs";
    return base64url_decode("-_9", 3, bytes, sizeof bytes) < 0 &&
                   base64url_decode("-_8=", 4, bytes, sizeof bytes) < 0
               ? NULL
               : "text that is not canonical was taken";
}

static const char *uuids(struct ctx *ctx)
{
    struct uuid before = uuid_new();

    (void)ctx;
    for (int i = 0; i < 1000; i++) {
        const struct uuid next = uuid_new();

        if (memcmp(before.bytes, next.bytes, sizeof next.bytes) >= 0)
            return "a later id sorts before an earlier one";
        if (next.bytes[6] >> 4 != 7 || next.bytes[8] >> 6 != 2)
            return "an id is not of version 7";
        before = next;
    }
    return NULL;
}

/* 4096 bytes have 16384 ± 91 bits set; ten times that is no accident. */
static const char *randomness(struct ctx *ctx)
{
    uint8_t *drawn = arena_alloc(ctx->arena, 2 * (size_t)DRAWN);
    int bits = 0;

    if (drawn == NULL)
        return "no memory";
    secret_random(drawn, DRAWN);
    secret_random(drawn + DRAWN, DRAWN);
    for (size_t i = 0; i < DRAWN; i++)
        bits += __builtin_popcount(drawn[i]);
    if (memcmp(drawn, drawn + DRAWN, DRAWN) == 0)
        return "two draws are the same";
    return bits > DRAWN * 4 - 910 && bits < DRAWN * 4 + 910 ? NULL : "the bits are not random";
}

/* --- sealing --- */

/* draft-irtf-cfrg-xchacha-03, A.3.1. */
#define SEALED_HEX                                                                               \
    "404142434445464748494a4b4c4d4e4f5051525354555657"                                           \
    "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb731c7f1b0b4aa6440bf3a82f4e" \
    "da7e39ae64c6708c54c216cb96b72e1213b4522f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2" \
    "383565d3fff921f9664c97637da9768812f615c68b13b52ec0875924c1c7987947deafd8780acf49"
#define SEALED_SIZE ((sizeof SEALED_HEX - 1) / 2)

static const char *sealing(struct ctx *ctx)
{
    static const char plain[] = "Ladies and Gentlemen of the class of '99: If I could offer you "
                                "only one tip for the future, sunscreen would be it.";
    static const char context[] = "\x50\x51\x52\x53\xc0\xc1\xc2\xc3\xc4\xc5\xc6\xc7";
    uint8_t key[SECRET_KEY_SIZE], known[SEALED_SIZE];
    struct bytes sealed = {.data = known, .size = sizeof known}, opened = {0};

    for (size_t i = 0; i < sizeof key; i++)
        key[i] = (uint8_t)(0x80 + i);
    if (!from_hex(SEALED_HEX, known, sizeof known) ||
        secret_open(ctx, key, &sealed, context, &opened) != ERR_OK ||
        opened.size != sizeof plain - 1 || memcmp(opened.data, plain, opened.size) != 0)
        return "the known text does not open";
    known[40] ^= 1;
    if (secret_open(ctx, key, &sealed, context, &opened) == ERR_OK)
        return "changed bytes opened";
    if (secret_seal(ctx, key, &(struct bytes){.data = key, .size = sizeof key}, "here", &sealed) !=
            ERR_OK ||
        secret_open(ctx, key, &sealed, "there", &opened) == ERR_OK)
        return "what was sealed for one place opened at another";
    if (secret_open(ctx, key, &sealed, "here", &opened) != ERR_OK || opened.size != sizeof key ||
        memcmp(opened.data, key, sizeof key) != 0)
        return "what was sealed does not open";
    fail_clear(ctx);
    return NULL;
}

/* --- signatures --- */

static enum err verify(struct ctx *ctx, const char *token, const struct jws_key *key)
{
    struct jws_parts parts;

    TRY(jws_split(ctx, token, strlen(token), &parts));
    return jws_verify(ctx, token, &parts, key, "test+jwt");
}

static const char *judge(struct ctx *ctx, char *token, const struct jws_key *key,
                         const struct jws_key *other)
{
    char *payload = strchr(token, '.') + 1, *signature = strrchr(token, '.') + 1;

    if (verify(ctx, token, key) != ERR_OK)
        return "a good signature was refused";
    if (verify(ctx, token, other) == ERR_OK)
        return "another key's signature was taken";
    payload[2] = payload[2] == 'A' ? 'B' : 'A';
    if (verify(ctx, token, key) == ERR_OK)
        return "edited claims were taken";
    payload[2] = 'J'; /* not what it was: only the signature counts below */
    signature[5] = signature[5] == 'A' ? 'B' : 'A';
    return verify(ctx, token, key) == ERR_OK ? "an edited signature was taken" : NULL;
}

static const char *sign_and_judge(struct ctx *ctx, const struct jws_key *key,
                                  const struct jws_key *other)
{
    static const char claims[] = "{\"sub\":\"somebody\"}";
    const char *token = NULL;

    if (jws_sign(ctx, key, "test+jwt",
                 &(struct bytes){.data = (const uint8_t *)claims, .size = sizeof claims - 1},
                 &token) != ERR_OK)
        return "nothing could be signed";

    char *copy = arena_strdup(ctx->arena, token);
    const char *wrong = copy != NULL ? judge(ctx, copy, key, other) : "no memory";

    fail_clear(ctx);
    return wrong;
}

static const char *es256(struct ctx *ctx)
{
    struct jws_generated made[2];
    struct jws_key *keys[2] = {NULL, NULL};
    const char *wrong = "no key could be made";

    for (size_t i = 0; i < 2; i++) {
        if (jws_generate(ctx, JWS_ES256, &made[i]) != ERR_OK ||
            jws_key_parse(ctx, JWS_ES256, made[0].kid, &made[i].private_der, &keys[i]) != ERR_OK)
            break;
    }
    if (keys[0] != NULL && keys[1] != NULL)
        wrong = sign_and_judge(ctx, keys[0], keys[1]);
    jws_key_free(keys[0]);
    jws_key_free(keys[1]);
    return wrong;
}

/* --- password hashes --- */

static const char *compare(struct ctx *ctx, const char *password, const char *stored)
{
    const struct config_password config = {
        .scheme = PASSWORD_BCRYPT, .cost = 10, .threads = 1, .queue = 1};
    struct hash_pool *pool = NULL;
    struct hash_job right = {.compare = true}, wrong = {.compare = true};

    (void)snprintf(right.password, sizeof right.password, "%s", password);
    (void)snprintf(wrong.password, sizeof wrong.password, "%s.", password);
    (void)snprintf(right.stored, sizeof right.stored, "%s", stored);
    (void)snprintf(wrong.stored, sizeof wrong.stored, "%s", stored);
    if (hash_pool_new(&config, 0, &pool) != ERR_OK)
        return "no thread to hash on";
    ctx->deadline = clock_monotonic_ms() + WAIT_MS;
    const bool ran =
        hash_pool_run(ctx, pool, &right) == ERR_OK && hash_pool_run(ctx, pool, &wrong) == ERR_OK;
    ctx->deadline = 0;
    hash_pool_free(pool);
    if (!ran || right.failed || wrong.failed)
        return "it cannot be computed";
    if (!right.matches)
        return "the known password does not match";
    return wrong.matches ? "another password matches" : NULL;
}

static const char *bcrypt(struct ctx *ctx)
{
    return compare(ctx, "abc", "$2b$10$WvvTPHKwdBJ3uk0Z37EMR.hLA2W6N9AEBhEgrAOljy2Ae5MtaSIUi");
}

static const char *argon2id(struct ctx *ctx)
{
    return compare(ctx, "password",
                   "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$"
                   "CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc");
}

static const struct selftest primitives[] = {
    {"SHA-256", sha256},
    {"HMAC-SHA-256", hmac},
    {"base64url", base64url},
    {"UUIDv7", uuids},
    {"random source", randomness},
    {"XChaCha20-Poly1305", sealing},
    {"ES256", es256},
    {"bcrypt", bcrypt},
    {"Argon2id", argon2id},
    {0},
};

/* --- the command --- */

struct outcome {
    bool json, failed, any;
};

static void run_tests(struct ctx *ctx, const struct selftest *tests, struct outcome *outcome,
                      struct buf *out)
{
    for (size_t i = 0; tests[i].name != NULL; i++) {
        const char *wrong = tests[i].run(ctx);

        outcome->failed = outcome->failed || wrong != NULL;
        if (outcome->json) {
            buf_puts(out, outcome->any ? ",{" : "{");
            command_json_text(out, "test", tests[i].name);
            command_json_bool(out, "ok", wrong == NULL);
            if (wrong != NULL)
                command_json_text(out, "wrong", wrong);
            buf_putc(out, '}');
        } else if (wrong == NULL) {
            buf_printf(out, "ok    %s\n", tests[i].name);
        } else {
            buf_printf(out, "FAIL  %s: %s\n", tests[i].name, wrong);
        }
        outcome->any = true;
    }
}

static int finish(const struct invocation *invocation, const struct outcome *outcome,
                  struct buf *out)
{
    if (outcome->json) {
        buf_putc(out, ']');
        command_json_bool(out, "ok", !outcome->failed);
        buf_putc(out, '}');
    }
    const int status = command_print(invocation, out);
    return status == COMMAND_OK && outcome->failed ? COMMAND_FAILED : status;
}

static int test_all(const struct invocation *invocation, bool database)
{
    struct outcome outcome = {.json = invocation->json};
    struct session_of_command session;
    int status = COMMAND_OK;
    struct arena arena;
    struct ctx ctx;
    struct buf text;

    if (database && !command_open(invocation, &session, &status))
        return status;
    arena_init(&arena, ARENA_LIMIT);
    ctx_init(&ctx, NULL, &arena);
    buf_init(&text, &arena, TEXT_MAX);
    if (outcome.json)
        buf_puts(&text, "{\"tests\":[");
    run_tests(&ctx, primitives, &outcome, &text);
    if (database)
        run_tests(&session.ctx, selftest_database, &outcome, &text);
    status = finish(invocation, &outcome, &text);
    arena_clear(&arena);
    if (database)
        command_close(&session);
    return status;
}

static int run(struct invocation *invocation, int argc, char **argv)
{
    bool database = false;
    const struct command_option options[] = {{"database", NULL, &database}, {0}};
    int status;

    if (!command_parse(invocation, argc, argv, options, &status))
        return status;
    if (!command_wants_args(invocation, 0, NULL))
        return COMMAND_USAGE;
    return test_all(invocation, database);
}

const struct command command_selftest = {
    .name = "selftest",
    .summary = "test the cryptography, and the database, on this machine",
    .help = "usage: tenantd selftest [--database]\n"
            "\n"
            "Computes known answers of every primitive in use: hashes, MACs, sealing, signatures,\n"
            "password hashes, ids, random numbers. Exits 1 when one is not as it must be.\n"
            "\n"
            "  --database      also write, read, run a transaction and wait for an event of the\n"
            "                  change stream, in a document that is removed again\n"
            "  --config FILE   default: $TENANTD_CONFIG, ./config.yaml, /etc/tenantd/config.yaml;\n"
            "                  read with --database only\n"
            "  --json          JSON on standard output\n"
            "\n"
            "Examples:\n"
            "  tenantd selftest\n"
            "  tenantd selftest --database --json | jq .ok\n",
    .run = run,
};
