"""Files that are no models: each is refused in one sentence, and takes no memory."""

from __future__ import annotations

import copy
import functools
import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from make_models import FOLDER, fitted, run_python
from safetensors import safe_open
from safetensors.numpy import load_file, save

import calgan
from calgan import CalciumFactorModel, CalciumGAN, MinMaxScaler, Pipeline

SAVED = sorted(FOLDER.glob("*.calgan"))
ZEROS = "0" * 64
JSON = dict[str, Any]


@pytest.fixture(scope="module")
def made() -> Callable[[str], Any]:
    """Return a fitted model of a family, fitted once."""
    return functools.cache(fitted)


def assert_refused(path: Path, *words: str, load: Callable[[Path], Any] = calgan.load) -> str:
    """Load a file that is no model: one ValueError, one short sentence that names the file."""
    with pytest.raises(ValueError, match=re.escape(str(path))) as error:
        load(path)
    sentence = str(error.value)
    assert type(error.value) is ValueError
    assert sentence.startswith(f"{path} ")
    assert sentence.endswith(".")
    assert len(sentence) < len(str(path)) + 400
    assert "\n" not in sentence
    assert re.search("is no calgan model|is damaged|newer calgan|in format", sentence), sentence
    for word in words:
        assert word in sentence, sentence
    return sentence


@pytest.mark.parametrize("name", ["factor_model", "gan_compact"])
def test_a_damaged_file_is_refused(made: Any, name: str, tmp_path: Path) -> None:
    path, rng = tmp_path / "model", np.random.default_rng(0)
    made(name).save(path)
    whole = path.read_bytes()
    for at in rng.choice(len(whole), 200, replace=False):
        flipped = bytearray(whole)
        flipped[at] ^= 1 << rng.integers(8)
        path.write_bytes(flipped)
        assert_refused(path)
    for length in rng.choice(len(whole), 50, replace=False):
        path.write_bytes(whole[:length])
        assert_refused(path)
    for longer in (whole + b"\0", whole + whole):
        path.write_bytes(longer)
        assert_refused(path)
    path.write_bytes(whole)
    calgan.load(path)


