/* Writing custom fields: who may, onto what they cannot see, and whether the schema fits. */
#include "models/custom_fields.h"

#include <string.h>
#include <time.h>

#include "app/bson_auto.h"
#include "app/document.h"
#include "app/log.h"
#include "models/custom_form.h"
#include "models/custom_hidden.h"
#include "models/custom_schema.h"
#include "models/publication.h"
#include "models/tenant.h"
#include "models/user.h"

#define FIELD    "custom_fields"
#define PAUSE_MS 20 /* times the tries so far */

/* What somebody does not see counts as so many bytes, or twice as many, …: from what is left to
 * them nobody then reads how long it is, and with that whether it is true or false. */
#define HIDDEN_BYTES ((size_t)1024)

enum shape_party custom_party(const struct ctx *ctx)
{
    const struct identity *who = &ctx->who;

    switch (who->credential) {
    case CREDENTIAL_KEY:
    case CREDENTIAL_PLATFORM:
    case CREDENTIAL_CLIENT:
        return SHAPE_SERVER;
    case CREDENTIAL_BEARER:
    case CREDENTIAL_SESSION:
        if (uuid_is_zero(&who->user_id))
            return SHAPE_SERVER;
        break;
    case CREDENTIAL_NONE:
        break;
    }
    return who->as_admin && who->role >= ROLE_ADMIN ? SHAPE_ADMIN : SHAPE_USER;
}

/* NULL when the tenant has no schema. */
static enum err find_shape(struct ctx *ctx, const struct shape **ret_shape)
{
    const enum err found = custom_schema_shape(ctx, ret_shape);

    if (found != ERR_NOT_FOUND)
        return found;
    *ret_shape = NULL;
    return ERR_OK;
}

/* ---- reading ---- */

enum err custom_fields_for(struct ctx *ctx, const struct user *user, enum shape_party party,
                           struct bytes *ret_fields)
{
    struct custom_sight sight = {.form.user_id = user->id, .party = party};

    *ret_fields = (struct bytes){0};
    if (user->stored_fields.size == 0 || ctx->tenant == NULL)
        return ERR_OK;

    const enum err found = find_shape(ctx, &sight.form.shape);

    /* A broken schema hides all fields, since nobody knows who may see what; it does not keep users
     * from signing in. Writing is an error then (custom_fields_settle). */
    if (found == ERR_INTERNAL) {
        log_event(LOG_ERROR, "custom_fields_hidden", "reason", ctx->failure.internal, NULL);
        fail_clear(ctx);
        return ERR_OK;
    }
    TRY(found);
    return custom_fields_show(ctx, &sight, &user->stored_fields, ret_fields);
}

enum err custom_fields_loaded(struct ctx *ctx, void *user)
{
    struct user *loaded = user;

    return custom_fields_for(ctx, loaded, custom_party(ctx), &loaded->custom_fields);
}

bool custom_field_is_seen(const struct shape *shape, const char *path, enum shape_party party)
{
    char name[SHAPE_MAX_NAME + 1];

    while (shape != NULL && *path != '\0') {
        const size_t length = strcspn(path, ".");
        const struct shape_property *property;

        if (length >= sizeof name)
            return true; /* no property has such a name */
        memcpy(name, path, length);
        name[length] = '\0';
        property = shape_find(shape, name);
        shape = property != NULL ? property->shape : NULL;
        if (shape != NULL && shape->read > party)
            return false;
        path += length + (path[length] == '.');
    }
    return true;
}

/* ---- writing ---- */

struct settling {
    struct ctx *ctx;
    const struct custom_write *write;
    struct custom_form form;
    struct bytes before; /* all of it, in JSON form */
    struct bytes after;
    bool is_veiled;                    /* the party does not see all of it */
    struct document_cost seen, hidden; /* then: what it saw before, and what it does not see */
};

static enum err see(struct settling *settling, enum shape_party party, struct bytes *ret_fields)
{
    const struct custom_sight sight = {.form = settling->form, .party = party, .to_write = true};

