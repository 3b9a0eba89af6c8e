"""The numbered lists of tests/rfc against the tests: every requirement is there, and is answered by
tests that exist and run, or by a reason."""
import re

LISTS = {"README.md": 135, "dns64.md": 55}  # requirements
REASON_MIN = 40  # characters; less is no reason

ROW = re.compile(r"\| (\d+) \| ([MSm]) \| (.+?) \| (.+) \|")
TEST = re.compile(r"`([\w./-]+\.(?:c|py)):(\w+)`")
TITLE = re.compile(r'`([\w./-]+\.py)` "([^"]+)"')


def runs(file, text, name):
    """Whether the test @name is in @text and is called: in C it is listed beside its definition."""
    if file.endswith(".py"):
        return re.search(rf"^def {name}\(", text, re.MULTILINE)
    return re.search(rf"\bvoid {name}\(", text) and len(re.findall(rf"\b{name}\b", text)) > 1


def complaints_about_row(top, shown):
    def text_of(file):
        path = top / "tests" / file
        return path.read_text() if path.exists() else None

    tests, titles = TEST.findall(shown), TITLE.findall(shown)
    for file, name in tests:
        if not runs(file, text_of(file) or "", name):
            yield f"there is no test {name} in tests/{file}"
    for file, title in titles:
        if title not in (text_of(file) or ""):
            yield f"there is no case {title!r} in tests/{file}"
    if not tests and not titles:
        yield "neither test nor reason"


def every_requirement_is_answered(top):
    for name, n_requirements in LISTS.items():
        yield from complaints_about_list(top, top / "tests/rfc" / name, n_requirements)


def complaints_about_list(top, path, n_requirements):
    expected = 1
    for n, line in enumerate(path.read_text().splitlines(), 1):
        where = f"tests/rfc/{path.name}:{n}"
        for file in re.findall(r"\]\(([^)]+)\)", line):
            if not (path.parent / file).exists():
                yield f"{where}: there is no {file}"
        row = ROW.fullmatch(line)
        if not row:
            if re.match(r"\| *\d", line):
                yield f"{where}: not a row of this table"
            continue
        number, shown = int(row[1]), row[4]
        if number != expected:
            yield f"{where}: {number} instead of {expected}"
        expected = number + 1
        if shown.startswith("reason: ") and len(shown) >= REASON_MIN:
            continue
        for complaint in complaints_about_row(top, shown):
            yield f"{where}: {number}: {complaint}"
    if expected != n_requirements + 1:
        yield f"tests/rfc/{path.name}: {expected - 1} requirements instead of {n_requirements}"
