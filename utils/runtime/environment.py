"""Environment of a process, cleaned before any library is imported, so that settings of other programs have no effect.

The package imports this module before all others. Until the work of a script begins, every failure is one line.
"""

from utils.runtime import library_path

# isort: split
import os
import resource
import signal
import sys
import warnings
from pathlib import Path
from types import TracebackType

from utils.runtime import signals

# Settings of libraries that change results, or name files that may not exist.
LEFT_OUT = (
    "KERAS_",
    "KERASTUNER_",
    "MATPLOTLIBRC",
    "NUMBA_",
    "PYTHIA8DATA",
    "PYTHONWARNINGS",
    "TF_CONFIG",
    "TF_USE_LEGACY_KERAS",
    "TF_XLA_FLAGS",
    "TQDM_",
    "XLA_FLAGS",
)
# The folder of the machine code and its processor are properties of the machine.
KEPT = ("NUMBA_CACHE_DIR", "NUMBA_CPU_NAME", "NUMBA_CPU_FEATURES")
SET = {
    "KERAS_BACKEND": "tensorflow",
    "KERAS_HOME": f"{os.devnull}/keras",  # no keras.json is read or made
}
IN_NO_NOTEBOOK = {"MATPLOTLIBRC": os.devnull, "MPLBACKEND": "agg"}  # a notebook shows the figures of its user
DEFAULTS = {"TF_CPP_MIN_LOG_LEVEL": "2"}
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS")
MOST_THREADS = 100_000
SECONDS_TO_CLEAN_UP = 2  # of CPU time
DATA_STEPS = ("generate_events", "create_L1regression_data", "selective_sampling_jets")
# Limits on address space and on data: option of ulimit, MiB that the data steps need, MiB that the steps with networks
# need, and MiB for each core. The needs on two cores were measured as 800 and 2900 MiB of address space, and 400 and
# 1000 MiB of data, and rounded up.
MIB_NEEDED = {resource.RLIMIT_AS: ("-v", 768, 2816, 128), resource.RLIMIT_DATA: ("-d", 352, 896, 64)}


def set_variables() -> None:
    """Remove, set and check environment variables."""
    notebook = "ipykernel" in sys.modules
    for name in list(os.environ):
        if name.startswith(LEFT_OUT) and name not in KEPT and not (notebook and name in IN_NO_NOTEBOOK):
            del os.environ[name]
    os.environ |= {} if notebook else IN_NO_NOTEBOOK
    os.environ |= SET | {name: value for name, value in DEFAULTS.items() if name not in os.environ}
    for name in THREADS:
        value = os.environ.get(name, "1")
        if not (value.isascii() and value.isdigit() and len(value) <= len(str(MOST_THREADS)) and int(value) > 0):
            del os.environ[name]
            print(f"{name}: expected a whole number above 0, found {value!r}, which is left out", file=sys.stderr)
    # By default HDF5 locks files if the file system has locks.
    if os.environ.get("HDF5_USE_FILE_LOCKING") not in ("FALSE", "0"):
        os.environ.pop("HDF5_USE_FILE_LOCKING", None)
    try:
        Path.home()
    except RuntimeError:  # a user without a name, in a container; libraries look for a home folder
        os.environ["HOME"] = f"{os.devnull}/home"


def ignore_warnings_of_libraries() -> None:
    """Reset PYTHONWARNINGS and -W: a warning of a library that becomes an error would end a script."""
    warnings.resetwarnings()
    for category in (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning):
        warnings.simplefilter("ignore", category)


def open_standard_streams() -> None:
    """Connect closed standard streams to the null device, because a file opened later would get their descriptors.

    A character that the encoding of the terminal lacks is written as its number.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, open(number, "r+", encoding="utf-8", closefd=False))  # noqa: SIM115
        if number and hasattr(stream := getattr(sys, name), "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _fail_in_one_line(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Report a failed import of the libraries in one line."""
    text = " ".join(f"{kind.__name__}: {error}".split())
    print(f"error: the libraries cannot be loaded, compare them with requirements.txt: {text[:600]}", file=sys.stderr)


def is_script() -> bool:
    """Return whether the process runs one of the scripts, not the workflow or the tests."""
    main = getattr(sys.modules["__main__"], "__file__", None)
    return main is not None and Path(main).resolve().parent == Path(library_path.ROOT)


def check_limits() -> None:
    """Refuse memory limits that are too low for the libraries: OpenBLAS would retry forever, others would abort."""
    script = Path(sys.argv[0]).stem
    for kind, (option, data_steps, networks, per_core) in MIB_NEEDED.items():
        needed = data_steps if script in DATA_STEPS else networks
        needed += per_core * len(os.sched_getaffinity(0))
        limit = resource.getrlimit(kind)[0] >> 20
        if 0 <= limit < needed:
            print(
                f"error: memory is limited to {limit} MiB (ulimit {option}), {script}.py needs {needed}",
                file=sys.stderr,
            )
            raise SystemExit(1)


def end_before_the_last_second() -> None:
    """Lower the soft limit on CPU time, so that a signal leaves time to clean up.

    `ulimit -t` sets both limits to the same value, and the system would kill the process at once.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)  # -1: none
    if hard > SECONDS_TO_CLEAN_UP:
        resource.setrlimit(resource.RLIMIT_CPU, (min(soft, hard - SECONDS_TO_CLEAN_UP), hard))


def guard_start() -> None:
    """Report failures and signals in one line until :func:`utils.cli.script` takes over."""
    sys.excepthook = _fail_in_one_line
    for number in signals.handled():
        signal.signal(number, signals.end_now)
    signals.leave_at_end()


set_variables()
if sys.warnoptions:
    ignore_warnings_of_libraries()
if is_script():
    open_standard_streams()
    guard_start()
    end_before_the_last_second()
    check_limits()
if Path("matplotlibrc").exists():  # which Matplotlib would read before any other
    import contextlib
    import importlib

    # The environment of the rule that generates events has no Matplotlib.
    with contextlib.chdir(library_path.ROOT), contextlib.suppress(ModuleNotFoundError):
        importlib.import_module("matplotlib")
