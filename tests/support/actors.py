"""Clients that know what they were told, and notice when it was not true.

Each actor is a thread that behaves like one honest program (or one guesser) and checks what only it
can know: its acknowledged writes are there, its refresh token is good, what it ended stays ended.
"""
import threading
import time
import uuid

PASSWORD = "battery staple 2"
REVOKED_WITHIN = 1.0  # seconds, on every instance


class Actor(threading.Thread):
    """Runs step() until told to stop."""

    def __init__(self, call, slug, pause=0.02):
        super().__init__(daemon=True)
        self.call = call
        self.record = call.record
        self.slug = slug
        self.pause = pause
        self.stopping = threading.Event()

    def run(self):
        try:
            while not self.stopping.is_set():
                self.step()
                self.stopping.wait(self.pause)
        except Exception as error:  # pylint: disable=broad-except
            self.record.violation(f"{type(self).__name__}: {type(error).__name__}: {error}")

    def step(self):
        raise NotImplementedError

    def stop(self):
        self.stopping.set()

    def until_done(self, attempt):
        """Repeats attempt() while it answers 503 or nothing; None when told to stop first."""
        while not self.stopping.is_set():
            answer = attempt()
            if answer.status not in (None, 503):
                return answer
            self.stopping.wait(0.1)
        return None

    def register(self, email):
        """Until the account is known to exist: (True, unsure) or (False, unsure) when stopped."""
        unsure = False
        while not self.stopping.is_set():
            answer = self.call("register", "POST", "/auth/register", {201, 409}, tenant=self.slug,
                               body={"email": email, "password": PASSWORD})
            if answer.status == 201:
                self.record.happened(answer.request_id, "signup")
                return True, unsure
            if answer.status == 409:
                if not unsure:
                    self.record.violation(f"register: 409 for {email}, which nobody had: "
                                          f"{answer.text}")
                return True, unsure
            unsure = unsure or answer.status in (None, 503)
            self.stopping.wait(0.1)
        return False, unsure

    def login(self, email, password=PASSWORD):
        answer = self.until_done(lambda: self.call(
            "login", "POST", "/auth/login", {200, 429}, tenant=self.slug,
            body={"email": email, "password": password}))
        if answer is None or answer.status != 200:
            return None
        self.record.happened(answer.request_id, "login")
        return answer.json()


class Registrar(Actor):
    """Signs users up; each acknowledged one exists exactly once."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.certain, self.possible = [], []

    def step(self):
        email = f"{uuid.uuid4().hex}@example.com"
        there, unsure = self.register(email)
        if there:
            self.certain.append(email)
        elif unsure:
            self.possible.append(email)

    def check(self, users):
        for email in self.certain:
            count = users.count_documents({"email": email})
            if count != 1:
                self.record.violation(f"acknowledged user {email} is there {count} times")
        for email in self.possible:
            if users.count_documents({"email": email}) > 1:
                self.record.violation(f"user {email} is there twice")


class Refresher(Actor):
    """An honest program with a login: it must never be logged out."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.email = f"{uuid.uuid4().hex}@example.com"
        self.pair = None
        self.registered = False
        self.refreshed = 0

    def step(self):
        if self.pair is None:
            self.registered = self.registered or self.register(self.email)[0]
            self.pair = self.login(self.email) if self.registered else None
            return
        answer = self.until_done(lambda: self.call(
            "refresh", "POST", "/auth/refresh", {200}, tenant=self.slug,
            body={"refresh_token": self.pair["refresh_token"]}))
        if answer is None:
            return
        if answer.status != 200:
            self.record.violation(f"honest user logged out after {self.refreshed} refreshes")
            self.pair = None
            return
        self.record.happened(answer.request_id, "token.refresh")
        self.pair = answer.json()
        self.refreshed += 1
        self.call("whoami", "GET", "/api/whoami", {200}, token=self.pair["access_token"])


