"""Builds and runs every test; started by tests/run, which has installed what is needed.

Parts with kernels and daemons, which wait a lot, run beside the others, which build a lot. One line
per part as it goes, the output of what failed, and a last line with the sums. Builds are in build-* of
the source tree and are kept, so that a second run is quick; `build` is left to the user.
"""
import argparse
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import threading
import time
import traceback
import xml.etree.ElementTree as xml

TOP = pathlib.Path(__file__).resolve().parent.parent
SUITES = ["unit", "property", "golden", "fuzz"]
BUILDS = {  # directory: (compiler, options)
    "build-test": ("gcc", ["-Dwerror=true"]),
    # as it is installed: other warnings come with its optimizations
    "build-release": ("gcc", ["--buildtype=release", "-Dwerror=true"]),
    # without -Werror: gcc sees truncations that are none in instrumented code
    "build-tsan": ("gcc", ["-Db_sanitize=thread"]),
    # for the fuzz targets and for everything else under ASan and UBSan
    "build-asan": ("clang", ["-Db_sanitize=address,undefined", "-Db_lundef=false", "-Dwerror=true",
                             "-Dc_args=-fsanitize-coverage=inline-8bit-counters,pc-table -g1"]),
}
# each list one after the other, the lists side by side
LANES = [["netns", "netns-xdp", "demo", "package"],
         ["unit", "lint", "golden", "sanitize", "fuzz", "threads", "coverage"]]
NO_REASON = ("", "Skipped", "unconditional skip")  # what pytest writes for want of one
# besides the gateway; those that are left out pass, too, and take longer or have little to do with ports
XDP_TOO = ["services", "siit", "clat", "paths", "peers", "lending"]
PROGRAMS = ["src/sixgated/sixgated", "src/sixgatectl/sixgatectl"]
NETNS = [*PROGRAMS, "tests/unit/netlink/netlink_driver", "tests/unit/dns64/dns64_server"]
AT_ONCE = 3  # processes of pytest for tests that mostly wait; a file's tests stay in one
SANITIZERS = {
    "ASAN_OPTIONS": "abort_on_error=1:detect_stack_use_after_return=1",
    "UBSAN_OPTIONS": "halt_on_error=1:abort_on_error=1:print_stacktrace=1",
    "TSAN_OPTIONS": "halt_on_error=1",
}


