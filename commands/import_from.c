/* One record of another system into one line, counted. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app/json.h"
#include "app/stored_hash.h"
#include "app/text.h"
#include "commands/import.h"

#define FIELDS_MAX ((size_t)256 * 1024)

static const struct from_system *const systems[] = {
    &from_keycloak, &from_auth0, &from_firebase, &from_supabase, &from_django, &from_mongodb,
};
#define SYSTEM_COUNT (sizeof systems / sizeof systems[0])

/* ---- options ---- */

static enum err find_system(struct ctx *ctx, const char *name, struct from_options *options)
{
    for (size_t i = 0; i < SYSTEM_COUNT; i++) {
        if (strcmp(systems[i]->name, name) == 0)
            options->system = systems[i];
    }
    if (options->system != NULL)
        return ERR_OK;
    return fail(ctx, ERR_VALIDATION, "--from",
                "--from: must be keycloak, auth0, firebase, supabase, django or mongodb");
}

static bool is_target(const char *name)
{
    static const char *const names[] = {
        "id",           "username",          "email",         "name",       "role",
        "is_active",    "is_email_verified", "password_hash", "created_at", "updated_at",
        "last_login_at"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strcmp(name, names[i]) == 0)
            return true;
    }
    return strncmp(name, "custom_fields.", 14) == 0 && name[14] != '\0';
}

/* "NAME=path,NAME=path" */
static enum err read_maps(struct ctx *ctx, const char *text, struct from_options *options)
{
    char *copy = arena_strdup(ctx->arena, text), *rest = NULL;

    if (copy == NULL)
        return ERR_MEMORY;
    for (char *word = strtok_r(copy, ",", &rest); word != NULL; word = strtok_r(NULL, ",", &rest)) {
        char *path = strchr(word, '=');

        if (path != NULL)
            *path++ = '\0';
        if (path == NULL || *path == '\0' || !is_target(word) || options->map_count == FROM_MAPS)
            return fail(ctx, ERR_VALIDATION, "--map",
                        "--map: must be NAME=path,…, with a NAME such as username or "
                        "custom_fields.age; \"%.60s\" is not",
                        word);
        options->maps_fields = options->maps_fields || strncmp(word, "custom_fields.", 14) == 0;
        options->maps[options->map_count++] = (struct from_map){.name = word, .path = path};
    }
    return ERR_OK;
}

/* The console shows "hash_config {", a line "name: value," for each, and "}". */
static const char *console_text(struct ctx *ctx, const char *text, const char *name)
{
    for (const char *at = strstr(text, name); at != NULL; at = strstr(at, name)) {
        at += strlen(name);
        at += strspn(at, " \t");
        if (*at != ':')
            continue;
        at += 1 + strspn(at + 1, " \t\"");

        const size_t length = strcspn(at, " \t\r\n\",}");

        return length > 0 ? arena_strndup(ctx->arena, at, length) : NULL;
    }
    return NULL;
}

static const char *parameter(struct ctx *ctx, const struct value *json, const char *text,
                             const char *name)
{
    return json != NULL ? from_text(ctx, json, name) : console_text(ctx, text, name);
}

/* The project's parameters, as its console shows them or as JSON. */
static enum err read_hash_config(struct ctx *ctx, const char *path, struct from_options *options)
{
    char text[4096] = "";
    FILE *file = fopen(path, "re");
    struct value parsed, *json = &parsed;
    const char *rounds, *cost;

    if (file == NULL)
        return fail(ctx, ERR_VALIDATION, "--hash-config", "--hash-config: cannot read %.100s: %s",
                    path, strerror(errno));
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    (void)fclose(file);
    if (json_parse(ctx, text, strlen(text), json) != ERR_OK) {
        fail_clear(ctx);
        json = NULL;
    }
    options->signer_key = parameter(ctx, json, text, "base64_signer_key");
    options->salt_separator = parameter(ctx, json, text, "base64_salt_separator");
    rounds = parameter(ctx, json, text, "rounds");
    cost = parameter(ctx, json, text, "mem_cost");
    options->rounds = rounds != NULL ? strtoll(rounds, NULL, 10) : 0;
    options->mem_cost = cost != NULL ? strtoll(cost, NULL, 10) : 0;
    if (options->signer_key != NULL && options->salt_separator != NULL && options->rounds > 0 &&
        options->mem_cost > 0)
        return ERR_OK;
    return fail(ctx, ERR_VALIDATION, "--hash-config",
                "--hash-config: %.100s does not say all of base64_signer_key, "
                "base64_salt_separator, rounds and mem_cost",
                path);
}

