"""Forty questions with the calls that answer them, for `calling`. The tools are only offered, never run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import pydantic

Call = tuple[str, dict[str, Any]]


@dataclass(frozen=True)
class Case:
    """A question, and the only right calls: in any order, none where no tool fits."""

    question: str
    calls: tuple[Call, ...] = ()


class Holding(pydantic.BaseModel):
    """One row of a portfolio."""

    ticker: str
    shares: int


def get_stock_price(ticker: str) -> None:
    """Get the current stock price of a company.

    ticker: Ticker symbol, such as AAPL
    """


def calculate_portfolio_value(holdings: list[Holding]) -> None:
    """Calculate the total value of a portfolio.

    holdings: List of holdings
    """


def get_weather(city: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> None:
    """Get the current weather in a city.

    city: Name of the city
    unit: Unit of temperature
    """


def convert_currency(amount: float, from_currency: str, to_currency: str) -> None:
    """Convert an amount of money into another currency.

    amount: Amount of money
    from_currency: Currency code to convert from
    to_currency: Currency code to convert to
    """


TOOLS: tuple[Callable[..., None], ...] = (
    get_stock_price,
    calculate_portfolio_value,
    get_weather,
    convert_currency,
)


def _prices(question: str, *tickers: str) -> Case:
    return Case(question, tuple(("get_stock_price", {"ticker": each}) for each in tickers))


def _worth(question: str, **shares: int) -> Case:
    rows = [{"ticker": ticker, "shares": count} for ticker, count in shares.items()]
    return Case(question, (("calculate_portfolio_value", {"holdings": rows}),))


def _weather(question: str, *cities: str, **unit: str) -> Case:
    return Case(question, tuple(("get_weather", {"city": each, **unit}) for each in cities))


def _money(question: str, amount: float, source: str, target: str) -> Case:
    arguments = {"amount": amount, "from_currency": source, "to_currency": target}
    return Case(question, (("convert_currency", arguments),))


CASES: tuple[Case, ...] = (
    _prices("What is the current price of AAPL?", "AAPL"),
    _prices("What does NVDA cost right now?", "NVDA"),
    _prices("Get the stock price of AMD.", "AMD"),
    _prices("How much is one share of TSLA?", "TSLA"),
    _prices("Please look up the share price of INTC.", "INTC"),
    _prices("Show me the price of IBM stock.", "IBM"),
    _prices("What is the share price of ORCL?", "ORCL"),
    _prices("Could you check the current price of SAP?", "SAP"),
    _prices("What is the current price of AAPL and MSFT?", "AAPL", "MSFT"),
    _prices("What is the price of NVDA and AMD?", "NVDA", "AMD"),
    _prices("Get the stock price of TSLA, F and GM.", "TSLA", "F", "GM"),
    _prices("What do IBM and ORCL cost right now?", "IBM", "ORCL"),
    _prices("Check the current price of SAP and INTC.", "SAP", "INTC"),
    _prices("What is the current price of AMZN, META and NFLX?", "AMZN", "META", "NFLX"),
    _prices("Look up the share price of KO and PEP.", "KO", "PEP"),
    _prices("What is the share price of DIS and V?", "DIS", "V"),
    _worth("What is my portfolio worth: 10 shares of AAPL and 5 shares of MSFT?", AAPL=10, MSFT=5),
    _worth("How much are 3 shares of NVDA worth?", NVDA=3),
    _worth("Calculate the value of 12 AMD and 40 INTC.", AMD=12, INTC=40),
    _worth("I own 7 shares of TSLA and 100 shares of F, what is the total value?", TSLA=7, F=100),
    _worth("What is the total value of 25 shares of KO and 8 shares of PEP?", KO=25, PEP=8),
    _worth("Calculate my portfolio value: 60 shares of IBM.", IBM=60),
    _worth("Tell me what 15 shares of SAP and 20 shares of ORCL are worth.", SAP=15, ORCL=20),
    _worth("Work out the total value of my portfolio with 9 V, 4 MA and 2 AXP.", V=9, MA=4, AXP=2),
    _weather("What is the weather in Rome?", "Rome"),
    _weather("What is the current weather in Oslo?", "Oslo"),
    _weather("Check the weather for Madrid.", "Madrid"),
    _weather("Get the weather in Boston in fahrenheit.", "Boston", unit="fahrenheit"),
    _weather("What is the weather like in Cairo in celsius?", "Cairo", unit="celsius"),
    _weather("What is the weather in Paris and London?", "Paris", "London"),
    _money("Convert 100 EUR to USD.", 100, "EUR", "USD"),
    _money("How much is 250 GBP in JPY?", 250, "GBP", "JPY"),
    _money("Exchange 75.5 CHF for EUR.", 75.5, "CHF", "EUR"),
    _money("Please change 40 USD into CAD.", 40, "USD", "CAD"),
    _money("What are 1200 SEK in EUR?", 1200, "SEK", "EUR"),
    Case("Hello!"),
    Case("Thank you!"),
    Case("Set an alarm for 7 am."),
    Case("What is the KV cache?"),
    Case("Send an email to Anna."),
)
