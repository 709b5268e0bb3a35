"""What is printed: vouchers as CSV, as an A4 sheet and on a roll; the statement of a closed day.

Knows the rules (`billing.domain`, `radius.domain`) and reportlab, and nothing else of ours: no store, no service, no
socket, no clock, no chance. The same input gives the same bytes. It sees codes in the clear, once, and keeps nothing.

The largest batch, 9,999 vouchers, takes about a minute of one core (6 ms each, most of it the QR code), 150 MiB of
memory on a sheet and 210 on a roll, and ten times what 1,000 take: a job for a command line, not for a request.
"""
