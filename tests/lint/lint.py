#!/usr/bin/python3
"""Rules of this code base that a compiler does not know. One line per rule; exit code 1 if one is broken.

    lint.py [--build DIR]     DIR: a plain build, for the rules about symbols
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys

import requirements

TOP = pathlib.Path(__file__).resolve().parent.parent.parent
ROOMS = ["base", "packet", "translate", "flow", "nat64", "siit", "egress6", "services", "dataplane",
         "log", "io", "config", "dns64", "health", "ra", "netlink", "control"]
POLICIES = {"nat64", "siit", "egress6", "services"}
PURE = ROOMS[:ROOMS.index("dataplane") + 1]
FUNCTION_LINES_MAX = 100
README_LINES_MAX = 40

# What a pure room may need from outside. Text for the operator is made in base and where a
# configuration is checked; memory is taken by the control thread's halves of policies and snapshot.
ALWAYS = {"memcpy", "memmove", "memset", "memcmp", "memchr", "abort", "__stack_chk_fail",
          "_GLOBAL_OFFSET_TABLE_"}
TEXT = {"vsnprintf", "snprintf", "inet_pton", "inet_ntop", "strlen", "strchr", "strcmp", "strcpy",
        "strtoul", "strtol", "strnlen"}
HEAP = {"malloc", "calloc", "realloc", "free", "qsort"}
MAY_ALSO = {  # (room, object) -> more
    ("base", None): TEXT,
    (None, "conf"): TEXT,
    ("dataplane", "snapshot"): HEAP,
    **{("nat64", o): TEXT | HEAP for o in ("pin", "remember", "table")},
    ("siit", "table"): TEXT | HEAP,
    **{("services", o): TEXT | HEAP for o in ("place", "shares", "slots", "steering", "table")},
}


def sources(*patterns):
    return sorted(p for pattern in patterns for p in TOP.glob(pattern))


def relative(path):
    return str(path.relative_to(TOP))


def room_of(path):
    parts = path.relative_to(TOP).parts
    return parts[1] if parts[0] == "src" else parts[2]


def may_include(room, other, header):
    if room == other or room not in ROOMS:
        return True
    if other not in ROOMS or ROOMS.index(other) > ROOMS.index(room):
        return room == "config" and header == "conf.h"  # each room owns its own conf
    return not (room in POLICIES and other in POLICIES)


def rooms_use_only_rooms_above():
    for path in sources("src/*/*.[ch]", "include/sixgate/*/*.h"):
        for n, line in enumerate(path.read_text().splitlines(), 1):
            found = re.match(r'\s*#\s*include\s+"(?:sixgate/(\w+)/)?([^"]+)"', line)
            if not found:
                continue
            other, header = found.groups()
            if other and not may_include(room_of(path), other, header):
                yield f"{relative(path)}:{n}: {room_of(path)} must not use {other}"
            if not other and not (path.parent / header).exists():
                yield f"{relative(path)}:{n}: {header} is not of this room"


def compile_header(path):
    done = subprocess.run(["gcc", "-std=gnu11", "-D_GNU_SOURCE", "-fsyntax-only", "-Wall", "-Wextra",
                           "-x", "c", "-I", TOP / "include", "-I", path.parent, "-include", path,
                           "/dev/null"], text=True, capture_output=True)
    return [] if done.returncode == 0 and not done.stderr else [
        f"{relative(path)}: {done.stderr.strip().splitlines()[0]}"]


def headers_compile_alone():
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for complaints in pool.map(compile_header, sources("include/sixgate/*/*.h", "src/*/*.h",
                                                           "tests/lib/*.h")):
            yield from complaints


def functions(path):
    """(first line, last line) of each function, by the layout that clang-format makes."""
    lines = path.read_text().splitlines()
    start = None
    for n, line in enumerate(lines):
        if line == "{":
            first = n
            while first > 0 and lines[first - 1].strip() and lines[first - 1][0] not in "#}/ *":
                first -= 1
                if re.match(r"\w", lines[first]) and "(" in lines[first]:
                    break
            start = first
        elif line == "}" and start is not None:
            yield start + 1, n + 1
            start = None


def functions_are_short():
    for path in sources("src/**/*.[ch]", "include/**/*.h", "tests/**/*.[ch]"):
        for first, last in functions(path):
            if last - first + 1 > FUNCTION_LINES_MAX:
                yield f"{relative(path)}:{first}: {last - first + 1} lines"


def symbols(archive, *options):
    out = subprocess.run(["nm", "-A", *options, archive], text=True, capture_output=True).stdout
    for line in out.splitlines():
        where, _, rest = line.rpartition(": ") if ": " in line else line.rpartition(":")
        member = re.split("[:/]", where)[-1].removesuffix(".c.o")
        yield member, re.sub(r"^__(\w+)_chk$", r"\1", rest.split()[-1])


def pure_rooms_need_nothing_of_the_world(build):
    archives = {r: build / "src" / r / f"lib{r}.a" for r in PURE}
    archives = {r: a for r, a in archives.items() if a.exists()}
    if not archives:
        yield f"no libraries in {build}"
    defined = {name for a in archives.values() for _, name in symbols(a, "--defined-only")}
    for room, archive in archives.items():
        for member, name in sorted(set(symbols(archive, "-u"))):
            allowed = set(ALWAYS)
            for (r, m), more in MAY_ALSO.items():
                if r in (None, room) and m in (None, member):
                    allowed |= more
            if name not in defined and name not in allowed:
                yield f"{room}/{member}.c needs {name}"


def named_tests(line):
    """(file or None, name) of the tests that a row names: `unit/room/test_x.c:name` or `name`."""
    for text in re.findall(r"`([^`]+)`", line):
        found = re.fullmatch(r"(?:([\w./-]+\.(?:c|py)):)?([a-z0-9]+(?:_[a-z0-9]+){2,})", text)
        if found:
            yield found.groups()


def requirements_name_tests_that_exist():
    texts = {str(p.relative_to(TOP / "tests")): p.read_text()
             for p in sources("tests/**/*.c", "tests/**/*.py")}
    names = set(re.findall(r"\b\w+\b", " ".join(texts.values())))
    for path in sources("tests/rfc/*.md"):
        for n, line in enumerate(path.read_text().splitlines(), 1):
            for file, name in named_tests(line) if line.startswith("|") else ():
                if file and file not in texts:
                    yield f"{relative(path)}:{n}: there is no tests/{file}"
                elif name not in names or file and not re.search(rf"\b{name}\b", texts[file]):
                    yield f"{relative(path)}:{n}: there is no test {name} in {file or 'tests'}"


def plain_assert_is_not_used():
    for path in sources("src/**/*.[ch]", "include/**/*.h", "tests/**/*.[ch]"):
        for n, line in enumerate(path.read_text().splitlines(), 1):
            if re.search(r"(?<![\w`])assert\s*\(", line) or "<assert.h>" in line:
                yield f"{relative(path)}:{n}: use must()"


def no_path_of_one_machine():
    listed = subprocess.run(["git", "-C", TOP, "ls-files", "-z"], text=True, capture_output=True)
    for name in filter(None, listed.stdout.split("\0")):
        try:
            text = (TOP / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
        for n, line in enumerate(text.splitlines(), 1):
            if re.search(r"(?<![\w.])/(?:home|work|Users)/[\w.]", line):
                yield f"{name}:{n}: {line.strip()[:80]}"


def every_room_has_a_short_readme():
    for room in ROOMS:
        path = TOP / "src" / room / "README.md"
        if not path.exists():
            yield f"src/{room}: no README.md"
        elif len(path.read_text().splitlines()) > README_LINES_MAX:
            yield f"src/{room}/README.md: more than {README_LINES_MAX} lines"


def every_requirement_is_answered():
    return requirements.every_requirement_is_answered(TOP)


def main():
    p = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    p.add_argument("--build", type=pathlib.Path, default=os.environ.get("SIXGATE_BUILD", TOP / "build"))
    build = p.parse_args().build
    rules = [rooms_use_only_rooms_above, headers_compile_alone, functions_are_short,
             lambda: pure_rooms_need_nothing_of_the_world(build),
             requirements_name_tests_that_exist, plain_assert_is_not_used, no_path_of_one_machine,
             every_room_has_a_short_readme, every_requirement_is_answered]
    names = [r.__name__ for r in rules]
    names[3] = pure_rooms_need_nothing_of_the_world.__name__
    n_failed = 0
    for name, rule in zip(names, rules):
        complaints = list(rule())
        print(f"{'FAILED' if complaints else 'ok'} {name}")
        for c in complaints:
            print(f"    {c}")
        n_failed += bool(complaints)
    print(f"{len(rules) - n_failed} passed, {n_failed} failed")
    return 1 if n_failed else 0


if __name__ == "__main__":
    sys.exit(main())
