"""Notices by e-mail, to customers who gave an address: one port, and SMTP behind it."""
