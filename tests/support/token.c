#include "support/token.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "app/secret.h"

struct bare bare;

int token_setup(void **state)
{
    (void)state;
    bare_init(&bare);
    return 0;
}

int token_teardown(void **state)
{
    (void)state;
    bare_clear(&bare);
    return 0;
}

struct made_key make_key(enum jws_alg alg)
{
    struct made_key made;

    assert_int_equal(jws_generate(&bare.ctx, alg, &made.generated), ERR_OK);
    assert_int_equal(
        jws_key_parse(&bare.ctx, alg, made.generated.kid, &made.generated.private_der, &made.key),
        ERR_OK);
    return made;
}

const char *sign(const struct jws_key *key, const char *typ, const char *claims)
{
    const struct bytes text = {.data = (const uint8_t *)claims, .size = strlen(claims)};
    const char *token = NULL;

    assert_int_equal(jws_sign(&bare.ctx, key, typ, &text, &token), ERR_OK);
    return token;
}

enum err verify(const struct jws_key *key, const char *token, size_t length)
{
    struct jws_parts parts;
    enum err code = jws_split(&bare.ctx, token, length, &parts);

    if (code == ERR_OK)
        code = jws_verify(&bare.ctx, token, &parts, key, TYP);
    return code;
}

const char *encode(const void *bytes, size_t size)
{
    char *text = arena_alloc(&bare.arena, BASE64URL_LENGTH(size) + 1);

    assert_non_null(text);
    base64url_encode(bytes, size, text);
    return text;
}

/* header and payload as given, signed by nobody: the signature is the caller's. */
const char *assemble(const char *header, const char *payload, const char *signature)
{
    const char *text = arena_printf(&bare.arena, "%s.%s.%s", encode(header, strlen(header)),
                                    encode(payload, strlen(payload)), signature);

    assert_non_null(text);
    return text;
}

static EVP_PKEY *pkey_of(const struct made_key *made)
{
    const unsigned char *der = made->generated.private_der.data;
    PKCS8_PRIV_KEY_INFO *info =
        d2i_PKCS8_PRIV_KEY_INFO(NULL, &der, (long)made->generated.private_der.size);
    EVP_PKEY *pkey = EVP_PKCS82PKEY(info);

    PKCS8_PRIV_KEY_INFO_free(info);
    assert_non_null(pkey);
    return pkey;
}

/* Any header, truly signed with the ES256 key: only what the header says can make it bad. */
const char *sign_header(const struct made_key *made, const char *header)
{
    const char *text = arena_printf(&bare.arena, "%s.%s", encode(header, strlen(header)),
                                    encode(CLAIMS, strlen(CLAIMS)));
    EVP_PKEY *pkey = pkey_of(made);
    EVP_MD_CTX *digest = EVP_MD_CTX_new();
    uint8_t der[80], raw[64];
    size_t size = sizeof der;
    const unsigned char *end = der;
    ECDSA_SIG *signature;

    assert_int_equal(EVP_DigestSignInit(digest, NULL, EVP_sha256(), NULL, pkey), 1);
    assert_int_equal(EVP_DigestSign(digest, der, &size, (const unsigned char *)text, strlen(text)),
                     1);
    signature = d2i_ECDSA_SIG(NULL, &end, (long)size);
    BN_bn2binpad(ECDSA_SIG_get0_r(signature), raw, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(signature), raw + 32, 32);
    ECDSA_SIG_free(signature);
    EVP_MD_CTX_free(digest);
    EVP_PKEY_free(pkey);
    return arena_printf(&bare.arena, "%s.%s", text, encode(raw, sizeof raw));
}

const char *signature_of(const char *token)
{
    return strrchr(token, '.') + 1;
}

const char *header_of(const char *kid, const char *members)
{
    return arena_printf(&bare.arena, "{\"kid\":\"%s\"%s}", kid, members);
}

const char *jwk_member(const struct bytes *jwk, const char *name)
{
    bson_t document;
    bson_iter_t at;

    assert_true(bson_init_static(&document, jwk->data, jwk->size));
    assert_true(bson_iter_init_find(&at, &document, name));
    return bson_iter_utf8(&at, NULL);
}

const char *pem_of_public_key(const struct made_key *made)
{
    EVP_PKEY *pkey = pkey_of(made);
    BIO *memory = BIO_new(BIO_s_mem());
    char *data;
    long size;
    const char *copy;

    assert_int_equal(PEM_write_bio_PUBKEY(memory, pkey), 1);
    size = BIO_get_mem_data(memory, &data);
    copy = arena_strndup(&bare.arena, data, (size_t)size);
    BIO_free(memory);
    EVP_PKEY_free(pkey);
    return copy;
}
