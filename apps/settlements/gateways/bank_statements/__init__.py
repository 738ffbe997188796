"""Files of banks' statements: CSV of Indian banks or by a mapping, MT940 and camt.053, recognised and checked as a whole."""

from apps.settlements.gateways.bank_statements.recognition import Inspection, inspect_statement, read_lines

__all__ = ["Inspection", "inspect_statement", "read_lines"]
