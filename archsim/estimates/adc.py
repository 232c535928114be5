"""Energy and area of an analog-to-digital converter: fitted to Murmann's survey, Andrulis et al., and ISAAC's table.

The survey: B. Murmann, ADC Performance Survey 1997-2023, https://github.com/bmurmann/ADC-survey, as hwcomponents-adc
1.0.21 packages it: 215 successive-approximation, single-slope and flash converters with SNDR, rate, node, energy per
Nyquist sample and area. `benchmarks/fit_adc_survey.py` fits those of 0.1 MS/s to 10 GS/s, 4 to 180 nm and at most 12.5
effective bits: 154, of 3.4 effective bits at least. Of these 79 % lie between the quantiles, in energy and in area,
and 78 % of what a fit did not see. Of seven converters of in-memory chips that had no part in the fit (three measured,
four of designs) the measured three are inside in energy, and one of the designs. In area none of five is: converters
that fit into columns of memory are 6 to 71 times smaller than the survey's median, which is of whole converters. Take
their area from a design that is alike; `adc_area` says what a converter takes that stands alone. The best case of
Andrulis et al. is 2 to 22 times too large for the same five.

The survey has effective bits (ENOB, from SNDR at high input frequencies), not bits. A converter of b bits is *assumed*
to have b - 1, within 0.75 in 80 % of cases. Five public pairs of bits and ENOB support it: 8 and 6.24 (Kull, ISSCC
2013), 8 and 7.18 (Chen, VLSI 2018; SNDR of both from the survey), 10 and 9.13 (Xie, TCAS-II 2018), 10 and 9.38
(Velagaleti, TELKOMNIKA 2021), 8 and 7.87 (Fan, ISCAS 2022, simulated): 0.82 less in the middle, four of five within.
"""

from __future__ import annotations

import math

from archsim.estimates.base import Estimate, Parameter, estimator

BITS_ABOVE_ENOB, ENOB_WITHIN = 1.0, 0.75
"""An assumption, see above."""
REFERENCE_HZ, REFERENCE_NM = 1e8, 32.0
"""Where the fitted constants hold."""
KNEE_HZ = 3e8
"""Above it converters of the survey are interleaved; of 0.1, 0.2, 0.3, 0.5 and 1 GS/s the fit is about closest here."""

# What benchmarks/fit_adc_survey.py prints: of the median at ENOB 0, per effective bit, of rate, of node, quantiles.
ENERGY_J, ENERGY_PER_BIT, ENERGY_BY_RATE, ENERGY_BY_NODE = 1.693e-13, 0.4133, 0.3408, 1.345
ENERGY_SPREAD = (0.3208, 7.318)
AREA_M2, AREA_PER_BIT, AREA_BY_RATE, AREA_BY_NODE = 1.442e-9, 0.2143, 0.96, 1.608
AREA_SPREAD = (0.1977, 7.997)
ANDRULIS_SPREAD, ANDRULIS_AREA_SPREAD = (0.301, 12.84), (0.8667, 38.36)

SURVEY = "B. Murmann, ADC Performance Survey 1997-2023: 154 converters, as packaged with hwcomponents-adc 1.0.21"
RATE = Parameter("Hz", "conversions per second", 1e5, 1e10)
NODE = Parameter("m", "technology node", 7e-9, 180e-9)
SHAPE = {"bits": Parameter("", "bits of the code; effective ones are one less", 4, 12), "rate": RATE, "node": NODE}


@estimator(
    "adc_energy",
    "a converter's energy per conversion, from bits, rate and node: the median of Murmann's survey",
    "J",
    SHAPE,
    equation="0.1693 pJ exp(0.4133 (bits - 1)) (rate / 100 MHz)^0.3408 (node / 32 nm)^1.345",
    source=SURVEY,
)
def adc_energy(bits: float, rate: float, node: float) -> Estimate:
    """Return the energy per conversion, in joules."""
    value = ENERGY_J * math.exp(ENERGY_PER_BIT * (bits - BITS_ABOVE_ENOB))
    value *= (rate / REFERENCE_HZ) ** ENERGY_BY_RATE * _nodes(node) ** ENERGY_BY_NODE
    return Estimate.spread(value, *ENERGY_SPREAD).widened(*_by_bits(ENERGY_PER_BIT))


@estimator(
    "adc_area",
    "a converter's area, from bits, rate and node: the median of Murmann's survey",
    "m2",
    SHAPE,
    equation="1442 um2 exp(0.2143 (bits - 1)) (1 + rate / 300 MHz)^0.96 (node / 32 nm)^1.608",
    source=SURVEY,
)
def adc_area(bits: float, rate: float, node: float) -> Estimate:
    """Return the area, in square metres."""
    value = AREA_M2 * math.exp(AREA_PER_BIT * (bits - BITS_ABOVE_ENOB))
    value *= (1 + rate / KNEE_HZ) ** AREA_BY_RATE * _nodes(node) ** AREA_BY_NODE
    return Estimate.spread(value, *AREA_SPREAD).widened(*_by_bits(AREA_PER_BIT))


ANDRULIS = (
    "T. Andrulis, R. Chen, H.-S. Lee, J. S. Emer and V. Sze, Modeling analog-digital-converter energy and area for "
    "compute-in-memory accelerator design, arXiv:2404.06553 (2024), coefficients of hwcomponents-adc 1.0.21. The "
    "quantiles are of the 154 converters of Murmann's survey"
)
ANDRULIS_SHAPE = {**SHAPE, "bits": Parameter("", "bits of the code; effective ones are one less", 5, 12)}


