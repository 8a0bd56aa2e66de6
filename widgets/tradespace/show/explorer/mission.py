"""The missions of the lessons: a number of items at a price, and a drone that has to stop in time."""

from dataclasses import dataclass

import pandas as pd

from tradespace.show.common.words import MEDIAN
from tradespace.surface.derived import with_cost, with_products, with_safe_speed

MILLION = 1e6


@dataclass(frozen=True)
class Mission:
    """Price, power and distances that turn a surface into costs and speeds.

    Parameters
    ----------
    price_per_hour : float
        Price of the machine, in any currency.
    watts : float
        Assumed power draw, used where no energy was measured.
    items : float
        Number of items to process.
    sensing_range_m, braking_m_s2 : float
        How far the drone sees, and how hard it brakes.
    """

    price_per_hour: float = 1.0
    watts: float = 100.0
    items: float = MILLION
    sensing_range_m: float = 10.0
    braking_m_s2: float = 5.0

    def of(self, surface: pd.DataFrame, latency: str = MEDIAN) -> pd.DataFrame:
        """`surface` with the columns of `with_products`, `with_cost` and `with_safe_speed`.

        Examples
        --------
        >>> import tradespace as ts
        >>> surface = Mission(price_per_hour=2.0).of(ts.load_recorded("fashion"))
        >>> bool((surface["safe_speed_m_s"].dropna() < 10).all())
        True
        """
        priced = with_cost(with_products(surface), price_per_hour=self.price_per_hour, watts=self.watts)
        return with_safe_speed(
            priced, sensing_range_m=self.sensing_range_m, braking_m_s2=self.braking_m_s2, latency=latency
        )