def test_a_file_that_is_replaced_while_it_is_read_is_refused(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    made("factor_model").save(path)
    other = fitted("factor_model")
    other[-1].model_.loadings[:] = 0

    def meanwhile(*arguments: Any, **options: Any) -> Any:
        other.save(path)
        return safe_open(*arguments, **options)

    monkeypatch.setattr("calgan.io.model_files._container.safe_open", meanwhile)
    with pytest.raises(ValueError, match="model was replaced while it was read: load it again[.]$"):
        calgan.load(path)


def test_files_of_others_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for content in (b"", b"text", b"\x80\x04K\x01.", b"\x93NUMPY" + bytes(100), bytes(1000)):
        path.write_bytes(content)
        assert_refused(path, "is no calgan model", "save")
    path.write_bytes(save({"x": np.zeros(2)}))
    assert_refused(path, "is no calgan model", "save")
    path.write_bytes(save({"x": np.zeros(2)}, {"format": "pt"}))
    assert_refused(path, "is no calgan model", "save")


def test_a_model_of_another_class_is_refused(made: Any, tmp_path: Path) -> None:
    path = tmp_path / "model"
    made("factor_model").save(path)
    with pytest.raises(ValueError, match="holds a Pipeline, not a CalciumGAN"):
        CalciumGAN.load(path)
    assert isinstance(Pipeline.load(path), Pipeline)
    made("factor_model")[-1].save(path)
    assert isinstance(CalciumFactorModel.load(path), CalciumFactorModel)
    with pytest.raises(ValueError, match="holds a CalciumFactorModel, not a Pipeline"):
        Pipeline.load(path)


# Files with a valid checksum, made of safetensors and JSON alone.


def said_in(path: Path) -> JSON:
    with safe_open(path, framework="numpy") as file:
        return json.loads(file.metadata()["calgan"])


def summed(content: bytes) -> bytes:
    """Return the content of a file with its checksum in the place of 64 zeros."""
    mark = rb"\"sha256\": \"" + ZEROS.encode()
    assert content.count(mark) == 1
    digest = hashlib.sha256(content).hexdigest().encode()
    return content.replace(mark, mark[:-64] + digest)


def remade(path: Path, said: Any, tensors: dict[str, np.ndarray]) -> None:
    """Write a file that says so, and has these tensors."""
    text = said if isinstance(said, str) else json.dumps(said)
    path.write_bytes(summed(save(tensors, {"calgan": text})))


def raw(path: Path, header: str | bytes, data: bytes = b"", length: int | None = None) -> None:
    """Write a file with such a header, whatever it is."""
    header = header.encode() if isinstance(header, str) else header
    n = len(header) if length is None else length
    content = n.to_bytes(8, "little") + header + data
    path.write_bytes(summed(content) if rb"\"sha256\": \"" in header else content)


def test_the_file_is_safetensors_with_a_checksum_of_it_all(made: Any, tmp_path: Path) -> None:
    path = tmp_path / "model"
    made("factor_model").save(path)
    said, tensors = said_in(path), load_file(path)
    assert (said["format"], said["format_version"]) == ("calgan-model", 3)
    zeroed = path.read_bytes().replace(said["sha256"].encode(), ZEROS.encode())
    assert hashlib.sha256(zeroed).hexdigest() == said["sha256"]
    remade(path, said | {"sha256": ZEROS}, tensors)
    np.testing.assert_array_equal(
        calgan.load(path).sample(2, random_state=1), made("factor_model").sample(2, random_state=1)
    )
    # The same model is the same file.
    made("factor_model").save(tmp_path / "again")
    made("factor_model").save(path)
    assert path.read_bytes() == (tmp_path / "again").read_bytes()


def at(said: JSON, place: str) -> tuple[Any, Any]:
    """Return the container and key of a place in the model, such as ``steps.3.fitted.seed_``."""
    here, keys = said["model"], place.split(".")
    for key in keys[:-1]:
        here = here[int(key)] if isinstance(here, list) else here[key]
    return here, int(keys[-1]) if isinstance(here, list) else keys[-1]


REMOVED = object()
GENERATOR = "params.steps.4.1"  # of the factor model's pipeline
WINDOWER = "params.steps.3.1"
INNER = "params.steps.0.1"
SCALER = f"{INNER}.params.steps.1.1"
SORTER = f"{INNER}.params.steps.0.1"
LONG = "x" * 100_000
DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]
ODD = [None, True, 1.5, -1, 10**30, "1", LONG, [], {}, DEEP]

