"""The statistics of the report: a new one is a class in a file here and a name in this list."""

from __future__ import annotations

from calgan.evaluation.statistics.definition import Context, Measure, StatisticInfo
from calgan.evaluation.statistics.events import EventShapes
from calgan.evaluation.statistics.population import (
    CorrelationMatrix,
    LaggedCorrelations,
    PopulationCounts,
    SpikeCorrelationMatrix,
)
from calgan.evaluation.statistics.spikes import (
    FiringRates,
    InterSpikeIntervals,
    MeanRates,
    SpikeCorrelations,
    VanRossum,
)
from calgan.evaluation.statistics.traces import (
    Autocorrelation,
    Increments,
    LogSpectrum,
    Marginals,
    WindowVariability,
)
from calgan.evaluation.statistics.windows import INFOS as OF_WINDOWS

PUBLISHED: tuple[type[Measure], ...] = (FiringRates, SpikeCorrelations, VanRossum)
"""The three published divergences, which ``protocol="thesis"`` estimates in its own way."""

OTHERS: tuple[type[Measure], ...] = (
    PopulationCounts,
    CorrelationMatrix,
    SpikeCorrelationMatrix,
    LaggedCorrelations,
    MeanRates,
    Marginals,
    Increments,
    LogSpectrum,
    Autocorrelation,
    WindowVariability,
    InterSpikeIntervals,
    EventShapes,
)
"""Statistics of the population and of single neurons, in the order of the table."""

INFOS: dict[str, StatisticInfo] = {
    info.name: info
    for info in (*(i for kind in (*PUBLISHED, *OTHERS) for i in kind.infos), *OF_WINDOWS)
}
"""Every statistic by name."""


def make_measures(context: Context, *, published: bool) -> list[Measure]:
    """Return the measures that such windows have, with the published divergences or without."""
    kinds = (*PUBLISHED, *OTHERS) if published else OTHERS
    return [kind(context) for kind in kinds if kind.exists(context)]
