"""Checks of taste and of architecture that no compiler makes.

usage: lint.py [--build DIR] [CHECK...]

Each check is one function and counts as one test. Findings are printed as file:line: message.
Exceptions stand in allow.txt, each with its reason. --build names a configured build directory:
without it the headers are not compiled.
"""
import ast
import pathlib
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch

from csource import Source, inside, split_top

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
LAYERS = ("app", "commands", "middleware", "handlers", "models")
MAX_FILE, MAX_FUNCTION, MAX_HANDLER, MAX_NESTING, MAX_PARAMETERS = 500, 60, 40, 3, 5

BANNED = re.compile(r"\b(strcpy|strcat|v?sprintf|strtok|ato[filq]|atoll|strtol|s?rand|gets|alloca)\s*\(")
HEAP = re.compile(r"(?<![\w.>])(malloc|calloc|realloc|reallocarray|free|strn?dup|v?asprintf)\s*\(")
COMPARE = re.compile(r"\b(strn?cmp|strn?casecmp|memcmp)\s*\(")
# Not when it only leads to what is compared, as in secrets[i].name.
SECRET = re.compile(r"\b\w*(?:secret|hash|mac|password|token)(?:s|_\w+)?\b"
                    r"(?!\s*(?:\[[^\]]*\])?\s*(?:\.|->))", re.IGNORECASE)
NO_SECRET = re.compile(r"[A-Z0-9_]+|\w*_(?:schema|type|kind|hint|size|length|method|scheme|name|alg)\b|sizeof")
STANDARD = re.compile(
    r"(assert|ctype|errno|float|inttypes|limits|locale|math|setjmp|signal|stdalign|stdarg|stdatomic"
    r"|stdbool|stddef|stdint|stdio|stdlib|stdnoreturn|string|strings|threads|time|uchar|wchar"
    r"|dirent|dlfcn|fcntl|getopt|glob|grp|ifaddrs|netdb|poll|pthread|pwd|sched|semaphore|spawn"
    r"|sysexits|syslog|termios|unistd|(sys|arpa|net|netinet|linux|sanitizer)/\w+)\.h")
# In pieces, so that the list does not find itself.
UNFINISHED = re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")
FOREIGN = re.compile(r"(?<![\w.])/(?:wor" r"k|roo" r"t|tmp/setu" r"p)/"
                     r"|\b(?:pypi|pythonhosted)\.or" r"g|\bregistry\.npmjs|\bproxy\.golang\.or" r"g"
                     r"|\bcrates\.i" r"o\b|\bdeb\.debian\.or" r"g")


# ---- files and exceptions ------------------------------------------------------------------

def tracked():
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    return sorted(name for name in names.split("\0") if name and (ROOT / name).is_file())


FILES = tracked()
C_FILES = [name for name in FILES if name.endswith((".c", ".h"))]
TEXTS = {}


def read(name):
    if name not in TEXTS:
        TEXTS[name] = (ROOT / name).read_text(encoding="utf-8", errors="replace")
    return TEXTS[name]


C_SOURCES = {name: Source(name, read(name)) for name in C_FILES}
OURS = {name: source for name, source in C_SOURCES.items() if name.split("/")[0] in LAYERS}


