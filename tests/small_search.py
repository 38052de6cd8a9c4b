"""train_teacher.py in processes of as few trials as a test wants, to be run and killed by tests."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # where a process that goes on finds it without PYTHONPATH

import train_teacher
from nn.search import tuner as search

search.TRIALS_A_PROCESS = int(os.environ.get("TRIALS_A_PROCESS", search.TRIALS_A_PROCESS))
train_teacher.__file__ = __file__  # what worker processes run

if __name__ == "__main__":
    sys.exit(train_teacher.main())
