"""Models of settlements, bank statements and the fee audit."""

from apps.settlements.models.bank_statements import (
    BankLine,
    BankLineNotFound,
    BankStatementImport,
    BankStatementNotFound,
)
from apps.settlements.models.settlements import (
    FeeCheck,
    FeeRate,
    FeeRateNotFound,
    Settlement,
    SettlementImport,
    SettlementLine,
    SettlementNotFound,
    SettlementReportRow,
)

__all__ = [
    "BankLine",
    "BankLineNotFound",
    "BankStatementImport",
    "BankStatementNotFound",
    "FeeCheck",
    "FeeRate",
    "FeeRateNotFound",
    "Settlement",
    "SettlementImport",
    "SettlementLine",
    "SettlementNotFound",
    "SettlementReportRow",
]
