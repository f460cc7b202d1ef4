"""What a field of a model file may hold: each kind is checked alike when it is saved and loaded."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from calgan.data.validation import as_plain
from calgan.io.model_files._container import DTYPES, shorten

ABSENT: Any = type("Absent", (), {})()  # what JSON does not hold
MOST = 2**53  # steps of a training


class FieldError(ValueError):
    """Says which field of a model is not what it must be."""


@dataclass
class Context:
    """The tensors of a file, and what is known of the object that is written or read."""

    arrays: dict[str, NDArray[Any]]
    owner: str = ""  # its class
    prefix: str = ""  # of its tensors
    sizes: dict[str, int] = field(default_factory=dict)  # N neurons, T frames, and any others
    depth: int = 0

    def within(self, owner: str, prefix: str) -> Context:
        """Return the context of an object in this one, of as many neurons and frames."""
        known = {name: size for name, size in self.sizes.items() if name in "NT"}
        return Context(self.arrays, owner, f"{self.prefix}{prefix}", known, self.depth + 1)

    def put(self, name: str, array: NDArray[Any], kinds: str) -> None:
        """Put a tensor of some kinds into the file."""
        self.arrays[f"{self.prefix}{name}"] = self._checked(name, array, kinds)

    def take(self, name: str, kinds: str) -> NDArray[Any] | None:
        """Take a tensor out of the file, None if it is not there."""
        array = self.arrays.pop(f"{self.prefix}{name}", None)
        return None if array is None else self._checked(name, array, kinds)

    def take_all(self, name: str, kinds: str) -> dict[str, NDArray[Any]]:
        """Take all tensors of a field, by the rest of their names."""
        prefix = f"{self.prefix}{name}/"
        rests = [each.removeprefix(prefix) for each in self.arrays if each.startswith(prefix)]
        return {rest: self._checked(name, self.arrays.pop(prefix + rest), kinds) for rest in rests}

    def _checked(self, name: str, array: NDArray[Any], kinds: str) -> NDArray[Any]:
        if array.dtype.kind not in kinds or array.dtype.str[1:] not in DTYPES:
            raise self.wrong(name, "of another type", str(array.dtype))
        return array

    def wrong(self, name: str, what: str, value: Any = ABSENT) -> FieldError:
        """Say that a field is not what it must be, or is missing."""
        if value is ABSENT:
            return FieldError(f"{name} of {self.owner} is missing")
        return FieldError(f"{name} of {self.owner} must be {what}, got {shorten(value)}")


class Kind:
    """What a field holds. Tensors go by the name of the field; the rest is returned as JSON."""

    may_lack: ClassVar[bool] = False  # whether an object may be without the attribute

    def pack(self, value: Any, name: str, file: Context) -> Any:
        """Return a value as JSON can hold it, and put its arrays into the file."""
        raise NotImplementedError

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        """Return the value of what `pack` returned; it may be anything that JSON can hold."""
        raise NotImplementedError


class Tensors(Kind):
    """A field of tensors alone."""

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        """Return the value that the field's tensors stand for."""
        if said is not ABSENT:
            raise file.wrong(name, "tensors", said)
        return self.taken(name, file)

    def taken(self, name: str, file: Context) -> Any:
        """Take the tensors."""
        raise NotImplementedError


# ------------------------------------------------------------------ what JSON holds


@dataclass(frozen=True)
class Plain(Kind):
    """A value that JSON holds as it is, and that passes a check."""

    check: Callable[[Any], bool]
    what: str

    def pack(self, value: Any, name: str, file: Context) -> Any:
        """Return the value with numpy's numbers as Python's."""
        return self.unpack(as_plain(value), name, file)

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        """Return the value."""
        if not self.check(said):  # ABSENT passes no check
            raise file.wrong(name, self.what, said)
        return said

    def __or__(self, other: Plain) -> Plain:
        """Hold either."""
        return Plain(lambda v: self.check(v) or other.check(v), f"{self.what} or {other.what}")


NONE = Plain(lambda v: v is None, "None")
BOOLEAN = Plain(lambda v: isinstance(v, bool), "true or false")


