"""Exports of other systems as they write them, with hashes made by independent libraries: what
`tenantd import --from` is to read. Nothing is copied from anybody's export."""
import base64
import csv
import hashlib
import io
import json
import os
import uuid

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from django.contrib.auth import hashers

from .hashes import b64, by_argon2, by_bcrypt, by_django, keycloak_argon2, keycloak_credential

PASSWORD = "grün ist 3 mal besser"


def keycloak():
    """A realm of Keycloak 26 as kc.sh export writes it: users among much else."""
    made = {
        "k1": keycloak_argon2(PASSWORD),
        "k2": keycloak_credential(PASSWORD, "pbkdf2-sha256", 27500),
        "k3": keycloak_credential(PASSWORD, "pbkdf2-sha512", 1000),
    }
    users = [{"id": str(uuid.uuid4()), "username": name, "emailVerified": True, "enabled": True,
              "firstName": "Key", "lastName": "Cloak", "email": f"{name}@kc.example",
              "createdTimestamp": 1700000000123, "totp": False,
              "attributes": {"department": ["sales"], "tags": ["a", "b"], "a.b": ["x"]},
              "credentials": [{"type": "otp", "secretData": "{}", "credentialData": "{}"},
                              {"id": str(uuid.uuid4()), "createdDate": 1, **credential}],
              "realmRoles": ["default-roles"], "groups": []}
             for name, credential in made.items()]
    users.append({"id": str(uuid.uuid4()), "username": "service-account-x", "enabled": True,
                  "serviceAccountClientId": "x"})
    users.append({"id": str(uuid.uuid4()), "username": "plain", "enabled": False,
                  "email": "no address", "emailVerified": True})
    users.append({"id": str(uuid.uuid4()), "username": "odd", "enabled": True, "credentials": [
        {"type": "password", "secretData": '{"value":"eA==","salt":"eA=="}',
         "credentialData": '{"hashIterations":1,"algorithm":"md5"}'}]})
    realm = {"id": "r", "realm": "acme", "smtpServer": {"users": "[{", "x": ["]", "\"users\":["]},
             "roles": {"realm": [{"name": "users", "users": [1, {"a": []}]}]},
             "users": users, "clients": [{"clientId": "account", "users": []}]}
    return json.dumps(realm, indent=2), [f"{name}@kc.example" for name in made] + list(made), 5, 1


def auth0():
    """NDJSON, one user a line, with what its support adds for hashes, and a bulk import's members."""
    bcrypt = by_bcrypt("$2b$")
    users = [
        {"_id": {"$oid": "60425dc43519d90068f82973"}, "email_verified": True,
         "email": "a1@auth0.example", "passwordHash": bcrypt(PASSWORD), "password_set_date": {
             "$date": "2021-03-05T16:34:44.000Z"}, "tenant": "t", "connection": "c"},
        {"user_id": "auth0|2", "email": "a2@auth0.example", "username": "a2", "blocked": False,
         "name": "A Two", "created_at": "2021-01-02T03:04:05.678Z", "password_hash": bcrypt(PASSWORD),
         "user_metadata": {"color": "red"}, "app_metadata": {"plan": "gold"}},
        {"user_id": "auth0|3", "email": "a3@auth0.example", "custom_password_hash": {
            "algorithm": "argon2", "hash": {"value": by_argon2_id()(PASSWORD)}}},
        {"user_id": "auth0|4", "email": "a4@auth0.example", "custom_password_hash": {
            "algorithm": "md5", "hash": {"value": "x"}}}]
    names = [f"a{n}@auth0.example" for n in (1, 2, 3)]
    return "\n".join(json.dumps(user) for user in users), names, 4, 0


def by_argon2_id():
    import argon2  # pylint: disable=import-outside-toplevel
    return by_argon2(argon2.Type.ID, time_cost=1, memory_cost=1024, parallelism=1)


#: Of a project of Firebase.
SIGNER, SEPARATOR = os.urandom(64), b"\x07"
HASH_CONFIG = {"algorithm": "SCRYPT", "base64_signer_key": b64(SIGNER),
               "base64_salt_separator": b64(SEPARATOR), "rounds": 8, "mem_cost": 10}
#: … as the console shows it.
SHOWN_CONFIG = "hash_config {\n" + "".join(f"  {name}: {value},\n"
                                           for name, value in HASH_CONFIG.items()) + "}\n"


