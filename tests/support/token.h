/*
 * Keys and tokens for tests: honest ones, and ones with any header, truly signed or not. On one
 * struct bare for the whole program.
 */
#pragma once

#include "app/jws.h"
#include "support/bare.h"
#include "support/unit.h"

#define TYP    "at+jwt"
#define CLAIMS "{\"sub\":\"somebody\",\"n\":9007199254740993}"

struct made_key {
    struct jws_generated generated;
    struct jws_key *key;
};

extern struct bare bare;

/* For cmocka: a fresh bare for each test. */
int token_setup(void **state);
int token_teardown(void **state);
#define TOKEN_TEST(function) \
    cmocka_unit_test_setup_teardown((function), token_setup, token_teardown)

struct made_key make_key(enum jws_alg alg);
const char *sign(const struct jws_key *key, const char *typ, const char *claims);
/* Split and verified as TYP. */
enum err verify(const struct jws_key *key, const char *token, size_t length);
const char *encode(const void *bytes, size_t size);
/* header and payload as given; the signature is the caller's. */
const char *assemble(const char *header, const char *payload, const char *signature);
const char *signature_of(const char *token);
/* {"kid": kid members} */
const char *header_of(const char *kid, const char *members);
/* Any header over CLAIMS, truly signed with the ES256 key: only what the header says can make it
 * bad. */
const char *sign_header(const struct made_key *made, const char *header);
/* A text member of a public JWK. */
const char *jwk_member(const struct bytes *jwk, const char *name);
const char *pem_of_public_key(const struct made_key *made);
