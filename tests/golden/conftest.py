"""The seed is part of the result: golden.py."""
from golden import SEED


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_line(f"SIXGATE_TEST_SEED={SEED}")
