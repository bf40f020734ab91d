/*
 * The floor: the same libraries joined by hand, without any product logic. No tenants, no limits,
 * no audit, no revocation, no checks beyond what the operation itself is. What tenantd costs is
 * measured against this in the same run.
 *
 *   bench_floor PORT MONGODB_URI USERS        serves until killed; prepares USERS users first
 *   bench_floor bcrypt COST SECONDS THREADS   bare bcrypt: prints hashes a second and CPU per hash
 */
#include <crypt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <civetweb.h>
#include <jansson.h>
#include <mongoc/mongoc.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <sodium.h>

static mongoc_client_pool_t *pool;
static EVP_PKEY *key, *rsa_key;
static unsigned char mac_key[32];
static const char database[] = "bench_floor";
static const char password[] = "a long passphrase";

static int answer(struct mg_connection *conn, int status, const char *body)
{
    char text[4096];
    const int length =
        snprintf(text, sizeof text,
                 "HTTP/1.1 %d OK\r\nContent-Type: application/json\r\nContent-Length: "
                 "%zu\r\n\r\n%s",
                 status, strlen(body), body);

    (void)mg_write(conn, text, (size_t)length);
    return status;
}

static void base64url(const unsigned char *bytes, size_t size, char *out)
{
    (void)sodium_bin2base64(out, size * 2 + 8, bytes, size,
                            sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

/* A token over a fixed set of claims. */
static void sign(EVP_PKEY *with, const char *subject, char *out, size_t size)
{
    char claims[512], part[1024];
    unsigned char signature[256];
    size_t signature_size = sizeof signature;
    EVP_MD_CTX *context = EVP_MD_CTX_new();

    (void)snprintf(
        claims, sizeof claims,
        "{\"iss\":\"http://localhost/t/bench\",\"sub\":\"%s\",\"aud\":\"http://localhost/"
        "t/bench\",\"exp\":%lld,\"iat\":%lld,\"jti\":\"0\",\"scope\":\"openid profile "
        "email read write\"}",
        subject, (long long)time(NULL) + 900, (long long)time(NULL));
    base64url((const unsigned char *)claims, strlen(claims), part);
    (void)snprintf(out, size, "eyJhbGciOiJFUzI1NiIsInR5cCI6InNlc3Npb24rand0In0.%s", part);
    (void)EVP_DigestSignInit(context, NULL, EVP_sha256(), NULL, with);
    (void)EVP_DigestSign(context, signature, &signature_size, (const unsigned char *)out,
                         strlen(out));
    base64url(signature, signature_size, part);
    EVP_MD_CTX_free(context);
    (void)snprintf(out + strlen(out), size - strlen(out), ".%s", part);
}

static bool command(mongoc_client_t *client, const bson_t *request, bson_t *reply)
{
    bson_error_t error;

    return mongoc_client_command_simple(client, database, request, NULL, reply, &error);
}

/* One user by the bare find command; name, hash and id are copied out. */
static bool find_user(mongoc_client_t *client, const char *field, const char *value, char *ret_id,
                      char *ret_hash)
{
    bson_t *request =
        BCON_NEW("find", "users", "filter", "{", "tenant_id", BCON_INT32(1), field,
                 BCON_UTF8(value), "}", "limit", BCON_INT32(1), "singleBatch", BCON_BOOL(true));
    bson_t reply;
    bson_iter_t top, batch, document, child;
    bool found = false;

    if (command(client, request, &reply) && bson_iter_init(&top, &reply) &&
        bson_iter_find_descendant(&top, "cursor.firstBatch.0", &batch) &&
        bson_iter_recurse(&batch, &document)) {
        while (bson_iter_next(&document)) {
            child = document;
            if (strcmp(bson_iter_key(&child), "_id") == 0)
                (void)snprintf(ret_id, 64, "%s", bson_iter_utf8(&child, NULL));
            if (ret_hash != NULL && strcmp(bson_iter_key(&child), "password_hash") == 0)
                (void)snprintf(ret_hash, 128, "%s", bson_iter_utf8(&child, NULL));
        }
        found = true;
    }
    bson_destroy(&reply);
    bson_destroy(request);
    return found;
}

static int whoami(struct mg_connection *conn)
{
    const char *token = mg_get_header(conn, "Authorization");
    unsigned char digest[32];
    char id[64], body[256];
    mongoc_client_t *client;

    if (token == NULL)
        return answer(conn, 401, "{}");
    (void)EVP_Digest(token, strlen(token), digest, NULL, EVP_sha256(), NULL);
    client = mongoc_client_pool_pop(pool);

    const bool found = find_user(client, "_id", token + 7, id, NULL);

    mongoc_client_pool_push(pool, client);
    (void)snprintf(body, sizeof body, "{\"username\":\"%s\",\"tenant\":\"bench\"}", id);
    return answer(conn, found ? 200 : 401, body);
}

static json_t *read_body(struct mg_connection *conn)
{
    char body[4096];
    const int n = mg_read(conn, body, sizeof body);

    return n > 0 ? json_loadb(body, (size_t)n, JSON_REJECT_DUPLICATES, NULL) : NULL;
}

static void make_refresh(const char *id, long long generation, char *out, size_t size)
{
    unsigned char mac[32];
    char text[128], encoded[128];

    (void)snprintf(text, sizeof text, "%s.%lld", id, generation);
    (void)crypto_auth_hmacsha256(mac, (const unsigned char *)text, strlen(text), mac_key);
    base64url(mac, sizeof mac, encoded);
    (void)snprintf(out, size, "%s.%s", text, encoded);
}

static void put_concern(bson_t *request)
{
    bson_t concern;

    BSON_APPEND_DOCUMENT_BEGIN(request, "writeConcern", &concern);
    BSON_APPEND_UTF8(&concern, "w", "majority");
    BSON_APPEND_BOOL(&concern, "j", true);
    bson_append_document_end(request, &concern);
}

static bool rotate(mongoc_client_t *client, const char *id, long long generation)
{
    bson_t *request =
        BCON_NEW("findAndModify", "tokens", "query", "{", "tenant_id", BCON_INT32(1), "_id",
                 BCON_UTF8(id), "generation", BCON_INT64(generation), "}", "update", "{", "$set",
                 "{", "generation", BCON_INT64(generation + 1), "}", "}", "new", BCON_BOOL(true));
    bson_t reply;
    bson_iter_t it;

    put_concern(request);

    const bool done = command(client, request, &reply) &&
                      bson_iter_init_find(&it, &reply, "value") && BSON_ITER_HOLDS_DOCUMENT(&it);

    bson_destroy(&reply);
    bson_destroy(request);
    return done;
}

static int pair(struct mg_connection *conn, const char *user, const char *grant,
                long long generation, bool with_id_token)
{
    char access[1024], refresh[256], id_token[1280] = "", body[3072];

    sign(key, user, access, sizeof access);
    if (with_id_token)
        sign(rsa_key, user, id_token, sizeof id_token);
    make_refresh(grant, generation, refresh, sizeof refresh);
    (void)snprintf(body, sizeof body,
                   "{\"access_token\":\"%s\",\"refresh_token\":\"%s\",\"id_token\":\"%s\","
                   "\"token_type\":\"bearer\",\"expires_in\":900}",
                   access, refresh, id_token);
    return answer(conn, 200, body);
}

/* with_id_token: as the exchange of a code, which rotates nothing less. */
static int refresh(struct mg_connection *conn, bool with_id_token)
{
    char id[64] = "", again[256], user[64];
    long long generation = 0;
    json_t *body = read_body(conn);
    const char *token = json_string_value(json_object_get(body, "refresh_token"));
    bool done = token != NULL && sscanf(token, "%40[^.].%lld.", id, &generation) == 2;

    if (done) {
        make_refresh(id, generation, again, sizeof again);
        done = strlen(again) == strlen(token) && sodium_memcmp(again, token, strlen(again)) == 0;
    }
    json_decref(body);

    mongoc_client_t *client = mongoc_client_pool_pop(pool);

    done = done && rotate(client, id, generation) && find_user(client, "_id", id, user, NULL);
    mongoc_client_pool_push(pool, client);
    return done ? pair(conn, id, id, generation + 1, with_id_token) : answer(conn, 401, "{}");
}

/* Runs an insert and frees it. */
static bool insert(bson_t *request)
{
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    bson_t reply;

    put_concern(request);

    const bool done = command(client, request, &reply);

    mongoc_client_pool_push(pool, client);
    bson_destroy(&reply);
    bson_destroy(request);
    return done;
}

static bool verify(const char *text, const char *hash)
{
    struct crypt_data *data = calloc(1, sizeof *data);
    const char *result = crypt_r(text, hash, data);
    const bool matches = result != NULL && strcmp(result, hash) == 0;

    free(data);
    return matches;
}

static int login(struct mg_connection *conn)
{
    char id[64] = "", hash[128] = "";
    json_t *body = read_body(conn);
    const char *name = json_string_value(json_object_get(body, "username"));
    const char *typed = json_string_value(json_object_get(body, "password"));
    mongoc_client_t *client = mongoc_client_pool_pop(pool);
    bool done = name != NULL && typed != NULL && find_user(client, "username", name, id, hash);

    mongoc_client_pool_push(pool, client);
    done = done && verify(typed, hash);
    json_decref(body);
    if (!done)
        return answer(conn, 401, "{}");

    char grant[64];
    unsigned char random[16];

    randombytes_buf(random, sizeof random);
    (void)sodium_bin2hex(grant, sizeof grant, random, sizeof random);

    bson_t *request =
        BCON_NEW("insert", "tokens", "documents", "[", "{", "_id", BCON_UTF8(grant), "tenant_id",
                 BCON_INT32(1), "user_id", BCON_UTF8(id), "generation", BCON_INT64(1), "}", "]");

    done = insert(request);
    return done ? pair(conn, id, grant, 1, false) : answer(conn, 503, "{}");
}

/* Hash and insert: what signing a user up cannot do without. */
static int sign_up(struct mg_connection *conn)
{
    char hash[128], setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *data = calloc(1, sizeof *data);
    json_t *body = read_body(conn);
    const char *name = json_string_value(json_object_get(body, "email"));
    const char *typed = json_string_value(json_object_get(body, "password"));
    bool done = false;

    if (name != NULL && typed != NULL) {
        (void)crypt_gensalt_rn("$2b$", 10, NULL, 0, setting, sizeof setting);
        (void)snprintf(hash, sizeof hash, "%s", crypt_r(typed, setting, data));

        bson_t *request = BCON_NEW("insert", "users", "documents", "[", "{", "_id", BCON_UTF8(name),
                                   "tenant_id", BCON_INT32(1), "username", BCON_UTF8(name),
                                   "password_hash", BCON_UTF8(hash), "}", "]");

        done = insert(request);
    }
    free(data);
    json_decref(body);
    return answer(conn, done ? 201 : 409, "{}");
}

/* The insert alone, of a document as it came. */
static int create(struct mg_connection *conn)
{
    json_t *body = read_body(conn);
    char *text = body != NULL ? json_dumps(body, JSON_COMPACT) : NULL;
    bson_t *user = text != NULL ? bson_new_from_json((const uint8_t *)text, -1, NULL) : NULL;
    bool done = false;

    if (user != NULL) {
        done = insert(BCON_NEW("insert", "users", "documents", "[", BCON_DOCUMENT(user), "]"));
        bson_destroy(user);
    }
    free(text);
    json_decref(body);
    return answer(conn, done ? 201 : 409, "{}");
}

static int begin_request(struct mg_connection *conn)
{
    const char *path = mg_get_request_info(conn)->local_uri;

    if (strcmp(path, "/health") == 0)
        return answer(conn, 200, "{\"status\":\"healthy\",\"service\":\"floor\"}");
    if (strcmp(path, "/whoami") == 0)
        return whoami(conn);
    if (strcmp(path, "/refresh") == 0)
        return refresh(conn, false);
    if (strcmp(path, "/exchange") == 0)
        return refresh(conn, true);
    if (strcmp(path, "/login") == 0)
        return login(conn);
    if (strcmp(path, "/signup") == 0)
        return sign_up(conn);
    if (strcmp(path, "/create") == 0)
        return create(conn);
    return answer(conn, 404, "{}");
}

/* --- preparation --- */

static void make_hash(int cost, char *ret_hash)
{
    char setting[CRYPT_GENSALT_OUTPUT_SIZE];
    struct crypt_data *data = calloc(1, sizeof *data);

    (void)crypt_gensalt_rn("$2b$", (unsigned long)cost, NULL, 0, setting, sizeof setting);
    (void)snprintf(ret_hash, 128, "%s", crypt_r(password, setting, data));
    free(data);
}

static void prepare(mongoc_client_t *client, int users)
{
    char hash[128], id[64];
    bson_error_t error;
    bson_t *index =
        BCON_NEW("createIndexes", "users", "indexes", "[", "{", "key", "{", "username",
                 BCON_INT32(1), "}", "name", "username_1", "unique", BCON_BOOL(true), "}", "]");
    bson_t reply;

    make_hash(10, hash);
    (void)mongoc_client_command_simple(client, database, index, NULL, &reply, &error);
    bson_destroy(&reply);
    bson_destroy(index);
    for (int i = 0; i < users; i++) {
        (void)snprintf(id, sizeof id, "user%d", i);
        for (int collection = 0; collection < 2; collection++) {
            bson_t *request = BCON_NEW("insert", BCON_UTF8(collection == 0 ? "users" : "tokens"),
                                       "documents", "[", "{", "_id", BCON_UTF8(id), "tenant_id",
                                       BCON_INT32(1), "username", BCON_UTF8(id), "password_hash",
                                       BCON_UTF8(hash), "generation", BCON_INT64(1), "}", "]");

            (void)command(client, request, &reply);
            bson_destroy(&reply);
            bson_destroy(request);
        }
    }
    /* The first refresh tokens, for the load generator. */
    for (int i = 0; i < users; i++) {
        char token[256];

        (void)snprintf(id, sizeof id, "user%d", i);
        make_refresh(id, 1, token, sizeof token);
        puts(token);
    }
    (void)fflush(stdout);
}

static int serve(const char *port, const char *uri_text, int users)
{
    const char *options[] = {"listening_ports",
                             port,
                             "num_threads",
                             "128",
                             "enable_keep_alive",
                             "yes",
                             "keep_alive_timeout_ms",
                             "15000",
                             "tcp_nodelay",
                             "1",
                             NULL};
    const struct mg_callbacks callbacks = {.begin_request = begin_request};
    mongoc_uri_t *uri = mongoc_uri_new(uri_text);

    mongoc_init();
    (void)mongoc_uri_set_option_as_int32(uri, MONGOC_URI_MAXPOOLSIZE, 128);
    pool = mongoc_client_pool_new(uri);
    key = EVP_EC_gen("P-256");
    rsa_key = EVP_RSA_gen(2048);
    randombytes_buf(mac_key, sizeof mac_key);

    mongoc_client_t *client = mongoc_client_pool_pop(pool);

    prepare(client, users);
    mongoc_client_pool_push(pool, client);
    (void)mg_init_library(0);
    if (mg_start(&callbacks, NULL, options) == NULL) {
        fprintf(stderr, "bench_floor: port %s is taken\n", port);
        return 1;
    }
    for (;;)
        (void)pause();
}

static int number(const char *text)
{
    return (int)strtoul(text, NULL, 10);
}

/* --- bare bcrypt --- */

static struct {
    char hash[128];
    double until;
    _Atomic long count;
} bare;

static double now(void)
{
    struct timespec t;

    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void *hash_on(void *unused)
{
    (void)unused;
    while (now() < bare.until) {
        (void)verify(password, bare.hash);
        bare.count++;
    }
    return NULL;
}

static int bare_bcrypt(int cost, double seconds, int threads)
{
    pthread_t ids[64];
    struct rusage usage;

    make_hash(cost, bare.hash);
    bare.until = now() + seconds;

    const double started = now();

    for (int i = 0; i < threads && i < 64; i++)
        (void)pthread_create(&ids[i], NULL, hash_on, NULL);
    for (int i = 0; i < threads && i < 64; i++)
        (void)pthread_join(ids[i], NULL);
    (void)getrusage(RUSAGE_SELF, &usage);

    const double cpu = (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6;

    printf("{\"hashes\":%ld,\"seconds\":%.3f,\"cpu_ms\":%.3f}\n", bare.count, now() - started,
           cpu * 1000 / (double)bare.count);
    return 0;
}

int main(int argc, char **argv)
{
    if (sodium_init() < 0)
        return 1;
    if (argc == 5 && strcmp(argv[1], "bcrypt") == 0)
        return bare_bcrypt(number(argv[2]), strtod(argv[3], NULL), number(argv[4]));
    if (argc != 4) {
        fputs(
            "usage: bench_floor PORT MONGODB_URI USERS | bench_floor bcrypt COST SECONDS THREADS\n",
            stderr);
        return 2;
    }
    return serve(argv[1], argv[2], number(argv[3]));
}
