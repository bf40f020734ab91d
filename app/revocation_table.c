/*
 * Two arrays made once: entries, and the tenants that have some. Both are chained in buckets by
 * index; what is not in use is chained as spare. Index 0 is not used: it says "none".
 */
#include "app/revocation_table.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "app/clock.h"
#include "app/secret.h"

#define TENANT_SHARE 8 /* one tenant may hold an eighth of the table */

_Static_assert(sizeof(struct revocation_key) == 33, "compared and hashed as bytes");

struct entry {
    struct revocation_key key;
    uint32_t next; /* in its bucket or among the spare ones; 0 = none: entry 0 is not used */
    int64_t min_epoch;
    int64_t expires_at; /* 0 = spare */
};

struct tenant_entry {
    uint8_t tenant[16];
    uint32_t next;
    uint32_t count;
    int64_t asked_until; /* before this time the database answers for the tenant */
};

/* An array of items chained in buckets by index. */
struct index {
    uint32_t *buckets;
    size_t mask;
    uint32_t touched, spare, maximum;
};

struct revocations {
    pthread_rwlock_t lock;
    struct index by_key, by_tenant;
    struct entry *entries;
    struct tenant_entry *tenants;
    uint32_t share;
    int64_t next_expiry; /* nothing expires before */
    int64_t asked_until; /* of all tenants: not even their names fitted */
};

static bool index_init(struct index *index, size_t maximum)
{
    size_t buckets = 16;

    while (buckets < maximum)
        buckets *= 2;
    index->buckets = calloc(buckets, sizeof *index->buckets);
    index->mask = buckets - 1;
    index->maximum = (uint32_t)maximum;
    return index->buckets != NULL;
}

struct revocations *revocations_new(size_t max_entries)
{
    struct revocations *table = calloc(1, sizeof *table);
    const size_t entries = max_entries < UINT32_MAX / 2 ? max_entries + 16 : UINT32_MAX / 2;

    if (table == NULL)
        return NULL;
    pthread_rwlock_init(&table->lock, NULL);
    table->share = (uint32_t)(entries / TENANT_SHARE);
    table->entries = calloc(entries + 1, sizeof *table->entries);
    table->tenants = calloc(entries + 1, sizeof *table->tenants);
    if (!index_init(&table->by_key, entries) || !index_init(&table->by_tenant, entries) ||
        table->entries == NULL || table->tenants == NULL) {
        revocations_free(table);
        return NULL;
    }
    return table;
}

void revocations_free(struct revocations *table)
{
    if (table == NULL)
        return;
    pthread_rwlock_destroy(&table->lock);
    free(table->by_key.buckets);
    free(table->by_tenant.buckets);
    free(table->entries);
    free(table->tenants);
    free(table);
}

static uint32_t *bucket_of(const struct index *index, const void *key, size_t size)
{
    return &index->buckets[secret_table_hash(key, size) & index->mask];
}

static uint32_t find_entry(const struct revocations *table, const struct revocation_key *key)
{
    uint32_t at = *bucket_of(&table->by_key, key, sizeof *key);

    while (at != 0 && memcmp(&table->entries[at].key, key, sizeof *key) != 0)
        at = table->entries[at].next;
    return at;
}

static uint32_t find_tenant(const struct revocations *table, const uint8_t tenant[16])
{
    uint32_t at = *bucket_of(&table->by_tenant, tenant, 16);

    while (at != 0 && memcmp(table->tenants[at].tenant, tenant, 16) != 0)
        at = table->tenants[at].next;
    return at;
}

/* 0 when the array is full. */
static uint32_t take_tenant(struct revocations *table, const uint8_t tenant[16])
{
    struct index *index = &table->by_tenant;
    uint32_t at = find_tenant(table, tenant);

    if (at != 0)
        return at;
    at = index->spare;
    if (at != 0)
        index->spare = table->tenants[at].next;
    else if (index->touched < index->maximum)
        at = ++index->touched;
    else
        return 0;

    uint32_t *bucket = bucket_of(index, tenant, 16);

    table->tenants[at] = (struct tenant_entry){.next = *bucket};
    memcpy(table->tenants[at].tenant, tenant, 16);
    *bucket = at;
    return at;
}

static void drop_entry(struct revocations *table, uint32_t at)
{
    struct entry *entry = &table->entries[at];
    uint32_t *link = bucket_of(&table->by_key, &entry->key, sizeof entry->key);
    const uint32_t tenant = find_tenant(table, entry->key.tenant);

    while (*link != at)
        link = &table->entries[*link].next;
    *link = entry->next;
    *entry = (struct entry){.next = table->by_key.spare};
    table->by_key.spare = at;
    if (tenant != 0)
        table->tenants[tenant].count--;
}

static void drop_tenant(struct revocations *table, uint32_t at)
{
    uint32_t *link = bucket_of(&table->by_tenant, table->tenants[at].tenant, 16);

    while (*link != at)
        link = &table->tenants[*link].next;
    *link = table->tenants[at].next;
    table->tenants[at] = (struct tenant_entry){.next = table->by_tenant.spare};
    table->by_tenant.spare = at;
}

