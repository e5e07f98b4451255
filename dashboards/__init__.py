"""Records to figure data to figures to one page that opens without a network."""

from dashboards.front_picture import write_front_svg
from dashboards.report import write_report

__all__ = ["write_front_svg", "write_report"]
