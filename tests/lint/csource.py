"""Reads C sources well enough for the checks: text without comments, functions, includes.

Relies on the format that `./dev fmt` makes: a function's braces stand in column 0.
"""
import re
from dataclasses import dataclass

LITERALS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.DOTALL)
INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.MULTILINE)
# What stands before a brace that opens a block, and not an initializer or a compound literal.
BLOCK_OPENS = re.compile(r"(?:\)\s|\belse\s|\bdo\s|[;{}:]\s*|^\s*)$")


@dataclass
class Function:
    name: str
    line: int  # of the opening brace
    lines: int  # of the body, without its braces
    parameters: int
    nesting: int  # deepest control structure; 0 is a plain sequence


def blank(match):
    """Spaces for a comment or literal, newlines kept: positions and lines stay right."""
    text = match.group()
    filler = re.sub(r"[^\n]", " ", text)
    return text[0] + filler[1:-1] + text[-1] if text[0] in "\"'" else filler


class Source:
    def __init__(self, path, text):
        self.path = path
        self.text = text
        self.lines = text.count("\n")
        self.code = LITERALS.sub(blank, text)

    def line_at(self, position):
        return self.text.count("\n", 0, position) + 1

    def includes(self):
        """(line, header, whether in angle brackets), in order."""
        # Names in quotes are blanked in the code; comments must not count as includes.
        for match in INCLUDE.finditer(self.text):
            # Comments are blank in the code, and so are names in quotes.
            if "include" in self.code[match.start():match.end()]:
                yield self.line_at(match.start()), match[2], match[1] == "<"

    def functions(self):
        for match in re.finditer(r"^\{\n(.*?)^\}$", self.code, re.MULTILINE | re.DOTALL):
            # Back to where the declaration begins. Without a parameter list it is data.
            head = self.code[:match.start()].rstrip()
            head = head[max(head.rfind(";"), head.rfind("}"), head.rfind("\n\n")) + 1:]
            head = re.sub(r"^#.*$", "", head, flags=re.MULTILINE)
            if not head.endswith(")"):
                continue
            name, parameters = signature(head)
            body = match[1]
            yield Function(name, self.line_at(match.start()), body.count("\n"),
                           parameters, nesting(body))


def inside(code, opened):
    """The text between the parenthesis at OPENED and the one that closes it."""
    depth = 0
    for position in range(opened, len(code)):
        depth += (code[position] == "(") - (code[position] == ")")
        if depth == 0:
            return code[opened + 1:position]
    return code[opened + 1:]


def split_top(text, code=None):
    """TEXT split at its commas, except those inside brackets or, when CODE is given (the same
    text with its literals blanked), inside literals."""
    depth, parts = 0, [""]
    for char, shown in zip(code or text, text):
        depth += (char in "{([") - (char in "})]")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += shown
    return [part.strip() for part in parts if part.strip()]


def signature(head):
    """Name and number of parameters of "static int name(struct a *b, int (*fn)(int))"."""
    match = re.search(r"\b(?!__attribute__\b)(\w+)\s*\((?!\()", head)
    if match is None:
        return "?", 0
    parameters = split_top(inside(head, match.end() - 1))
    return match[1], 0 if parameters == ["void"] else len(parameters)


def nesting(body):
    """How deep blocks stand inside each other. Initializers do not count, nor does the block of
    a case: its switch has counted."""
    deepest, stack = 0, []
    for match in re.finditer(r"[{}]", body):
        if match.group() == "}":
            if stack:
                stack.pop()
            continue
        before = body[max(0, match.start() - 80):match.start()]
        inside_block = not stack or stack[-1] is not None
        if inside_block and BLOCK_OPENS.search(before):
            stack.append(0 if before.rstrip().endswith(":") else 1)
        else:
            stack.append(None)
        deepest = max(deepest, sum(depth for depth in stack if depth))
    return deepest