def read_allowed():
    for number, line in enumerate((HERE / "allow.txt").read_text().splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        rule, _, reason = line.partition(" -- ")
        fields = rule.split()
        if len(fields) != 3 or not reason.strip():
            sys.exit(f"tests/lint/allow.txt:{number}: not of the form CHECK FILE SUBJECT -- reason")
        yield (*fields, number)


ALLOWED = list(read_allowed())
USED = set()


def allowed(check, name, subject):
    hits = [row for row in ALLOWED
            if row[0] == check and fnmatch(name, row[1]) and fnmatch(subject, row[2])]
    USED.update(row[3] for row in hits)
    return bool(hits)


def matches(pattern, sources):
    for name, source in sources.items():
        for match in pattern.finditer(source.code):
            yield name, source, match


# ---- the checks: each yields (file, line, message) -------------------------------------------

def check_banned_functions():
    for name, source, match in matches(BANNED, C_SOURCES):
        yield name, source.line_at(match.start()), f"{match[1]} is banned"


def check_heap():
    complained = set()
    for name, source, match in matches(HEAP, OURS):
        # One finding per file: an exception is one line for the file too.
        if name not in complained and not allowed("malloc", name, match[1]):
            complained.add(name)
            yield (name, source.line_at(match.start()),
                   f"{match[1]}: memory comes from an arena, or the file stands in allow.txt")


def check_secret_comparison():
    for name, source, match in matches(COMPARE, OURS):
        arguments = inside(source.code, match.end() - 1)
        for word in SECRET.finditer(arguments):
            if not NO_SECRET.fullmatch(word[0]) and not allowed("compare", name, word[0]):
                yield (name, source.line_at(match.start()),
                       f"{match[1]} on {word[0]}: a secret is compared in constant time")


def family(name):
    """What the parts of one module share: handlers/tenant_register.c and handlers/tenants.h are
    both of handlers/tenant."""
    folder, _, stem = name.rpartition("/")
    return folder, re.sub(r"\.[ch]$", "", stem).split("_")[0].rstrip("s")


def may_include(name, header):
    """The direction commands -> server -> dispatch -> {middleware, handlers} -> models -> app."""
    layer, target = name.split("/")[0], header.split("/")[0]
    upper = header in ("app/server.h", "app/dispatch.h")
    if target == "handlers":
        return family(header) == family(name)
    if layer == "app":
        return target == "app"
    if layer == "commands":
        return target in ("commands", "app", "models")
    if layer == "models":
        return target == "models" or target == "app" and not upper and header not in (
            "app/http.h", "app/router.h", "app/routes.h")
    if layer == "handlers":
        return target in ("app", "models") and not upper
    return target in ("app", "models", "middleware") and not upper


def check_include_direction():
    for name, source in OURS.items():
        for line, header, system in source.includes():
            if system or header.split("/")[0] not in LAYERS:
                continue
            if not may_include(name, header) and not allowed("include", name, header):
                yield name, line, f"must not include {header}: the layers go one way"


def check_library_headers():
    for name, source in OURS.items():
        for line, header, system in source.includes():
            if system and not STANDARD.fullmatch(header) and not allowed("library", name, header):
                yield name, line, f"<{header}> belongs to other files (see allow.txt)"


def check_own_header_first():
    for name, source in OURS.items():
        own = re.sub(r"\.c$", ".h", name)
        first = next((header for _, header, _ in source.includes()), "-")
        # A part of a module shares the header of the module and has none of its own.
        if name.endswith(".c") and own in OURS and first != own:
            yield name, 1, f'the first include must be "{own}"'


def check_pragma_once():
    for name, source in C_SOURCES.items():
        if name.endswith(".h") and not source.code.lstrip().startswith("#pragma once"):
            yield name, 1, "a header begins with #pragma once"


def check_file_length():
    for name, source in C_SOURCES.items():
        if source.lines > MAX_FILE and not allowed("file-length", name, "*"):
            yield name, MAX_FILE + 1, f"{source.lines} lines, at most {MAX_FILE}"


def over_limit(check, measure, limit_of):
    for name, source in C_SOURCES.items():
        for function in source.functions():
            value, limit = measure(function), limit_of(name, function)
            if value > limit and not allowed(check, name, function.name):
                yield name, function.line, f"{function.name}: {value}, at most {limit}"


def check_function_length():
    def limit(name, function):
        handler = name.startswith("handlers/") and function.name.startswith("handle_")
        return MAX_HANDLER if handler else MAX_FUNCTION
    return over_limit("function-length", lambda function: function.lines, limit)


def check_nesting():
    return over_limit("nesting", lambda function: function.nesting, lambda *_: MAX_NESTING)


def check_parameters():
    return over_limit("parameters", lambda function: function.parameters, lambda *_: MAX_PARAMETERS)


def lines_with(pattern):
    for name in FILES:
        if (ROOT / name).suffix in (".png", ".ico", ".woff2") or "/corpus/" in name or "/regression/" in name:
            continue
        for number, line in enumerate(read(name).splitlines(), 1):
            match = pattern.search(line)
            if match:
                yield name, number, match


def check_unfinished():
    for name, line, match in lines_with(UNFINISHED):
        yield name, line, f"{match[1]}: finish it or write an issue"


def check_foreign_names():
    for name, line, match in lines_with(FOREIGN):
        if not allowed("foreign", name, match[0]):
            yield name, line, f"{match[0]} is a path or host of one machine"


def route_rows(source):
    """(line, columns) of each row of `routes[]`."""
    start = re.search(r"\bstruct route routes\[\]\s*=\s*\{", source.code)
    position = start.end() if start else len(source.code)
    depth, opened = 1, 0
    while depth > 0 and position < len(source.code):
        char = source.code[position]
        if char == "{" and depth == 1:
            opened = position
        depth += (char == "{") - (char == "}")
        if char == "}" and depth == 1:
            row = slice(opened + 1, position)
            yield source.line_at(opened), split_top(source.text[row], source.code[row])
        position += 1


def check_routes():
    source = OURS.get("app/routes.c")
    if source is None:
        return
    seen, width = set(), None
    for line, row in route_rows(source):
        width = width or len(row)
        if len(row) != width:
            yield source.path, line, f"{len(row)} columns, the first row has {width}"
        elif not re.fullmatch(r'"/.*"', row[1]) or not re.search(r'"[^"]+"$', row[-1]):
            yield source.path, line, "a row has a path and a summary"
        elif (row[0], row[1]) in seen:
            yield source.path, line, f"{row[0]} {row[1]} stands here twice"
        seen.add(tuple(row[:2]))
    if width is None:
        yield source.path, 1, "found no rows of routes[]"


def format_findings(names):
    result = subprocess.run(["clang-format", "--dry-run", "-Werror", *names],
                            cwd=ROOT, capture_output=True, text=True)
    found = re.findall(r"^(\S+?):(\d+):\d+: error: code should", result.stderr, re.MULTILINE)
    if result.returncode != 0 and not found:
        return [(".clang-format", 1, result.stderr.strip())]
    # One finding per file is enough to know what to do.
    first = {name: int(line) for name, line in reversed(found)}
    return [(name, line, "not formatted: ./dev fmt") for name, line in first.items()]


def check_format():
    with ThreadPoolExecutor(2) as pool:
        batches = [C_FILES[i:i + 16] for i in range(0, len(C_FILES), 16)]
        for findings in pool.map(format_findings, batches):
            yield from findings


def check_scripts():
    for name in FILES:
        if name.endswith(".py"):
            try:
                ast.parse(read(name))
            except SyntaxError as error:
                yield name, error.lineno or 1, error.msg
        elif name.endswith(".sh") or re.match(r"#!.*\b(ba)?sh\b", read(name)[:80]):
            result = subprocess.run(["bash", "-n", ROOT / name], capture_output=True, text=True)
            if result.returncode != 0:
                yield name, 1, result.stderr.strip()


#: What a duration is called in tests, or told by.
DURATION = {"took", "elapsed", "spent", "monotonic", "perf_counter"}
BOUND_IN_C = re.compile(r"\bassert_in_range\s*\((?:[^;,]*\bclock_(?:monotonic|thread_cpu)\w*\(\) -|[^;,]*\btook\b)"
                        r"|\bassert_true\s*\([^;]*(?:\bclock_(?:monotonic|thread_cpu)\w*\(\) - \w+|\btook) <(?! PATIENCE)")


def is_duration(node):
    names = {getattr(part, "id", getattr(part, "attr", None)) for part in ast.walk(node)}
    return bool(names & DURATION)


def bounds_duration(node):
    """A comparison that fails when something took longer; a loop's end of patience is none."""
    if not isinstance(node, ast.Compare) or re.search("deadline|PATIENCE|HANGS", ast.unparse(node)):
        return False
    sides = [node.left, *node.comparators]
    return any(is_duration(sides[at if isinstance(kind, (ast.Lt, ast.LtE)) else at + 1])
               for at, kind in enumerate(node.ops)
               if isinstance(kind, (ast.Lt, ast.LtE, ast.Gt, ast.GtE)))


def bounds_in(name):
    """Lines that assert an upper bound of a duration."""
    if name.endswith(".py"):
        asserts = [node for node in ast.walk(ast.parse(read(name))) if isinstance(node, ast.Assert)]
        return [part.lineno for node in asserts for part in ast.walk(node.test) if bounds_duration(part)]
    return [read(name).count("\n", 0, found.start()) + 1 for found in BOUND_IN_C.finditer(read(name))]


def check_timing():
    """How long something takes says what else the machine does: tests warn of what is late and fail
    of what never ends (tests/support/check.py, patience.h), and `./dev bench` measures."""
    for name in FILES:
        if name.startswith("tests/") and name.endswith((".py", ".c", ".h")) and \
                not name.startswith(("tests/soak/", "tests/bench/")):
            for line in bounds_in(name):
                if not allowed("timing", name, "bound"):
                    yield name, line, "asserts how long something takes: take until or in_time"


def check_headers_compile_alone():
    if BUILD is None:
        return
    result = subprocess.run(["cmake", "--build", BUILD, "--target", "headers", "--", "-k", "0"],
                            cwd=ROOT, capture_output=True, text=True)
    found = re.findall(r"^(\S+?):(\d+):\d+: (?:fatal )?error: (.*)", result.stdout, re.MULTILINE)
    for name, line, message in dict.fromkeys(found):
        yield name.removeprefix(f"{ROOT}/"), int(line), f"does not compile alone: {message}"
    if result.returncode != 0 and not found:
        yield "CMakeLists.txt", 1, (result.stdout + result.stderr)[-2000:]


def check_exceptions_are_needed():
    """Runs last. What may include a library is a statement of the design and stays."""
    for check, name, subject, number in ALLOWED:
        exists = any(fnmatch(file, name) for file in FILES)
        if exists and check != "library" and number not in USED:
            yield "tests/lint/allow.txt", number, f"nothing needs '{check} {name} {subject}' any more"


# ---- run --------------------------------------------------------------------------------------

def run(checks):
    failed = 0
    for check in checks:
        findings = list(dict.fromkeys(check()))
        for name, line, message in findings:
            print(f"{name}:{line}: {message}")
        failed += bool(findings)
    print(f"lint: {len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


def main(arguments):
    global BUILD
    if arguments[:1] == ["--build"]:
        BUILD = arguments[1]
        arguments = arguments[2:]
    checks = {name.removeprefix("check_"): value for name, value in globals().items()
              if name.startswith("check_")}
    unknown = [name for name in arguments if name not in checks]
    if unknown:
        sys.exit(f"there is no check {unknown[0]}; the checks are {' '.join(checks)}")
    return run([checks[name] for name in arguments or checks])


BUILD = None

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
