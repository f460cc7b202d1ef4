"""Files of models: what comes back, what cannot be saved, and what the system refuses."""

from __future__ import annotations

import functools
import os
import re
import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sklearn.pipeline
from make_models import FOLDER, MODELS, drawn, fitted, pipeline, recording, run_python
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import calgan
from calgan import (
    CalciumFactorModel,
    CalciumGAN,
    DichotomizedGaussianCalcium,
    MinMaxScaler,
    NeuronSorter,
    Pipeline,
    Recording,
    Windower,
    make_calcium_pipeline,
)

SAVED = sorted(FOLDER.glob("*.calgan"))
JSON = dict[str, Any]


@pytest.fixture(scope="module")
def made() -> Callable[[str], Any]:
    """Return a fitted model of a family, fitted once."""
    return functools.cache(fitted)


def steps_of(model: Any) -> list[Any]:
    """Return all objects that a model consists of."""
    found = [model]
    for step in [step for _, step in getattr(model, "steps", [])]:
        found += [] if step is None or isinstance(step, str) else steps_of(step)
    for name in ("encoding_", "deconvolver_", "spike_model_"):
        found += steps_of(getattr(model, name)) if hasattr(model, name) else []
    return found


def assert_same_draws(a: dict[str, np.ndarray], b: dict[str, np.ndarray], **kwargs: float) -> None:
    assert a.keys() == b.keys()
    for name in a:
        np.testing.assert_allclose(a[name], b[name], err_msg=name, **kwargs)


# ------------------------------------------------------------------ what is saved comes back


@pytest.mark.parametrize("name", MODELS)
def test_a_loaded_model_is_the_one_that_was_saved(made: Any, name: str, tmp_path: Path) -> None:
    model = made(name)
    model.save(tmp_path / "model.calgan")
    again = calgan.load(tmp_path / "model.calgan")
    assert [path.name for path in tmp_path.iterdir()] == ["model.calgan"]
    assert_same_draws(drawn(again), drawn(model), rtol=0)
    for old, new in zip(steps_of(model), steps_of(again), strict=True):
        assert type(old) is type(new)
        assert vars(old).keys() == vars(new).keys()
        for key in ("history_", "fit_summary_", "settings_", "n_iter_", "stopped_", "seed_"):
            assert getattr(old, key, None) == getattr(new, key, None), key
        for key in ("roi_ids_", "positions_", "feature_names_in_"):
            np.testing.assert_array_equal(getattr(old, key, None), getattr(new, key, None))
    assert str(model.get_params()) == str(again.get_params())


@pytest.mark.parametrize("path", SAVED, ids=lambda path: path.stem)
def test_a_file_loads_for_ever(path: Path) -> None:
    assert path.stat().st_size < 200_000
    with np.load(path.with_suffix(".npz")) as expected:
        assert_same_draws(drawn(calgan.load(path)), dict(expected), rtol=1e-4, atol=1e-5)


def test_every_family_has_a_file() -> None:
    assert {path.stem.rpartition("-")[0] for path in SAVED} == set(MODELS)


def test_a_recording_of_a_loaded_model_knows_where_it_comes_from(made: Any, tmp_path: Path) -> None:
    for name in ("factor_model", "dichotomized_gaussian"):
        model = made(name)
        model.save(tmp_path / name)
        sampled = calgan.load(tmp_path / name).sample_recording(5.0, random_state=0)
        assert sampled == model.sample_recording(5.0, random_state=0)
        assert sampled.roi_ids.tolist() == ["a", "b7", "µ"]
        assert (sampled.units, sampled.frame_rate) == ("dF/F", 10.0)
        np.testing.assert_array_equal(
            sampled.metadata["positions"], recording().metadata["positions"]
        )
        assert sampled.metadata["model"] == model[-1].fingerprint_
        assert re.fullmatch("[0-9a-f]{64}", sampled.metadata["model"])


def test_the_fingerprint_is_that_of_the_training_data() -> None:
    traces = np.array(recording().traces)
    other = np.where(np.arange(len(traces))[:, None] == 7, traces + 1, traces)
    prints = [
        DichotomizedGaussianCalcium(10.0).fit(Windower(16).fit_transform(each)).fingerprint_
        for each in (traces, traces.copy(), other)
    ]
    assert prints[0] == prints[1] != prints[2]


