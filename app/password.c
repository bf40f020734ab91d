/* What a password may be, and how it is hashed and compared. The only user of libxcrypt. */
#include "app/password.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crypt.h>
#include <sodium.h>

#include "app/app.h"
#include "app/hash_pool.h"
#include "app/secret.h"
#include "app/text.h"

#define BCRYPT_PREFIX         "$2b$"
#define BCRYPT_SALT_BYTES     16
#define BCRYPT_LENGTH         60
#define BCRYPT_SETTING_LENGTH 29
#define BCRYPT_MIN_COST       10
#define BCRYPT_MAX_COST       14
#define ARGON2_PREFIX         "$argon2id$v=19$m="
#define ARGON2_PASSES         2
#define ARGON2_KIB            19456
#define ARGON2_MAX_PASSES     16
#define ARGON2_MAX_KIB        65536
#define ARGON2_MIN_KIB        8192

/* ---- stored forms ---- */

/* Digits without sign or leading zero, then the one character expected; 0 when it is not so. */
static int64_t read_number(const char **text, char end)
{
    int64_t number = 0;
    const char *at = *text;

    if (*at < '1' || *at > '9')
        return 0;
    for (; *at >= '0' && *at <= '9'; at++) {
        if (number > 1000000)
            return 0;
        number = number * 10 + (*at - '0');
    }
    if (*at != end)
        return 0;
    *text = at + 1;
    return number;
}

#define CRYPT_BASE64 "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
#define PHC_BASE64   "+/ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

/* The cost of a bcrypt hash, 0 when it is none that may be verified. */
static int64_t bcrypt_cost(const char *stored)
{
    const size_t prefix = sizeof BCRYPT_PREFIX - 1;

    if (strlen(stored) != BCRYPT_LENGTH || strncmp(stored, BCRYPT_PREFIX, prefix) != 0)
        return 0;

    const char *at = stored + prefix;
    const int64_t cost = read_number(&at, '$');

    if (cost < BCRYPT_MIN_COST || cost > BCRYPT_MAX_COST ||
        strspn(at, CRYPT_BASE64) != BCRYPT_LENGTH - (size_t)(at - stored))
        return 0;
    return cost;
}

struct argon2_cost {
    int64_t kib, passes;
};

/* One base64 part of a PHC string, of a length that is sound and bounded. */
static bool read_phc_part(const char **text, char end)
{
    const size_t length = strspn(*text, PHC_BASE64);

    if (length < 11 || length > 86 || (*text)[length] != end)
        return false;
    *text += length + 1;
    return true;
}

static bool argon2_read(const char *stored, struct argon2_cost *ret_cost)
{
    const size_t prefix = sizeof ARGON2_PREFIX - 1;
    const char *at = stored + prefix;

    if (strlen(stored) >= crypto_pwhash_STRBYTES || strncmp(stored, ARGON2_PREFIX, prefix) != 0)
        return false;
    ret_cost->kib = read_number(&at, ',');
    if (ret_cost->kib < ARGON2_MIN_KIB || ret_cost->kib > ARGON2_MAX_KIB ||
        strncmp(at, "t=", 2) != 0)
        return false;
    at += 2;
    ret_cost->passes = read_number(&at, ',');
    if (ret_cost->passes < 1 || ret_cost->passes > ARGON2_MAX_PASSES || strncmp(at, "p=1$", 4) != 0)
        return false;
    at += 4;
    return read_phc_part(&at, '$') && read_phc_part(&at, '\0');
}

bool password_hash_is_known(const char *stored_hash)
{
    struct argon2_cost cost;

    return stored_hash != NULL && (bcrypt_cost(stored_hash) > 0 || argon2_read(stored_hash, &cost));
}

static bool is_stale(const struct config_password *config, const char *stored)
{
    struct argon2_cost cost;

    if (config->scheme == PASSWORD_BCRYPT)
        return bcrypt_cost(stored) != config->cost;
    return !argon2_read(stored, &cost) || cost.kib != ARGON2_KIB || cost.passes != ARGON2_PASSES;
}