enum err from_read_options(struct ctx *ctx, const char *system, const char *map,
                           const char *hash_config, struct from_options *ret_options)
{
    *ret_options = (struct from_options){.map_count = 0};
    TRY(find_system(ctx, system, ret_options));
    if (map != NULL)
        TRY(read_maps(ctx, map, ret_options));
    if (hash_config != NULL)
        TRY(read_hash_config(ctx, hash_config, ret_options));
    if (ret_options->system == &from_mongodb && map == NULL)
        return fail(ctx, ERR_VALIDATION, "--map",
                    "--map says where things are in your documents: --map "
                    "email=mail.address,password_hash=hash,custom_fields.age=profile.age");
    return ERR_OK;
}

/* ---- counting ---- */

/* The last place is for all that found none. */
static void count(const struct from_summary *summary, struct from_count *counts, size_t *used,
                  const char *what)
{
    size_t i = 0;

    while (i < *used && strcmp(counts[i].what, what) != 0)
        i++;
    if (i == *used && i < FROM_KINDS) {
        const char *kept = i + 1 < FROM_KINDS ? arena_strdup(summary->arena, what) : NULL;

        counts[(*used)++] = (struct from_count){.what = kept != NULL ? kept : "others"};
    }
    counts[i < FROM_KINDS ? i : FROM_KINDS - 1].n++;
}

void from_count_refused(struct from_summary *summary, const char *reason)
{
    summary->refused++;
    count(summary, summary->reasons, &summary->reason_count, reason);
}

/* ---- mapping ---- */

static void map_bool(const struct value *record, const char *path, bool *ret_has, bool *ret_value)
{
    if (from_at(record, path) == NULL)
        return;
    *ret_has = true;
    *ret_value = from_bool(record, path, false);
}

static void apply_map(struct ctx *ctx, const struct from_map *map, const struct value *record,
                      struct from_user *user)
{
    const struct {
        const char *name;
        const char **text;
    } texts[] = {{"id", &user->id},       {"username", &user->username},
                 {"email", &user->email}, {"name", &user->name},
                 {"role", &user->role},   {"password_hash", &user->password_hash}};
    const struct {
        const char *name;
        const char **text;
    } times[] = {{"created_at", &user->created_at},
                 {"updated_at", &user->updated_at},
                 {"last_login_at", &user->last_login_at}};
    bool has = false;

    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        if (strcmp(map->name, texts[i].name) == 0)
            *texts[i].text = from_text(ctx, record, map->path);
    }
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        if (strcmp(map->name, times[i].name) == 0)
            *times[i].text = from_time(ctx, record, map->path, 1);
    }
    if (strcmp(map->name, "is_active") == 0) {
        map_bool(record, map->path, &has, &user->is_active);
        user->no_active = !has;
    }
    if (strcmp(map->name, "is_email_verified") == 0)
        map_bool(record, map->path, &user->has_verified, &user->is_verified);
    if (strncmp(map->name, "custom_fields.", 14) == 0)
        from_put_field(&user->fields, map->name + 14, from_at(record, map->path));
}

static void apply_maps(struct ctx *ctx, const struct from_options *options,
                       const struct value *record, struct from_user *user)
{
    if (options->maps_fields)
        buf_init(&user->fields, ctx->arena, FIELDS_MAX);
    for (size_t i = 0; i < options->map_count; i++)
        apply_map(ctx, &options->maps[i], record, user);
}

/* ---- the line ---- */

/* What algorithm a stored form is of, for the summary. */
static const char *algorithm_of(const char *form)
{
    static const struct {
        const char *prefix, *name;
    } names[] = {{"$2", "bcrypt"},
                 {"bcrypt", "bcrypt"},
                 {"$argon2", "argon2"},
                 {"argon2", "argon2"},
                 {"$pbkdf2", "pbkdf2"},
                 {"pbkdf2", "pbkdf2"},
                 {"$firebase", "firebase-scrypt"},
                 {"$scrypt", "scrypt"},
                 {"scrypt", "scrypt"},
                 {"$7$", "scrypt"},
                 {"$5$", "sha-crypt"},
                 {"$6$", "sha-crypt"}};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (strncmp(form, names[i].prefix, strlen(names[i].prefix)) == 0)
            return names[i].name;
    }
    return "other";
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    if (text == NULL)
        return;
    buf_printf(out, "%s\"%s\":", out->data[out->size - 1] == '{' ? "" : ",", name);
    buf_json_string(out, text, strlen(text));
}