# Where in the file of the factor model's pipeline, and what it must not be.
WRONG: list[tuple[str, Any, str]] = [
    *((f"{SCALER}.fitted.n_features_in_", odd, "n_features_in_") for odd in [*ODD, 0, 4, 10**9]),
    *((f"{GENERATOR}.fitted.n_features_in_", odd, "n_features_in_") for odd in [*ODD, 4, 10**9]),
    *((f"{GENERATOR}.fitted.n_frames_in_", odd, "n_frames_in_") for odd in [*ODD, 10**9]),
    *((f"{GENERATOR}.fitted.seed_", odd, "seed_") for odd in [*ODD[:4], *ODD[5:]]),
    *((f"{GENERATOR}.fitted.frame_rate_", odd, "frame_rate_") for odd in [0, True, "1", 10**400]),
    *((f"{GENERATOR}.fitted.history_", odd, "history_") for odd in [None, 1.5, -1, 10**6, [], {}]),
    *((f"{GENERATOR}.fitted.fit_summary_", odd, "fit_summary_") for odd in [1, [], {"a": 1}]),
    *((f"{GENERATOR}.fitted.model_", odd, "model_") for odd in [None, 3, [], {"times": [1.0]}]),
    *((f"{GENERATOR}.fitted.roi_ids_", odd, "roi_ids_") for odd in [None, 3, ["a", "b", "c"]]),
    *((f"{GENERATOR}.fitted.fingerprint_", odd, "fingerprint_") for odd in [None, "", "Z" * 64]),
    *((f"{GENERATOR}.fitted.units_", odd, "units_") for odd in [1, LONG, []]),
    *((f"{GENERATOR}.fitted", odd, "CalciumFactorModel") for odd in [None, 3, [], "x", {}]),
    *((f"{GENERATOR}.params", odd, "CalciumFactorModel") for odd in [None, 3, [], "x", {}]),
    *((f"{GENERATOR}.params.max_iter", odd, "max_iter") for odd in [0, *ODD]),
    *((f"{GENERATOR}.params.random_state", odd, "random_state") for odd in [-1, 1.5, "1", True]),
    *((f"{GENERATOR}.params.{LONG}", 1, "CalciumFactorModel has no field") for _ in range(1)),
    (f"{GENERATOR}.fitted.extra_", 1, "no field"),
    (f"{GENERATOR}.fitted.__class__", 1, "no field"),
    (f"{GENERATOR}.fitted.seed_", REMOVED, "seed_"),
    (f"{GENERATOR}.fitted.n_features_in_", REMOVED, "n_features_in_"),
    (f"{GENERATOR}.params.max_iter", REMOVED, "max_iter"),
    (f"{GENERATOR}.fitted", REMOVED, "parts"),
    (f"{GENERATOR}.extra", 1, "parts"),
    *((f"{GENERATOR}.class", odd, "class") for odd in [*ODD, "object", "os.system", "evaluate"]),
    (f"{GENERATOR}.class", "CalciumGAN", "CalciumGAN"),
    (f"{GENERATOR}", "passthrough-and-more", "class"),
    *((GENERATOR, odd, "class") for odd in [1, [], {}, DEEP]),
    *((f"{WINDOWER}.params.window", odd, "window") for odd in [0, *ODD]),
    *((f"{SCALER}.params.feature_range", odd, "feature_range") for odd in [*ODD, [0, "1"], [0]]),
    *((f"{SCALER}.params.clip", odd, "clip") for odd in [None, 0, 1, "true"]),
    *((f"{SORTER}.params.method", odd, "method") for odd in [*ODD, "random"]),
    *(("params.steps", odd, "steps of Pipeline") for odd in [*ODD, [["a"]], [[1, None]], [[]]]),
    ("params.steps.0.0", "windower", "steps of Pipeline"),
    ("params.steps.0.0", "a__b", "steps of Pipeline"),
    ("params.steps.0.0", LONG, "steps of Pipeline"),
    ("params.steps", [[f"s{i}", None] for i in range(101)], "steps of Pipeline"),
    ("params.memory", "/tmp", "memory"),
    ("params.verbose", 0, "verbose"),
    ("params.transform_input", [1], "transform_input"),
    ("class", "GridSearchCV", "class"),
    ("class", REMOVED, "class"),
]


@pytest.fixture(scope="module")
def factor_file(made: Any, tmp_path_factory: Any) -> tuple[JSON, dict[str, np.ndarray]]:
    path = tmp_path_factory.mktemp("models") / "model"
    made("factor_model").save(path)
    return said_in(path) | {"sha256": ZEROS}, load_file(path)


def test_every_value_of_the_header_is_checked(factor_file: Any, tmp_path: Path) -> None:
    path = tmp_path / "model"
    for place, value, word in WRONG:
        said, tensors = copy.deepcopy(factor_file)
        here, key = at(said, place)
        if value is REMOVED:
            del here[key]
        else:
            here[key] = value
        remade(path, said, tensors)
        assert_refused(path, "is no calgan model", word)


def leaves_of(value: Any) -> list[tuple[Any, Any]]:
    """Return the container and key of each part of a JSON value."""
    items: Any = value.items() if isinstance(value, dict) else enumerate(value)
    found = [(value, key) for key, _ in items]
    return found + [
        leaf for _, each in items if isinstance(each, (dict, list)) for leaf in leaves_of(each)
    ]


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_a_changed_part_is_refused_or_is_another_model(path: Path, tmp_path: Path) -> None:
    rng, whole, all_tensors = np.random.default_rng(0), said_in(path), load_file(path)
    n_refused, target = 0, tmp_path / "model"
    for _ in range(60):
        said, tensors = copy.deepcopy(whole) | {"sha256": ZEROS}, dict(all_tensors)
        if rng.random() < 0.7:
            leaves = leaves_of(said["model"])
            here, key = leaves[rng.integers(len(leaves))]
            here[key] = ODD[rng.integers(len(ODD))]
        else:
            name = list(tensors)[rng.integers(len(tensors))]
            old = tensors.pop(name)
            changed = [None, old[None], old[..., :-1] if old.ndim else old[None], old.astype("i8")]
            new = changed[rng.integers(4)]
            tensors |= {} if new is None else {name: np.ascontiguousarray(new)}
        remade(target, said, tensors)
        try:
            calgan.load(target)
        except ValueError:
            n_refused += 1
            assert_refused(target, "is no calgan model")
    assert n_refused > 40