def integer(least: int = 0, most: int = MOST) -> Plain:
    """Hold an integer within limits."""
    return Plain(
        lambda v: isinstance(v, int) and not isinstance(v, bool) and least <= v <= most,
        f"an integer from {least} to {most}",
    )


def _is_real(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 1e300 if isinstance(value, int) else math.isfinite(value)


def real(least: float = -math.inf, most: float = math.inf, *, above: float = -math.inf) -> Plain:
    """Hold a finite number within limits."""
    limits = {"from": least, "above": above, "to": most}
    said = "".join(f" {word} {v:g}" for word, v in limits.items() if math.isfinite(v))
    return Plain(
        lambda v: _is_real(v) and least <= v <= most and v > above, f"a finite number{said}"
    )


def text(*choices: str, most: int = 500) -> Plain:
    """Hold one of some texts, or any short one."""
    if choices:
        return Plain(lambda v: isinstance(v, str) and v in choices, " or ".join(map(repr, choices)))
    return Plain(
        lambda v: isinstance(v, str) and len(v) <= most, f"a text of at most {most} characters"
    )


def mapping(of: Plain, most: int = 64) -> Plain:
    """Hold a dict of short names and such values."""
    return Plain(
        lambda v: (
            isinstance(v, dict)
            and len(v) <= most
            and all(isinstance(k, str) and len(k) <= 60 and of.check(each) for k, each in v.items())
        ),
        f"names with {of.what} each",
    )


@dataclass(frozen=True)
class WithPairs(Kind):
    """A value in which pairs of numbers may stand: JSON has lists where Python has tuples."""

    of: Plain

    def pack(self, value: Any, name: str, file: Context) -> Any:
        """Return the value with lists."""
        return self.of.pack(_listed(value), name, file)

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        """Return the value with tuples."""
        return _tupled(self.of.unpack(said, name, file))


def _listed(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _listed(each) for key, each in value.items()}
    return [as_plain(v) for v in value] if isinstance(value, (tuple, list, np.ndarray)) else value


def _tupled(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tupled(each) for key, each in value.items()}
    return tuple(value) if isinstance(value, list) else value


_PAIR = Plain(
    lambda v: isinstance(v, list) and len(v) == 2 and all(map(_is_real, v)), "two finite numbers"
)
PAIR = WithPairs(_PAIR)
SETTINGS = WithPairs(NONE | mapping(NONE | BOOLEAN | real() | text(most=60) | _PAIR))


# ------------------------------------------------------------------ what tensors hold


@dataclass(frozen=True)
class Array(Tensors):
    """An array of numbers: of some kinds, a shape in terms of sizes, and within limits."""

    shapes: tuple[str, ...]  # such as "N,K"; a size that is not known yet becomes known
    kinds: str = "f"
    least: float = -math.inf
    most: float = math.inf
    finite: bool = True
    optional: bool = False  # may be None
    as_list: bool = False

    def pack(self, value: Any, name: str, file: Context) -> Any:
        """Put the array into the file."""
        if value is None and self.optional:
            return ABSENT
        array = np.asarray(value)
        if array.size == 0 and self.as_list:
            array = array.astype("i8" if self.kinds == "i" else "f8")
        file.put(name, array, self.kinds)
        self._check(array, name, file)
        return ABSENT

    def taken(self, name: str, file: Context) -> Any:
        """Take the array, a number where it has no axis."""
        array = file.take(name, self.kinds)
        if array is None:
            if self.optional:
                return None
            raise file.wrong(name, "a tensor")
        self._check(array, name, file)
        return array.tolist() if self.as_list else array[()]

    def _check(self, array: NDArray[Any], name: str, file: Context) -> None:
        if not any(_fits(array.shape, shape, file.sizes) for shape in self.shapes):
            shapes = " or ".join(f"({shape})" for shape in self.shapes)
            sizes = ", ".join(f"{size} = {n}" for size, n in file.sizes.items())
            raise file.wrong(name, f"of shape {shapes} with {sizes}", array.shape)
        numbers = array[~np.isnan(array)] if array.dtype.kind == "f" else array
        if self.finite and not np.isfinite(array).all():
            raise file.wrong(name, "finite numbers", array[~np.isfinite(array)][0])
        if numbers.size and not (numbers.min() >= self.least and numbers.max() <= self.most):
            limits = f"numbers from {self.least:g} to {self.most:g}"
            raise file.wrong(name, limits, (numbers.min(), numbers.max()))


def _fits(shape: tuple[int, ...], wanted: str, sizes: dict[str, int]) -> bool:
    """Tell whether a shape is the one wanted; sizes that were not known are noted."""
    names = wanted.split(",") if wanted else []
    known = dict(sizes)
    fits = len(names) == len(shape) and all(
        known.setdefault(name, n) == n for name, n in zip(names, shape, strict=True)
    )
    if fits:
        sizes.update(known)
    return fits


class Order(Array):
    """The numbers of the neurons, each once."""

    def _check(self, array: NDArray[Any], name: str, file: Context) -> None:
        super()._check(array, name, file)
        if not np.array_equal(np.sort(array), np.arange(len(array))):
            raise file.wrong(name, "each neuron once", array)


@dataclass(frozen=True)
class Ids(Tensors):
    """None, or a number or text for each neuron: of texts, the characters' numbers."""

    may_lack: bool = False  # type: ignore[misc]
    numbers: ClassVar[Array] = Array(("N",), "biuf", optional=True)
    characters: ClassVar[Array] = Array(("N,L",), "u", most=0x10FFFF, optional=True)

    def pack(self, value: Any, name: str, file: Context) -> Any:
        """Put the ids into the file."""
        if value is None:
            return ABSENT
        array = np.asarray(value)
        if array.dtype.kind == "O" and all(isinstance(each, str) for each in array.flat):
            array = array.astype(str)
        if array.dtype.kind != "U":
            return self.numbers.pack(array, name, file)
        array = np.ascontiguousarray(array).view("u4").reshape(*array.shape, -1)
        return self.characters.pack(array, f"{name}/text", file.within(file.owner, ""))

    def taken(self, name: str, file: Context) -> Any:
        """Take the ids; names of columns are objects, as scikit-learn has them."""
        array = self.characters.taken(f"{name}/text", file.within(file.owner, ""))
        if array is None:
            return self.numbers.taken(name, file)
        texts = np.ascontiguousarray(array).view(f"U{array.shape[1]}").reshape(len(array))
        return texts.astype(object) if self.may_lack else texts


class Table(Kind):
    """Rows of numbers (dicts), kept as columns; a row need not have all of them."""

    def pack(self, value: Any, name: str, file: Context) -> Any:
        """Put the columns into the file; return the number of rows."""
        for key in dict.fromkeys(key for row in value for key in row):
            rows = [number for number, row in enumerate(value) if key in row]
            file.put(f"{name}/{key}", np.array([value[row][key] for row in rows]), "if")
            if len(rows) < len(value):
                file.put(f"{name}/{key}/rows", np.array(rows), "i")
        return len(value)

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        """Return the rows."""
        n_rows = integer().unpack(said, name, file)
        columns = file.take_all(name, "if")
        if n_rows > max((array.size for array in columns.values()), default=0):
            raise file.wrong(name, "as long as its columns", n_rows)
        rows: list[dict[str, Any]] = [{} for _ in range(n_rows)]
        for key in [key for key in columns if "/" not in key]:
            values = columns.pop(key)
            where = columns.pop(f"{key}/rows", np.arange(n_rows))
            fits = values.ndim == 1 and where.shape == values.shape and where.dtype.kind == "i"
            if not fits or (len(where) and (where.min() < 0 or where.max() >= n_rows)):
                raise file.wrong(name, f"columns for {n_rows} rows", key)
            for row, value in zip(where.tolist(), values.tolist(), strict=True):
                rows[row][key] = value
        if columns:
            raise file.wrong(name, "columns", min(columns))
        return rows


class Tree(Tensors):
    """Nested dicts of arrays, such as the weights of networks."""

    def pack(self, value: Any, name: str, file: Context) -> Any:
        """Put the arrays into the file."""
        for key, each in value.items():
            if isinstance(each, dict):
                self.pack(each, f"{name}/{key}", file)
            else:
                file.put(f"{name}/{key}", np.asarray(each), "biuf")
        return ABSENT

    def taken(self, name: str, file: Context) -> Any:
        """Take the arrays."""
        tree: dict[str, Any] = {}
        for path, array in file.take_all(name, "biuf").items():
            *folders, leaf = path.split("/", 4)
            place = tree
            for folder in folders:
                place = place.setdefault(folder, {})
                if not isinstance(place, dict):
                    break
            if not isinstance(place, dict) or leaf in place:
                raise file.wrong(name, "tensors whose names do not clash", path)
            place[leaf] = array
        return tree


class Frames(Tensors):
    """Which frames windows hold, by the number and hash of their segment."""

    def pack(self, value: Any, name: str, file: Context) -> Any:
        """Put the frames of all segments into the file, one after another."""
        if value:
            hashes = np.array([list(code) for _, code in value], dtype=np.uint8)
            file.put(f"{name}/numbers", np.array([number for number, _ in value]), "i")
            file.put(f"{name}/hashes", hashes, "u")
            file.put(f"{name}/lengths", np.array([len(each) for each in value.values()]), "i")
            file.put(f"{name}/used", np.concatenate(list(value.values())), "b")
        return ABSENT

    def taken(self, name: str, file: Context) -> Any:
        """Take the frames."""
        found = file.take_all(name, "biu")
        if not found:
            return {}
        parts = [found.pop(part, np.zeros(())) for part in ("numbers", "hashes", "lengths", "used")]
        numbers, hashes, lengths, used = parts
        kinds = "".join(part.dtype.kind for part in parts), *(part.ndim for part in parts)
        fits = not found and kinds == ("iuib", 1, 2, 1, 1) and hashes.dtype == np.uint8
        fits = fits and len(numbers) == len(hashes) == len(lengths) and lengths.min() >= 0
        if not fits or lengths.sum() != len(used):
            raise file.wrong(name, "the frames of segments", sorted(found))
        keys = [(n, bytes(code)) for n, code in zip(numbers.tolist(), hashes, strict=True)]
        return dict(zip(keys, np.split(used, np.cumsum(lengths)[:-1]), strict=True))


# ------------------------------------------------------------------ fields together


@dataclass(frozen=True)
class Record(Kind):
    """A dataclass or dict of fields, made anew by `make`; it `may_be_empty` as a dict."""

    fields: dict[str, Kind]
    make: Callable[..., Any] = dict
    may_be_empty: bool = False

    def pack(self, value: Any, name: str, file: Context) -> Any:
        """Return the fields."""
        if dataclasses.is_dataclass(value):
            value = {each.name: getattr(value, each.name) for each in dataclasses.fields(value)}
        if self.may_be_empty and not value:
            return None
        return pack_fields(value, self.fields, file, f"{name}.")

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        """Make it of its fields."""
        if self.may_be_empty and said is None:
            return {}
        return self.make(**unpack_fields(said, self.fields, file, f"{name}."))


def pack_fields(
    values: dict[str, Any], fields: dict[str, Kind], file: Context, prefix: str = ""
) -> dict[str, Any]:
    """Return the values of fields as JSON can hold them; other values are left out."""
    said = {
        name: kind.pack(values[name], f"{prefix}{name}", file)
        for name, kind in fields.items()
        if name in values or not kind.may_lack
    }
    return {name: each for name, each in said.items() if each is not ABSENT}


def unpack_fields(
    said: Any, fields: dict[str, Kind], file: Context, prefix: str = ""
) -> dict[str, Any]:
    """Return the values of fields, of which none may be missing or unknown."""
    if not isinstance(said, dict):
        raise file.wrong(prefix.rstrip(".") or "what is said", "fields", said)
    unknown = sorted(said.keys() - fields.keys())
    if unknown:
        raise FieldError(f"{file.owner} has no field {shorten(prefix + unknown[0])}")
    values = {
        name: kind.unpack(said.get(name, ABSENT), f"{prefix}{name}", file)
        for name, kind in fields.items()
    }
    return {n: value for n, value in values.items() if value is not None or not fields[n].may_lack}