class Run:
    def __init__(self, options):
        self.options = options
        self.passed, self.failed, self.skipped = 0, 0, 0
        self.summing = threading.Lock()
        self.building = {name: threading.Lock() for name in BUILDS}

    def say(self, text):
        print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)

    def count(self, what, passed, failed, skipped, took):
        with self.summing:
            self.passed += passed
            self.failed += failed
            self.skipped += skipped
        self.say(f"{what}: {passed} passed, {failed} failed" +
                 (f", {skipped} skipped" if skipped else "") + f" ({took:.0f} s)")

    def command(self, *words, timeout, env=None, cwd=TOP):
        """(exit code, output); a command that hangs has failed."""
        try:
            done = subprocess.run([str(w) for w in words], cwd=cwd, text=True, errors="replace",
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout,
                                  env={**os.environ, **SANITIZERS, **(env or {})})
            return done.returncode, done.stdout
        except subprocess.TimeoutExpired as e:
            out = e.stdout or ""
            return 124, (out.decode(errors="replace") if isinstance(out, bytes) else out) + \
                f"\nstill running after {timeout} s"

    def build(self, name, *targets):
        """Configure and build. Returns the directory, or None when it does not build."""
        with self.building[name]:
            return self.build_alone(name, *targets)

    def build_alone(self, name, *targets):
        compiler, options = BUILDS[name]
        directory, start = TOP / name, time.monotonic()
        made_with = directory / "made-with.txt"
        wanted = " ".join([compiler, *options])
        if not made_with.exists() or made_with.read_text() != wanted:
            shutil.rmtree(directory, ignore_errors=True)
            code, out = self.command("meson", "setup", directory, TOP, *options, timeout=300,
                                     env={"CC": compiler})
            if code:
                return self.did_not_build(name, out)
            made_with.write_text(wanted)
        code, out = self.command("ninja", "-C", directory, *targets, timeout=1200)
        if code:
            return self.did_not_build(name, out)
        self.say(f"{name} ({compiler}) is built ({time.monotonic() - start:.0f} s)")
        return directory

    def did_not_build(self, name, out):
        lines = [line for line in out.splitlines() if not re.match(r"\[\d+/\d+\] ", line)]
        print("\n".join(lines[-40:]))
        self.count(f"{name} does not build", 0, 1, 0, 0)

    def meson_tests(self, what, directory, suites, seconds=900):
        start = time.monotonic()
        chosen = [word for suite in suites for word in ("--suite", suite)]
        code, out = self.command("meson", "test", "-C", directory, "--no-rebuild",
                                 "--print-errorlogs", *chosen,
                                 timeout=seconds)
        tests = []
        log = directory / "meson-logs/testlog.json"
        if log.exists() and code != 124:
            tests = [json.loads(line) for line in log.read_text().splitlines()]
        results = [one["result"] for one in tests]
        good = sum(r in ("OK", "EXPECTEDFAIL") for r in results)
        skipped = results.count("SKIP")
        bad = len(results) - good - skipped
        for one in tests:
            if one["result"] == "SKIP":
                reason = (one.get("stdout") or one.get("stderr") or "").strip()
                self.say(f"{one['name']} skipped: {reason or 'it does not say why; counts as failed'}")
                bad, skipped = bad + (not reason), skipped - (not reason)
        if code and not bad:
            bad = 1
        if bad:
            print("\n".join(out.splitlines()[-80:]))
        self.count(what, good, bad, skipped, time.monotonic() - start)

    # -- parts ----------------------------------------------------------------------------------------
    def unit(self):
        directory = self.build("build-test", "all", "meson-test-prereq", "bench-programs")
        if directory:
            self.meson_tests("unit, property, golden, corpora with gcc", directory, SUITES)

    def sanitize(self):
        directory = self.build("build-asan", "all", "meson-test-prereq")
        if directory:
            self.meson_tests("the same under ASan and UBSan", directory, SUITES)
            self.pytest("gateway and services on real kernels under them", "netns/test_gateway.py",
                        900, directory, TOP / "tests/netns/test_services.py",
                        "-k", "1-worker or services or reload")

    def threads(self):
        directory = self.build("build-tsan", *PROGRAMS, "tests/unit/io/io_loop")
        if directory:
            self.meson_tests("threads under TSan", directory, ["threads"])
            self.pytest("two workers on real kernels under TSan", "netns/test_gateway.py", 600,
                        directory, "-k", "2-workers or reload")

    def lint(self):
        start = time.monotonic()
        directory = self.build("build-test", "all")
        if not directory or not self.build("build-release", *PROGRAMS):
            return
        code, out = self.command(TOP / "tests/lint/lint.py", "--build", directory, timeout=300)
        sums = re.search(r"(\d+) passed, (\d+) failed", out)
        passed, failed = map(int, sums.groups()) if sums else (0, 1)
        if failed or code:
            print(out)
        self.count("lint", passed, max(failed, int(code != 0)), 0, time.monotonic() - start)

    def coverage(self):
        start = time.monotonic()
        code, out = self.command(TOP / "tests/coverage/run", timeout=1200)
        sums = re.search(r"(\d+) passed, (\d+) failed", out)
        passed, failed = map(int, sums.groups()) if sums else (0, 1)
        print("\n".join(line for line in out.splitlines() if " lines of " in line))
        if failed or code:
            print("\n".join(out.splitlines()[-10:]))
        self.count("coverage of the fuzz corpora", passed, max(failed, int(code != 0)), 0,
                   time.monotonic() - start)

    def golden(self):
        self.pytest("golden: captures through the replay, 1 to 4 workers", "golden", 600,
                    env={"SIXGATE_TEST_ALL": "1"})

    def netns(self):
        self.pytest("netns: real kernels, real peers", "netns", 2000)

    def netns_xdp(self):
        """The functional tests again, over AF_XDP."""
        self.pytest("the gateway and its jobs over AF_XDP", "netns/test_gateway.py", 900, None,
                    *(TOP / f"tests/netns/test_{name}.py" for name in XDP_TOO),
                    env={"SIXGATE_IO": "xdp"})

    def package(self):
        self.pytest("package: a fresh Debian and its systemd", "package", 900)

    def run_pytest(self, directory, folder, seconds, env, *more):
        """(exit code, output, junit suite or None) of one call of pytest."""
        report = directory / f"{folder.replace('/', '-')}.xml"
        report.unlink(missing_ok=True)
        code, out = self.command("/usr/bin/python3", "-m", "pytest", "-q", "-rs", "-o",
                                 f"cache_dir={directory}/{report.stem}-cache", f"--junitxml={report}",
                                 *more, TOP / "tests" / folder, timeout=seconds,
                                 env={"SIXGATE_BUILD": str(directory),
                                      "SIXGATED": str(directory / "src/sixgated/sixgated"),
                                      "SIXGATE_S3RVER": str(TOP / "build-s3rver"),
                                      **(env or {})})
        suite = xml.parse(report).getroot().find("testsuite") if report.exists() else None
        return code, out, suite

    @staticmethod
    def bad_tests(suite):
        return [t.get("name") for t in suite.iter("testcase")
                if t.find("failure") is not None or t.find("error") is not None]

    def second_try(self, directory, folder, bad, chosen, env):
        """Kernels, daemons and clocks of a busy machine: what fails once and then holds is named
        and passes, what fails twice has failed. Returns how many failed twice."""
        self.say(f"a second try of {len(bad)}: {', '.join(bad)}")
        code, out, suite = self.run_pytest(directory, folder, 600, env, *chosen, "--last-failed")
        still = self.bad_tests(suite) if suite is not None else bad
        if still:
            print("\n".join(out.splitlines()[-120:]))
        return max(len(still), int(code != 0))

    def pytest(self, what, folder, seconds, directory=None, *chosen, env=None):
        """@chosen: more arguments for pytest; @directory: the build that is tested."""
        start, netns = time.monotonic(), folder.startswith("netns")
        directory = directory or self.build("build-test", *(NETNS if netns else ["all"]))
        if not directory:
            return
        at_once = ["-n", str(AT_ONCE), "--dist", "loadfile"] if netns else []
        code, out, suite = self.run_pytest(directory, folder, seconds, env, *chosen, *at_once)
        passed = failed = skipped = 0
        if suite is not None:
            bad, skipped = self.bad_tests(suite), int(suite.get("skipped"))
            passed = int(suite.get("tests")) - len(bad) - skipped
            silent = sum(s.get("message", "") in NO_REASON for s in suite.iter("skipped"))
            if silent:
                self.say(f"{silent} skipped without saying why: that counts as failed")
                failed, skipped = silent, skipped - silent
            if bad:
                print("\n".join(out.splitlines()[-120:]))
                twice = (self.second_try(directory, folder, bad, chosen, env)
                         if netns else len(bad))
                failed, passed = failed + twice, passed + len(bad) - twice
                code = 0  # every one of them has been counted
        failed = max(failed, int(code != 0))  # 5: nothing was collected
        if failed or skipped:
            print("\n".join(out.splitlines()[-20:]))
        self.count(what, passed, failed, skipped, time.monotonic() - start)

    def demo(self):
        directory = self.build("build-test", *PROGRAMS)
        for more in ([], ["--shared-address"], ["--io", "xdp"]) if directory else ():
            start = time.monotonic()
            code, out = self.command("/usr/bin/python3", TOP / "netns-scripts/demo.py", "--build",
                                     directory, "--name", f"sgd{os.getpid()}", *more, timeout=400)
            sums = re.search(r"(\d+) of (\d+) things tried worked", out)
            good, tried = map(int, sums.groups()) if sums else (0, 1)
            if code:
                print(out)
            self.count(" ".join(["the demo", *more]), good, max(tried - good, int(code != 0)), 0,
                       time.monotonic() - start)

    def fuzz(self):
        start = time.monotonic()
        sources = sorted((TOP / "tests/fuzz").glob("fuzz_*.c"))
        names = [s.stem for s in sources]
        directory = self.build("build-asan", *(f"tests/fuzz/{n}" for n in names))
        if not directory:
            return
        bad = 0
        for name in names:
            seeds = TOP / "tests/fuzz/corpus" / name.removeprefix("fuzz_")
            found = directory / "found" / name
            found.mkdir(parents=True, exist_ok=True)
            # a short run with one seed: what it tells is about the change, not about luck
            code, out = self.command(directory / "tests/fuzz" / name, "-max_len=4096",
                                     f"-seed={self.options.seed}",
                                     f"-max_total_time={self.options.seconds}", "-timeout=10",
                                     "-rss_limit_mb=4096", f"-artifact_prefix={directory}/", found,
                                     seeds, timeout=self.options.seconds + 120)
            runs = re.search(r"Done (\d+) runs", out)
            self.say(f"{name}: {runs.group(1) if runs else 'no'} inputs" +
                     (", FAILED" if code else ""))
            if code:
                bad += 1
                print("\n".join(out.splitlines()[-60:]))
        self.count(f"fuzzing, {self.options.seconds} s each", len(names) - bad, bad, 0,
                   time.monotonic() - start)


    def lane(self, parts):
        for part in parts:
            try:
                getattr(self, part.replace("-", "_"))()
            except Exception:  # of ours: the other parts are still run, and this one has failed
                traceback.print_exc()
                self.count(f"{part} broke off", 0, 1, 0, 0)


def main():
    parts = [part for lane in LANES for part in lane]
    p = argparse.ArgumentParser(description="Every test.")
    p.add_argument("part", nargs="*", help=f"of: {' '.join(parts)}; default all")
    p.add_argument("--seconds", type=int, default=5, help="of fuzzing for each target")
    p.add_argument("--seed", type=int, default=1, help="of fuzzing; 0: another one each time")
    options = p.parse_args()
    if set(options.part) - set(parts):
        p.error(f"parts are: {' '.join(parts)}")
    run = Run(options)
    start = time.monotonic()
    chosen = options.part or parts
    lanes = [threading.Thread(target=run.lane, args=([part for part in lane if part in chosen],))
             for lane in LANES]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()
    run.say(f"done in {(time.monotonic() - start) / 60:.1f} minutes")
    print(f"{run.passed} passed, {run.failed} failed" +
          (f", {run.skipped} skipped" if run.skipped else ""))
    return 1 if run.failed or not run.passed else 0


if __name__ == "__main__":
    sys.exit(main())
