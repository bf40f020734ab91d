/* Known holes of server versions. */
#include "app/db_version.h"

#include "app/db_internal.h"
#include "app/log.h"

#define ZLIB "CVE-2025-14847"
#define ZLIB_WORKAROUND \
    "until then take zlib out of net.compression.compressors of mongod (deploy/mongo/mongod.conf)"

/* A line of versions (major, minor) up to, without, a patch. */
static const struct {
    int major, minor, patch;
    struct db_known_bug bug;
} known[] = {
    {6, 0, 27, {ZLIB, "6.0.27", ZLIB_WORKAROUND}},
    {7, 0, 28, {ZLIB, "7.0.28", ZLIB_WORKAROUND}},
    {8, 0, 17, {ZLIB, "8.0.17", ZLIB_WORKAROUND}},
    {8, 2, 3, {ZLIB, "8.2.3", ZLIB_WORKAROUND}},
};

const struct db_known_bug *db_known_bug(const int version[3])
{
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (version[0] == known[i].major && version[1] == known[i].minor &&
            version[2] < known[i].patch)
            return &known[i].bug;
    }
    return NULL;
}

static void read_version(const bson_t *reply, int version[3])
{
    bson_iter_t it, element;

    if (!bson_iter_init_find(&it, reply, "versionArray") || !bson_iter_recurse(&it, &element))
        return;
    for (size_t i = 0; i < 3 && bson_iter_next(&element); i++)
        version[i] = (int)bson_iter_as_int64(&element);
}

void db_warn_of_known_bug(struct ctx *ctx)
{
    AUTO(db_call_end) struct db_call call = {0};
    bson_t command_bytes = BSON_INITIALIZER, reply_bytes = BSON_INITIALIZER;
    AUTO(bson_destroy) bson_t *command = &command_bytes;
    AUTO(bson_destroy) bson_t *reply = &reply_bytes;
    struct db_error error;
    int version[3] = {0};

    if (db_call_begin(ctx, NULL, DB_INSPECT, &call) != ERR_OK)
        return;
    bson_put_int(command, "buildInfo", 1);
    /* Who may not ask is not warned; what is wrong with the database others tell. */
    if (!db_run_admin(&call, command, reply, &error))
        return;
    read_version(reply, version);
    const struct db_known_bug *bug = db_known_bug(version);
    if (bug == NULL)
        return;
    log_message(LOG_WARN, "database.known_bug",
                "MongoDB %d.%d.%d has %s, which needs no login: upgrade to %s; %s", version[0],
                version[1], version[2], bug->name, bug->fixed, bug->workaround);
}