static void put_line(const struct from_user *user, struct buf *out)
{
    struct uuid id;

    buf_putc(out, '{');
    if (user->id != NULL && uuid_parse(user->id, &id))
        put_text(out, "id", user->id);
    put_text(out, "username", user->username);
    put_text(out, "email", user->email);
    put_text(out, "name", user->name);
    put_text(out, "role", user->role);
    put_text(out, "password_hash", user->password_hash);
    put_text(out, "created_at", user->created_at);
    put_text(out, "updated_at", user->updated_at);
    put_text(out, "last_login_at", user->last_login_at);
    if (!user->no_active)
        buf_printf(out, ",\"is_active\":%s", user->is_active ? "true" : "false");
    if (user->has_verified)
        buf_printf(out, ",\"is_email_verified\":%s", user->is_verified ? "true" : "false");
    if (user->fields.size > 0) {
        buf_puts(out, ",\"custom_fields\":{");
        buf_add(out, user->fields.data, user->fields.size);
        buf_putc(out, '}');
    }
    buf_puts(out, "}\n");
}

/* A hash that cannot be verified here is left away: its user has to set a password anew. */
static void judge_hash(struct ctx *ctx, struct from_user *user)
{
    const char *problem =
        user->password_hash != NULL ? stored_hash_problem(user->password_hash) : NULL;

    if (problem == NULL)
        return;
    user->reason = arena_printf(ctx->arena, "password_hash %s", problem);
    user->password_hash = NULL;
}

/* A name that is an address is no user name here: it is the address. */
static void judge_names(struct from_user *user)
{
    if (user->email != NULL && text_check_email(user->email) != NULL && user->username != NULL) {
        user->email = NULL;
        user->has_verified = false;
        user->remark = "the e-mail address is none and was left away";
    }
    if (user->username == NULL || strchr(user->username, '@') == NULL)
        return;
    if (user->email == NULL && text_check_email(user->username) == NULL)
        user->email = user->username;
    if (user->email != NULL)
        user->username = NULL;
}

static void note_remark(struct from_summary *summary, const char *remark)
{
    count(summary, summary->reasons, &summary->reason_count, remark);
    if (summary->notice != NULL)
        return;
    summary->notice = remark;
    summary->code = "no_address";
}

enum err from_line(struct ctx *ctx, const struct from_options *options,
                   struct from_summary *summary, const struct value *record, struct buf *out)
{
    struct from_user user = {.is_active = true};

    summary->records++;
    buf_init(&user.fields, ctx->arena, FIELDS_MAX);

    const char *refused = record->type == VALUE_OBJECT
                              ? options->system->convert(ctx, options, record, &user)
                              : "is no object";

    summary->notice = refused;
    summary->code = "no_password";
    if (refused == NULL) {
        apply_maps(ctx, options, record, &user);
        judge_names(&user);
        judge_hash(ctx, &user);
        if (user.username == NULL && user.email == NULL)
            summary->notice = refused = "has neither a user name nor an e-mail address";
        if (!buf_ok(&user.fields))
            summary->notice = refused = "is larger than 256 KiB.";
    }
    if (refused != NULL) {
        from_count_refused(summary, refused);
        buf_putc(out, '\n');
        return ERR_OK;
    }
    summary->users++;
    if (user.password_hash != NULL) {
        count(summary, summary->hashes, &summary->hash_count, algorithm_of(user.password_hash));
    } else {
        summary->without_password++;
        summary->notice = user.reason;
        if (user.reason != NULL)
            count(summary, summary->reasons, &summary->reason_count, user.reason);
    }
    if (user.remark != NULL && user.email == NULL)
        note_remark(summary, user.remark);
    put_line(&user, out);
    return buf_ok(out) ? ERR_OK : ERR_MEMORY;
}
