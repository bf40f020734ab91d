/* What a password may be, and how it is hashed. What is stored is read by app/stored_hash.c. */
#include "app/password.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <crypt.h>
#include <sodium.h>

#include "app/app.h"
#include "app/clock.h"
#include "app/hash_pool.h"
#include "app/secret.h"
#include "app/stored_hash.h"
#include "app/text.h"

#define BCRYPT_PREFIX         "$2b$"
#define BCRYPT_SALT_BYTES     16
#define BCRYPT_LENGTH         60
#define BCRYPT_SETTING_LENGTH 29
#define ARGON2_PREFIX         "$argon2id$v=19$m="
#define ARGON2_PASSES         2
#define ARGON2_KIB            19456

/* ---- stored forms ---- */

bool password_hash_is_known(const char *stored_hash)
{
    struct stored_hash hash;

    return stored_hash_read(stored_hash, &hash);
}

/* Whether the configuration would make another one; text is all that is stored. */
static bool is_stale(const struct config_password *config, const struct stored_hash *hash,
                     const char *text)
{
    if (config->scheme == PASSWORD_BCRYPT)
        return strncmp(text, BCRYPT_PREFIX, sizeof BCRYPT_PREFIX - 1) != 0 ||
               hash->cost != config->cost;
    return strncmp(text, ARGON2_PREFIX, sizeof ARGON2_PREFIX - 1) != 0 || hash->kib != ARGON2_KIB ||
           hash->cost != ARGON2_PASSES || hash->lanes != 1;
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

    if (hash == NULL || hash[0] == '*' || strlen(hash) != BCRYPT_LENGTH)
        return false;
    memcpy(job->result, hash, BCRYPT_LENGTH + 1);
    return true;
}

static bool argon2_make(struct hash_job *job)
{
    _Static_assert(PASSWORD_HASH_SIZE >= crypto_pwhash_STRBYTES, "a PHC string fits");
    return crypto_pwhash_str_alg(job->result, job->password, strlen(job->password), ARGON2_PASSES,
                                 (size_t)ARGON2_KIB * 1024, crypto_pwhash_ALG_ARGON2ID13) == 0;
}

/* What is wrong must not be quicker than the hash that the configuration asks for: that is what an
 * unknown name costs. */
static bool compare(struct hash_job *job, struct crypt_data *scratch)
{
    const int64_t start = clock_thread_cpu_us();
    struct stored_hash hash;
    bool done = false;

    if (!stored_hash_read(job->stored, &hash))
        return false;
    job->matches = stored_hash_compare(&hash, job->password, scratch, &done);
    if (job->other && !job->matches)
        stored_hash_spend(start, job->usual_us);
    secret_wipe(&hash, sizeof hash);
    return done;
}

void hash_job_run(struct hash_job *job, struct crypt_data *scratch)
{
    bool done;

    if (job->compare)
        done = compare(job, scratch);
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

static bool can_have_been_set(const char *password)
{
    return password != NULL && password[0] != '\0' &&
           strlen(password) <= (size_t)4 * ARGON2_MAX_PASSWORD &&
           text_is_utf8(password, strlen(password)) && !has_control_character(password);
}

/* The password in the form it was set in; NULL when none such can have been set. Other systems
 * hashed what was typed. bcrypt never sees what it would cut. */
static enum err login_form(struct ctx *ctx, const char *password, const struct stored_hash *hash,
                           const char **ret_form)
{
    const size_t longest = hash->kind == STORED_BCRYPT ? BCRYPT_MAX_PASSWORD : ARGON2_MAX_PASSWORD;

    *ret_form = NULL;
    if (!can_have_been_set(password))
        return ERR_OK;
    if (stored_hash_may_be_ours(hash))
        TRY(text_nfc(ctx, password, ret_form));
    else
        *ret_form = password;
    if (strlen(*ret_form) > longest)
        *ret_form = NULL;
    return ERR_OK;
}

/* The configured scheme could hold the password: else it stays as it is. */
static enum err is_renewable(struct ctx *ctx, const char *password, bool *ret_renewable)
{
    const size_t longest = max_length(app_config(ctx->app)->password.scheme);
    const char *form = NULL;

    TRY(text_nfc(ctx, password, &form));
    *ret_renewable = strlen(form) <= longest;
    return ERR_OK;
}

enum err password_matches(struct ctx *ctx, const char *password, const char *stored_hash,
                          bool *ret_matches, bool *ret_stale)
{
    const struct config_password *config = &app_config(ctx->app)->password;
    struct hash_job job = {.compare = true};
    struct stored_hash hash;
    const char *form = NULL;

    if (stored_hash_read(stored_hash, &hash))
        TRY(login_form(ctx, password, &hash, &form));
    if (form != NULL) {
        memcpy(job.password, form, strlen(form) + 1);
        memcpy(job.stored, stored_hash, strlen(stored_hash) + 1);
        job.other = is_stale(config, &hash, stored_hash);
    } else {
        write_dummy(config, hash_pool_dummy(ctx->app->hashes), job.stored);
    }
    TRY(run(ctx, &job));
    *ret_matches = form != NULL && job.matches;
    *ret_stale = *ret_matches && job.other;
    return *ret_stale ? is_renewable(ctx, password, ret_stale) : ERR_OK;
}