@estimator(
    "adc_energy_best",
    "a converter's energy per conversion by the regression of Andrulis et al., meant as a best case",
    "J",
    ANDRULIS_SHAPE,
    equation="exp(24.58 + 1.880 ln(node / nm) - 2.829 ln ENOB) pJ / (2 x 10^((FOM - SNDR) / 10)), ENOB = bits - 1, "
    "SNDR = 6.02 ENOB + 1.76, FOM = min(213.8 - 2.872 ln(rate / Hz), 128.3 + 3.221 ENOB)",
    source=f"{ANDRULIS}, of whose converters a third lie below it",
)
def adc_energy_best(bits: float, rate: float, node: float) -> Estimate:
    """Return the energy per conversion, in joules."""
    return Estimate.spread(andrulis_j(bits - BITS_ABOVE_ENOB, rate, 1e9 * node), *ANDRULIS_SPREAD)


@estimator(
    "adc_area_best",
    "a converter's area by the regression of Andrulis et al., meant as a best case",
    "m2",
    ANDRULIS_SHAPE,
    equation="3.843 um2 (node / nm)^0.9933 (rate / Hz)^0.1807 (adc_energy_best / pJ)^0.2991",
    source=f"{ANDRULIS}, of which an eighth lie below it",
)
def adc_area_best(bits: float, rate: float, node: float) -> Estimate:
    """Return the area, in square metres."""
    value = andrulis_m2(bits - BITS_ABOVE_ENOB, rate, 1e9 * node)
    return Estimate.spread(value, *ANDRULIS_AREA_SPREAD)


def andrulis_m2(enob: float, rate_hz: float, node_nm: float) -> float:
    """Return the area of the regression, in square metres, from effective bits: that of the survey's best tenth."""
    energy_pj = 1e12 * andrulis_j(enob, rate_hz, node_nm)
    power = 0.9932794744745022 * math.log(node_nm) + 0.18071538424508238 * math.log(rate_hz)
    return 1e-12 * math.exp(1.3461916439910742 + power + 0.29912426192653485 * math.log(energy_pj))


def andrulis_j(enob: float, rate_hz: float, node_nm: float) -> float:
    """Return the energy per conversion of the regression, in joules, from effective bits.

    It takes the better of what rate and resolution allow of Schreier's figure of merit, in dB, then scales by node and
    resolution to the best fifth of the survey. It was made for four effective bits and more.
    """
    by_rate_db = 213.7806687348118 - 2.8719030399529957 * math.log(rate_hz)
    by_bits_db = 128.3068287398817 + 3.2205115104 * enob
    sndr_db = 20 * enob * math.log10(2) + 10 * math.log10(1.5)
    power = 26.0496215686518 + 1.8800369206815004 * math.log(node_nm) - 2.8291256050594527 * math.log(enob)
    return 1e-12 * math.exp(power - 1.4702022133784405) / (2 * 10 ** ((min(by_rate_db, by_bits_db) - sndr_db) / 10))


ISAAC = {  # bits: (pJ per conversion, um2)
    4: (0.79, 361.04), 5: (0.99, 476.91), 6: (1.20, 626.91), 7: (1.42, 845.18), 8: (1.67, 1200.0),
    9: (1.969078145, 1827.911647), 10: (2.379022742, 3002.008032),
}  # fmt: skip
ISAAC_RATE_HZ, ISAAC_NODE_M = 1.2e9, 32e-9
ISAAC_SHAPE = {"bits": Parameter("", "bits of the code", choices=tuple(ISAAC))}
ISAAC_SOURCE = (
    "A. Shafiee et al., ISCA 2016: the converter of L. Kull et al., ISSCC 2013 (8 b, 1.2 GS/s, 32 nm), scaled to other "
    "bits by M. Saberi et al. (2011), as hwcomponents-library has it. Its range reaches that of adc_energy or adc_area"
)


@estimator(
    "isaac_adc_energy",
    "the energy per conversion of ISAAC's converter by bits, at 1.2 GS/s and 32 nm",
    "J",
    ISAAC_SHAPE,
    equation="a table",
    source=ISAAC_SOURCE,
)
def isaac_adc_energy(bits: float) -> Estimate:
    """Return the energy per conversion, in joules."""
    return _reaching(1e-12 * ISAAC[int(bits)][0], adc_energy(bits, ISAAC_RATE_HZ, ISAAC_NODE_M))


@estimator(
    "isaac_adc_area",
    "the area of ISAAC's converter by bits, at 1.2 GS/s and 32 nm",
    "m2",
    ISAAC_SHAPE,
    equation="a table",
    source=ISAAC_SOURCE,
)
def isaac_adc_area(bits: float) -> Estimate:
    """Return the area, in square metres."""
    return _reaching(1e-12 * ISAAC[int(bits)][1], adc_area(bits, ISAAC_RATE_HZ, ISAAC_NODE_M))


def _nodes(node_m: float) -> float:
    return 1e9 * node_m / REFERENCE_NM


def _by_bits(per_bit: float) -> tuple[float, float]:
    """Return what not knowing the effective bits adds, as factors."""
    return math.exp(-per_bit * ENOB_WITHIN), math.exp(per_bit * ENOB_WITHIN)


def _reaching(value: float, survey: Estimate) -> Estimate:
    """Return one design's figure, with the range of what others of its kind have."""
    return Estimate(value, min(value, survey.low), max(value, survey.high))
