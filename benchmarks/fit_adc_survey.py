"""Fit the energy and the area of a converter to B. Murmann's ADC performance survey, as `archsim.estimates` holds them.

`python -m benchmarks.fit_adc_survey ADC_LIST.csv` prints the coefficients, how much of the data lies between the 10 %
and 90 % quantiles, the same with a tenth of the data left out in turn, and where converters of in-memory chips lie that
had no part in the fit. The file is `adc_data/adc_list.csv` of hwcomponents-adc 1.0.21 (on PyPI; also in
Accelergy-Project/accelergy-adc-plug-in): successive-approximation, single-slope and flash converters of the survey of
1997-2023, without titles. It is not part of archsim.

Medians are by quantile regression (least absolute deviations) of logarithms; the quantiles are those of its residuals.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from archsim.estimates.adc import BITS_ABOVE_ENOB, KNEE_HZ, REFERENCE_HZ, REFERENCE_NM, andrulis_j, andrulis_m2
from archsim.estimates.base import ESTIMATORS

F64 = npt.NDArray[np.float64]
Features = Callable[[F64, F64, F64], F64]
LEAST_HZ, MOST_HZ, MOST_NM, MOST_ENOB = 1e5, 1e10, 180, 12.5
QUANTILES = (0.1, 0.9)
FOLDS = 10

Converter = tuple[str, int, float, float, float, float | None, str]
LEFT_OUT: tuple[Converter, ...] = (  # (name, bits, samples/s, node in m, J, m2 or None, design or silicon)
    ("Jia, JSSC 2020, 0.85 V", 8, 0.74e6, 65e-9, 1.79e-12, 0.497e-6 / 256, "silicon"),
    ("Jia, JSSC 2020, 1.2 V", 8, 1.85e6, 65e-9, 3.56e-12, None, "silicon"),
    ("Wang, VLSI 2022, 1 V", 8, 218e6, 22e-9, 2.66e-12, 0.13 * 0.124e-6 / 16, "silicon"),
    ("Fan, ISCAS 2022", 8, 20e6, 65e-9, 2.39e-12, 950e-12, "design"),
    ("TIMELY's time-to-digital converter", 8, 6.67e6, 65e-9, 0.145e-12, 310e-12, "design"),
    ("FORMS", 4, 2.1e9, 32e-9, 0.226e-12, 284e-12, "design"),
    ("Gokmen and Vlasov 2016, at an assumed 14 nm", 9, 200e6, 14e-9, 23e-12, None, "design"),
)
"""Jia: energies, area and operations per second as CiMLoop quotes them (256 columns of 2,304 rows). Wang: 34 % of the
energy of 64 multiply-accumulates at 16.376 TOPS/W, rate by 0.446 TOPS over 16 converters, 13 % of 0.124 mm2. Fan: 48 uW
and 10.2 fJ per conversion step at 7.87 effective bits. TIMELY, FORMS: their tables, as in hwcomponents-library. Gokmen
and Vlasov: 23 pJ per sample, by third parties.
"""


def energy_features(enob: F64, rate_hz: F64, node_nm: F64) -> F64:
    """Return what the logarithm of energy is linear in."""
    return np.c_[np.ones(len(enob)), enob, np.log(rate_hz / REFERENCE_HZ), np.log(node_nm / REFERENCE_NM)]


def area_features(enob: F64, rate_hz: F64, node_nm: F64) -> F64:
    """Return what the logarithm of area is linear in: converters above the knee are interleaved."""
    return np.c_[np.ones(len(enob)), enob, np.log1p(rate_hz / KNEE_HZ), np.log(node_nm / REFERENCE_NM)]


def median_regression(x: F64, y: F64) -> F64:
    """Return the coefficients of least absolute deviation, by linear programming."""
    from scipy.optimize import linprog  # a second, which tests of the data above do not wait for

    rows, columns = x.shape
    cost = np.r_[np.zeros(columns), np.full(2 * rows, 0.5)]
    equations = np.hstack([x, np.eye(rows), -np.eye(rows)])
    bounds = [(None, None)] * columns + [(0, None)] * (2 * rows)
    return np.asarray(linprog(cost, A_eq=equations, b_eq=y, bounds=bounds, method="highs").x[:columns])


def fitted(x: F64, y: F64) -> tuple[F64, F64]:
    """Return (coefficients, the two quantiles of the residuals)."""
    coefficients = median_regression(x, y)
    return coefficients, np.quantile(y - x @ coefficients, QUANTILES)


def left_out_coverage(x: F64, y: F64) -> float:
    """Return which share of the data lies between the quantiles of fits that did not see it."""
    order, inside = np.random.default_rng(0).permutation(len(y)), []
    for part in np.array_split(order, FOLDS):
        rest = np.setdiff1d(order, part)
        coefficients, (low, high) = fitted(x[rest], y[rest])
        residuals = y[part] - x[part] @ coefficients
        inside += list((low <= residuals) & (residuals <= high))
    return float(np.mean(inside))


def survey(path: Path) -> tuple[F64, F64, F64, F64, F64]:
    """Return (effective bits, samples/s, node in nm, energy in J, area in m2) of what is within the fit's range."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    names = ("SNDR_plot [dB]", "frequency (Hz)", "tech node (nm)", "energy (pJ/op)", "area (um^2)")
    sndr_db, rate_hz, node_nm, energy_pj, area_um2 = (np.array([float(row[name]) for row in rows]) for name in names)
    enob = (sndr_db - 1.76) / 6.02
    kept = (rate_hz >= LEAST_HZ) & (rate_hz <= MOST_HZ) & (node_nm <= MOST_NM) & (enob <= MOST_ENOB)
    print(f"{len(rows)} converters, {kept.sum()} of them within the range of the fit")
    return enob[kept], rate_hz[kept], node_nm[kept], 1e-12 * energy_pj[kept], 1e-12 * area_um2[kept]


