"""What a field of a model file may hold: each kind is checked alike when it is saved and loaded."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from calgan.generators._container import ModelFileError, shorten
from calgan.generators.settings import plain

ABSENT: Any = type("Absent", (), {})()  # of a field that JSON does not hold
MOST = 10**9  # neurons, frames, steps


@dataclass
class Context:
    """The tensors of a file, and what is known of the object that is read or written."""

    arrays: dict[str, NDArray[Any]]
    owner: str = ""
    sizes: dict[str, int] = field(default_factory=dict)  # N neurons, T frames, and any others
    depth: int = 0

    def within(self, owner: str, sizes: Iterable[str]) -> Context:
        """Return the context of an object in this one, of the same sizes."""
        known = {name: self.sizes[name] for name in sizes if name in self.sizes}
        return Context(self.arrays, owner, known, self.depth + 1)

    def wrong(self, name: str, what: str, value: Any) -> ModelFileError:
        """Say that a field is not what it must be."""
        attribute = name.rpartition(".")[2]
        return ModelFileError(f"{attribute} of {self.owner} must be {what}, got {shorten(value)}")


class Kind:
    """What a field holds. Tensors go by the name of the field; the rest is returned as JSON."""

    may_lack: bool = False  # whether an object need not have the attribute

    def pack(self, value: Any, name: str, file: Context) -> Any:
        """Return a value as JSON can hold it, and put its arrays into the file."""
        raise NotImplementedError

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        """Return the value of what `pack` returned; it may be anything that JSON can hold."""
        raise NotImplementedError


@dataclass(frozen=True)
class Plain(Kind):
    """A value that JSON holds as it is, and that passes a check."""

    check: Callable[[Any], bool]
    what: str

    def pack(self, value: Any, name: str, file: Context) -> Any:
        return self.unpack(plain(value), name, file)

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        if said is ABSENT:
            raise ModelFileError(f"{name.rpartition('.')[2]} of {file.owner} is missing")
        if not self.check(said):
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


def is_real(value: Any) -> bool:
    """Tell whether a value is a finite number, and no boolean."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 1e300 if isinstance(value, int) else math.isfinite(value)


def real(least: float = -math.inf, most: float = math.inf, *, above: float = -math.inf) -> Plain:
    """Hold a finite number within limits."""
    limits = [f" of at least {least:g}"] if least > -math.inf else []
    limits += [f" above {above:g}"] if above > -math.inf else []
    limits += [f" of at most {most:g}"] if most < math.inf else []
    return Plain(
        lambda v: is_real(v) and least <= v <= most and v > above,
        f"a finite number{' and'.join(limits)}",
    )


def text(*choices: str, most: int = 500) -> Plain:
    """Hold one of some texts, or any short one."""
    if choices:
        return Plain(lambda v: isinstance(v, str) and v in choices, " or ".join(map(repr, choices)))
    return Plain(lambda v: isinstance(v, str) and len(v) <= most, f"a text of {most} characters")


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


def _is_pair(value: Any) -> bool:
    return isinstance(value, (tuple, list)) and len(value) == 2 and all(map(is_real, value))


@dataclass(frozen=True)
class Pair(Kind):
    """Two numbers."""

    def pack(self, value: Any, name: str, file: Context) -> Any:
        value = value.tolist() if isinstance(value, np.ndarray) else value
        value = [plain(each) for each in value] if isinstance(value, (tuple, list)) else value
        return list(self.unpack(value, name, file))

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        if not _is_pair(said):
            raise file.wrong(name, "two finite numbers", None if said is ABSENT else said)
        return tuple(said)


class Settings(Kind):
    """None, or a dict of settings: numbers, texts, and pairs of numbers."""

    _values = mapping(
        Plain(
            lambda v: v is None or isinstance(v, bool) or is_real(v) or _is_pair(v) or
            (isinstance(v, str) and len(v) <= 60),
            "a number, a text or two numbers",
        )
    )  # fmt: skip

    def pack(self, value: Any, name: str, file: Context) -> Any:
        if isinstance(value, dict):
            value = {
                key: [plain(part) for part in each]
                if isinstance(each, (tuple, list, np.ndarray))
                else plain(each)
                for key, each in value.items()
            }
        self.unpack(value, name, file)
        return value

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        if said is None:
            return None
        values = self._values.unpack(said, name, file)
        return {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}