/* ---- on a hash thread ---- */

static bool bcrypt_make(struct hash_job *job, struct crypt_data *scratch)
{
    char salt[BCRYPT_SALT_BYTES];
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];

    secret_random(salt, sizeof salt);
    if (crypt_gensalt_rn(BCRYPT_PREFIX, (unsigned long)job->cost, salt, sizeof salt, setting,
                         sizeof setting) == NULL)
        return false;

    const char *hash = crypt_rn(job->password, setting, scratch, sizeof *scratch);

    if (hash == NULL || bcrypt_cost(hash) == 0)
        return false;
    memcpy(job->result, hash, BCRYPT_LENGTH + 1);
    return true;
}

static bool bcrypt_compare(const struct hash_job *job, struct crypt_data *scratch, bool *ret_done)
{
    const char *hash = crypt_rn(job->password, job->stored, scratch, sizeof *scratch);

    *ret_done = hash != NULL && hash[0] != '*' && strlen(hash) == BCRYPT_LENGTH;
    return *ret_done && secret_equal(hash, job->stored, BCRYPT_LENGTH);
}

static bool argon2_make(struct hash_job *job)
{
    _Static_assert(PASSWORD_HASH_SIZE >= crypto_pwhash_STRBYTES, "a PHC string fits");
    return crypto_pwhash_str_alg(job->result, job->password, strlen(job->password), ARGON2_PASSES,
                                 (size_t)ARGON2_KIB * 1024, crypto_pwhash_ALG_ARGON2ID13) == 0;
}

void hash_job_run(struct hash_job *job, struct crypt_data *scratch)
{
    bool done = true;

    if (job->compare && bcrypt_cost(job->stored) > 0)
        job->matches = bcrypt_compare(job, scratch, &done);
    else if (job->compare)
        job->matches =
            crypto_pwhash_str_verify(job->stored, job->password, strlen(job->password)) == 0;
    else if (job->scheme == PASSWORD_BCRYPT)
        done = bcrypt_make(job, scratch);
    else
        done = argon2_make(job);
    job->failed = !done;
    secret_wipe(scratch, sizeof *scratch);
}

/* ---- for callers ---- */

static size_t max_length(enum password_scheme scheme)
{
    return scheme == PASSWORD_BCRYPT ? BCRYPT_MAX_PASSWORD : ARGON2_MAX_PASSWORD;
}

static bool has_control_character(const char *text)
{
    for (const unsigned char *at = (const unsigned char *)text; *at != '\0'; at++)
        if (*at < 0x20 || *at == 0x7f || (*at == 0xc2 && at[1] >= 0x80 && at[1] < 0xa0))
            return true;
    return false;
}

enum err password_prepare(struct ctx *ctx, const char *field, const char *password,
                          int64_t min_length, const char **ret_password)
{
    const size_t longest = max_length(app_config(ctx->app)->password.scheme);
    const char *form;

    if (!text_is_utf8(password, strlen(password)))
        return fail(ctx, ERR_VALIDATION, field, "The password must be valid UTF-8.");
    if (has_control_character(password))
        return fail(ctx, ERR_VALIDATION, field, "The password must have no control characters.");
    TRY(text_nfc(ctx, password, &form));
    if (text_code_points(form) < (size_t)(min_length > 0 ? min_length : 1))
        return fail(ctx, ERR_VALIDATION, field, "The password must have at least %lld characters.",
                    (long long)(min_length > 0 ? min_length : 1));
    if (strlen(form) > longest)
        return fail(ctx, ERR_VALIDATION, field,
                    "The password must not be longer than %zu bytes in UTF-8.", longest);
    *ret_password = form;
    return ERR_OK;
}

/* Runs the job on a hash thread and wipes this thread's copy of the password. */
static enum err run(struct ctx *ctx, struct hash_job *job)
{
    const enum err code = hash_pool_run(ctx, ctx->app->hashes, job);

