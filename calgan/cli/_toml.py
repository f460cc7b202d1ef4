"""TOML, written: the standard library only reads it."""

from __future__ import annotations

import json
import re
from typing import Any


def as_toml(values: dict[str, Any]) -> str:
    """Return TOML that `tomllib` reads back; None, which TOML lacks, becomes a comment."""
    return "\n".join(_lines(values, ())) + "\n"


def _lines(values: dict[str, Any], table: tuple[str, ...]) -> list[str]:
    plain = {key: value for key, value in values.items() if not isinstance(value, dict)}
    lines = ["", f"[{'.'.join(map(_key, table))}]"] if table else []
    for key, value in plain.items():
        lines.append(
            f"# {_key(key)} is not set" if value is None else f"{_key(key)} = {_text(value)}"
        )
    for key, value in values.items():
        if isinstance(value, dict):
            lines += _lines(value, (*table, key))
    return lines


def _key(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _text(key)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_text, value))}]"
    if isinstance(value, str):  # JSON's escapes are TOML's, which also forbids a bare DEL
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    raise TypeError(f"a configuration holds numbers, text and lists, got {value!r}.")