@pytest.mark.parametrize("name", ["gan_compact", "flow"])
def test_training_goes_on_after_loading(name: str, tmp_path: Path) -> None:
    part, whole = fitted(name), MODELS[name]()
    done = part[-1].n_iter_
    for model in (part, whole):
        model[-1].set_params(max_iter=done + 3, warm_start=True)
    part.save(tmp_path / "part")
    part = calgan.load(tmp_path / "part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        draws = [drawn(model.fit(recording())) for model in (part, whole)]
    assert part[-1].n_iter_ == done + 3
    assert part[-1].history_ == whole[-1].history_
    assert_same_draws(*draws, rtol=0)


def test_what_a_column_may_be_named_comes_back(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(recording().traces, columns=["first", "β", ""])
    model = Pipeline([("scaler", MinMaxScaler().fit(frame)), ("sorter", NeuronSorter().fit(frame))])
    model.save(tmp_path / "model")
    again = calgan.load(tmp_path / "model")
    assert again[0].feature_names_in_.tolist() == ["first", "β", ""]
    assert again.transform(frame).tolist() == model.transform(frame).tolist()


def test_a_sorter_has_positions_of_its_own_beside_those_of_the_recording(tmp_path: Path) -> None:
    sorter = NeuronSorter("position", positions=np.eye(3)).fit(recording())
    assert sorter.positions_.shape == (3, 2)
    Pipeline([("sorter", sorter)]).save(tmp_path / "model")
    again = calgan.load(tmp_path / "model")[0]
    np.testing.assert_array_equal(again.positions, sorter.positions)
    np.testing.assert_array_equal(again.positions_, sorter.positions_)


def test_a_random_generator_is_saved_as_the_seed_that_it_gives_next(tmp_path: Path) -> None:
    for random_state in (np.random.default_rng(3), np.random.RandomState(3)):
        model = DichotomizedGaussianCalcium(10.0, random_state=random_state)
        model.fit(Windower(16).fit_transform(recording()))
        model.save(tmp_path / "model")
        again = DichotomizedGaussianCalcium.load(tmp_path / "model")
        np.testing.assert_array_equal(again.sample(2), model.sample(2))


def test_numbers_of_numpy_are_saved_as_numbers(tmp_path: Path) -> None:
    model = pipeline(Windower(np.int64(16)), CalciumFactorModel(max_iter=np.int32(1)))
    model.set_params(calciumfactormodel__random_state=np.int64(3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(recording()).save(tmp_path / "model")
    assert str(calgan.load(tmp_path / "model").get_params(deep=False)) == re.sub(
        r"np\.int\d+\((\d+)\)", r"\1", str(model.get_params(deep=False))
    )


def test_models_without_networks_load_without_torch(made: Any, tmp_path: Path) -> None:
    for name in ("factor_model", "dichotomized_gaussian"):
        made(name).save(tmp_path / name)
    run_python(
        """
        import sys
        class NotInstalled:
            def find_spec(self, name, path=None, target=None):
                assert name.split(".")[0] not in ("torch", "lightning_fabric")
        sys.meta_path.insert(0, NotInstalled())
        def refuse(event, arguments):
            assert not event.startswith("socket.connect"), "the network is asked"
        sys.addaudithook(refuse)
        import numpy, calgan
        for name in ("factor_model", "dichotomized_gaussian"):
            model = calgan.load(name)
            recording = model.sample_recording(2.0, random_state=1)
            numpy.savez(name, sample=model.sample(2, random_state=1), recording=recording.traces)
        """,
        tmp_path,
    )
    for name in ("factor_model", "dichotomized_gaussian"):
        with np.load(tmp_path / f"{name}.npz") as there:
            here = made(name).sample_recording(2.0, random_state=1).traces
            np.testing.assert_array_equal(there["sample"], made(name).sample(2, random_state=1))
            np.testing.assert_array_equal(there["recording"], here)


def test_a_recording_of_a_generator_without_a_fingerprint_names_no_model() -> None:
    from stand_in import NoiseRecorder

    windows = Windower(16).fit_transform(Recording(np.array(recording().traces), 10.0))
    sampled = NoiseRecorder().fit(windows).sample_recording(5.0)
    assert "model" not in sampled.metadata


def test_a_stock_pipeline_in_a_pipeline_stays_one(made: Any, tmp_path: Path) -> None:
    model = made("gan_encoded")
    model.save(tmp_path / "model")
    assert type(calgan.load(tmp_path / "model")[1]) is sklearn.pipeline.Pipeline


# ------------------------------------------------------------------ what cannot be saved


class Users(TransformerMixin, BaseEstimator):
    """A step of a user's own."""

    def fit(self, X: Any, y: Any = None) -> Users:
        self.fitted_ = True
        return self

    def transform(self, X: Any) -> Any:
        return X


class MinMaxScalerOfUser(MinMaxScaler):
    """A step that is calgan's but for a user's code."""


MinMaxScalerOfUser.__name__ = "MinMaxScaler"


@pytest.mark.parametrize(
    "step", [StandardScaler(), FunctionTransformer(), Users(), MinMaxScalerOfUser()]
)
@pytest.mark.parametrize("nested", [False, True])
def test_a_step_of_others_is_refused_by_name(step: Any, nested: bool, tmp_path: Path) -> None:
    inner: Any = Pipeline([("theirs", step)]) if nested else step
    model = Pipeline([("outer" if nested else "theirs", inner), ("scaler", MinMaxScaler())])
    model.fit(recording().traces)
    with pytest.raises(TypeError) as error:
        model.save(tmp_path / "model")
    sentence = str(error.value)
    assert sentence.startswith(f"step 'theirs' ({type(step).__name__}) cannot be saved")
    assert "joblib.dump" in sentence
    assert "can run code" in sentence
    assert list(tmp_path.iterdir()) == []


def test_a_class_of_others_is_refused(tmp_path: Path) -> None:
    class Mine(DichotomizedGaussianCalcium):
        pass

    model = Mine(10.0).fit(Windower(16).fit_transform(recording()))
    with pytest.raises(TypeError, match="^A Mine cannot be saved.*joblib.dump"):
        model.save(tmp_path / "model")


def test_what_is_not_fitted_is_refused(tmp_path: Path) -> None:
    for model in (CalciumFactorModel(), make_calcium_pipeline(window=16), CalciumGAN()):
        with pytest.raises(NotFittedError):
            model.save(tmp_path / "model")
    half = Pipeline([("windower", Windower(16)), ("scaler", MinMaxScaler().fit(np.eye(3)))])
    with pytest.raises(NotFittedError, match="Windower"):
        half.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"memory": "cache"}, "memory of Pipeline must be None, got 'cache'"),
        ({"calciumfactormodel__max_iter": "many"}, "max_iter of CalciumFactorModel .* got 'many'"),
        ({"calciumfactormodel__max_time": np.inf}, "max_time of .* a finite number above 0"),
        ({"windower__window": True}, "window of Windower must be an integer from 1"),
        ({"windower__window": "w" * 1000}, "window of Windower .*w{10}.*[.]{3}w+'[.]$"),
        ({"calciumfactormodel__random_state": -1}, "random_state of CalciumFactorModel"),
    ],
)
def test_a_parameter_that_no_file_holds_is_refused(
    change: JSON, message: str, tmp_path: Path
) -> None:
    model = pipeline(Windower(16), CalciumFactorModel(max_iter=1, random_state=0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(recording()).set_params(**change)
    with pytest.raises(ValueError, match=f"^Pipeline cannot be saved: {message}"):
        model.save(tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_an_attribute_that_files_do_not_hold_is_refused(tmp_path: Path) -> None:
    scaler = MinMaxScaler().fit(np.eye(3))
    scaler.notes_ = "mine"
    with pytest.raises(ValueError, match="files do not hold 'notes_' of MinMaxScaler"):
        Pipeline([("scaler", scaler)]).save(tmp_path / "model")


# ------------------------------------------------------------------ the operating system


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_mode_that_the_user_asks_for(
    made: Any, mask: int, tmp_path: Path
) -> None:
    before = os.umask(mask)
    try:
        made("spikes").save(tmp_path / "new")
        (tmp_path / "old").touch()
        (tmp_path / "old").chmod(0o640)
        made("spikes").save(tmp_path / "old")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o666 & ~mask
    assert stat.S_IMODE((tmp_path / "old").stat().st_mode) == 0o640


def test_what_the_system_refuses_is_its_own_error(made: Any, tmp_path: Path) -> None:
    model = made("spikes")
    missing = tmp_path / "missing"
    with pytest.raises(FileNotFoundError, match=re.escape(str(missing))):
        calgan.load(missing)
    with pytest.raises(IsADirectoryError, match=re.escape(str(tmp_path))):
        calgan.load(tmp_path)
    with pytest.raises(IsADirectoryError, match=re.escape(str(tmp_path))):
        model.save(tmp_path)
    with pytest.raises(FileNotFoundError, match=re.escape(str(missing))):
        model.save(missing / "model")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        calgan.load(tmp_path / "file" / "model")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may do everything")
def test_what_may_not_be_read_or_written_is_permission_denied(made: Any, tmp_path: Path) -> None:
    path = tmp_path / "model"
    made("spikes").save(path)
    path.chmod(0)
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(PermissionError, match=re.escape(str(path))):
            calgan.load(path)
        with pytest.raises(PermissionError, match=re.escape(str(tmp_path))):
            made("spikes").save(path)
    finally:
        tmp_path.chmod(0o700)


def test_a_full_disk_is_said_and_leaves_the_old_file(made: Any, tmp_path: Path) -> None:
    path = tmp_path / "model"
    made("factor_model").save(path)
    before = path.read_bytes()
    said = run_python(
        """
        import resource, sys, calgan
        model = calgan.load("model")
        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))  # of a file, in place of a disk's
        try:
            model.save(sys.argv[1])
        except OSError as error:
            print(error)
        """,
        tmp_path,
        path,
    )
    assert said.strip() == f"[Errno 27] File too large: '{path}'"
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model"]


def test_a_save_that_fails_late_leaves_the_old_file(
    made: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model"
    made("spikes").save(path)
    before = path.read_bytes()

    def fail(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("os.replace", fail)
    with pytest.raises(KeyboardInterrupt):
        made("flow").save(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["model"]
