"""The relay: takes M-Pesa's calls for a box without a public address, keeps them, and gives them to that box."""