    return custom_fields_show(settling->ctx, &sight, &settling->write->before, ret_fields);
}

static enum err refuse_writer(struct settling *settling, const char *pointer)
{
    return fail(settling->ctx, ERR_FIELD_NOT_WRITABLE,
                arena_printf(settling->ctx->arena, "/" FIELD "%s", pointer),
                "/" FIELD "%s cannot be written by %s.", pointer,
                settling->write->party == SHAPE_USER ? "users themselves" : "administrators");
}

/* What the party asks for: what it sees, changed as it says. */
static enum err take(struct settling *settling)
{
    const struct custom_write *write = settling->write;
    struct bytes seen = {0};

    if (write->patch == NULL) {
        settling->after = *write->document;
        return ERR_OK;
    }
    if (write->patch->type == VALUE_NULL)
        return ERR_OK;
    TRY(see(settling, write->party, &seen));
    return document_merge(settling->ctx, FIELD, &seen, write->patch, &settling->after);
}

static enum err measure(struct settling *settling, const struct bytes *document,
                        struct document_cost *ret_cost)
{
    bson_t view;

    if (!document_view(document, &view))
        return fail_internal(settling->ctx, ERR_INTERNAL, "custom fields are no valid BSON");
    document_measure(&view, ret_cost);
    return ERR_OK;
}

/* asked: what the party wants, to which the hidden fields have come. */
static enum err measure_hidden(struct settling *settling, const struct bytes *asked)
{
    struct bytes seen = {0};
    struct document_cost alone;

    settling->is_veiled = true;
    TRY(see(settling, settling->write->party, &seen));
    TRY(measure(settling, &seen, &settling->seen));
    TRY(measure(settling, asked, &alone));
    TRY(measure(settling, &settling->after, &settling->hidden));
    settling->hidden.bytes -= alone.bytes;
    settling->hidden.members -= alone.members;
    return ERR_OK;
}

/* The hidden fields behind it, so that it is the whole again; it has none of its own. */
static enum err complete(struct settling *settling)
{
    const struct custom_write *write = settling->write;
    const struct custom_veil veil = {.shape = settling->form.shape, .party = write->party};
    const char *foreign = NULL;

    TRY(see(settling, SHAPE_SERVER, &settling->before));
    if (veil.shape == NULL || !veil.shape->has_readers)
        return ERR_OK;
    if (write->patch != NULL)
        TRY(custom_hidden_in_patch(settling->ctx, &veil, write->patch, &foreign));
    if (foreign == NULL)
        TRY(custom_hidden_in(settling->ctx, &veil, &settling->after, &foreign));
    if (foreign != NULL)
        return refuse_writer(settling, foreign);

    const struct bytes asked = settling->after;

    TRY(custom_hidden_keep(settling->ctx, &veil, &settling->before, &settling->after));
    return custom_hidden_any(&veil) ? measure_hidden(settling, &asked) : ERR_OK;
}

/* All sentences in one, the machine's form beside it. */
static enum err refuse(struct ctx *ctx, const char *before, const struct shape_failures *failures)
{
    const size_t told = failures->count < SHAPE_MAX_FAILURES ? failures->count : SHAPE_MAX_FAILURES;
    struct buf text;

    buf_init(&text, ctx->arena, 2048);
    buf_puts(&text, before);
    for (size_t i = 0; i < told && text.size < 1000; i++) {
        buf_puts(&text, i > 0 ? "; " : "");
        buf_puts(&text, failures->items[i].pointer);
        buf_putc(&text, ' ');
        buf_puts(&text, failures->items[i].message);
    }
    (void)fail(ctx, ERR_CUSTOM_FIELDS, failures->items[0].pointer, "%s",
               buf_ok(&text) ? buf_text(&text) : failures->items[0].message);
    ctx->failure.items = failures->items;
    ctx->failure.item_count = told;
    return ERR_CUSTOM_FIELDS;
}

