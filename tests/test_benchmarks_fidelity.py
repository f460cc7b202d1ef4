"""Parts of benchmarks/fidelity that train nothing: cells, rows, ratios, distances to a truth."""

from __future__ import annotations

import csv
import importlib
import io
import json
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_1samp, wasserstein_distance

from calgan import make_calcium_pipeline
from calgan.datasets import make_recording

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))
try:
    cells = importlib.import_module("benchmarks.fidelity._cells")
    command = importlib.import_module("benchmarks.fidelity.__main__")
    documented = importlib.import_module("benchmarks.fidelity._excerpts")
    figures = importlib.import_module("benchmarks.fidelity._figure")
    independents = importlib.import_module("benchmarks.fidelity._independent")
    reading = importlib.import_module("benchmarks.fidelity._reading")
    recordings = importlib.import_module("benchmarks.fidelity._recordings")
    recipes_of = importlib.import_module("benchmarks.fidelity._recipes")
    rows_of = importlib.import_module("benchmarks.fidelity._rows")
    tables = importlib.import_module("benchmarks.fidelity._table")
    truths = importlib.import_module("benchmarks.fidelity._truth")
    thesis_table = importlib.import_module("benchmarks.thesis_table")
finally:
    sys.path.remove(str(ROOT))


def make_row(cell, **content):
    return dict(zip(rows_of.KEY, cell, strict=True)) | content


def test_cells_go_through_all_recipes_of_a_seed_first():
    found = list(cells.cells(5.0))
    assert len(set(found)) == len(found)
    assert [cell[2] for cell in found] == sorted(cell[2] for cell in found)
    simulated = {cell[2] for cell in found if cell[1] == "assemblies"}
    assert simulated == {0, 1, 2, 3, 4}
    assert {cell[2] for cell in found if cell[1] == "s1-0588"} == {0, 1, 2}
    # What does not train is the same at every budget.
    assert {cell[3] for cell in found if cell[0] in ("dg", "controls", "factor-model")} == {0.0}
    assert {cell[3] for cell in found if cell[0] in ("flow", "compact")} == {5.0}


@pytest.mark.filterwarnings("ignore::calgan.FitWarning")  # one minute is little
def test_the_default_stands_first_and_takes_the_time_it_takes():
    assert next(iter(recipes_of.RECIPES)) == "factor-model"
    recording, _ = make_recording(60.0, n_neurons=4, random_state=0)
    fitted = recipes_of.RECIPES["factor-model"].fit(recipes_of.Job(recording, 32, 0, 0.0))
    default = make_calcium_pipeline(window=32)
    assert type(fitted.model[-1]) is type(default[-1])
    assert fitted.facts["stopped"] == "max_iter"
    assert fitted.facts["steps"] == default[-1].max_iter
    assert fitted.sample(3).shape == (3, 32, 4)


def test_what_trains_is_trained_for_its_budget():
    recording, _ = make_recording(60.0, n_neurons=4, random_state=0)
    fitted = recipes_of.RECIPES["flow"].fit(recipes_of.Job(recording, 32, 0, 0.005))
    assert fitted.facts["stopped"] == "max_time"
    assert fitted.facts["steps"] >= 1


def test_other_settings_are_tried_where_the_default_was_not_chosen():
    tuned = {name for name, recipe in recipes_of.RECIPES.items() if recipe.unseen_only}
    assert tuned
    found = {cell[1] for cell in cells.cells(1.5) if cell[0] in tuned}
    assert found == {name for name, source in recordings.REAL.items() if source.unseen}


def test_patterns_choose_cells():
    found = set(cells.cells(1.0, [7], ["flow/s1-*", "dg/assemblies"]))
    assert found == {
        ("flow", "s1-0588", 7, 1.0),
        ("flow", "s1-1140", 7, 1.0),
        ("dg", "assemblies", 7, 0.0),
    }