def firebase():
    salt = os.urandom(10)
    key = hashlib.scrypt(PASSWORD.encode(), salt=salt + SEPARATOR, n=2 ** 10, r=8, p=1)[:32]
    encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    value = encryptor.update(SIGNER) + encryptor.finalize()
    users = [
        {"localId": "f1", "email": "f1@fb.example", "emailVerified": True, "displayName": "F One",
         "passwordHash": base64.urlsafe_b64encode(value).decode(),
         "salt": base64.urlsafe_b64encode(salt).decode(), "lastSignedInAt": "1700000000000",
         "createdAt": "1600000000000", "disabled": False, "customAttributes": '{"vip":true}',
         "providerUserInfo": []},
        {"localId": "f2", "email": "f2@fb.example", "providerUserInfo": [{"providerId": "google.com"}]},
        {"localId": "f3", "phoneNumber": "+15550100"}]
    return json.dumps({"users": users}), ["f1@fb.example"], 2, 1


def supabase():
    """auth.users by the SQL editor's CSV."""
    out = io.StringIO()
    names = ["instance_id", "id", "aud", "role", "email", "encrypted_password", "email_confirmed_at",
             "last_sign_in_at", "raw_app_meta_data", "raw_user_meta_data", "created_at", "phone",
             "banned_until", "deleted_at"]
    table = csv.DictWriter(out, names, lineterminator="\r\n")
    table.writeheader()
    user = {"id": str(uuid.uuid4()), "aud": "authenticated", "email": "s1@sb.example",
            "encrypted_password": by_bcrypt("$2a$")(PASSWORD), "email_confirmed_at":
            "2023-01-02 03:04:05.123456+00", "created_at": "2023-01-02 03:04:05.123456+00",
            "raw_app_meta_data": '{"provider": "email"}',
            "raw_user_meta_data": '{"full_name": "S, \\"One\\"", "size": 3}',
            "banned_until": "2023-02-02 03:04:05+00"}
    table.writerow(user)
    table.writerow({"id": str(uuid.uuid4()), "email": "s2@sb.example",
                    "banned_until": "2999-02-02 03:04:05+00"})
    table.writerow({"id": str(uuid.uuid4()), "phone": "15550100"})
    return out.getvalue(), ["s1@sb.example"], 2, 1


def django():
    """dumpdata auth.User, with models that are no users among it."""
    by = by_django(hashers.PBKDF2PasswordHasher, iterations=1000)
    fields = {"first_name": "D", "last_name": "One", "is_active": True, "is_staff": True,
              "is_superuser": False, "date_joined": "2020-01-02T03:04:05.678Z", "last_login": None,
              "groups": [], "user_permissions": []}
    rows = [{"model": "sessions.session", "pk": "x", "fields": {"session_data": "x"}},
            {"model": "auth.user", "pk": 1, "fields": {
                **fields, "username": "d1", "email": "d1@dj.example", "password": by(PASSWORD)}},
            {"model": "auth.user", "pk": 2, "fields": {
                **fields, "username": "d2@dj.example", "email": "", "password": by(PASSWORD)}},
            {"model": "auth.user", "pk": 3, "fields": {
                **fields, "username": "d3", "email": "", "password": "!unusable"}}]
    return json.dumps(rows), ["d1", "d1@dj.example", "d2@dj.example"], 3, 1


def mongodb():
    """mongoexport: extended JSON, one document a line."""
    rows = [{"_id": {"$oid": "5f43a1b2c3d4e5f6a7b8c9d0"}, "login": "m1", "key": {"$binary": {
                "base64": b64(MONGODB_ID.bytes), "subType": "04"}}, "mail": {
                "address": "m1@mg.example"}, "auth": {"bcrypt": by_bcrypt("$2y$")(PASSWORD)},
             "profile": {"age": {"$numberLong": "41"}, "born": {"$date": "1980-01-01T00:00:00Z"},
                         "seen": {"$date": {"$numberLong": "-1"}}},
             "since": {"$date": {"$numberLong": "1500000000000"}}},
            {"_id": {"$oid": "5f43a1b2c3d4e5f6a7b8c9d1"}, "nothing": True}]
    return "\n".join(map(json.dumps, rows)), ["m1", "m1@mg.example"], 1, 1


MONGODB_ID = uuid.uuid4()
MONGODB_MAP = ("id=key,username=login,email=mail.address,password_hash=auth.bcrypt,created_at=since,"
               "custom_fields.old_id=_id,custom_fields.age=profile.age,"
               "custom_fields.born=profile.born,custom_fields.seen=profile.seen")

#: name: () -> (the file, names by which one signs in with PASSWORD, users, refused records)
SYSTEMS = {"keycloak": keycloak, "auth0": auth0, "firebase": firebase, "supabase": supabase,
           "django": django, "mongodb": mongodb}