/* The limits of the whole. Whoever does not see all of it is told no number, and may always take
 * away. */
static enum err check_limits(struct settling *settling)
{
    const struct document_cost *hidden = &settling->hidden, *seen = &settling->seen;
    struct document_cost cost;

    if (!settling->is_veiled)
        return document_check(settling->ctx, FIELD, &settling->after);
    TRY(measure(settling, &settling->after, &cost));
    if (cost.bytes - hidden->bytes <= seen->bytes &&
        cost.members - hidden->members <= seen->members)
        return ERR_OK;
    cost.bytes += HIDDEN_BYTES - hidden->bytes % HIDDEN_BYTES;
    if (cost.bytes <= DOCUMENT_MAX_BYTES && cost.members <= DOCUMENT_MAX_MEMBERS)
        return ERR_OK;
    return fail(settling->ctx, ERR_CUSTOM_FIELDS, "/" FIELD,
                FIELD " may have %zu bytes of JSON text and %d members in all, and fields that you "
                      "do not see need some of them",
                DOCUMENT_MAX_BYTES, (int)DOCUMENT_MAX_MEMBERS);
}

static enum err check(struct settling *settling)
{
    const struct custom_veil veil = {.shape = settling->form.shape,
                                     .party = settling->write->party};
    struct ctx *ctx = settling->ctx;
    struct shape_failures failures = {0};

    TRY(shape_check(ctx, veil.shape, "/" FIELD, &settling->after, &failures));
    if (failures.count == 0)
        return check_limits(settling);
    custom_hidden_untold(&veil, strlen("/" FIELD), &failures);
    return refuse(ctx, "", &failures);
}

static enum err obey(struct settling *settling)
{
    const struct custom_write *write = settling->write;
    const struct shape_change change = {
        .before = &settling->before, .after = &settling->after, .party = write->party};
    const struct custom_form *form = &settling->form;
    struct ctx *ctx = settling->ctx;
    const char *foreign = NULL;

    TRY(custom_fields_canonical(ctx, form, &settling->after, &settling->after));
    TRY(shape_check_writer(ctx, form->shape, &change, &foreign));
    if (foreign != NULL)
        return refuse_writer(settling, foreign);
    if (write->is_new) {
        TRY(shape_fill(ctx, form->shape, &settling->after, write->emptied, &settling->after));
        TRY(custom_fields_canonical(ctx, form, &settling->after, &settling->after));
    }
    return check(settling);
}

enum err custom_fields_settle(struct ctx *ctx, const struct custom_write *write,
                              struct bytes *ret_stored)
{
    struct settling settling = {.ctx = ctx, .write = write, .form = {.user_id = write->user_id}};

    TRY(find_shape(ctx, &settling.form.shape));
    TRY(take(&settling));
    TRY(complete(&settling));
    if (settling.form.shape != NULL)
        TRY(obey(&settling));
    return custom_fields_store(ctx, &settling.form, &write->before, &settling.after, ret_stored);
}

/* ---- while a schema is published ---- */

enum err custom_fields_refused(struct ctx *ctx, const struct uuid *user_id,
                               const struct bytes *stored, int tries)
{
    const int64_t version = ctx->tenant->schema_version;
    const struct timespec pause = {.tv_nsec = (long)tries * PAUSE_MS * 1000000};
    struct shape_failures failures = {0};

    fail_clear(ctx);
    tenant_forget(ctx, ctx->tenant);
    TRY(tenant_refresh(ctx));
    if (ctx->tenant->schema_version == version) {
        TRY(publication_try(ctx, user_id, stored, &failures));
        if (failures.count > 0)
            return refuse(ctx, "A new schema is being published, and by that ", &failures);
    }
    if (tries >= CUSTOM_FIELDS_TRIES)
        return fail_retry(ctx, ERR_DOCUMENT_REFUSED, 1);
    if (tries > 1)
        (void)nanosleep(&pause, NULL);
    return ERR_OK;
}
