"""Writes the files of a list as C data.

usage: embed.py DIRECTORY LIST OUTPUT

LIST names one file per line, each below DIRECTORY. OUTPUT defines `embedded_files`, sorted by
path for a binary search, and `embedded_file_count` (both declared in app/embed.h).
"""
import hashlib
import pathlib
import sys

TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
CHUNK = 64


def c_string(data):
    """DATA as C string literals, one per line. Octal escapes have a fixed width, hex ones not."""
    def escape(byte):
        char = chr(byte)
        if char in '"\\?':
            return "\\" + char
        return char if 0x20 <= byte < 0x7F else f"\\{byte:03o}"

    lines = ["".join(map(escape, data[i:i + CHUNK])) for i in range(0, len(data), CHUNK)]
    return "\n".join(f'    "{line}"' for line in lines or [""])


def render(root, paths):
    files = sorted((path.relative_to(root).as_posix().encode(), path) for path in paths)
    blobs, rows = [], []
    for number, (name, path) in enumerate(files):
        data = path.read_bytes()
        etag = hashlib.sha256(data).hexdigest()[:16]
        blobs.append(f"static const unsigned char file_{number}[] =\n{c_string(data)};\n")
        rows.append(f'    {{ "{name.decode()}", "{TYPES[path.suffix]}",'
                    f' file_{number}, {len(data)}, "{etag}" }},')
    # C has no empty arrays: without templates one row stays that the count leaves out.
    rows = rows or ["    { 0 },"]
    return "\n".join(['#include "app/embed.h"\n', *blobs,
                      "const struct embedded_file embedded_files[] = {", *rows, "};\n",
                      f"const size_t embedded_file_count = {len(files)};\n"])


def main():
    root, list_file, output = map(pathlib.Path, sys.argv[1:4])
    paths = [pathlib.Path(line) for line in list_file.read_text().splitlines() if line]
    output.write_text(render(root, paths))


if __name__ == "__main__":
    main()
