"""From a list of contestants to a table: options, packages, builds, medians, spread and bars."""
import argparse
import contextlib
import json
import os
import shutil
import signal
import statistics
import sys

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))))
sys.path.insert(0, os.path.join(TOP, "netns-scripts"))
from lab.netns import Failed, run, wait_until  # noqa: E402

os.environ["PATH"] = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"


def parser(doc, contestants, rounds=3):
    """The options that all have. `contestants`: classes with a name."""
    p = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--build", default=os.path.join(TOP, "build-bench"),
                   help="made (release, LTO) where it is missing, and brought up to date")
    p.add_argument("--rounds", type=int, default=rounds)
    p.add_argument("--only", nargs="+", default=[c.name for c in contestants], metavar="NAME",
                   help=" ".join(c.name for c in contestants))
    p.add_argument("--json", help="write the figures there")
    return p


def missing(packages):
    """`packages`: program, or whole path of a file -> Debian's package."""
    return {package for what, package in packages.items()
            if not (os.path.exists(what) if what.startswith("/") else shutil.which(what))}


def install(packages):
    """From Debian, without starting a service. Returns what could not be had."""
    wanted = missing(packages)
    if wanted:
        done = run("sh", "-ec", '. "$0"; need_packages "$@"',
                   os.path.join(TOP, "netns-scripts", "packages.sh"), *sorted(wanted),
                   check=False, timeout=900)
        print(done.stdout.strip(), file=sys.stderr)
    return missing(packages)


def make(build, *targets):
    if not os.path.exists(os.path.join(build, "build.ninja")):
        run("meson", "setup", build, TOP, "--buildtype=release", "-Db_lto=true", timeout=120)
    run("ninja", "-C", build, "src/sixgated/sixgated", "src/sixgatectl/sixgatectl",
        *(f"tests/bench/{t}" for t in targets), timeout=1800)


def prepare(options, contestants, tools, targets):
    """Get and build all that is needed. Returns the contestants that can be measured.

    tools: packages (see missing()) without which nothing can be measured.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was made is removed then, too
    chosen = [c for c in contestants if c.name in options.only]
    unknown = set(options.only) - {c.name for c in contestants}
    if unknown:
        sys.exit(f"there is no {', '.join(sorted(unknown))}")
    options.build = os.path.abspath(options.build)
    lacking = install({**tools, **{k: v for c in chosen for k, v in c.packages.items()}})
    for package in lacking & set(tools.values()):
        sys.exit(f"nothing measured: Debian's {package} is missing")
    for c in chosen:
        if missing(c.packages):
            print(f"{c.name} is not measured: Debian's {', '.join(missing(c.packages))} is missing",
                  file=sys.stderr)
    make(options.build, *targets)
    return [c for c in chosen if not missing(c.packages)]


def program(options, name):
    return os.path.join(options.build, "tests/bench", name)


@contextlib.contextmanager
def on_cores(cores):
    """What is started meanwhile stays on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before & set(cores) or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def alone(pid):
    """Not in one scheduling group with whatever else this shell started."""
    with contextlib.suppress(OSError), open(f"/proc/{pid}/autogroup", "w") as f:
        f.write("-10")


def ready(started):
    """Wait until a program of ours has said that it is."""
    def claim():
        with open(started.log_path) as f:
            text = f.read()
        if started.poll() is not None:
            raise Failed(f"{started.args[3:]} has ended: {text}")
        return "ready" in text
    wait_until(claim, f"{started.args[3:]} is ready")
    return started


class Figures:
    """contestant -> figure -> the values of all rounds."""

    def __init__(self, unit, columns):
        self.unit, self.columns, self.values = unit, columns, {}

    def add(self, n, name, found):
        for figure, value in found.items():
            self.values.setdefault(name, {}).setdefault(figure, []).append(value)
        print(f"round {n + 1} {name:12}", "  ".join(f"{k} {v:.4g}" for k, v in found.items()),
              file=sys.stderr, flush=True)

    def median(self, name, figure):
        """None where it was not measured."""
        values = self.values.get(name, {}).get(figure)
        return statistics.median(values) if values else None

    def subtract(self, base, columns):
        """More columns: new -> that of which the median of `base` is taken off."""
        for name, by in self.values.items():
            for new, figure in columns.items():
                least = self.median(base, figure)
                if least is not None and name != base:
                    by[new] = [value - least for value in by[figure]]

    def each(self, of):
        return {name: {f: of(v) for f, v in by.items()} for name, by in self.values.items()}

    def bar(self, figure, a, b, **limit):
        """a's median to b's, which is to be at most=x or at least=x; a list of none or one."""
        one, other = self.median(a, figure), self.median(b, figure)
        if one is None or not other:
            return []
        return [(f"{figure}: {a}/{b}", {"is": round(one / other, 3), **limit})]


def is_met(ratio):
    return ratio.get("least", ratio["is"]) <= ratio["is"] <= ratio.get("most", ratio["is"])


def short(value):
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def cell(values):
    return f"{short(statistics.median(values))} ({short(min(values))}-{short(max(values))})" if values else ""


def report(figures, bars, options, note=""):
    """The table, the bars and, if asked for, the JSON. `bars`: of Figures.bar(), added up."""
    names = figures.values
    print(f"{'':12}" + "".join(f"{f:>21}" for f in figures.columns))
    for name in names:
        print(f"{name:12}" + "".join(f"{cell(names[name].get(f)):>21}" for f in figures.columns))
    print(f"{figures.unit}; median of {options.rounds} (lowest-highest){note}")
    for what, ratio in bars:
        word = "most" if "most" in ratio else "least"
        print(f"{what:44} {ratio['is']:7.3f}   wanted: at {word} {ratio[word]}"
              + ("" if is_met(ratio) else "   MISSED"))
    if options.json:
        with open(options.json, "w") as f:
            json.dump({"unit": figures.unit, "medians": figures.each(statistics.median),
                       "spread": figures.each(lambda v: [min(v), max(v)]), "rounds": names,
                       "ratios": dict(bars)}, f, indent=1)
