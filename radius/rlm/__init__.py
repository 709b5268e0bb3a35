"""The FreeRADIUS edge: attribute pairs to values and back. What rlm_python3 takes and gives is known only here."""
