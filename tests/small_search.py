"""train_teacher.py with a search among tiny networks, to be run and killed by tests."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))  # where a process that goes on finds it without PYTHONPATH

import train_teacher
from nn import teacher as models
from nn.search import tuner as search

search.TRIALS_A_PROCESS = int(os.environ.get("TRIALS_A_PROCESS", search.TRIALS_A_PROCESS))
models.SEARCH_SPACE["graph_layers"] = ("Int", {"min_value": 1, "max_value": 1})
models.SEARCH_SPACE["units"] = ("Int", {"min_value": 4, "max_value": 8, "step": 2})
models.SEARCH_SPACE["heads"] = ("Int", {"min_value": 1, "max_value": 2})
train_teacher.__file__ = __file__  # what worker processes run

if __name__ == "__main__":
    sys.exit(train_teacher.main())