@dataclass(frozen=True)
class Array(Kind):
    """An array of numbers: of a kind, a shape in terms of sizes, and within limits."""

    shapes: tuple[str, ...]  # such as "N,K"; a size that is not known yet becomes known
    kinds: str = "f"
    least: float = -math.inf
    most: float = math.inf
    finite: bool = True
    optional: bool = False  # may be None
    as_list: bool = False

    def pack(self, value: Any, name: str, file: Context) -> Any:
        if value is not None or not self.optional:
            array = np.asarray(value)
            if array.size == 0 and self.as_list:
                array = array.astype("i8" if self.kinds == "i" else "f8")
            file.arrays[name] = self._checked(array, name, file)
        return ABSENT

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        if said is not ABSENT:
            raise file.wrong(name, "a tensor", said)
        array = file.arrays.pop(name, None)
        if array is None:
            if self.optional:
                return None
            raise ModelFileError(f"{name.rpartition('.')[2]} of {file.owner} is missing")
        self._checked(array, name, file)
        return array.tolist() if self.as_list else array[()]

    def _checked(self, array: NDArray[Any], name: str, file: Context) -> NDArray[Any]:
        what = f"of shape {' or '.join(f'({shape})' for shape in self.shapes)}"
        if not any(self._fits(array.shape, shape, file.sizes) for shape in self.shapes):
            sizes = ", ".join(f"{k} = {v}" for k, v in file.sizes.items())
            raise file.wrong(name, f"{what} with {sizes}", array.shape)
        if array.dtype.kind not in self.kinds or array.dtype.str[1:] not in _DTYPES:
            raise file.wrong(name, "of another type", str(array.dtype))
        if self.finite and array.dtype.kind == "f" and not np.isfinite(array).all():
            raise ModelFileError(
                f"{name.rpartition('.')[2]} of {file.owner} holds numbers not finite"
            )
        limited = array[~np.isnan(array)] if array.dtype.kind == "f" else array
        if limited.size and not (self.least <= limited.min() and limited.max() <= self.most):
            raise ModelFileError(
                f"{name.rpartition('.')[2]} of {file.owner} holds numbers outside "
                f"{self.least:g} to {self.most:g}"
            )
        return array

    @staticmethod
    def _fits(shape: tuple[int, ...], wanted: str, sizes: dict[str, int]) -> bool:
        names = [name for name in wanted.split(",") if name]
        if len(names) != len(shape):
            return False
        known = dict(sizes)
        if any(known.setdefault(n, size) != size for n, size in zip(names, shape, strict=True)):
            return False
        sizes.update(known)
        return True


_DTYPES = {"b1", "u1", "u4", "u8", "i4", "i8", "f4", "f8"}


@dataclass(frozen=True)
class Ids(Kind):
    """None, or a number or text for each neuron."""

    may_lack: bool = False
    _numbers: ClassVar[Array] = Array(("N",), "biuf", optional=True)
    _texts: ClassVar[Array] = Array(("N,L",), "u", most=0x10FFFF, optional=True)

    def pack(self, value: Any, name: str, file: Context) -> Any:
        if value is None:
            return ABSENT
        array = np.asarray(value)
        if array.dtype.kind == "O" and all(isinstance(each, str) for each in array.flat):
            array = array.astype(str)
        if array.dtype.kind != "U":
            return self._numbers.pack(array, name, file)
        code = np.ascontiguousarray(array).view("u4").reshape(*array.shape, -1)
        return self._texts.pack(code, f"{name}_text", file.within(file.owner, "N"))

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        code = self._texts.unpack(ABSENT, f"{name}_text", file.within(file.owner, "N"))
        if code is None:
            return self._numbers.unpack(said, name, file)
        texts = np.ascontiguousarray(code).view(f"U{code.shape[1]}").reshape(len(code))
        return texts.astype(object) if self.may_lack else texts  # sklearn's names are objects


class Table(Kind):
    """Rows of numbers (dicts), kept as columns; a row need not have all of them."""

    def pack(self, value: Any, name: str, file: Context) -> Any:
        columns: dict[str, tuple[list[int], list[Any]]] = {}
        for number, row in enumerate(value):
            for key, each in row.items():
                numbers, values = columns.setdefault(key, ([], []))
                numbers.append(number)
                values.append(plain(each))
        for key, (numbers, values) in columns.items():
            file.arrays[f"{name}/{key}"] = np.array(values)
            if len(numbers) < len(value):
                file.arrays[f"{name}/{key}/rows"] = np.array(numbers)
        return len(value)

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        n_rows = integer().unpack(said, name, file)
        columns = tensors_of(file, f"{name}/", "if")
        # Each row has a number at least: no claim makes more rows than the file holds.
        if n_rows > max(map(len, columns.values()), default=0):
            raise file.wrong(name, "as long as its columns", n_rows)
        rows: list[dict[str, Any]] = [{} for _ in range(n_rows)]
        for key in [key for key in columns if not key.endswith("/rows")]:
            values = columns[key]
            where = columns.get(f"{key}/rows", np.arange(n_rows))
            fits = values.ndim == 1 and where.shape == values.shape and where.dtype.kind == "i"
            if not fits or (len(where) and (where.min() < 0 or where.max() >= n_rows)):
                raise file.wrong(f"{name}.{key}", f"a column for {n_rows} rows", values.shape)
            for row, value in zip(where.tolist(), values.tolist(), strict=True):
                rows[row][key] = value
        if any(key.removesuffix("/rows") not in columns for key in columns):
            raise file.wrong(name, "a table", list(columns))
        return rows


