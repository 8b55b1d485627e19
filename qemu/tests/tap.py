# SPDX-License-Identifier: GPL-2.0-or-later
"""Test Anything Protocol, as little of it as needed."""
import traceback

_tests = []


def test(func):
    """Register a test: func(qemu); its first doc line is its name."""
    _tests.append(func)
    return func


def run(qemu, only):
    chosen = [t for t in _tests if not only or only in t.__name__]
    failed = 0
    print(f"1..{len(chosen)}")
    for number, func in enumerate(chosen, 1):
        name = f"{func.__name__}: {func.__doc__.splitlines()[0]}"
        try:
            func(qemu)
            print(f"ok {number} - {name}", flush=True)
        except Exception:
            failed += 1
            for line in traceback.format_exc().splitlines():
                print("# " + line)
            print(f"not ok {number} - {name}", flush=True)
    print(f"# qemu: {len(chosen) - failed} passed, {failed} failed, 0 skipped")
    return 1 if failed or not chosen else 0
