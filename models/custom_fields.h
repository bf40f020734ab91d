/*
 * The two forms of a user's custom fields. JSON form: what clients send and see, what a schema is
 * held against (app/shape.h). Stored form: what the database has, which differs from it where the
 * schema in force says so: BSON dates for format date and date-time, ciphertext for x-encrypt.
 * Whoever writes users settles; whoever reads them sees by x-read what the party may see. Loading a
 * struct user makes its view (custom_fields_loaded), so nobody can forget it. Any thread.
 *
 * Dates: format date is stored as midnight UTC and shown as YYYY-MM-DD; date-time is stored in UTC
 * to the millisecond, later digits are dropped, and shown as …Z, with three digits of a second only
 * where they are not 000. Years 0000 to 9999, in UTC; leap seconds are refused (app/clock.h).
 */
#pragma once

#include "app/ctx.h"
#include "app/shape.h"

/* With whose eyes the ctx's work looks: servers (access keys, operators, clients without a user);
 * administrators where the route or the console demands that role; else users, whoever asks. */
enum shape_party custom_party(const struct ctx *ctx);

/* ---- reading and writing one document ---- */

struct user;

struct custom_form {
    const struct shape *shape; /* NULL: there is no schema, both forms are the same */
    struct uuid user_id;       /* whose fields: ciphertext is bound to it */
};

/* The JSON form of what the party may see. Stored documents of an older version show too. A value
 * that does not open is logged and left out; to_write, for whoever writes the document again, it
 * stays the binary that it is, which no schema takes: it is not lost, and can be replaced. */
struct custom_sight {
    struct custom_form form;
    enum shape_party party;
    bool to_write;
};
CHECKED enum err custom_fields_show(struct ctx *ctx, const struct custom_sight *sight,
                                    const struct bytes *stored, struct bytes *ret_fields);

/* The same of one user, whoever the ctx works for. */
CHECKED enum err custom_fields_for(struct ctx *ctx, const struct user *user, enum shape_party party,
                                   struct bytes *ret_fields);
/* Whether the party may see the field of this path (address.city): for filters, mappings and
 * projections, which could tell what it holds. shape NULL: there is no schema. */
bool custom_field_is_seen(const struct shape *shape, const char *path, enum shape_party party);

/* The stored form of a document in JSON form that was checked. Ciphertext of before (stored form,
 * may be empty) stays where the value is the same. */
CHECKED enum err custom_fields_store(struct ctx *ctx, const struct custom_form *form,
                                     const struct bytes *before, const struct bytes *fields,
                                     struct bytes *ret_stored);

/* From the stored form of one version to that of another; what is so already stays as it is, so it
 * may be done again. A date becomes the moment of its midnight in UTC, such a moment a date. */
struct custom_conversion {
    const struct shape *from, *to; /* NULL: no schema */
    struct uuid user_id;
};
CHECKED enum err custom_fields_convert(struct ctx *ctx, const struct custom_conversion *conversion,
                                       const struct bytes *stored, struct bytes *ret_stored);
/* What the other version finds wrong with a document of the one; count 0: it may be converted. */
CHECKED enum err custom_fields_try(struct ctx *ctx, const struct custom_conversion *conversion,
                                   const struct bytes *stored, struct shape_failures *ret_failures);
/* Whether every document has the same stored form by both. */
bool custom_fields_stored_alike(const struct shape *from, const struct shape *to);
/* Whether a stored value, which is neither object nor array, has the form that the shape says. */
bool custom_fields_is_stored_by(const struct shape *shape, const bson_iter_t *value);

/* ERR_SCHEMA when an enum or const names a moment otherwise than it is shown: no value would fit
 * it. pointer: of the shape, "" for the whole. */
CHECKED enum err custom_fields_check_values(struct ctx *ctx, const struct shape *shape,
                                            const char *pointer);

/* ---- writing a user ---- */

/* One write, in JSON form as the party sees it: a merge patch (null empties the object), or the
 * whole document. What the party cannot see stays. */
struct custom_write {
    struct uuid user_id;
    struct bytes before; /* stored form; empty for a new user */
    const struct value *patch;
    const struct bytes *document; /* when patch is NULL */
    bool is_new;                  /* defaults are filled in */
    const struct strs *emptied;   /* but not of these; or NULL */
    enum shape_party party;       /* for whom it is written */
};

/* The stored form of what comes of it. ERR_CUSTOM_FIELDS with all that is wrong;
 * ERR_FIELD_NOT_WRITABLE with the pointer, also of a field that the party cannot see. */
CHECKED enum err custom_fields_settle(struct ctx *ctx, const struct custom_write *write,
                                      struct bytes *ret_stored);

/* After ERR_DOCUMENT_REFUSED of a write of these fields, which means that a schema is being
 * published: ERR_OK with the tenant as it is now in the ctx, so that the fields are settled and
 * written once more; ERR_CUSTOM_FIELDS with what the coming schema finds wrong;
 * ERR_DOCUMENT_REFUSED when tries are used up. Outside of a transaction. */
#define CUSTOM_FIELDS_TRIES 4
CHECKED enum err custom_fields_refused(struct ctx *ctx, const struct uuid *user_id,
                                       const struct bytes *stored, int tries);

/* The hook of user_schema: user->custom_fields becomes what the ctx's party may see of
 * user->stored_fields. Without a tenant nothing is seen. */
enum err custom_fields_loaded(struct ctx *ctx, void *user);
