"""Configurations and command lines made bad in many ways."""

import copy
from typing import Any

import numpy as np
import yaml

Rng = np.random.Generator

ODD_VALUES = (
    *(None, True, False, 0, 1, -1, 2**31, 10**12, 10**400, 0.0, -0.5, 1e308, float("nan"), float("inf")),
    *(
        "",
        " ",
        "generated",
        "true_met",
        "; rm -rf hostile",
        "$(touch hostile)",
        "`touch hostile`",
        "{variable}",
        "--help",
    ),
    *("../..", "/dev/null", "a\nb", "\u4e2d", "%s%n", "!!python/object/apply:os.system [touch hostile]", "1e5", "*"),
    *([], [None], [[]], ["QCD", "QCD"], [1, 2, 3], {}, {"true_met": None}, {"true_met": [50]}, {"x": {"y": []}}),
)
TOKENS = (
    "- ",
    ": ",
    "{",
    "}",
    "[",
    "]",
    "&a ",
    "*a",
    "!!python/name:os.system ",
    "? ",
    "|\n",
    "#",
    "'",
    '"',
    "\t",
    "\0",
    "~",
)


def places(value: Any) -> list[tuple[Any, Any]]:
    """List all entries of nested mappings and lists: what holds each, and its key."""
    keys = list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else []
    return [place for key in keys for place in ((value, key), *places(value[key]))]


def change_values(config: dict[str, Any], rng: Rng) -> dict[str, Any]:
    """Change, remove or add entries."""
    config = copy.deepcopy(config)
    for _ in range(rng.integers(1, 4)):
        found = places(config)
        if not found:
            break
        holder, key = found[rng.integers(len(found))]
        odd = copy.deepcopy(ODD_VALUES[rng.integers(len(ODD_VALUES))])
        change = rng.integers(6)
        if change == 0:
            del holder[key]
        elif change == 1 and isinstance(holder, dict):
            holder[f"{key}_"] = odd
        elif change == 2 and isinstance(holder, dict):
            holder[odd if isinstance(odd, str | int | float) else "x"] = holder.pop(key)
        elif isinstance(holder[key], int | float) and change == 3:
            holder[key] = holder[key] * float(rng.choice([-1, 0, 1e-9, 0.37, 1e9]))
        else:
            holder[key] = odd
    return config


def change_text(text: str, rng: Rng) -> str:
    """Change the characters of a file."""
    for _ in range(rng.integers(1, 4)):
        start = int(rng.integers(len(text) + 1))
        change = rng.integers(4)
        if change == 0:
            text = text[:start] + TOKENS[rng.integers(len(TOKENS))] + text[start:]
        elif change == 1:
            text = text[:start] + text[start + int(rng.integers(1, 20)) :]
        elif change == 2:
            text = text[:start] + chr(int(rng.integers(1, 0x250))) + text[start + 1 :]
        else:
            end = start + int(rng.integers(1, 200))
            text = text[:end] + text[start:end] + text[end:]
    return text


def bad_file(text: str, rng: Rng) -> bytes:
    """Return a configuration file with changes of the values or of the characters."""
    if rng.random() < 0.7:
        text = yaml.safe_dump(change_values(yaml.safe_load(text), rng), allow_unicode=True)
        return text.encode()
    content = change_text(text, rng).encode()
    return content[:-1] + b"\xff" if rng.random() < 0.05 else content


def bad_words(words: list[str], rng: Rng) -> list[str]:
    """Change a command line, a flag and its value in each word."""
    words = list(words)
    for _ in range(rng.integers(1, 4)):
        place = int(rng.integers(len(words)))
        flag, _, value = words[place].partition("=")
        odd = str(ODD_VALUES[rng.integers(len(ODD_VALUES))]).replace("\0", "")
        change = rng.integers(7)
        if change == 0:
            del words[place]
        elif change == 1:
            words.append(words[int(rng.integers(len(words)))])
        elif change == 2:
            words[place] = f"{flag[: int(rng.integers(len(flag) + 1))]}={value}"
        elif change == 3:
            words.insert(place, odd)
        elif change == 4:
            words[place] = flag + "=" + change_text(value, rng).replace("\0", "")
        else:
            words[place] = f"{flag}={odd}"
        words = words or ["--seed=1"]
    return words