def test_pipelines_may_not_be_nested_without_end(factor_file: Any, tmp_path: Path) -> None:
    said, tensors = copy.deepcopy(factor_file)
    for _ in range(100):
        params = said["model"]["params"] | {"steps": [["inner", said["model"]]]}
        said["model"] = {"class": "Pipeline", "params": params, "fitted": {}}
    remade(tmp_path / "model", said, tensors)
    assert_refused(tmp_path / "model", "nested")
    deep: Any = MinMaxScaler().fit(np.eye(3))
    for _ in range(20):
        deep = Pipeline([("inner", deep)])
    with pytest.raises(ValueError, match="nested"):
        deep.save(tmp_path / "model")


LOADINGS = "steps.4.model_.loadings"
TENSORS: list[tuple[str, Any, str]] = [
    (LOADINGS, REMOVED, "model_.loadings"),
    (LOADINGS, np.zeros((3, 2), np.int64), "model_.loadings"),
    (LOADINGS, np.zeros((3, 2), np.float16), "model_.loadings"),
    (LOADINGS, np.zeros((2, 3)), "model_.loadings"),
    (LOADINGS, np.zeros(3), "model_.loadings"),
    (LOADINGS, np.zeros((0, 10**12)), "model_.loadings"),
    (LOADINGS, np.full((3, 2), np.nan), "model_.loadings"),
    (LOADINGS, np.full((3, 2), np.inf), "model_.loadings"),
    ("steps.4.model_.decay", np.full(3, 1.5), "model_.decay"),
    ("steps.4.model_.decay", np.full(3, -0.5), "model_.decay"),
    ("steps.4.fit_summary_.sd_ratio", np.zeros(4), "sd_ratio"),
    ("steps.4.fit_summary_.mismatched", np.zeros(2), "mismatched"),
    ("steps.4.history_/step", np.zeros((2, 2)), "history_"),
    ("steps.4.history_/step", np.zeros(3, np.int64), "history_"),
    ("steps.4.history_/a/b/c", np.zeros(2), "history_"),
    ("steps.4.history_/step/rows", np.array([0, 9]), "history_"),
    ("steps.4.history_/step/rows", np.array([0, -1]), "history_"),
    ("steps.4._frames_used_/lengths", np.array([-1]), "_frames_used_"),
    ("steps.4._frames_used_/lengths", np.array([2**62]), "_frames_used_"),
    ("steps.4._frames_used_/used", REMOVED, "_frames_used_"),
    ("steps.4.roi_ids_/text", np.zeros((4, 2), np.uint32), "roi_ids_"),
    ("steps.4.roi_ids_/text", np.full((3, 1), 0x110000, np.uint32), "roi_ids_"),
    ("steps.4.roi_ids_", np.arange(3), "tensor"),
    ("steps.0.steps.0.order_", np.array([0, 1, 1]), "order_"),
    ("steps.0.steps.0.order_", np.array([0, 1, 10**9]), "order_"),
    ("steps.0.steps.1.data_min_", np.zeros((3, 2, 2)), "data_min_"),
    ("steps.0.steps.1.data_min_", np.zeros(4), "data_min_"),
    ("steps.0.steps.1.data_min_/a", np.zeros(4), "tensor"),
    ("extra", np.zeros(1), "tensor"),
    (LONG[:5000], np.zeros(1), "tensor"),
]


def test_every_tensor_is_checked(factor_file: Any, tmp_path: Path) -> None:
    path = tmp_path / "model"
    for name, value, word in TENSORS:
        said, tensors = copy.deepcopy(factor_file)
        if value is REMOVED:
            del tensors[name]
        else:
            tensors[name] = value
        remade(path, said, tensors)
        assert_refused(path, "is no calgan model", word)