class Tree(Kind):
    """Nested dicts of arrays, such as the weights of networks."""

    def pack(self, value: Any, name: str, file: Context) -> Any:
        for key, each in value.items():
            if isinstance(each, dict):
                self.pack(each, f"{name}/{key}", file)
            else:
                file.arrays[f"{name}/{key}"] = np.asarray(each)
        return ABSENT

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        if said is not ABSENT:
            raise file.wrong(name, "tensors", said)
        tree: dict[str, Any] = {}
        for path, array in tensors_of(file, f"{name}/", "fiub").items():
            *folders, leaf = path.split("/")
            place = tree
            for folder in folders:
                place = place.setdefault(folder, {})
                if not isinstance(place, dict):
                    raise file.wrong(name, "tensors whose names do not clash", path)
            if leaf in place:
                raise file.wrong(name, "tensors whose names do not clash", path)
            place[leaf] = array
        return tree


def tensors_of(file: Context, prefix: str, kinds: str) -> dict[str, NDArray[Any]]:
    """Take the tensors whose names begin so."""
    names = [name for name in file.arrays if name.startswith(prefix)]
    found = {name.removeprefix(prefix): file.arrays.pop(name) for name in names}
    for name, array in found.items():
        if array.dtype.kind not in kinds or array.dtype.str[1:] not in _DTYPES:
            raise file.wrong(f"{prefix}{name}", "of another type", str(array.dtype))
    return found


class Frames(Kind):
    """The frames that windows hold, by number and hash of their segment."""

    def pack(self, value: Any, name: str, file: Context) -> Any:
        if value:
            file.arrays[f"{name}/frames"] = np.concatenate(list(value.values()))
            file.arrays[f"{name}/lengths"] = np.array([len(each) for each in value.values()])
            file.arrays[f"{name}/numbers"] = np.array([number for number, _ in value])
            hashes = np.frombuffer(b"".join(code for _, code in value), dtype=np.uint8)
            file.arrays[f"{name}/hashes"] = hashes.reshape(len(value), -1)
        return ABSENT

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        found = tensors_of(file, f"{name}/", "biu")
        if said is ABSENT and not found:
            return {}
        frames, lengths, numbers, hashes = (
            found.get(part, np.zeros(())) for part in ("frames", "lengths", "numbers", "hashes")
        )
        shapes = frames.ndim, lengths.ndim, hashes.ndim, numbers.shape
        fits = shapes == (1, 1, 2, lengths.shape) and len(hashes) == len(lengths)
        fits = fits and frames.dtype == bool and hashes.dtype == np.uint8 and len(found) == 4
        if not fits or said is not ABSENT or lengths.min() < 0 or lengths.sum() != len(frames):
            raise file.wrong(name, "the frames of segments", list(found))
        parts = np.split(frames, np.cumsum(lengths)[:-1])
        keys = [(int(n), code.tobytes()) for n, code in zip(numbers, hashes, strict=True)]
        return dict(zip(keys, parts, strict=True))


@dataclass(frozen=True)
class Record(Kind):
    """A dataclass or dict of fields, made anew by `make`; an empty dict if it may be `empty`."""

    fields: dict[str, Kind]
    make: Callable[..., Any] = dict
    empty: bool = False

    def pack(self, value: Any, name: str, file: Context) -> Any:
        values = value if isinstance(value, dict) else {
            each.name: getattr(value, each.name) for each in dataclasses.fields(value)
        }  # fmt: skip
        if self.empty and not values:
            return {}
        return pack_fields(values, self.fields, f"{name}.", file) or ABSENT

    def unpack(self, said: Any, name: str, file: Context) -> Any:
        if self.empty and said == {}:
            return {}
        said = {} if said is ABSENT else said
        return self.make(**unpack_fields(said, self.fields, f"{name}.", file))


def pack_fields(
    values: dict[str, Any], fields: dict[str, Kind], prefix: str, file: Context
) -> dict[str, Any]:
    """Return the fields as JSON."""
    packed = {
        name: kind.pack(values[name], f"{prefix}{name}", file)
        for name, kind in fields.items()
        if name in values or not kind.may_lack
    }
    return {name: said for name, said in packed.items() if said is not ABSENT}


def unpack_fields(said: Any, fields: dict[str, Kind], prefix: str, file: Context) -> dict[str, Any]:
    """Return the values of fields, of which none may be missing or unknown."""
    if not isinstance(said, dict):
        raise ModelFileError(f"is no calgan model: {file.owner} is {shorten(said)}")
    unknown = said.keys() - fields.keys()
    if unknown:
        raise ModelFileError(
            f"is no calgan model: {file.owner} has no field {shorten(min(unknown))}"
        )
    values = {
        name: kind.unpack(said.get(name, ABSENT), f"{prefix}{name}", file)
        for name, kind in fields.items()
    }
    return {
        name: value
        for name, value in values.items()
        if value is not None or not fields[name].may_lack
    }
