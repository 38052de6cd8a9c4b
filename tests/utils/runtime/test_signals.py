"""Signals of batch systems, terminals and users that end a script."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from utils.cli import script
from utils.runtime import signals
from utils.runtime.whole_files import whole_file, whole_folder

ROOT = Path(__file__).parents[3]
LINES = {
    signal.SIGINT: "error: interrupted\n",
    signal.SIGTERM: "error: ended by SIGTERM\n",
    signal.SIGHUP: "error: ended by SIGHUP\n",
    signal.SIGXCPU: "error: ended by SIGXCPU\n",
}


@script
def write_and_wait(argv=None):
    """Write an output, in which signals come, given as numbers after the folder; then wait."""
    folder, *numbers = argv
    with whole_file(f"{folder}/file") as file, whole_folder(f"{folder}/folder") as inner:
        file.write_text("half")
        (inner / "half").touch()
        for number in numbers:
            signal.raise_signal(number)
        time.sleep(0.3)


@pytest.mark.parametrize("number", LINES, ids=lambda number: number.name)
def test_ends_in_one_line_and_leaves_nothing(number, tmp_path, capfd):
    before = {number: signal.getsignal(number) for number in signals.SIGNALS}
    assert write_and_wait([tmp_path, number]) == 128 + number
    assert capfd.readouterr().err == LINES[number]
    assert list(tmp_path.iterdir()) == []
    assert {number: signal.getsignal(number) for number in signals.SIGNALS} == before
    assert write_and_wait([tmp_path]) == 0  # and nothing of it lasts


def test_a_signal_that_is_ignored_outside_stays_so(tmp_path):
    """As nohup does with SIGHUP."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert write_and_wait([tmp_path, signal.SIGHUP]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def test_an_uninterrupted_function_ends_first():
    done = []

    @script
    def main(argv=None):
        with signals.deferred():
            signal.raise_signal(signal.SIGTERM)
            done.append("inside")
        time.sleep(5)
        done.append("after")

    assert main([]) == 128 + signal.SIGTERM
    assert done == ["inside"]


def run(code, folder):
    """Run code in a process of its own, and return the process when the code says that it is ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "ready\n"
    return process


NATIVE = """
import hashlib, sys
from utils.runtime import signals
from utils.cli import script
from utils.runtime.whole_files import whole_file
signals.SECONDS_TO_UNWIND = 0.3
@script
def main(argv=None):
    with whole_file(f"{sys.argv[1]}/file") as file:
        file.touch()
        print("ready", flush=True)
        hashlib.pbkdf2_hmac("sha256", b"", b"", 1 << 30)  # minutes, and deaf to Python's signals
sys.exit(main([]))
"""

SLOW_TO_END = """
import sys, time
from utils.cli import script
from utils.runtime.whole_files import whole_file
@script
def main(argv=None):
    with whole_file(f"{sys.argv[1]}/file") as file:
        file.touch()
        try:
            print("ready", flush=True)
            time.sleep(60)
        finally:
            print("ending", flush=True)
            time.sleep(60)
sys.exit(main([]))
"""

FORKED = """
import os, signal, sys, warnings
from utils.runtime import signals
warnings.simplefilter("ignore", DeprecationWarning)  # of Python 3.12 and newer: the child needs no thread
with signals.handling():
    child = os.fork()
    if child == 0:
        signal.raise_signal(signal.SIGXCPU)
        os._exit(0)
    print("ready", flush=True)
    sys.exit(os.WTERMSIG(os.waitpid(child, 0)[1]))
"""


def test_within_native_code_it_ends_after_a_while(tmp_path):
    process = run(NATIVE, tmp_path)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=30)[1] == LINES[signal.SIGTERM]
    assert process.returncode == 128 + signal.SIGTERM
    assert list(tmp_path.iterdir()) == []


def test_a_second_signal_ends_at_once(tmp_path):
    process = run(SLOW_TO_END, tmp_path)
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "ending\n"
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=30)[1] == LINES[signal.SIGINT]
    assert time.monotonic() - start < signals.SECONDS_TO_UNWIND / 2
    assert process.returncode == 128 + signal.SIGINT
    assert list(tmp_path.iterdir()) == []


def test_a_forked_child_ends_by_the_default_action():
    process = run(FORKED, "")
    assert process.communicate(timeout=30)[1] == ""
    assert process.returncode == signal.SIGXCPU


@pytest.mark.parametrize("seconds", [0.02, 0.1, 0.3])
def test_at_the_start_of_a_script_it_is_one_line_at_most(seconds):
    """Before Python has come to the script there is none."""
    command = [sys.executable, ROOT / "train_teacher.py", "--help"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=os.environ)
    time.sleep(seconds)
    process.send_signal(signal.SIGTERM)
    words = process.communicate(timeout=60)[1]
    assert (process.returncode, words) in [
        (-signal.SIGTERM, ""),
        (128 + signal.SIGTERM, LINES[signal.SIGTERM]),
        (0, ""),
    ]
