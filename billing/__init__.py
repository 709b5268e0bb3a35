"""What sells rights: packages, the ledger, payments, vouchers, refunds. Imports radius, never coa."""