def test_patterns_that_match_nothing_are_refused(tmp_path):
    arguments = command.parse(["--only", "factor/s1", "--output", str(tmp_path / "rows.jsonl")])
    with pytest.raises(SystemExit, match="no cell matches --only factor/s1: patterns are"):
        command.run(arguments)


def test_finished_cells_are_skipped_and_a_torn_line_is_run_again(tmp_path):
    path = tmp_path / "rows.jsonl"
    wanted = list(cells.cells(5.0, [0], ["flow/*"]))
    for cell in wanted[:2]:
        thesis_table.append(path, make_row(cell, code="a"))
    whole = json.dumps(make_row(wanted[2], code="a"))
    with path.open("a") as file:
        file.write(whole[: len(whole) // 2])  # the run was killed here
    assert rows_of.missing(wanted, thesis_table.read(path)) == wanted[2:]
    thesis_table.append(path, make_row(wanted[2], code="b"))
    assert rows_of.missing(wanted, thesis_table.read(path)) == wanted[3:]
    assert rows_of.missing(wanted, thesis_table.read(path), "b") == wanted[:2] + wanted[3:]


def test_the_last_row_of_a_cell_counts():
    cell, other = ("flow", "s1-0588", 0, 5.0), ("flow", "s1-0588", 1, 5.0)
    rows = [make_row(cell, steps=1), make_row(other, steps=2), make_row(cell, steps=3)]
    assert sorted(row["steps"] for row in reading.latest(rows)) == [2, 3]


@given(st.lists(st.floats(-10, 10), min_size=2, max_size=8, unique=True))
def test_interval_is_where_a_t_test_turns(values):
    mean, low, high = reading.mean_interval(values)
    assert mean == pytest.approx(np.mean(values))
    if np.std(values) > 1e-6:
        assert ttest_1samp(values, low).pvalue == pytest.approx(0.05)
        assert ttest_1samp(values, high).pvalue == pytest.approx(0.05)


def test_interval_of_one_value_is_unknown():
    mean, low, high = reading.mean_interval([2.0])
    assert mean == 2.0
    assert np.isnan([low, high]).all()


def real_row(recipe, seed, ratio, budget=5.0):
    statistic = {
        "value": 0.2 * ratio,
        "baseline": 0.2,
        "baseline_interval": [0.1, 0.3],
        "ratio": ratio,
    }
    names = (*reading.PUBLISHED, "population_count_kl", "log_spectrum_error")
    names += ("correlation_matrix_r", "correlation_matrix_rmse")
    return make_row(
        (recipe, "s1-0588", seed, budget),
        n_neurons=24,
        window=256,
        steps=10,
        cpu_seconds=300.0,
        statistics=dict.fromkeys(names, statistic),
        memorisation={"value": 1.0, "replay": 0.0, "second_held_out": None},
        code="a",
    )


def test_table_averages_ratios_over_seeds():
    rows = [real_row("flow", seed, ratio) for seed, ratio in enumerate((1.0, 1.5, 3.5))]
    text = tables.table(rows, "a")
    assert "2.00 [1.00, 3.50]" in text
    assert "0.200 [0.100, 0.300]" in text  # the baseline
    assert "another version" not in text
    assert "3 of them by another version" in tables.table(rows, "b")


def test_table_keeps_budgets_apart_and_names_what_failed():
    rows = [real_row("flow", 0, 2.0), real_row("flow", 0, 1.0, budget=60.0)]
    rows.append(
        make_row(("compact", "s1-0588", 0, 5.0), failed="samples are not finite", n_neurons=24)
        | {"window": 256}
    )
    text = tables.table(rows)
    assert ", 5 CPU minutes" in text
    assert ", 60 CPU minutes" in text
    assert "failed: samples are not finite" in text


def test_what_has_no_budget_stands_beside_every_budget_and_alone_where_nothing_has_one():
    rows = [real_row("flow", 0, 2.0), real_row("flow", 0, 1.0, budget=60.0)]
    rows += [real_row("factor-model", 0, 0.9, budget=0.0)]
    rows += [real_row("factor-model", 0, 0.8, budget=0.0) | {"recording": "s1-1140"}]
    *_, first, second, alone = tables.table(rows).split("\n\n")
    default = recipes_of.RECIPES["factor-model"].label
    for text, head, ratio in (
        (first, ", 5 CPU minutes, seeds 0", "0.90"),
        (second, ", 60 CPU minutes, seeds 0", "0.90"),
        (alone, ", each as long as it takes, seeds 0", "0.80"),
    ):
        assert head in text.splitlines()[0]
        (line,) = [line for line in text.splitlines() if line.startswith(default)]
        assert line.removeprefix(default).split()[0] == ratio


def test_table_says_where_controls_have_fewer_seeds():
    rows = [real_row("flow", seed, 1.0) for seed in range(3)]
    assert "seeds)" not in tables.table(rows)
    areas = {"classifier_auc": 0.91, "shape_classifier_auc": 0.42}
    control = real_row("flow", 0, 1.0) | {"recipe": rows_of.CONTROLS, "budget": 0.0}
    control["independent"] = areas
    for statistic in control["statistics"].values():
        statistic |= {"replay": 0.1, "shuffled": 0.3}
    lines = tables.table([*rows, control]).splitlines()
    marked = [line.split("  ")[0] for line in lines if "(1 of 3 seeds)" in line]
    labels = ["replay of training", "neurons shuffled"]
    assert marked == [*labels, "independent, its features", "train-test baseline"]
    # Its two numbers stand below those that they belong to.
    head = next(line for line in lines if "shape AUC" in line and "RMSE" in line)
    line = next(line for line in lines if line.startswith("independent, its"))
    for name, value in (("  AUC", "0.91"), ("shape AUC", "0.42")):
        end = head.index(name) + len(name)
        assert line[end - 4 : end] == value


def test_table_of_a_truth_has_the_ratio_of_mean_distances():
    rows = [
        make_row(("flow", "assemblies", seed, 1.0))
        | {"truth": {key: {"distance": distance, "ratio": ratio} for key in truths.STATISTICS}}
        for seed, (distance, ratio) in enumerate([(0.1, 0.5), (0.3, 3.0)])
    ]
    lines = tables.table(rows).splitlines()
    at = next(i for i, line in enumerate(lines) if "mean distances   " in line)
    # Distances of .1 and .3, where those of the recording are .2 and .1.
    assert lines[at].split()[-5:] == ["1.33"] * 5
    assert lines[at - 1].count("1.75 [") == 5
    assert "mean distances   " not in tables.table(rows[:1])


def lines_of(text):
    return list(csv.reader(io.StringIO(text.replace("\N{NO-BREAK SPACE}", " "))))


def test_excerpts_are_what_the_rows_say():
    assert documented.excerpts([]) == {}
    rows = [real_row("flow", seed, ratio) for seed, ratio in enumerate((1.0, 1.5, 3.5))]
    rows += [real_row("factor-model", 0, 2.0, budget=0.0)]
    rows += [real_row("relativistic", 0, 1.4), real_row("relativistic", 0, 1.2, budget=60.0)]
    rows += [real_row("factor-model", 1, 0.7, budget=0.0) | {"recording": "s1-1140"}]
    rows += [make_row(("compact", "s1-0588", 0, 5.0), failed="samples are not finite")]
    found = documented.excerpts(rows)
    assert set(found) == {"s1-0588", "aside"}
    head, *lines = lines_of(found["s1-0588"])
    assert {len(line) for line in lines} == {len(head)}
    labels = ["CalciumFactorModel (default)", *["CalciumGAN, relativistic"] * 2]
    labels += ["CalciumFlow", "train-test baseline"]
    assert [line[0] for line in lines] == labels  # what failed has no figures
    flow = dict(zip(head, lines[3], strict=True))
    assert (flow["seeds"], flow["CPU min"]) == ("3", "5.0")
    assert flow["rates"] == flow["van Rossum"] == "2.00 [1.00, 3.50]"
    assert flow["spectrum"] == "2.00"
    assert flow["matrix r"] == "0.40"
    assert [line[head.index("rates")] for line in lines[:3]] == ["2.00", "1.40", "1.20"]
    assert lines[-1][head.index("rates")] == "1 [0.50, 1.50]"
    assert lines[-1][head.index("matrix r")] == "0.20"
    _, mine, baseline = lines_of(found["aside"])
    assert mine[:4] == [recordings.REAL["s1-1140"].label, "5.0", "1", "0.70"]
    assert baseline[3] == "1 [0.50, 1.50]"


def test_excerpts_have_the_controls():
    control = real_row("flow", 0, 1.0) | {"recipe": rows_of.CONTROLS, "budget": 0.0}
    control["independent"] = {"classifier_auc": 0.91, "shape_classifier_auc": 0.42}
    for statistic in control["statistics"].values():
        statistic |= {"replay": 0.1, "shuffled": 0.3}
    head, *lines = lines_of(documented.excerpts([real_row("flow", 0, 2.0), control])["s1-0588"])
    lines = {line[0]: dict(zip(head, line, strict=True)) for line in lines}
    assert lines["replay of training"]["rates"] == "0.50"
    assert lines["replay of training"]["memor."] == "0.00"
    assert lines["neurons shuffled"]["rates"] == "1.50"
    assert lines["neurons shuffled"]["matrix r"] == "0.30"
    assert lines["independent, its features"]["AUC"] == "0.91"
    assert lines["independent, its features"]["AUC by shape"] == "0.42"
    assert lines["independent, its features"]["rates"] == ""


def test_excerpt_of_a_truth_has_seeds_and_controls():
    def truth(distance, ratio):
        return {key: {"distance": distance, "ratio": ratio} for key in truths.STATISTICS}

    rows = [
        make_row(("flow", "assemblies", seed, 1.0), truth=truth(distance, ratio))
        for seed, (distance, ratio) in enumerate([(0.1, 0.5), (0.3, 3.0)])
    ]
    sides = {"fresh": {"truth": truth(0.1, 0.25), "classifier": {"value": 0.5}}}
    rows.append(make_row((rows_of.CONTROLS, "assemblies", 0, 0.0), sides=sides))
    found = documented.excerpts(rows)
    assert set(found) == {"assemblies"}
    head, mine, pooled, fresh = lines_of(found["assemblies"])
    low, high = reading.mean_interval([0.5, 3.0])[1:]
    assert mine[1:4] == ["", "2", f"1.75 [{low:.2f}, {high:.2f}]"]
    assert pooled[3] == "1.33"  # .1 and .3, where those of the recording are .2 and .1
    assert fresh[:4] == ["fresh windows", "", "1", "0.25"]
    assert fresh[head.index("AUC")] == "0.50"
    longer = make_row(("flow", "assemblies", 0, 5.0), truth=truth(0.1, 0.5), cpu_seconds=300)
    lines = lines_of(documented.excerpts([*rows, longer])["assemblies"])
    assert [line[1:3] for line in lines if line[0] == mine[0]] == [["", "2"], ["5.0", "1"]]


def test_tables_of_the_documentation_are_those_of_the_rows():
    results = ROOT / "benchmarks" / "results"
    rows = thesis_table.read(results / "fidelity.jsonl")
    for name, text in documented.excerpts(rows).items():
        assert (results / f"fidelity_{name}.csv").read_text() == text, "run --table"
    written = (results / "fidelity.txt").read_text().splitlines()[1:]
    assert written == tables.table(rows).splitlines()[1:], "run --table"
    included = re.findall(
        r":file: \.\./benchmarks/results/(\S+)", (ROOT / "docs/fidelity.rst").read_text()
    )
    assert {f"fidelity_{name}.csv" for name in documented.excerpts(rows)} == set(included)


def test_the_readme_has_the_means_of_the_rows():
    listed = ("s1-0588", "zebrafish-f3", "s1-1140", "allen", "zebrafish-pdp", "zebrafish-zf1")
    rows = reading.latest(thesis_table.read(ROOT / "benchmarks" / "results" / "fidelity.jsonl"))
    expected = []
    for name in (*listed, *recordings.TRUTHS):
        mine = [row for row in rows if (row["recipe"], row["recording"]) == ("factor-model", name)]
        assert mine, f"no rows of the default on {name}"
        paths = [("statistics", key) for key in (*reading.PUBLISHED, "log_spectrum_error")]
        if name in recordings.TRUTHS:
            paths = [("truth", key) for key in truths.STATISTICS[:4]]
        means = [f"{np.mean(reading.values_of(mine, *path, 'ratio')):.2f}" for path in paths]
        expected.append([str(len(mine)), *means])
    section = (ROOT / "README.rst").read_text().split("How good it is")[1]
    found = re.findall(r"^\S.*\(\d+\) +(\d(?: +\d+\.\d\d){4})$", section, re.MULTILINE)
    assert [cells.split() for cells in found] == expected


def test_figure_is_written(tmp_path):
    path = tmp_path / "figure.svg"
    elsewhere = real_row("dg", 0, 2.0) | {"recording": "s1-1140"}
    rows = [real_row("flow", 0, 2.0), real_row("compact", 0, 3.0), elsewhere]
    rows += [real_row("factor-model", 0, 0.9, budget=0.0)]
    figures.figure(rows, path, 5.0)
    text = path.read_text()
    assert recipes_of.RECIPES["factor-model"].label in text
    assert "mouse barrel cortex" in text
    assert "CalciumFlow" in text
    assert recipes_of.RECIPES["dg"].label not in text  # it has no cell in any panel
    with pytest.raises(ValueError, match="no cells of 1 minutes"):
        figures.figure([real_row("flow", 0, 2.0)], path, 1.0)


def test_fingerprint_sees_code_and_no_comments(tmp_path, monkeypatch):
    package = tmp_path / "calgan"
    package.mkdir()
    (package / "__init__.py").touch()

    def fingerprint(text):
        (package / "a.py").write_text(text)
        cells.code_fingerprint.cache_clear()
        return cells.code_fingerprint()

    monkeypatch.setattr(cells.calgan, "__file__", str(package / "__init__.py"))
    first = fingerprint('"""Doc."""\nx = 1\n')
    assert fingerprint('"""Other."""\n# why\nx = 1\n') == first
    assert fingerprint('"""Doc."""\nx = 2\n') != first
    cells.code_fingerprint.cache_clear()


def test_windows_in_blocks_cross_no_border():
    from calgan import Recording

    recording = Recording(np.arange(1000.0)[:, None] * [1.0, 1.0], 10.0)
    windows, blocks = truths.windows_in_blocks(recording, 500, 0, window=30)
    starts, stops = windows[:, 0, 0].astype(int), windows[:, -1, 0].astype(int)
    assert (stops - starts == 29).all()
    np.testing.assert_array_equal(starts // 100, blocks)
    np.testing.assert_array_equal(stops // 100, blocks)


def halves(seconds: float = 600.0):
    recording, _ = make_recording(seconds, n_neurons=4, random_state=0)
    traces, middle = np.asarray(recording.traces), recording.n_frames // 2
    return [type(recording)(part, 10.0) for part in (traces[:middle], traces[middle:])]


def test_independent_draws_have_the_mean_and_covariance_of_the_windows():
    train, _ = halves()
    source = independents.read_source(train, 32, name="train")
    rng = np.random.default_rng(0)
    shape = 3, 5, 40
    windows = independents.fold_recording(source, {"drawn": 3}, shape[1:], 10.0, rng)["drawn"]
    drawn = independents.independent(windows, 32, rng)
    assert drawn.draws.shape == shape
    assert len(np.unique(drawn.draws)) == len(drawn.table) == 600
    assert (np.diff(drawn.position) >= 32).all()  # no frames in common
    spread = windows.table.std(0)
    np.testing.assert_allclose(
        (drawn.table.mean(0) - windows.table.mean(0)) / spread, 0, atol=5 / np.sqrt(600)
    )
    covariances = [np.cov((t / spread).T) for t in (windows.table, drawn.table)]
    assert np.corrcoef(*(c.ravel() for c in covariances))[0, 1] > 0.98
    np.testing.assert_allclose(np.diag(covariances[1]), 1, atol=0.35)


def test_levels_that_move_tell_independent_draws():
    train, test = halves()
    settings = {"n": 100, "n_draws": 2, "seed": 0}
    still = independents.independent_areas(train, test, 32, **settings)
    moved = type(test)(np.asarray(test.traces) + 0.5 * np.asarray(test.traces).std(0), 10.0)
    areas = independents.independent_areas(train, moved, 32, **settings)
    assert set(areas) == set(independents.AREAS)
    assert areas["classifier_auc"] > 0.95 > still["classifier_auc"] + 0.2
    # Shapes have no levels.
    assert areas["shape_classifier_auc"] == pytest.approx(still["shape_classifier_auc"], abs=1e-6)
    assert independents.independent_areas(train, test, 32, **settings) == still
    constant = type(test)(np.ones_like(test.traces), 10.0)
    with pytest.raises(ValueError, match="nothing varies"):
        independents.independent_areas(constant, constant, 32, **settings)
    with pytest.raises(ValueError, match="use shorter windows"):
        independents.independent_areas(train, test[:60], 32, **settings)


@pytest.fixture(scope="module")
def summaries():
    """Two sets of windows with their spikes, and the summaries of each."""
    rng = np.random.default_rng(0)
    found = []
    for n, rate in ((40, 0.05), (70, 0.08)):
        spikes = (rng.random((n, 32, 5)) < rate).astype(np.float32)
        windows = (spikes + 0.3 * rng.normal(size=spikes.shape)).astype(np.float32)
        windows += windows[:, :, [1, 2, 3, 4, 0]]
        summary = truths._Summary.of_nothing(32, 5)
        for part in (slice(0, 25), slice(25, None)):  # in parts, as a truth is summed up
            summary.add(windows[part], spikes[part])
        found.append((windows, spikes, summary.close()))
    return found


def test_distances_are_those_of_the_definitions(summaries):
    from calgan.metrics import (
        correlation_matrix_agreement,
        firing_rate,
        log_spectrum_error,
        population_count,
        van_rossum_distance,
    )

    (windows, spikes, mine), (true_windows, true_spikes, truth) = summaries
    found = truths._compare(mine, truth)
    rates, true_rates = firing_rate(spikes, 10.0), firing_rate(true_spikes, 10.0)
    expected = np.mean(
        [wasserstein_distance(a, b) for a, b in zip(rates.T, true_rates.T, strict=True)]
    )
    assert found["rate_w1"] == pytest.approx(expected)
    expected = correlation_matrix_agreement(true_windows, windows).rmse
    assert found["correlation_rmse"] == pytest.approx(expected, rel=1e-4)
    expected = correlation_matrix_agreement(true_spikes, spikes).rmse
    assert found["spike_correlation_rmse"] == pytest.approx(expected, rel=1e-4)
    expected = wasserstein_distance(
        van_rossum_distance(spikes, 10.0).ravel(), van_rossum_distance(true_spikes, 10.0).ravel()
    )
    assert found["van_rossum_w1"] == pytest.approx(expected, rel=1e-2)
    expected = log_spectrum_error(true_windows, windows)
    assert found["log_spectrum_error"] == pytest.approx(expected, rel=1e-4)
    expected = wasserstein_distance(
        population_count(spikes).ravel(), population_count(true_spikes).ravel()
    )
    assert found["population_count_w1"] == pytest.approx(expected)


def test_the_truth_is_at_no_distance_from_itself(summaries):
    truth = summaries[1][2]
    found = truths._compare(truth, truth)
    assert set(truths.STATISTICS) < set(found)
    assert max(found.values()) == pytest.approx(0.0, abs=1e-12)