class Revoker(Actor):
    """Ends its logins; what was acknowledged as ended is refused everywhere a second later."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.email = f"{uuid.uuid4().hex}@example.com"
        self.registered = False
        self.checked = 0

    def step(self):
        self.registered = self.registered or self.register(self.email)[0]
        pair = self.login(self.email) if self.registered else None
        if pair is None:
            return
        answer = self.until_done(lambda: self.call(
            "logout-all", "POST", "/auth/logout-all", {204, 401}, token=pair["access_token"]))
        if answer is None:
            return
        if answer.status == 204:
            self.record.happened(answer.request_id, "logout")
        self.watch_end(pair)
        spent = self.call("refresh ended", "POST", "/auth/refresh", {401}, tenant=self.slug,
                          body={"refresh_token": pair["refresh_token"]})
        if spent.status == 200:
            self.record.violation("a refresh token lived on after logout-all")
        self.checked += 1

    def watch_end(self, pair):
        """No instance honours the token a second later, and none does again."""
        ended, honoured = time.monotonic(), True
        while honoured or time.monotonic() < ended + REVOKED_WITHIN + 1.5:
            if self.stopping.is_set():
                return
            honoured = False
            for instance in range(len(self.call.addresses)):
                answer = self.call("ended token", "GET", "/api/whoami", {200, 401},
                                   token=pair["access_token"], instance=instance)
                late = answer.started - ended
                honoured = honoured or answer.status == 200
                if answer.status == 200 and late > REVOKED_WITHIN * self.record.patience:
                    self.record.violation(f"an ended token was honoured {late:.2f} s later")
                    return
            time.sleep(0.1)


class Patcher(Actor):
    """Counts in its profile; an acknowledged number is never lost."""

    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.email = f"{uuid.uuid4().hex}@example.com"
        self.pair = None
        self.registered = False
        self.tried = self.told = 0

    def step(self):
        if self.pair is None:
            self.registered = self.registered or self.register(self.email)[0]
            self.pair = self.login(self.email) if self.registered else None
            self.since = time.monotonic()
            return
        self.tried += 1
        number = self.tried
        answer = self.call("patch", "PATCH", "/users/me", {200, 409},
                           token=self.pair["access_token"], body={"custom_fields": {"n": number}})
        if answer.status == 200:
            self.told = number
        if time.monotonic() - self.since > 600:  # before the access token ends
            self.pair = None

    def check(self, users):
        found = users.find_one({"email": self.email})
        number = (found or {}).get("custom_fields", {}).get("n", 0)
        if not self.told <= number <= self.tried:
            self.record.violation(f"profile says {number}, acknowledged was {self.told}")


class Guesser(Actor):
    """Tries passwords: never more than ten of a row are evaluated."""

    def step(self):
        name, evaluated = f"nobody{uuid.uuid4().hex[:12]}", 0
        for _ in range(14):
            answer = self.call("guess", "POST", "/api/login", {401, 429}, tenant=self.slug,
                               body={"username": name, "password": "wrong password"})
            evaluated += answer.status == 401
        if evaluated > 10:
            self.record.violation(f"{evaluated} guesses in a row were evaluated")


class TenantMaker(Actor):
    """Registers tenants; each acknowledged one answers and lets its owner in."""

    def __init__(self, *args, **options):
        super().__init__(*args, pause=1.0, **options)
        self.certain = []

    def step(self):
        slug = f"made{uuid.uuid4().hex[:16]}"
        answer = self.call("tenant", "POST", "/tenants/register", {201}, body={
            "tenant_name": "Made", "tenant_slug": slug, "admin_username": "admin",
            "admin_email": f"a@{slug}.example", "admin_password": PASSWORD})
        if answer.status == 201:
            self.certain.append(slug)

    def check(self, database):
        for slug in self.certain:
            found = database.tenants.find_one({"slug": slug})
            if found is None or found["status"] != "active":
                self.record.violation(f"acknowledged tenant {slug} is not there")
                continue
            users = database["users_" + found["_id"].hex]
            if users.count_documents({"role": "owner"}) != 1:
                self.record.violation(f"tenant {slug} has no owner")
