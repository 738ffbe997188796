"""What must hold of registrations and rates."""

from apps.core.audit import Invariant, Reads

INVARIANTS = (
    Invariant(
        id="TAX-01",
        name="tax_rates_do_not_overlap",
        statement="A tax class has at most one rate on any day: its periods do not overlap.",
        sql="""
            SELECT tax_class, valid_from, valid_to, next_from
            FROM (
                SELECT tax_class, valid_from, valid_to,
                       lead(valid_from) OVER (PARTITION BY tax_class ORDER BY valid_from, id) AS next_from
                FROM tax_taxrate
            ) AS periods
            WHERE next_from IS NOT NULL AND (valid_to IS NULL OR next_from <= valid_to)
        """,
        reads=Reads.LITTLE,
    ),
    Invariant(
        id="TAX-02",
        name="one_default_registration",
        statement="At most one registration is the default, it is active, and every state is that of its GSTIN.",
        sql="""
            SELECT gstin, state, is_default, is_active FROM tax_registration
            WHERE state <> left(gstin, 2)
               OR (is_default AND NOT is_active)
               OR (is_default AND (SELECT count(*) FROM tax_registration WHERE is_default) > 1)
        """,
        reads=Reads.LITTLE,
    ),
)