    secret_wipe(job->password, sizeof job->password);
    return code;
}

enum err password_hash(struct ctx *ctx, const char *password, const char **ret_hash)
{
    const struct config_password *config = &app_config(ctx->app)->password;
    struct hash_job job = {.scheme = config->scheme, .cost = config->cost};
    const char *form = NULL;

    TRY(password_prepare(ctx, "password", password, 1, &form));
    memcpy(job.password, form, strlen(form) + 1);
    TRY(run(ctx, &job));

    const char *hash = arena_strdup(ctx->arena, job.result);

    if (hash == NULL)
        return fail_internal(ctx, ERR_MEMORY, "no memory for a password hash");
    *ret_hash = hash;
    return ERR_OK;
}

/* A stored form of the configured scheme and cost that no password is known to match. */
static void write_dummy(const struct config_password *config, const uint8_t *random,
                        char ret_stored[PASSWORD_HASH_SIZE])
{
    char text[BCRYPT_LENGTH] = "";
    char salt[32], tail[64];

    if (config->scheme == PASSWORD_BCRYPT) {
        crypt_gensalt_rn(BCRYPT_PREFIX, (unsigned long)config->cost, (const char *)random,
                         BCRYPT_SALT_BYTES, text, sizeof text);
        /* 31 characters of base64 after the setting; the last of them carries no unused bits. */
        snprintf(ret_stored, PASSWORD_HASH_SIZE, "%.*s%.30s.", BCRYPT_SETTING_LENGTH, text,
                 "DummyDummyDummyDummyDummyDummy");
        return;
    }
    sodium_bin2base64(salt, sizeof salt, random, crypto_pwhash_SALTBYTES,
                      sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    sodium_bin2base64(tail, sizeof tail, random, HASH_DUMMY_BYTES,
                      sodium_base64_VARIANT_ORIGINAL_NO_PADDING);
    snprintf(ret_stored, PASSWORD_HASH_SIZE, ARGON2_PREFIX "%d,t=%d,p=1$%s$%s", ARGON2_KIB,
             ARGON2_PASSES, salt, tail);
}

/* The password in the form it was set in; NULL when none such can have been set. */
static enum err login_form(struct ctx *ctx, const char *password, const char *stored_hash,
                           const char **ret_form)
{
    const enum password_scheme scheme =
        bcrypt_cost(stored_hash) > 0 ? PASSWORD_BCRYPT : PASSWORD_ARGON2ID;

    *ret_form = NULL;
    if (password == NULL || password[0] == '\0' ||
        strlen(password) > (size_t)4 * ARGON2_MAX_PASSWORD ||
        !text_is_utf8(password, strlen(password)) || has_control_character(password))
        return ERR_OK;
    TRY(text_nfc(ctx, password, ret_form));
    if (strlen(*ret_form) > max_length(scheme))
        *ret_form = NULL;
    return ERR_OK;
}

enum err password_matches(struct ctx *ctx, const char *password, const char *stored_hash,
                          bool *ret_matches, bool *ret_stale)
{
    const struct config_password *config = &app_config(ctx->app)->password;
    struct hash_job job = {.compare = true};
    const char *form = NULL;

    if (password_hash_is_known(stored_hash))
        TRY(login_form(ctx, password, stored_hash, &form));
    if (form != NULL) {
        memcpy(job.password, form, strlen(form) + 1);
        memcpy(job.stored, stored_hash, strlen(stored_hash) + 1);
    } else {
        write_dummy(config, hash_pool_dummy(ctx->app->hashes), job.stored);
    }
    TRY(run(ctx, &job));
    *ret_matches = form != NULL && job.matches;
    /* A password that the new scheme could not hold stays as it is. */
    *ret_stale =
        *ret_matches && is_stale(config, stored_hash) && strlen(form) <= max_length(config->scheme);
    return ERR_OK;
}