def test_versions_are_told_apart(factor_file: Any, tmp_path: Path) -> None:
    path = tmp_path / "model"
    said, tensors = factor_file
    for version in (None, 0, -1, 3.0, "3", True, [], LONG):
        remade(path, said | {"format_version": version}, tensors)
        assert_refused(path, "is no calgan model: its format_version is")
    remade(path, {k: v for k, v in said.items() if k != "format_version"}, tensors)
    assert_refused(path, "format_version is None")
    remade(path, said | {"format_version": 2}, tensors)
    assert_refused(path, "in format 2", "fit the model again")
    remade(path, said | {"format_version": 4, "calgan_version": "9.9"}, tensors)
    assert_refused(path, "was saved by a newer calgan ('9.9'): upgrade calgan")
    for odd in (None, 3, LONG, []):
        remade(path, said | {"format_version": 10**30, "calgan_version": odd}, tensors)
        assert_refused(path, "newer calgan")
    remade(path, said | {"calgan_version": "0.0.1"}, tensors)
    assert isinstance(calgan.load(path), Pipeline)  # without a warning: nothing was changed


def test_an_older_format_is_brought_to_the_present_one(
    factor_file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    remade(path, *factor_file)

    def change(model: JSON, tensors: dict[str, np.ndarray]) -> str:
        model["params"]["steps"][3][1]["params"]["stride"] = 2
        return "the stride is 2"

    for module in ("_container", "_models"):
        monkeypatch.setattr(f"calgan.io.model_files.{module}.FORMAT_VERSION", 5)
    migrations = {3: change, 4: lambda model, tensors: ""}
    monkeypatch.setattr("calgan.io.model_files._models.MIGRATIONS", migrations)
    with pytest.warns(
        UserWarning, match="was saved by an older calgan: the stride is 2[.]$"
    ) as told:
        model = calgan.load(path)
    assert [each.filename for each in told] == [__file__]
    assert model["windower"].stride == 2


def test_metadata_are_checked(factor_file: Any, tmp_path: Path) -> None:
    path = tmp_path / "model"
    said, tensors = factor_file
    for change in (
        {"model": None},
        {"model": [said["model"]]},
        {"calgan_version": 1},
        {"extra": 1},
        {"format": "other"},
    ):
        remade(path, said | change, tensors)
        assert_refused(path, "is no calgan model")
    whole = json.dumps(said)
    twice = whole.replace('"model": {', '"model": 1, "model": {', 1)
    for text in (
        twice,
        whole.replace('"n_iter_": 2', '"n_iter_": NaN'),
        whole.replace('"n_iter_": 2', '"n_iter_": -Infinity'),
        whole.replace('"n_iter_": 2', '"n_iter_": 1e999'),
        whole.replace('"n_iter_": 2', f'"n_iter_": {"9" * 5000}'),
        whole.replace('"n_iter_": 2', f'"n_iter_": {"[" * 5000}{"]" * 5000}'),
        whole[:-1],
    ):
        assert text != whole
        remade(path, text, tensors)
        assert_refused(path, "is no calgan model")


def hostile_files(folder: Path, factor_file: Any, gan_file: Path) -> list[Path]:
    """Write files that ask for much memory, or are no safetensors."""
    paths: list[Path] = []

    def path() -> Path:
        paths.append(folder / f"hostile-{len(paths)}")
        return paths[-1]

    said, tensors = factor_file
    text = json.dumps(json.dumps(said))
    meta = f'"__metadata__":{{"calgan":{text}}}'
    for length in (0, 7, 2**20, 2**31, 2**63, 2**64 - 1):
        raw(path(), "{" + meta + "}", length=length)
    million = 2**20 - 100 - len(meta)
    for filler in ("[", "[],", '{"":0},'):
        many = filler * (million // len(filler) - 20)
        raw(path(), "{" + meta + f',"x":[{many}0]}}')
        inner = json.dumps(said)[:-1] + f', "x": [{many[: len(many) // 3]}0]}}'
        raw(path(), json.dumps({"__metadata__": {"calgan": inner}}))
    raw(path(), "[" * 10**6)
    raw(path(), "{" + meta + "," + ",".join(f'"{i}":0' for i in range(80_000)) + "}")
    raw(path(), "{" + meta + ',"__metadata__":{}}')
    raw(path(), "{" + meta + ',"x":NaN}')
    raw(path(), ("{" + meta + "}").encode("utf-16"))
    for entry in (
        {"dtype": "F32", "shape": [10**9, 10**9], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2**62, 4], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 2**63]},
        {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]},
        {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]},
        {"dtype": "F32", "shape": [1] * 1000 + [2], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [0] * 1000, "data_offsets": [0, 8]},
        {"dtype": "object", "shape": [1], "data_offsets": [0, 8]},
        {"dtype": "BF16", "shape": [4], "data_offsets": [0, 8]},
        {"dtype": "F8_E4M3", "shape": [8], "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": "2", "data_offsets": [0, 8]},
        {"dtype": "F32", "shape": [2], "data_offsets": [0, 8], "extra": 1},
        [],
        LONG,
    ):
        raw(path(), "{" + meta + ',"x":' + json.dumps(entry) + "}", bytes(8))

    said, tensors = said_in(gan_file) | {"sha256": ZEROS}, load_file(gan_file)
    fitted, settings = "params.steps.1.1.fitted", "params.steps.1.1.fitted.settings_"
    for place, value in [
        *((f"{fitted}.n_features_in_", n) for n in (4, 10**9)),
        *((f"{fitted}.n_frames_in_", n) for n in (10**7, 10**9)),
        *((f"{fitted}.n_channels_in_", n) for n in (-1, 1.5, True, 2, 1000, 10**9)),
        *((f"{settings}.filters", n) for n in (3, 10**5, 10**9, -1)),
        *((f"{settings}.noise_size", n) for n in (17, 10**6, 10**9)),
        *((f"{settings}.kernel_size", n) for n in (7, 10**4, 10**9, 0)),
        *((f"{settings}.max_depth", n) for n in (10**9, 1.5)),
        *((f"{settings}.network", name) for name in ("wavegan", "wavegan2d", "compact-patches")),
        *((f"{settings}.betas", odd) for odd in ([2, 2], [0.5], "x")),
        (f"{settings}.ema", 1.0),
        (f"{settings}.loss", "hinge"),
        (f"{fitted}.training.best_score", "low"),
        (f"{fitted}.training.best_step", 0.5),
        (f"{fitted}.validation_baseline_", {"a": "b"}),
        (f"{fitted}.history_", 3),
        (f"{fitted}.n_iter_", 10**6),
    ]:
        changed = copy.deepcopy(said)
        here, key = at(changed, place)
        here[key] = value
        remade(path(), changed, tensors)
    networks = "steps.1.networks"
    some = next(name for name in tensors if name.startswith(f"{networks}/kept/"))
    moment = next(name for name in tensors if name.endswith("exp_avg"))
    for name, value in [
        (some, REMOVED),
        (some, np.zeros((7, 7), np.float32)),
        (some, tensors[some].astype(np.float64)),
        (f"{some}/a", tensors[some]),
        (f"{networks}/kept", np.zeros(2)),
        (f"{networks}/kept/other", np.zeros(2)),
        (f"{networks}/weights", np.zeros(2)),
        (f"{networks}/other/a", np.zeros(2)),
        (moment, REMOVED),
        (moment, np.zeros((7, 7), np.float32)),
        (f"{networks}/optimizers/generator/999/exp_avg", np.zeros(2, np.float32)),
        (f"{networks}/optimizers/generator/x/exp_avg", np.zeros(2, np.float32)),
        (f"{networks}/optimizers/none/0/exp_avg", np.zeros(2, np.float32)),
        (f"{networks}/{'a/' * 5000}b", np.zeros(2, np.float32)),
    ]:
        changed_tensors = {k: v for k, v in tensors.items() if k != name}
        if value is not REMOVED:
            changed_tensors[name] = value
        remade(path(), said, changed_tensors)
    return paths


def test_hostile_files_are_refused_and_take_no_memory(
    made: Any, factor_file: Any, tmp_path: Path
) -> None:
    made("gan_compact").save(tmp_path / "gan")
    paths = hostile_files(tmp_path, factor_file, tmp_path / "gan")
    out = run_python(
        """
        import json, resource, sys, calgan
        calgan.load("gan")  # torch is loaded
        most = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        before, said = most(), {}
        for path in sys.argv[1:]:
            try:
                calgan.load(path)
            except ValueError as error:
                said[path] = type(error).__name__, str(error)
        print(json.dumps([most() - before, said]))
        """,
        tmp_path,
        *paths,
    )
    megabytes, said = json.loads(out)
    assert megabytes < 200
    for path in paths:
        assert str(path) in said, f"{path} was loaded: {path.read_bytes()[:300]!r}"
        kind, sentence = said[str(path)]
        assert kind == "ValueError"
        assert sentence.startswith(f"{path} ")
        assert len(sentence) < len(str(path)) + 400
        assert "\n" not in sentence
