"""What customers' pages and M-Pesa talk to over HTTP: the same app on one box and on Lambda."""
