"""What drivers must bear: figures against closed forms and the reference's own arithmetic."""

from __future__ import annotations

import numpy as np
import pytest

from archsim.components.wires import Wires
from archsim.functional.line_drop import reach
from archsim.spec.bearing import bearing, far_share, write_drop_v
from archsim.spec.loading import load_arch
from tests.helpers import REFERENCE


@pytest.mark.parametrize("cells", [1, 2, 31, 512])
def test_the_far_share_is_that_of_the_ladder(cells: int) -> None:
    alike = np.full((cells, 1), 18.0, np.float32)
    assert far_share(2.5, 18e-6, cells) == pytest.approx(float(reach(alike, 2.5, "first", 0)[-1, 0]), rel=1e-4)
    if cells % 2:
        middle = float(reach(alike, 2.5, "both", 0)[cells // 2, 0])
        assert far_share(2.5, 18e-6, cells, both=True) == pytest.approx(middle, rel=1e-4)


def test_a_row_that_is_programmed_drops_nine_volts() -> None:
    # Origin: 512 cells of 200 uA, each through so many 0.35 ohm as it is cells away: 0.35 x 200e-6 x 512 x 513 / 2.
    wires = Wires(row_ohm=0.35, col_ohm=0.35)
    assert write_drop_v(wires, 200e-6, 512, 512, 1) == pytest.approx(9.193, abs=1e-3)
    # Cell by cell: the current in each stretch of wire is that of all cells beyond it.
    assert write_drop_v(wires, 200e-6, 512, 512, 1) == pytest.approx(0.35 * sum(200e-6 * (512 - i) for i in range(512)))
    along = wires.model_copy(update={"write_return": "column"})
    assert write_drop_v(along, 200e-6, 512, 512, 2) == pytest.approx(2 * 512 * 0.35 * 200e-6)
    both = wires.model_copy(update={"rows_driven": "both"})
    assert write_drop_v(both, 200e-6, 512, 512, 1) == pytest.approx(9.193 / 4, rel=0.01)


def test_the_reference_says_what_its_drivers_bear() -> None:
    # 200 uA from 15 pJ in 50 ns at 1.5 V; 40 uS/V (0.8 - 0.35) V (1 + 1/8) at 0.2 V.
    plain = bearing(load_arch(REFERENCE).value)
    assert plain == [
        "tile.array.wires: a row's driver bears 2.074 mA in a read of 512 cells of 20.25 uS",
        "tile.array.wires: a row that is programmed draws 102.4 mA, 200 uA a cell at 1.5 V, which returns along "
        "the row",
    ]
    wired = bearing(load_arch(REFERENCE, ["tile.array.wires.row=0.35 ohm"]).value)
    assert "the far one sees 48.0 % of it" in wired[0]
    assert "drops 9.193 V there, more than it is programmed with" in wired[1]


def test_chips_of_figures_that_say_nothing_are_not_spoken_of() -> None:
    assert bearing(load_arch("shafiee_isca_2016").value) == []
