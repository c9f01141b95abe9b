"""The guide's two tools, as functions: a price, and what a portfolio is worth. The prices are made up.

They are the last day's of `labkit/catalog/share_prices.yaml`.
"""

from __future__ import annotations

from typing import Any

import pydantic

from labkit import catalog

TEXT = {"unknown": "unknown ticker {ticker}; known are {known}"}


class Holding(pydantic.BaseModel):
    ticker: str
    shares: int


def get_stock_price(ticker: str) -> dict[str, Any]:
    """Get the current stock price of a company.

    ticker: Ticker symbol, such as AAPL
    """
    return {"price": _price(ticker), "currency": "USD"}


def calculate_portfolio_value(holdings: list[Holding]) -> dict[str, Any]:
    """Calculate the total value of a portfolio.

    holdings: List of holdings
    """
    total = sum(_price(each.ticker) * each.shares for each in holdings)
    return {"total_value": total, "currency": "USD"}


def _price(ticker: str) -> float:
    prices = catalog.load("share_prices")
    if ticker not in prices:
        raise ValueError(TEXT["unknown"].format(ticker=ticker, known=", ".join(prices)))
    return float(prices[ticker][-1])