static bool tenant_is_idle(const struct tenant_entry *tenant, int64_t now)
{
    static const uint8_t nobody[16];

    return tenant->count == 0 && tenant->asked_until <= now &&
           memcmp(tenant->tenant, nobody, sizeof nobody) != 0;
}

/* Takes out what no token can concern any more. Rare: only when the table or a tenant's share is
 * full and something is due. */
static void sweep(struct revocations *table, int64_t now)
{
    table->next_expiry = INT64_MAX;
    for (uint32_t at = 1; at <= table->by_key.touched; at++) {
        const int64_t expires_at = table->entries[at].expires_at;

        if (expires_at == 0)
            continue;
        if (expires_at <= now)
            drop_entry(table, at);
        else if (expires_at < table->next_expiry)
            table->next_expiry = expires_at;
    }
    for (uint32_t at = 1; at <= table->by_tenant.touched; at++)
        if (tenant_is_idle(&table->tenants[at], now))
            drop_tenant(table, at);
}

static bool is_full(const struct index *index)
{
    return index->spare == 0 && index->touched >= index->maximum;
}

static bool is_at_share(const struct revocations *table, const uint8_t tenant[16])
{
    const uint32_t at = find_tenant(table, tenant);

    return at != 0 && table->tenants[at].count >= table->share;
}

/* 0 when there is no room for this tenant; then the database is asked until the entry would end. */
static uint32_t take_entry(struct revocations *table, const struct revocation_key *key,
                           int64_t expires_at, int64_t now)
{
    struct index *index = &table->by_key;

    if ((is_full(index) || is_full(&table->by_tenant) || is_at_share(table, key->tenant)) &&
        table->next_expiry <= now)
        sweep(table, now);

    const uint32_t tenant = take_tenant(table, key->tenant);

    if (tenant == 0) {
        if (table->asked_until < expires_at)
            table->asked_until = expires_at;
        return 0;
    }
    if (is_full(index) || table->tenants[tenant].count >= table->share) {
        if (table->tenants[tenant].asked_until < expires_at)
            table->tenants[tenant].asked_until = expires_at;
        return 0;
    }

    uint32_t at = index->spare;
    uint32_t *bucket = bucket_of(index, key, sizeof *key);

    if (at != 0)
        index->spare = table->entries[at].next;
    else
        at = ++index->touched;
    table->entries[at] = (struct entry){.key = *key, .next = *bucket};
    *bucket = at;
    table->tenants[tenant].count++;
    return at;
}

void revocation_table_put(struct revocations *table, const struct revocation_key *key,
                          int64_t min_epoch, int64_t expires_at)
{
    const int64_t now = clock_now_ms();

    if (expires_at <= now)
        return;
    pthread_rwlock_wrlock(&table->lock);

    uint32_t at = find_entry(table, key);

    if (at == 0)
        at = take_entry(table, key, expires_at, now);
    if (at != 0) {
        struct entry *entry = &table->entries[at];

        /* Neither ever shrinks: events may come again, and out of order with this process's own. */
        if (entry->min_epoch < min_epoch)
            entry->min_epoch = min_epoch;
        if (entry->expires_at < expires_at)
            entry->expires_at = expires_at;
        if (expires_at < table->next_expiry)
            table->next_expiry = expires_at;
    }
    pthread_rwlock_unlock(&table->lock);
}

static void forget(struct revocations *table)
{
    memset(table->by_key.buckets, 0, (table->by_key.mask + 1) * sizeof(uint32_t));
    memset(table->by_tenant.buckets, 0, (table->by_tenant.mask + 1) * sizeof(uint32_t));
    table->by_key.touched = table->by_key.spare = 0;
    table->by_tenant.touched = table->by_tenant.spare = 0;
}

void revocations_clear(struct revocations *table)
{
    pthread_rwlock_wrlock(&table->lock);
    if (table->by_key.touched + table->by_tenant.touched > 0)
        forget(table);
    table->asked_until = 0;
    table->next_expiry = INT64_MAX;
    pthread_rwlock_unlock(&table->lock);
}
enum revocation_answer revocation_table_ask(struct revocations *table,
                                            const struct revocation_question *questions,
                                            size_t count)
{
    const int64_t now = clock_now_ms();
    enum revocation_answer answer = REVOCATION_GOOD;

    pthread_rwlock_rdlock(&table->lock);

    const uint32_t tenant = count > 0 ? find_tenant(table, questions[0].key.tenant) : 0;

    /* Most tenants have nothing revoked: one look-up answers for them. */
    for (size_t i = 0; i < count && tenant != 0 && answer == REVOCATION_GOOD; i++) {
        const uint32_t at = find_entry(table, &questions[i].key);

        if (at != 0 && table->entries[at].expires_at > now &&
            questions[i].epoch < table->entries[at].min_epoch)
            answer = REVOCATION_REVOKED;
    }
    if (answer == REVOCATION_GOOD &&
        (table->asked_until > now || (tenant != 0 && table->tenants[tenant].asked_until > now)))
        answer = REVOCATION_ASK;
    pthread_rwlock_unlock(&table->lock);
    return answer;
}