def inside(estimate: str, place: int) -> tuple[int, int]:
    """Print where the converters left out lie, and return how many of how many are inside of the range."""
    hits = count = 0
    for converter in LEFT_OUT:
        name, bits, rate_hz, node_m = converter[:4]
        found: Any = converter[place]
        if found is not None:
            own = ESTIMATORS[estimate].estimate(bits=bits, rate=rate_hz, node=node_m)
            hit = own.low <= found <= own.high
            hits, count = hits + hit, count + 1
            told = "" if hit else " outside"
            print(f"  {name}: {found:.3g}, estimated {own.value:.3g} ({own.low:.3g} to {own.high:.3g}){told}")
    return hits, count


def main(path: Path) -> None:
    """Print all of it."""
    enob, rate_hz, node_nm, energy_j, area_m2 = survey(path)
    print(f"effective bits {enob.min():.2f} to {enob.max():.2f}; of b bits b - {BITS_ABOVE_ENOB:g} are taken to be so")
    cases: tuple[tuple[str, Features, F64, str, int], ...] = (
        ("energy", energy_features, energy_j, "adc_energy", 4), ("area", area_features, area_m2, "adc_area", 5)
    )  # fmt: skip
    for noun, features, found, estimate, place in cases:
        x, y = features(enob, rate_hz, node_nm), np.log(found)
        coefficients, quantiles = fitted(x, y)
        residuals = y - x @ coefficients
        within = float(np.mean((quantiles[0] <= residuals) & (residuals <= quantiles[1])))
        print(f"{noun}: {np.exp(coefficients[0]):.5g}, then {', '.join(f'{each:.4g}' for each in coefficients[1:])}")
        print(f"  factors {np.exp(quantiles[0]):.4g} and {np.exp(quantiles[1]):.4g} hold {within:.3f} of {len(y)}")
        print(f"  and of what a fit did not see {left_out_coverage(x, y):.3f}")
        print("  left out: {} of {} inside".format(*inside(estimate, place)))
    for noun, found, law in (("energy", energy_j, andrulis_j), ("area", area_m2, andrulis_m2)):
        ratios = found / np.vectorize(law)(enob, rate_hz, node_nm)
        print(f"{noun} to Andrulis: {np.quantile(ratios, QUANTILES).round(4)}, below it {np.mean(ratios < 1):.3f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
