#!/usr/bin/env python3
"""Runs test programs, each in a process and a temporary folder of its own.

Programs speak TAP ("ok 1 - name", "not ok 2 - name", "# SKIP"; cmocka does so
when asked through its environment) or close with "N passed, N failed". A program that crashes, runs past its
time or reports nothing counts as a failure. The last line is
"N passed, N failed[, N skipped]"; the exit status tells whether all passed.
"""
import argparse
import concurrent.futures
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

LINE = re.compile(r"^(not ok|ok)\b\s*(\d*)\s*(?:-\s*)?(.*)$")


def run(program, timeout):
    """Returns (passed, failed, skipped, seconds, report)."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="rag-test-") as tmp:
        env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="tap", TMPDIR=tmp)
        with open(os.path.join(tmp, "output"), "w+b") as out:
            try:
                p = subprocess.Popen([os.path.abspath(program)], stdout=out,
                                     stderr=subprocess.STDOUT,
                                     stdin=subprocess.DEVNULL, env=env,
                                     start_new_session=True)
            except OSError as e:
                return 0, 1, 0, 0.0, "# cannot start it: %s\n" % e
            try:
                status = p.wait(timeout)
                late = False
            except subprocess.TimeoutExpired:
                late = True
            finally:
                try:  # whatever the program left running goes with it
                    os.killpg(p.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            if late:
                status = p.wait()
            out.seek(0)
            text = out.read().decode("utf-8", "replace")
        left = sorted(n for n in os.listdir(tmp) if n != "output")
    passed = failed = skipped = 0
    for line in text.splitlines():
        m = LINE.match(line)
        if not m:
            continue
        if "# SKIP" in line.upper():
            skipped += 1
        elif m.group(1) == "ok":
            passed += 1
        else:
            failed += 1
    closing = re.findall(r"^(\d+) passed, (\d+) failed$", text, re.M)
    if closing and passed + failed + skipped == 0:  # no TAP, but a count
        passed, failed = int(closing[-1][0]), int(closing[-1][1])
    why = []
    if late:
        why.append("ran past %d s" % timeout)
    elif status != 0 and failed == 0:
        why.append("ended with status %d" % status)
    elif passed + failed + skipped == 0:
        why.append("reported no test")
    plan = re.search(r"^1\.\.(\d+)", text, re.M)
    if plan and not why and int(plan.group(1)) != passed + failed + skipped:
        why.append("planned %s tests, reported %d" %
                   (plan.group(1), passed + failed + skipped))
    if left and not why and failed == 0:
        why.append("left behind: " + " ".join(left[:5]))
    failed += 1 if why else 0
    report = ""
    if failed:
        report = text[-20000:] + "".join("\n# %s\n" % w for w in why)
    return passed, failed, skipped, time.monotonic() - began, report


def main():
    ap = argparse.ArgumentParser(description=__doc__)
    ap.add_argument("--jobs", type=int, default=1)
    ap.add_argument("--timeout", type=float, default=120)
    ap.add_argument("programs", nargs="*")
    args = ap.parse_args()
    total = [0, 0, 0]
    with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
        runs = [(p, pool.submit(run, p, args.timeout)) for p in args.programs]
        for program, future in runs:
            passed, failed, skipped, seconds, report = future.result()
            for i, n in enumerate((passed, failed, skipped)):
                total[i] += n
            print("%-4s %s: %d passed, %d failed%s (%.1f s)" % (
                "FAIL" if failed else "ok", os.path.basename(program), passed,
                failed, ", %d skipped" % skipped if skipped else "", seconds))
            if report:
                print(report)
            sys.stdout.flush()
    print("%d passed, %d failed%s" % (total[0], total[1], (
        ", %d skipped" % total[2]) if total[2] else ""))
    return 1 if total[1] or not total[0] else 0


if __name__ == "__main__":
    sys.exit(main())
