"""Password hashes as other systems store them, made by those systems' own code where it is in
Python, else by libraries that share no code with the service. Costs are small: the subject is the
form."""
import base64
import hashlib
import json
import os
import warnings

import argon2
import bcrypt
import django.conf
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from werkzeug.security import generate_password_hash

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from passlib.hash import (pbkdf2_sha1, pbkdf2_sha256, pbkdf2_sha512, scrypt, sha256_crypt,
                              sha512_crypt)

if not django.conf.settings.configured:
    django.conf.settings.configure()

from django.contrib.auth import hashers  # noqa: E402  pylint: disable=wrong-import-position

# Its own SHA-crypt: the other one is the library that the service uses.
sha256_crypt.set_backend("builtin")
sha512_crypt.set_backend("builtin")


def b64(data):
    return base64.b64encode(data).decode()


def bare64(data):
    return b64(data).rstrip("=")


def by_bcrypt(prefix):
    return lambda password: bcrypt.hashpw(password.encode(), bcrypt.gensalt(4, b"2b")).decode() \
        .replace("$2b$", prefix)


def by_argon2(kind, **cost):
    hasher = argon2.PasswordHasher(type=kind, **cost)
    return hasher.hash


def by_django(hasher, salt="ordinarysalt", **options):
    made = hasher()
    for name, value in options.items():
        setattr(made, name, value)
    return lambda password: made.encode(password, salt)


def django_bcrypt(hasher):
    made = hasher()
    made.rounds = 4
    return lambda password: made.encode(password, made.salt())


def keycloak_credential(password, algorithm, iterations):
    """A row of the table CREDENTIAL, as the realm's export shows it."""
    salt = os.urandom(16)
    digest = {"pbkdf2": "sha1", "pbkdf2-sha256": "sha256", "pbkdf2-sha512": "sha512"}[algorithm]
    value = hashlib.pbkdf2_hmac(digest, password.encode(), salt, iterations, 64)
    return {"type": "password",
            "secretData": json.dumps({"value": b64(value), "salt": b64(salt)}),
            "credentialData": json.dumps({"hashIterations": iterations, "algorithm": algorithm})}


def keycloak_argon2(password):
    salt = os.urandom(16)
    value = argon2.low_level.hash_secret_raw(password.encode(), salt, 1, 7168, 1, 32,
                                             argon2.Type.ID)
    return {"type": "password",
            "secretData": json.dumps({"value": b64(value), "salt": b64(salt)}),
            "credentialData": json.dumps({
                "hashIterations": 1, "algorithm": "argon2", "additionalParameters": {
                    "hashLength": ["32"], "memory": ["7168"], "type": ["id"], "version": ["1.3"],
                    "parallelism": ["1"]}})}


def from_keycloak(credential):
    """As docs/MIGRATION.md says."""
    secret, data = json.loads(credential["secretData"]), json.loads(credential["credentialData"])
    salt, value = secret["salt"].rstrip("="), secret["value"].rstrip("=")
    if data["algorithm"] != "argon2":
        return f"${data['algorithm']}${data['hashIterations']}${salt}${value}"
    more = {name: values[0] for name, values in data["additionalParameters"].items()}
    return (f"$argon2{more['type']}$v=19$m={more['memory']},t={data['hashIterations']},"
            f"p={more['parallelism']}${salt}${value}")


def firebase(password):
    """What `firebase auth:export` gives for a user, with the project's parameters."""
    salt, separator, signer = os.urandom(10), b"\x07", os.urandom(64)
    key = hashlib.scrypt(password.encode(), salt=salt + separator, n=2 ** 10, r=8, p=1)[:32]
    encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    value = encryptor.update(signer) + encryptor.finalize()
    return f"$firebase-scrypt$ln=10,r=8${b64(salt)}${b64(separator)}${b64(signer)}${b64(value)}"


#: name: hash(password)
FORMS = {
    "bcrypt 2a (Supabase)": by_bcrypt("$2a$"),
    "bcrypt 2b (Auth0)": by_bcrypt("$2b$"),
    "bcrypt 2y (PHP)": by_bcrypt("$2y$"),
    "argon2id, lanes": by_argon2(argon2.Type.ID, time_cost=1, memory_cost=1024, parallelism=4),
    "argon2id, 33 MiB": by_argon2(argon2.Type.ID, time_cost=1, memory_cost=33792, parallelism=1),
    "argon2i": by_argon2(argon2.Type.I, time_cost=3, memory_cost=1024, parallelism=1),
    "PHC pbkdf2": pbkdf2_sha1.using(rounds=1000).hash,
    "PHC pbkdf2-sha256": pbkdf2_sha256.using(rounds=1000).hash,
    "PHC pbkdf2-sha512": pbkdf2_sha512.using(rounds=1000).hash,
    "PHC scrypt": scrypt.using(rounds=10).hash,
    "crypt scrypt": scrypt.using(rounds=10, ident="$7$").hash,
    "SHA-crypt 5": sha256_crypt.using(rounds=1000).hash,
    "SHA-crypt 5, rounds unsaid": sha256_crypt.using(rounds=5000).hash,
    "SHA-crypt 6": sha512_crypt.using(rounds=1000).hash,
    "Werkzeug scrypt": lambda password: generate_password_hash(password, "scrypt:1024:8:1"),
    "Werkzeug sha256": lambda password: generate_password_hash(password, "pbkdf2:sha256:1000"),
    "Werkzeug sha512": lambda password: generate_password_hash(password, "pbkdf2:sha512:1000"),
    "Werkzeug sha1": lambda password: generate_password_hash(password, "pbkdf2:sha1:1000"),
    "Django pbkdf2_sha256": by_django(hashers.PBKDF2PasswordHasher, iterations=1000),
    "Django pbkdf2_sha1": by_django(hashers.PBKDF2SHA1PasswordHasher, iterations=1000),
    "Django scrypt": by_django(hashers.ScryptPasswordHasher, work_factor=1024),
    "Django argon2": by_django(hashers.Argon2PasswordHasher, time_cost=1, memory_cost=1024),
    "Django bcrypt": django_bcrypt(hashers.BCryptPasswordHasher),
    "Django bcrypt_sha256": django_bcrypt(hashers.BCryptSHA256PasswordHasher),
    "Keycloak pbkdf2": lambda password: from_keycloak(
        keycloak_credential(password, "pbkdf2", 1000)),
    "Keycloak pbkdf2-sha256": lambda password: from_keycloak(
        keycloak_credential(password, "pbkdf2-sha256", 27500)),
    "Keycloak pbkdf2-sha512": lambda password: from_keycloak(
        keycloak_credential(password, "pbkdf2-sha512", 1000)),
    "Keycloak argon2": lambda password: from_keycloak(keycloak_argon2(password)),
    "Firebase": firebase,
}
