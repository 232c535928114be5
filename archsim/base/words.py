"""Words for numbers: a count with its noun, and a share, as every message, report and terminal line says them."""

from __future__ import annotations


def counted(number: float, noun: str, plural: str = "", form: str = ",") -> str:
    """Return a count with its noun, which is singular where the count reads as 1; `form` is how the number is written.

    >>> counted(1, "transfer"), counted(2000, "example"), counted(0, "die", "dice"), counted(1.5, "cycle", form=".2f")
    ('1 transfer', '2,000 examples', '0 dice', '1.50 cycles')
    """
    shown = f"{number:{form}}"
    return f"{shown} {noun if shown == '1' else plural or f'{noun}s'}"


def agreeing(number: float, one: str, more: str) -> str:
    """Return the word that goes with a count: `agreeing(n, "was", "were")`.

    >>> agreeing(1, "was", "were"), agreeing(0, "was", "were")
    ('was', 'were')
    """
    return one if number == 1 else more


def per_cent(share: float, decimals: int = 1, form: str = "") -> str:
    """Return a share in percent, with so many decimals; `form` is "+" for a change.

    >>> per_cent(0.1234), per_cent(1, 0), per_cent(0.05, 2, "+")
    ('12.3 %', '100 %', '+5.00 %')
    """
    return f"{100 * share:{form}.{decimals}f} %"


def points(difference: float, decimals: int = 2) -> str:
    """Return a difference of shares in percentage points.

    >>> points(-0.0529), points(0.0)
    ('-5.29 points', '+0.00 points')
    """
    return per_cent(difference, decimals, "+").replace("%", "points")


def shortened(text: str, most: int) -> str:
    """Return a text of at most so many letters."""
    return text if len(text) <= most else text[: most - 3] + "..."
